//! TCP options (RFC 9293 section 3.2), as far as they were captured; only timestamps are kept.

use std::ops::Range;

use why504_model::TcpTimestamps;

use crate::byte_order::{array, be_u32, octet};

/// End of option list.
const END: u8 = 0;
/// No operation, one octet.
const NO_OPERATION: u8 = 1;
/// Timestamps (RFC 7323 section 3.2).
const TIMESTAMPS: u8 = 8;
const TIMESTAMPS_LEN: u8 = 10;

/// Two no-operations, then kind and length of the timestamps: how every common stack begins the
/// options of a segment without SYN (RFC 7323 appendix A).
const ALIGNED: [u8; 4] = [NO_OPERATION, NO_OPERATION, TIMESTAMPS, TIMESTAMPS_LEN];

mod field {
    use super::Range;
    pub(super) const LENGTH: usize = 1;
    pub(super) const VALUE: Range<usize> = 2..6;
    pub(super) const ECHO: Range<usize> = 6..10;
}

/// The timestamps option; `None` when it is absent, malformed or not wholly captured.
#[inline]
pub(super) fn timestamps(options: &[u8]) -> Option<TcpTimestamps> {
    if array(options, 0..4) == Some(ALIGNED) {
        return read(options.get(2..)?);
    }
    let mut rest = options;
    // Each option takes at least one octet, so the loop ends with the options.
    loop {
        let step = match octet(rest, 0)? {
            END => return None,
            NO_OPERATION => 1,
            kind => {
                let length = octet(rest, field::LENGTH)?;
                if kind == TIMESTAMPS && length == TIMESTAMPS_LEN {
                    return read(rest);
                }
                if length < 2 {
                    return None;
                }
                usize::from(length)
            }
        };
        rest = rest.get(step..)?;
    }
}

#[inline]
fn read(option: &[u8]) -> Option<TcpTimestamps> {
    let value = be_u32(option, field::VALUE)?;
    let echo = be_u32(option, field::ECHO)?;
    Some(TcpTimestamps { value, echo })
}
