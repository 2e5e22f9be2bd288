//! Hints to the processor which cache lines will be needed. Where there is none for it, nothing happens.

#![allow(unsafe_code, reason = "assembler")]

#[cfg(target_arch = "x86_64")]
use std::arch::asm;

/// Fetches the cache line of `line` into this CPU's cache.
#[inline(always)]
pub(crate) fn to_read(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which changes nothing that a program sees and faults at no address.
    unsafe {
        asm!("prefetcht0 [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Fetches the cache line of `line` into this CPU's cache, and takes it out of all others.
///
/// Processors that do not know the instruction take it for a `nop`.
#[inline(always)]
pub(crate) fn to_write(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
