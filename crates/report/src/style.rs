//! How text is laid out and coloured.

use anstyle::{AnsiColor, Style as Ansi};

/// Below this width nothing is legible; narrower terminals get lines of this length.
const NARROWEST: usize = 40;

/// Width and colour of text output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line; nothing is printed wider (values below 40 count as 40).
    pub width: usize,
    /// Whether to print ANSI colours.
    pub color: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 80, color: false }
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
