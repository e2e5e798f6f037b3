//! What `explain` says beside the verdict, from what other attempts show.

mod support;

use support::{Scene, Way};
use why504_model::TimeoutKind;
use why504_report::{Style, explain, ndjson};

/// The explanation of the only case, on one line.
fn explained(scene: &Scene) -> String {
    let run = scene.run();
    let mut lines = Vec::new();
    ndjson::report(&run, &mut lines).expect("memory");
    let lines = String::from_utf8(lines).expect("text");
    let case = lines.lines().find(|line| line.contains(r#""type":"case""#)).expect("a case");
    let case: serde_json::Value = serde_json::from_str(case).expect("JSON");
    let mut text = Vec::new();
    let id = case["id"].as_str().expect("an id");
    assert!(explain::case(&run, id, &Style::default(), &mut text).expect("memory"));
    let text = String::from_utf8(text).expect("text");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_silent_server_that_answers_others_is_not_down() {
    for (others, hinted) in [(true, true), (false, false)] {
        let mut scene = Scene::default();
        for i in 0..20_u16 {
            // One connect every 100 ms, or none within two seconds of the silent one.
            let ms = i64::from(i) * 100;
            scene.healthy(if others { 29_000 + ms } else { ms }, 40_000 + i);
            scene.healthy(60_000 + ms, 41_000 + i);
        }
        scene.send(30_000, 50_000, ">S", 7_000, 0, Way::There);
        scene.send(31_020, 50_000, ">S", 7_000, 0, Way::There);
        scene.logged(32_000, TimeoutKind::LuaConnectTimeout, Some(30_000), true);
        let text = explained(&scene.analyse([true, true]));
        assert!(text.contains("verdict server_silent"), "{text}");
        assert_eq!(text.contains("this upstream answered other SYNs"), hinted, "{text}");
    }
}

#[test]
fn a_rst_from_on_the_way_is_told_by_its_hops() {
    for (nearer, hinted) in [(true, true), (false, false)] {
        let mut scene = Scene::default();
        for i in 0..20_u16 {
            scene.healthy(i64::from(i) * 1_500, 40_000 + i);
        }
        scene.send(40_000, 50_000, ">S", 7_000, 0, Way::There);
        // Captured at the gateway where it was sent: no hop at all.
        let way = if nearer { Way::Lost } else { Way::There };
        scene.send(40_001, 50_000, "<R.", 0, 7_001, way);
        if nearer {
            scene.move_last_to_gateway();
        }
        scene.logged(40_001, TimeoutKind::ConnectRefused, None, true);
        let text = explained(&scene.analyse([true, true]));
        assert!(text.contains("verdict refused"), "{text}");
        assert_eq!(text.contains("something on the way sent it"), hinted, "{text}");
    }
}
