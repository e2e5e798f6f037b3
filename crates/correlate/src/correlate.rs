//! From timeouts and attempts to cases: candidates, assignment, judgement.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use why504_model::{Endpoint, SourceId, Timeout, TimeoutKind};

use crate::absence::{self, ClientHosts};
use crate::assign::{self, Assignment, Lines};
use crate::case::{Candidate, Case};
use crate::classes::{Asked, Class, Classes};
use crate::correlation::Correlation;
use crate::crowd::{Crowd, Member};
use crate::fates::together;
use crate::groups::Ties;
use crate::history::History;
use crate::judge::Doubt;
use crate::room::ROOM;
use crate::rounds::{Claim, Rounds};
use crate::search::{Join, Search};
use crate::serials::{self, Placed};
use crate::starts::{Starts, is_in_place};
use crate::view::Points;
use crate::{LogClock, Threads, Verdict};

/// Joins the timeouts of a run with its attempts and judges each. Timeouts are in the order of
/// their log lines.
/// `unzoned` are the logs whose zone was neither named nor shown by
/// [`zone_evidence`](crate::zone_evidence); no verdict that rests on an assumed one is sure.
pub fn correlate(
    timeouts: &[Timeout],
    points: Points<'_>,
    unzoned: &BTreeSet<SourceId>,
    threads: &impl Threads,
) -> Correlation {
    correlate_within(ROOM, timeouts, points, unzoned, threads)
}

/// The same with room for so many places: pairings of attempts with the seconds of lines that they fit.
pub fn correlate_within(
    room: usize,
    timeouts: &[Timeout],
    points: Points<'_>,
    unzoned: &BTreeSet<SourceId>,
    threads: &impl Threads,
) -> Correlation {
    let search = Search::new(timeouts, points);
    let mut lines = Lines::default();
    let hosts = ClientHosts::new(points);
    let in_vain = |timeout: &Timeout, join: &Join| hosts.asked_in_vain(points, timeout, join);
    let asked = Asked { timeouts, search: &search, unzoned, in_vain };
    let classes = Classes::new(&asked, &mut lines, room);
    let placed = serials::place(timeouts, points, &classes, &mut lines, threads);
    let starts = Starts::new(timeouts, &lines, &classes, &search);
    let claim = |(i, timeout)| classes.of(i).map_or(Claim::Loose, |class| claim(timeout, class));
    let claims: Vec<Claim> = timeouts.iter().enumerate().map(claim).collect();
    let rounds = Rounds::new(lines, &claims, threads);
    let history = History::made_by(threads, points);
    let short = short(timeouts, &rounds, &placed, &search);
    let run = Run { points, search, classes, placed, starts, rounds, history, unzoned, short };
    let judged = threads.map(run.classes.lines(), |lines| {
        let mut ties = Ties::default();
        let lines = lines.into_iter().filter_map(|i| Some((i, timeouts.get(i)?)));
        (run.of_class(lines, &mut ties, threads), ties)
    });
    let mut ties = Ties::default();
    let mut all: Vec<(usize, Option<Case>)> = Vec::with_capacity(timeouts.len());
    for (lines, of_class) in judged {
        all.extend(lines);
        ties.take_in(of_class);
    }
    all.sort_unstable_by_key(|(i, _)| *i);
    let mut found = Correlation { clocks: run.search.clocks(), ..Correlation::default() };
    for (i, case) in all {
        match case {
            Some(case) => found.cases.push(case),
            None => found.unrelated.push(i),
        }
    }
    found.groups = ties.groups(run.rounds.lines);
    found
}

/// Of so many lines of a log to one upstream one may be without an attempt.
const SHORT_ONE_IN: usize = 2000;

/// A log, and the upstream that lines of it name.
type LogAndPeer = (SourceId, Option<Endpoint>);

/// Where more lines of whole seconds than that contradict each other: some of them have no attempt in the
/// captures, though these cover the moment (a packet filter of the gateway's own dropped the SYN). Such a
/// line takes the attempt of another one, and that one the next; it shows where the last of them goes
/// without, and does not where an attempt is left over. So no line among them is sure of its own.
fn short(
    timeouts: &[Timeout],
    rounds: &Rounds,
    placed: &Placed,
    search: &Search<'_>,
) -> BTreeSet<LogAndPeer> {
    let mut counts: BTreeMap<LogAndPeer, (usize, usize)> = BTreeMap::new();
    for (i, (timeout, answer)) in timeouts.iter().zip(&rounds.assignments).enumerate() {
        if timeout.start.is_some() || !timeout.kind.is_connect_timeout() {
            continue;
        }
        let without = match answer {
            _ if placed.left_out(i) => true,
            Assignment::Counted { attempts, unmatched } => !attempts.is_empty() && *unmatched > 0.0,
            Assignment::Uncounted { contradicted, .. } => *contradicted,
        };
        let count = counts.entry((timeout.location.source, timeout.peer)).or_default();
        count.0 += usize::from(without && search.covers(timeout));
        count.1 += 1;
    }
    let short = counts.into_iter().filter(|(_, (without, all))| without * SHORT_ONE_IN > *all);
    short.map(|(of, _)| of).collect()
}

/// All that lines are judged by.
struct Run<'a> {
    points: Points<'a>,
    search: Search<'a>,
    classes: Classes,
    placed: Placed,
    starts: Starts,
    rounds: Rounds,
    history: History<'a>,
    unzoned: &'a BTreeSet<SourceId>,
    short: BTreeSet<LogAndPeer>,
}

impl Run<'_> {
    /// The lines of one class, each with its case if it has one.
    fn of_class<'t>(
        &self,
        lines: impl Iterator<Item = (usize, &'t Timeout)>,
        ties: &mut Ties,
        threads: &impl Threads,
    ) -> Vec<(usize, Option<Case>)> {
        let (mut crowd, mut apart) = (None, None);
        let mut cases = Vec::new();
        for (i, timeout) in lines {
            let (Some(class), Some(answer)) = (self.classes.of(i), self.rounds.assignments.get(i))
            else {
                continue;
            };
            let (join, doubt) = (self.join(i, class), self.doubt((i, timeout), &class.join));
            let case = match answer {
                _ if !join.assigned => {
                    let apart = apart.get_or_insert_with(|| self.apart(timeout, &join, threads));
                    let (crowd, runs) = apart;
                    let member = Member { line: i, join, doubt, runs, contradicted: true };
                    // It bears on no other line.
                    Some(crowd.case(member, &mut Ties::default()))
                }
                Assignment::Counted { attempts, unmatched } => {
                    self.counted((i, timeout), class, (attempts, *unmatched), ties)
                }
                Assignment::Uncounted { runs, contradicted } => {
                    // A line with a start of its own shares its attempts with no other.
                    let all = if timeout.start.is_some() { runs } else { &class.runs };
                    let crowd = crowd.get_or_insert_with(|| {
                        let (facts, asked) = ((self.points, &self.history), (timeout, join.clock));
                        let crowd = Crowd::judge(facts, &self.rounds.lines, all, asked, threads);
                        ties.know(crowd.fates());
                        crowd
                    });
                    let contradicted = *contradicted;
                    Some(crowd.case(Member { line: i, join, doubt, runs, contradicted }, ties))
                }
            };
            cases.push((i, case.or_else(|| self.without_attempt((i, timeout), class))));
        }
        cases
    }

    /// What fits the lines of a class that was not assigned.
    fn apart(
        &self,
        timeout: &Timeout,
        join: &Join,
        threads: &impl Threads,
    ) -> (Crowd, Vec<assign::Run>) {
        let mut lines = Lines::default();
        let runs = lines.hold(self.search.of(timeout).0);
        let facts = (self.points, &self.history);
        (Crowd::judge(facts, &lines, &runs, (timeout, join.clock), threads), runs)
    }

    /// How the candidates of a line were found.
    fn join(&self, i: usize, class: &Class) -> Join {
        Join { numbered: self.placed.has(i), ..class.join }
    }

    /// What makes all judgements of a line less sure.
    fn doubt(&self, (i, timeout): (usize, &Timeout), join: &Join) -> Option<Doubt> {
        match join.clock {
            LogClock::Unknown => Some(Doubt::Clock),
            _ if !join.assigned => Some(Doubt::Unassigned),
            _ if by_second_alone(timeout) => Some(Doubt::Address),
            _ if self.placed.is_odd(i) => Some(Doubt::Number),
            _ if self.is_short(i, timeout) => Some(Doubt::Unmatched),
            clock => (!self.starts.agree_near(timeout, clock)).then_some(Doubt::Displaced),
        }
    }

    /// Whether it may be of the lines whose attempt another one took. One that its number has placed
    /// took none by what was left.
    fn is_short(&self, i: usize, timeout: &Timeout) -> bool {
        let by_second = timeout.start.is_none() && timeout.kind.is_connect_timeout();
        let of_log = (timeout.location.source, timeout.peer);
        by_second && !self.placed.has(i) && self.short.contains(&of_log)
    }

    /// The case of a line whose assignments were counted; `None` where all leave it without an attempt.
    fn counted(
        &self,
        (i, timeout): (usize, &Timeout),
        class: &Class,
        (attempts, unmatched): (&[(usize, f64)], f64),
        ties: &mut Ties,
    ) -> Option<Case> {
        let (join, doubt) = (self.join(i, class), self.doubt((i, timeout), &class.join));
        let judged =
            |&share| Candidate::judged(self.points, &self.history, timeout, share, join.clock);
        let candidates: Vec<Candidate> = attempts
            .iter()
            .filter_map(judged)
            .map(|candidate| doubt.map_or(candidate, |doubt| candidate.doubted(doubt)))
            .collect();
        (!candidates.is_empty()).then(|| {
            let case = together(i, join, candidates, unmatched, self.points);
            ties.counted(&case, &self.rounds.lines, &class.runs, unmatched);
            case
        })
    }

    /// The case of a line for which no attempt was found; `None` where it has no handshake to blame.
    fn without_attempt(&self, (i, timeout): (usize, &Timeout), class: &Class) -> Option<Case> {
        if timeout.kind.is_read_timeout() {
            return None;
        }
        let log = timeout.location.source;
        let dated = timeout.start.is_some() || !self.unzoned.contains(&log);
        let sure = dated && self.doubt((i, timeout), &class.join).is_none();
        let shown = absence::Shown {
            points: self.points,
            history: &self.history,
            attempts: &self.search.index,
            taken: |attempt| self.rounds.is_taken(attempt),
            unresolved: class.in_vain,
            anchored: sure && self.classes.is_watched(log),
        };
        let case = absence::without_attempt(i, timeout, class.join, &shown);
        // No connect failed then, so it was the answer on a connection that was open.
        let answer = case.verdict == Verdict::NoSynSent;
        (timeout.kind != TimeoutKind::Access504Unclear || !answer).then_some(case)
    }
}

/// Nothing but the second in which it was logged ties a connect timeout to its attempt: an older
/// cosocket's line, a message of the user's own.
fn by_second_alone(timeout: &Timeout) -> bool {
    timeout.peer.is_none() && timeout.start.is_none() && timeout.kind.is_connect_timeout()
}

/// What the times of a line say of the attempts that were found for it.
fn claim(timeout: &Timeout, class: &Class) -> Claim {
    match (timeout.start, class.join.clock) {
        (None, _) | (_, LogClock::Unknown) => Claim::Loose,
        _ if is_in_place(timeout, &class.join) => Claim::InPlace,
        _ => Claim::Late,
    }
}
