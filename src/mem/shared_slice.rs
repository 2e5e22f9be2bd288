//! Bytes of a ring, lent in a form that stays sound while a peer writes them.

#![allow(unsafe_code, reason = "makes slices of atomics from mapped memory")]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes in shared memory, readable in place.
///
/// The peer can change them at any moment, even after they were received: two
/// looks at the same byte may differ. So no `&[u8]` is to be had: look at a
/// byte once and keep it, copy out what must not change, or hand the memory to
/// a system call.
#[derive(Clone, Copy, Debug)]
pub struct SharedSlice<'a> {
    start: NonNull<u8>,
    len: usize,
    lent: PhantomData<&'a [AtomicU8]>,
}

impl<'a> SharedSlice<'a> {
    /// # Safety
    /// `start` must be valid for reads of `len` bytes for `'a`, and no Rust
    /// reference to plain bytes may overlap them during `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(start: NonNull<u8>, len: usize) -> Self {
        Self {
            start,
            len,
            lent: PhantomData,
        }
    }

    /// How many bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Byte `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<u8> {
        (index < self.len).then(|| self.load(index))
    }

    /// The bytes one after the other, each looked at once.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u8> + use<'a> {
        let slice = *self;
        (0..self.len).map(move |index| slice.load(index))
    }

    fn load(&self, index: usize) -> u8 {
        assert!(index < self.len);
        // SAFETY: `new` was promised `len` readable bytes, and `index` is below it; a `u8`
        // is aligned everywhere; whoever writes it meanwhile is another process.
        let byte = unsafe { AtomicU8::from_ptr(self.start.add(index).as_ptr()) };
        byte.load(Ordering::Relaxed)
    }

    /// Copies the beginning to `dst`, and says how many bytes that were:
    /// as many as both have.
    #[inline]
    pub fn copy_to(&self, dst: &mut [u8]) -> usize {
        let n = self.len.min(dst.len());
        // SAFETY: `new` was promised `len >= n` readable bytes; `dst` is ours and
        // has n. They do not overlap: nobody holds `&mut` to shared bytes. The
        // peer may write meanwhile; see "Racing copies" in `mapped.rs`.
        unsafe { std::ptr::copy_nonoverlapping(self.start.as_ptr(), dst.as_mut_ptr(), n) };
        n
    }

    /// Address of the first byte, for a system call.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }
}

/// Bytes in shared memory, to be filled in place.
///
/// The peer can read and change them at any moment; see [`SharedSlice`].
#[derive(Debug)]
pub struct SharedSliceMut<'a> {
    start: NonNull<u8>,
    len: usize,
    lent: PhantomData<&'a [AtomicU8]>,
}

impl<'a> SharedSliceMut<'a> {
    /// # Safety
    /// `start` must be valid for reads and writes of `len` bytes for `'a`, and
    /// no Rust reference to plain bytes may overlap them during `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(start: NonNull<u8>, len: usize) -> Self {
        Self {
            start,
            len,
            lent: PhantomData,
        }
    }

    /// How many bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes as atomics; store them with [`Ordering::Relaxed`].
    pub fn as_atomics(&self) -> &[AtomicU8] {
        // SAFETY: `new` was promised that the bytes are readable and writable and that no
        // plain reference to them exists during 'a; `AtomicU8` has the size and alignment
        // of `u8`. The atomics borrow `self`, so `copy_from`, which is a plain copy and
        // takes `&mut self`, cannot race with them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }

    /// Copies the beginning of `src` here, and says how many bytes that were:
    /// as many as both have.
    #[inline]
    pub fn copy_from(&mut self, src: &[u8]) -> usize {
        let n = self.len.min(src.len());
        // SAFETY: `new` was promised `len >= n` writable bytes; `src` has n and
        // is private, so they do not overlap. The peer may touch them meanwhile;
        // see "Racing copies" in `mapped.rs`.
        unsafe { std::ptr::copy_nonoverlapping(src.as_ptr(), self.start.as_ptr(), n) };
        n
    }

    /// Sets every byte to `value`.
    #[inline]
    pub fn fill(&mut self, value: u8) {
        // SAFETY: `new` was promised `len` writable bytes. The peer may touch them
        // meanwhile; see "Racing copies" in `mapped.rs`.
        unsafe { self.start.as_ptr().write_bytes(value, self.len) };
    }

    /// Address of the first byte, for a system call.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }
}

// SAFETY: the bytes may be used from any thread: all access is through atomics
// or raw copies that assume concurrent writers anyway, and 'a bounds the use.
unsafe impl Send for SharedSlice<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedSlice<'_> {}
// SAFETY: as above; one owner, as it is not `Clone`.
unsafe impl Send for SharedSliceMut<'_> {}
