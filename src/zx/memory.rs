//! The caller's memory: what a call reads from it and writes to it.
//!
//! In Rust that is a slice. A C caller has a pointer, which may be null or lead
//! nowhere; what becomes of that is for the implementations of these traits to find out
//! while they copy, and the calls report it where Zircon's do.
//!
//! An implementation runs in the middle of the call: it must not use the endpoint that the call is
//! about, nor its peer, which panics or never returns.

use std::hint::cold_path;

use crate::mem::{SharedSlice, SharedSliceMut};

/// Memory of the caller that cannot be read, or not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

/// Memory of the caller that a call reads.
#[allow(
    clippy::len_without_is_empty,
    reason = "an empty one is nothing special"
)]
pub trait Source {
    /// How many bytes.
    fn len(&self) -> usize;

    /// Whether it is a null pointer, which is known without looking.
    fn is_null(&self) -> bool {
        false
    }

    /// Copies the bytes from `at` on to `dst`, as many as that has.
    ///
    /// # Errors
    /// [`BadAddress`] if they cannot be read; `dst` may hold anything then.
    fn copy_to(&self, at: usize, dst: SharedSliceMut<'_>) -> Result<(), BadAddress>;

    /// Copies the bytes from `at` on to private memory, as many as that has.
    ///
    /// # Errors
    /// As [`copy_to`](Self::copy_to).
    fn fetch(&self, at: usize, dst: &mut [u8]) -> Result<(), BadAddress>;
}

/// Memory of the caller that a call writes.
#[allow(
    clippy::len_without_is_empty,
    reason = "an empty one is nothing special"
)]
pub trait Sink {
    /// How many bytes.
    fn len(&self) -> usize;

    /// Whether it is a null pointer, which is known without looking.
    fn is_null(&self) -> bool {
        false
    }

    /// Copies `src` to the bytes from `at` on.
    ///
    /// # Errors
    /// [`BadAddress`] if they cannot be written, or not all of them.
    fn copy_from(&mut self, at: usize, src: SharedSlice<'_>) -> Result<(), BadAddress>;

    /// Copies private memory to the bytes from `at` on.
    ///
    /// # Errors
    /// As [`copy_from`](Self::copy_from).
    fn store(&mut self, at: usize, src: &[u8]) -> Result<(), BadAddress>;
}

impl<T: AsRef<[u8]> + ?Sized> Source for &T {
    #[inline]
    fn len(&self) -> usize {
        self.as_ref().len()
    }

    #[inline]
    fn copy_to(&self, at: usize, mut dst: SharedSliceMut<'_>) -> Result<(), BadAddress> {
        let bytes = &self.as_ref()[at..][..dst.len()];
        dst.copy_from(bytes);
        Ok(())
    }

    fn fetch(&self, at: usize, dst: &mut [u8]) -> Result<(), BadAddress> {
        dst.copy_from_slice(&self.as_ref()[at..][..dst.len()]);
        Ok(())
    }
}

impl<T: AsMut<[u8]> + AsRef<[u8]> + ?Sized> Sink for &mut T {
    #[inline]
    fn len(&self) -> usize {
        (**self).as_ref().len()
    }

    #[inline]
    fn copy_from(&mut self, at: usize, src: SharedSlice<'_>) -> Result<(), BadAddress> {
        src.copy_to(&mut self.as_mut()[at..][..src.len()]);
        Ok(())
    }

    fn store(&mut self, at: usize, src: &[u8]) -> Result<(), BadAddress> {
        self.as_mut()[at..][..src.len()].copy_from_slice(src);
        Ok(())
    }
}

/// Refuses null pointers to something.
#[inline(always)]
pub(super) fn is_null_buffer(is_null: bool, len: usize) -> bool {
    if is_null {
        cold_path();
        return len > 0;
    }
    false
}
