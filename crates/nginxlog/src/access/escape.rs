//! Undoes what nginx did to the values of an access log (nginx
//! src/http/modules/ngx_http_log_module.c:1075-1223).

use std::borrow::Cow;

use memchr::memchr;

use crate::log_format::Escape;

/// The bytes that nginx wrote as `value`. An escape that nginx does not write is left as it is.
pub fn unescape(value: &[u8], escape: Escape) -> Cow<'_, [u8]> {
    if escape == Escape::None || memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(slash) = memchr(b'\\', rest) {
        plain.extend_from_slice(rest.get(..slash).unwrap_or_default());
        let after = rest.get(slash + 1..).unwrap_or_default();
        let (byte, used) = match escape {
            Escape::Json => json_escape(after),
            Escape::Default | Escape::None => hex_escape(after),
        }
        .unwrap_or((b'\\', 0));
        plain.push(byte);
        rest = after.get(used..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// `\xHH`, after the backslash: the byte and the length of the escape.
fn hex_escape(after: &[u8]) -> Option<(u8, usize)> {
    let digits = after.strip_prefix(b"x")?.get(..2)?;
    Some((hex_byte(digits)?, 3))
}

/// The escapes of `ngx_escape_json` (nginx src/core/ngx_string.c:1905-1990).
fn json_escape(after: &[u8]) -> Option<(u8, usize)> {
    let byte = match after.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        same @ (b'"' | b'\\') => *same,
        b'u' => return Some((hex_byte(after.strip_prefix(b"u00")?.get(..2)?)?, 5)),
        _ => return None,
    };
    Some((byte, 1))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    plain.then(|| u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}
