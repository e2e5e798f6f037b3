//! An object whose keys need no look: there is one for each attempt of a capture, and serde_json
//! searches every key of every one of them for characters to escape.
//!
//! Values are serde_json's business all the same.

use serde::Serialize;
use serde::ser::SerializeStruct;
use serde_json::Error;

/// The fields of an object as they are added.
pub(super) struct Prepared<'a> {
    out: &'a mut Vec<u8>,
    /// What stands before the next key.
    before: u8,
}

impl<'a> Prepared<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { out, before: b'{' }
    }

    /// The further fields of an object of which some are written.
    pub(super) fn go_on(out: &'a mut Vec<u8>) -> Self {
        Self { out, before: b',' }
    }
}

impl SerializeStruct for Prepared<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.out.extend([self.before, b'"']);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend(*b"\":");
        self.before = b',';
        serde_json::to_writer(&mut *self.out, value)
    }

    fn end(self) -> Result<(), Error> {
        self.out.push(b'}');
        Ok(())
    }
}
