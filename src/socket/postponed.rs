//! Looks that have to wait until a lock is released.
//!
//! An operation on an endpoint that is being observed is carried out under the lock of
//! its observers, so that they miss no state in between. It may concern the peer, and
//! if that lives in this process too, its observers should be told before the operation is
//! over, and under their lock. Two threads that do so from either side would wait for each
//! other. So nobody takes a second such lock: the look at the peer comes after the first is
//! released.

use std::cell::RefCell;
use std::sync::Weak;

use super::link::Link;

thread_local! {
    /// Present while this thread holds a lock of observers: whom to look at after that.
    static POSTPONED: RefCell<Option<Vec<Weak<Link>>>> = const { RefCell::new(None) };
}

/// Carries out `locked`, which takes and releases one lock of observers, and then what was postponed
/// meanwhile.
pub(super) fn after<T>(locked: impl FnOnce() -> T) -> T {
    POSTPONED.set(Some(Vec::new()));
    let result = locked();
    let links = POSTPONED.take().unwrap_or_default();
    for link in links.iter().filter_map(Weak::upgrade) {
        link.look_now();
    }
    result
}

/// Whether a look at `link` has to wait; then it will be made.
pub(super) fn postpones(link: &Weak<Link>) -> bool {
    POSTPONED.with_borrow_mut(|postponed| match postponed {
        None => false,
        Some(links) => {
            links.push(Weak::clone(link));
            true
        }
    })
}
