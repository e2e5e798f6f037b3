//! Reads the members of one JSON object, as far as log collectors and Angie write it.
//!
//! A flat walk over keys and values of bounded depth, over bytes: the strings may hold bytes that
//! are no UTF-8, which nginx passes through. Arrays are passed over. It does not check numbers.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Deeper objects end the walk.
const MAX_DEPTH: usize = 8;

/// A key with a value that is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// The key of the object that this one stands in; empty at the top.
    pub(crate) parent: &'a [u8],
    /// Still escaped; the keys that matter hold no escapes.
    pub(crate) key: &'a [u8],
    pub(crate) value: Value<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// What stands between the quotes, still escaped.
    Text(&'a [u8]),
    /// A number, `true`, `false`, `null`, or a whole array.
    Other(&'a [u8]),
}

/// The members of an object and of the objects in it, in order.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
    parents: [&'a [u8]; MAX_DEPTH],
    depth: usize,
    /// The outermost brace was closed and nothing follows it.
    whole: bool,
}

impl<'a> Members<'a> {
    /// `None` when the text does not begin with a brace.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_prefix(b"{")?;
        Some(Self { rest, parents: [&[]; MAX_DEPTH], depth: 1, whole: false })
    }

    /// After the last member: whether the text was one whole object.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let inner = self.rest.strip_prefix(b"\"")?;
        let end = string_end(inner)?;
        self.rest = inner.get(end + 1..)?;
        inner.get(..end)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        while self.depth > 0 {
            self.skip_blanks();
            if let Some(rest) = self.rest.strip_prefix(b"}") {
                self.rest = rest;
                self.depth -= 1;
                continue;
            }
            if let Some(rest) = self.rest.strip_prefix(b",") {
                self.rest = rest;
                self.skip_blanks();
            }
            let key = self.string()?;
            self.skip_blanks();
            self.rest = self.rest.strip_prefix(b":")?;
            self.skip_blanks();
            if let Some(rest) = self.rest.strip_prefix(b"{") {
                *self.parents.get_mut(self.depth)? = key;
                self.rest = rest;
                self.depth += 1;
                continue;
            }
            let value = if self.rest.first() == Some(&b'"') {
                Value::Text(self.string()?)
            } else {
                let (value, rest) = other(self.rest)?;
                self.rest = rest;
                Value::Other(value)
            };
            let parent = self.parents.get(self.depth - 1).copied().unwrap_or_default();
            return Some(Member { parent, key, value });
        }
        self.whole = self.rest.trim_ascii().is_empty();
        None
    }
}

/// The offset of the quote that ends a string.
fn string_end(inner: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let next = at + memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner.get(next) == Some(&b'"') {
            return Some(next);
        }
        at = next + 2;
    }
}

/// A value that is neither a string nor an object, and what follows it.
fn other(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut open = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => at += 1 + string_end(text.get(at + 1..)?)?,
            b'[' | b'{' => open += 1,
            b']' | b'}' if open > 0 => open -= 1,
            b'}' if open == 0 => break,
            // A comma within a list of tries that was written without quotes is not the end.
            b',' if open == 0 && begins_member(text.get(at + 1..)?) => break,
            _ => {}
        }
        at += 1;
    }
    let (value, rest) = text.split_at_checked(at)?;
    Some((value.trim_ascii(), rest))
}

/// Whether another key, or the end of the object, follows a comma.
fn begins_member(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'"' | b'}') | None)
}

/// The bytes that an escaped string stands for. What is no escape of JSON is left as it is.
pub(crate) fn unescaped(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(slash) = memchr(b'\\', rest) {
        plain.extend_from_slice(rest.get(..slash).unwrap_or_default());
        let after = rest.get(slash + 1..).unwrap_or_default();
        let used = push_escape(after, &mut plain);
        rest = after.get(used..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Appends what the escape after a backslash stands for; returns how many bytes it has.
fn push_escape(after: &[u8], plain: &mut Vec<u8>) -> usize {
    let byte = match after.first() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(same @ (b'"' | b'\\' | b'/')) => *same,
        Some(b'u') => {
            if let Some((letter, used)) = unicode(after) {
                plain.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                return used;
            }
            b'\\'
        }
        _ => b'\\',
    };
    plain.push(byte);
    usize::from(byte != b'\\' || after.first() == Some(&b'\\'))
}

/// `uXXXX`, or a pair of surrogates, and its length.
fn unicode(after: &[u8]) -> Option<(char, usize)> {
    let first = four_digits(after.strip_prefix(b"u")?)?;
    if let Some(letter) = char::from_u32(first) {
        return Some((letter, 5));
    }
    let second = after.get(5..)?.strip_prefix(b"\\u").and_then(four_digits)?;
    let high = first.checked_sub(0xD800)?;
    let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + high * 0x400 + low).map(|letter| (letter, 11))
}

fn four_digits(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(text: &str) -> (Vec<String>, bool) {
        let Some(mut members) = Members::of(text.as_bytes()) else { return (Vec::new(), false) };
        let mut seen = Vec::new();
        for member in members.by_ref() {
            let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = match member.value {
                Value::Text(text) => format!("'{}'", shown(text)),
                Value::Other(text) => shown(text),
            };
            seen.push(format!("{}.{}={value}", shown(member.parent), shown(member.key)));
        }
        (seen, members.is_whole())
    }

    #[test]
    fn members_come_in_order_with_the_object_they_stand_in() {
        let rows: [(&str, &[&str], bool); 8] = [
            (
                r#"{"a":1,"b":"x\"y","c":{"d":null,"e":{"f":"g"}},"h":["]",{"i":2}] }"#,
                &[".a=1", r#".b='x\"y'"#, "c.d=null", "e.f='g'", r#".h=["]",{"i":2}]"#],
                true,
            ),
            (r#"{ "a" : true }"#, &[".a=true"], true),
            ("{}", &[], true),
            (r#"{"a":,"b":0.1, 0.2,"c":-}"#, &[".a=", ".b=0.1, 0.2", ".c=-"], true),
            (r#"{"a":1} x"#, &[".a=1"], false),
            (r#"{"a":1,"b":"cut"#, &[".a=1"], false),
            (r#"{"a" 1}"#, &[], false),
            ("x", &[], false),
        ];
        for (text, expected, whole) in rows {
            let (seen, found) = walk(text);
            assert_eq!(
                (seen, found),
                (expected.iter().map(ToString::to_string).collect(), whole),
                "{text}"
            );
        }
    }

    #[test]
    fn strings_are_what_their_escapes_stand_for() {
        let rows: [(&str, &str); 6] = [
            (r#"a\"b\\c\/d"#, "a\"b\\c/d"),
            (r"\n\t\u0041\u00e9", "\n\tA\u{e9}"),
            (r"\ud83d\ude00!", "\u{1f600}!"),
            (r"\ud83d!", r"\ud83d!"),
            (r"\q\u12", r"\q\u12"),
            (r"\", r"\"),
        ];
        for (raw, expected) in rows {
            assert_eq!(unescaped(raw.as_bytes()).as_ref(), expected.as_bytes(), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_linear_steps(text in "[{}\\[\\]\",:a\\\\u0 ]{0,60}") {
            if let Some(members) = Members::of(text.as_bytes()) {
                prop_assert!(members.count() <= text.len());
            }
            let _ = unescaped(text.as_bytes());
        }
    }
}
