//! The table of ways in which a capture is spoiled.

use std::time::Duration;

use super::Spoil;
use super::clock::{Set, Wrong};
use super::frames::{Cut, Order, Twice};
use super::missing::{
    Direction, Flows, FlowsOneWay, Moments, Outside, Packets, Port, Sender, WithoutFlags,
};
use crate::judge::Mode;
use crate::packet::flag;

/// Whose capture is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// That of the gateway
    Gateway,
    /// That of the upstream
    Upstream,
}

/// One way to spoil a capture.
pub struct Way {
    /// Stable name: the side, and what is wrong with its capture.
    pub name: &'static str,
    /// The same in words.
    pub words: &'static str,
    /// Whose capture.
    pub side: Side,
    pub(super) what: &'static dyn Spoil,
}

impl Side {
    /// How the files of its captures begin.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

impl Way {
    /// Both captures, and the spoiled one alone.
    pub(super) const fn modes(&self) -> [Mode; 2] {
        match self.side {
            Side::Gateway => [Mode::Both, Mode::Gateway],
            Side::Upstream => [Mode::Both, Mode::Upstream],
        }
    }
}

macro_rules! ways {
    ($($name:literal, $words:literal: $what:expr;)*) => {
        /// All of them, each for both sides.
        pub static WAYS: &[Way] = &[
            $(Way { name: concat!("gateway-", $name), words: $words, side: Side::Gateway, what: &$what },)*
            $(Way { name: concat!("upstream-", $name), words: $words, side: Side::Upstream, what: &$what },)*
        ];
    };
}

ways! {
    "lose-0.2pct", "one packet in 500 is missing": Packets(0.002);
    "lose-1pct", "one packet in a hundred is missing": Packets(0.01);
    "lose-10pct", "one packet in ten is missing": Packets(0.1);
    "lose-40pct", "two packets in five are missing": Packets(0.4);
    "gaps", "0.4 s are missing about every 8 s": Moments { every: Duration::from_secs(8), length: Duration::from_millis(400) };
    "long-gaps", "4 s are missing about every 30 s": Moments { every: Duration::from_secs(30), length: Duration::from_secs(4) };
    "from-server-only", "what the gateway sent is missing": Direction(Sender::Client);
    "to-server-only", "what the upstream sent is missing": Direction(Sender::Server);
    "syn-rst-only", "the filter lets SYN and RST through": WithoutFlags(flag::SYN | flag::RST);
    "syn-only", "the filter lets SYN through": WithoutFlags(flag::SYN);
    "no-plain-ack", "the filter lets no plain ACK through": WithoutFlags(flag::SYN | flag::RST | flag::FIN | flag::PSH);
    "no-port-8001", "one port is missing": Port(8001);
    "no-port-8002", "another port is missing": Port(8002);
    "flows-3pct", "3 % of the connections are missing": Flows(0.03);
    "flows-30pct", "30 % of the connections are missing": Flows(0.3);
    "flows-5pct-from-server", "of 5 % of the connections the way back is missing": FlowsOneWay(0.05, Sender::Server);
    "flows-5pct-to-server", "of 5 % of the connections the way there is missing": FlowsOneWay(0.05, Sender::Client);
    "middle", "the first fifth and the last three tenths are missing": Outside { from: 200, to: 700 };
    "ahead-0.4s", "its clock is 0.4 s ahead": Wrong { ahead_ms: 400, ppm: 0 };
    "ahead-3s", "its clock is 3 s ahead": Wrong { ahead_ms: 3000, ppm: 0 };
    "behind-0.06s", "its clock is 60 ms behind": Wrong { ahead_ms: -60, ppm: 0 };
    "drift-200ppm", "its clock is 200 ppm fast": Wrong { ahead_ms: 0, ppm: 200 };
    "set-forward-0.8s", "its clock is set forward by 0.8 s half way through": Set { at: 500, ahead_ms: 800 };
    "set-back-0.3s", "its clock is set back by 0.3 s": Set { at: 400, ahead_ms: -300 };
    "cut-54", "frames are cut after 54 octets": Cut(54);
    "cut-68", "frames are cut after 68 octets": Cut(68);
    "twice-30pct", "three packets in ten are there twice, 30 µs apart": Twice { share: 0.3, later: Duration::from_micros(30) };
    "twice-60ms", "every packet is there twice, 60 ms apart": Twice { share: 1.0, later: Duration::from_millis(60) };
    "disorder", "one packet in five is behind the next one": Order(0.2);
}

/// Wrong verdicts that are known, and why nothing that is left of the captures tells.
pub(super) struct Excuse {
    pub(super) ways: &'static [&'static str],
    pub(super) mode: Mode,
    pub(super) verdict: &'static str,
    pub(super) why: &'static str,
}

pub(super) static EXCUSES: &[Excuse] = &[
    Excuse {
        ways: &[
            "gateway-lose-0.2pct",
            "gateway-gaps",
            "gateway-long-gaps",
            "gateway-flows-3pct",
            "gateway-flows-30pct",
            "gateway-flows-5pct-to-server",
        ],
        mode: Mode::Gateway,
        verdict: "no_syn_sent",
        why: "one capture alone does not show that it lacks whole connections",
    },
    Excuse {
        ways: &["gateway-gaps"],
        mode: Mode::Gateway,
        verdict: "stale_connection",
        why: "the SYN+ACK that would tell lies in a moment that one capture alone does not show to be missing",
    },
    Excuse {
        ways: &["gateway-set-forward-0.8s"],
        mode: Mode::Gateway,
        verdict: "connected",
        why: "a clock that was set forward shows in one capture alone by nothing but lines that date connects",
    },
    Excuse {
        ways: &["gateway-set-forward-0.8s", "gateway-set-back-0.3s"],
        mode: Mode::Gateway,
        verdict: "no_syn_sent",
        why: "a connect that is not captured beside the moment at which a clock was set may lie on its other side",
    },
    Excuse {
        ways: &["upstream-gaps"],
        mode: Mode::Both,
        verdict: "syn_lost",
        why: "that moments are missing shows by what a server answers, and of some nothing comes through",
    },
    Excuse {
        ways: &["upstream-gaps", "upstream-long-gaps", "upstream-middle"],
        mode: Mode::Upstream,
        verdict: "server_silent",
        why: "a SYN+ACK that left long after its SYN lies in a moment that one capture alone lacks, or after its end",
    },
];

impl Way {
    /// Why a verdict may be wrong and sure in this mode, where it may.
    pub(super) fn excuse(&self, mode: Mode, verdict: &str) -> Option<&'static str> {
        let fits = |excuse: &&Excuse| {
            excuse.mode == mode && excuse.verdict == verdict && excuse.ways.contains(&self.name)
        };
        EXCUSES.iter().find(fits).map(|excuse| excuse.why)
    }
}
