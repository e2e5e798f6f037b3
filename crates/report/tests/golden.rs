//! The texts as a person reads them, held against copies that were reviewed by eye. After a change
//! that is meant, run with `UPDATE_GOLDEN=1` and read the difference.

mod support;

use std::path::PathBuf;

use support::{Scene, incident};
use why504_model::Interval;
use why504_report::check::{Check, LogFile, PointFacts};
use why504_report::{Run, Style, case_ids, explain, text, verdicts_doc};

fn check(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).expect("the golden directory is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} differs from its golden copy; it is now:\n{found}");
}

fn report(run: &Run<'_>) -> String {
    let mut out = Vec::new();
    text::report(run, &Style::default(), &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

fn explained(run: &Run<'_>, timeout: usize) -> String {
    let mut out = Vec::new();
    let id = &case_ids(run)[timeout];
    assert!(explain::case(run, id, &Style::default(), &mut out).expect("memory"));
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn both_points() {
    let scene = incident().analyse([true, true]);
    check("report-both.txt", &report(&scene.run()));
    check("explain-synack-lost.txt", &explained(&scene.run(), 0));
    check("explain-late.txt", &explained(&scene.run(), 8));
    check("explain-ambiguous.txt", &explained(&scene.run(), 9));
    check("explain-reuse.txt", &explained(&scene.run(), 11));
}

/// What `why504 check` says of the incident, as if the files had been looked at.
fn checked(scene: &Scene, width: usize) -> String {
    let span = |file: u32| {
        let of_file = scene.timeouts.iter().filter(|t| t.location.source.0 == file);
        of_file.map(|t| t.logged).reduce(Interval::hull)
    };
    let logs =
        [("logs/error.log", "error log", 826, 12), ("logs/access.log", "access log", 9_000, 0)];
    let check = Check {
        logs: logs
            .map(|(path, kind, lines, timeouts)| LogFile {
                path: path.into(),
                kind,
                zone: (timeouts > 0).then(|| "Asia/Shanghai (--tz)".to_owned()),
                lines,
                span: span(0),
                timeouts,
            })
            .into(),
        points: scene
            .points
            .iter()
            .map(|_| PointFacts {
                dropped: Some(3),
                completed: 41,
                answers_missed: 2,
                requests: 40,
                requests_missed: 1,
                filter: Some("tcp or icmp".into()),
            })
            .collect(),
    };
    let mut out = Vec::new();
    let style = Style { width, color: false, cut_rows: true };
    text::check(&scene.run(), &check, &style, &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn check_at_two_widths() {
    let scene = incident().analyse([true, true]);
    for width in [80, 140] {
        let text = checked(&scene, width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        check(&format!("check-{width}.txt"), &text);
    }
    let scene = incident().analyse([true, false]);
    check("check-gateway.txt", &checked(&scene, 80));
}

#[test]
fn one_point() {
    let scene = incident().analyse([true, false]);
    check("report-gateway.txt", &report(&scene.run()));
    check("explain-gateway.txt", &explained(&scene.run(), 0));
    let scene = incident().analyse([false, true]);
    check("report-upstream.txt", &report(&scene.run()));
    check("explain-upstream.txt", &explained(&scene.run(), 0));
}

#[test]
fn a_healthy_day_is_one_sentence() {
    let mut scene = Scene::default();
    for i in 0..5_u16 {
        scene.healthy(i64::from(i) * 1500, 40_000 + i);
    }
    scene.log_lines.other = 4_211;
    let scene = scene.analyse([true, true]);
    let text = report(&scene.run());
    assert!(text.contains("No timeouts: 4 211 log lines report none"), "{text}");
    check("report-healthy.txt", &text);
}

#[test]
fn the_verdicts_document_holds_every_row() {
    let document = verdicts_doc::markdown();
    for (number, row) in (1..).zip(why504_correlate::rows()) {
        assert!(document.contains(&format!("\n| {number} | `{}` |", row.name)), "{}", row.name);
    }
    for verdict in why504_correlate::Verdict::ALL {
        assert!(document.contains(&format!("\n| `{}` |", verdict.name())));
    }
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(document.lines().filter(|l| l.starts_with('|')).all(|l| matches!(columns(l), 4 | 9)));
}
