//! Looks that have to wait until a lock is released.
//!
//! An operation on an endpoint that is being observed is carried out under the lock of
//! its observers, so that they miss no state in between. It may concern the peer, and
//! if that lives in this process too, its observers should be told before the operation is
//! over, and under their lock. Two threads that do so from either side would wait for each
//! other. So nobody takes a second such lock: the look at the peer comes after the first is
//! released.
//!
//! Nor does an endpoint end under such a lock: whoever is to look at the peer keeps it until then. It
//! could be the last who does, and closing the peer concerns this endpoint in turn.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::sync::Arc;

use super::link::Link;

/// Whom to look at after a lock is released; `None` while the thread holds no such lock.
type Postponed = Option<Vec<Arc<Link>>>;

thread_local! {
    /// Without a destructor, so that it is there for endpoints that are dropped by the destructors of
    /// other variables like this. Nothing is left in it that needs one.
    static POSTPONED: RefCell<ManuallyDrop<Postponed>> = const {
        RefCell::new(ManuallyDrop::new(None))
    };
}

fn replace(postponed: Postponed) -> Postponed {
    POSTPONED.with_borrow_mut(|now| mem::replace(&mut **now, postponed))
}

/// Carries out `locked`, which takes and releases one lock of observers, and then what was postponed
/// meanwhile.
pub(super) fn after<T>(locked: impl FnOnce() -> T) -> T {
    let _looks = Looks {
        outer: replace(Some(Vec::new())),
    };
    locked()
}

/// Makes the looks that were postponed, also if a panic has released the lock: where bytes are
/// copied, the caller's own code may run under it. Where that in turn uses another endpoint, they are
/// left to the outermost.
struct Looks {
    outer: Postponed,
}

impl Drop for Looks {
    fn drop(&mut self) {
        let outer = self.outer.take();
        let links = replace(outer).unwrap_or_default();
        links.into_iter().for_each(look);
    }
}

/// Has `link` looked at, now or when the lock that this thread holds is released.
pub(super) fn look(link: Arc<Link>) {
    let now = POSTPONED.with_borrow_mut(|postponed| match &mut **postponed {
        None => Some(link),
        Some(links) => {
            links.push(link);
            None
        }
    });
    if let Some(link) = now {
        link.look_now();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Weak;

    use super::*;
    use crate::layout::Kind;
    use crate::observe::{Observer, Outlet, Subject};
    use crate::signals::Signals;
    use crate::{Port, Stream, Trigger};

    /// The peer is dropped by another thread while its observers are about to be told.
    #[test]
    fn last_hold_on_a_peer_is_given_up_after_the_lock() {
        let [a, b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let waiter = Arc::new(crate::observe::Sleeper::new());
        let outlet = Outlet::Thread(Arc::clone(&waiter));
        a.enroll(Observer::new(0, Signals::PEER_CLOSED, false, outlet))
            .unwrap();
        let dropped: Weak<Link> = Arc::downgrade(&b);
        a.with_observers(|_| look(b));
        assert!(dropped.upgrade().is_none());
        assert!(waiter.outcome().is_some(), "the end of the peer shows");
    }

    /// What the endpoint needs when it closes must outlive it.
    #[test]
    fn endpoint_in_a_thread_local_variable_closes_with_the_thread() {
        thread_local!(static HELD: Cell<Option<Stream>> = const { Cell::new(None) });
        let (a, b) = Stream::pair().unwrap();
        let port = Port::new().unwrap();
        std::thread::spawn(move || {
            // Set first, so dropped last.
            HELD.set(Some(b));
            let (c, _d) = Stream::pair().unwrap();
            port.register(&c, 1, Signals::READABLE, Trigger::Level)
                .unwrap();
        })
        .join()
        .unwrap();
        assert!(a.signals().contains(Signals::PEER_CLOSED));
    }
}
