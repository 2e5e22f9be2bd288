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
use std::sync::{Arc, Weak};

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
        link.look();
    }
}

/// Whether a look at `link` has to wait; then it will be made.
pub(super) fn postpones(link: &Weak<Link>) -> bool {
    POSTPONED.with_borrow_mut(|postponed| match &mut **postponed {
        None => false,
        Some(links) => {
            // One that is being dropped has no observers any more.
            links.extend(link.upgrade());
            true
        }
    })
}
