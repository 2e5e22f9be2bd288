//! A thread that waits for signals, as an observer.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock};
use std::thread::{ThreadId, current};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::{Error, Result};
use crate::signals::Signals;

/// How the wait on one subject ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With these signals.
    Met(Signals),
    /// The handle was closed, with these signals.
    Cancelled(Signals),
    /// It cannot go on.
    Failed(Error),
}

/// What a thread waits with: told once by each subject that it waits on.
#[derive(Debug)]
pub(crate) struct Waiter {
    outcome: OnceLock<Outcome>,
    thread: ThreadId,
    /// The descriptor that wakes a thread which polls; without, it sleeps on the
    /// subject's futex.
    bell: Option<Bell>,
}

/// A descriptor of a thread that polls, shared by what it waits on.
pub(crate) type Bell = Arc<EventFd>;

/// Makes a bell.
///
/// # Errors
/// [`Error::Os`].
pub(super) fn bell() -> Result<Bell> {
    EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map(Arc::new)
        .map_err(|e| Error::os("eventfd", e))
}

impl Waiter {
    /// A waiter of the calling thread.
    pub(crate) fn new(bell: Option<Bell>) -> Self {
        Self {
            outcome: OnceLock::new(),
            thread: current().id(),
            bell,
        }
    }

    /// How it ended, if it has.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.get().copied()
    }

    /// Whether it polls instead of sleeping on a futex.
    pub(crate) fn polls(&self) -> bool {
        self.bell.is_some()
    }

    /// Ends it, once; says whether the subject's futex has to be woken for it.
    pub(super) fn finish(&self, outcome: Outcome) -> bool {
        if self.outcome.set(outcome).is_err() || self.thread == current().id() {
            return false;
        }
        if let Some(bell) = &self.bell {
            // Fails only if it is about to overflow, and then it is readable.
            let _ = bell.write(1);
        }
        self.bell.is_none()
    }
}

/// The descriptor of a bell.
pub(super) fn descriptor(bell: &Bell) -> BorrowedFd<'_> {
    bell.as_fd()
}
