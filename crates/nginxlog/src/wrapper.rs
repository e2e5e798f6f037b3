//! What log collectors put around a line: the header of syslog, docker's JSON, the journal's forms,
//! the prefix of Kubernetes' container runtime, the names of services, and time stamps.
//!
//! Wrappers nest (`docker compose logs -t` over syslog, say), and some of them cut long lines into
//! parts. The time that a wrapper states is when the line arrived, with a zone and often with
//! nanoseconds; the line was written before. What the line is, is not decided here.

mod journal;
mod parts;
mod stamp;
mod syslog;

use std::borrow::Cow;

use why504_model::Interval;

use crate::error::begins_record;
use crate::json::{Members, Value, unescaped};
pub(crate) use parts::{Part, Parts};
use stamp::rfc3339;

/// The most wrappers around one line.
const MAX_NESTING: usize = 5;

/// Docker cuts lines into parts of this size (its reader's buffer, 16 KiB); a shorter entry
/// without a line feed is not a part but a collector's own spelling.
const DOCKER_PART: usize = 16 * 1024;

/// The longest prefix of a service's name.
const MAX_NAME: usize = 128;

/// Which of a container's two streams a line came from; their parts go side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output: the access log of nginx's container images.
    #[default]
    Output,
    /// Standard error: the error log.
    Error,
}

/// A line without what stood around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwrapped<'a> {
    pub(crate) inner: Cow<'a, [u8]>,
    /// When the line arrived (UTC), as wide as the stamp's digits; from the innermost wrapper
    /// that states a time and a zone.
    pub(crate) time: Option<Interval>,
    /// The stream, when a container runtime wrapped the line; its form is unmistakable.
    pub(crate) stream: Option<Stream>,
    /// More of this line follows with the next one of the same stream.
    pub(crate) part: bool,
    /// Other lines of this file may come in parts of any length.
    pub(crate) parted: bool,
}

/// One wrapper taken off.
struct Layer<'a> {
    rest: Cow<'a, [u8]>,
    time: Option<Interval>,
    /// Stream, and whether more follows, where a container runtime says so.
    part: Option<(Stream, bool)>,
    /// It cuts lines anywhere.
    parted: bool,
    /// A syslog daemon may have written it, and spelled control bytes out.
    by_syslog: bool,
}

impl<'a> Layer<'a> {
    fn new(rest: &'a [u8]) -> Self {
        let rest = Cow::Borrowed(rest);
        Self { rest, time: None, part: None, parted: false, by_syslog: false }
    }

    fn by_syslog(rest: &'a [u8]) -> Self {
        Self { by_syslog: true, ..Self::new(rest) }
    }

    fn at(self, time: Option<Interval>) -> Self {
        Self { time, ..self }
    }
}

/// Takes all wrappers off a line, given without its line feed; `None` when there is none.
pub(crate) fn unwrapped(line: &[u8]) -> Option<Unwrapped<'_>> {
    let mut found = Unwrapped {
        inner: Cow::Borrowed(line),
        time: None,
        stream: None,
        part: false,
        parted: false,
    };
    let (mut layers, mut by_syslog) = (0, false);
    while layers < MAX_NESTING && !begins_record(&found.inner) {
        let layer = match &found.inner {
            Cow::Borrowed(inner) => layer(inner),
            Cow::Owned(inner) => layer(inner)
                .map(|layer| Layer { rest: Cow::Owned(layer.rest.into_owned()), ..layer }),
        };
        let Some(layer) = layer else { break };
        found.inner = layer.rest;
        found.time = layer.time.or(found.time);
        if let Some((stream, more)) = layer.part {
            (found.stream, found.part) = (Some(stream), found.part || more);
        }
        found.parted |= layer.parted;
        by_syslog |= layer.by_syslog;
        layers += 1;
    }
    if by_syslog && begins_record(&found.inner) {
        found.inner = syslog::unescaped(found.inner);
    }
    (layers > 0).then_some(found)
}

/// Told apart by the first byte, so that a line without a wrapper costs a glance.
fn layer(line: &[u8]) -> Option<Layer<'_>> {
    match line.first()? {
        b'{' => docker(line).or_else(|| journal::json(line)),
        b'<' => syslog::with_priority(line),
        b'0'..=b'9' => stamped(line)
            .or_else(|| journal::short_unix(line))
            .or_else(|| service(line))
            .or_else(|| host_and_tag(line)),
        b'A'..=b'Z' => syslog::dated(line)
            .or_else(|| journal::export(line))
            .or_else(|| journal::short_full(line))
            .or_else(|| service(line))
            .or_else(|| host_and_tag(line)),
        b'a'..=b'z' | b'_' => service(line).or_else(|| host_and_tag(line)),
        _ => None,
    }
}

/// docker's json-file: `{"log":"LINE\n","stream":"stderr","time":"..."}`.
fn docker(line: &[u8]) -> Option<Layer<'_>> {
    let mut members = Members::of(line)?;
    let (mut log, mut stream, mut time) = (None, None, None);
    for member in members.by_ref() {
        match (member.parent, member.key, member.value) {
            (b"", b"log", Value::Text(text)) => log = Some(text),
            (b"", b"stream", Value::Text(text)) => stream = Some(text),
            (b"", b"time", Value::Text(text)) => time = Some(text),
            _ => {}
        }
    }
    // A log_format may well have a member of that name; docker writes all three.
    if !members.is_whole() || stream.is_none() && time.is_none() {
        return None;
    }
    let inner = unescaped(log?);
    let ended = inner.ends_with(b"\n");
    let part = (stream_of(stream.unwrap_or_default()), !ended && inner.len() >= DOCKER_PART);
    let rest = match inner {
        Cow::Borrowed(text) => Cow::Borrowed(crate::lines::trimmed(text)),
        Cow::Owned(mut text) => {
            text.truncate(crate::lines::trimmed(&text).len());
            Cow::Owned(text)
        }
    };
    let time = time.and_then(rfc3339).and_then(|stamp| stamp.time);
    Some(Layer { rest, time, part: Some(part), parted: false, by_syslog: false })
}

fn stream_of(name: &[u8]) -> Stream {
    if name == b"stderr" { Stream::Error } else { Stream::Output }
}

/// `STAMP LINE` (`docker logs -t`, `kubectl logs --timestamps`), `STAMP stderr F LINE` (CRI), or
/// `STAMP host nginx[31]: LINE` (files of rsyslog and journald).
fn stamped(line: &[u8]) -> Option<Layer<'_>> {
    let stamp = rfc3339(line)?;
    let after = line.get(stamp.length..)?;
    let rest = after.trim_ascii_start();
    // Two stamps may also run into each other with a tab or several blanks.
    if rest.len() == after.len() {
        return None;
    }
    if let Some((stream, more, inner)) = runtime(after.strip_prefix(b" ")?) {
        let layer = Layer::new(inner).at(stamp.time);
        return Some(Layer { part: Some((stream, more)), parted: true, ..layer });
    }
    Some(Layer::new(rest).at(stamp.time))
}

/// `stderr F LINE`: `F` ends a line, `P` does not (Kubernetes' container runtime interface). More
/// tags may follow after a colon.
fn runtime(text: &[u8]) -> Option<(Stream, bool, &[u8])> {
    let (name, rest) = text.split_at_checked(6)?;
    if name != b"stdout" && name != b"stderr" {
        return None;
    }
    let rest = rest.strip_prefix(b" ")?;
    let end = rest.iter().take(32).position(|b| *b == b' ');
    // An empty line may end right after its tag.
    let (tags, inner) = match end {
        Some(end) => (rest.get(..end)?, rest.get(end + 1..)?),
        None => (rest, b"".as_slice()),
    };
    let more = match tags.split(|b| *b == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    Some((stream_of(name), more, inner))
}

/// `nginx_1  | LINE` (docker compose), `svc.1.id@node    | LINE` (docker service logs), with
/// `hh:mm:ss` before it where a process manager writes that.
fn service(line: &[u8]) -> Option<Layer<'_>> {
    let head = line.get(..line.len().min(MAX_NAME + 64))?;
    let bar = memchr::memmem::find(head, b" | ")?;
    let prefix = head.get(..bar)?;
    let name = match stamp::clock(prefix) {
        Some(length) => prefix.get(length..)?,
        None => prefix,
    }
    .trim_ascii();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._@-".contains(b);
    let fits = !name.is_empty() && name.len() <= MAX_NAME && name.iter().all(plain);
    fits.then(|| line.get(bar + 3..).map(Layer::new)).flatten()
}

/// `host nginx[2833]: LINE` without a date: only where the line is known by something else.
fn host_and_tag(line: &[u8]) -> Option<Layer<'_>> {
    let rest = syslog::tagged(line)?;
    let known = begins_record(rest)
        || stamp::rfc3164(rest).is_some()
        || rest.starts_with(b"{\"time\":")
        || syslog::has_process_id(line)
        || syslog::tagged(rest).is_some_and(begins_record);
    known.then(|| Layer::by_syslog(rest))
}

#[cfg(test)]
mod tests;
