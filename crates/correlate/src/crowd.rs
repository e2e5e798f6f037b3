//! Lines that fit so many attempts that their assignments are not counted: what those attempts say
//! together, without looking at each of them for each line.
//!
//! The lines of a class share their attempts, so each attempt is judged once for all of them, and a
//! line asks how many of a stretch of them have which fate. Where several timers put one attempt in
//! several places, a line's stretches are taken as stretches of attempts, which may add attempts that
//! do not fit it: doubt is added, never taken away.

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
use crate::{LogClock, Threads, Verdict};

/// So many of a line's attempts are named.
const NAMED: usize = 12;
/// So many attempts are judged together on one thread.
const TOGETHER: usize = 512;

/// The attempts of a class of lines.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// Without repetition, in the order of the places, with no share yet.
    attempts: Vec<Option<Candidate>>,
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
    pub(crate) join: Join,
    /// What makes all its judgements less sure.
    pub(crate) doubt: Option<Doubt>,
    pub(crate) runs: &'m [Run],
    /// It may also be none of them.
    pub(crate) contradicted: bool,
}

impl Crowd {
    /// Judges each attempt of a class once: `timeout` is one of its lines, `all` is what fits the class.
    pub(crate) fn judge(
        (points, history): (Points<'_>, &History<'_>),
        lines: &Lines,
        all: &[Run],
        (timeout, clock): (&Timeout, LogClock),
        threads: &impl Threads,
    ) -> Self {
        let first = all.iter().map(|run| run.from).min().unwrap_or(0);
        let end = all.iter().map(|run| run.to).max().unwrap_or(0);
        let places = lines.run(&Run { from: first, to: end, penalty: 0, timer: 0 });
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
        let one = |&attempt: &usize| {
            let judged = Candidate::judged(points, history, timeout, (attempt, 0.0), clock)?;
            let attempt = points.merged.attempts.get(attempt)?;
            let verdict = judged.judgement.verdict();
            Some((judged, points.lost_between(attempt, verdict, judged.deadline)))
        };
        let some = |some: &[usize]| some.iter().map(one).collect::<Vec<_>>();
        let found = threads.map(attempts.chunks(TOGETHER).collect(), some);
        let mut crowd = Self { attempts: Vec::new(), number, first, judged: Vec::new() };
        for (i, found) in found.into_iter().flatten().enumerate() {
            crowd.attempts.push(found.map(|(candidate, _)| candidate));
            let Some((Candidate { judgement, .. }, between)) = found else { continue };
            match crowd.judged.iter_mut().find(|(known, _)| *known == (judgement, between)) {
                Some((_, who)) => who.push(i),
                None => crowd.judged.push(((judgement, between), alloc::vec![i])),
            }
        }
        crowd
    }

    /// The case of a line of the class.
    pub(crate) fn case(&self, member: Member<'_>, ties: &mut Ties) -> Case {
        let Member { join, doubt, .. } = member;
        let stretches = self.stretches(member.runs);
        let fitting: usize = stretches.iter().map(|(from, to)| to - from).sum();
        #[expect(clippy::cast_precision_loss, reason = "a number of attempts")]
        let share = 1.0 / (fitting + usize::from(member.contradicted)).max(1) as f64;
        let parties = self.judged.iter().map(|((judgement, between), who)| {
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
            .filter_map(|i| *self.attempts.get(i)?)
            .map(|candidate| Candidate { share, ..candidate })
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

    /// The verdicts of its places.
    pub(crate) fn fates(&self) -> impl Iterator<Item = (usize, Verdict)> {
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
