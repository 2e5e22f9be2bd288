//! The directions of an endpoint, as the core uses them: memory, and ways to wait, to wake and to
//! be woken.

use std::ops::Deref;
use std::sync::Arc;

use super::link::Link;
use crate::error::{Error, Result};
use crate::mem::mapped::Mapped;
use crate::mem::{Role, Word32};
use crate::sys::{futex, hangup};
use crate::wait::{Deadline, Notify, Park, Wake};

/// One direction of an endpoint, with a way to reach the peer, for whoever is not to wait.
pub(crate) struct Belled<'a> {
    mapped: &'a Mapped,
    link: &'a Link,
}

impl<'a> Belled<'a> {
    /// The direction of `link` in which it has `role`.
    pub(super) fn new(link: &'a Link, role: Role) -> Self {
        Self {
            mapped: link.direction(role),
            link,
        }
    }
}

impl Deref for Belled<'_> {
    type Target = Mapped;

    fn deref(&self) -> &Mapped {
        self.mapped
    }
}

impl Notify for Belled<'_> {
    fn ring(&self) {
        self.link.doorbell().ring();
    }

    fn alert(&self, bits: u32) {
        self.link.alert(bits);
    }
}

/// One direction of an endpoint in use: what the halves read, write and wait on.
#[derive(Debug)]
pub(crate) struct Lane {
    mapped: Mapped,
    link: Arc<Link>,
}

impl Lane {
    /// The direction of `link` in which it has `role`.
    pub(crate) fn new(link: Arc<Link>, role: Role) -> Self {
        Self {
            mapped: link.direction(role).clone(),
            link,
        }
    }

    #[inline(always)]
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Deref for Lane {
    type Target = Mapped;

    #[inline(always)]
    fn deref(&self) -> &Mapped {
        &self.mapped
    }
}

impl Notify for Lane {
    fn ring(&self) {
        self.link.doorbell().ring();
    }

    fn alert(&self, bits: u32) {
        self.link.alert(bits);
    }

    fn note_wake_up(&self) {
        self.link.note_wake_up();
    }
}

impl Park for Lane {
    fn sleep(&self, word: Word32, expected: u32, deadline: Deadline) -> Result<Wake> {
        // The other half may have disconnected; the peer can take back its wake-up.
        self.link.check_owner()?;
        self.link.start_watch()?;
        hangup::check()?;
        if self.link.is_gone() {
            // The bits are about to be set; or somebody who still has the memory has taken
            // them back. Either way there is nothing to sleep for.
            self.link.hang_up();
            return Err(Error::PeerClosed);
        }
        Ok(futex::wait(self.mapped.futex(word), expected, deadline))
    }

    #[inline(always)]
    fn relax(&self) {
        std::hint::spin_loop();
    }
}
