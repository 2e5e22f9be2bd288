//! `zx_handle_*`.

#![allow(unsafe_code, reason = "functions for C, which is given pointers by C")]

use engine::zx::{self, BadAddress, Result, Status, zx_handle_t, zx_rights_t, zx_status_t};

use crate::call::{status, status_with_memory};
use crate::memory::{In, Out};

/// So many handles are copied at a time.
const CHUNK: usize = 64;

/// Gives the caller a handle, or closes it.
pub(crate) fn deliver(out: Out<zx_handle_t>, handle: zx_handle_t) -> Result {
    out.put(handle).inspect_err(|_| {
        // Nobody else knows of it.
        let _ = zx::zx_handle_close(handle);
    })
}

/// Closes a handle; an endpoint or port dies with its last one.
///
/// Waits that were started with this very handle end with CANCELED. ZX_HANDLE_INVALID is
/// allowed and nothing happens.
/// Errors: BAD_HANDLE. Does not block.
/// <https://fuchsia.dev/reference/syscalls/handle_close>
#[unsafe(no_mangle)]
pub extern "C" fn zx_handle_close(handle: zx_handle_t) -> zx_status_t {
    status(|| zx::zx_handle_close(handle))
}

/// Closes all handles of an array that are valid.
///
/// handles may be null if num_handles is 0.
/// Errors: BAD_HANDLE (one was neither valid nor ZX_HANDLE_INVALID, or was there twice; the
/// others are closed all the same), INVALID_ARGS (a null or bad pointer). Does not block.
/// <https://fuchsia.dev/reference/syscalls/handle_close_many>
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_handle_close_many(
    handles: *const zx_handle_t,
    num_handles: usize,
) -> zx_status_t {
    // SAFETY: the caller's promise for `handles`.
    let handles = unsafe { In::new(handles, num_handles) };
    status_with_memory(|| close_many(handles))
}

/// Copies and closes piece by piece: there is no limit to the number. A handle that is in two
/// pieces fails in the second, as it would within one.
fn close_many(handles: In<zx_handle_t>) -> Result {
    let mut result = Ok(());
    for first in (0..handles.count()).step_by(CHUNK) {
        let mut chunk = [0; CHUNK];
        let chunk = &mut chunk[..CHUNK.min(handles.count() - first)];
        handles
            .get_all(first, chunk)
            .map_err(|BadAddress| Status::INVALID_ARGS)?;
        result = zx::zx_handle_close_many(chunk).and(result);
    }
    result
}

/// Makes another handle to the same object, with the same or fewer rights.
///
/// rights: a subset of those of handle, or ZX_RIGHT_SAME_RIGHTS.
/// Errors: BAD_HANDLE, ACCESS_DENIED (needs DUPLICATE), INVALID_ARGS (more rights, a null or bad
/// pointer), NO_MEMORY. Does not block.
/// <https://fuchsia.dev/reference/syscalls/handle_duplicate>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_handle_duplicate(
    handle: zx_handle_t,
    rights: zx_rights_t,
    out: *mut zx_handle_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `out`.
    let out = unsafe { Out::new(out) };
    status_with_memory(|| deliver(out, zx::zx_handle_duplicate(handle, rights)?))
}

/// Replaces a handle by another one with the same or fewer rights.
///
/// handle is closed, also by INVALID_ARGS and NO_MEMORY. Waits on it end with CANCELED.
/// rights: a subset of those of handle, or ZX_RIGHT_SAME_RIGHTS.
/// Errors: BAD_HANDLE, INVALID_ARGS (more rights, a null or bad pointer), NO_MEMORY. Does not
/// block.
/// <https://fuchsia.dev/reference/syscalls/handle_replace>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_handle_replace(
    handle: zx_handle_t,
    rights: zx_rights_t,
    out: *mut zx_handle_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `out`.
    let out = unsafe { Out::new(out) };
    status_with_memory(|| deliver(out, zx::zx_handle_replace(handle, rights)?))
}

/// Tells whether a number is a valid handle.
///
/// Errors: INVALID_ARGS (0), OUT_OF_RANGE (never a handle: the two lowest bits are not both 1),
/// NOT_FOUND. Does not block.
/// Zircon: zx_handle_check_valid.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_handle_check_valid(handle: zx_handle_t) -> zx_status_t {
    status(|| zx::zx_handle_check_valid(handle))
}
