//! What the packets of one attempt state, in the terms that the decision table asks about
//! (`tcp-taxonomy` section 3.1). Extraction is all here; judging is all in [`mod@crate::judge`].

use why504_handshake::{CoverageGap, Event, EventKind, Side, Sighting};
use why504_model::{Span, Timeout, TimeoutKind, Timestamp};

use crate::LateAnswer;
use crate::answers;
use crate::deadline::Deadline;
use crate::delay::Leg;
use crate::late;
use crate::view::Station;
use crate::which::Which;

/// What comes again after this time was sent again because something was missed; sooner it may have
/// crossed its answer, or have been captured twice.
pub(crate) const AGAIN: Span = Span::from_millis(200);
/// A RST that answers a SYN+ACK follows within a round trip; longer ones are taken as unknown.
pub(crate) const ROUND_TRIP_MAX: Span = Span::from_millis(400);

/// What the log line asks of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// There is no log line: what became of the attempt?
    Outcome,
    /// A connect timer fired.
    Connect,
    /// The timer over TCP and TLS handshake fired.
    Tls,
    /// A connect timer fired, or the one for the answer: the line does not tell.
    ConnectOrRead,
    /// A read timer fired: nginx had a connection.
    Read,
    /// The connect was refused (ECONNREFUSED).
    Refused,
    /// The connect was rejected (EHOSTUNREACH, ENETUNREACH, EACCES).
    Unreachable,
    /// The connect failed with another errno.
    Failed,
}

/// A bare ACK for something else as the answer to this SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// There was none.
    #[default]
    None,
    /// It acknowledges the SYN of an earlier attempt that never completed.
    Unfinished,
    /// It acknowledges something that no capture shows the beginning of.
    Unknown,
    /// It acknowledges an older connection.
    Established,
    /// It acknowledges the client's FIN of an older connection that the server had not closed.
    CloseWait,
    /// It acknowledges the client's FIN of an older connection that both ends had closed.
    TimeWait,
}

/// One end of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What the point saw.
    pub seen: Seen,
    /// Whether its silence is evidence.
    pub coverage: Result<(), CoverageGap>,
    /// The same, up to the time when the slowest packet would have come.
    pub slow: Result<(), CoverageGap>,
    /// The same for packets without SYN, FIN, RST and PSH.
    pub acks: Result<(), CoverageGap>,
    /// The point is on the end's own host.
    pub exact: bool,
}

/// What one point saw of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Copies of the SYN.
    pub syns: u32,
    /// SYN+ACKs before the deadline.
    pub syn_acks: u32,
    /// SYN+ACKs after it.
    pub late_syn_acks: u32,
    /// A SYN+ACK came before the earliest moment at which the client may have given up.
    pub prompt: bool,
    /// The client reset a SYN+ACK that came before the earliest moment at which it may have given up.
    pub reset_in_time: bool,
    /// The first SYN+ACK came sooner after the first SYN than any server repeats one: none had left before.
    pub unrepeated: bool,
    /// A SYN or SYN+ACK came again well after the first SYN+ACK: an end missed something.
    pub repeated: bool,
    /// The client acknowledged a SYN+ACK.
    pub completed: bool,
    /// It did so before the deadline.
    pub acked_in_time: bool,
    /// A SYN+ACK came again before the client's ACK was seen here, yet that ACK echoes the first
    /// one: the client had that one and had acknowledged it.
    pub earlier_ack_missing: bool,
    /// The server acknowledged payload of the client, or sent some, before the deadline.
    pub server_active: bool,
    /// SYN+ACKs that came again after the client's ACK was seen here.
    pub syn_acks_after_ack: u32,
    /// The server's kernel answered the client's ACK with a RST: no socket took it.
    pub ack_reset: bool,
    /// The second SYN+ACK came when a server's timer first repeats one.
    pub first_timer_fired: bool,
    /// Each SYN+ACK answers and echoes a SYN of its own: the server keeps nothing in between.
    pub cookies: bool,
    /// SYN+ACKs with several ISNs for one SYN: several servers behind one address.
    pub split: bool,
    /// Octets that the client sent.
    pub client_bytes: u64,
    /// The client closed about when the timer fired.
    pub closed_at_deadline: bool,
    /// A RST that the client must take as a refusal, before the deadline.
    pub refused: bool,
    /// Any RST of the server before the deadline.
    pub server_rst: bool,
    /// An ICMP error about the SYN before the deadline.
    pub icmp: bool,
    /// A SYN+ACK for a number that the client never sent, and a RST that says so; it echoes this
    /// attempt's time stamp, so it is no late answer to an older attempt on this port.
    pub wrong_ack: bool,
    /// The same without time stamps.
    pub wrong_ack_unstamped: bool,
    /// A SYN+ACK for a number that this attempt never sent, and no RST of the client at all: its own
    /// filter, or that of the capture, may hide it.
    pub wrong_ack_unreset: bool,
    /// A bare ACK for something else.
    pub foreign_ack: Foreign,
    /// The last SYN drew a bare ACK of something else: whatever holds the port held it all the time.
    pub held_to_the_last: bool,
    /// A bare ACK for this very attempt.
    pub own_bare_ack: bool,
    /// A later SYN on its port drew one of them.
    pub bare_ack_drawn: bool,
    /// The client reset this attempt after its second or later SYN+ACK, soon enough to answer it.
    pub rst_after_repeat: bool,
    /// It did so within the round trip that this point has measured, on a way that delays nothing.
    pub rst_at_once: bool,
    /// A bare ACK for this attempt carries an IP identification that counts, as a full socket's.
    pub bare_ack_counted: bool,
    /// The client reset it on its first SYN+ACK, after the deadline.
    pub rst_after_first: bool,
    /// The same SYN came again well after a SYN+ACK had been sent.
    pub syn_after_syn_ack: bool,
    /// A later SYN on its port fell into its window and was answered by a RST: the server still
    /// held it half open.
    pub reset_in_window: bool,
    /// Another attempt was half open on the same port when the SYN came.
    pub port_half_open: bool,
    /// Both ends sent SYNs.
    pub reverse_syn: bool,
    /// Every SYN came here with a wrong TCP checksum, where checksums tell.
    pub syns_damaged: bool,
    /// Every SYN+ACK came here with a wrong TCP checksum, where checksums tell.
    pub syn_acks_damaged: bool,
    /// The other end's point shows packets of this attempt that had passed here and were not seen.
    pub torn: bool,
}

/// Everything that the judgement may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the log line asks.
    pub asked: Asked,
    /// The log line itself says that no SYN left.
    pub never_sent: bool,
    /// An attempt was found.
    pub attempt: bool,
    /// No attempt was found, and a covered capture at the gateway shows no SYN at all to this
    /// upstream in the widest window.
    pub no_syn_to_peer: bool,
    /// No attempt was found, and the gateway was asking for the upstream's link address in vain.
    pub unresolved: bool,
    /// The point at the client's end.
    pub client: Option<End>,
    /// The point at the server's end.
    pub server: Option<End>,
    /// How the client's late SYN+ACK fits the server's schedule.
    pub late: LateAnswer,
    /// Which of the SYN+ACKs that left the server is the first one that came to the client.
    pub came: Which,
    /// Another attempt shows that the server echoes the first SYN that it accepted, as Linux does.
    pub linux_like: bool,
    /// The server's first SYN+ACK left only after the deadline.
    pub server_slow: bool,
    /// What took longest from the SYN to the SYN+ACK that answers it, where two points tell.
    pub slowest: Option<Leg>,
    /// The server's point saw an attempt to this upstream at that moment that the client's point
    /// did not: it may be this one, rewritten on the way.
    pub unpaired_at_server: bool,
    /// The SYN+ACK that the client's point saw is none of those that left the server's point.
    pub other_answer: bool,
    /// The client, which completed its handshake, had a SYN+ACK before any SYN came to the server's point:
    /// something on the way had answered.
    pub acked_before: bool,
    /// Another attempt, or this one, shows that something on the way answers in this server's place, and
    /// no point right before it was captured.
    pub proxied: bool,
    /// The server's point is the last one before what answers in its place: the client's handshake
    /// ends there.
    pub ends_at_proxy: bool,
    /// The same as `proxied`, as one point alone tells by hops.
    pub answered_in_place: bool,
    /// The points saw other sequence numbers in the same packets.
    pub rewritten: bool,
    /// Healthy handshakes are seen at both points.
    pub reliable: bool,
    /// The capture ended while the attempt was open.
    pub open_at_end: bool,
    /// A capture without plain ACKs may hide them: nothing else in it shows that answers were
    /// missed.
    pub acks_may_be_hidden: bool,
}

impl End {
    /// Whether the silence of a point about this attempt is evidence.
    pub(crate) fn covered(&self) -> Result<(), CoverageGap> {
        if self.seen.torn { Err(CoverageGap::PassedUnseen) } else { self.coverage }
    }

    /// The same about plain ACKs.
    pub(crate) fn acks_covered(&self) -> Result<(), CoverageGap> {
        self.covered().and(self.acks)
    }
}

impl Facts {
    /// Facts where no attempt was found.
    pub(crate) fn without_attempt(
        timeout: &Timeout,
        client: Option<End>,
        server: Option<End>,
    ) -> Self {
        Self {
            asked: Asked::by(timeout.kind),
            never_sent: timeout.never_sent,
            client,
            server,
            ..Self::blank()
        }
    }

    pub(crate) const fn blank() -> Self {
        Self {
            asked: Asked::Outcome,
            never_sent: false,
            attempt: false,
            no_syn_to_peer: false,
            unresolved: false,
            client: None,
            server: None,
            late: LateAnswer::None,
            came: Which::Another,
            linux_like: false,
            server_slow: false,
            slowest: None,
            unpaired_at_server: false,
            other_answer: false,
            acked_before: false,
            proxied: false,
            ends_at_proxy: false,
            answered_in_place: false,
            rewritten: false,
            reliable: true,
            open_at_end: false,
            acks_may_be_hidden: true,
        }
    }

    /// What the client's point saw; nothing where there is no such point.
    pub(crate) fn c(&self) -> Seen {
        self.client.map(|end| end.seen).unwrap_or_default()
    }

    /// What the server's point saw; nothing where there is no such point.
    pub(crate) fn s(&self) -> Seen {
        self.server.map(|end| end.seen).unwrap_or_default()
    }

    /// Both ends are captured.
    pub(crate) const fn both(&self) -> bool {
        self.client.is_some() && self.server.is_some()
    }

    /// The handshake completed, as far as the end that is judged shows.
    pub(crate) fn completed(&self) -> bool {
        self.c().completed || self.client.is_none() && self.s().acked_in_time
    }

    /// The end that speaks for the client: its own point, or the only other one.
    pub(crate) fn client_or_only(&self) -> Seen {
        self.client.or(self.server).map(|end| end.seen).unwrap_or_default()
    }
}

impl Asked {
    pub(crate) const fn by(kind: TimeoutKind) -> Self {
        match kind {
            TimeoutKind::LuaConnectTimeout
            | TimeoutKind::UpstreamConnectTimeout
            | TimeoutKind::UserTimeout
            | TimeoutKind::Access504 => Self::Connect,
            TimeoutKind::Access504Unclear => Self::ConnectOrRead,
            TimeoutKind::UpstreamSslTimeout => Self::Tls,
            TimeoutKind::LuaReadTimeout | TimeoutKind::UpstreamReadTimeout => Self::Read,
            TimeoutKind::ConnectRefused => Self::Refused,
            TimeoutKind::ConnectUnreachable => Self::Unreachable,
            TimeoutKind::ConnectFailed => Self::Failed,
        }
    }
}

/// What a station saw, with the deadline on that station's own clock.
pub(crate) fn end(station: &Station<'_>, side: Side, deadline: Option<Deadline>) -> End {
    let seen = station.sighting.map(|s| seen(s, deadline)).unwrap_or_default();
    let exact = match side {
        Side::Client => station.at_client,
        Side::Server => station.at_server,
    };
    End { seen, coverage: station.coverage, slow: station.slow, acks: station.acks, exact }
}

fn seen(sighting: &Sighting, deadline: Option<Deadline>) -> Seen {
    let latest = deadline.map_or(Timestamp::MAX, |d| d.within.end());
    let earliest = deadline.map_or(Timestamp::MAX, |d| d.within.start());
    let in_time = |e: &&Event| e.time <= latest;
    let third = sighting.third_ack();
    let completed = third.is_some();
    // What comes after nginx closed because its timer fired answers that FIN: it was not in time.
    let gave_up = sighting.client_close().filter(|_| closed_at(sighting, deadline));
    let before = gave_up.map_or(Timestamp::MAX, |close| close.time);
    // Nor does what acknowledges a FIN that the capture lost: no request explains it.
    let heard = |e: &Event| e.kind == EventKind::Data || !sighting.acknowledges_unseen(e);
    let active =
        |e: &Event| in_time(&e) && e.time <= before && sighting.shows_acceptance(e) && heard(e);
    Seen {
        syns: count(sighting.syns()),
        syn_acks: count(sighting.syn_acks().filter(in_time)),
        late_syn_acks: count(sighting.syn_acks().filter(|e| e.time > latest)),
        prompt: sighting.syn_acks().any(|e| e.time <= earliest),
        reset_in_time: deadline.is_some() && reset_answers(sighting, earliest),
        unrepeated: unrepeated(sighting),
        repeated: repeated(sighting),
        completed,
        acked_in_time: third.as_ref().is_some_and(in_time),
        earlier_ack_missing: answers::earlier_ack_missing(sighting),
        server_active: completed && sighting.events.iter().any(active),
        syn_acks_after_ack: third.map_or(0, |ack| {
            // Another server behind the address, or the same one on another port of the attempt, may go on
            // repeating what nobody took.
            let one = |e: &Event| e.seq.next() == ack.ack;
            count(sighting.syn_acks().filter(|e| one(e) && e.time.since(ack.time) >= AGAIN))
        }),
        ack_reset: answers::ack_reset(sighting),
        first_timer_fired: answers::first_timer_fired(sighting),
        cookies: answers::each_of_its_own(sighting),
        split: answers::several_servers(sighting),
        client_bytes: sighting.client_bytes(),
        closed_at_deadline: closed_at(sighting, deadline),
        refused: sighting.refusal().is_some_and(|e| e.time <= latest) && !completed,
        server_rst: sighting.server_rst().is_some_and(|e| e.time <= latest) && !completed,
        icmp: sighting.icmp().is_some_and(|e| e.time <= latest) && !completed,
        wrong_ack: wrong_ack(sighting, |answer| echoes_a_syn(sighting, answer)),
        wrong_ack_unstamped: wrong_ack(sighting, |answer| answer.timestamps.is_none()),
        wrong_ack_unreset: !sighting
            .events
            .iter()
            .any(|e| e.side == Side::Client && e.kind == EventKind::Rst)
            && sighting
                .wrong_syn_acks()
                .any(|answer| answer.timestamps.is_none() || echoes_a_syn(sighting, answer)),
        foreign_ack: Foreign::None,
        held_to_the_last: held_to_the_last(sighting, latest),
        own_bare_ack: sighting.bare_acks().next().is_some(),
        bare_ack_drawn: sighting.bare_acks().any(|e| e.drawn_by.is_some()),
        bare_ack_counted: sighting.bare_acks().all(|e| e.ip_id.is_some_and(|id| id != 0)),
        rst_at_once: false,
        rst_after_repeat: rst_after_repeat(sighting, ROUND_TRIP_MAX),
        rst_after_first: rst_after(sighting, |n| n == 1, ROUND_TRIP_MAX)
            && sighting.client_rst().is_some_and(|rst| rst.time > latest),
        syn_after_syn_ack: syn_after_syn_ack(sighting),
        reset_in_window: false,
        port_half_open: false,
        reverse_syn: sighting.reverse_syn().is_some(),
        syns_damaged: false,
        syn_acks_damaged: false,
        torn: false,
    }
}

/// The client sent no SYN after the one that a bare ACK of something else answered in time.
fn held_to_the_last(sighting: &Sighting, latest: Timestamp) -> bool {
    let Some(last) = sighting.syns().map(|syn| syn.time).max() else { return false };
    sighting.foreign_acks().any(|ack| ack.time >= last && ack.time <= latest)
}

/// Saturating count: hostile captures repeat a packet without end.
fn count<'a>(events: impl Iterator<Item = &'a Event>) -> u32 {
    u32::try_from(events.count()).unwrap_or(u32::MAX)
}

/// nginx closes the connection in the loop iteration in which the timer fires.
fn closed_at(sighting: &Sighting, deadline: Option<Deadline>) -> bool {
    let (Some(deadline), Some(close)) = (deadline, sighting.client_close()) else { return false };
    deadline.within.widened(Span::from_millis(50), crate::deadline::STALL).contains(close.time)
}

/// Whether a SYN+ACK bears the time stamp of one of this attempt's SYNs.
fn echoes_a_syn(sighting: &Sighting, answer: &Event) -> bool {
    answer.timestamps.is_some_and(|ts| {
        sighting.syns().filter_map(|syn| syn.timestamps).any(|syn| syn.value == ts.echo)
    })
}

/// RFC 9293 section 3.10.7.3: an unacceptable ACK in SYN-SENT draws a RST with `seq = SEG.ACK`.
fn wrong_ack(sighting: &Sighting, which: impl Fn(&Event) -> bool) -> bool {
    sighting.wrong_syn_acks().filter(|answer| which(answer)).any(|answer| {
        sighting.events.iter().any(|e| {
            e.side == Side::Client
                && e.kind == EventKind::Rst
                && e.seq == answer.ack
                && e.time >= answer.time
        })
    })
}

/// Whether the SYN+ACK that the client's RST answered came up to this moment.
fn reset_answers(sighting: &Sighting, until: Timestamp) -> bool {
    let Some(rst) = sighting.client_rst() else { return false };
    sighting.syn_acks().take_while(|e| e.time <= rst.time).last().is_some_and(|e| e.time <= until)
}

/// Whether the client's RST for this attempt followed its second or a later SYN+ACK within this time.
pub(crate) fn rst_after_repeat(sighting: &Sighting, within: Span) -> bool {
    rst_after(sighting, |n| n >= 2, within)
}

/// Whether the client's RST for this attempt followed, within this time, the n-th SYN+ACK. It is the
/// client's if it came as far as its SYN, by the time to live: a box that translated addresses and
/// has forgotten the mapping resets in the client's name, and tells nothing of what the client got.
fn rst_after(sighting: &Sighting, which: impl Fn(usize) -> bool, within: Span) -> bool {
    let Some(rst) = sighting.client_rst() else { return false };
    let as_far = sighting.syns().next().is_some_and(|syn| syn.ttl == rst.ttl);
    if sighting.completed() || !as_far {
        return false;
    }
    let before = sighting.syn_acks().take_while(|e| e.time <= rst.time);
    before.enumerate().last().is_some_and(|(i, e)| which(i + 1) && rst.time.since(e.time) <= within)
}

/// The first SYN+ACK that was seen is the first that was sent.
fn unrepeated(sighting: &Sighting) -> bool {
    let first = sighting.syns().next().zip(sighting.syn_acks().next());
    first.is_some_and(|(syn, answer)| answer.time.since(syn.time) < late::NO_REPEAT_BEFORE)
}

/// Something of the handshake came again when the first SYN+ACK had been under way for long.
pub(crate) fn repeated(sighting: &Sighting) -> bool {
    let Some(answer) = sighting.syn_acks().next() else { return false };
    sighting.syns().chain(sighting.syn_acks()).any(|e| e.time.since(answer.time) >= AGAIN)
}

/// The client repeated its SYN although a SYN+ACK had been under way for longer than it takes.
fn syn_after_syn_ack(sighting: &Sighting) -> bool {
    let Some(answer) = sighting.syn_acks().next() else { return false };
    sighting.syns().any(|syn| syn.time.since(answer.time) >= AGAIN)
}
