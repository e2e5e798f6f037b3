//! A link that turns over one bit of a segment after its checksum was made.
//!
//! The bit is in the TCP header behind the flags, or in the options: ports and numbers stay, so that the
//! truth still knows whose packet it is. Which bit follows from the packet, and a checksum of 16 bits
//! notices every single one (RFC 1071).

use crate::random::Random;

/// Turns over one bit of `packet` (TCP, from its IP header on); anything else stays as it is.
pub fn damage(packet: &mut [u8]) {
    let _ = try_damage(packet);
}

fn try_damage(packet: &mut [u8]) -> Option<()> {
    let header = match packet.first()? >> 4 {
        4 if *packet.get(9)? == 6 => usize::from(packet.first()? & 0x0f) * 4,
        6 if *packet.get(6)? == 6 => 40,
        _ => return None,
    };
    let segment = packet.get_mut(header..)?;
    let key = segment.iter().fold(0_u64, |key, byte| key.rotate_left(7) ^ u64::from(*byte));
    let harmed = segment.get_mut(BEHIND_THE_FLAGS..)?;
    let mut random = Random::new(key);
    let byte = random.below(u32::try_from(harmed.len()).ok()?) as usize;
    *harmed.get_mut(byte)? ^= 1 << random.below(8);
    Some(())
}

/// Offset of the window in a TCP header (RFC 9293 section 3.1).
const BEHIND_THE_FLAGS: usize = 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::{Packet, decode};

    /// A SYN with a right checksum: the lab's own rewriting makes one.
    fn syn(port: u16, seq: u32) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend(port.to_be_bytes());
        bytes.extend([0, 80]);
        bytes.extend(seq.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4]);
        crate::rewrite::rewrite(&mut bytes, [10, 0, 0, 2].into());
        bytes
    }

    fn segment(bytes: &[u8]) -> crate::packet::Tcp {
        match decode(101, bytes) {
            Some(Packet::Tcp(tcp)) => tcp,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn the_checksum_notices_and_the_identity_stays(port in 1_u16.., seq: u32) {
            let mut bytes = syn(port, seq);
            let before = segment(&bytes);
            prop_assert_eq!(before.intact, Some(true));
            damage(&mut bytes);
            let after = segment(&bytes);
            prop_assert_eq!(after.intact, Some(false));
            prop_assert_eq!((before.sport, before.seq, before.flags), (after.sport, after.seq, after.flags));
        }

        #[test]
        fn any_bytes_are_harmed_or_left(mut bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let before = bytes.clone();
            damage(&mut bytes);
            let turned: u32 = before.iter().zip(&bytes).map(|(a, b)| (a ^ b).count_ones()).sum();
            prop_assert!(turned <= 1);
        }
    }
}
