//! `zx_object_*` and `zx_event_create`.

#![allow(unsafe_code, reason = "functions for C, which is given pointers by C")]

use std::ffi::c_void;

use engine::zx::{
    self, BadAddress, Result, Status, ZX_WAIT_MANY_MAX_ITEMS, zx_handle_t, zx_signals_t,
    zx_status_t, zx_time_t, zx_wait_item_t,
};

use crate::call::{status, status_with_memory};
use crate::handle::deliver;
use crate::memory::{Bytes, BytesMut, In, Out};

/// Clears and sets signals of an object.
///
/// Of a socket ZX_USER_SIGNAL_ALL, of an event also ZX_EVENT_SIGNALED.
/// Errors: BAD_HANDLE, ACCESS_DENIED (needs SIGNAL), INVALID_ARGS (another signal). Does not
/// block.
/// <https://fuchsia.dev/reference/syscalls/object_signal>
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_object_signal(
    handle: zx_handle_t,
    clear_mask: u32,
    set_mask: u32,
) -> zx_status_t {
    status(|| zx::zx_object_signal(handle, clear_mask, set_mask))
}

/// Clears and sets signals of the other endpoint of a socket.
///
/// Errors: BAD_HANDLE, ACCESS_DENIED (needs SIGNAL_PEER), NOT_SUPPORTED (no socket), INVALID_ARGS
/// (signals not in ZX_USER_SIGNAL_ALL), PEER_CLOSED. Does not block.
/// <https://fuchsia.dev/reference/syscalls/object_signal_peer>
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_object_signal_peer(
    handle: zx_handle_t,
    clear_mask: u32,
    set_mask: u32,
) -> zx_status_t {
    status(|| zx::zx_object_signal_peer(handle, clear_mask, set_mask))
}

/// Waits until an object has at least one of some signals.
///
/// deadline: on CLOCK_MONOTONIC, in nanoseconds; one that is over makes this a look.
/// observed (may be null): all signals of the object when the wait ended; written with OK,
/// TIMED_OUT and CANCELED.
/// Errors: BAD_HANDLE, ACCESS_DENIED (needs WAIT), NOT_SUPPORTED (a port), TIMED_OUT, CANCELED
/// (handle was closed meanwhile), INVALID_ARGS (a bad pointer, after the wait).
/// Blocks until the deadline.
/// <https://fuchsia.dev/reference/syscalls/object_wait_one>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_object_wait_one(
    handle: zx_handle_t,
    signals: zx_signals_t,
    deadline: zx_time_t,
    observed: *mut zx_signals_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `observed`.
    let out = unsafe { Out::new(observed) };
    status_with_memory(|| {
        let mut observed = 0;
        let result = zx::zx_object_wait_one(handle, signals, deadline, Some(&mut observed));
        if has_waited(result) {
            out.put_unless_null(observed)?;
        }
        result
    })
}

/// Whether a wait ended in one of the ways that leave signals behind.
fn has_waited(result: Result) -> bool {
    matches!(
        result,
        Ok(()) | Err(Status::TIMED_OUT) | Err(Status::CANCELED)
    )
}

/// Waits until at least one of several objects has one of the signals named for it.
///
/// pending of every item: all signals of its object; written with OK, TIMED_OUT and CANCELED.
/// num_items: at most ZX_WAIT_MANY_MAX_ITEMS; with 0, items may be null.
/// Errors: OUT_OF_RANGE (too many), INVALID_ARGS (a null or bad pointer), of the first item
/// that has one BAD_HANDLE, ACCESS_DENIED (needs WAIT) or NOT_SUPPORTED (a port); TIMED_OUT,
/// CANCELED (one of the handles was closed meanwhile).
/// Blocks until the deadline (see zx_object_wait_one).
/// <https://fuchsia.dev/reference/syscalls/object_wait_many>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_object_wait_many(
    items: *mut zx_wait_item_t,
    num_items: usize,
    deadline: zx_time_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `items`, which is to read and to write.
    let given = unsafe { In::new(items.cast_const(), num_items) };
    // SAFETY: the same.
    let out = unsafe { Out::array(items, num_items) };
    status_with_memory(|| wait_many(given, out, deadline))
}

/// Works on a copy: the caller's array is its own while we sleep.
fn wait_many(given: In<zx_wait_item_t>, out: Out<zx_wait_item_t>, deadline: zx_time_t) -> Result {
    let mut items = [zx_wait_item_t::default(); ZX_WAIT_MANY_MAX_ITEMS];
    let items = items.get_mut(..given.count()).ok_or(Status::OUT_OF_RANGE)?;
    given
        .get_all(0, items)
        .map_err(|BadAddress| Status::INVALID_ARGS)?;
    let result = zx::zx_object_wait_many(items, deadline);
    if has_waited(result) {
        out.put_all(items)?;
    }
    result
}

/// Has a port told, once, when an object has at least one of some signals.
///
/// options: 0, ZX_WAIT_ASYNC_EDGE, and one of ZX_WAIT_ASYNC_TIMESTAMP and
/// ZX_WAIT_ASYNC_BOOT_TIMESTAMP.
/// Errors: INVALID_ARGS (options), BAD_HANDLE, WRONG_TYPE (port is none), ACCESS_DENIED (needs
/// WRITE on port, WAIT on handle), NOT_SUPPORTED (handle is a port), NO_MEMORY.
/// Does not block.
/// <https://fuchsia.dev/reference/syscalls/object_wait_async>
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_object_wait_async(
    handle: zx_handle_t,
    port: zx_handle_t,
    key: u64,
    signals: zx_signals_t,
    options: u32,
) -> zx_status_t {
    status(|| zx::zx_object_wait_async(handle, port, key, signals, options))
}

/// Tells about an object: copies the record of a topic.
///
/// topic: ZX_INFO_HANDLE_VALID (no record), ZX_INFO_HANDLE_BASIC, ZX_INFO_HANDLE_COUNT or
/// ZX_INFO_SOCKET.
/// actual, avail (may be null): number of records copied, and of those there are; written with
/// OK (if the topic has a record) and BUFFER_TOO_SMALL.
/// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (HANDLE_COUNT and SOCKET need INSPECT),
/// NOT_SUPPORTED (topic), BUFFER_TOO_SMALL, INVALID_ARGS (a null or bad pointer). Does not
/// block.
/// <https://fuchsia.dev/reference/syscalls/object_get_info>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_object_get_info(
    handle: zx_handle_t,
    topic: u32,
    buffer: *mut c_void,
    buffer_size: usize,
    actual: *mut usize,
    avail: *mut usize,
) -> zx_status_t {
    // SAFETY: the caller's promise for `buffer`.
    let buffer = unsafe { BytesMut::new(buffer, buffer_size) };
    // SAFETY: the caller's promise for `actual`.
    let actual = unsafe { Out::new(actual) };
    // SAFETY: the caller's promise for `avail`.
    let avail = unsafe { Out::new(avail) };
    status_with_memory(|| get_info(handle, topic, buffer, actual, avail))
}

fn get_info(
    handle: zx_handle_t,
    topic: u32,
    buffer: BytesMut,
    out_actual: Out<usize>,
    out_avail: Out<usize>,
) -> Result {
    /// No count is that large, so it tells that none was given.
    const UNTOUCHED: usize = usize::MAX;

    let (mut actual, mut avail) = (UNTOUCHED, UNTOUCHED);
    let result = zx::zx_object_get_info(handle, topic, buffer, Some(&mut actual), Some(&mut avail));
    for (out, count) in [(out_actual, actual), (out_avail, avail)] {
        if count != UNTOUCHED {
            out.put_unless_null(count)?;
        }
    }
    result
}

/// Reads a property of an object.
///
/// property: ZX_PROP_SOCKET_RX_THRESHOLD or ZX_PROP_SOCKET_TX_THRESHOLD, each a size_t.
/// Errors: INVALID_ARGS (a null or bad pointer), BAD_HANDLE, ACCESS_DENIED (needs GET_PROPERTY),
/// NOT_SUPPORTED (property), WRONG_TYPE, BUFFER_TOO_SMALL. Does not block.
/// <https://fuchsia.dev/reference/syscalls/object_get_property>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_object_get_property(
    handle: zx_handle_t,
    property: u32,
    value: *mut c_void,
    value_size: usize,
) -> zx_status_t {
    // SAFETY: the caller's promise for `value`.
    let value = unsafe { BytesMut::new(value, value_size) };
    status_with_memory(|| zx::zx_object_get_property(handle, property, value))
}

/// Changes a property of an object.
///
/// property: ZX_PROP_SOCKET_RX_THRESHOLD or ZX_PROP_SOCKET_TX_THRESHOLD, each a size_t.
/// Errors: INVALID_ARGS (a null or bad pointer, a value larger than the capacity), BAD_HANDLE,
/// ACCESS_DENIED (needs SET_PROPERTY), NOT_SUPPORTED (property), WRONG_TYPE, BUFFER_TOO_SMALL,
/// PEER_CLOSED (the write threshold only). Does not block.
/// <https://fuchsia.dev/reference/syscalls/object_set_property>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_object_set_property(
    handle: zx_handle_t,
    property: u32,
    value: *const c_void,
    value_size: usize,
) -> zx_status_t {
    // SAFETY: the caller's promise for `value`.
    let value = unsafe { Bytes::new(value, value_size) };
    status_with_memory(|| zx::zx_object_set_property(handle, property, value))
}

/// Makes an event: an object that has signals and nothing else.
///
/// options: 0.
/// Errors: INVALID_ARGS (options, a null or bad pointer), NO_MEMORY. Does not block.
/// <https://fuchsia.dev/reference/syscalls/event_create>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_event_create(options: u32, out: *mut zx_handle_t) -> zx_status_t {
    // SAFETY: the caller's promise for `out`.
    let out = unsafe { Out::new(out) };
    status_with_memory(|| deliver(out, zx::zx_event_create(options)?))
}
