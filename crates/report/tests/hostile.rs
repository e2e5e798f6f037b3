//! Whatever the inputs hold: nothing of it reaches a terminal raw, no line is wider than asked for,
//! and JSON stays JSON.

mod support;

use proptest::prelude::*;
use support::{Scene, incident, texts};
use why504_report::{InputNote, Style, ndjson};

/// Columns that a terminal may give a character, never too few.
fn widest(line: &str) -> usize {
    line.chars()
        .map(|c| match c {
            '\0'..='\u{10ff}'
            | '\u{2010}'..='\u{2027}'
            | '\u{2190}'..='\u{2193}'
            | '\u{2212}'
            | '\u{2500}'..='\u{259f}' => 1,
            _ => 2,
        })
        .sum()
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{61c}' | '\u{feff}' | '\u{ad}')
}

fn assert_harmless(text: &str, width: usize) {
    for line in text.lines() {
        assert!(!line.chars().any(is_hostile), "{line:?}");
        assert!(widest(line) <= width, "{} > {width}: {line}", widest(line));
    }
}

/// Puts the text wherever something of an input is shown.
fn poisoned(text: &str, seen: [bool; 2]) -> Scene {
    let mut scene = incident();
    scene.inputs = vec![text.to_owned(), "gateway.pcap".into()];
    scene.sources = vec![text.to_owned(); 4];
    text.clone_into(&mut scene.zone.name);
    text.clone_into(&mut scene.zone.chosen);
    scene.totals.packet_tally.insert(text.to_owned(), 3);
    text.clone_into(&mut scene.totals.skipped[0].path);
    text.clone_into(&mut scene.totals.skipped[0].reason);
    let note = |record| InputNote {
        path: text.to_owned(),
        record,
        offset: None,
        message: text.to_owned(),
    };
    scene.totals.diagnostics = (0..12).map(note).collect();
    for words in &mut scene.texts {
        for field in [
            &mut words.message,
            &mut words.client,
            &mut words.server,
            &mut words.request,
            &mut words.host,
        ] {
            text.clone_into(field);
        }
    }
    let mut scene = scene.analyse(seen);
    for point in &mut scene.points {
        text.clone_into(&mut point.name);
        text.clone_into(&mut point.link);
    }
    scene
}

fn check(text: &str, width: usize) {
    for seen in [[true, true], [true, false], [false, true]] {
        let scene = poisoned(text, seen);
        let run = scene.run();
        for (name, render) in texts() {
            let mut plain = Vec::new();
            render(&run, &Style { width, color: false, cut_rows: true }, &mut plain);
            let plain = String::from_utf8(plain).expect("UTF-8");
            assert_harmless(&plain, width);
            let mut colored = Vec::new();
            render(&run, &Style { width, color: true, cut_rows: true }, &mut colored);
            let colored = String::from_utf8(colored).expect("UTF-8");
            assert_eq!(without_colour(&colored), plain, "{name}: colour adds only colour");
        }
        let mut json = Vec::new();
        ndjson::report(&run, &mut json).expect("memory");
        ndjson::timeouts(&run, &mut json).expect("memory");
        for line in String::from_utf8(json).expect("UTF-8").lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if value["type"] == "case" {
                assert_eq!(value["log"]["message"], text);
                assert_eq!(value["log"]["file"], text);
            }
        }
    }
}

/// Takes away the colour sequences that the crate writes: ESC `[` digits and `;` then `m`.
fn without_colour(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(rest.strip_prefix('m').expect("only colours are written"));
    }
    plain
}

#[test]
fn the_usual_attacks_are_harmless() {
    let long = "/very/long/".repeat(900);
    for text in [
        "\x1b]0;owned\x07\x1b[2J\x1b[31m",
        "\u{202e}gpj.exe\u{2066}",
        "a\r\nInjected: line\n",
        "\u{9b}31m\u{85}",
        "\u{fffd}\u{fffd} bytes that were no UTF-8",
        "网关网关网关 café \u{1f600}",
        "'; rm -rf ~ #$(reboot)`x`",
        long.as_str(),
        "",
    ] {
        check(text, 80);
    }
}

#[test]
fn widths_hold() {
    for width in 60..=200 {
        let scene = incident().analyse([true, true]);
        for (_, render) in texts() {
            let mut out = Vec::new();
            render(&scene.run(), &Style { width, color: false, cut_rows: true }, &mut out);
            assert_harmless(&String::from_utf8(out).expect("UTF-8"), width);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nothing_hostile_reaches_the_output(text in any::<String>(), width in 60_usize..=200) {
        check(&text, width);
    }
}
