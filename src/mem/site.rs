//! The catalogue of accesses, fences and steps, so that each has one ordering and one
//! description, and a model can weaken each.

use std::sync::atomic::Ordering;

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
    /// announced: an end that has woken the other says that its fences are full ones.
    /// Release: whoever sees it sees what was published before, behind light ones.
    Announce,
    /// announced: that is taken back. Relaxed: [`Fence::WithdrawThenLook`] follows.
    Withdraw,
    /// announced: a waiter looks for it. Acquire.
    ObserveAnnounced,
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
    /// An endpoint's own thresholds. Relaxed: nobody else reads them, and a thread that waits
    /// sees the change, or whoever changed it sees that somebody waits, by
    /// [`Fence::ArmThenCheck`] and [`Fence::PublishThenLook`].
    Threshold,
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
            | Self::Announce
            | Self::RaiseEvents => Ordering::Release,
            Self::StoreSignals => Ordering::AcqRel,
            Self::ObserveTail
            | Self::ObserveHead
            | Self::ObserveWrite
            | Self::ObserveClosed
            | Self::ObserveAnnounced
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
            | Self::Withdraw
            | Self::Threshold => Ordering::Relaxed,
        }
    }
}

/// The fences between a store and a later load of something else.
///
/// Each *light* one stands on a path that is taken often and costs nothing in
/// asymmetric mode; the *heavy* one that it pairs with stands where somebody
/// is about to sleep or to declare an end, and pays for both. *Full* ones pair with each
/// other and with heavy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Heavy. Waiter: arm, **fence**, look at the condition again.
    /// With [`Fence::PublishThenLook`]: either the waiter sees the publication,
    /// or the publisher sees the waiter. Otherwise a wake-up could be lost.
    ArmThenCheck,
    /// Light, or full where that was announced. Publisher: store tail, head or mark, **fence**,
    /// look for a waiter.
    PublishThenLook,
    /// Full. Waiter: arm, **fence**, look whether the other end has announced full fences,
    /// and at the condition. With [`Fence::PublishThenLook`], [`Fence::ChangeThenLook`]
    /// and [`Fence::WithdrawThenLook`].
    ArmThenAsk,
    /// Full. Whoever closes or disables: set the flag, **fence**, look for a waiter.
    ChangeThenLook,
    /// Full. An end takes back that it makes full fences, **fence**, looks for a waiter, then and
    /// at each publication from then on.
    WithdrawThenLook,
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
