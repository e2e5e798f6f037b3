//! Writes a pcapng file of one section (draft-ietf-opsawg-pcapng): what Wireshark needs to show
//! packets from several captures in one list, each with a comment. Not a general writer: little
//! endian, nanoseconds, enhanced packet blocks.

use std::io::{self, Write};

use why504_model::Timestamp;

/// Longest text of an option in octets; its length is written in 16 bits (section 3.5).
const TEXT_MAX: usize = 0xfff0;

/// Block types (section 11.1).
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes (sections 3.5, 4.1 and 4.2).
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_DESCRIPTION: u16 = 3;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_TSRESOL: u16 = 9;
}

/// Where packets were captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// `LINKTYPE_` number.
    pub(crate) link: u16,
    /// Octets kept of a frame; 0 where there is no limit.
    pub(crate) snaplen: u32,
    pub(crate) name: String,
    pub(crate) description: String,
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// Index of its interface.
    pub(crate) interface: u32,
    /// Moments before 1970 cannot be written and become 1970.
    pub(crate) time: Timestamp,
    /// Octets on the wire.
    pub(crate) wire_len: u32,
    pub(crate) data: &'a [u8],
    pub(crate) comment: &'a str,
}

/// Begins the section, with its comment and all of its interfaces.
pub(crate) fn begin(
    tool: &str,
    comment: &str,
    interfaces: &[Interface],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // The length of the section is not known.
    body.extend((-1_i64).to_le_bytes());
    text(&mut body, option::COMMENT, comment);
    text(&mut body, option::SHB_USERAPPL, tool);
    end(&mut body);
    write_block(block::SECTION, &body, out)?;
    for interface in interfaces {
        let mut body = Vec::new();
        body.extend(interface.link.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend(interface.snaplen.to_le_bytes());
        text(&mut body, option::IF_NAME, &interface.name);
        text(&mut body, option::IF_DESCRIPTION, &interface.description);
        octets(&mut body, option::IF_TSRESOL, &[9]);
        end(&mut body);
        write_block(block::INTERFACE, &body, out)?;
    }
    Ok(())
}

/// Appends one packet.
pub(crate) fn packet(packet: &Packet<'_>, out: &mut dyn Write) -> io::Result<()> {
    let units = u64::try_from(packet.time.nanos()).unwrap_or(0);
    let captured = u32::try_from(packet.data.len()).map_err(io::Error::other)?;
    let mut body = Vec::with_capacity(packet.data.len() + packet.comment.len() + 64);
    body.extend(packet.interface.to_le_bytes());
    let [a, b, c, d, high @ ..] = units.to_le_bytes();
    body.extend(high);
    body.extend([a, b, c, d]);
    body.extend(captured.to_le_bytes());
    body.extend(packet.wire_len.max(captured).to_le_bytes());
    padded(&mut body, packet.data);
    text(&mut body, option::COMMENT, packet.comment);
    end(&mut body);
    write_block(block::ENHANCED_PACKET, &body, out)
}

fn write_block(kind: u32, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

/// An option that is text; one that is empty is left out.
fn text(body: &mut Vec<u8>, code: u16, text: &str) {
    let cut = (0..=text.len().min(TEXT_MAX)).rev().find(|&at| text.is_char_boundary(at));
    octets(body, code, text.get(..cut.unwrap_or(0)).unwrap_or_default().as_bytes());
}

/// An option of at most [`TEXT_MAX`] octets.
fn octets(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    if let (Ok(length), false) = (u16::try_from(value.len()), value.is_empty()) {
        body.extend(code.to_le_bytes());
        body.extend(length.to_le_bytes());
        padded(body, value);
    }
}

fn end(body: &mut Vec<u8>) {
    body.extend(option::END.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
}

/// Data, then zeros to the next 32-bit boundary; blocks and options begin at one.
fn padded(body: &mut Vec<u8>, data: &[u8]) {
    body.extend_from_slice(data);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of a block at its beginning and at its end agree, and the blocks fill the file.
    #[test]
    fn blocks_are_framed_whatever_the_lengths() {
        for length in 0..9 {
            let word = "é".repeat(length);
            let interfaces =
                [Interface { link: 1, snaplen: 0, name: word.clone(), description: word.clone() }];
            let mut file = Vec::new();
            begin("tool", &word, &interfaces, &mut file).expect("memory");
            let data = vec![7; length];
            let one = Packet {
                interface: 0,
                time: Timestamp::from_nanos(-5),
                wire_len: 1,
                data: &data,
                comment: &word,
            };
            packet(&one, &mut file).expect("memory");
            let mut rest = file.as_slice();
            let mut kinds = Vec::new();
            while let Some((head, _)) = rest.split_at_checked(8) {
                let number = |at: usize| {
                    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
                };
                let block = &rest[..number(4) as usize];
                assert_eq!(block.len() % 4, 0);
                assert_eq!(block[block.len() - 4..], head[4..8]);
                kinds.push(number(0));
                rest = &rest[block.len()..];
            }
            assert_eq!((kinds, rest.len()), (vec![0x0a0d_0d0a, 1, 6], 0));
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let mut body = Vec::new();
        text(&mut body, option::COMMENT, &"é".repeat(40_000));
        let length = usize::from(u16::from_le_bytes([body[2], body[3]]));
        assert!(std::str::from_utf8(&body[4..4 + length]).is_ok());
        assert_eq!(length, TEXT_MAX);
    }
}
