//! Frame numbers, sequence numbers and flags of real captures, and of pcapng files with blocks that are no
//! packets, are those that tshark shows. Skips where tshark or the captures are missing.

mod render;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use render::{PcapNg, Shot, Tcp, ethernet};
use why504_capture::{ByteOrder, CaptureReader, DecodeTally};
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

/// Custom blocks and journal entries take a number in Wireshark, name resolution and blocks that it does
/// not know take none; sections are counted on.
#[test]
fn frame_numbers_of_pcapng_are_those_of_tshark() {
    let tcp =
        Tcp { v6: false, ports: (1, 2), seq: 7, ack: 0, flags: 2, timestamps: None, payload: 0 };
    let data = ethernet(&tcp);
    let wire_len = u32::try_from(data.len()).expect("small");
    let shot = Shot { nanos: 0, wire_len, data };
    // A private enterprise number (IANA's example, 32473), and data.
    let custom = |order| match order {
        ByteOrder::Little => [32473_u32.to_le_bytes(), *b"data"].concat(),
        ByteOrder::Big => [32473_u32.to_be_bytes(), *b"data"].concat(),
    };
    let journal = b"__REALTIME_TIMESTAMP=1790000000000000\nMESSAGE=hello\n";
    for orders in [[ByteOrder::Little, ByteOrder::Big], [ByteOrder::Big, ByteOrder::Little]] {
        let mut file = PcapNg::new(orders[0]);
        for (index, order) in orders.into_iter().enumerate() {
            if index > 0 {
                file.section(order);
            }
            file.interface(1, 6, 0, "eth0").enhanced(0, 1, &shot);
            file.block(0x0bad, &custom(order)).enhanced(0, 2, &shot);
            file.block(0x4000_0bad, &custom(order)).obsolete(0, 3, &shot);
            file.block(9, journal).enhanced(0, 4, &shot);
            file.block(4, &[0; 4]).enhanced(0, 5, &shot).statistics(0, 9, (0, 0));
            file.block(0x0999, b"nobody's").enhanced(0, 6, &shot);
        }
        let path = std::env::temp_dir().join(format!("why504-{}.pcapng", std::process::id()));
        fs::write(&path, &file.file).expect("written");
        let (expected, (found, _)) = (rows_of_tshark(&path), rows(&path));
        fs::remove_file(&path).expect("it was there");
        assert_eq!(found.len(), 12);
        let Some(expected) = expected else { return };
        assert_eq!(found, expected);
    }
}
