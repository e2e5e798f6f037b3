//! Which files were captured at which point.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use why504_ingest::Source;

use crate::inputs::Kind;

/// A capture point and its files, in the order of their sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// As named by `--at`, or from folder or file name.
    pub(crate) name: String,
    /// Indices into the captures.
    pub(crate) files: Vec<usize>,
}

/// `--at NAME=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Named {
    /// From an argument.
    pub(crate) fn parse(argument: &str) -> anyhow::Result<Self> {
        let (name, path) = argument.split_once('=').with_context(|| {
            format!("--at {argument}: expected NAME=PATH, e.g. gateway=gw.pcap")
        })?;
        if name.is_empty() || path.is_empty() {
            bail!("--at {argument}: name and path must not be empty");
        }
        Ok(Self { name: name.to_owned(), path: PathBuf::from(path) })
    }

    /// Whether a capture is this path or lies below it, however the two were spelled.
    fn holds(&self, capture: &Path) -> bool {
        let place = place(&self.path);
        let in_folder = capture.parent().zip(capture.file_name());
        capture.starts_with(&self.path)
            || self::place(capture).starts_with(&place)
            // A link that lies below it, and leads elsewhere.
            || in_folder.is_some_and(|(folder, name)| self::place(folder).join(name).starts_with(&place))
    }
}

/// Where a path leads: absolute and without links, as far as it can be followed.
fn place(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The name that `--at` gives a capture: of several the one whose path leads nearest to it, as a file does
/// among the others of its folder.
fn given<'a>(capture: &Path, named: &'a [Named]) -> Option<&'a str> {
    let depth = |named: &&Named| place(&named.path).components().count();
    let holding = named.iter().filter(|named| named.holds(capture));
    // Where several are equally deep it is one path, which has one name.
    holding.max_by_key(depth).map(|named| named.name.as_str())
}

/// Two names for one path: a capture belongs to one point.
pub(crate) fn check(named: &[Named]) -> anyhow::Result<()> {
    let mut known: BTreeMap<PathBuf, &Named> = BTreeMap::new();
    for one in named {
        if let Some(other) = known.insert(place(&one.path), one)
            && other.name != one.name
        {
            let (path, first, second) = (one.path.display(), &other.name, &one.name);
            bail!("--at {second}={path}: named {first} before; a capture belongs to one point");
        }
    }
    Ok(())
}

/// The names that no capture has.
pub(crate) fn without_capture<'a>(
    points: &'a [Point],
    named: &'a [Named],
) -> impl Iterator<Item = &'a Named> {
    named.iter().filter(|named| points.iter().all(|point| point.name != named.name))
}

/// The points of these captures, in order of name.
pub(crate) fn points(captures: &[&Source<Kind>], named: &[Named]) -> Vec<Point> {
    let of_each = names(captures, named);
    let mut points: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, name) in of_each.into_iter().enumerate() {
        points.entry(name).or_default().push(i);
    }
    points.into_iter().map(|(name, files)| Point { name, files }).collect()
}

/// A name for each capture: that of `--at`; else the file's name without extension and rotation
/// numbers; where two folders hold such a name, the folder's name, or both.
fn names(captures: &[&Source<Kind>], named: &[Named]) -> Vec<String> {
    let keys: Vec<(PathBuf, String)> = captures
        .iter()
        .map(|s| {
            let folder = s.path.parent().map(Path::to_path_buf).unwrap_or_default();
            (folder, stem(&s.path))
        })
        .collect();
    let distinct: BTreeSet<&(PathBuf, String)> = keys.iter().collect();
    captures
        .iter()
        .zip(&keys)
        .map(|(source, (folder, stem))| {
            if let Some(name) = given(&source.path, named) {
                return name.to_owned();
            }
            let folder_name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
            let alone = distinct.iter().filter(|(_, s)| s == stem).count() == 1;
            let in_folder = distinct.iter().filter(|(f, _)| f == folder).count();
            match folder_name {
                _ if alone && !stem.is_empty() => stem.clone(),
                Some(name) if in_folder == 1 => name,
                Some(name) => format!("{name}/{stem}"),
                None => stem.clone(),
            }
        })
        .collect()
}

/// `gateway-20261122080141.pcap.gz` -> `gateway`; `up17.03.pcapng` -> `up17`; `dump.pcap3` -> `dump`.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut stem = name.as_str();
    while let Some((before, extension)) = stem.rsplit_once('.')
        && is_extension(extension)
    {
        stem = before;
    }
    loop {
        let digits = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let shorter = digits.trim_end_matches(['-', '_', '.', 'T']);
        if digits.len() == stem.len() || shorter.len() == digits.len() {
            return stem.to_owned();
        }
        stem = shorter;
    }
}

fn is_extension(text: &str) -> bool {
    let known = ["pcap", "pcapng", "cap", "dmp", "dump", "gz", "zst", "xz", "bz2", "lz4"];
    let plain = text.trim_end_matches(|c: char| c.is_ascii_digit());
    known.contains(&text) || known.contains(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_leaves_the_name_of_the_point() {
        for (path, expected) in [
            ("gateway.pcap", "gateway"),
            ("gateway-20261122080141.pcap", "gateway"),
            ("up17.03.pcapng", "up17"),
            ("dump.pcap3", "dump"),
            ("edge_00001_20261122101500.pcapng.gz", "edge"),
            ("A_synack_lost.c.pcap", "A_synack_lost.c"),
            ("0001.pcap", "0001"),
        ] {
            assert_eq!(stem(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn at_wants_a_name_and_a_path() {
        assert!(Named::parse("gateway").is_err());
        assert!(Named::parse("=x").is_err());
        let named = Named::parse("gw=/a/b=c").map(|n| (n.name, n.path));
        assert_eq!(named.ok(), Some(("gw".to_owned(), PathBuf::from("/a/b=c"))));
    }
}
