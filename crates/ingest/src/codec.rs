//! How a file is compressed, from its first bytes.

/// A compression that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not compressed.
    Plain,
    /// gzip (RFC 1952), of any number of members.
    Gzip,
    /// Zstandard (RFC 8878), of any number of frames.
    Zstd,
    /// xz, of any number of streams.
    Xz,
    /// bzip2, of any number of streams.
    Bzip2,
    /// LZ4 frames, any number of them.
    Lz4,
}

/// A compression that is recognised and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForeignCodec {
    /// Unix compress, `.Z`.
    Compress,
    /// A zip archive.
    Zip,
}

/// Octets that [`of`] looks at.
pub(crate) const MAGIC_BYTES: usize = 8;

/// The compression of a file that begins with `head`.
pub(crate) fn of(head: &[u8]) -> Result<Codec, ForeignCodec> {
    match head {
        // RFC 1952 section 2.3.1: two magic octets, and the only compression method in use.
        [0x1f, 0x8b, 8, ..] => Ok(Codec::Gzip),
        // RFC 8878 section 3.1.1, and skippable frames of section 3.1.2.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Codec::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Codec::Xz),
        // A stream begins with a block, or with the end of the stream when it is empty.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => Ok(Codec::Bzip2),
        [0x04, 0x22, 0x4d, 0x18, ..] => Ok(Codec::Lz4),
        [0x1f, 0x9d, ..] => Err(ForeignCodec::Compress),
        [b'P', b'K', 3, 4, ..] => Err(ForeignCodec::Zip),
        _ => Ok(Codec::Plain),
    }
}

/// Whether a file that begins with `head` is a tar archive: its first entry names the format (POSIX.1-2017,
/// pax, ustar interchange format; GNU tar writes the same letters).
pub(crate) fn is_tar(head: &[u8]) -> bool {
    const MAGIC_AT: usize = 257;
    head.get(MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar"))
}

impl ForeignCodec {
    /// The name, and the command that turns such a file into one that can be read.
    fn name_and_command(self) -> (&'static str, &'static str) {
        match self {
            Self::Compress => ("compress", "gzip -dk"),
            Self::Zip => ("zip", "unzip"),
        }
    }
}

/// `compress`: what the compression is called and what to do about it.
impl std::fmt::Display for ForeignCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, command) = self.name_and_command();
        write!(f, "compressed with {name}, which is not read: decompress it first (`{command}`)")
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_numbers() {
        let table: [(&[u8], Result<Codec, ForeignCodec>); 12] = [
            (b"\x1f\x8b\x08\0", Ok(Codec::Gzip)),
            (b"\x28\xb5\x2f\xfd\0", Ok(Codec::Zstd)),
            (b"\x50\x2a\x4d\x18\0", Ok(Codec::Zstd)),
            (b"\xfd7zXZ\0\0", Ok(Codec::Xz)),
            (b"BZh91AY&SY", Ok(Codec::Bzip2)),
            (b"BZh is how this log line begins", Ok(Codec::Plain)),
            (b"\x04\x22\x4d\x18", Ok(Codec::Lz4)),
            (b"\x1f\x9d\x90", Err(ForeignCodec::Compress)),
            (b"PK\x03\x04\x14", Err(ForeignCodec::Zip)),
            (b"2026/11/22 10:00:00 [error]", Ok(Codec::Plain)),
            (b"\x1f\x8b", Ok(Codec::Plain)),
            (b"", Ok(Codec::Plain)),
        ];
        for (head, expected) in table {
            assert_eq!(of(head), expected, "{head:?}");
        }
    }
}
