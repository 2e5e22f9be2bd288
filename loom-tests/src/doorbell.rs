//! One end of a doorbell: a descriptor that becomes readable, and somebody who
//! polls it.

use loom::sync::{Condvar, Mutex};

/// What the kernel keeps for one end of the socket pair.
#[derive(Debug)]
pub struct Doorbell {
    state: Mutex<State>,
    pollers: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rings: usize,
    hung_up: bool,
}

impl Doorbell {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            pollers: Condvar::new(),
        }
    }

    /// The peer's part: makes this end readable.
    pub(crate) fn ring(&self) {
        self.change(|state| state.rings += 1);
    }

    /// The kernel's part: the last descriptor of the other end is gone.
    pub fn hang_up(&self) {
        self.change(|state| state.hung_up = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().expect("loom does not poison");
        change(&mut state);
        self.pollers.notify_all();
    }

    /// Polls until this end is readable or hung up, takes the rings, and says
    /// whether it is hung up.
    pub fn poll(&self) -> bool {
        let mut state = self.state.lock().expect("loom does not poison");
        while state.rings == 0 && !state.hung_up {
            state = self.pollers.wait(state).expect("loom does not poison");
        }
        state.rings = 0;
        state.hung_up
    }
}
