//! The one gate to a terminal: everything that is printed as text passes here, is made harmless,
//! fits the width, and gets its colour. Not a layout engine: lines and wrapped paragraphs.

use std::io::{self, Write};

use crate::style::{Ink, Style};
use crate::visible::{columns, cut, visible};

/// Part of a line.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    text: String,
    ink: Ink,
}

/// A piece in plain ink.
pub(crate) fn plain(text: impl Into<String>) -> Piece {
    inked(text, Ink::Plain)
}

/// A piece.
pub(crate) fn inked(text: impl Into<String>, ink: Ink) -> Piece {
    Piece { text: text.into(), ink }
}

/// Text output of a fixed width.
pub(crate) struct Page<'a> {
    out: &'a mut dyn Write,
    style: Style,
}

impl<'a> Page<'a> {
    pub(crate) fn new(style: Style, out: &'a mut dyn Write) -> Self {
        Self { out, style }
    }

    /// Columns of a line.
    pub(crate) const fn width(&self) -> usize {
        self.style.columns()
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// One line of pieces; what does not fit is cut with an ellipsis.
    pub(crate) fn line(&mut self, pieces: &[Piece]) -> io::Result<()> {
        self.pieces(self.width(), pieces)
    }

    /// A row of a list that may be long: cut on a terminal, whole elsewhere.
    pub(crate) fn row(&mut self, pieces: &[Piece]) -> io::Result<()> {
        self.pieces(if self.style.cut_rows { self.width() } else { usize::MAX }, pieces)
    }

    fn pieces(&mut self, mut room: usize, pieces: &[Piece]) -> io::Result<()> {
        // Trailing blanks only make trouble in diffs and mails.
        let last = pieces.iter().rposition(|p| !p.text.trim_end().is_empty());
        for (i, piece) in pieces.iter().enumerate().take(last.map_or(0, |l| l + 1)) {
            let safe = visible(&piece.text);
            let text = if Some(i) == last { safe.trim_end() } else { &safe };
            let fits = cut(text, room);
            room -= columns(&fits);
            self.ink(&fits, piece.ink)?;
        }
        self.blank()
    }

    /// A paragraph, broken at blanks; every line after the first begins with `hang` columns more.
    pub(crate) fn wrapped(
        &mut self,
        indent: usize,
        hang: usize,
        text: &str,
        ink: Ink,
    ) -> io::Result<()> {
        let indent = indent.min(self.width() / 2);
        let hang = hang.min(self.width() / 4);
        let safe = visible(text);
        for (i, line) in wrap(&safe, self.width() - indent, hang).iter().enumerate() {
            let margin = if i == 0 { indent } else { indent + hang };
            self.line(&[plain(" ".repeat(margin)), inked(line.as_str(), ink)])?;
        }
        Ok(())
    }

    /// `label  text`, the text in its own column.
    pub(crate) fn field(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        let start = indent + LABEL;
        let safe = visible(text);
        let room = self.width().saturating_sub(start).max(20);
        for (i, line) in wrap(&safe, room, 0).iter().enumerate() {
            let head = if i == 0 { label } else { "" };
            let head = format!("{}{head:<width$}", " ".repeat(indent), width = LABEL);
            self.line(&[inked(head, Ink::Faint), plain(line.as_str())])?;
        }
        Ok(())
    }

    /// A section's heading.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.blank()?;
        self.line(&[inked(text, Ink::Strong)])
    }

    /// A command to copy: broken with a backslash where it does not fit, never cut.
    pub(crate) fn command(&mut self, indent: usize, command: &str) -> io::Result<()> {
        let safe = visible(command);
        let lines = wrap_words(words(&safe), self.width().saturating_sub(indent + 2), 4);
        for (i, line) in lines.iter().enumerate() {
            let margin = if i == 0 { indent } else { indent + 4 };
            let more = if i + 1 < lines.len() { " \\" } else { "" };
            self.line(&[plain(" ".repeat(margin)), plain(format!("{line}{more}"))])?;
        }
        Ok(())
    }

    fn ink(&mut self, text: &str, ink: Ink) -> io::Result<()> {
        if !self.style.color || ink == Ink::Plain || text.trim().is_empty() {
            return self.out.write_all(text.as_bytes());
        }
        let ansi = ink.ansi();
        write!(self.out, "{}{text}{}", ansi.render(), ansi.render_reset())
    }
}

/// Columns of a field's label.
const LABEL: usize = 10;

/// Lines of at most `width` columns (`hang` less from the second on), broken at blanks, or within a
/// word that is longer than a line.
pub(crate) fn wrap(text: &str, width: usize, hang: usize) -> Vec<String> {
    wrap_words(text.split(' ').filter(|w| !w.is_empty()), width, hang)
}

/// The words of a command: blanks inside single quotes do not part words.
fn words(command: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    command
        .split(move |c| {
            quoted ^= c == '\'';
            c == ' ' && !quoted
        })
        .filter(|w| !w.is_empty())
}

fn wrap_words<'a>(words: impl Iterator<Item = &'a str>, width: usize, hang: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words {
        let room = |lines: &Vec<String>| if lines.is_empty() { width } else { width - hang };
        let mut rest = word;
        if !line.is_empty() && columns(&line) + 1 + columns(rest) > room(&lines) {
            lines.push(std::mem::take(&mut line));
        }
        while columns(rest) > room(&lines) {
            let at = split_at(rest, room(&lines));
            let (head, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            lines.push(head.to_owned());
            rest = tail;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(rest);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Byte position after as many characters as fit, at least one.
fn split_at(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += columns(c.encode_utf8(&mut [0; 4]));
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(width: usize, color: bool, print: impl Fn(&mut Page<'_>)) -> String {
        let mut bytes = Vec::new();
        print(&mut Page::new(Style { width, color, cut_rows: true }, &mut bytes));
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn rows_are_cut_on_a_terminal_and_whole_elsewhere() {
        let (cut, whole) = ("x".repeat(39) + "…\n", "x".repeat(60) + "\n");
        for (cut_rows, expected) in [(true, cut), (false, whole)] {
            let mut bytes = Vec::new();
            let style = Style { width: 40, color: false, cut_rows };
            Page::new(style, &mut bytes).row(&[plain("x".repeat(60))]).expect("memory");
            assert_eq!(String::from_utf8_lossy(&bytes), expected);
        }
    }

    #[test]
    fn colour_is_closed_on_the_same_line_and_absent_when_off() {
        let print = |page: &mut Page<'_>| {
            page.line(&[plain("a "), inked("lost", Ink::Loss)]).expect("memory");
        };
        assert_eq!(printed(60, false, print), "a lost\n");
        let colored = printed(60, true, print);
        assert!(colored.starts_with("a \x1b[") && colored.ends_with("\x1b[0m\n"), "{colored:?}");
    }

    #[test]
    fn a_command_is_broken_and_never_cut() {
        let command =
            "why504 explain 7f3ab --at gateway=/data/gw --at 'up stream=/data/up' /var/log";
        let text = printed(40, false, |page| page.command(2, command).expect("memory"));
        let joined: Vec<&str> = text.lines().map(|l| l.trim().trim_end_matches(" \\")).collect();
        assert_eq!(joined.join(" "), command);
        assert!(text.contains("'up stream=/data/up'"), "a quoted word stays whole: {text}");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_the_page(text in any::<String>(), width in 0_usize..200) {
            let printed = printed(width, false, |page| {
                page.line(&[plain(text.clone()), inked(text.clone(), Ink::Loss)]).expect("memory");
                page.wrapped(4, 2, &text, Ink::Plain).expect("memory");
                page.field(2, "label", &text).expect("memory");
                page.command(2, &text).expect("memory");
            });
            for line in printed.lines() {
                prop_assert!(columns(line) <= width.max(40), "{line:?}");
                prop_assert_eq!(visible(line), line);
            }
        }
    }
}
