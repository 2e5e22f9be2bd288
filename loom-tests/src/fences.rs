//! The two kinds of fence, in both of the crate's modes.
//!
//! Symmetric mode is loom's `fence(SeqCst)`, on either side. That is what a
//! process executes in this mode, but it is more than the protocol relies on:
//! such a fence also acquires and releases, and would make up for a weakened
//! access next to it.
//!
//! Asymmetric mode models what `membarrier(2)` promises. The call makes every
//! other running thread pass a full barrier at some point of its program, and a
//! light fence only keeps the compiler from moving accesses across it. So for
//! each pair of a heavy and a light fence that point lies either behind the
//! light one, and then the heavy side sees all that stood before the light
//! one, or before it, and then the light side sees all that stood before the
//! heavy one. Two light fences promise each other nothing.
//!
//! This is the model: all fences are put into one order by a read-modify-write of
//! `order`. A light fence releases to it and a heavy one acquires from it, so
//! the heavy fence sees every light one before it. A light fence that
//! finds heavy ones before it acquires what they released to `heavy`. No light
//! fence ever acquires from `order`, so none sees another.

use loom::sync::atomic::{AtomicU32, Ordering, fence};

use crate::rules::Fencing;

/// The fences of one pair of endpoints, or of one process.
#[derive(Debug)]
pub(crate) struct Fences {
    fencing: Fencing,
    /// Counts heavy fences; its modification order is the order of all fences.
    order: AtomicU32,
    /// Carries what stood before each heavy fence.
    heavy: AtomicU32,
}

impl Fences {
    pub(crate) fn new(fencing: Fencing) -> Self {
        Self {
            fencing,
            order: AtomicU32::new(0),
            heavy: AtomicU32::new(0),
        }
    }

    pub(crate) fn light(&self) {
        match self.fencing {
            Fencing::Symmetric => fence(Ordering::SeqCst),
            Fencing::Asymmetric => {
                if self.order.fetch_add(0, Ordering::Release) != 0 {
                    atomically(|| self.heavy.fetch_add(0, Ordering::Acquire));
                }
            }
        }
    }

    /// A full fence, in either mode.
    pub(crate) fn full(&self) {
        fence(Ordering::SeqCst);
    }

    /// A full fence that is to be a light one as well, for those who make heavy ones.
    ///
    /// In this order, as loom's fence acquires from every store that the thread has read, that
    /// of the order of fences too.
    pub(crate) fn full_and_light(&self) {
        self.full();
        if self.fencing == Fencing::Asymmetric {
            self.light();
        }
    }

    pub(crate) fn heavy(&self) {
        match self.fencing {
            Fencing::Symmetric => fence(Ordering::SeqCst),
            Fencing::Asymmetric => {
                self.heavy.fetch_add(1, Ordering::Release);
                atomically(|| self.order.fetch_add(1, Ordering::AcqRel));
            }
        }
    }
}

/// Does `access` together with the one before it: no other thread comes between.
/// Without this a light fence could see a heavy one that is not in the order yet.
pub(crate) fn atomically<R>(access: impl FnOnce() -> R) -> R {
    loom::stop_exploring();
    let result = access();
    loom::explore();
    result
}
