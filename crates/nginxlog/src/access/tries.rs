//! The `$upstream_*` variables: one element for each try.

use memchr::memmem;
use why504_model::{Endpoint, Span};

use super::{number, time};
use crate::address::upstream_endpoint;

/// The list of one `$upstream_*` variable: `, ` stands between the tries of one pass, ` : `
/// between passes (nginx src/http/ngx_http_upstream.c:5925-6136). Lists of one line have the same
/// length and their elements belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries<'a>(&'a [u8]);

impl<'a> Tries<'a> {
    pub(super) fn new(list: &'a [u8]) -> Self {
        Self(list)
    }

    /// The variable had no value, or the format does not have it.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The elements; `None` for `-` and for an empty one.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut rest = (!self.0.is_empty()).then_some(self.0);
        core::iter::from_fn(move || {
            let list = rest?;
            let ends = [b", ".as_slice(), b" : "];
            let next = ends
                .iter()
                .filter_map(|separator| Some((memmem::find(list, separator)?, separator.len())))
                .min();
            let (at, length) = next.unwrap_or((list.len(), 0));
            rest = next.and_then(|_| list.get(at + length..));
            let element = list.get(..at)?;
            Some(Some(element).filter(|element| !matches!(*element, b"" | b"-")))
        })
    }

    /// The elements of `$upstream_addr`; `None` for group names, unix sockets and `-`.
    pub fn endpoints(self) -> impl Iterator<Item = Option<Endpoint>> {
        self.iter().map(|element| upstream_endpoint(element?, true))
    }

    /// The elements of `$upstream_status`.
    pub fn statuses(self) -> impl Iterator<Item = Option<u16>> {
        self.iter().map(|element| number(element?))
    }

    /// The elements of a `$upstream_*_time`.
    pub fn spans(self) -> impl Iterator<Item = Option<Span>> {
        self.iter().map(|element| time::seconds(element?))
    }
}
