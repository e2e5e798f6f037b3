//! A RST, what provoked it and the fate of the attempt behind it, in words; and what many of them
//! add up to. Both outputs of `why504 resets` are made from this.

use std::collections::BTreeMap;
use std::net::IpAddr;

use why504_correlate::{Grade, Judgement, Mechanism, Verdict};
use why504_handshake::{Event, PointId, Reset, Side, Trigger};
use why504_model::Endpoint;

use crate::moment::duration;

/// Senders, peers and triggers that are told apart; what comes beyond is counted together.
const GROUPS: usize = 4096;

/// What became of the attempt that a RST is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The verdict.
    pub verdict: Verdict,
    /// What refines it.
    pub mechanism: Option<Mechanism>,
    /// How sure it is.
    pub grade: Grade,
}

/// One RST that a host sent, once, however many points saw it.
#[derive(Clone, Debug)]
pub struct SentReset {
    /// As seen at the point nearest its sender that saw it.
    pub reset: Reset,
    /// The same RST at further points on its way.
    pub further: Vec<(PointId, Event)>,
    /// The attempt behind it, where it was judged.
    pub fate: Option<Fate>,
}

/// RSTs of one sender to one peer for one reason.
#[derive(Clone, Debug)]
pub struct ResetGroup {
    /// How many.
    pub count: u64,
    /// Of these, with a lost second handshake behind them.
    pub synack_lost: u64,
    /// The first of them.
    pub example: SentReset,
}

/// Who reset whom: the ends without the client's port, which side sent it, and why.
pub type ResetKey = (IpAddr, Endpoint, Side, Trigger);

/// What the RSTs of a run add up to: `by_trigger` and the groups each sum up to `total`.
#[derive(Clone, Debug, Default)]
pub struct ResetTotals {
    /// All RSTs that were sent.
    pub total: u64,
    /// By what provoked them.
    pub by_trigger: BTreeMap<Trigger, u64>,
    /// Of these, with a lost second handshake behind them, by how sure that is.
    pub synack_lost: BTreeMap<(Trigger, Grade), u64>,
    /// By client, server, sender and reason.
    pub groups: BTreeMap<ResetKey, ResetGroup>,
    /// Those for which there was no room in `groups`.
    pub ungrouped: u64,
    /// Frames that are a RST captured twice at one point.
    pub captured_twice: u64,
}

impl From<&Judgement> for Fate {
    fn from(judgement: &Judgement) -> Self {
        let (verdict, grade) = (judgement.verdict(), judgement.grade);
        Self { verdict, mechanism: judgement.mechanism, grade }
    }
}

impl SentReset {
    /// A lost second handshake is behind it.
    pub fn synack_lost(&self) -> bool {
        self.fate.is_some_and(|fate| fate.verdict == Verdict::SynAckLost)
    }

    /// What happened, in a sentence or two.
    pub(crate) fn explanation(&self) -> String {
        let mut text = what_happened(&self.reset);
        if let Some((seen, usual)) = self.reset.foreign_ttl {
            text.push_str(&format!(
                "; its TTL is {seen}, that of the sender's other packets {usual}: a box on the way \
                 may have sent it in the sender's name"
            ));
        }
        match self.fate {
            Some(fate) if self.synack_lost() => text
                .push_str(&format!(". A SYN+ACK of that attempt was lost ({})", fate.grade.name())),
            Some(fate) if fate.verdict != Verdict::Connected => text.push_str(&format!(
                ". That attempt: {} ({})",
                crate::words::label(fate.verdict),
                fate.grade.name()
            )),
            _ => {}
        }
        text
    }
}

fn what_happened(reset: &Reset) -> String {
    let after = reset.since_syn.map(|span| format!(" {} after its SYN", duration(span)));
    let after = after.unwrap_or_default();
    match reset.trigger {
        Trigger::LateSynAck if reset.completed => format!(
            "the server repeated its SYN+ACK{after}, when the client had already closed the \
             connection"
        ),
        Trigger::LateSynAck if reset.since_syn.is_none() => {
            "a SYN+ACK came for a SYN that is not in the capture, and its socket was closed".into()
        }
        Trigger::LateSynAck => format!(
            "a SYN+ACK (number {} here) came{after}, and the socket was closed by then: the kernel \
             answers for it",
            reset.syn_acks
        ),
        Trigger::BareAck => "a bare ACK answered a new SYN on this port: the server still held an \
             earlier attempt or connection, and the RST ends that one, not the new one"
            .into(),
        Trigger::WrongAck => {
            "the SYN+ACK acknowledged a number that was never sent: it was changed on the way"
                .into()
        }
        Trigger::Refused => {
            "nobody listens on that port, or a firewall says so in the server's name".into()
        }
        Trigger::InWindowSyn => {
            "a new SYN came while an earlier attempt on the same port was half \
             open, and its ISN fell into that attempt's window: both are gone"
                .into()
        }
        Trigger::ThirdAck => {
            "the ACK that should have completed the handshake was refused: accept \
             queue full with tcp_abort_on_overflow, or the server had given the attempt up"
                .into()
        }
        Trigger::Gone => "a packet came for a connection that the sender no longer had".into(),
        Trigger::Aborted => {
            "no packet provoked it: the application gave the connection up (closed \
             it with unread data, or SO_LINGER 0), or one of the kernel's timers did"
                .into()
        }
        Trigger::Unseen => {
            "no packet in the capture provoked it: the capture missed that packet, or the RST is \
             not the host's own"
                .into()
        }
    }
}

impl ResetTotals {
    /// Counts one.
    pub fn add(&mut self, sent: &SentReset) {
        let reset = &sent.reset;
        self.total += 1;
        *self.by_trigger.entry(reset.trigger).or_default() += 1;
        if let Some(fate) = sent.fate.filter(|_| sent.synack_lost()) {
            *self.synack_lost.entry((reset.trigger, fate.grade)).or_default() += 1;
        }
        let key = (reset.flow.client.ip, reset.flow.server, reset.packet.side, reset.trigger);
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
            self.ungrouped += 1;
            return;
        }
        let new = || ResetGroup { count: 0, synack_lost: 0, example: sent.clone() };
        let group = self.groups.entry(key).or_insert_with(new);
        group.count += 1;
        group.synack_lost += u64::from(sent.synack_lost());
        // The example shows what the group is counted for.
        if sent.synack_lost() && !group.example.synack_lost() {
            group.example = sent.clone();
        }
    }

    /// RSTs with a lost second handshake behind them: of one trigger, or of all.
    pub(crate) fn lost(&self, trigger: Option<Trigger>) -> u64 {
        let of = |key: &Trigger| trigger.is_none_or(|wanted| wanted == *key);
        self.synack_lost.iter().filter(|((key, _), _)| of(key)).map(|(_, count)| count).sum()
    }
}

/// A trigger as a row of a table.
pub(crate) const fn label(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::LateSynAck => "late SYN+ACK, socket was closed",
        Trigger::BareAck => "bare ACK on a reused port",
        Trigger::WrongAck => "SYN+ACK with a wrong number",
        Trigger::Refused => "SYN, nobody listens",
        Trigger::InWindowSyn => "SYN in the window of a half-open one",
        Trigger::ThirdAck => "third ACK refused",
        Trigger::Gone => "packet for a connection that is gone",
        Trigger::Aborted => "none: the application gave up",
        Trigger::Unseen => "none seen in the capture",
    }
}
