//! The judgement: one total, pure function from facts to verdict, written as a table.
//!
//! The first row that applies decides. Rows that cannot tell come first, then what the client's end
//! shows positively, then what two ends show together, then what one end shows alone. A row whose
//! verdict rests on the *absence* of a packet names the ends at which that absence must be proven;
//! where it is not, the verdict stays and the grade falls to `consistent`.

mod table;

use why504_handshake::CoverageGap;

use crate::facts::{Asked, End};
use crate::{Exchange, Facts, Foreign, Grade, Leg, Mechanism, Settles, Verdict};
pub use table::rows;

/// At which ends a row needs absence to be evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Every packet that the row speaks of was seen.
    Nothing,
    /// A packet is missing at the client's point.
    Client,
    /// A packet is missing at the server's point.
    Server,
    /// A packet is missing at one of the two, and the other's silence matters as well.
    Both,
    /// A plain ACK is missing at the client's point.
    ClientAcks,
    /// A plain ACK is missing at the server's point.
    ServerAcks,
}

/// One row of the decision table.
#[derive(Debug)]
pub struct Row {
    /// Stable name, for tests, documentation and `explain`.
    pub name: &'static str,
    /// Whether the row applies.
    pub applies: fn(&Facts) -> bool,
    /// In words: when it applies.
    pub when: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// What refines it.
    pub mechanism: Option<Mechanism>,
    /// The grade, where `need` is met.
    pub grade: Grade,
    /// Where absence must be proven.
    pub need: Need,
    /// Other verdicts that fit as well, and what would settle each.
    pub alternatives: &'static [(Verdict, Settles)],
    /// The reason in one sentence.
    pub reason: &'static str,
}

/// The answer for one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The row that decided.
    pub row: &'static Row,
    /// How sure it is, coverage considered.
    pub grade: Grade,
    /// Refinement, considered after the row.
    pub mechanism: Option<Mechanism>,
    /// Why the grade is below that of the row.
    pub doubt: Option<Doubt>,
    /// How many copies of SYN and SYN+ACK were sent and came, where two points count them.
    pub copies: Option<Exchange>,
}

/// Why a judgement is less sure than its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Coverage is unproven where the verdict rests on absence.
    Coverage(CoverageGap),
    /// Healthy handshakes are missing at one of the points as well.
    Unreliable,
    /// The server's point saw an attempt at that moment that may be this one, rewritten.
    Unpaired,
    /// The line says that nginx had a connection, and this attempt became none.
    Contradicted,
    /// The line says that a timer fired, and this attempt failed before.
    Failed,
    /// Something on the way answers SYNs in the server's place.
    Proxied,
    /// The capture point is not on the end's own host: what it saw may be lost beyond it.
    MidPath,
    /// The log's clock and the capture's were not shown to agree.
    Clock,
    /// Nearby lines of the log found no SYN where their access lines say, and one beside it.
    Displaced,
    /// Hardly any line of this log found its attempt.
    OtherHost,
    /// More lines than attempts: some attempt is not in the captures.
    Unmatched,
    /// No connect at all was captured around that moment, and many before and after.
    Silent,
    /// The connection numbers of its neighbours name their attempts, its own names none: its SYN may not
    /// be in the captures.
    Number,
    /// It was not assigned one to one with other lines, so that its attempt may be another one's.
    Unassigned,
    /// The line names no address: it may be about an upstream that was not captured.
    Address,
}

impl Judgement {
    /// The verdict.
    pub const fn verdict(&self) -> Verdict {
        self.row.verdict
    }

    /// The same judgement, no surer than `consistent`, for this reason.
    #[must_use]
    pub fn doubted(mut self, doubt: Doubt) -> Self {
        if self.grade > Grade::Consistent {
            self.grade = Grade::Consistent;
            self.doubt = Some(doubt);
        }
        self
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Doubt {
    /// In words that follow "coverage unproven: " or stand alone.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Coverage(gap) => gap.words(),
            Self::Unreliable => "healthy handshakes are missing at one of the points, too",
            Self::Number => {
                "its connection number fits no attempt, as its neighbours' do: its SYN may be missing"
            }
            Self::Unpaired => {
                "the upstream saw an attempt at that moment that may be this one, rewritten on the way"
            }
            Self::Proxied => {
                "something on the way answers SYNs in this server's place, and may have got this one"
            }
            Self::Contradicted => {
                "nginx had a connection, and these packets made none: the line may be about another attempt"
            }
            Self::Failed => {
                "these packets fail a connect at once, and the log says that a timer fired: the line may be about another attempt"
            }
            Self::MidPath => "the capture was not taken on the end's own host",
            Self::Clock => "the log's clock and the capture's were not shown to agree",
            Self::Displaced => {
                "SYNs of nearby lines lie beside the moments that the access log gives: clocks differ there, or requests waited"
            }
            Self::OtherHost => {
                "hardly any line of this log found an attempt: it may be the log of another host or time"
            }
            Self::Unassigned => {
                "so many attempts fit so many lines that they were not held against each other one to one"
            }
            Self::Unmatched => "there are more log lines than attempts",
            Self::Silent => {
                "the capture holds no connect at all around that moment, and many before and after: it may not have been running"
            }
            Self::Address => "the line names no address, and is matched by its second alone",
        }
    }
}

/// Judges one attempt, or the lack of one. Total: some row always applies.
pub fn judge(facts: &Facts) -> Judgement {
    let row = rows().find(|row| (row.applies)(facts)).unwrap_or(&table::NOTHING);
    let judgement = Judgement {
        row,
        grade: row.grade,
        mechanism: mechanism(row, facts),
        doubt: None,
        copies: Exchange::of(facts),
    };
    match doubt(row, facts) {
        Some(doubt) => judgement.doubted(doubt),
        None => judgement,
    }
}

/// Losses in both directions, a port that was still held, and a capture that ended first refine
/// several rows alike.
fn mechanism(row: &Row, facts: &Facts) -> Option<Mechanism> {
    let settled = matches!(
        row.verdict,
        Verdict::Connected | Verdict::Refused | Verdict::IcmpRejected | Verdict::GatewayStall
    );
    // With a log line the attempt was given up; without one it may still have succeeded.
    let unfinished = facts.asked == Asked::Outcome && facts.open_at_end && !settled;
    refinement(row, facts).or(unfinished.then_some(Mechanism::OpenAtEnd))
}

fn refinement(row: &Row, facts: &Facts) -> Option<Mechanism> {
    let of_row = row.mechanism.or_else(|| match row.verdict {
        Verdict::SynAckLost | Verdict::AckLost | Verdict::Connected if facts.ends_at_proxy => {
            Some(Mechanism::SynProxy)
        }
        Verdict::SynAckLost | Verdict::ServerSilent if reuse(facts) => {
            Some(Mechanism::PortReuseSynRecv)
        }
        Verdict::SynAckLost => synack_lost(facts),
        Verdict::SynAckLate => facts.slowest.map(|leg| match leg {
            Leg::Syn => Mechanism::SynDelayed,
            Leg::Server => Mechanism::ServerSlow,
            Leg::SynAck => Mechanism::LatePath,
        }),
        Verdict::Connected if facts.acked_before || completed_elsewhere(facts) => {
            Some(Mechanism::SynProxy)
        }
        Verdict::Connected | Verdict::AckLost if facts.answered_in_place => {
            Some(Mechanism::SynProxy)
        }
        Verdict::StaleConnection | Verdict::Connected => held(facts).or_else(|| split(facts)),
        Verdict::AckLost => split(facts),
        Verdict::AckIgnored => Some(if facts.s().first_timer_fired {
            Mechanism::AcceptQueueOverflow
        } else {
            Mechanism::DeferAccept
        }),
        Verdict::Refused if facts.client.is_none() && facts.s().port_half_open => {
            Some(Mechanism::InWindowReuse)
        }
        _ => None,
    });
    of_row.or(facts.rewritten.then_some(Mechanism::IsnRewrite))
}

/// The client completed a handshake of which the server's point, which covers it, saw the SYN alone:
/// something on the way answered, and asked the server in vain.
fn completed_elsewhere(facts: &Facts) -> bool {
    let (c, s) = (facts.c(), facts.s());
    c.completed
        && s.syns > 0
        && s.syn_acks == 0
        && s.late_syn_acks == 0
        && !s.acked_in_time
        && s.foreign_ack == Foreign::None
        && facts.reliable
        && facts.server.is_some_and(|end| end.acks_covered().is_ok())
}

/// An earlier attempt was half open on the port.
fn reuse(facts: &Facts) -> bool {
    facts.c().foreign_ack == Foreign::Unfinished
        || facts.s().foreign_ack == Foreign::Unfinished
        || facts.s().port_half_open
}

fn synack_lost(facts: &Facts) -> Option<Mechanism> {
    if facts.s().cookies {
        Some(Mechanism::SynCookies)
    } else if facts.s().split {
        Some(Mechanism::LbSplit)
    } else {
        (facts.both() && facts.s().syns < facts.c().syns).then_some(Mechanism::Mixed)
    }
}

fn split(facts: &Facts) -> Option<Mechanism> {
    (facts.c().split || facts.s().split).then_some(Mechanism::LbSplit)
}

/// What the server's bare ACK showed it to hold on this port.
fn held(facts: &Facts) -> Option<Mechanism> {
    let of = |foreign| match foreign {
        Foreign::None | Foreign::Unknown => None,
        Foreign::Unfinished => Some(Mechanism::PortReuseSynRecv),
        Foreign::Established => Some(Mechanism::Established),
        Foreign::CloseWait => Some(Mechanism::CloseWait),
        Foreign::TimeWait => Some(Mechanism::TimeWait),
    };
    of(facts.s().foreign_ack).or_else(|| of(facts.c().foreign_ack))
}

fn doubt(row: &Row, facts: &Facts) -> Option<Doubt> {
    unproven_absence(row, facts)
        .or_else(|| mid_path(row, facts).then_some(Doubt::MidPath))
        .or_else(|| unproven_identity(facts).map(Doubt::Coverage))
        .or_else(|| contradicted(row, facts).then_some(Doubt::Contradicted))
        .or_else(|| failed(row, facts).then_some(Doubt::Failed))
}

/// A connect that is refused, or rejected by ICMP, fails with an error at once (Linux `tcp_reset` and
/// `tcp_v4_err` in SYN-SENT), which nginx logs as such. Where it waited for its timer instead, its host
/// did not take the answer, or the attempt is another line's.
fn failed(row: &Row, facts: &Facts) -> bool {
    let at_once = matches!(row.verdict, Verdict::Refused | Verdict::IcmpRejected);
    facts.asked == Asked::Connect && facts.attempt && facts.client.is_some() && at_once
}

/// A line of a read timer says that nginx had a connection.
fn contradicted(row: &Row, facts: &Facts) -> bool {
    let connected = matches!(
        row.verdict,
        Verdict::Connected | Verdict::AckLost | Verdict::AckIgnored | Verdict::GatewayStall
    );
    facts.asked == Asked::Read && facts.attempt && facts.client.is_some() && !connected
}

/// A line's attempt is found among those that were captured. Where some are missing it may be one of
/// the missing ones, unless the log tells of the very answer that the packets show.
fn unproven_identity(facts: &Facts) -> Option<CoverageGap> {
    let told = matches!(facts.asked, Asked::Outcome | Asked::Refused | Asked::Unreachable);
    let nearest = facts.client.or(facts.server).filter(|_| facts.attempt && !told)?;
    let gap = nearest.coverage.err()?;
    let missing = [CoverageGap::Missed, CoverageGap::Overlooked, CoverageGap::PassedUnseen];
    missing.contains(&gap).then_some(gap)
}

fn unproven_absence(row: &Row, facts: &Facts) -> Option<Doubt> {
    // A packet that has not come is lost when it can no longer be on its way.
    let never_came = match row.verdict {
        Verdict::SynLost | Verdict::SynAckLost => facts.both(),
        Verdict::ServerSilent => true,
        _ => false,
    };
    let silence = |end: End| if never_came { end.covered().and(end.slow) } else { end.covered() };
    // What became of an attempt that completed needs no proof; what a line is about does.
    let completed = facts.asked == Asked::Outcome && row.verdict == Verdict::Connected;
    let covered = match row.need {
        _ if completed => return None,
        Need::Nothing => return None,
        Need::Client => silence(facts.client?),
        Need::Server => silence(facts.server?),
        Need::Both => silence(facts.client?).and(silence(facts.server?)),
        Need::ClientAcks => facts.client?.acks_covered(),
        Need::ServerAcks => silence(facts.server?).and(facts.server?.acks_covered()),
    };
    if let Err(gap) = covered {
        return Some(Doubt::Coverage(gap));
    }
    if facts.both() && !facts.reliable {
        return Some(Doubt::Unreliable);
    }
    if row.verdict != Verdict::SynLost {
        None
    } else if facts.unpaired_at_server {
        Some(Doubt::Unpaired)
    } else {
        facts.proxied.then_some(Doubt::Proxied)
    }
}

/// Between two points a loss is placed wherever they stand; "nothing left the server", "its first SYN+ACK
/// was late", "it ignored the ACK" and "it reached the client's host" are claims about an end.
fn mid_path(row: &Row, facts: &Facts) -> bool {
    let end = match row.verdict {
        Verdict::ServerSilent | Verdict::AckIgnored => facts.server,
        // Between the point and the server earlier ones may have been lost.
        Verdict::SynAckLate if facts.both() && !facts.s().unrepeated => facts.server,
        // A rewritten SYN+ACK is one wherever it was seen.
        Verdict::SynAckNotAccepted if row.need != Need::Nothing => facts.client,
        _ => None,
    };
    end.is_some_and(|end| !end.exact)
}

#[cfg(test)]
mod tests;
