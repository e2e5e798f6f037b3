//! When an error log begins: logs of one run are read in order of time.

use memchr::memchr_iter;
use why504_model::Timestamp;

use super::Zone;
use crate::error::{ErrorRecord, rendered};
use crate::lines::trimmed;
use crate::wrapper::unwrapped;

/// When the first record of this beginning of an error log was written (UTC); `None` where no
/// whole line of it is a record.
pub fn first_second(beginning: &[u8], zone: Zone) -> Option<Timestamp> {
    let mut start = 0;
    memchr_iter(b'\n', beginning).find_map(|feed| {
        let line = beginning.get(start..feed).map(trimmed)?;
        start = feed + 1;
        let found = unwrapped(line);
        let line = found.as_ref().map_or(line, |found| &found.inner);
        if let Some(record) = rendered(line) {
            return Some(record.time.start());
        }
        let record = ErrorRecord::parse(line).ok()?;
        Some(zone.second(record.time).interval().start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_tells() {
        // 1795331903 is 2026-11-22T07:18:23Z.
        let record = "2026/11/22 08:18:23 [notice] 1#1: x\n";
        let json =
            r#"{"time":"2026-11-22T07:18:23Z","level":"notice","pid":1,"tid":1,"message":"x"}"#;
        let rows = [
            (format!("stack traceback:\n{record}2026/11/22 09:00:00 [notice] 1#1: y\n"), true),
            (format!("web-1  | {record}"), true),
            (format!("{json}\n"), true),
            (record.trim_end().to_owned(), false),
            (String::new(), false),
        ];
        let zone = "+01:00".parse().expect("a zone");
        for (text, known) in rows {
            let expected = known.then(|| Timestamp::from_parts(1_795_331_903, 0));
            assert_eq!(first_second(text.as_bytes(), zone), expected, "{text}");
        }
    }
}
