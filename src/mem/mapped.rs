//! [`Memory`] over a mapped file: what the crate ships.
//!
//! # Racing copies
//!
//! `copy_in` and `copy_out` are plain `memcpy`s on memory that another process
//! may be writing. A correct peer never writes the range: the positions, with
//! Release and Acquire, keep it off, as the loom models show. An enemy can
//! write anywhere at any time. The language has no word for such a race; what
//! it can do in practice is bounded, because a copy reads each address of a
//! range that was checked before, and whatever lands in the private buffer is
//! only bytes, for which every value is valid. This is what hypervisors, kernels and
//! other shared-memory libraries rely on too. Byte-wise atomic copies would
//! satisfy the letter at a tenth of the speed.

#![allow(unsafe_code, reason = "raw pointers into the mapped region")]

use std::hint::cold_path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence, fence};

use super::{Fence, Memory, Site, Step, Word32, Word64, forward_memory};
use super::{SharedSlice, SharedSliceMut, is_inside};
use crate::error::Result;
use crate::layout::{FenceMode, Header, Side};
use crate::sys::futex;
use crate::sys::membarrier;
use crate::sys::prefetch;
use crate::sys::region::Region;

/// One direction of a mapped region.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    /// The block of control words; inside `region`.
    words: NonNull<u8>,
    /// The data area; inside `region`.
    data: NonNull<u8>,
    area: usize,
    /// Keeps the mapping alive.
    region: Arc<Region>,
}

// SAFETY: everything behind the pointers is accessed through atomics or racing
// copies that assume concurrent writers, and `region` keeps it mapped wherever
// the value goes.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

/// The same, lent: the addresses themselves, to be kept in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    words: NonNull<u8>,
    data: NonNull<u8>,
    area: usize,
    /// What is seldom looked at: behind a reference that nothing has to be loaded for.
    whole: &'a Mapped,
}

impl Mapped {
    /// The direction of `region` that `writer` writes.
    pub(crate) fn new(region: Arc<Region>, writer: Side) -> Self {
        let header: &Header = region.header();
        // `Region` guarantees at least `total_size` mapped bytes; these are the
        // offsets that `total_size` is made of.
        let words = region.at(
            Header::direction_offset(writer),
            crate::layout::DIRECTION_SIZE,
        );
        let data = region.at(header.area_offset(writer), header.area());
        Self {
            words,
            data,
            area: header.area(),
            region,
        }
    }

    #[inline(always)]
    fn view(&self) -> View<'_> {
        View {
            words: self.words,
            data: self.data,
            area: self.area,
            whole: self,
        }
    }

    /// Lends `len` bytes at `offset` of the data area for reading.
    #[inline(always)]
    pub(crate) fn slice(&self, offset: usize, len: usize) -> SharedSlice<'_> {
        // SAFETY: `data_at` checked the range; the mapping is readable and lives as
        // long as `self`; nobody makes plain references to it (law 2 of `mem`).
        unsafe { SharedSlice::new(self.view().data_at(offset, len), len) }
    }

    /// Lends `len` bytes at `offset` of the data area for filling.
    #[inline(always)]
    pub(crate) fn slice_mut(&self, offset: usize, len: usize) -> SharedSliceMut<'_> {
        // SAFETY: as for `slice`; the mapping is writable.
        unsafe { SharedSliceMut::new(self.view().data_at(offset, len), len) }
    }

    /// The futex in `word`.
    pub(crate) fn futex(&self, word: Word32) -> &AtomicU32 {
        self.view().word32(word)
    }

    /// The region that this is a direction of.
    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.region
    }
}

impl<'a> View<'a> {
    #[inline(always)]
    fn word64(self, word: Word64) -> &'a AtomicU64 {
        // SAFETY: `words` begins a block of DIRECTION_SIZE mapped bytes
        // (`Region::at` checked it) and every `Word64::offset` lies 8-aligned in
        // it (const assertions in `layout`); the block is 128-aligned. `region`
        // is mapped for `'a`. All access is atomic.
        unsafe { AtomicU64::from_ptr(self.words.add(word.offset()).cast().as_ptr()) }
    }

    #[inline(always)]
    fn word32(self, word: Word32) -> &'a AtomicU32 {
        // SAFETY: as for `word64`, with 4-aligned offsets.
        unsafe { AtomicU32::from_ptr(self.words.add(word.offset()).cast().as_ptr()) }
    }

    /// The address of `offset`, if `len` bytes from there are in the data area.
    #[inline(always)]
    fn data_at(self, offset: usize, len: usize) -> NonNull<u8> {
        assert!(is_inside(self.area, offset, len));
        // SAFETY: the offset lies within the data area, by the assertion, and the
        // data area within the mapping, by `Region::at` in `Mapped::new`.
        unsafe { self.data.add(offset) }
    }

    /// Where the data area begins in the region.
    fn start(self) -> usize {
        self.whole.region.offset_of(self.data)
    }
}

impl Memory for Mapped {
    type Local<'a> = View<'a>;

    #[inline(always)]
    fn local(&self) -> View<'_> {
        self.view()
    }

    forward_memory!(|this| this.view());
}

impl Memory for View<'_> {
    type Local<'a>
        = View<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn local(&self) -> View<'_> {
        *self
    }

    #[inline(always)]
    fn load64(&self, word: Word64, site: Site) -> u64 {
        self.word64(word).load(site.ordering())
    }

    #[inline(always)]
    fn store64(&self, word: Word64, value: u64, site: Site) {
        self.word64(word).store(value, site.ordering());
    }

    #[inline(always)]
    fn load32(&self, word: Word32, site: Site) -> u32 {
        self.word32(word).load(site.ordering())
    }

    #[inline(always)]
    fn store32(&self, word: Word32, value: u32, site: Site) {
        self.word32(word).store(value, site.ordering());
    }

    fn exchange32(&self, word: Word32, current: u32, new: u32, site: Site) -> Result<u32, u32> {
        self.word32(word)
            .compare_exchange(current, new, site.ordering(), Ordering::Relaxed)
    }

    fn exchange64(&self, word: Word64, current: u64, new: u64, site: Site) -> Result<u64, u64> {
        self.word64(word)
            .compare_exchange(current, new, site.ordering(), Ordering::Relaxed)
    }

    fn raise32(&self, word: Word32, site: Site) {
        self.word32(word).fetch_add(1, site.ordering());
    }

    fn set32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        self.word32(word).fetch_or(bits, site.ordering())
    }

    fn clear32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        self.word32(word).fetch_and(!bits, site.ordering())
    }

    fn clear64(&self, word: Word64, bits: u64, site: Site) {
        self.word64(word).fetch_and(!bits, site.ordering());
    }

    #[inline(always)]
    fn area(&self) -> usize {
        self.area
    }

    fn reserved(&self) -> usize {
        let reserved = self.whole.region.reserved();
        reserved.saturating_sub(self.start()).min(self.area)
    }

    fn reserve(&self, from: usize, to: usize) -> Result<usize> {
        let start = self.start();
        let reserved = self.whole.region.reserve(start + from..start + to)?;
        Ok((reserved - start).min(self.area))
    }

    #[inline(always)]
    fn copy_in(&self, offset: usize, src: &[u8]) {
        let dst = self.data_at(offset, src.len());
        // SAFETY: `data_at` checked that `dst` has room for `src`; `src` is private
        // memory (law 2 of `mem`), so they do not overlap. Racing: see above.
        unsafe { std::ptr::copy_nonoverlapping(src.as_ptr(), dst.as_ptr(), src.len()) };
    }

    #[inline(always)]
    fn copy_out(&self, offset: usize, dst: &mut [u8]) {
        let src = self.data_at(offset, dst.len());
        // SAFETY: `data_at` checked that `src` has as many bytes as `dst`; `dst` is
        // private memory (law 2 of `mem`), so they do not overlap. Racing: see above.
        unsafe { std::ptr::copy_nonoverlapping(src.as_ptr(), dst.as_mut_ptr(), dst.len()) };
    }

    #[inline(always)]
    fn prefetch_to_read(&self, offset: usize) {
        prefetch::to_read(self.data.as_ptr().wrapping_add(offset));
    }

    #[inline(always)]
    fn prefetch_to_write(&self, offset: usize) {
        prefetch::to_write(self.data.as_ptr().wrapping_add(offset));
    }

    #[inline(always)]
    fn light_fence(&self, _: Fence) {
        // The other side's membarrier turns this into a full fence exactly
        // when it is needed; the compiler must not reorder across it.
        compiler_fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn full_fence(&self, _: Fence) {
        cold_path();
        fence(Ordering::SeqCst);
    }

    fn heavy_fence(&self, _: Fence) -> Result<()> {
        if self.is_symmetric() {
            fence(Ordering::SeqCst);
            Ok(())
        } else {
            membarrier::global_expedited()
        }
    }

    fn is_symmetric(&self) -> bool {
        self.whole.region.header().fence_mode == FenceMode::Symmetric
    }

    fn wake_futex(&self, word: Word32) {
        futex::wake_all(self.word32(word));
    }
}
