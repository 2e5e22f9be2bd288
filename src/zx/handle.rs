//! Handles: the one table of this process, and the calls that make, copy and close them.

use std::sync::{Arc, LazyLock};

use super::object::Object;
use super::status::{Result, Status};
use super::sync::reclaim_soon;
use super::table::{self, Entry, Table};
use super::types::*;
use crate::observe::{Subject, Withdrawal};
use crate::rights::Rights;

/// What a handle stands for.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) object: Arc<Object>,
    pub(super) rights: Rights,
}

impl Handle {
    /// # Errors
    /// `ACCESS_DENIED`.
    #[inline]
    pub(super) fn check(&self, needed: Rights) -> Result {
        if self.rights.contains(needed) {
            Ok(())
        } else {
            Err(Status::ACCESS_DENIED)
        }
    }
}

static TABLE: LazyLock<Table<Handle>> = LazyLock::new(Table::default);

/// Calls `f` with what `value` stands for, which stays alive meanwhile, whoever closes it. Not for
/// calls that block: inside another one, nothing in the process is freed meanwhile.
///
/// # Errors
/// `BAD_HANDLE`, and those of `f`.
#[inline]
pub(super) fn with<T>(
    value: zx_handle_t,
    f: impl FnOnce(&Entry<Handle>) -> Result<T>,
) -> Result<T> {
    find(value, Err(Status::BAD_HANDLE), f)
}

/// As [`with`], for any result; `none` if `value` is no handle.
#[inline(always)]
pub(super) fn find<R>(value: zx_handle_t, none: R, f: impl FnOnce(&Entry<Handle>) -> R) -> R {
    TABLE.with(value, none, f)
}

/// The object that `value` stands for, if it may be used for this, to be kept while blocking.
///
/// # Errors
/// `BAD_HANDLE`, `ACCESS_DENIED`.
pub(super) fn object(value: zx_handle_t, needed: Rights) -> Result<Arc<Object>> {
    with(value, |handle| {
        handle.check(needed)?;
        Ok(Arc::clone(&handle.object))
    })
}

/// Whether a handle that was found before is still open.
pub(super) fn is_open(value: zx_handle_t) -> bool {
    TABLE.is_open(value)
}

/// Makes a handle to an object, in whose count it is already.
///
/// # Errors
/// `NO_MEMORY`; it is out of the count again then.
pub(super) fn insert(object: Arc<Object>, rights: Rights) -> Result<zx_handle_t> {
    TABLE.insert(Handle { object, rights }).map_err(|full| {
        release(&full.0.object);
        Status::NO_MEMORY
    })
}

/// Takes a handle out of the table: who uses it from now on finds none. Waits made through it are
/// cancelled. It is in the object's count still.
fn take(value: zx_handle_t) -> Result<Arc<Object>> {
    let object = {
        let pin = TABLE.pin();
        let entry = TABLE.remove(value, &pin).ok_or(Status::BAD_HANDLE)?;
        Arc::clone(&entry.object)
    };
    // Whoever waits has joined the observers before, or looks in the table after.
    if let Ok(subject) = object.subject() {
        cancel(subject, value);
    }
    Ok(object)
}

/// Cancels what was waited for through a handle.
fn cancel(subject: &dyn Subject, value: zx_handle_t) {
    subject.withdraw(&|observer| observer.handle == value, Withdrawal::Closed);
}

/// Counts one handle less, and closes the object after the last.
fn release(object: &Arc<Object>) {
    if object.handles.release() {
        object.close();
    }
}

/// Takes the only handle of an object out of the table and out of the count, for an object
/// that lives on elsewhere.
///
/// # Errors
/// `BAD_STATE` if there is another one; `BAD_HANDLE` if somebody else closed it. It is as
/// it was then.
pub(super) fn take_only(value: zx_handle_t, object: &Object) -> Result {
    if !object.handles.claim_only() {
        return Err(Status::BAD_STATE);
    }
    // Nobody can duplicate it now; but it can be closed, or replaced, by somebody else.
    take(value).inspect_err(|_| object.handles.unclaim())?;
    let last = object.handles.release();
    debug_assert!(last);
    Ok(())
}

/// Closes a handle. 0 is no handle and no error. Needs no right.
///
/// Waits made through this handle end with `CANCELED`, its registrations with ports are dropped.
/// When it was the last one to an endpoint, the peer shows `PEER_CLOSED` before this returns.
///
/// Like [`zx_handle_close`](https://fuchsia.dev/reference/syscalls/handle_close).
///
/// # Errors
/// `BAD_HANDLE`.
pub fn zx_handle_close(handle: zx_handle_t) -> Result {
    if handle == ZX_HANDLE_INVALID {
        return Ok(());
    }
    release(&take(handle)?);
    // Nobody should wait for the memory and the descriptors until the next calls.
    reclaim_soon();
    Ok(())
}

/// Closes all handles that are any; skips zeros.
///
/// Like [`zx_handle_close_many`](https://fuchsia.dev/reference/syscalls/handle_close_many).
///
/// # Errors
/// `BAD_HANDLE` if any other value was not a handle, or came twice; the rest is closed.
pub fn zx_handle_close_many(handles: &[zx_handle_t]) -> Result {
    let mut all = Ok(());
    for handle in handles {
        all = zx_handle_close(*handle).and(all);
    }
    all
}

/// Makes another handle to the same object, with these rights or fewer;
/// `ZX_RIGHT_SAME_RIGHTS` for those of `handle`.
///
/// Like [`zx_handle_duplicate`](https://fuchsia.dev/reference/syscalls/handle_duplicate).
///
/// # Errors
/// `BAD_HANDLE`; `ACCESS_DENIED` without `DUPLICATE`; `INVALID_ARGS` if `rights` are not
/// among those of `handle`; `NO_MEMORY` if there are too many handles.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// let reader = zx_handle_duplicate(a, ZX_RIGHT_READ)?;
/// assert_eq!(zx_socket_write(reader, 0, b"x"), Err(Status::ACCESS_DENIED));
/// zx_handle_close(a)?;
/// assert_eq!(zx_socket_write(b, 0, b"x")?, 1); // `reader` still stands for it
/// # Ok::<(), Status>(())
/// ```
pub fn zx_handle_duplicate(handle: zx_handle_t, rights: zx_rights_t) -> Result<zx_handle_t> {
    let (object, rights) = with(handle, |source| {
        source.check(Rights::DUPLICATE)?;
        let rights = reduced(source.rights, rights)?;
        if !source.object.handles.try_add() {
            // The last handle, this one, is being closed.
            return Err(Status::BAD_HANDLE);
        }
        Ok((Arc::clone(&source.object), rights))
    })?;
    insert(object, rights)
}

/// Replaces a handle by another one to the same object, with these rights or fewer. Needs no
/// right. Waits made through `handle` are cancelled; the object is never without a handle.
///
/// Like [`zx_handle_replace`](https://fuchsia.dev/reference/syscalls/handle_replace).
///
/// # Errors
/// `BAD_HANDLE`; `INVALID_ARGS` if `rights` are not among those of `handle`, `NO_MEMORY` if
/// there are too many handles; `handle` is closed then all the same.
pub fn zx_handle_replace(handle: zx_handle_t, rights: zx_rights_t) -> Result<zx_handle_t> {
    let before = with(handle, |source| Ok(source.rights))?;
    let rights = match reduced(before, rights) {
        Ok(rights) => rights,
        Err(status) => {
            zx_handle_close(handle)?;
            return Err(status);
        }
    };
    // Its place in the count goes over to the new one.
    insert(take(handle)?, rights)
}

/// The rights that are asked for, if they are among these.
fn reduced(before: Rights, wanted: zx_rights_t) -> Result<Rights> {
    if wanted == ZX_RIGHT_SAME_RIGHTS {
        return Ok(before);
    }
    Rights::from_bits(wanted)
        .filter(|wanted| before.contains(*wanted))
        .ok_or(Status::INVALID_ARGS)
}

/// Says what is wrong with a value that should be a handle.
///
/// Like [`zx_handle_check_valid`](https://fuchsia.dev/reference/syscalls/handle_check_valid).
///
/// # Errors
/// `INVALID_ARGS` for 0; `OUT_OF_RANGE` if it does not have the form of one; `NOT_FOUND` if it has,
/// but is none.
pub fn zx_handle_check_valid(handle: zx_handle_t) -> Result {
    if handle == ZX_HANDLE_INVALID {
        return Err(Status::INVALID_ARGS);
    }
    if !table::is_well_formed(handle) {
        return Err(Status::OUT_OF_RANGE);
    }
    with(handle, |_| Ok(())).map_err(|_| Status::NOT_FOUND)
}

/// How many handles this process has. May change at any moment.
pub fn handle_count() -> usize {
    TABLE.len()
}
