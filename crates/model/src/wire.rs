//! What a frame tells beside the fields of its headers: whether its checksum was right where it was
//! captured, and in which VLAN it was.

use core::fmt;

/// The TCP checksum of a segment as it was captured (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// Not looked at, or the snapshot length cut the segment.
    #[default]
    Unknown,
    /// The sum comes out.
    Right,
    /// Only the pseudo header is in it, or nothing: the sender's kernel left the rest to its card
    /// (`CHECKSUM_PARTIAL`, Linux include/linux/skbuff.h). So it was captured on the sender's host, or
    /// on a virtual link on which nobody computes any.
    Offloaded,
    /// The sum does not come out: a receiver drops such a segment without a word.
    Wrong,
}

/// The VLAN that a frame was tagged with (IEEE 802.1Q section 9.6; 802.1ad for two tags).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vlan {
    /// Identifier of the first tag, from 1 to 4095: 0 is a tag that carries a priority only.
    pub outer: u16,
    /// Identifier of a second tag behind it.
    pub inner: Option<u16>,
}

/// `100`, or `100.7` where there are two tags.
impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.outer)?;
        self.inner.map_or(Ok(()), |inner| write!(f, ".{inner}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Vlan;
    use std::string::ToString;

    #[test]
    fn vlans_are_written_as_linux_names_their_interfaces() {
        assert_eq!(Vlan { outer: 100, inner: None }.to_string(), "100");
        assert_eq!(Vlan { outer: 100, inner: Some(7) }.to_string(), "100.7");
    }
}
