//! IEEE 802.11 data frames with LLC/SNAP inside, with or without radiotap in front. Encrypted frames
//! and aggregates of several (A-MSDU) are not looked into.

use std::ops::Range;

use super::{Network, Payload, ether_type};
use crate::ByteOrder;
use crate::byte_order::{array, be_u16, octet};
use crate::tally::Unused;

/// IEEE 802.11-2020 section 9.2.3.
mod field {
    use super::Range;
    pub(super) const TYPE: usize = 0;
    pub(super) const FLAGS: usize = 1;
    /// Frame control, duration, three addresses, sequence control.
    pub(super) const LENGTH: usize = 24;
    pub(super) const ADDRESS_LENGTH: usize = 6;
    pub(super) const QOS_LENGTH: usize = 2;
    pub(super) const HT_LENGTH: usize = 4;
    /// Radiotap: its length, little-endian (<https://www.radiotap.org/>).
    pub(super) const RADIOTAP_LENGTH: Range<usize> = 2..4;
    /// LLC/SNAP: six octets, then an EtherType (RFC 1042).
    pub(super) const SNAP: Range<usize> = 0..6;
    pub(super) const ETHER_TYPE: Range<usize> = 6..8;
    pub(super) const SNAP_LENGTH: usize = 8;
}

/// Type data, version 0; the subtype's bits are ignored.
const DATA: u8 = 0x08;
const TYPE_AND_VERSION: u8 = 0x0f;
/// Subtype bits: no data at all, and quality of service.
const NO_DATA: u8 = 0x40;
const QOS: u8 = 0x80;

const TO_AND_FROM_DS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// In the first octet of the QoS field.
const AGGREGATE: u8 = 0x80;

const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

pub(super) fn network_behind_radiotap(frame: Payload<'_>) -> Result<Network<'_>, Unused> {
    let length = ByteOrder::Little.u16(frame.bytes, field::RADIOTAP_LENGTH).ok_or(frame.short())?;
    network(frame.behind(usize::from(length))?)
}

pub(super) fn network(frame: Payload<'_>) -> Result<Network<'_>, Unused> {
    let kind = octet(frame.bytes, field::TYPE).ok_or(frame.short())?;
    let flags = octet(frame.bytes, field::FLAGS).ok_or(frame.short())?;
    if kind & TYPE_AND_VERSION != DATA || kind & NO_DATA != 0 || flags & PROTECTED != 0 {
        return Err(Unused::NonIp);
    }
    let four = flags & TO_AND_FROM_DS == TO_AND_FROM_DS;
    let mut length = field::LENGTH + if four { field::ADDRESS_LENGTH } else { 0 };
    if kind & QOS != 0 {
        if octet(frame.bytes, length).ok_or(frame.short())? & AGGREGATE != 0 {
            return Err(Unused::NonIp);
        }
        length += field::QOS_LENGTH + if flags & ORDER == 0 { 0 } else { field::HT_LENGTH };
    }
    let llc = frame.behind(length)?;
    let snap: [u8; 6] = array(llc.bytes, field::SNAP).ok_or(llc.short())?;
    let number = be_u16(llc.bytes, field::ETHER_TYPE).ok_or(llc.short())?;
    if snap != SNAP {
        return Err(Unused::NonIp);
    }
    ether_type::network(number, llc.behind(field::SNAP_LENGTH)?)
}
