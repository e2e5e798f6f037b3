//! Any bytes as one frame of any link type, captured whole or cut: it becomes one packet or one
//! count, and a shorter snapshot never tells another story.

use why504_capture::CaptureReader;
use why504_model::{Packet, SourceId};

/// The packet of a pcap file with this one frame, of which `kept` octets were captured.
fn packet(link: u8, frame: &[u8], kept: usize) -> Option<Packet> {
    let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
    // SLL2 is the only link type that is decoded and does not fit into an octet.
    let link = if link == 255 { 276 } else { u32::from(link) };
    file.extend(link.to_le_bytes());
    let length = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX).to_le_bytes();
    file.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([length(kept), length(frame.len())].concat());
    file.extend(&frame[..kept]);
    let mut reader = CaptureReader::new(file.as_slice(), SourceId(0)).expect("a capture");
    let block = reader.next_block()?;
    let mut packets = Vec::new();
    let tally = block.decode(SourceId(0), &mut packets);
    assert_eq!(tally.frames(), 1);
    packets.pop()
}

pub(crate) fn run(input: &[u8]) {
    let Some(([link, high, low], frame)) = input.split_first_chunk::<3>() else { return };
    let (link, cut) = (*link, u16::from_be_bytes([*high, *low]));
    let whole = packet(link, frame, frame.len());
    let kept = usize::from(cut).min(frame.len());
    if let (Some(Packet::Tcp(part)), Some(Packet::Tcp(whole))) = (packet(link, frame, kept), whole)
    {
        assert_eq!((part.source, part.destination), (whole.source, whole.destination));
        assert_eq!((part.seq, part.ack, part.flags), (whole.seq, whole.ack, whole.flags));
        assert_eq!(part.payload_len, whole.payload_len);
    }
}
