//! A thread that waits for signals, as an observer.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{ThreadId, current};

use crate::error::Error;
use crate::signals::Signals;
use crate::sys::eventfd::EventFd;

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
pub(crate) struct Sleeper {
    thread: ThreadId,
    /// Either whoever ends it finds the bell, or the thread, which put that there later,
    /// finds the outcome: they are under one lock.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    /// The descriptor that wakes a thread which polls; without, it sleeps on the
    /// subject's futex.
    bell: Option<Bell>,
}

/// A descriptor of a thread that polls, shared by what it waits on.
pub(crate) type Bell = Arc<EventFd>;

impl Sleeper {
    /// A sleeper of the calling thread.
    pub(crate) fn new() -> Self {
        Self {
            thread: current().id(),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock panics halfway.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// How it ended, if it has.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.lock().outcome
    }

    /// Whether it polls instead of sleeping on a futex.
    pub(crate) fn polls(&self) -> bool {
        self.lock().bell.is_some()
    }

    /// Polls from now on.
    pub(super) fn set_bell(&self, bell: &Bell) {
        self.lock().bell = Some(Arc::clone(bell));
    }

    /// Ends it, once; says whether the subject's futex has to be woken for it.
    pub(super) fn finish(&self, outcome: Outcome) -> bool {
        let mut state = self.lock();
        if state.outcome.is_some() {
            return false;
        }
        state.outcome = Some(outcome);
        if self.thread == current().id() {
            return false;
        }
        if let Some(bell) = &state.bell {
            bell.set();
        }
        state.bell.is_none()
    }
}
