//! The lab's truth, derived again from the captures of sets that somebody else made (or an earlier
//! run of the lab), must agree with the truth that lies beside them.

#![allow(clippy::unwrap_used, reason = "a helper of tests")]

use std::path::{Path, PathBuf};

use why504_lab::truth;

fn agrees(folder: &Path) {
    let settings = truth::Settings::read(folder).unwrap();
    let (rows, _) = truth::derive(folder, &settings).unwrap();
    let agreement = truth::compare(&rows, &truth::read(folder).unwrap());
    let name = folder.display();
    assert_eq!(agreement.differences, Vec::<String>::new(), "{name}");
    assert_eq!(agreement.unmatched, Vec::<u64>::new(), "{name}");
    assert!(agreement.both_exact * 100 >= agreement.rows * 85, "{name}: {agreement:?}");
}

#[test]
fn the_demo_has_the_truth_that_was_committed() {
    agrees(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/demo"));
}

#[test]
fn sets_of_another_hand_have_the_same_truth() {
    let shared: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sets");
    let Ok(entries) = std::fs::read_dir(shared) else { return };
    for entry in entries {
        let folder = entry.unwrap().path();
        if folder.join("truth.jsonl").exists() {
            agrees(&folder);
        }
    }
}
