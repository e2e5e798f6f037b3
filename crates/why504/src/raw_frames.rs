//! Frames fetched again by file and number, for what is shown: analysis keeps facts, not octets.

use std::collections::BTreeMap;

use why504_capture::{CaptureReader, CaptureSummary, Content, Frame};
use why504_ingest::{Source, open};
use why504_model::{Location, SourceId, Timestamp};

use crate::inputs::Kind;

/// The frames that are wanted of one file, with the time stamps that they had.
pub(crate) type Wanted = BTreeMap<u64, Timestamp>;

/// Frames by file.
pub(crate) fn by_source(
    wanted: impl Iterator<Item = (Location, Timestamp)>,
) -> BTreeMap<SourceId, Wanted> {
    let mut sources: BTreeMap<SourceId, Wanted> = BTreeMap::new();
    for (location, time) in wanted {
        sources.entry(location.source).or_default().insert(location.record, time);
    }
    sources
}

/// Hands over the wanted frames of one file, which is read up to the last of them. A frame whose time
/// stamp is another one now is not the one that was analysed, and is passed over.
pub(crate) fn visit(
    source: &Source<Kind>,
    wanted: &Wanted,
    mut each: impl FnMut(Location, &Frame<'_>, &CaptureSummary) -> Result<(), String>,
) -> Result<(), String> {
    let input = open(source).map_err(|error| format!("cannot be read again: {error}"))?;
    let mut reader = CaptureReader::new(input, source.id).map_err(|error| error.to_string())?;
    let last = wanted.last_key_value().map_or(0, |(number, _)| *number);
    while let Some(block) = reader.next_block() {
        let first = block.first_frame();
        let end = first.saturating_add(block.frame_count());
        if wanted.range(first..end).next().is_some() {
            for record in block.records() {
                let Content::Frame(frame) = record.content else { continue };
                if wanted.get(&record.number).is_some_and(|time| frame.time == Some(*time)) {
                    let location = Location { source: source.id, record: record.number };
                    each(location, &frame, reader.summary())?;
                }
            }
        }
        if end > last {
            break;
        }
        reader.recycle(block);
    }
    Ok(())
}
