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

use std::ops::Deref;
use std::sync::atomic::Ordering;

pub use shared_slice::{SharedSlice, SharedSliceMut};

use crate::error::Result;
use crate::layout::word;

/// The 64-bit words of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word64 {
    /// Payload bytes ever published, written by the producer.
    Tail,
    /// Ring bytes ever published, written by the producer.
    TailCursor,
    /// Payload bytes ever consumed, written by the consumer.
    Head,
    /// Ring bytes ever consumed, written by the consumer.
    HeadCursor,
    /// How many queued bytes the consumer waits for.
    ConsumerWant,
    /// How many free bytes the producer waits for.
    ProducerWant,
    /// From how many queued bytes on those who wait for signals of the consuming
    /// endpoint should look.
    ConsumerEventWant,
    /// From how many free bytes on those who wait for signals of the producing
    /// endpoint should look.
    ProducerEventWant,
    /// The [`stored`] signals of the consuming endpoint, set by either side.
    Signals,
    /// The read threshold of the consuming endpoint, written by itself.
    ReadThreshold,
    /// The write threshold of the consuming endpoint, written by itself. It concerns
    /// the other direction, the one that this endpoint produces.
    WriteThreshold,
}

impl Word64 {
    /// Offset within the block of the direction.
    #[inline(always)]
    pub const fn offset(self) -> usize {
        match self {
            Self::Tail => word::TAIL,
            Self::TailCursor => word::TAIL_CURSOR,
            Self::Head => word::HEAD,
            Self::HeadCursor => word::HEAD_CURSOR,
            Self::ConsumerWant => word::CONSUMER_WANT,
            Self::ProducerWant => word::PRODUCER_WANT,
            Self::ConsumerEventWant => word::CONSUMER_EVENT_WANT,
            Self::ProducerEventWant => word::PRODUCER_EVENT_WANT,
            Self::Signals => word::SIGNALS,
            Self::ReadThreshold => word::READ_THRESHOLD,
            Self::WriteThreshold => word::WRITE_THRESHOLD,
        }
    }
}

/// The 32-bit words of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word32 {
    /// Set of [`flags`], set by either side.
    ConsumerFlags,
    /// Set of [`waiter`] bits; the consumer's futex.
    ConsumerWaiter,
    /// Set of [`flags`], set by either side.
    ProducerFlags,
    /// Set of [`waiter`] bits; the producer's futex.
    ProducerWaiter,
    /// 1 while the producer is between its check of the flags and its publication.
    Writing,
    /// Counts what concerns those who wait for signals of the consuming endpoint; their futex.
    Events,
}

impl Word32 {
    /// Offset within the block of the direction.
    #[inline(always)]
    pub const fn offset(self) -> usize {
        match self {
            Self::ConsumerFlags => word::CONSUMER_FLAGS,
            Self::ConsumerWaiter => word::CONSUMER_WAITER,
            Self::ProducerFlags => word::PRODUCER_FLAGS,
            Self::ProducerWaiter => word::PRODUCER_WAITER,
            Self::Writing => word::WRITING,
            Self::Events => word::EVENTS,
        }
    }
}

/// Bits of [`Word32::ConsumerFlags`] and [`Word32::ProducerFlags`].
pub mod flags {
    /// The endpoint at this end of the direction is closed.
    pub const CLOSED: u32 = 1;
    /// Writing in this direction is disabled. Only in the consumer's flags,
    /// because the producer reads those on every write.
    ///
    /// This bit and those above it are a count: disabling adds one to an even
    /// count, enabling adds one to an odd one. So whoever remembers the word can tell not
    /// only what holds, but what has happened since.
    pub const WRITE_DISABLED: u32 = 2;
    /// Either of the two, which a producer must see off.
    pub const REFUSED: u32 = CLOSED | WRITE_DISABLED;
}

/// Parts of [`Word64::Signals`].
pub mod stored {
    /// The signals that are on.
    pub const ON: u64 = u32::MAX as u64;
    /// How far above its own bit a signal has one that says: it went on since
    /// somebody of the endpoint's process looked, and perhaps off again.
    pub const RISEN_SHIFT: u32 = u32::BITS;
}

/// Bits of [`Word32::ConsumerWaiter`] and [`Word32::ProducerWaiter`].
pub mod waiter {
    /// A thread sleeps, or is about to, on the futex in this word.
    pub const FUTEX: u32 = 1;
    /// Somebody polls the descriptor and wants a byte through the doorbell.
    pub const DOORBELL: u32 = 2;
    /// The want is a preference: with fewer bytes the waiter can go on too,
    /// and must be let go on rather than have both sides asleep.
    pub const SOFT: u32 = 4;
    /// Threads wait for signals of this endpoint, on the futex in
    /// [`Word32::Events`](super::Word32::Events). In the consumer's word whatever they wait for, in
    /// the producer's if space concerns them. Comes with a want of its own.
    pub const EVENT: u32 = 8;
    /// Somebody who waits for signals wants a byte through the doorbell.
    pub const EVENT_BELL: u32 = 16;

    /// The bits of whoever waits for bytes.
    pub const BYTES: u32 = FUTEX | DOORBELL | SOFT;
    /// The bits of those who wait for signals.
    pub const EVENTS: u32 = EVENT | EVENT_BELL;
}

/// The two ends of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Writes.
    Producer,
    /// Reads.
    Consumer,
}

impl Role {
    /// The word in which this end says how it waits.
    #[inline(always)]
    pub const fn waiter(self) -> Word32 {
        match self {
            Self::Producer => Word32::ProducerWaiter,
            Self::Consumer => Word32::ConsumerWaiter,
        }
    }

    /// The word in which this end says from how many bytes on signals may change.
    #[inline(always)]
    pub const fn event_want(self) -> Word64 {
        match self {
            Self::Producer => Word64::ProducerEventWant,
            Self::Consumer => Word64::ConsumerEventWant,
        }
    }

    /// The word in which this end says what it waits for.
    #[inline(always)]
    pub const fn want(self) -> Word64 {
        match self {
            Self::Producer => Word64::ProducerWant,
            Self::Consumer => Word64::ConsumerWant,
        }
    }

    /// The word that says whether this end is closed.
    #[inline(always)]
    pub const fn flags(self) -> Word32 {
        match self {
            Self::Producer => Word32::ProducerFlags,
            Self::Consumer => Word32::ConsumerFlags,
        }
    }

    /// The other end of the direction.
    #[inline(always)]
    pub const fn peer(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }
}

/// Every access to a shared word, by what it is for. See `docs/memory-model.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// data-published: the producer's store of the tail. Release, so that
    /// whoever sees the tail sees the bytes before it.
    PublishTail,
    /// data-published: the consumer's load of the tail. Acquire.
    ObserveTail,
    /// space-freed: the consumer's store of the head. Release, so that its
    /// reads of the bytes are over before the producer may overwrite them.
    PublishHead,
    /// space-freed: the producer's load of the head. Acquire.
    ObserveHead,
    /// The ring position beside tail or head. Relaxed: read only when an
    /// endpoint is attached, and its journey there synchronises; untrusted.
    Cursor,
    /// write-in-progress: the mark is set. Relaxed: [`Fence::MarkThenCheck`]
    /// keeps it before the check.
    BeginWrite,
    /// write-in-progress: the mark is cleared. Release, so that whoever sees
    /// no mark sees the tail of the write that it stood for.
    EndWrite,
    /// write-in-progress: the consumer looks for the mark. Acquire.
    ObserveWrite,
    /// The producer's check of the consumer's flags on every write. Relaxed:
    /// nothing is read because of it; fenced by [`Fence::MarkThenCheck`].
    CheckFlags,
    /// closed: an end sets its closed bit. Release: what it published before
    /// is visible to whoever sees the bit. Set for a killed peer by somebody else, what the
    /// peer published is ordered before by the kernel: its exit, the hang-up, our call
    /// that reports it.
    Close,
    /// closed: the consumer looks for the producer's closed bit. Acquire.
    ObserveClosed,
    /// Either side disables or enables writing. Relaxed: [`Fence::DisableThenCheckMark`]
    /// and the mark do the rest.
    SetDisposition,
    /// The consumer looks whether writing is disabled. Relaxed, as above.
    ObserveDisabled,
    /// The waiter says what it waits for. Relaxed: before [`Site::Arm`] and
    /// [`Fence::ArmThenCheck`].
    SetWant,
    /// The waker reads what is waited for. Relaxed: behind
    /// [`Fence::PublishThenLook`].
    ReadWant,
    /// The waiter says that it waits. Relaxed: [`Fence::ArmThenCheck`] follows.
    Arm,
    /// The waiter says that it waits no longer. Relaxed: a waker that is late
    /// wakes for nothing.
    Disarm,
    /// The waker looks whether anybody waits. Relaxed: behind
    /// [`Fence::PublishThenLook`].
    LookForWaiter,
    /// The waker takes the waiter's bits. Relaxed: the futex and the doorbell
    /// carry no data, the woken side looks at tail, head and flags again.
    TakeWaiter,
    /// signals-stored: signals of an endpoint are set or cleared, or their rises taken.
    /// Release: whoever sees a signal sees what was done before it was set; Acquire, since
    /// what is replaced may have been stored after it was last looked at.
    StoreSignals,
    /// signals-stored: the signals of an endpoint are looked at. Acquire.
    ObserveSignals,
    /// waiters-taken: a waker that has taken the bits of those who wait for signals raises the
    /// number of events. Release: whoever sees the number sees the bits gone.
    RaiseEvents,
    /// waiters-taken: those who wait for signals note how many events there were, before
    /// they see to it that their bits are there. Acquire. An old number does no
    /// harm: the futex compares it.
    CountEvents,
    /// An endpoint's own thresholds. Relaxed: nobody else reads them, and its threads
    /// agree under a lock of their own.
    Threshold,
    /// Statistics. Relaxed.
    Inspect,
}

impl Site {
    /// The ordering of the access.
    #[inline(always)]
    pub const fn ordering(self) -> Ordering {
        match self {
            Self::PublishTail
            | Self::PublishHead
            | Self::EndWrite
            | Self::Close
            | Self::RaiseEvents => Ordering::Release,
            Self::StoreSignals => Ordering::AcqRel,
            Self::ObserveTail
            | Self::ObserveHead
            | Self::ObserveWrite
            | Self::ObserveClosed
            | Self::ObserveSignals
            | Self::CountEvents => Ordering::Acquire,
            Self::Cursor
            | Self::BeginWrite
            | Self::CheckFlags
            | Self::SetDisposition
            | Self::ObserveDisabled
            | Self::SetWant
            | Self::ReadWant
            | Self::Arm
            | Self::Disarm
            | Self::LookForWaiter
            | Self::TakeWaiter
            | Self::Threshold
            | Self::Inspect => Ordering::Relaxed,
        }
    }
}

/// The fences between a store and a later load of something else.
///
/// Each *light* one stands on a path that is taken often and costs nothing in
/// asymmetric mode; the *heavy* one that it pairs with stands where somebody
/// is about to sleep or to declare an end, and pays for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Heavy. Waiter: arm, **fence**, look at the condition again.
    /// With [`Fence::PublishThenLook`]: either the waiter sees the publication,
    /// or the publisher sees the waiter. Otherwise a wake-up could be lost.
    ArmThenCheck,
    /// Light. Publisher: store tail, head, mark or flag, **fence**, look for a waiter.
    PublishThenLook,
    /// Light. Producer: set the mark, **fence**, check the flags.
    /// With [`Fence::DisableThenCheckMark`]: either the producer sees that
    /// writing is disabled, or the consumer sees the mark. Otherwise a byte
    /// could be accepted after the end of the stream was reported.
    MarkThenCheck,
    /// Heavy. Consumer: see that writing is disabled, **fence**, look for the
    /// mark. The consumer pays, not whoever disabled: that one may have been
    /// killed between its store and its fence.
    DisableThenCheckMark,
}

/// Steps of the protocol that look redundant. A model that skips one must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The waiter looks at its condition again after it has armed.
    CheckAfterArm,
    /// The consumer looks at the tail again after it saw the producer closed.
    CheckTailAfterClosed,
    /// The consumer looks at the tail again after it saw no write in progress.
    CheckTailAfterMark,
    /// The consumer looks for a write in progress before it reports an end.
    CheckMark,
    /// Whoever closes wakes the other end.
    WakeAfterClose,
    /// Whoever closes for a peer that is gone wakes the own sleepers even if no waiter
    /// shows: the peer may have taken the waiter's bits and then been killed.
    WakeUnasked,
    /// Whoever disables wakes both ends.
    WakeAfterDisable,
    /// Whoever enables wakes those who wait for signals at the other end.
    WakeAfterEnable,
    /// Whoever changes the signals of the peer wakes those who wait for them.
    WakeAfterSignal,
    /// Whoever sets a signal leaves a trace of that, for the case that it is cleared
    /// before anybody looks.
    RecordRise,
    /// A consumer that has seen the end looks whether writing was enabled since.
    CheckEnabled,
    /// A producer that finished or gave up a write wakes the consumer if
    /// writing was disabled meanwhile, whatever the consumer wants.
    WakeAfterDisabledWrite,
    /// A publisher checks the want before it wakes.
    CheckWant,
    /// A consumer that goes to sleep for more than is queued lets a producer
    /// go on that sleeps on a soft want.
    RelieveSoftWaiter,
}

/// One direction's words and bytes, and the fences and the futex that go with them.
///
/// Implementations must not trust their callers with bounds beyond
/// what each method says, and callers must not trust what they load.
pub trait Memory {
    /// Loads a 64-bit word.
    fn load64(&self, word: Word64, site: Site) -> u64;
    /// Stores a 64-bit word.
    fn store64(&self, word: Word64, value: u64, site: Site);
    /// Loads a 32-bit word.
    fn load32(&self, word: Word32, site: Site) -> u32;
    /// Stores a 32-bit word.
    fn store32(&self, word: Word32, value: u32, site: Site);
    /// Replaces a 32-bit word and returns what it was.
    fn swap32(&self, word: Word32, value: u32, site: Site) -> u32;
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

    /// Ring bytes of the data area.
    fn area(&self) -> usize;
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

    /// A light fence.
    fn light_fence(&self, fence: Fence);
    /// A heavy fence.
    ///
    /// # Errors
    /// [`Error::FenceRefused`](crate::Error::FenceRefused) if the system
    /// refuses it; then nothing that relies on it may be done.
    fn heavy_fence(&self, fence: Fence) -> Result<()>;

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

/// Whatever leads to a [`Memory`] is one.
impl<T> Memory for T
where
    T: Deref,
    T::Target: Memory,
{
    #[inline(always)]
    fn load64(&self, word: Word64, site: Site) -> u64 {
        (**self).load64(word, site)
    }

    #[inline(always)]
    fn store64(&self, word: Word64, value: u64, site: Site) {
        (**self).store64(word, value, site);
    }

    #[inline(always)]
    fn load32(&self, word: Word32, site: Site) -> u32 {
        (**self).load32(word, site)
    }

    #[inline(always)]
    fn store32(&self, word: Word32, value: u32, site: Site) {
        (**self).store32(word, value, site);
    }

    fn swap32(&self, word: Word32, value: u32, site: Site) -> u32 {
        (**self).swap32(word, value, site)
    }

    fn exchange32(&self, word: Word32, current: u32, new: u32, site: Site) -> Result<u32, u32> {
        (**self).exchange32(word, current, new, site)
    }

    fn exchange64(&self, word: Word64, current: u64, new: u64, site: Site) -> Result<u64, u64> {
        (**self).exchange64(word, current, new, site)
    }

    fn raise32(&self, word: Word32, site: Site) {
        (**self).raise32(word, site);
    }

    fn set32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        (**self).set32(word, bits, site)
    }

    fn clear32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        (**self).clear32(word, bits, site)
    }

    #[inline(always)]
    fn area(&self) -> usize {
        (**self).area()
    }

    #[inline(always)]
    fn copy_in(&self, offset: usize, src: &[u8]) {
        (**self).copy_in(offset, src);
    }

    #[inline(always)]
    fn copy_out(&self, offset: usize, dst: &mut [u8]) {
        (**self).copy_out(offset, dst);
    }

    #[inline(always)]
    fn light_fence(&self, fence: Fence) {
        (**self).light_fence(fence);
    }

    fn heavy_fence(&self, fence: Fence) -> Result<()> {
        (**self).heavy_fence(fence)
    }

    fn wake_futex(&self, word: Word32) {
        (**self).wake_futex(word);
    }

    #[inline(always)]
    fn performs(&self, step: Step) -> bool {
        (**self).performs(step)
    }
}
