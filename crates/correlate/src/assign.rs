//! One line, one attempt: all best one-to-one assignments, counted.
//!
//! Best means: most lines matched, then the most plausible attempts. The order of a worker's lines
//! is a hard constraint: deadlines fire in order within an event loop, and between workers of one
//! log within the stall. Between the logs of two gateways nothing is known. All best assignments
//! count alike; nothing else breaks a tie. Where several timers are in force, a pairing counts once
//! for each timer under which it fits.
//!
//! First what no complete assignment can use is struck out ([`narrow`]), which leaves small groups of
//! lines that bear on each other ([`part`]); the assignments of each are counted ([`sweep`]). What is
//! too many to count stays a run of places: its cost is that of its lines and attempts, not of the
//! pairs that they could form.

mod exchange;
mod lines;
mod matching;
mod narrow;
mod order;
mod part;
mod sweep;
mod taken;
#[cfg(test)]
mod tests;
mod tied;

use alloc::vec::Vec;

use why504_model::{Span, Timestamp};

use lines::Line;
pub use lines::{Edge, Lines, Place, Run, Writer};
use narrow::Narrowed;
use part::Part;
use sweep::Sweep;
pub(crate) use tied::Tied;

use crate::Threads;

/// Timers of one worker that fire in one loop iteration are logged in the order of the timer tree;
/// their SYNs may have been sent in the other order within the staleness of its clock (23 ms
/// measured).
const SAME_WORKER: Span = Span::from_millis(25);
/// One worker may be late by a stall while another is not (91 ms measured).
const OTHER_WORKER: Span = Span::from_millis(200);

/// Lines with more pairings than this on average are narrowed and not counted: the states of a few of
/// them are too many already.
const DENSE: usize = 48;
/// More lines than this at once are narrowed before they are counted.
const COUNTED_WHOLE: usize = 2000;
/// States that may be met in counting, over all lines: what it costs at most. A small log gets
/// [`STATES_A_LINE`](sweep::STATES_A_LINE) for each line, a very large one less, so that fewer of its
/// dense parts are counted.
const STATES_IN_ALL: usize = 1_000_000;
/// At least so many for each line.
const STATES_A_LINE_LEAST: usize = 16;
/// Fewer lines than this are not halved.
const HALVED: usize = 16;
/// Share of the assignments that leave a counted line without an attempt where that is not known.
const CONTRADICTED: f64 = 0.01;

/// A log line with its pairings written out, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed {
    writer: Writer,
    edges: Vec<Edge>,
}

/// What the best assignments say about one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Assignment {
    /// They were counted.
    Counted {
        /// Attempts that some best assignment joins with the line, with the share of best
        /// assignments that do; in order of attempt.
        attempts: Vec<(usize, f64)>,
        /// Share of best assignments that leave the line without attempt.
        unmatched: f64,
    },
    /// They are too many: any attempt that is left may be the one.
    Uncounted {
        /// The places of those attempts.
        runs: Vec<Run>,
        /// The lines hereabouts contradict each other: it may also be none of them.
        contradicted: bool,
    },
}

/// Assigns attempts to lines. Lines are in the order of the log.
pub fn assign(lines: &Lines, threads: &impl Threads) -> Vec<Assignment> {
    let mut result = alloc::vec![Assignment::NOTHING; lines.lines.len()];
    let effort = effort(lines.lines.len());
    // A line that nothing fits bears on no other.
    let (fitting, some): (Vec<usize>, Vec<Line>) =
        (lines.lines.iter().cloned().enumerate()).filter(|(_, line)| !line.runs.is_empty()).unzip();
    let whole = Part::whole(lines.places.clone(), some);
    let components = whole.components();
    let answers = if components.len() == 1 {
        alloc::vec![of_component(whole, effort, threads)]
    } else {
        threads.map(components.iter().collect(), |component: &Vec<usize>| {
            of_component(whole.part(component), effort, threads)
        })
    };
    for (component, answers) in components.iter().zip(answers) {
        let places: Vec<usize> =
            component.iter().filter_map(|&i| fitting.get(i).copied()).collect();
        fill(&mut result, &places, answers);
    }
    result
}

/// Of lines and the attempts that each may have, those of which some must go without.
pub(crate) fn contradictions(lines: &[(usize, Vec<usize>)]) -> Vec<usize> {
    let mut held = Lines::default();
    for (_, attempts) in lines {
        let end = (Timestamp::MIN, Timestamp::MIN);
        let edge = |&attempt: &usize| Edge { attempt, end, penalty: 0, timer: 0 };
        let runs = held.hold(attempts.iter().map(edge).collect());
        held.push(Writer::default(), runs);
    }
    let Lines { places, lines: held } = held;
    match matching::Matching::complete(&Part::whole(places, held)) {
        Ok(_) => Vec::new(),
        Err(odd) => odd.into_iter().filter_map(|i| lines.get(i)).map(|(line, _)| *line).collect(),
    }
}

/// Small components are counted as they are. A large one is narrowed first, and what that leaves
/// open is counted piece by piece.
///
/// A line whose attempt is not there takes its neighbour's, which takes the next one, and so on to where
/// it shows. So where any line stays without an attempt, in doubt are all that bear on it, but for those
/// that are settled.
fn of_component(part: Part, effort: usize, threads: &impl Threads) -> Vec<Assignment> {
    let few = part.lines.len() <= COUNTED_WHOLE && is_sparse(&part.lines, effort);
    let needs_one: Vec<bool> = part.lines.iter().map(Line::needs_one).collect();
    let settled: Vec<Option<usize>> = part.lines.iter().map(|line| part.settled(line)).collect();
    let mut answers = few
        .then(|| Sweep::new(&part.listed()).run(effort))
        .flatten()
        .unwrap_or_else(|| by_halves(part, effort, threads));
    if answers.iter().zip(needs_one).any(|(answer, needs_one)| needs_one && !answer.is_complete()) {
        answers.iter_mut().for_each(Assignment::contradict);
    }
    for (answer, attempt) in answers.iter_mut().zip(settled) {
        if let Some(attempt) = attempt {
            *answer = Assignment::Counted { attempts: alloc::vec![(attempt, 1.0)], unmatched: 0.0 };
        }
    }
    answers
}

/// States that counting may meet for each of so many lines.
fn effort(lines: usize) -> usize {
    (STATES_IN_ALL / lines.max(1)).clamp(STATES_A_LINE_LEAST, sweep::STATES_A_LINE)
}

/// Whether counting may succeed: a line meets more states than it has pairings.
fn is_sparse<'l>(lines: impl IntoIterator<Item = &'l Line>, effort: usize) -> bool {
    let all = lines
        .into_iter()
        .fold((0, 0), |(lines, pairings), line| (lines + 1, pairings + line.pairings()));
    all.1 <= DENSE.min(effort / 4) * all.0
}

/// A line whose attempt was not captured, or whose timer is not among those that were stated, shows
/// as a contradiction. Where there are more lines than attempts, those lines stay in doubt and the
/// others go on without them. Where the order contradicts, it does not always show where it
/// arises: the lines are halved, in the order of the log, until the halves are free of it; what is
/// too short for that stays in doubt.
fn by_halves(mut part: Part, effort: usize, threads: &impl Threads) -> Vec<Assignment> {
    let mut answers = alloc::vec![Assignment::NOTHING; part.lines.len()];
    // The lines of the part that is left, by their places in the whole.
    let mut places: Vec<usize> = (0..part.lines.len()).collect();
    while !places.is_empty() {
        let n = places.len();
        let between = match complete(&mut part, effort, threads) {
            Ok(found) => {
                fill(&mut answers, &places, found);
                break;
            }
            Err(between) => between,
        };
        if between.is_empty() && n >= HALVED {
            let both = alloc::vec![(0..n / 2).collect(), (n / 2..n).collect()];
            let halved = |half: Vec<usize>| by_halves(part.part(&half), effort, threads);
            let found = threads.map(both, halved).concat();
            fill(&mut answers, &places, found);
            break;
        }
        let doubted = |line: &usize| n < HALVED || between.binary_search(line).is_ok();
        let (doubted, sure): (Vec<usize>, Vec<usize>) = (0..n).partition(doubted);
        for line in doubted {
            if let (Some(&place), Some(line)) = (places.get(line), part.lines.get(line)) {
                fill(&mut answers, &[place], alloc::vec![Assignment::any_or_none(&part, line)]);
            }
        }
        places = sure.iter().filter_map(|&line| places.get(line).copied()).collect();
        part = part.part(&sure);
    }
    answers
}

/// A piece of what narrowing left, answered or to be counted.
enum Piece {
    Answered(Vec<Assignment>),
    Open(Vec<Listed>),
    Contradicted,
}

/// The assignments that give every line an attempt, piece by piece. Where there are none, or none was
/// found, it says between which lines the contradiction lies, as far as that is known, and leaves the
/// part as it was. That is settled for all pieces before any is counted.
fn complete(
    part: &mut Part,
    effort: usize,
    threads: &impl Threads,
) -> Result<Vec<Assignment>, Vec<usize>> {
    let Narrowed { before, sharers } = narrow::complete(part, threads)?;
    let lines = part.components_of(&sharers);
    let pieces = threads.map(lines.iter().collect(), |lines: &Vec<usize>| {
        let few = || lines.iter().filter_map(|&i| part.lines.get(i));
        if !is_sparse(few(), effort) {
            return Piece::Answered(uncounted(part, few()));
        }
        let listed = part.part(lines).listed();
        if Sweep::new(&listed).is_complete() {
            return Piece::Open(listed);
        }
        counted(&listed, effort).map_or(Piece::Contradicted, Piece::Answered)
    });
    if pieces.iter().any(|piece| matches!(piece, Piece::Contradicted)) {
        part.lines = before;
        return Err(Vec::new());
    }
    let counting = pieces.into_iter().zip(&lines).collect();
    let found = threads.map(counting, |(piece, lines): (Piece, &Vec<usize>)| match piece {
        Piece::Answered(answers) => answers,
        Piece::Open(listed) => counted(&listed, effort)
            .unwrap_or_else(|| uncounted(part, lines.iter().filter_map(|&i| part.lines.get(i)))),
        Piece::Contradicted => Vec::new(),
    });
    let mut answers = alloc::vec![Assignment::NOTHING; part.lines.len()];
    for (lines, found) in lines.iter().zip(found) {
        fill(&mut answers, lines, found);
    }
    Ok(answers)
}

/// The answers of lines that all have an attempt in all best assignments; `None` where they have not,
/// or the assignments are too many to count.
fn counted(lines: &[Listed], effort: usize) -> Option<Vec<Assignment>> {
    let counted = Sweep::new(lines).run(effort)?;
    counted.iter().all(Assignment::is_complete).then_some(counted)
}

fn uncounted<'l>(part: &Part, lines: impl Iterator<Item = &'l Line>) -> Vec<Assignment> {
    lines.map(|line| Assignment::any(part, line)).collect()
}

/// Puts the answers of some lines in their places.
fn fill(all: &mut [Assignment], places: &[usize], answers: Vec<Assignment>) {
    for (&place, answer) in places.iter().zip(answers) {
        if let Some(slot) = all.get_mut(place) {
            *slot = answer;
        }
    }
}

impl Default for Assignment {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Assignment {
    /// A line that nothing fits.
    const NOTHING: Self = Self::Counted { attempts: Vec::new(), unmatched: 1.0 };

    /// All best assignments give the line an attempt.
    fn is_complete(&self) -> bool {
        match self {
            Self::Counted { unmatched, .. } => *unmatched <= 0.0,
            Self::Uncounted { contradicted, .. } => !contradicted,
        }
    }

    /// Any attempt that is left.
    fn any(part: &Part, line: &Line) -> Self {
        let runs = line.runs.iter().map(|run| part.of_whole(run)).collect();
        Self::Uncounted { runs, contradicted: false }
    }

    /// It may be none of these attempts as well.
    fn contradict(&mut self) {
        match self {
            Self::Counted { unmatched, .. } => *unmatched = unmatched.max(CONTRADICTED),
            Self::Uncounted { contradicted, .. } => *contradicted = true,
        }
    }

    /// Any attempt that is left, or none of them.
    fn any_or_none(part: &Part, line: &Line) -> Self {
        let runs = line.runs.iter().map(|run| part.of_whole(run)).collect();
        Self::Uncounted { runs, contradicted: true }
    }
}
