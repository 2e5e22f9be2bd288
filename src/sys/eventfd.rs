//! A descriptor that is readable while a flag is set.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::eventfd::{self, EfdFlags};

use crate::error::{Error, Result};

/// `eventfd(2)`, used as a flag.
#[derive(Debug)]
pub(crate) struct EventFd(eventfd::EventFd);

impl EventFd {
    /// One that is not set.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn new() -> Result<Self> {
        eventfd::EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map(Self)
            .map_err(|e| Error::os("eventfd", e))
    }

    /// Makes the descriptor readable.
    pub(crate) fn set(&self) {
        // Fails only if the number is about to overflow, and then it is readable.
        let _ = self.0.write(1);
    }

    /// The descriptor is readable no longer.
    pub(crate) fn clear(&self) {
        // Fails only if it was not readable.
        let _ = self.0.read();
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<EventFd> for OwnedFd {
    fn from(event: EventFd) -> Self {
        event.0.into()
    }
}
