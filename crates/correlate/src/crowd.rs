//! Lines that fit so many attempts that their assignments are not counted: what those attempts say
//! together, without looking at each of them for each line.
//!
//! The lines of a class share their attempts, so each attempt is judged once for all of them, and a
//! line asks how many of a stretch of them have which fate. Where several timers put one attempt in
//! several places, a line's stretches are taken as stretches of attempts, which may add attempts that
//! do not fit it: doubt is added, never taken away.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use why504_handshake::PointId;
use why504_model::Timeout;

use crate::assign::{Lines, Run};
use crate::case::{Candidate, Case};
use crate::fates::{self, Party};
use crate::groups::Ties;
use crate::history::History;
use crate::judge::{Doubt, Judgement};
use crate::search::Join;
use crate::view::Points;
use crate::{LogClock, Verdict};

/// So many of a line's attempts are named.
const NAMED: usize = 12;
/// So many classes are remembered; the lines of a class stand close together in a log.
const REMEMBERED: usize = 64;

/// The attempts of classes that were met last.
pub(crate) struct Crowds<'a> {
    lines: &'a Lines,
    points: Points<'a>,
    history: &'a History<'a>,
    /// Class -> its attempts.
    known: BTreeMap<usize, Crowd>,
    /// Classes in the order in which they were met.
    met: Vec<usize>,
}

/// The attempts of a class.
#[derive(Debug, Default)]
struct Crowd {
    /// Without repetition, in the order of the places.
    attempts: Vec<usize>,
    /// Place, from the first of the class on -> where its attempt is in `attempts`.
    number: Vec<usize>,
    first: usize,
    /// Judgements, and whose they are (indices of `attempts`, in order).
    judged: Vec<(Judged, Vec<usize>)>,
}

/// What became of an attempt, and between which points.
type Judged = (Judgement, Option<(PointId, PointId)>);

/// A line, and which of its class's attempts are left to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'m> {
    pub(crate) line: usize,
    pub(crate) timeout: &'m Timeout,
    pub(crate) join: Join,
    /// What makes all its judgements less sure.
    pub(crate) doubt: Option<Doubt>,
    pub(crate) runs: &'m [Run],
    /// It may also be none of them.
    pub(crate) contradicted: bool,
}

impl<'a> Crowds<'a> {
    pub(crate) fn new(lines: &'a Lines, points: Points<'a>, history: &'a History<'a>) -> Self {
        Self { lines, points, history, known: BTreeMap::new(), met: Vec::new() }
    }

    /// The case of a line; `number` is that of its class, and `all` is what fits the class. The fates of
    /// its attempts become known to `ties`.
    pub(crate) fn case(
        &mut self,
        member: Member<'_>,
        (number, all): (usize, &[Run]),
        ties: &mut Ties,
    ) -> Case {
        let Member { timeout, join, doubt, .. } = member;
        if !self.known.contains_key(&number) {
            if self.met.len() == REMEMBERED {
                self.known.remove(&self.met.remove(0));
            }
            self.met.push(number);
            let crowd = self.judge(timeout, join.clock, all);
            ties.know(crowd.fates());
            self.known.insert(number, crowd);
        }
        let nobody = Crowd::default();
        let crowd = self.known.get(&number).unwrap_or(&nobody);
        let stretches = crowd.stretches(member.runs);
        let fitting: usize = stretches.iter().map(|(from, to)| to - from).sum();
        #[expect(clippy::cast_precision_loss, reason = "a number of attempts")]
        let share = 1.0 / (fitting + usize::from(member.contradicted)).max(1) as f64;
        let parties = crowd.judged.iter().map(|((judgement, between), who)| {
            let members = stretches.iter().map(|&(from, to)| {
                who.partition_point(|&i| i < to) - who.partition_point(|&i| i < from)
            });
            let attempts = members.sum();
            let judgement = doubt.map_or(*judgement, |doubt| judgement.doubted(doubt));
            #[expect(clippy::cast_precision_loss, reason = "a number of attempts")]
            let share = share * attempts as f64;
            (Party { judgement, attempts, share }, *between)
        });
        let named = stretches.iter().flat_map(|&(from, to)| from..to).take(NAMED);
        let candidates: Vec<Candidate> = named
            .filter_map(|i| crowd.attempts.get(i))
            .filter_map(|&attempt| {
                Candidate::judged(self.points, self.history, timeout, (attempt, share), join.clock)
            })
            .map(|candidate| doubt.map_or(candidate, |doubt| candidate.doubted(doubt)))
            .collect();
        let unmatched = if member.contradicted { share } else { 0.0 };
        let (parties, between): (Vec<Party>, Vec<_>) =
            parties.filter(|(party, _)| party.attempts > 0).unzip();
        let sure = parties.iter().all(|party| party.judgement.grade.is_sure());
        let between = |_| fates::shared(between.into_iter()).flatten();
        let case = fates::of_parties(member.line, join, candidates, &parties, unmatched, between);
        ties.uncounted(&case, member.runs, member.contradicted, sure);
        case
    }

    /// Judges each attempt of a class once; `timeout` is one of its lines.
    fn judge(&self, timeout: &Timeout, clock: LogClock, all: &[Run]) -> Crowd {
        let first = all.iter().map(|run| run.from).min().unwrap_or(0);
        let end = all.iter().map(|run| run.to).max().unwrap_or(0);
        let all = Run { from: first, to: end, penalty: 0, timer: 0 };
        let places = self.lines.run(&all);
        // The places of one timer, or of none, are of different attempts, in order of time.
        let mut attempts: Vec<usize> = places.iter().map(|place| place.attempt).collect();
        let mut sorted = attempts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let number = if sorted.len() == attempts.len() {
            (0..attempts.len()).collect()
        } else {
            let of = |attempt| sorted.binary_search(attempt).unwrap_or_default();
            let number = attempts.iter().map(of).collect();
            attempts = sorted;
            number
        };
        let mut crowd = Crowd { attempts, number, first, judged: Vec::new() };
        for (i, &attempt) in crowd.attempts.iter().enumerate() {
            let judged =
                Candidate::judged(self.points, self.history, timeout, (attempt, 0.0), clock);
            let Some(Candidate { judgement, deadline, .. }) = judged else { continue };
            let way = |a| self.points.lost_between(a, judgement.verdict(), deadline);
            let between = self.points.merged.attempts.get(attempt).and_then(way);
            match crowd.judged.iter_mut().find(|(known, _)| *known == (judgement, between)) {
                Some((_, who)) => who.push(i),
                None => crowd.judged.push(((judgement, between), alloc::vec![i])),
            }
        }
        crowd
    }
}

impl Crowd {
    /// The verdicts of its places.
    fn fates(&self) -> impl Iterator<Item = (usize, Verdict)> {
        let mut verdicts: Vec<Option<Verdict>> = alloc::vec![None; self.attempts.len()];
        for ((judgement, _), who) in &self.judged {
            for &i in who {
                if let Some(slot) = verdicts.get_mut(i) {
                    *slot = Some(judgement.verdict());
                }
            }
        }
        let of = move |&i: &usize| verdicts.get(i).copied().flatten();
        let places = (self.first..).zip(&self.number);
        places.filter_map(move |(place, i)| Some((place, of(i)?)))
    }

    /// The stretches of attempts that runs stand for, none twice.
    fn stretches(&self, runs: &[Run]) -> Vec<(usize, usize)> {
        let number = |place: usize| self.number.get(place.checked_sub(self.first)?).copied();
        let ends = |run: &Run| Some((number(run.from)?, number(run.to.checked_sub(1)?)? + 1));
        let mut stretches: Vec<(usize, usize)> = runs.iter().filter_map(ends).collect();
        stretches.sort_unstable();
        let mut apart: Vec<(usize, usize)> = Vec::with_capacity(stretches.len());
        for (from, to) in stretches {
            match apart.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => apart.push((from, to)),
            }
        }
        apart
    }
}
