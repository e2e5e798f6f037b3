//! The lab's captures of real kernels (`captures/lab`): each attempt gets the verdict and the
//! mechanism that the README states, from both files; from one file alone the same or an honest
//! weaker one: one that is not sure and names the truth as an alternative.
//!
//! With a log line as nginx would have written it, and without any. Coverage decides the grade: a
//! capture of one flow proves no absence, so the grades are not part of the table.

use std::path::{Path, PathBuf};

use why504_correlate::{Case, Grade, Judgement, Mechanism, Verdict};
use why504_handshake::Sighting;
use why504_model::{Endpoint, Span, TimeoutKind, Timestamp};

use crate::observed::{Fired, Observed, folder};

/// One attempt of one scenario, or one log line about it.
struct Expected {
    /// The files' name in front of `.c.pcap` and `.s.pcap`.
    scenario: &'static str,
    /// The client's ISN: the attempt.
    isn: u32,
    /// Whether the outcome without any log is this, and then whether it is a near miss: a SYN or
    /// SYN+ACK had to be repeated, and then it succeeded.
    outcome: Option<bool>,
    /// The timer that fired, in milliseconds, and what nginx logs of it; none where the attempt did
    /// not end in a timer.
    fired: Option<(TimeoutKind, i64)>,
    /// What happened.
    truth: Verdict,
    /// What refines it, in the words of the contract; none where the README names nothing.
    mechanism: Option<&'static str>,
}

/// A connect timeout; the outcome without a log is the same.
const fn row(
    scenario: &'static str,
    isn: u32,
    timer: i64,
    truth: Verdict,
    mechanism: Option<&'static str>,
) -> Expected {
    let fired = Some((LuaConnectTimeout, timer));
    Expected { scenario, isn, outcome: Some(false), fired, truth, mechanism }
}

/// An attempt that did not end in a connect timeout.
const fn ended(
    scenario: &'static str,
    isn: u32,
    truth: Verdict,
    mechanism: Option<&'static str>,
    near_miss: bool,
) -> Expected {
    Expected { scenario, isn, outcome: Some(near_miss), fired: None, truth, mechanism }
}

/// What only a log line tells: it has a deadline.
const fn line(
    scenario: &'static str,
    isn: u32,
    kind: TimeoutKind,
    timer: i64,
    truth: Verdict,
) -> Expected {
    let fired = Some((kind, timer));
    Expected { scenario, isn, outcome: None, fired, truth, mechanism: None }
}

use TimeoutKind::{LuaConnectTimeout, LuaReadTimeout};
use Verdict::{
    AckIgnored, AckLost, Connected, GatewayStall, IcmpRejected, NoSynSent, NotCaptured, Refused,
    ServerSilent, StaleConnection, SynAckLost, SynAckNotAccepted, SynLost,
};
const REUSE: Option<&str> = Some("port_reuse_synrecv");

/// Read from the README and, packet by packet, with tshark.
const TABLE: &[Expected] = &[
    row("A_synack_lost_100ms", 489_136_716, 100, SynAckLost, None),
    ended("B1_first_syn_lost_then_ok", 3_260_622_524, Connected, None, true),
    ended("B2_first_synack_lost_then_ok", 3_075_976_155, Connected, None, true),
    row("C_reuse_fault_on", 3_049_517_132, 2500, SynAckLost, None),
    row("C_reuse_fault_on", 3_093_289_705, 2500, SynAckLost, REUSE),
    row("D_reuse_fault_cleared", 166_817_886, 1500, SynAckLost, None),
    ended("D_reuse_fault_cleared", 193_415_358, Connected, REUSE, true),
    row("F_late_synack_closed", 2_241_329_754, 200, SynAckLost, None),
    ended("G_stale_established", 3_893_116_449, Connected, None, false),
    row("G_stale_established", 3_897_816_024, 2000, StaleConnection, Some("established")),
    ended("G2_stale_close_wait", 258_822_389, Connected, None, false),
    ended("G2_stale_close_wait", 296_332_558, Connected, Some("close_wait"), true),
    ended("H_timewait_reuse_ok", 1_310_731_463, Connected, None, false),
    ended("H2_timewait_reuse_nots", 511_965_453, Connected, None, false),
    ended("H2_timewait_reuse_nots", 516_663_815, Connected, None, false),
    ended("I_accept_queue_full", 258_835_735, Connected, None, false),
    ended("I_accept_queue_full", 4_026_723_503, Connected, None, false),
    row("I_accept_queue_full", 1_358_217_520, 2500, ServerSilent, None),
    row("I_accept_queue_full", 3_361_301_649, 1500, ServerSilent, None),
    ended(
        "I2_third_ack_dropped_by_full_accept_queue",
        367_054_971,
        AckIgnored,
        Some("accept_queue_overflow"),
        true,
    ),
    line(
        "I2_third_ack_dropped_by_full_accept_queue",
        367_054_971,
        LuaReadTimeout,
        3300,
        AckIgnored,
    ),
    ended("I2_third_ack_dropped_by_full_accept_queue", 3_858_453_840, Connected, None, false),
    ended("I3_abort_on_overflow", 3_931_988_319, AckIgnored, Some("accept_queue_overflow"), false),
    line("I3_abort_on_overflow", 3_931_988_319, LuaReadTimeout, 2000, AckIgnored),
    ended("I3_abort_on_overflow", 1_540_362_413, Connected, None, false),
    ended("J_third_ack_lost", 578_632_509, AckLost, None, true),
    line("J_third_ack_lost", 578_632_509, LuaReadTimeout, 2600, AckLost),
    ended("K_reject_icmp_type_admin-prohibited", 3_290_511_460, IcmpRejected, None, false),
    ended("K_reject_icmp_type_host-unreachable", 2_303_693_982, IcmpRejected, None, false),
    ended("K_reject_tcp_reset", 3_966_563_044, Refused, None, false),
    ended("L_reuse_inwindow", 3_556_349_393, SynAckLost, None, false),
    ended("L_reuse_inwindow", 3_556_351_714, Refused, Some("port_reuse_in_window"), false),
    ended("M_simopen", 2_189_191_042, Connected, Some("simultaneous_open"), true),
    row("N_syncookies_lost", 3_771_129_232, 4000, SynAckLost, Some("syn_cookies")),
    row("N2_syncookies_reuse", 1_538_675_511, 1500, SynAckLost, Some("syn_cookies")),
    row("N2_syncookies_reuse", 1_565_270_513, 1000, SynAckLost, None),
    ended("O_defer_accept", 2_265_716_831, AckIgnored, Some("defer_accept"), false),
    line("O_defer_accept", 2_265_716_831, LuaReadTimeout, 7500, AckIgnored),
    row("P_server_input_drop", 1_869_612_102, 1500, ServerSilent, None),
    row("Q_client_input_drop", 949_800_212, 1500, SynAckNotAccepted, None),
    row("S_syn_lost", 3_841_006_957, 3000, SynLost, None),
    row("V_late_synack_vs_new_syn", 2_031_931_208, 500, SynAckLost, None),
    ended("V_late_synack_vs_new_syn", 2_041_382_873, Connected, REUSE, true),
    ended("W_stall", 3_721_931_994, Connected, None, false),
    line("W_stall", 3_721_931_994, LuaConnectTimeout, 1000, GatewayStall),
    row("X_checksum_bad", 956_395_149, 3000, SynAckNotAccepted, Some("synack_bad_ack")),
    row("Y_snat_reuse", 556_516_711, 900, SynAckLost, None),
    row("Y_snat_reuse", 2_071_330_733, 3000, SynAckLost, REUSE),
    row("Y2_snat_reuse_invalid_drop", 1_853_957_819, 900, SynAckLost, None),
    row("Y2_snat_reuse_invalid_drop", 2_836_313_667, 3000, SynAckLost, REUSE),
    row("Y3_snat_clash", 99_420_271, 400, SynLost, None),
    row("Y3_snat_clash", 240_284_476, 2000, SynLost, None),
    row("Z_schedules", 1_665_246_250, 70_000, SynLost, None),
    row("Z_schedules", 3_393_514_665, 900, SynAckLost, None),
];

/// An answer as far as it is compared.
#[derive(Debug)]
struct Answer {
    verdict: Verdict,
    mechanism: Option<&'static str>,
    grade: Grade,
    alternatives: Vec<Verdict>,
    #[allow(dead_code, reason = "printed where the answer is wrong")]
    row: &'static str,
}

impl Answer {
    fn of_outcome(judged: &Judgement) -> Self {
        Self {
            verdict: judged.verdict(),
            mechanism: judged.mechanism.map(Mechanism::name),
            grade: judged.grade,
            alternatives: judged.row.alternatives.iter().map(|a| a.0).collect(),
            row: judged.row.name,
        }
    }

    fn of_line(case: &Case) -> Self {
        Self {
            verdict: case.verdict,
            mechanism: case.mechanism.map(Mechanism::name),
            grade: case.grade,
            alternatives: case.alternatives.iter().map(|a| a.0).collect(),
            row: case.candidates.first().map_or("none", |c| c.judgement.row.name),
        }
    }

    /// The verdict is right; so is the mechanism, or it says nothing where that is allowed.
    fn is_right(&self, expected: &Expected, may_say_less: bool) -> bool {
        let says_nothing = matches!(self.mechanism, None | Some("open_at_end"));
        self.verdict == expected.truth
            && (expected.mechanism.is_none()
                || self.mechanism == expected.mechanism
                || may_say_less && says_nothing)
    }

    /// Not sure of itself, and the truth is among what it names.
    fn is_honest(&self, expected: &Expected) -> bool {
        !self.grade.is_sure()
            && (self.verdict == expected.truth || self.alternatives.contains(&expected.truth))
    }
}

#[test]
fn both_files_give_what_the_readme_states() {
    let wrong = disagreements(&["c", "s"], |answer, expected| answer.is_right(expected, false));
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn one_file_gives_the_same_or_an_honest_weaker_verdict() {
    for end in ["c", "s"] {
        let wrong = disagreements(&[end], |answer, expected| {
            answer.is_right(expected, true) || answer.is_honest(expected)
        });
        assert_eq!(wrong, Vec::<String>::new());
    }
}

/// What only a signature of one side tells: these may not get weaker.
#[test]
fn one_side_is_sure_where_the_packets_are() {
    let Some(folder) = folder("lab") else { return };
    for (file, isn) in [
        ("C_reuse_fault_on.c", 3_049_517_132),
        ("D_reuse_fault_cleared.c", 166_817_886),
        ("F_late_synack_closed.c", 2_241_329_754),
        ("V_late_synack_vs_new_syn.c", 2_031_931_208),
        ("Y_snat_reuse.c", 556_516_711),
        ("Y2_snat_reuse_invalid_drop.c", 1_853_957_819),
    ] {
        let observed = Observed::of(&[folder.join(format!("{file}.pcap"))]);
        let judged = observed.outcome(observed.attempt(isn).expect("it was captured"));
        assert_eq!((judged.verdict(), judged.grade), (SynAckLost, Grade::Signature), "{file}");
    }
}

#[test]
fn near_misses_are_those_that_a_repetition_saved() {
    let Some(folder) = folder("lab") else { return };
    for expected in TABLE {
        let observed = Observed::of(&files(&folder, expected.scenario, &["c", "s"]));
        let (Some(wanted), Some(attempt)) = (expected.outcome, observed.attempt(expected.isn))
        else {
            continue;
        };
        let near_miss = attempt.sightings().any(Sighting::saved_by_repetition);
        assert_eq!(near_miss, wanted, "{} {}", expected.scenario, expected.isn);
    }
}

/// Scenarios in which nothing left the client's host.
const EMPTY: [&str; 2] = ["R_client_output_drop", "T_arp_fail"];

/// A scenario that is not in the table would be passed over silently.
#[test]
fn every_scenario_is_in_the_table() {
    let Some(folder) = folder("lab") else { return };
    for entry in folder.read_dir().expect("it is a folder").flatten() {
        let name = entry.file_name().into_string().expect("ASCII names");
        let scenario = name.split('.').next().unwrap_or_default();
        let known = TABLE.iter().map(|expected| expected.scenario).chain(EMPTY);
        assert!(known.into_iter().any(|known| known == scenario), "{name}");
    }
}

/// R and T: nothing left the client's host, and both files are empty.
#[test]
fn empty_files_at_both_ends_say_that_no_syn_was_seen_and_prove_nothing() {
    let Some(folder) = folder("lab") else { return };
    for scenario in EMPTY {
        let fired = Fired {
            kind: LuaConnectTimeout,
            server: Endpoint::new([10, 77, 2, 2].into(), 8080),
            started: Timestamp::from_parts(1_795_000_000, 0),
            timer: Span::from_millis(1500),
        };
        let both = Observed::of(&files(&folder, scenario, &["c", "s"])).case(fired);
        assert_eq!((both.verdict, both.grade), (NoSynSent, Grade::Consistent), "{scenario}");
        // One empty file may stand for either end.
        let one = Answer::of_line(&Observed::of(&files(&folder, scenario, &["c"])).case(fired));
        assert_eq!((one.verdict, one.grade), (NotCaptured, Grade::Consistent), "{scenario}");
        assert!(one.alternatives.contains(&NoSynSent) && one.alternatives.contains(&SynLost));
    }
}

/// Every answer of the files of these ends that is not as it should be.
fn disagreements(ends: &[&str], is_right: impl Fn(&Answer, &Expected) -> bool) -> Vec<String> {
    let Some(folder) = folder("lab") else { return Vec::new() };
    let mut wrong = Vec::new();
    for expected in TABLE {
        let observed = Observed::of(&files(&folder, expected.scenario, ends));
        let answers = [
            ("outcome", outcome(&observed, expected)),
            ("line", of_line(&folder, &observed, expected)),
        ];
        for (asked, answer) in answers {
            if let Some(answer) = answer.filter(|answer| !is_right(answer, expected)) {
                let Expected { scenario, isn, truth, mechanism, .. } = expected;
                wrong.push(format!(
                    "{scenario} {isn} from {ends:?}, {asked}: {truth:?} {mechanism:?} is {answer:?}"
                ));
            }
        }
    }
    wrong
}

fn files(folder: &Path, scenario: &str, ends: &[&str]) -> Vec<PathBuf> {
    ends.iter().map(|end| folder.join(format!("{scenario}.{end}.pcap"))).collect()
}

/// What became of the attempt, without a log.
fn outcome(observed: &Observed, expected: &Expected) -> Option<Answer> {
    expected.outcome?;
    let attempt = observed.attempt(expected.isn)?;
    Some(Answer::of_outcome(&observed.outcome(attempt)))
}

/// What the line is about that nginx wrote when the timer fired. Its start is that of the client's
/// first SYN, whichever file is looked at.
fn of_line(folder: &Path, observed: &Observed, expected: &Expected) -> Option<Answer> {
    let (kind, timer) = expected.fired?;
    let client = Observed::of(&files(folder, expected.scenario, &["c"]));
    let attempt = client.attempt(expected.isn).expect("the client sent it");
    let fired = Fired {
        kind,
        server: attempt.flow().server,
        started: attempt.first_syn(),
        timer: Span::from_millis(timer),
    };
    Some(Answer::of_line(&observed.case(fired)))
}
