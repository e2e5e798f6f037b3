//! A firewall that gives every connection other sequence numbers than its hosts chose, and the way
//! back for the truth.
//!
//! What is added follows from the client's address and port, so that forwarder and truth agree
//! without telling each other. Selective acknowledgments are left as they are: a handshake has none,
//! and the lab's connections are a few packets long. IPv4 only.

use std::net::{IpAddr, Ipv4Addr};

use crate::packet::checksum;

/// What is added to the numbers of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// To what the client sends.
    pub client: u32,
    /// To what the server sends.
    pub server: u32,
}

impl Shift {
    /// That of the connection from `client` and `port`; never zero.
    pub fn of(client: IpAddr, port: u16) -> Self {
        let address = match client {
            IpAddr::V4(v4) => u32::from(v4),
            IpAddr::V6(_) => 0,
        };
        let key = (u64::from(address) << 16) | u64::from(port);
        let mut random = crate::random::Random::new(key);
        Self { client: random.next_u32() | 1, server: random.next_u32() | 1 }
    }
}

/// Changes the numbers of `packet` (IPv4 with TCP, from its IP header on) and its checksum; anything
/// else stays as it is. `server` is the address that tells the directions apart.
pub fn rewrite(packet: &mut [u8], server: Ipv4Addr) {
    let _ = try_rewrite(packet, server);
}

fn try_rewrite(packet: &mut [u8], server: Ipv4Addr) -> Option<()> {
    let first = *packet.first()?;
    if first >> 4 != 4 || *packet.get(9)? != 6 {
        return None;
    }
    let header = usize::from(first & 0x0f) * 4;
    let (src, dst) = (address(packet, 12)?, address(packet, 16)?);
    let (sport, dport) = (be16(packet, header)?, be16(packet, header + 2)?);
    let (seq_shift, ack_shift) = if dst == server {
        let shift = Shift::of(src.into(), sport);
        (shift.client, shift.server)
    } else {
        let shift = Shift::of(dst.into(), dport);
        (shift.server, shift.client)
    };
    let flags = *packet.get(header + 13)?;
    let seq = be32(packet, header + 4)?;
    // A RST that answers a SYN has no number of its own: it stays 0.
    if !(flags & 0x14 == 0x14 && seq == 0) {
        put32(packet, header + 4, seq.wrapping_add(seq_shift))?;
    }
    if flags & 0x10 != 0 {
        let ack = be32(packet, header + 8)?;
        put32(packet, header + 8, ack.wrapping_sub(ack_shift))?;
    }
    packet.get_mut(header + 16..header + 18)?.fill(0);
    let sum = checksum(src.into(), dst.into(), packet.get(header..)?);
    packet.get_mut(header + 16..header + 18)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn address(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    be32(packet, at).map(Ipv4Addr::from)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn put32(bytes: &mut [u8], at: usize, value: u32) -> Option<()> {
    bytes.get_mut(at..at + 4)?.copy_from_slice(&value.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn packet(
        from: Ipv4Addr,
        to: Ipv4Addr,
        ports: (u16, u16),
        seq: u32,
        ack: u32,
        f: u8,
    ) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
        bytes.extend(from.octets().into_iter().chain(to.octets()));
        bytes.extend(ports.0.to_be_bytes().into_iter().chain(ports.1.to_be_bytes()));
        bytes.extend(seq.to_be_bytes().into_iter().chain(ack.to_be_bytes()));
        bytes.extend([0x50, f, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    fn numbers(bytes: &[u8]) -> (u32, u32) {
        (be32(bytes, 24).unwrap(), be32(bytes, 28).unwrap())
    }

    #[test]
    fn an_answer_fits_its_question_on_both_sides() {
        let shift = Shift::of(CLIENT.into(), 4000);
        let mut syn = packet(CLIENT, SERVER, (4000, 80), 100, 0, 0x02);
        rewrite(&mut syn, SERVER);
        let (arrived, _) = numbers(&syn);
        assert_eq!(arrived, 100_u32.wrapping_add(shift.client));
        let mut synack = packet(SERVER, CLIENT, (80, 4000), 7, arrived.wrapping_add(1), 0x12);
        rewrite(&mut synack, SERVER);
        assert_eq!(numbers(&synack), (7_u32.wrapping_add(shift.server), 101));
    }

    #[test]
    fn the_checksum_is_right_afterwards() {
        let mut syn = packet(CLIENT, SERVER, (4000, 80), 100, 0, 0x02);
        rewrite(&mut syn, SERVER);
        // A sum over a segment that holds its own checksum is all ones, and its complement zero.
        assert_eq!(checksum(CLIENT.into(), SERVER.into(), &syn[20..]), 0);
    }

    #[test]
    fn a_refusal_keeps_its_zero_and_short_packets_stay() {
        let mut rst = packet(SERVER, CLIENT, (80, 4000), 0, 101, 0x14);
        rewrite(&mut rst, SERVER);
        assert_eq!(numbers(&rst).0, 0);
        for length in 0..39 {
            let mut cut = packet(CLIENT, SERVER, (4000, 80), 100, 0, 0x02)[..length].to_vec();
            rewrite(&mut cut, SERVER);
        }
    }
}
