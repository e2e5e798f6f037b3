//! Reads pcap and pcapng captures into TCP segments and ICMP errors, however short the snapshot.
//!
//! Two parts, so that one big file uses all cores:
//! * [`CaptureReader`] is sequential and cheap: it recognises the container, walks record headers
//!   through large reads, and cuts the file into [`Block`]s at record boundaries.
//! * [`Block::decode`] is pure and meant for worker threads: it decodes only as far as the TCP
//!   header, and returns a [`DecodeTally`] in which every frame of the block is counted once.
//!
//! Frames are numbered as Wireshark numbers them. A damaged or truncated file is analysed up to the
//! damage, and a [`Diagnostic`](why504_model::Diagnostic) says where that is.
//!
//! ```
//! use why504_capture::{CaptureReader, DecodeTally};
//! use why504_model::SourceId;
//!
//! // An empty pcap file: nothing but its header.
//! let file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0";
//! let mut reader = CaptureReader::new(file.as_slice(), SourceId(0))?;
//! let (mut packets, mut tally) = (Vec::new(), DecodeTally::default());
//! while let Some(block) = reader.next_block() {
//!     // This call is for a worker thread.
//!     tally.merge(&block.decode(SourceId(0), &mut packets));
//! }
//! assert_eq!(tally.frames(), reader.summary().frames);
//! # Ok::<(), why504_capture::CaptureError>(())
//! ```
//!
//! The crate opens no files, decompresses nothing, and knows nothing of connections: it takes any
//! [`std::io::Read`] and hands out [`Packet`](why504_model::Packet)s. It writes no captures.

mod block;
mod byte_order;
mod clock;
mod container;
mod decode;
mod digest;
mod error;
mod glance;
mod input;
mod interface;
mod link;
mod net;
mod pcap;
mod pcapng;
mod reader;
mod recent;
mod summary;
mod tally;
mod tcp;
mod tunnel;

pub use block::{Block, Content, Frame, Record};
pub use byte_order::ByteOrder;
pub use clock::{Clock, Resolution};
pub use container::{Container, PcapVariant, recognise, refused_by_name};
pub use digest::{Digest, Gathered, Picker, REORDERED};
pub use error::CaptureError;
pub use input::Window;
pub use interface::{DropCounters, Interface};
pub use link::LinkType;
pub use reader::{BLOCK_BYTES, CaptureReader, MAX_RECORD_BYTES};
pub use summary::CaptureSummary;
pub use tally::{DecodeTally, Unused};
pub use tunnel::{Envelope, Tunnel};
