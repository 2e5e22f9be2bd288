//! Loads that loom would not reorder, and the remedy.
//!
//! Loom explores one order of two accesses and then the other only if it notices
//! that they conflict. For that it remembers of each atomic the last access only.
//! When one thread loads a word, then another thread loads it and stores
//! to it, the second load hides the first, and loom (0.7) never runs the
//! store before the first load. A thread that arms looks at its waiter word and
//! then sets it, so this would hide lost wake-ups. The remedy is a [`Gate`] that
//! each load passes where its word may be stored to by a thread that loads it:
//! gates conflict whatever comes after.

use loom::sync::Condvar;

/// Where loom takes note that loads of one word by different threads conflict.
///
/// A condition variable that nobody waits for: telling it is a point at which
/// loom may switch threads, conflicts with every other such point, and neither
/// acquires nor releases anything.
#[derive(Debug)]
pub(crate) struct Gate(Condvar);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Condvar::new())
    }

    pub(crate) fn pass(&self) {
        self.0.notify_all();
    }
}
