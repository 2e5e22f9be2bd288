//! Copies that trust the pointer, as any C library does.

use std::ptr::copy_nonoverlapping;

use engine::zx::{BadAddress, Result};

/// Pointers can always be followed.
#[inline]
pub(super) fn ready() -> Result {
    Ok(())
}

/// Copies from the caller's memory to ours.
///
/// # Safety
/// `src` must be readable, `dst` writable for `n` bytes.
#[inline]
pub(super) unsafe fn copy_in(src: *const u8, dst: *mut u8, n: usize) -> Result<(), BadAddress> {
    // SAFETY: both ends by this function's contract. They do not overlap: one is the caller's
    // memory and the other ours (a mapped ring, which no caller has the address of, or a local).
    unsafe { copy_nonoverlapping(src, dst, n) };
    Ok(())
}

/// Copies from our memory to the caller's.
///
/// # Safety
/// `src` must be readable, `dst` writable for `n` bytes.
#[inline]
pub(super) unsafe fn copy_out(src: *const u8, dst: *mut u8, n: usize) -> Result<(), BadAddress> {
    // SAFETY: as in `copy_in`.
    unsafe { copy_nonoverlapping(src, dst, n) };
    Ok(())
}
