//! What a user sets about an endpoint.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::mem::Role;
use crate::wait::Deadline;

/// What std's sockets keep in the file description: one set for both halves.
#[derive(Debug)]
pub(crate) struct Settings {
    nonblocking: AtomicBool,
    busy_wait: AtomicBool,
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

// All settings are Relaxed: each is a value of its own that orders nothing.
impl Settings {
    pub(super) fn new() -> Self {
        Self {
            nonblocking: AtomicBool::new(false),
            busy_wait: AtomicBool::new(several_cpus()),
            read_timeout: AtomicU64::new(0),
            write_timeout: AtomicU64::new(0),
        }
    }

    pub(crate) fn nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    pub(crate) fn set_nonblocking(&self, on: bool) {
        self.nonblocking.store(on, Ordering::Relaxed);
    }

    pub(crate) fn busy_wait(&self) -> bool {
        self.busy_wait.load(Ordering::Relaxed)
    }

    pub(crate) fn set_busy_wait(&self, on: bool) {
        self.busy_wait.store(on, Ordering::Relaxed);
    }

    pub(crate) fn timeout(&self, of: Role) -> Option<Duration> {
        match self.timeout_word(of).load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(crate) fn set_timeout(&self, of: Role, timeout: Option<Duration>) -> Result<()> {
        let nanos = match timeout {
            None => 0,
            Some(Duration::ZERO) => return Err(Error::ZeroTimeout),
            // Beyond 584 years, as good as that.
            Some(timeout) => u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
        };
        self.timeout_word(of).store(nanos, Ordering::Relaxed);
        Ok(())
    }

    fn timeout_word(&self, of: Role) -> &AtomicU64 {
        match of {
            Role::Consumer => &self.read_timeout,
            Role::Producer => &self.write_timeout,
        }
    }

    /// The deadline of a call that begins now and has none of its own.
    pub(crate) fn deadline(&self, of: Role) -> Deadline {
        self.timeout(of).map_or(Deadline::NEVER, Deadline::after)
    }
}

/// Whether a peer could be running while we look: if not, looking is for nothing.
fn several_cpus() -> bool {
    static SEVERAL: OnceLock<bool> = OnceLock::new();
    *SEVERAL.get_or_init(|| std::thread::available_parallelism().map_or(true, |n| n.get() > 1))
}
