//! Cuts a line into the values of a format.
//!
//! Each value ends at the first place where the literal after it stands. When a later value then
//! has an impossible shape, the nearest earlier value of free form is extended; the number of
//! such steps is bounded, so hostile lines cost linear time.

use memchr::memchr;
use memchr::memmem::Finder;

use super::variable::{Shape, Variable};
use super::{Escape, FormatFault, Piece};

/// The most variables of a format.
pub(super) const MAX_PARTS: usize = 128;

/// How often a line may be cut anew before it counts as another format.
const MAX_RETRIES: usize = 64;

/// The text of each variable, where the format has it.
pub(crate) type Values<'a> = [Option<&'a [u8]>; Variable::COUNT];

#[derive(Clone, Debug)]
pub(super) struct Matcher {
    prefix: Vec<u8>,
    parts: Vec<Part>,
}

/// A variable and the literal that follows it.
#[derive(Clone, Debug)]
struct Part {
    variable: Option<Variable>,
    shape: Shape,
    literal: Finder<'static>,
    /// The value cannot hold a quote: it stands between quotes and `escape=default` writes `\x22`.
    quoted: bool,
}

impl Matcher {
    pub(super) fn new(pieces: Vec<Piece>, escape: Escape) -> Result<Self, FormatFault> {
        let mut prefix = Vec::new();
        // Variable (none for a run of several, which nothing separates), shape, literal after it.
        let mut parts: Vec<(Option<Variable>, Shape, Vec<u8>)> = Vec::new();
        for piece in pieces {
            match (piece, parts.last_mut()) {
                (Piece::Literal(text), None) => prefix.extend(text),
                (Piece::Literal(text), Some((.., literal))) => literal.extend(text),
                (Piece::Variable(_), Some((variable, shape, literal))) if literal.is_empty() => {
                    (*variable, *shape) = (None, Shape::Text);
                }
                (Piece::Variable(name), _) => {
                    let variable = Variable::of(&name);
                    parts.push((variable, Shape::of(&name, variable), Vec::new()));
                }
            }
        }
        if parts.is_empty() {
            return Err(FormatFault::NoVariable);
        }
        if parts.len() > MAX_PARTS {
            return Err(FormatFault::TooManyVariables);
        }
        let parts = parts
            .into_iter()
            .map(|(variable, shape, literal)| Part {
                variable,
                shape,
                quoted: escape == Escape::Default && literal.first() == Some(&b'"'),
                literal: Finder::new(&literal).into_owned(),
            })
            .collect();
        Ok(Self { prefix, parts })
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn matches<'a>(&self, line: &'a [u8]) -> Option<Values<'a>> {
        line.strip_prefix(self.prefix.as_slice())?;
        let mut cuts = [(0_usize, 0_usize); MAX_PARTS];
        let mut retries = 0;
        let (mut index, mut begin) = (0, self.prefix.len());
        // Where the end of the value is searched: behind an end that was tried before.
        let mut search = begin;
        while let (Some(part), Some(cut)) = (self.parts.get(index), cuts.get_mut(index)) {
            let last = index + 1 == self.parts.len();
            if let Some(end) = part.end(line, begin, search, last) {
                *cut = (begin, end);
                begin = end + part.literal.needle().len();
                search = begin;
                index += 1;
                continue;
            }
            retries += 1;
            if retries > MAX_RETRIES {
                return None;
            }
            let earlier = self.parts.get(..index)?;
            index = earlier.iter().rposition(|part| part.shape.is_elastic())?;
            let (start, end) = *cuts.get(index)?;
            (begin, search) = (start, end + 1);
        }
        let mut values = Values::default();
        // By reference: the whole array is long, and most formats are short.
        for (part, &(begin, end)) in self.parts.iter().zip(&cuts) {
            if let Some(value) = part.variable.and_then(|v| values.get_mut(v as usize)) {
                *value = line.get(begin..end);
            }
        }
        Some(values)
    }
}

impl Part {
    /// Where the value that begins at `begin` ends, not before `search`.
    fn end(&self, line: &[u8], begin: usize, search: usize, last: bool) -> Option<usize> {
        let literal = self.literal.needle();
        let mut from = search.max(begin + self.shape.least());
        let end = if last {
            line.ends_with(literal)
                .then(|| line.len() - literal.len())
                .filter(|end| *end >= from)?
        } else {
            loop {
                let end = from + self.literal.find(line.get(from..)?)?;
                match self.list_goes_on(line.get(begin..end)?, line.get(end..)?) {
                    Some(separator) => from = end + separator,
                    None => break end,
                }
            }
        };
        let value = line.get(begin..end)?;
        let unquoted = !self.quoted || memchr(b'"', value).is_none();
        (unquoted && self.shape.fits(value)).then_some(end)
    }

    /// Whether what was taken for the literal is part of a separator in a list of tries: the
    /// number of bytes to skip.
    fn list_goes_on(&self, value: &[u8], rest: &[u8]) -> Option<usize> {
        if !matches!(self.shape, Shape::Tries { .. }) {
            return None;
        }
        let literal = self.literal.needle();
        if literal.starts_with(b" ") && value.ends_with(b",") {
            return Some(1);
        }
        [b" : ".as_slice(), b", "]
            .into_iter()
            .find(|separator| rest.starts_with(separator) && !literal.starts_with(separator))
            .map(<[u8]>::len)
    }
}
