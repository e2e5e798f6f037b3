//! Reads the table of crates in `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a crate may stand on.
pub(crate) struct Place {
    /// Crates of ours, without the `why504-` in front.
    pub(crate) ours: BTreeSet<String>,
    /// Crates of others.
    pub(crate) foreign: BTreeSet<String>,
}

/// The rows ``| `crate` | stands on | foreign crates |`` under the heading of the drawing.
pub(crate) fn read(path: &Path) -> BTreeMap<String, Place> {
    let text = crate::read(path);
    let (_, rest) = text.split_once("\n## The crates\n").expect("a heading `## The crates`");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let [name, _, ours, foreign] = cells.as_slice() else {
            panic!("a row of the drawing has four cells: {line}");
        };
        let name = words(name).into_iter().next().expect("a crate's name");
        (name, Place { ours: words(ours), foreign: words(foreign) })
    });
    let drawn: BTreeMap<String, Place> = rows.collect();
    assert!(!drawn.is_empty(), "{} draws no crate", path.display());
    drawn
}

/// The words between backticks.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
