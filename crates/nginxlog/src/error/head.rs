//! Between header and context: message, errno, the cosocket's address, `while ...`.

use memchr::{memchr_iter, memrchr_iter};
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::u32;
use nom::sequence::terminated;

#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) message: &'a [u8],
    pub(super) errno: Option<u32>,
    pub(super) cosocket: Option<&'a [u8]>,
    pub(super) action: Option<&'a [u8]>,
}

const WHILE: &[u8] = b" while ";
const COSOCKET: &[u8] = b", upstream: ";

pub(super) fn parse(head: &[u8]) -> Head<'_> {
    if let Some((message, number, tail)) = split_errno(head) {
        let (rest, action) = split_action(tail);
        let cosocket = rest.strip_prefix(COSOCKET);
        return Head { message, errno: Some(number), cosocket, action };
    }
    let (rest, action) = if head.starts_with(b"[lua] ") || head.starts_with(b"stream [lua] ") {
        // Text of the user's code may hold ` while `; nginx's own suffix occurs there only in
        // balancer_by_lua.
        head.strip_suffix(b" while connecting to upstream")
            .map_or((head, None), |rest| (rest, Some(b"connecting to upstream".as_slice())))
    } else {
        split_action(head)
    };
    let comma = memchr_iter(b',', rest)
        .find(|comma| rest.get(*comma..).is_some_and(|text| text.starts_with(COSOCKET)));
    let (message, cosocket) = match comma {
        Some(at) => (cut(rest, 0, at), rest.get(at + COSOCKET.len()..)),
        None => (rest, None),
    };
    Head { message, errno: None, cosocket, action }
}

/// Splits at ` (NUMBER: text)`, the form of `ngx_log_errno` (nginx src/core/ngx_log.c:287-314).
/// The text may hold parentheses (Windows), so it ends where something that may follow begins.
fn split_errno(head: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    for bracket in memchr_iter(b'(', head) {
        let Some(open) = bracket.checked_sub(1).filter(|at| head.get(*at) == Some(&b' ')) else {
            continue;
        };
        let inside = head.get(open + 2..)?;
        let mut number = terminated(u32::<_, nom::error::Error<_>>, tag(": "));
        let Ok((text, number)) = number.parse(inside) else { continue };
        // Where nothing closes it the line was cut in the errno's text, which does not matter.
        let tail = memchr_iter(b')', text)
            .filter_map(|close| text.get(close + 1..))
            .find(|tail| tail.is_empty() || tail.starts_with(WHILE) || tail.starts_with(b", "))
            .unwrap_or_default();
        return Some((head.get(..open)?, number, tail));
    }
    None
}

/// Splits ` while ACTION` off. The action ends at a comma (`resolving, resolver: 127.0.0.1:53`).
fn split_action(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    // By a rare letter: these texts are short, and a searcher takes longer to make than to run.
    let at = memrchr_iter(b'w', text)
        .filter_map(|letter| letter.checked_sub(1))
        .find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(WHILE)));
    let Some(at) = at else { return (text, None) };
    let action = cut(text, at + WHILE.len(), text.len());
    let end = memchr_iter(b',', action)
        .find(|comma| action.get(comma + 1) == Some(&b' '))
        .unwrap_or(action.len());
    (cut(text, 0, at), Some(cut(action, 0, end)))
}

fn cut(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}
