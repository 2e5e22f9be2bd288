//! What several connections have in common that do the same at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::machine;
use crate::task::Usage;

/// Has them begin together, and end when the first one does; and says how long it took and what it cost
/// from there to the end of the last one.
#[derive(Debug)]
pub(super) struct Race {
    ready: Barrier,
    is_over: AtomicBool,
    beginning: Mutex<Option<Moment>>,
    end: Mutex<Option<Moment>>,
}

/// A point in time, and what this process has used until then.
#[derive(Clone, Copy, Debug)]
struct Moment {
    time: Instant,
    usage: Usage,
}

impl Moment {
    fn now() -> Self {
        Self {
            time: Instant::now(),
            usage: machine::usage().expect("a process can ask what it has used"),
        }
    }
}

impl Race {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            ready: Barrier::new(connections),
            is_over: AtomicBool::new(false),
            beginning: Mutex::default(),
            end: Mutex::default(),
        }
    }

    /// Begins when all are ready to.
    pub(super) fn begin(&self) -> Instant {
        if self.ready.wait().is_leader() {
            *self.beginning.lock().expect("nobody has panicked") = Some(Moment::now());
        }
        Instant::now()
    }

    /// Whether one of them has ended.
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        // ORDERING: Relaxed, as nothing but the flag is shared.
        self.is_over.load(Ordering::Relaxed)
    }

    /// One has ended.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        *self.end.lock().expect("nobody has panicked") = Some(Moment::now());
    }

    /// How long it took, and what it cost in this process.
    pub(super) fn result(self) -> (Duration, Usage) {
        let taken = |moment: Mutex<Option<Moment>>| {
            let moment = moment.into_inner().expect("nobody has panicked");
            moment.expect("all have begun and ended")
        };
        let (beginning, end) = (taken(self.beginning), taken(self.end));
        (end.time - beginning.time, end.usage.since(beginning.usage))
    }
}

#[cfg(test)]
mod tests {
    use std::hint;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    #[test]
    fn all_begin_when_the_last_is_ready_and_it_lasts_until_the_last_has_ended() {
        let (race, ready, ended) = (Race::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        let run = || {
            ready.fetch_add(1, Ordering::Relaxed);
            race.begin();
            assert_eq!(ready.load(Ordering::Relaxed), 3);
            // One ends by itself, and the others because it has.
            while ended.fetch_add(1, Ordering::Relaxed) > 0 && !race.is_over() {
                hint::spin_loop();
            }
            race.end();
        };
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(run);
            }
        });
        let (elapsed, _) = race.result();
        assert!(elapsed > Duration::ZERO && elapsed <= start.elapsed());
    }
}
