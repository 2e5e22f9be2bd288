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
/// meanwhile. Within another such call, what is postponed is left to that.
pub(super) fn after<T>(locked: impl FnOnce() -> T) -> T {
    if !begin() {
        return locked();
    }
    let result = locked();
    for link in POSTPONED.take().unwrap_or_default() {
        if let Some(link) = link.upgrade() {
            link.look_now();
        }
    }
    result
}

/// Says from now on that looks have to wait; whether they had not to before. In a thread that
/// is ending, and has nothing left to note them in, they do not wait.
fn begin() -> bool {
    let noted = POSTPONED.try_with(|postponed| {
        let mut postponed = postponed.borrow_mut();
        let outermost = postponed.is_none();
        postponed.get_or_insert_default();
        outermost
    });
    noted.unwrap_or(false)
}

/// Whether a look at `link` has to wait; then it will be made.
pub(super) fn postpones(link: &Weak<Link>) -> bool {
    let noted = POSTPONED.try_with(|postponed| match &mut *postponed.borrow_mut() {
        None => false,
        Some(links) => {
            links.push(Weak::clone(link));
            true
        }
    });
    noted.unwrap_or(false)
}
