//! The caller's memory, good and bad.

use zocket::zx::{BadAddress, Sink, Source};
use zocket::{SharedSlice, SharedSliceMut};

use crate::calls::{Buffer, Memory};

/// Memory that a call reads. May claim to be longer than it is.
pub(super) struct Origin<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) buffer: Buffer,
}

/// Memory that a call writes. May claim to be longer than it is.
pub(super) struct Destination<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) buffer: Buffer,
}

/// The part of memory at an offset, if there is any such memory. No bytes can be copied
/// from and to everywhere.
fn range(
    buffer: Buffer,
    len: usize,
    at: usize,
    n: usize,
) -> Result<std::ops::Range<usize>, BadAddress> {
    match buffer.memory {
        _ if n == 0 => Ok(0..0),
        Memory::Good if at + n <= len => Ok(at..at + n),
        _ => Err(BadAddress),
    }
}

impl Source for Origin<'_> {
    fn len(&self) -> usize {
        self.buffer.size
    }

    fn is_null(&self) -> bool {
        self.buffer.is_null()
    }

    fn copy_to(&self, at: usize, mut dst: SharedSliceMut<'_>) -> Result<(), BadAddress> {
        let range = range(self.buffer, self.bytes.len(), at, dst.len())?;
        dst.copy_from(&self.bytes[range]);
        Ok(())
    }

    fn fetch(&self, at: usize, dst: &mut [u8]) -> Result<(), BadAddress> {
        dst.copy_from_slice(&self.bytes[range(self.buffer, self.bytes.len(), at, dst.len())?]);
        Ok(())
    }
}

impl Sink for Destination<'_> {
    fn len(&self) -> usize {
        self.buffer.size
    }

    fn is_null(&self) -> bool {
        self.buffer.is_null()
    }

    fn copy_from(&mut self, at: usize, src: SharedSlice<'_>) -> Result<(), BadAddress> {
        let range = range(self.buffer, self.bytes.len(), at, src.len())?;
        src.copy_to(&mut self.bytes[range]);
        Ok(())
    }

    fn store(&mut self, at: usize, src: &[u8]) -> Result<(), BadAddress> {
        let range = range(self.buffer, self.bytes.len(), at, src.len())?;
        self.bytes[range].copy_from_slice(src);
        Ok(())
    }
}
