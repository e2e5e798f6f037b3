//! What is found below paths: on real temporary directories.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use why504_ingest::{
    Codec, Discovery, ForeignCodec, SkipReason, Skipped, discover_with_stdin, open,
};
use why504_model::Damage;

/// A log begins with a year here, a capture with `CAP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Log,
    Capture,
}

fn classify(head: &[u8]) -> Option<Class> {
    match head {
        [b'2', b'0', ..] => Some(Class::Log),
        [b'C', b'A', b'P', ..] => Some(Class::Capture),
        _ => None,
    }
}

fn discover(paths: &[PathBuf]) -> Discovery<Class> {
    discover_with_stdin(paths, &mut std::io::empty(), classify)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::default());
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).expect("compressing memory");
    out
}

fn shown(discovery: &Discovery<Class>, root: &Path) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    discovery.sources.iter().map(|source| name(&source.path)).collect()
}

fn reason_of(discovery: &Discovery<Class>, path: &Path) -> Skipped {
    discovery.skipped.iter().find(|skipped| skipped.path == path).expect("it is skipped").clone()
}

#[test]
fn sources_are_sorted_classified_and_numbered() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path();
    fs::create_dir_all(root.join("b/deep")).expect("a directory");
    // Names that lie about the content.
    fs::write(root.join("b/capture.log"), b"CAP").expect("written");
    fs::write(root.join("b/deep/log.pcap"), gzip(b"2026/11/22")).expect("written");
    fs::write(root.join("a.txt"), b"2026 log").expect("written");
    fs::write(root.join("b/notes"), b"hello").expect("written");

    let found = discover(&[root.to_path_buf()]);
    assert_eq!(shown(&found, root), ["a.txt", "b/capture.log", "b/deep/log.pcap"]);
    let classes: Vec<_> = found.sources.iter().map(|s| (s.id.0, s.class, s.codec)).collect();
    let expected = [
        (0, Class::Log, Codec::Plain),
        (1, Class::Capture, Codec::Plain),
        (2, Class::Log, Codec::Gzip),
    ];
    assert_eq!(classes, expected);
    let mut text = String::new();
    open(&found.sources[2]).expect("opens").read_to_string(&mut text).expect("reads");
    assert_eq!(text, "2026/11/22");
    let notes = reason_of(&found, &root.join("b/notes"));
    assert_eq!((&notes.reason, notes.damage()), (&SkipReason::NotRecognised, Damage::Note));
}

#[test]
fn the_order_of_arguments_does_not_matter() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path();
    fs::create_dir(root.join("d")).expect("a directory");
    for name in ["d/z", "d/a", "m"] {
        fs::write(root.join(name), b"2026").expect("written");
    }
    let one = [root.join("m"), root.join("d"), root.join("d/z")];
    let two = [root.join("d/z"), root.join("d"), root.join("m"), root.join("d")];
    let (one, two) = (discover(&one), discover(&two));
    assert_eq!(shown(&one, root), ["d/a", "d/z", "m"]);
    assert_eq!(shown(&two, root), shown(&one, root));
    let named = |found: &Discovery<Class>| -> Vec<bool> {
        found.sources.iter().map(|source| source.named).collect()
    };
    assert_eq!(named(&one), [false, true, true]);
    assert_eq!(named(&two), named(&one));
    assert_eq!(one.skipped, []);
}

#[test]
fn what_cannot_be_used_is_reported_and_the_rest_goes_on() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path();
    fs::create_dir(root.join("none")).expect("a directory");
    fs::write(root.join("good"), b"2026").expect("written");
    fs::write(root.join("neither"), b"\x7fELF").expect("written");
    fs::write(root.join("empty"), b"").expect("written");
    fs::write(root.join("log.Z"), b"\x1f\x9d\x90\0").expect("written");
    fs::write(root.join("torn.gz"), &gzip(b"2026")[..9]).expect("written");
    let names = ["good", "neither", "empty", "log.Z", "torn.gz", "none", "missing"];
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();

    let found = discover(&paths);
    assert_eq!(shown(&found, root), ["good"]);
    let table = [
        ("neither", SkipReason::NotRecognised, Damage::Unusable),
        ("empty", SkipReason::Empty, Damage::Note),
        ("log.Z", SkipReason::Foreign(ForeignCodec::Compress), Damage::Unusable),
        ("none", SkipReason::EmptyDirectory, Damage::Note),
    ];
    for (name, reason, damage) in table {
        let skipped = reason_of(&found, &root.join(name));
        assert_eq!((&skipped.reason, skipped.damage()), (&reason, damage), "{name}");
    }
    let torn = reason_of(&found, &root.join("torn.gz"));
    assert!(matches!(torn.reason, SkipReason::Damaged(_)), "{torn:?}");
    let missing = reason_of(&found, &root.join("missing"));
    assert!(matches!(missing.reason, SkipReason::Unreadable(_)), "{missing:?}");
    assert_eq!(found.skipped.len(), 6);
}

#[test]
fn standard_input_is_spooled_and_read_twice() {
    let mut stdin: &[u8] = &gzip(b"2026 from a pipe");
    let found = discover_with_stdin(&[PathBuf::from("-")], &mut stdin, classify);
    assert_eq!(found.skipped, []);
    let source = &found.sources[0];
    assert_eq!((source.path.as_path(), source.codec), (Path::new("-"), Codec::Gzip));
    let copy = source.file().to_path_buf();
    for _ in 0..2 {
        let mut text = String::new();
        open(source).expect("opens").read_to_string(&mut text).expect("reads");
        assert_eq!(text, "2026 from a pipe");
    }
    drop(found);
    assert!(!copy.exists(), "the copy is removed");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn links_to_files_are_followed_once() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path();
        fs::create_dir(root.join("real")).expect("a directory");
        fs::write(root.join("real/error.log"), b"2026").expect("written");
        symlink(root.join("real/error.log"), root.join("current")).expect("a link");
        fs::hard_link(root.join("real/error.log"), root.join("hard")).expect("a link");
        symlink(root, root.join("real/up")).expect("a link");
        symlink(root.join("gone"), root.join("dangling")).expect("a link");

        let found = discover(&[root.to_path_buf()]);
        assert_eq!(shown(&found, root), ["current"]);
        let reason = |name: &str| reason_of(&found, &root.join(name)).reason;
        assert_eq!(reason("hard"), SkipReason::SameFile(root.join("current")));
        assert_eq!(reason("real/error.log"), SkipReason::SameFile(root.join("current")));
        assert_eq!(reason("real/up"), SkipReason::LinkToDirectory);
        assert!(matches!(reason("dangling"), SkipReason::Unreadable(_)));
    }

    #[test]
    fn sockets_are_skipped_by_name_and_not_waited_for() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("nginx.sock");
        let _listener = UnixListener::bind(&path).expect("a socket");
        for paths in [vec![path.clone()], vec![root.path().to_path_buf()]] {
            let found = discover(&paths);
            assert_eq!(reason_of(&found, &path).reason, SkipReason::NotAFile("socket"));
        }
    }

    #[test]
    fn files_and_directories_without_permission_are_reported() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path();
        fs::create_dir(root.join("closed")).expect("a directory");
        fs::write(root.join("secret"), b"2026").expect("written");
        fs::write(root.join("open"), b"2026").expect("written");
        for (name, mode) in [("secret", 0o000), ("closed", 0o000)] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(root.join(name), mode).expect("permissions");
        }
        if fs::File::open(root.join("secret")).is_ok() {
            return; // The superuser may read everything.
        }
        let found = discover(&[root.to_path_buf()]);
        assert_eq!(shown(&found, root), ["open"]);
        for name in ["secret", "closed"] {
            let skipped = reason_of(&found, &root.join(name));
            assert!(matches!(skipped.reason, SkipReason::Unreadable(_)), "{skipped:?}");
            assert_eq!(skipped.damage(), Damage::Unusable);
        }
        let writable = fs::Permissions::from_mode(0o700);
        fs::set_permissions(root.join("closed"), writable).expect("permissions");
    }
}

/// (what stands in the file, what is said of it)
#[test]
fn what_would_have_to_be_unpacked_first_is_told() {
    let root = tempfile::tempdir().expect("a directory");
    // An archive of one log: the header of its entry, and lines that would be recognised.
    let mut tar = b"2026-access.log".to_vec();
    tar.resize(257, 0);
    tar.extend(b"ustar\x0000");
    tar.resize(512, 0);
    tar.extend(b"2026/11/22");
    for (name, bytes, words) in [
        ("tar", tar.clone(), "a tar archive: unpack it first (`tar -xf`)"),
        ("tgz", gzip(&tar), "a tar archive: unpack it first (`tar -xf`)"),
        (
            "twice",
            gzip(&gzip(b"2026")),
            "compressed twice, with gzip inside: decompress it once first",
        ),
        ("zip in gzip", gzip(b"PK\x03\x04"), "decompress it first (`unzip`)"),
    ] {
        let path = root.path().join(name);
        fs::write(&path, bytes).expect("written");
        let found = discover(std::slice::from_ref(&path));
        assert!(found.sources.is_empty(), "{name}");
        let skipped = reason_of(&found, &path);
        assert!(skipped.reason.to_string().ends_with(words), "{name}: {}", skipped.reason);
        assert_eq!(skipped.damage(), Damage::Unusable, "{name}");
    }
}
