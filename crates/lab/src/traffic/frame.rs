//! Turns a generated segment into the bytes of an Ethernet frame.

use super::flow::Segment;
use crate::packet::flag;

/// What payloads are cut from.
const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog; ";

/// Replaces `frame` by the bytes of `segment`: Ethernet, IPv4, TCP with options, payload.
pub(super) fn build(frame: &mut Vec<u8>, segment: &Segment) {
    let syn = segment.flags & flag::SYN != 0;
    // MSS, SACK permitted, time stamps, window scale on a SYN; time stamps alone otherwise.
    let options = if syn { 20 } else { 12 };
    let total = 20 + 20 + options + segment.payload;
    frame.clear();
    frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(segment.from.address.octets());
    frame.extend(segment.to.address.octets());
    let checksum = header_checksum(frame.get(14..34).unwrap_or_default());
    if let Some(field) = frame.get_mut(24..26) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    frame.extend(segment.from.port.to_be_bytes());
    frame.extend(segment.to.port.to_be_bytes());
    frame.extend(segment.seq.to_be_bytes());
    frame.extend(segment.ack.to_be_bytes());
    let words = u8::try_from(5 + options / 4).unwrap_or(5);
    frame.extend([words << 4, segment.flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    frame.extend(if syn { &[2, 4, 5, 0xb4, 4, 2, 8, 10][..] } else { &[1, 1, 8, 10][..] });
    frame.extend(segment.stamps.0.to_be_bytes());
    frame.extend(segment.stamps.1.to_be_bytes());
    if syn {
        frame.extend([1, 3, 3, 7]);
    }
    let end = frame.len() + usize::from(segment.payload);
    while frame.len() < end {
        let left = end - frame.len();
        frame.extend_from_slice(TEXT.get(..left).unwrap_or(TEXT));
    }
}

/// The ones' complement sum of an IPv4 header whose checksum field is zero (RFC 791).
fn header_checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks_exact(2)
        .map(|pair| {
            u32::from(pair.first().copied().unwrap_or(0)) << 8
                | u32::from(pair.last().copied().unwrap_or(0))
        })
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_known_header() {
        // Example of RFC 1071-style arithmetic found in many textbooks; its checksum is 0xb861.
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(header_checksum(&header), 0xb861);
    }
}
