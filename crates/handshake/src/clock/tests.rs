use super::*;
use std::vec::Vec;

/// Handshakes every `step`, seen over a path of 200 us each way plus jitter, with the far clock
/// `offset` ahead and drifting.
fn exchange(n: i64, step: Span, offset: Span, ppm: i64) -> Vec<Pairing> {
    from(Timestamp::from_parts(1_000_000, 0), n, step, offset, ppm)
}

fn from(start: Timestamp, n: i64, step: Span, offset: Span, ppm: i64) -> Vec<Pairing> {
    (0..n)
        .flat_map(|i| {
            let near = start + Span::from_nanos(step.nanos().saturating_mul(i));
            let skew = offset + Span::from_nanos(step.nanos() * i).scaled(ppm, 1_000_000);
            let delay = Span::from_micros(200 + (i * 7919) % 300);
            [
                Pairing { sender: Side::Client, near, far: near + skew + delay },
                Pairing { sender: Side::Server, near, far: near + skew - delay },
            ]
        })
        .collect()
}

fn error(estimate: &ClockOffset, at: Timestamp, truth: Span) -> i64 {
    (estimate.at(at) - truth).nanos().abs()
}

#[test]
fn a_constant_offset_is_found_within_a_millisecond_at_any_distance() {
    for offset in [0, -3_217, 5_000, 5 * 3_600_000, -30 * 3_600_000] {
        let offset = Span::from_millis(offset);
        let pairs = exchange(5, Span::from_secs(1), offset, 0);
        let found = ClockOffset::estimate(&pairs).unwrap();
        assert!(error(&found, pairs[0].near, offset) < 1_000_000);
        assert!(!found.inconsistent && found.steps.is_empty());
        let back = found.to_near(pairs[0].near + offset);
        assert!(back.distance(pairs[0].near) < Span::from_millis(1));
    }
}

#[test]
fn drift_is_followed() {
    for ppm in [-500, -60, 60, 200, 499] {
        let pairs = exchange(600, Span::from_secs(1), Span::from_secs(5), ppm);
        let found = ClockOffset::estimate(&pairs).unwrap();
        let last = pairs.last().unwrap().near;
        let truth = Span::from_secs(5) + Span::from_secs(599).scaled(ppm, 1_000_000);
        assert!(error(&found, last, truth) < 1_000_000, "{ppm} ppm: {found:?}");
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let expected = ppm as f64 * 1e-6;
        assert!((found.drift - expected).abs() < 5e-6, "{ppm} ppm: {found:?}");
        assert_eq!((found.inconsistent, found.steps.len()), (false, 0), "{ppm} ppm");
    }
}

/// A generator of the kind that Numerical Recipes calls quick and dirty.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "32 bits")]
        let value = ((self.0 >> 33) as f64 + 0.5) / f64::from(1_u32 << 31);
        value
    }

    /// `least` and an exponential rest with this mean, in microseconds.
    fn delay(&mut self, least: f64, mean: f64) -> Span {
        bounds::nanos((least - mean * self.uniform().ln()) * 1_000.0)
    }
}

/// Handshakes at random moments of ten minutes: SYN and ACK there, SYN+ACK back. The shortest ways
/// are 0.2 ms each; the queues on the way there are four times those on the way back.
fn ten_minutes(random: &mut Random, handshakes: usize, offset: Span, drift: f64) -> Vec<Pairing> {
    let start = Timestamp::from_parts(1_000_000, 0);
    (0..handshakes)
        .flat_map(|_| {
            let syn = bounds::nanos(random.uniform() * 600e9);
            let far = |near: Span| {
                #[expect(clippy::cast_precision_loss, reason = "ten minutes")]
                let skew = bounds::nanos(near.nanos() as f64 * drift);
                start + near + offset + skew
            };
            let arrives = syn + random.delay(200.0, 2_000.0);
            let answered = arrives + Span::from_micros(30);
            let back = answered + random.delay(200.0, 500.0);
            let acknowledged = back + Span::from_micros(20);
            let end = acknowledged + random.delay(200.0, 2_000.0);
            [
                Pairing { sender: Side::Client, near: start + syn, far: far(arrives) },
                Pairing { sender: Side::Server, near: start + back, far: far(answered) },
                Pairing { sender: Side::Client, near: start + acknowledged, far: far(end) },
            ]
        })
        .collect()
}

/// The figures that docs/accuracy.md states: after ten minutes of traffic, offset within a
/// millisecond and drift within 5 ppm.
#[test]
fn ten_minutes_of_uneven_traffic_give_offset_and_drift() {
    let mut random = Random(504);
    // (handshakes, worst offset in ms and drift in ppm that 95 % of 120 runs stay below).
    for (handshakes, offset_ms, drift_ppm) in [(20, 1.0, 5.0), (60, 0.3, 1.0), (200, 0.1, 0.3)] {
        let (mut offsets, mut drifts) = (Vec::new(), Vec::new());
        for round in 0..120_u32 {
            let drift = [-500e-6, -60e-6, 0.0, 60e-6, 500e-6][(round % 5) as usize];
            let offset = Span::from_secs([0, -3, 18_000][(round % 3) as usize]);
            let pairs = ten_minutes(&mut random, handshakes, offset, drift);
            let found = ClockOffset::estimate(&pairs).unwrap();
            assert!(!found.inconsistent && found.steps.is_empty(), "{found:?}");
            let start = Timestamp::from_parts(1_000_000, 0);
            let worst = [0_i64, 300, 600]
                .map(|s| {
                    #[expect(clippy::cast_precision_loss, reason = "small")]
                    let truth = offset + bounds::nanos(s as f64 * 1e9 * drift);
                    error(&found, start + Span::from_secs(s), truth)
                })
                .into_iter()
                .max();
            #[expect(clippy::cast_precision_loss, reason = "a rendering")]
            offsets.push(worst.unwrap() as f64 / 1e6);
            drifts.push((found.drift - drift).abs() * 1e6);
        }
        offsets.sort_by(f64::total_cmp);
        drifts.sort_by(f64::total_cmp);
        let at = |list: &[f64], percent: usize| list[list.len() * percent / 100];
        assert!(at(&offsets, 95) < offset_ms, "{handshakes}: {:?}", at(&offsets, 95));
        assert!(at(&drifts, 95) < drift_ppm, "{handshakes}: {:?}", at(&drifts, 95));
    }
}

#[test]
fn a_clock_that_was_set_gives_two_lines_and_is_reported() {
    for by in [Span::from_secs(2), Span::from_secs(-2), Span::from_millis(40)] {
        let mut pairs = exchange(300, Span::from_secs(1), Span::from_secs(7), 60);
        let set = pairs.last().unwrap().near + Span::from_secs(1);
        let before = Span::from_secs(7) + Span::from_secs(300).scaled(60, 1_000_000);
        pairs.extend(from(set, 300, Span::from_secs(1), before + by, 60));
        let found = ClockOffset::estimate(&pairs).unwrap();
        assert!(!found.inconsistent, "{by:?}: {found:?}");
        assert_eq!(found.steps.len(), 1, "{by:?}: {found:?}");
        let step = found.steps[0];
        assert!((step.by - by).nanos().abs() < 1_000_000, "{by:?}: {step:?}");
        assert!(step.after <= set && set <= step.before + Span::from_secs(1), "{step:?}");
        for (at, truth) in [
            (pairs[10].near, Span::from_secs(7) + Span::from_secs(5).scaled(60, 1_000_000)),
            (set + Span::from_secs(100), before + by + Span::from_secs(100).scaled(60, 1_000_000)),
        ] {
            assert!(error(&found, at, truth) < 1_000_000, "{by:?}");
            assert!(found.is_known_at(at));
            let back = found.to_near(at + truth);
            assert!(back.distance(at) < Span::from_millis(1) || by < Span::ZERO, "{by:?}");
        }
    }
}

#[test]
fn one_packet_matched_wrongly_is_left_out() {
    let mut pairs = exchange(300, Span::from_secs(1), Span::ZERO, 0);
    pairs[100].far = pairs[100].far - Span::from_secs(9);
    let found = ClockOffset::estimate(&pairs).unwrap();
    assert_eq!((found.inconsistent, found.steps.len()), (false, 0), "{found:?}");
    assert!(found.contradicting >= 1);
    assert!(error(&found, pairs[300].near, Span::ZERO) < 1_000_000);
}

#[test]
fn clocks_that_never_agree_are_inconsistent() {
    let mut pairs = exchange(200, Span::from_secs(1), Span::ZERO, 0);
    for (i, pair) in pairs.iter_mut().enumerate() {
        let apart = i64::try_from(i * 7919 % 613).unwrap();
        pair.far = pair.far + Span::from_secs(apart);
    }
    let found = ClockOffset::estimate(&pairs).unwrap();
    assert!(found.inconsistent, "{found:?}");
    assert!(!found.is_known_at(pairs[0].near));
}

#[test]
fn one_direction_bounds_nothing() {
    let pairs = exchange(30, Span::from_secs(1), Span::ZERO, 0);
    let one: Vec<_> = pairs.into_iter().filter(|p| p.sender == Side::Client).collect();
    assert_eq!(ClockOffset::estimate(&one), None);
}
