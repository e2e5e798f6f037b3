//! How text is laid out and coloured.

use anstyle::{AnsiColor, Style as Ansi};

/// Below this width nothing is legible; narrower terminals get lines of this length.
const NARROWEST: usize = 40;

/// Width and colour of text output; what a file gets by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line; nothing but whole rows is printed wider (values below 40 count as 40).
    pub width: usize,
    /// Whether to print ANSI colours.
    pub color: bool,
    /// Whether the rows of a list are cut to the width, as a terminal needs it. In a file or a pipe
    /// they are whole: what is cut off could not be searched for.
    pub cut_rows: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 80, color: false, cut_rows: false }
    }
}

impl Style {
    pub(crate) const fn columns(self) -> usize {
        if self.width < NARROWEST { NARROWEST } else { self.width }
    }
}

/// What a piece of text is to the reader. Colour only underlines it: the words alone suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ink {
    #[default]
    Plain,
    /// Headings and the headline.
    Strong,
    /// What may be skipped.
    Faint,
    /// A loss.
    Loss,
    /// Proven, ticked.
    Sure,
    /// Undecided, doubtful.
    Unsure,
}

impl Ink {
    pub(crate) fn ansi(self) -> Ansi {
        let fg = |color: AnsiColor| Ansi::new().fg_color(Some(color.into()));
        match self {
            Self::Plain => Ansi::new(),
            Self::Strong => Ansi::new().bold(),
            Self::Faint => Ansi::new().dimmed(),
            Self::Loss => fg(AnsiColor::Red).bold(),
            Self::Sure => fg(AnsiColor::Green),
            Self::Unsure => fg(AnsiColor::Yellow),
        }
    }
}
