//! What real Linux clients give away of themselves: their ISN clock, their time stamps and when they
//! repeat a SYN.

use why504_handshake::isn_clock::{Earlier, agrees};
use why504_handshake::{Attempt, Schedule, Sighting};

use crate::observed::{Observed, folder};

fn sightings(file: &str) -> Option<Vec<Sighting>> {
    let path = folder("lab")?.join(format!("{file}.pcap"));
    Some(Observed::of(&[path]).attempts().iter().map(Attempt::nearest).cloned().collect())
}

/// One kernel on one 4-tuple: its numbers are as far apart as its SYNs.
#[test]
fn isns_of_a_reused_port_are_as_far_apart_as_its_syns() {
    let mut pairs = 0;
    for file in [
        "C_reuse_fault_on.c",
        "D_reuse_fault_cleared.s",
        "L_reuse_inwindow.c",
        "V_late_synack_vs_new_syn.s",
    ] {
        let Some(seen) = sightings(file) else { return };
        for (earlier, later) in seen.iter().zip(seen.iter().skip(1)) {
            if earlier.flow == later.flow {
                pairs += 1;
                assert!(agrees(earlier, later), "{file}: {} {}", earlier.isn.0, later.isn.0);
            }
        }
    }
    assert!(pairs >= 4, "{pairs}");
}

/// As if the capture had begun after the earlier attempt: the bare ACK alone tells when that was.
#[test]
fn a_bare_ack_tells_when_the_earlier_attempt_began() {
    for file in ["C_reuse_fault_on.c", "D_reuse_fault_cleared.c", "V_late_synack_vs_new_syn.c"] {
        let Some(seen) = sightings(file) else { return };
        let mut told = 0;
        for later in &seen {
            let Some(age) = Earlier::of(later) else { continue };
            let earlier = seen.iter().find(|s| s.isn == age.isn).expect("it was captured");
            let measured = later.first_syn().since(earlier.first_syn());
            let off = (measured - age.by_isn).nanos().abs();
            assert!(off < 2_000_000, "{file}: {off} ns");
            assert_eq!(age.is_consistent(), Some(true), "{file}: {age:?}");
            told += 1;
        }
        assert!(told > 0, "{file}");
    }
}

/// Behind source NAT another port, and so another clock, held the mapping before.
#[test]
fn behind_source_nat_the_clocks_disagree() {
    let Some(seen) = sightings("Y_snat_reuse.s") else { return };
    let reused: Vec<_> = seen
        .iter()
        .flat_map(|a| seen.iter().map(move |b| (a, b)))
        .filter(|(a, b)| a.flow == b.flow && a.first_syn() < b.first_syn())
        .collect();
    assert!(!reused.is_empty());
    assert!(reused.iter().all(|(earlier, later)| !agrees(earlier, later)));
}

#[test]
fn the_schedule_of_a_new_kernel_is_known() {
    let Some(seen) = sightings("Z_schedules.c") else { return };
    assert_eq!(Schedule::of_host(&seen), Some(Schedule::LinearFirst));
}
