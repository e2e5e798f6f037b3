//! Reads a capture file (pcap, or pcapng as tshark and our own generator write it) into frames.
//!
//! The lab judges the tool, so it must not share the tool's parser: this is a second, small and
//! plain reader that loads the whole file. It is not made for big or hostile captures; it stops at
//! the first record that it cannot read and says how far it got.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// One captured packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Number of the packet in its file, from 1, as Wireshark shows it.
    pub number: u64,
    /// Nanoseconds since the epoch by the clock of the capturing host.
    pub time_ns: i64,
    /// Link type of the interface (`LINKTYPE_*` of the pcap format).
    pub link: u32,
    /// The captured bytes, possibly cut by the snap length.
    pub bytes: Vec<u8>,
    /// Octets that it had on the wire.
    pub wire_length: u32,
}

/// Reads every frame of the file at `path`; a cut last record ends the list quietly, because a
/// capture that was stopped by a signal may end that way.
pub fn read(path: &Path) -> Result<Vec<Frame>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&bytes).with_context(|| format!("{} is not a capture this lab reads", path.display()))
}

/// Reads every frame of a capture held in memory.
pub fn parse(bytes: &[u8]) -> Result<Vec<Frame>> {
    match bytes.get(..4) {
        Some([0xd4, 0xc3, 0xb2, 0xa1]) => classic(bytes, Order::Little, 1000),
        Some([0x4d, 0x3c, 0xb2, 0xa1]) => classic(bytes, Order::Little, 1),
        Some([0xa1, 0xb2, 0xc3, 0xd4]) => classic(bytes, Order::Big, 1000),
        Some([0xa1, 0xb2, 0x3c, 0x4d]) => classic(bytes, Order::Big, 1),
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => blocks(bytes),
        Some(other) => bail!("unknown magic number {other:02x?}"),
        None => bail!("only {} bytes long", bytes.len()),
    }
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let field: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(field),
            Self::Big => u16::from_be_bytes(field),
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let field: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(field),
            Self::Big => u32::from_be_bytes(field),
        })
    }
}

fn classic(bytes: &[u8], order: Order, fraction_ns: i64) -> Result<Vec<Frame>> {
    let link = order.u32(bytes, 20).context("the file header is cut")? & 0x0fff_ffff;
    let mut frames = Vec::new();
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(length), Some(wire_length)) = (
        order.u32(bytes, at),
        order.u32(bytes, at + 4),
        order.u32(bytes, at + 8),
        order.u32(bytes, at + 12),
    ) {
        let start = at + 16;
        let Some(data) = bytes.get(start..start.saturating_add(length as usize)) else { break };
        frames.push(Frame {
            number: frames.len() as u64 + 1,
            time_ns: i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * fraction_ns,
            link,
            bytes: data.to_vec(),
            wire_length,
        });
        at = start + length as usize;
    }
    Ok(frames)
}

/// One interface of a pcapng section: link type and units of its time stamps per second.
struct Interface {
    link: u32,
    per_second: i128,
}

fn blocks(bytes: &[u8]) -> Result<Vec<Frame>> {
    let mut order = Order::Little;
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 0_usize;
    while let Some(kind) = order.u32(bytes, at) {
        if kind == 0x0a0d_0d0a {
            order = match bytes.get(at + 8..at + 12) {
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order::Little,
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order::Big,
                _ => bail!("no byte-order magic at byte {}", at + 8),
            };
            interfaces.clear();
        }
        let Some(length) = order.u32(bytes, at + 4) else { break };
        if length < 12 {
            bail!("block of {length} bytes at byte {at}");
        }
        let Some(block) = bytes.get(at..at.saturating_add(length as usize)) else { break };
        match kind {
            1 => interfaces.push(interface(order, block).context("interface block is cut")?),
            6 => {
                let mut frame = packet(order, block, &interfaces)
                    .with_context(|| format!("bad packet block at byte {at}"))?;
                frame.number = frames.len() as u64 + 1;
                frames.push(frame);
            }
            _ => {}
        }
        at += length as usize;
    }
    Ok(frames)
}

fn interface(order: Order, block: &[u8]) -> Option<Interface> {
    let link = u32::from(order.u16(block, 8)?);
    let mut per_second = 1_000_000;
    let mut at = 16;
    while let (Some(code), Some(length)) = (order.u16(block, at), order.u16(block, at + 2)) {
        if code == 0 || at + 8 > block.len() {
            break;
        }
        if code == 9 {
            let value = *block.get(at + 4)?;
            let exponent = u32::from(value & 0x7f);
            per_second = if value & 0x80 == 0 {
                10_i128.checked_pow(exponent)?
            } else {
                2_i128.checked_pow(exponent)?
            };
        }
        at += 4 + usize::from(length).next_multiple_of(4);
    }
    Some(Interface { link, per_second })
}

fn packet(order: Order, block: &[u8], interfaces: &[Interface]) -> Option<Frame> {
    let interface = interfaces.get(order.u32(block, 8)? as usize)?;
    let ticks = i128::from(order.u32(block, 12)?) << 32 | i128::from(order.u32(block, 16)?);
    let length = order.u32(block, 20)? as usize;
    let time_ns = i64::try_from(ticks * 1_000_000_000 / interface.per_second).ok()?;
    Some(Frame {
        number: 0,
        time_ns,
        link: interface.link,
        bytes: block.get(28..28_usize.checked_add(length)?)?.to_vec(),
        wire_length: order.u32(block, 24)?,
    })
}

/// The bytes of a classic capture with nanoseconds that holds `frames`, all of one link type.
pub fn to_bytes(frames: &[Frame]) -> Result<Vec<u8>> {
    let link = frames.first().map_or(1, |frame| frame.link);
    let mut bytes = Vec::from([0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(0x0004_0000_u32.to_le_bytes());
    bytes.extend(link.to_le_bytes());
    for frame in frames {
        let seconds = u32::try_from(frame.time_ns.div_euclid(1_000_000_000))?;
        let fraction = u32::try_from(frame.time_ns.rem_euclid(1_000_000_000))?;
        let length = u32::try_from(frame.bytes.len())?;
        for field in [seconds, fraction, length, frame.wire_length] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(&frame.bytes);
    }
    Ok(bytes)
}

/// Moves every time stamp of a classic little-endian pcap: `offset_ns` at the first packet, and
/// `drift_ppm` millionths more for each unit of time after it. Simulates a host whose clock is off.
pub fn shift_clock(bytes: &mut [u8], offset_ns: i64, drift_ppm: f64) -> Result<()> {
    let unit: i64 = match bytes.get(..4) {
        Some([0xd4, 0xc3, 0xb2, 0xa1]) => 1000,
        Some([0x4d, 0x3c, 0xb2, 0xa1]) => 1,
        _ => bail!("only classic little-endian captures can be shifted"),
    };
    let order = Order::Little;
    let mut first = None;
    let mut at = 24;
    while let (Some(seconds), Some(fraction), Some(length)) =
        (order.u32(bytes, at), order.u32(bytes, at + 4), order.u32(bytes, at + 8))
    {
        let time = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * unit;
        let elapsed = time - *first.get_or_insert(time);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        let drift = (elapsed as f64 * drift_ppm / 1e6) as i64;
        let moved = time + offset_ns + drift;
        let seconds = u32::try_from(moved.div_euclid(1_000_000_000)).context("time before 1970")?;
        let fraction = u32::try_from(moved.rem_euclid(1_000_000_000) / unit)?;
        bytes[at..at + 4].copy_from_slice(&seconds.to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&fraction.to_le_bytes());
        at += 16 + length as usize;
    }
    Ok(())
}

/// Takes back what [`shift_clock`] did to the time stamps of a file's frames.
pub fn right_clock(frames: &mut [Frame], offset_ns: i64, drift_ppm: f64) {
    let Some(first) = frames.first().map(|frame| frame.time_ns) else { return };
    for frame in frames {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        let elapsed = ((frame.time_ns - first) as f64 / (1.0 + drift_ppm / 1e6)) as i64;
        frame.time_ns = first - offset_ns + elapsed;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(magic: [u8; 4], records: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = magic.to_vec();
        bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 101, 0, 0, 0]);
        for (seconds, fraction, data) in records {
            bytes.extend(seconds.to_le_bytes());
            bytes.extend(fraction.to_le_bytes());
            let length = u32::try_from(data.len()).unwrap();
            bytes.extend(length.to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn micro_and_nanosecond_files_give_the_same_unit() {
        let micro = parse(&file([0xd4, 0xc3, 0xb2, 0xa1], &[(7, 5, b"ab")])).unwrap();
        let nano = parse(&file([0x4d, 0x3c, 0xb2, 0xa1], &[(7, 5000, b"ab")])).unwrap();
        assert_eq!(micro, nano);
        assert_eq!(micro[0].time_ns, 7_000_005_000);
        assert_eq!((micro[0].number, micro[0].link), (1, 101));
    }

    #[test]
    fn a_cut_record_ends_the_list() {
        let mut bytes = file([0x4d, 0x3c, 0xb2, 0xa1], &[(1, 0, b"abcd"), (2, 0, b"efgh")]);
        bytes.pop();
        assert_eq!(parse(&bytes).unwrap().len(), 1);
    }

    #[test]
    fn the_clock_is_moved_and_drifts() {
        let mut bytes = file([0x4d, 0x3c, 0xb2, 0xa1], &[(10, 0, b"a"), (20, 0, b"b")]);
        shift_clock(&mut bytes, -3_000_000_000, 100.0).unwrap();
        let times: Vec<i64> = parse(&bytes).unwrap().iter().map(|f| f.time_ns).collect();
        assert_eq!(times, [7_000_000_000, 17_001_000_000]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(times in proptest::collection::vec(0..4_000_000_000_000_000_000_i64, 0..9),
                                   length in 0..9_usize) {
            let frames: Vec<Frame> = (1..).zip(&times).map(|(number, &time_ns)| Frame {
                number, time_ns, link: 113, bytes: vec![7; length], wire_length: 1500,
            }).collect();
            prop_assert_eq!(parse(&to_bytes(&frames).unwrap()).unwrap(), frames);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200),
                                         magic in 0..3_usize) {
            let magics: [&[u8]; 3] = [&[0xd4, 0xc3, 0xb2, 0xa1], &[0x0a, 0x0d, 0x0d, 0x0a], &[]];
            let mut file = magics[magic].to_vec();
            file.extend(bytes);
            let _ = parse(&file);
            let _ = shift_clock(&mut file, 1, 1.0);
        }
    }
}
