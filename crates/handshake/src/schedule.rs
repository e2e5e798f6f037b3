//! When a host repeats a SYN that nobody answers: the spacing of the copies tells the kernel's
//! generation.

use why504_model::Span;

use crate::Sighting;

/// Timers do not fire early; a capture's clock may run fast.
const EARLY: Span = Span::from_millis(5);
/// Timer wheels are coarse (`timer_wheel`: 80 ms at 1 s), and later slots up to 5 % late.
const LATE: Span = Span::from_millis(80);

/// A list of times after the first SYN at which it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schedule {
    /// 3, 9, 21 s: RFC 1122 section 4.2.3.1 (Linux before 3.1, older Windows).
    FromThree,
    /// 1, 3, 7, 15 s: RFC 6298 section 2.1 (Linux 3.1 to 6.4).
    FromOne,
    /// 1, 2, 3, 4, 5, 7, 11 s: `tcp_syn_linear_timeouts` (Linux since 6.5); macOS begins alike.
    LinearFirst,
}

impl Schedule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::FromThree, Self::FromOne, Self::LinearFirst];

    /// Seconds from the first SYN to each repeated one.
    const fn seconds(self) -> &'static [i64] {
        match self {
            Self::FromThree => &[3, 9, 21, 45, 93],
            Self::FromOne => &[1, 3, 7, 15, 31, 63],
            Self::LinearFirst => &[1, 2, 3, 4, 5, 7, 11, 19, 35, 67],
        }
    }

    /// The only one that the SYNs of an attempt fit, seen where the client sends them; `None` where
    /// they fit none or, as a first repetition after 1 s does, several.
    pub fn of(sighting: &Sighting) -> Option<Self> {
        let first = sighting.first_syn();
        let after: alloc::vec::Vec<Span> =
            sighting.syns().skip(1).map(|syn| syn.time.since(first)).collect();
        let mut fitting = Self::ALL.into_iter().filter(|schedule| schedule.fits(&after));
        let only = fitting.next().filter(|_| !after.is_empty())?;
        fitting.next().is_none().then_some(only)
    }

    /// That of a host, by its attempts; `None` where they tell nothing or contradict each other.
    pub fn of_host<'a>(attempts: impl IntoIterator<Item = &'a Sighting>) -> Option<Self> {
        let mut told = attempts.into_iter().filter_map(Self::of);
        let first = told.next()?;
        told.all(|other| other == first).then_some(first)
    }

    fn fits(self, after: &[Span]) -> bool {
        let due = self.seconds().iter().map(|seconds| Span::from_secs(*seconds));
        after.len() <= self.seconds().len()
            && after.iter().zip(due).all(|(&after, due)| {
                after >= due - EARLY && after <= due + due.scaled(5, 100) + LATE
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::testing::{Wire, sightings};
    use std::vec::Vec;

    fn repeated(after: &[i64]) -> Sighting {
        let wire = Wire::default();
        let packets: Vec<_> =
            [&[0], after].concat().iter().map(|ms| wire.packet(*ms, ">S", 1, 0)).collect();
        sightings(&packets).remove(0)
    }

    #[test]
    fn the_spacing_of_syns_tells_the_generation() {
        use Schedule::{FromOne, FromThree, LinearFirst};
        for (after, schedule) in [
            (&[][..], None),
            // Both of the later ones begin so.
            (&[1_020], None),
            (&[1_020, 3_040], Some(FromOne)),
            (&[1_020, 3_040, 7_070, 15_260, 31_390], Some(FromOne)),
            // Measured on Linux 6.18 (the lab's recording Z).
            (
                &[1_020, 2_050, 3_070, 4_090, 5_120, 7_130, 11_170, 19_360, 35_490, 69_280],
                Some(LinearFirst),
            ),
            (&[3_010, 9_020], Some(FromThree)),
            // A SYN that was sent at once after a RST: the rest is shifted.
            (&[12, 1_020], None),
            (&[500, 1_000], None),
        ] {
            assert_eq!(Schedule::of(&repeated(after)), schedule, "{after:?}");
        }
    }

    #[test]
    fn a_host_has_the_schedule_that_nothing_contradicts() {
        let (old, new) = (repeated(&[1_010, 3_020]), repeated(&[1_010, 2_020]));
        let (short, odd) = (repeated(&[1_010]), repeated(&[12]));
        for (attempts, schedule) in [
            (&[&short, &old, &odd, &old][..], Some(Schedule::FromOne)),
            (&[&new, &short], Some(Schedule::LinearFirst)),
            (&[&new, &old], None),
            (&[&short], None),
        ] {
            assert_eq!(Schedule::of_host(attempts.iter().copied()), schedule);
        }
    }
}
