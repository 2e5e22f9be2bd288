//! Noticing that this process is a fork.
//!
//! A forked child has the parent's mappings and descriptors, but an endpoint
//! has one owner. The parent stays the owner; in the child its endpoints refuse
//! to work and dropping them tells the peer nothing. The child notices by a
//! generation number that a handler raises in it.

#![allow(unsafe_code, reason = "registers a fork handler")]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static INSTALL: Once = Once::new();

extern "C" fn in_child() {
    // Relaxed: a forked child has one thread.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Makes forks noticeable from now on. Comes before the first endpoint.
///
/// [pthread_atfork(3)](https://man7.org/linux/man-pages/man3/pthread_atfork.3.html)
pub(crate) fn install() {
    INSTALL.call_once(|| {
        // SAFETY: `in_child` is async-signal-safe, as the child of a multi-threaded
        // process requires: it does one atomic addition on a static. It is never
        // unloaded before the program ends unless the whole library is.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        // ENOMEM for a few bytes: treated as every failed small allocation.
        assert_eq!(failed, 0, "pthread_atfork: out of memory");
    });
}

/// How many forks lie between this process and the one that called [`install`].
#[inline(always)]
pub(crate) fn generation() -> u32 {
    // Relaxed: changes only while the process has one thread.
    GENERATION.load(Ordering::Relaxed)
}
