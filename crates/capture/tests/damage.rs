//! Damaged and cut files: everything before the damage is read, and nothing panics.

mod render;

use proptest::prelude::*;
use render::{PcapNg, Shot, any_shots, pcap, read};
use why504_capture::{ByteOrder, CaptureError, CaptureReader};
use why504_model::{Damage, SourceId};

/// One file of each container.
fn files(shots: &[Shot]) -> [Vec<u8>; 3] {
    let mut file = PcapNg::new(ByteOrder::Big);
    file.interface(1, 9, 0, "eth0");
    for shot in shots {
        file.block(0x77, b"unknown").enhanced(0, shot.nanos, shot).simple(shot);
    }
    file.statistics(0, 1, (0, 0));
    [
        pcap(ByteOrder::Little, 0xa1b2_c3d4, 1, shots),
        pcap(ByteOrder::Big, 0xa1b2_cd34, 1, shots),
        file.file,
    ]
}

fn header_len(file: &[u8]) -> usize {
    if file[0] == 0x0a { 28 } else { 24 }
}

proptest! {
    #[test]
    fn a_cut_file_gives_a_prefix_of_the_packets(shots in any_shots(8), cut in any::<prop::sample::Index>()) {
        for file in files(&shots) {
            let whole = read(file.as_slice());
            let cut = header_len(&file) + cut.index(file.len() - header_len(&file) + 1);
            let part = read(&file[..cut]);
            let count = part.packets.len();
            prop_assert_eq!(&part.packets[..], &whole.packets[..count]);
            // The cut is told at the offset where the last record begins, unless it lies between
            // two records; then nothing is wrong with the file.
            prop_assert_eq!(part.summary.truncated, part.summary.octets < cut as u64);
            match part.summary.diagnostics.as_slice() {
                [] => prop_assert!(!part.summary.truncated),
                [one] => {
                    prop_assert_eq!(one.offset, Some(part.summary.octets));
                    prop_assert_eq!(one.damage, Damage::Partial);
                    prop_assert_eq!(one.location.record, part.summary.frames + 1);
                    let have = format!("{} there", cut as u64 - part.summary.octets);
                    prop_assert!(one.message.contains(&have), "{}", one.message);
                }
                more => prop_assert!(false, "{:?}", more),
            }
        }
    }

    #[test]
    fn any_damage_is_survived(
        shots in any_shots(8),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for mut file in files(&shots) {
            for (place, octet) in &places {
                let at = place.index(file.len());
                file[at] = *octet;
            }
            if CaptureReader::new(file.as_slice(), SourceId(0)).is_ok() {
                read(file.as_slice());
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(kind in 0..7_usize, rest in proptest::collection::vec(any::<u8>(), 0..600)) {
        let magics: [&[u8]; 7] = [
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0",
            b"\xa1\xb2\x3c\x4d\0\x02\0\x04\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\x71",
            b"\xa1\xb2\xcd\x34",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0",
            b"\x0a\x0d\x0d\x0a",
            b"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d",
            b"",
        ];
        let file = [magics[kind], &rest].concat();
        if CaptureReader::new(file.as_slice(), SourceId(0)).is_ok() {
            read(file.as_slice());
        }
    }
}

#[test]
fn a_header_that_cannot_be_used_says_why() {
    let good = pcap(ByteOrder::Little, 0xa1b2_c3d4, 1, &[]);
    let mut version = good.clone();
    version[4] = 9;
    let section = PcapNg::new(ByteOrder::Little).file;
    let mut pcapng_version = section.clone();
    pcapng_version[12] = 2;
    let mut no_magic = section.clone();
    no_magic[8] = 0;
    let mut too_long = section.clone();
    too_long[7] = 0x40;
    let table: [(&[u8], &str, Damage); 10] = [
        (b"", "empty", Damage::Note),
        (b"2026/11/22", "begins with 32 30 32 36", Damage::Unusable),
        (b"\xa1", "begins with a1", Damage::Unusable),
        (b"snoop\0\0\0", "snoop capture", Damage::Unusable),
        (&good[..23], "24 octets needed, 23 there", Damage::Unusable),
        (&section[..27], "28 octets needed, 27 there", Damage::Unusable),
        (&version, "version 9.4 found, 2.x expected", Damage::Unusable),
        (&pcapng_version, "version 2.0 found, 1.x expected", Damage::Unusable),
        (&no_magic, "byte-order magic", Damage::Unusable),
        (&too_long, "a block states a length", Damage::Unusable),
    ];
    for (file, words, damage) in table {
        let error = CaptureReader::new(file, SourceId(0)).err().expect("refused");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.diagnostic(SourceId(0)).damage, damage, "{error}");
    }
}

#[test]
fn a_growing_file_may_end_in_half_a_record() {
    let shot = Shot { nanos: 1, data: vec![0; 60], wire_len: 60 };
    let file = pcap(ByteOrder::Little, 0xa1b2_3c4d, 1, &[shot.clone(), shot]);
    for (growing, damage) in [(true, Damage::Note), (false, Damage::Partial)] {
        let reader = CaptureReader::new(&file[..file.len() - 9], SourceId(0)).expect("a capture");
        let mut summary = reader.finish();
        if growing {
            summary.still_growing();
        }
        assert_eq!((summary.frames, summary.truncated), (1, true));
        assert_eq!(summary.diagnostics.len(), 1);
        assert_eq!(summary.diagnostics[0].damage, damage);
        assert_eq!(summary.diagnostics[0].offset, Some(24 + 16 + 60));
        let message = &summary.diagnostics[0].message;
        assert!(message.contains("76 octets needed, 67 there"), "{message}");
        assert_eq!(message.contains("cut off"), !growing, "{message}");
    }
}

/// pcap-parser drops the error that a read failed with.
#[test]
fn a_read_error_is_told_and_what_was_read_is_kept() {
    struct Torn<'a>(&'a [u8]);
    impl std::io::Read for Torn<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("disk on fire"));
            }
            self.0.read(into)
        }
    }
    let shot = Shot { nanos: 1, data: vec![0; 60], wire_len: 60 };
    let file = pcap(ByteOrder::Little, 0xa1b2_3c4d, 1, &[shot]);
    let reading = read(Torn(&file));
    assert_eq!(reading.summary.frames, 1);
    assert!(reading.summary.diagnostics[0].message.contains("disk on fire"));
    let error = CaptureReader::new(Torn(b""), SourceId(0)).err().expect("nothing was read");
    assert!(matches!(error, CaptureError::Read(_)), "{error}");
}

/// Sections, interfaces and frames of a few octets each: the time must not grow with the square of
/// their number. (With a copy of the window for each this takes a minute.)
#[test]
fn a_file_of_tiny_sections_is_read_in_linear_time() {
    let mut file = PcapNg::new(ByteOrder::Little);
    let shot = Shot { nanos: 1, data: vec![0; 4], wire_len: 4 };
    let sections = 60_000;
    for _ in 0..sections {
        file.section(ByteOrder::Big).interface(1, 9, 0, "").enhanced(0, 1, &shot);
    }
    let reading = read(file.file.as_slice());
    assert_eq!((reading.summary.sections, reading.summary.frames), (sections + 1, sections));
    assert_eq!(reading.summary.interfaces.len(), 4096);
    assert_eq!(reading.summary.interface_count, sections);
}

#[test]
fn a_broken_chain_is_told_where_it_breaks() {
    let shot = Shot { nanos: 1, data: vec![0; 60], wire_len: 60 };
    let mut file = PcapNg::new(ByteOrder::Little);
    file.interface(1, 9, 0, "eth0").enhanced(0, 1, &shot);
    let at = file.file.len();
    file.enhanced(0, 1, &shot).enhanced(0, 1, &shot);
    let next = at + (file.file.len() - at) / 2;
    // The length of the second packet block, and its repetition.
    for (place, value, words) in [(at + 4, 8, "below 12"), (next - 4, 0, "disagree")] {
        let mut broken = file.file.clone();
        broken[place] = value;
        let reading = read(broken.as_slice());
        assert_eq!(reading.summary.frames, 1);
        let [diagnostic] = reading.summary.diagnostics.as_slice() else {
            unreachable!("{:?}", reading.summary.diagnostics)
        };
        assert_eq!((diagnostic.damage, diagnostic.offset), (Damage::Partial, Some(at as u64)));
        assert!(diagnostic.message.contains(words), "{}", diagnostic.message);
    }
}
