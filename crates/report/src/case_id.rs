//! Short stable names for cases.
//!
//! An id is a hash of what the line says, not of where it stands: the same line keeps its id when
//! the log is rotated, compressed, moved, or read together with other files.

use std::collections::{BTreeMap, BTreeSet};

use why504_model::Timeout;

use crate::run::Run;

/// Shortest id.
const SHORT: usize = 5;
/// All digits of a 64-bit hash in base 36.
const LONG: usize = 13;

/// The id of one line in full length; reports show as many leading digits as tell the cases of a
/// run apart, at least five. `ordinal` counts lines that agree in everything else, from 0.
pub fn case_id(file: &str, timeout: &Timeout, message: &str, ordinal: u32) -> String {
    let mut hash = Fnv::new();
    hash.field(unrotated(file).as_bytes());
    // An access line may narrow the time within its second; the second itself stays.
    hash.field(&timeout.logged.start().nanos().div_euclid(1_000_000_000).to_le_bytes());
    hash.field(timeout.kind.name().as_bytes());
    hash.field(&timeout.worker.map_or(u64::MAX, u64::from).to_le_bytes());
    hash.field(&timeout.connection.unwrap_or(u64::MAX).to_le_bytes());
    hash.field(message.as_bytes());
    hash.field(&ordinal.to_le_bytes());
    base36(hash.finish())
}

/// The id of each timeout of a run: five digits, more where two would be the same.
pub fn case_ids(run: &Run<'_>) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let full: Vec<String> = run
        .timeouts
        .iter()
        .enumerate()
        .map(|(i, timeout)| {
            let file = run.captures().file(timeout.location);
            let message = run.texts.get(i).unwrap_or_default().message;
            let ordinal = seen.entry(case_id(file, timeout, &message, 0)).or_default();
            *ordinal += 1;
            case_id(file, timeout, &message, *ordinal - 1)
        })
        .collect();
    let length = shared_prefixes(&full);
    full.into_iter()
        .map(|mut id| {
            id.truncate(length.get(id.get(..SHORT).unwrap_or_default()).copied().unwrap_or(SHORT));
            id
        })
        .collect()
}

/// How many digits the ids of each crowded five-digit prefix need.
fn shared_prefixes(full: &[String]) -> BTreeMap<String, usize> {
    let mut crowds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for id in full {
        crowds.entry(id.get(..SHORT).unwrap_or_default()).or_default().insert(id);
    }
    crowds
        .into_iter()
        .filter(|(_, ids)| ids.len() > 1)
        .map(|(prefix, ids)| {
            let distinct = |length: usize| {
                let cut: BTreeSet<&str> = ids.iter().filter_map(|id| id.get(..length)).collect();
                cut.len() == ids.len()
            };
            (prefix.to_owned(), (SHORT..LONG).find(|n| distinct(*n)).unwrap_or(LONG))
        })
        .collect()
}

/// The file name without its directory, compression and rotation suffixes: `error.log.2.gz` and
/// `error.log-20261121` are `error.log`.
fn unrotated(path: &str) -> &str {
    let mut name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    loop {
        let shorter = [".gz", ".zst", ".bz2", ".xz", ".lz4"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .or_else(|| {
                let (stem, tail) = name.rsplit_once(['.', '-'])?;
                let rotation = !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit());
                rotation.then_some(stem)
            });
        match shorter {
            Some(stem) if !stem.is_empty() => name = stem,
            _ => return name,
        }
    }
}

fn base36(mut hash: u64) -> String {
    let mut digits = [b'0'; LONG];
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(hash % 36).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'a' + (value - 10) };
        hash /= 36;
    }
    digits.iter().rev().map(|&d| char::from(d)).collect()
}

/// FNV-1a with 64 bits, and the finaliser of MurmurHash3 to spread the last bytes: stable between
/// versions and machines, which std's hashers do not promise.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn field(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    const fn finish(self) -> u64 {
        let mut h = self.0;
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ (h >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use why504_model::{Interval, Location, TimeoutId, TimeoutKind, Timestamp};

    fn timeout(nanos: i64) -> Timeout {
        Timeout {
            id: TimeoutId(0),
            location: Location::default(),
            kind: TimeoutKind::LuaConnectTimeout,
            never_sent: false,
            peer: None,
            logged: Interval::second_from(Timestamp::from_nanos(nanos)),
            start: None,
            limits: Vec::new(),
            worker: Some(7),
            connection: Some(9),
        }
    }

    #[test]
    fn rotation_compression_and_an_access_line_keep_the_id() {
        let id = case_id("/var/log/error.log", &timeout(5_000_000_000), "m", 0);
        for file in ["error.log.2.gz", "/x/error.log-20261121.zst", "error.log.1"] {
            assert_eq!(case_id(file, &timeout(5_000_000_000), "m", 0), id, "{file}");
        }
        assert_eq!(case_id("error.log", &timeout(5_600_000_000), "m", 0), id);
        assert!(id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
    }

    #[test]
    fn whatever_tells_lines_apart_tells_ids_apart() {
        let id = case_id("error.log", &timeout(5_000_000_000), "m", 0);
        let mut other_worker = timeout(5_000_000_000);
        other_worker.worker = Some(8);
        for other in [
            case_id("stream.log", &timeout(5_000_000_000), "m", 0),
            case_id("error.log", &timeout(6_000_000_000), "m", 0),
            case_id("error.log", &timeout(5_000_000_000), "n", 0),
            case_id("error.log", &timeout(5_000_000_000), "m", 1),
            case_id("error.log", &other_worker, "m", 0),
        ] {
            assert_ne!(other, id);
        }
    }

    #[test]
    fn crowded_prefixes_grow_until_they_differ() {
        let ids = ["abcdefgh00000", "abcdefgi00000", "zzzzz00000000"].map(str::to_owned);
        let lengths = shared_prefixes(&ids);
        assert_eq!(lengths, BTreeMap::from([("abcde".to_owned(), 8)]));
    }
}
