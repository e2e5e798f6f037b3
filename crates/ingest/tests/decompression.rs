//! Compressed streams, whole, joined, cut and damaged.

use std::fs;
use std::io::Read;
use std::process::Command;

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
        (Codec::Zstd, [skippable.clone(), zstd(&one), skippable, zstd(&two)].concat()),
        (Codec::Plain, both.clone()),
    ];
    for (codec, content) in table {
        assert_eq!(read(&content), (codec, both.clone(), None));
    }
}

#[test]
fn a_cut_stream_gives_what_comes_before_the_cut_and_then_says_so() {
    let whole = text(20_000);
    for (compressed, at_least) in [(gzip(&whole), 0.3), (zstd(&whole), 0.2)] {
        let codec = read(&compressed).0;
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
        for mut content in [gzip(&text(lines)), zstd(&text(lines))] {
            let magic = 4;
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
