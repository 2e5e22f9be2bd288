//! Memory that two processes share, for what is made by hand to find the limits.

#![allow(unsafe_code, reason = "words and bytes in memory mapped by hand")]

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64};

use anyhow::Result;
use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::channel::Parcel;

/// A mapping that both processes have.
pub(super) struct Memory {
    map: MmapRaw,
}

impl Memory {
    /// Makes `len` bytes, all of them there and zero, and hands them over.
    pub(super) fn create(len: usize, parcel: &mut Parcel) -> Result<Self> {
        let memfd = memfd_create(c"limit", MFdFlags::MFD_CLOEXEC)?;
        nix::unistd::ftruncate(&memfd, len as i64)?;
        let memory = Self::map(&memfd)?;
        parcel.put(memfd);
        Ok(memory)
    }

    /// Takes the other process's.
    pub(super) fn accept(parcel: &mut Parcel) -> Result<Self> {
        Self::map(&parcel.take()?)
    }

    fn map(memfd: &OwnedFd) -> Result<Self> {
        // Present from the beginning, as no page fault is to be measured.
        let map = MmapOptions::new().populate().map_raw(memfd)?;
        Ok(Self { map })
    }

    /// The address of `len` bytes at `offset`.
    #[inline(always)]
    pub(super) fn at(&self, offset: usize, len: usize) -> *mut u8 {
        debug_assert!(offset + len <= self.map.len());
        // SAFETY: callers stay inside the mapping: every offset is a constant or was reduced to
        // the length of the area that it is in.
        unsafe { self.map.as_mut_ptr().add(offset) }
    }

    /// The word at `offset`, a multiple of 8.
    #[inline(always)]
    pub(super) fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: inside the mapping and aligned, as `offset` is; both processes use it as an
        // atomic only.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }

    /// The half word at `offset`, a multiple of 4.
    #[inline(always)]
    pub(super) fn half_word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as for `word`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }
}

// SAFETY: what is reached through it are atomics, and bytes that the protocols of the users give
// to one side at a time.
unsafe impl Send for Memory {}
