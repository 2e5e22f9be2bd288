//! Whose an endpoint is, and whether it works: what every operation asks first.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result, Violation};
use crate::sys::fork;

/// Set while somebody waits for signals.
const OBSERVED: u32 = 1 << 30;

/// The process that owns the endpoint, by its fork generation; with [`OBSERVED`] while
/// somebody waits for signals; or, from a violation of the peer's on, what [`broken`] says.
///
/// One comparison on the path of every operation finds out all three. Relaxed throughout: it is a
/// value of its own that orders nothing, and the other half of a split endpoint may learn
/// of a change a moment later.
#[derive(Debug)]
pub(super) struct Owner(AtomicU32);

impl Owner {
    /// This process.
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(fork::generation()))
    }

    /// # Errors
    /// [`Error::Forked`] in a process that was forked from the owner, [`Error::Protocol`] if the
    /// peer has broken the protocol.
    pub(super) fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            owner if owner == fork::generation() => Ok(()),
            owner => judge(owner),
        }
    }

    /// Whether the endpoint works here, and nobody waits for its signals. Whoever begins to while an
    /// operation goes on is not told of what that turns off.
    #[inline(always)]
    pub(super) fn is_unobserved(&self) -> bool {
        self.0.load(Ordering::Relaxed) == fork::generation()
    }

    /// Takes note that somebody waits for signals, or nobody any more.
    pub(super) fn set_observed(&self, observed: bool) {
        let generation = fork::generation();
        let (from, to) = if observed {
            (generation, generation | OBSERVED)
        } else {
            (generation | OBSERVED, generation)
        };
        // Fails if it is so already, or broken.
        let _ = self
            .0
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// From here on the endpoint does not work, because of what its peer has done.
    pub(super) fn break_off(&self, violation: Violation) {
        self.0.store(broken(violation), Ordering::Relaxed);
    }
}

/// What stands for the owner of an endpoint whose peer has done this: a number that no
/// count of forks reaches.
fn broken(violation: Violation) -> u32 {
    u32::MAX - violation as u32
}

/// What an owner other than this process's generation means: nothing, if it is observed; or
/// why the endpoint does not work here.
#[cold]
fn judge(owner: u32) -> Result<()> {
    if owner == fork::generation() | OBSERVED {
        return Ok(());
    }
    let violation = Violation::ALL
        .into_iter()
        .find(|violation| owner == broken(*violation));
    Err(violation.map_or(Error::Forked, Error::Protocol))
}
