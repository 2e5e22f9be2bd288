//! The caller's memory: the only place where its pointers are followed.
//!
//! Four views of it, each made from raw pointers by an `unsafe` constructor at the top of a
//! C function and safe to use from then on: [`Bytes`] and [`BytesMut`] for the engine,
//! [`In`] and [`Out`] for values. All of them come down to `copy_in` and `copy_out`, of
//! which there are two kinds: `plain` trusts every pointer but null, `checked` (cargo
//! feature `checked-pointers`) trusts none.
//!
//! Law:
//!
//! 1. Bytes are copied; no reference to the caller's memory is made. A reference promises
//!    alignment, initialised bytes and that nobody else writes, and C promises none of them.
//! 2. What was copied in is looked at only in our copy.
//! 3. An offset beyond the end is a bad address, whoever computed it: the views are
//!    safe to use by code that is wrong.

#![allow(unsafe_code, reason = "follows the pointers of C callers")]

#[cfg(feature = "checked-pointers")]
mod checked;
#[cfg(not(feature = "checked-pointers"))]
mod plain;
#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::mem::MaybeUninit;

#[cfg(feature = "checked-pointers")]
use checked as access;
use engine::zx::{
    BadAddress, Result, Sink, Source, Status, zx_port_packet_t, zx_status_t, zx_wait_item_t,
};
use engine::{SharedSlice, SharedSliceMut};
#[cfg(not(feature = "checked-pointers"))]
use plain as access;

/// Begins a call that is given pointers: whether they can be followed the way that this build
/// promises.
///
/// # Errors
/// `NOT_SUPPORTED` if they are to be checked and the system refuses that; `NO_MEMORY`, `INTERNAL`
/// if it failed to, this time.
pub(crate) fn ready() -> Result {
    access::ready()
}

/// What a call reports that failed with this: why a copy failed, if that was not a bad pointer.
pub(crate) fn explain(status: Status) -> Status {
    access::explain(status)
}

/// Types that are nothing but bytes.
///
/// # Safety
/// Every pattern of bits must be a value.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer (handles, signals, numbers).
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for zx_status_t {}
// SAFETY: an integer.
unsafe impl Plain for usize {}
// SAFETY: a struct of integers without padding.
unsafe impl Plain for zx_wait_item_t {}
// SAFETY: integers, and a union of arrays of integers and a struct of integers.
unsafe impl Plain for zx_port_packet_t {}

/// Bytes that a call reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    start: *const u8,
    len: usize,
}

impl Bytes {
    /// # Safety
    /// The caller's promise (see the crate): null, or readable for `len` bytes while
    /// this exists; initialised, if [`fetch`](Source::fetch) is to be called.
    pub(crate) unsafe fn new(start: *const c_void, len: usize) -> Self {
        let start = start.cast();
        Self { start, len }
    }

    /// Copies bytes from `at` on to `dst`.
    ///
    /// # Safety
    /// `dst` must be writable for `n` bytes.
    unsafe fn copy(&self, at: usize, dst: *mut u8, n: usize) -> Result<(), BadAddress> {
        check(self.start, self.len, at, n)?;
        // SAFETY: `dst` by this function's own contract. The source: `check` found that it is
        // not null and that n bytes from `at` on end at or before `len`, all of which `new`
        // was promised readable.
        unsafe { access::copy_in(self.start.wrapping_add(at), dst, n) }
    }
}

impl Source for Bytes {
    fn len(&self) -> usize {
        self.len
    }

    fn is_null(&self) -> bool {
        self.start.is_null()
    }

    fn copy_to(&self, at: usize, mut dst: SharedSliceMut<'_>) -> Result<(), BadAddress> {
        let n = dst.len();
        // SAFETY: a `SharedSliceMut` is writable for as many bytes as it says. The peer may
        // touch them meanwhile, which is the case that raw copies on shared memory are for.
        unsafe { self.copy(at, dst.as_mut_ptr(), n) }
    }

    fn fetch(&self, at: usize, dst: &mut [u8]) -> Result<(), BadAddress> {
        // SAFETY: a slice is writable for its length. It stays initialised: what is fetched is,
        // by the promise to `new`.
        unsafe { self.copy(at, dst.as_mut_ptr(), dst.len()) }
    }
}

/// Bytes that a call writes.
#[derive(Debug)]
pub(crate) struct BytesMut {
    start: *mut u8,
    len: usize,
}

impl BytesMut {
    /// # Safety
    /// The caller's promise (see the crate): null, or writable for `len` bytes while
    /// this exists.
    pub(crate) unsafe fn new(start: *mut c_void, len: usize) -> Self {
        let start = start.cast();
        Self { start, len }
    }

    /// Copies bytes from `src` to `at`.
    ///
    /// # Safety
    /// `src` must be readable for `n` bytes.
    unsafe fn copy(&mut self, at: usize, src: *const u8, n: usize) -> Result<(), BadAddress> {
        check(self.start, self.len, at, n)?;
        // SAFETY: `src` by this function's own contract. The destination: `check` found that
        // it is not null and that n bytes from `at` on end at or before `len`, all of
        // which `new` was promised writable.
        unsafe { access::copy_out(src, self.start.wrapping_add(at), n) }
    }
}

impl Sink for BytesMut {
    fn len(&self) -> usize {
        self.len
    }

    fn is_null(&self) -> bool {
        self.start.is_null()
    }

    fn copy_from(&mut self, at: usize, src: SharedSlice<'_>) -> Result<(), BadAddress> {
        // SAFETY: a `SharedSlice` is readable for as many bytes as it says. The peer may write
        // them meanwhile, which is the case that raw copies on shared memory are for.
        unsafe { self.copy(at, src.as_ptr(), src.len()) }
    }

    fn store(&mut self, at: usize, src: &[u8]) -> Result<(), BadAddress> {
        // SAFETY: a slice is readable for its length.
        unsafe { self.copy(at, src.as_ptr(), src.len()) }
    }
}

/// Refuses null, and ranges that are not within `len` bytes. Nothing at all can be copied
/// anywhere.
fn check(start: *const u8, len: usize, at: usize, n: usize) -> Result<(), BadAddress> {
    let inside = at.checked_add(n).is_some_and(|end| end <= len);
    if n == 0 || (inside && !start.is_null()) {
        Ok(())
    } else {
        Err(BadAddress)
    }
}

/// Values that a call reads: one, or an array of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct In<T> {
    start: *const T,
    count: usize,
}

impl<T: Plain> In<T> {
    /// # Safety
    /// The caller's promise (see the crate): null, or readable for `count` values, initialised,
    /// while this exists.
    pub(crate) unsafe fn new(start: *const T, count: usize) -> Self {
        Self { start, count }
    }

    /// How many values there are said to be.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The first value.
    pub(crate) fn get(&self) -> Result<T, BadAddress> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: it has room for one `T`.
        unsafe { self.copy(0, value.as_mut_ptr(), 1)? };
        // SAFETY: every byte of it was just copied, from memory that counts as initialised by
        // the promise to `new`, and any bytes make a `T` (`Plain`).
        Ok(unsafe { value.assume_init() })
    }

    /// Copies the values from `first` on to `values`, as many as that has, in one go.
    pub(crate) fn get_all(&self, first: usize, values: &mut [T]) -> Result<(), BadAddress> {
        // SAFETY: a slice has room for its length. It stays initialised, with values: as in `get`.
        unsafe { self.copy(first, values.as_mut_ptr(), values.len()) }
    }

    /// # Safety
    /// `dst` must be writable for `n` values.
    unsafe fn copy(&self, first: usize, dst: *mut T, n: usize) -> Result<(), BadAddress> {
        let [at, n, len] = sizes::<T, _>([first, n, self.count]).ok_or(BadAddress)?;
        // SAFETY: as `new` was promised `count` values, `len` bytes are readable.
        let bytes = unsafe { Bytes::new(self.start.cast(), len) };
        // SAFETY: this function's own contract: `n` is the size of so many values.
        unsafe { bytes.copy(at, dst.cast(), n) }
    }
}

/// Where a call puts values: one, or an array of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out<T> {
    start: *mut T,
    count: usize,
}

impl<T: Plain> Out<T> {
    /// A place for one value.
    ///
    /// # Safety
    /// As for [`array`](Self::array).
    pub(crate) unsafe fn new(start: *mut T) -> Self {
        // SAFETY: this function's own contract.
        unsafe { Self::array(start, 1) }
    }

    /// # Safety
    /// The caller's promise (see the crate): null, or writable for `count` values while
    /// this exists.
    pub(crate) unsafe fn array(start: *mut T, count: usize) -> Self {
        Self { start, count }
    }

    /// Whether the caller does not want it, or made a mistake.
    pub(crate) fn is_null(&self) -> bool {
        self.start.is_null()
    }

    /// Delivers a value that must be taken.
    ///
    /// # Errors
    /// `INVALID_ARGS` for a null or bad pointer.
    pub(crate) fn put(&self, value: T) -> Result {
        self.put_all(&[value])
    }

    /// Delivers a value if there is a pointer.
    ///
    /// # Errors
    /// `INVALID_ARGS` for a bad pointer.
    pub(crate) fn put_unless_null(&self, value: T) -> Result {
        if self.is_null() {
            return Ok(());
        }
        self.put(value)
    }

    /// Delivers the first values, in one go.
    ///
    /// # Errors
    /// `INVALID_ARGS` for a null or bad pointer.
    pub(crate) fn put_all(&self, values: &[T]) -> Result {
        let [len] = sizes::<T, _>([self.count]).ok_or(Status::INVALID_ARGS)?;
        // SAFETY: as `array` was promised `count` values, `len` bytes are writable.
        let mut bytes = unsafe { BytesMut::new(self.start.cast(), len) };
        // SAFETY: a slice is readable for its size.
        let copied = unsafe { bytes.copy(0, values.as_ptr().cast(), size_of_val(values)) };
        copied.map_err(|BadAddress| Status::INVALID_ARGS)
    }
}

/// How many bytes so many values take, unless there cannot be so many.
fn sizes<T, const N: usize>(counts: [usize; N]) -> Option<[usize; N]> {
    let mut sizes = counts;
    for size in &mut sizes {
        *size = size.checked_mul(size_of::<T>())?;
    }
    Some(sizes)
}
