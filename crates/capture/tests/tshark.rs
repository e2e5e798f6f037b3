//! Frame numbers, sequence numbers and flags of real captures are those that tshark shows. Skips
//! where tshark or the captures are missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use why504_capture::{CaptureReader, DecodeTally};
use why504_model::{Packet, SourceId, TcpFlags};

/// Frame number, sequence number, acknowledgement number, flags.
type Row = (u64, u32, u32, u8);

/// SYN, SYN+ACK and RST; ICMP errors are left out, in which tshark shows the quoted header as well.
/// Fragments are not put together, as here.
fn rows_of_tshark(path: &Path) -> Option<Vec<Row>> {
    let output = Command::new("tshark")
        .args(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"])
        .args(["-Y", "(tcp.flags.syn==1 || tcp.flags.reset==1) && !icmp && !icmpv6"])
        .args(["-T", "fields", "-e", "frame.number", "-e", "tcp.seq_raw", "-e", "tcp.ack_raw"])
        .args(["-e", "tcp.flags", "-r"])
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).expect("tshark prints numbers");
    Some(text.lines().map(row).collect())
}

fn row(line: &str) -> Row {
    let mut columns = line.split('\t');
    let mut column = || columns.next().expect("four columns");
    let frame = column().parse().expect("a frame number");
    let seq = column().parse().expect("a sequence number");
    let ack = column().parse().expect("an acknowledgement number");
    let flags = u16::from_str_radix(column().trim_start_matches("0x"), 16).expect("flags");
    (frame, seq, ack, u8::try_from(flags & 0xff).expect("masked"))
}

/// The same rows by this crate, and the tally, which must add up.
fn rows(path: &Path) -> (Vec<Row>, DecodeTally) {
    let file = File::open(path).expect("the capture opens");
    let mut reader = CaptureReader::new(file, SourceId(0)).expect("it is a capture");
    let (mut packets, mut tally) = (Vec::new(), DecodeTally::default());
    while let Some(block) = reader.next_block() {
        tally.merge(&block.decode(SourceId(0), &mut packets));
    }
    assert_eq!(reader.summary().frames, tally.frames(), "{}", path.display());
    assert_eq!(reader.summary().diagnostics, [], "{}", path.display());
    let opening = |packet: &Packet| match packet {
        Packet::Tcp(segment) if segment.flags.intersects(TcpFlags::SYN | TcpFlags::RST) => {
            Some((segment.location.record, segment.seq.0, segment.ack.0, segment.flags.0))
        }
        _ => None,
    };
    (packets.iter().filter_map(opening).collect(), tally)
}

fn captures() -> Vec<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folders = ["captures/lab", "captures/public", "sets/mixed", "sets/reuse", "sets/nat"];
    let more = ["sets/ipv6-any", "sets/rotated-skewed", "sets/mixed-causes"];
    let mut found: Vec<PathBuf> = folders
        .iter()
        .chain(&more)
        .filter_map(|folder| fs::read_dir(shared.join(folder)).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .collect();
    found.sort();
    found
}

#[test]
fn handshakes_and_resets_are_those_of_tshark() {
    let captures = captures();
    let compare = |captures: &[PathBuf]| {
        for path in captures {
            let Some(expected) = rows_of_tshark(path) else { return };
            let (found, tally) = rows(path);
            assert_eq!(found, expected, "{}: {tally:?}", path.display());
        }
    };
    // Most of the time tshark is loading itself.
    std::thread::scope(|scope| {
        for some in captures.chunks(captures.len().div_ceil(4).max(1)) {
            scope.spawn(move || compare(some));
        }
    });
}
