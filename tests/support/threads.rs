//! Threads that block, and how to know that they do.

use std::fs;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// The timeout of calls that somebody ends well before it. A lost wake-up shows as an
/// error, instead of as a test that never ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A thread that was started to block in a call.
pub(crate) struct Blocked<'scope, T> {
    thread: ScopedJoinHandle<'scope, T>,
    tid: i32,
}

/// Starts `call` on a thread of its own.
pub(crate) fn blocked<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    call: impl FnOnce() -> T + Send + 'scope,
) -> Blocked<'scope, T> {
    let (say, hear) = mpsc::channel();
    let thread = scope.spawn(move || {
        say.send(nix::unistd::gettid().as_raw()).unwrap();
        call()
    });
    let tid = hear.recv().unwrap();
    Blocked { thread, tid }
}

impl<T> Blocked<'_, T> {
    /// Waits until the thread sleeps on a futex (or is over, which its result shows).
    ///
    /// Where the kernel does not tell, returns at once: the test is still right then,
    /// it only meets the sleep less often.
    pub(crate) fn until_asleep(self) -> Self {
        let path = format!("/proc/self/task/{}/syscall", self.tid);
        let futex = libc::SYS_futex.to_string();
        while let Ok(line) = fs::read_to_string(&path) {
            if line.split_whitespace().next() == Some(&futex) || self.thread.is_finished() {
                break;
            }
            std::thread::yield_now();
        }
        self
    }

    /// What the call returned, after whatever was to wake it.
    ///
    /// A sleeper that nobody has woken would look again at its deadline, find what it
    /// waited for, and so hide the lost wake-up: it must be back long before.
    #[track_caller]
    pub(crate) fn result(self) -> T {
        let start = Instant::now();
        while !self.thread.is_finished() {
            assert!(start.elapsed() < PATIENCE / 2, "never woken");
            std::thread::yield_now();
        }
        self.thread.join().unwrap()
    }
}
