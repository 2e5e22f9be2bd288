//! The only door to shared words and bytes.
//!
//! The law of this module, and of everything above it:
//!
//! 1. Whatever is read here may have been written by an enemy. It is loaded
//!    once into a local, checked there, and only the local is used.
//! 2. No reference to a shared byte ever exists. Payload is copied between
//!    private slices and shared memory, or lent as atomics ([`SharedSlice`]).
//! 3. A word is accessed only through [`Memory`], and every access names its
//!    [`Site`]. The site fixes the ordering, and its documentation names the
//!    site that it pairs with.
//!
//! The protocol is generic over [`Memory`], so the very code that runs over
//! mapped memory also runs over plain heap (unit tests), over loom's atomics
//! (model checking) and over a scripted enemy. A model can weaken one site
//! ([`Memory`] maps sites to orderings), drop one [`Fence`] or skip one
//! [`Step`], and must then fail.

pub(crate) mod mapped;
mod shared_slice;
mod site;
mod word;

use std::ops::Deref;

pub use shared_slice::{SharedSlice, SharedSliceMut};
pub use site::{Fence, Site, Step};
pub use word::{Role, Word32, Word64, flags, stored, waiter};

use crate::error::Result;

/// Whether `len` bytes from `offset` on are inside an area. In this form as whoever goes on behind
/// them has computed the sum already, and as one check where it is made twice.
#[inline(always)]
pub(crate) fn is_inside(area: usize, offset: usize, len: usize) -> bool {
    offset.checked_add(len).is_some_and(|end| end <= area)
}

/// One direction's words and bytes, and the fences and the futex that go with them.
///
/// Implementations must not trust their callers with bounds beyond
/// what each method says, and callers must not trust what they load.
pub trait Memory {
    /// The same memory, as a value.
    type Local<'a>: Memory + Copy
    where
        Self: 'a;

    /// The same memory, as a value that the compiler can keep in registers: at a fence it has
    /// everything loaded anew that is in memory, and so the addresses that make up `self`.
    fn local(&self) -> Self::Local<'_>;

    /// Loads a 64-bit word.
    fn load64(&self, word: Word64, site: Site) -> u64;
    /// Stores a 64-bit word.
    fn store64(&self, word: Word64, value: u64, site: Site);
    /// Loads a 32-bit word.
    fn load32(&self, word: Word32, site: Site) -> u32;
    /// Stores a 32-bit word.
    fn store32(&self, word: Word32, value: u32, site: Site);
    /// Replaces a 32-bit word if it is `current`.
    ///
    /// # Errors
    /// What it is instead.
    fn exchange32(&self, word: Word32, current: u32, new: u32, site: Site) -> Result<u32, u32>;
    /// Replaces a 64-bit word if it is `current`.
    ///
    /// # Errors
    /// What it is instead.
    fn exchange64(&self, word: Word64, current: u64, new: u64, site: Site) -> Result<u64, u64>;
    /// Adds 1 to a 32-bit word, wrapping.
    fn raise32(&self, word: Word32, site: Site);
    /// Sets bits of a 32-bit word and returns what it was.
    fn set32(&self, word: Word32, bits: u32, site: Site) -> u32;
    /// Clears bits of a 32-bit word and returns what it was.
    fn clear32(&self, word: Word32, bits: u32, site: Site) -> u32;
    /// Clears bits of a 64-bit word.
    fn clear64(&self, word: Word64, bits: u64, site: Site);

    /// Ring bytes of the data area.
    fn area(&self) -> usize;
    /// Ring bytes from the beginning of the area that are known to have memory behind them. Others
    /// must not be written before they are [reserved](Self::reserve).
    fn reserved(&self) -> usize {
        self.area()
    }
    /// Gives memory to the ring bytes between two offsets, those that have some keep it, and
    /// returns up to where there is memory now.
    ///
    /// # Errors
    /// What the system refused.
    fn reserve(&self, from: usize, to: usize) -> Result<usize> {
        let _ = from;
        Ok(to)
    }
    /// Copies `src` to the data area at `offset`.
    ///
    /// # Panics
    /// If the range is not inside the area.
    fn copy_in(&self, offset: usize, src: &[u8]);
    /// Copies from the data area at `offset` to `dst`.
    ///
    /// # Panics
    /// If the range is not inside the area.
    fn copy_out(&self, offset: usize, dst: &mut [u8]);
    /// Has the cache line at `offset`, wherever that is, fetched for reading.
    #[inline(always)]
    fn prefetch_to_read(&self, offset: usize) {
        let _ = offset;
    }
    /// Has the cache line at `offset`, wherever that is, fetched for writing.
    #[inline(always)]
    fn prefetch_to_write(&self, offset: usize) {
        let _ = offset;
    }

    /// A light fence. In a pair with symmetric fences it is no fence at all.
    fn light_fence(&self, fence: Fence);
    /// A full fence, which the calling thread makes for itself.
    fn full_fence(&self, fence: Fence);
    /// A heavy fence.
    ///
    /// # Errors
    /// [`Error::FenceRefused`](crate::Error::FenceRefused) if the system
    /// refuses it; then nothing that relies on it may be done.
    fn heavy_fence(&self, fence: Fence) -> Result<()>;
    /// Whether the pair has full fences only.
    fn is_symmetric(&self) -> bool;
    /// How many full fences an end makes after it has woken the other one. Each costs about 20 ns, and
    /// all of them less than the wake-up did.
    fn full_fences(&self) -> u32 {
        32
    }

    /// Wakes every thread, of any process, that sleeps on the futex in `word`.
    fn wake_futex(&self, word: Word32);

    /// Whether to carry out `step`: always, but in a model that shows what the
    /// step is for.
    #[inline(always)]
    fn performs(&self, step: Step) -> bool {
        let _ = step;
        true
    }
}

/// All methods of a [`Memory`] but `local`, carried out by another one.
macro_rules! forward_memory {
    (|$this:ident| $target:expr) => {
        #[inline(always)]
        fn load64(&self, word: Word64, site: Site) -> u64 {
            let $this = self;
            $target.load64(word, site)
        }

        #[inline(always)]
        fn store64(&self, word: Word64, value: u64, site: Site) {
            let $this = self;
            $target.store64(word, value, site);
        }

        #[inline(always)]
        fn load32(&self, word: Word32, site: Site) -> u32 {
            let $this = self;
            $target.load32(word, site)
        }

        #[inline(always)]
        fn store32(&self, word: Word32, value: u32, site: Site) {
            let $this = self;
            $target.store32(word, value, site);
        }

        fn exchange32(&self, word: Word32, current: u32, new: u32, site: Site) -> Result<u32, u32> {
            let $this = self;
            $target.exchange32(word, current, new, site)
        }

        fn exchange64(&self, word: Word64, current: u64, new: u64, site: Site) -> Result<u64, u64> {
            let $this = self;
            $target.exchange64(word, current, new, site)
        }

        fn raise32(&self, word: Word32, site: Site) {
            let $this = self;
            $target.raise32(word, site);
        }

        fn set32(&self, word: Word32, bits: u32, site: Site) -> u32 {
            let $this = self;
            $target.set32(word, bits, site)
        }

        fn clear32(&self, word: Word32, bits: u32, site: Site) -> u32 {
            let $this = self;
            $target.clear32(word, bits, site)
        }

        fn clear64(&self, word: Word64, bits: u64, site: Site) {
            let $this = self;
            $target.clear64(word, bits, site);
        }

        #[inline(always)]
        fn area(&self) -> usize {
            let $this = self;
            $target.area()
        }

        fn reserved(&self) -> usize {
            let $this = self;
            $target.reserved()
        }

        fn reserve(&self, from: usize, to: usize) -> Result<usize> {
            let $this = self;
            $target.reserve(from, to)
        }

        #[inline(always)]
        fn copy_in(&self, offset: usize, src: &[u8]) {
            let $this = self;
            $target.copy_in(offset, src);
        }

        #[inline(always)]
        fn copy_out(&self, offset: usize, dst: &mut [u8]) {
            let $this = self;
            $target.copy_out(offset, dst);
        }

        #[inline(always)]
        fn prefetch_to_read(&self, offset: usize) {
            let $this = self;
            $target.prefetch_to_read(offset);
        }

        #[inline(always)]
        fn prefetch_to_write(&self, offset: usize) {
            let $this = self;
            $target.prefetch_to_write(offset);
        }

        #[inline(always)]
        fn light_fence(&self, fence: Fence) {
            let $this = self;
            $target.light_fence(fence);
        }

        #[inline(always)]
        fn full_fence(&self, fence: Fence) {
            let $this = self;
            $target.full_fence(fence);
        }

        fn heavy_fence(&self, fence: Fence) -> Result<()> {
            let $this = self;
            $target.heavy_fence(fence)
        }

        fn is_symmetric(&self) -> bool {
            let $this = self;
            $target.is_symmetric()
        }

        fn full_fences(&self) -> u32 {
            let $this = self;
            $target.full_fences()
        }

        fn wake_futex(&self, word: Word32) {
            let $this = self;
            $target.wake_futex(word);
        }

        #[inline(always)]
        fn performs(&self, step: Step) -> bool {
            let $this = self;
            $target.performs(step)
        }
    };
}
use forward_memory;

/// Whatever leads to a [`Memory`] is one.
impl<T> Memory for T
where
    T: Deref,
    T::Target: Memory,
{
    type Local<'a>
        = <T::Target as Memory>::Local<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn local(&self) -> Self::Local<'_> {
        (**self).local()
    }

    forward_memory!(|this| (**this));
}
