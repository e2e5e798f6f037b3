//! Makes foreign text harmless for a terminal, and measures it. Not a full `wcwidth`: widths are
//! never underestimated, which is all that a layout that must not overflow needs.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with everything that could steer a terminal, reorder or hide text written out:
/// `\x1b` for ESC, `\u{202e}` for a right-to-left override.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !is_hidden(c) {
            shown.push(c);
            continue;
        }
        let code = u32::from(c);
        // Writing to a String cannot fail.
        let _ = if code < 0x100 {
            write!(shown, "\\x{code:02x}")
        } else {
            write!(shown, "\\u{{{code:x}}}")
        };
    }
    Cow::Owned(shown)
}

/// Control characters (C0, DEL, C1), bidirectional controls (UAX #9), zero-width and invisible
/// format characters, line separators, tags and variation selectors.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Columns that the text takes at most. East Asian and emoji characters take two.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

const fn column(c: char) -> usize {
    match c {
        // Arrows, box drawing, blocks, punctuation such as the ellipsis: one in every terminal
        // that is not set to a legacy East Asian width.
        '\0'..='\u{10ff}'
        | '\u{2010}'..='\u{2027}'
        | '\u{2190}'..='\u{2193}'
        | '\u{2212}'
        | '\u{2500}'..='\u{259f}' => 1,
        _ => 2,
    }
}

/// The text in at most `width` columns, with an ellipsis where it was cut.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += column(c);
        if used > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// The end of the text in at most `width` columns, with an ellipsis in front where it was cut: of a
/// path, the file name is what matters.
pub(crate) fn cut_front(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut used = 1;
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        used += column(c);
        if used > width {
            break;
        }
        from = at;
    }
    let tail = text.get(from..).unwrap_or_default();
    if width == 0 { Cow::Borrowed("") } else { Cow::Owned(format!("…{tail}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        for (hostile, shown) in [
            ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
            ("a\u{202e}txt.exe", "a\\u{202e}txt.exe"),
            ("\u{9b}31m", "\\x9b31m"),
            ("tab\tnew\nline\r", "tab\\x09new\\x0aline\\x0d"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("/café/网关?q=\\x22", "/café/网关?q=\\x22"),
        ] {
            assert_eq!(visible(hostile), shown);
        }
    }

    #[test]
    fn a_cut_text_says_so_and_fits() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut_front("/var/log/error.log", 12), "…g/error.log");
        assert_eq!(cut("网关网关", 5), "网关…");
        assert_eq!(cut("abc", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_hidden_passes_and_cuts_fit(text in any::<String>(), width in 0_usize..40) {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_hidden(c)));
            prop_assert!(columns(&cut(&text, width)) <= width);
            prop_assert!(columns(&cut_front(&text, width)) <= width);
        }
    }
}
