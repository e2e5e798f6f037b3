//! nginx's lengths of time (nginx src/core/ngx_parse.c, `ngx_parse_time`).

use why504_model::Span;

/// `60`, `60s`, `1m30s`, `500ms`; a bare number is seconds. `None` for variables and anything
/// else.
pub(super) fn parse(text: &[u8]) -> Option<Span> {
    let mut rest = text;
    let mut total = Span::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (unit, tail) = tail.split_at_checked(letters)?;
        let milliseconds: i64 = match unit {
            b"ms" => 1,
            b"s" | b"" => 1_000,
            b"m" => 60_000,
            b"h" => 3_600_000,
            b"d" => 86_400_000,
            b"w" => 604_800_000,
            _ => return None,
        };
        let number: i64 = core::str::from_utf8(number).ok()?.parse().ok()?;
        total = total + Span::from_millis(number.checked_mul(milliseconds)?);
        let blanks = tail.iter().take_while(|b| **b == b' ').count();
        rest = tail.get(blanks..)?;
    }
    Some(total)
}
