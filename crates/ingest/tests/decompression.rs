//! Compressed streams, whole, joined, cut and damaged.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;
use why504_ingest::{Codec, StreamError, discover_with_stdin, open};

/// Text that compresses, but not to nothing.
fn text(lines: u32) -> Vec<u8> {
    let line = |n: u32| {
        format!("2026/11/22 10:00:{:02} [error] {}\n", n % 60, n.wrapping_mul(2_654_435_761))
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::default())
        .read_to_end(&mut out)
        .expect("compressing memory");
    out
}

/// By the library that also decompresses; by zstd(1) in [`what_the_zstd_command_writes`].
fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut out).expect("compressing memory");
    out
}

/// Blocks of 100 kB, so that a cut stream has whole ones.
fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let fast = bzip2::Compression::fast();
    bzip2::read::BzEncoder::new(bytes, fast).read_to_end(&mut out).expect("compressing memory");
    out
}

/// Linked blocks of 64 kB and all checksums.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Linked)
        .block_checksums(true)
        .content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(bytes).expect("compressing memory");
    encoder.finish().expect("compressing memory")
}

/// A compressor of each format.
const COMPRESSORS: [(Codec, Compressor); 5] = [
    (Codec::Gzip, gzip),
    (Codec::Zstd, zstd),
    (Codec::Xz, xz),
    (Codec::Bzip2, bzip2),
    (Codec::Lz4, lz4),
];

type Compressor = fn(&[u8]) -> Vec<u8>;

/// The bytes of a file with this content as [`open`] gives them, and the error at their end.
fn read(content: &[u8]) -> (Codec, Vec<u8>, Option<StreamError>) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), content).expect("written");
    let found =
        discover_with_stdin(&[file.path().to_path_buf()], &mut std::io::empty(), |_| Some(()));
    let source = found.sources.first().expect("everything is recognised");
    let mut bytes = Vec::new();
    let error = open(source).expect("opens").read_to_end(&mut bytes).err();
    let error = error.map(|error| StreamError::of(&error).expect("a stream error").clone());
    (source.codec, bytes, error)
}

#[test]
fn members_frames_and_padding() {
    let (one, two) = (text(1000), text(10));
    let both = [one.clone(), two.clone()].concat();
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let table = [
        (Codec::Gzip, [gzip(&one), gzip(&two)].concat()),
        (Codec::Gzip, [gzip(&one), gzip(b""), gzip(&two), vec![0; 3000]].concat()),
        (Codec::Gzip, [gzip(&one), vec![0; 7], gzip(&two)].concat()),
        (Codec::Zstd, [zstd(&one), zstd(&two)].concat()),
        (Codec::Zstd, [skippable.clone(), zstd(&one), skippable.clone(), zstd(&two)].concat()),
        (Codec::Zstd, [zstd(&one), vec![0; 5], zstd(&two), vec![0; 512]].concat()),
        (Codec::Xz, [xz(&one), xz(&two)].concat()),
        (Codec::Xz, [xz(&one), vec![0; 8], xz(b""), xz(&two), vec![0; 4]].concat()),
        (Codec::Bzip2, [bzip2(&one), bzip2(&two)].concat()),
        (Codec::Bzip2, [bzip2(&one), bzip2(b""), bzip2(&two), vec![0; 100]].concat()),
        (Codec::Lz4, [lz4(&one), lz4(&two)].concat()),
        (
            Codec::Lz4,
            [lz4(&one), skippable.clone(), lz4(b""), lz4(&two), skippable.clone()].concat(),
        ),
        (Codec::Plain, both.clone()),
    ];
    for (codec, content) in table {
        assert_eq!(read(&content), (codec, both.clone(), None));
    }
}

#[test]
fn a_cut_stream_gives_what_comes_before_the_cut_and_then_says_so() {
    let whole = text(20_000);
    for (codec, compress) in COMPRESSORS {
        let compressed = compress(&whole);
        // zstd(1)'s frames are looked at below.
        let at_least = if codec == Codec::Zstd { 0.2 } else { 0.3 };
        for cut in [compressed.len() / 2, compressed.len() - 9, compressed.len() - 1] {
            let (_, bytes, error) = read(&compressed[..cut]);
            assert_eq!(error, Some(StreamError::Truncated { codec, offset: cut as u64 }));
            assert!(whole.starts_with(&bytes), "{codec} cut at {cut}");
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = bytes.len() as f64 / whole.len() as f64;
            assert!(share > at_least, "{codec} cut at {cut} of {}: {share}", compressed.len());
        }
    }
}

#[test]
fn damage_is_told_from_a_cut() {
    let whole = text(5000);
    let mut garbage = gzip(&whole);
    garbage.extend_from_slice(b"trailing text");
    let (_, bytes, error) = read(&garbage);
    assert_eq!(bytes, whole);
    assert!(matches!(error, Some(StreamError::Corrupt { codec: Codec::Gzip, .. })), "{error:?}");

    let mut checksum = gzip(&whole);
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    let (_, bytes, error) = read(&checksum);
    assert_eq!(bytes, whole);
    assert!(matches!(error, Some(StreamError::Corrupt { .. })), "{error:?}");

    for (expected, compress) in COMPRESSORS {
        let mut garbage = compress(&whole);
        garbage.extend_from_slice(b"trailing text");
        let (_, bytes, error) = read(&garbage);
        assert_eq!(bytes, whole, "{expected}");
        let Some(StreamError::Corrupt { codec, offset, reason }) = error else {
            panic!("{expected}: {error:?}")
        };
        assert_eq!(codec, expected);
        // What was expected, where the codec has a magic number of its own to name.
        let magic = match codec {
            Codec::Gzip => "expected 1f",
            Codec::Zstd => "begins with 74 72 61 69, expected 28 b5 2f fd",
            Codec::Bzip2 => "expected 42",
            Codec::Lz4 => "04 22 4d 18",
            Codec::Xz | Codec::Plain => "",
        };
        assert!(reason.contains(magic), "{codec}: {reason}");
        assert!(offset + 30 > garbage.len() as u64, "{codec}: {offset} of {}", garbage.len());
    }
}

/// The commands' own files, by default options and the strongest.
#[test]
fn what_the_commands_write() {
    let whole = text(30_000);
    for (codec, command) in
        [(Codec::Gzip, "gzip"), (Codec::Xz, "xz"), (Codec::Bzip2, "bzip2"), (Codec::Lz4, "lz4")]
    {
        for level in ["-1", "-9"] {
            let Some(compressed) = piped(command, &[level, "-c", "-q"], &whole) else { continue };
            assert!(!compressed.is_empty(), "{command} {level}");
            assert_eq!(read(&compressed), (codec, whole.clone(), None), "{command} {level}");
        }
    }
}

/// What a command writes when it is given `input`; `None` where it is not installed.
fn piped(command: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), input).expect("written");
    let stdin = Stdio::from(fs::File::open(file.path()).expect("opens"));
    Some(Command::new(command).args(arguments).stdin(stdin).output().ok()?.stdout)
}

proptest! {
    /// Whatever is done to a stream, what comes out before the error was in it or the damage was
    /// before it; nothing panics, and the end is reached.
    #[test]
    fn any_damage_is_survived(
        lines in 0..60_u32,
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (codec, compress) in COMPRESSORS {
            let mut content = compress(&text(lines));
            // A bzip2 stream is recognised by eight octets.
            let magic = if codec == Codec::Bzip2 { 8 } else { 6 };
            for (place, octet) in &places {
                let at = magic + place.index(content.len() - magic);
                content[at] = *octet;
            }
            content.truncate(magic + cut.index(content.len() - magic + 1));
            let file = tempfile::NamedTempFile::new().expect("a file");
            fs::write(file.path(), &content).expect("written");
            let paths = [file.path().to_path_buf()];
            let found = discover_with_stdin(&paths, &mut std::io::empty(), |_| Some(()));
            prop_assert_eq!(found.sources.len() + found.skipped.len(), 1);
            for source in &found.sources {
                let mut bytes = Vec::new();
                let result = open(source).expect("opens").read_to_end(&mut bytes);
                prop_assert!(result.is_ok() || !bytes.is_empty());
                if places.is_empty() {
                    prop_assert!(text(lines).starts_with(&bytes));
                }
            }
        }
    }
}

/// A window larger than a block: most of the text is still in the window when the file is cut.
#[test]
fn what_the_zstd_command_writes() {
    let whole = text(100_000);
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &whole).expect("written");
    let Ok(output) =
        Command::new("zstd").args(["-19", "--check", "-c", "-q"]).arg(file.path()).output()
    else {
        return; // Not installed.
    };
    let compressed = output.stdout;
    assert_eq!(read(&compressed), (Codec::Zstd, whole.clone(), None));
    let cut = compressed.len() * 3 / 4;
    let (_, bytes, error) = read(&compressed[..cut]);
    assert_eq!(error, Some(StreamError::Truncated { codec: Codec::Zstd, offset: cut as u64 }));
    assert!(whole.starts_with(&bytes) && bytes.len() > whole.len() / 2, "{}", bytes.len());

    let mut checksum = compressed;
    if let Some(last) = checksum.last_mut() {
        *last ^= 1;
    }
    let (_, bytes, error) = read(&checksum);
    assert_eq!(bytes, whole);
    assert!(matches!(error, Some(StreamError::Corrupt { codec: Codec::Zstd, .. })), "{error:?}");
}

/// 200 MB of one byte in 200 kB.
#[test]
fn a_bomb_is_stopped() {
    let bomb = gzip(&vec![b'2'; 200 << 20]);
    let (_, bytes, error) = read(&bomb);
    assert!(matches!(error, Some(StreamError::Bomb { .. })), "{error:?}");
    assert!(bytes.len() < 150 << 20, "{}", bytes.len());
}
