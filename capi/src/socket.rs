//! `zx_socket_*`.

#![allow(unsafe_code, reason = "functions for C, which is given pointers by C")]

use std::ffi::c_void;

use engine::zx::{self, Result, Status, zx_handle_t, zx_status_t};

use crate::call::{status, status_with_memory};
use crate::memory::{Bytes, BytesMut, Out};

/// Makes a socket: two endpoints connected with each other.
///
/// options: ZX_SOCKET_STREAM or ZX_SOCKET_DATAGRAM.
/// The capacity is 256 KiB in each direction; see zocket_socket_create.
/// Errors: INVALID_ARGS (options, a null or bad pointer), NO_MEMORY (or no handles),
/// NO_RESOURCES (no descriptors), NOT_SUPPORTED (a sandbox forbids what it takes). Does not block.
/// <https://fuchsia.dev/reference/syscalls/socket_create>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_socket_create(
    options: u32,
    out0: *mut zx_handle_t,
    out1: *mut zx_handle_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `out0`.
    let out0 = unsafe { Out::new(out0) };
    // SAFETY: the caller's promise for `out1`.
    let out1 = unsafe { Out::new(out1) };
    status_with_memory(|| create(out0, out1, || zx::zx_socket_create(options)))
}

/// Makes two endpoints and delivers both or none.
pub(crate) fn create(
    out0: Out<zx_handle_t>,
    out1: Out<zx_handle_t>,
    make: impl FnOnce() -> Result<(zx_handle_t, zx_handle_t)>,
) -> Result {
    // Wrong options would give the same answer.
    if out0.is_null() || out1.is_null() {
        return Err(Status::INVALID_ARGS);
    }
    let (handle0, handle1) = make()?;
    let delivered = out0.put(handle0).and_then(|()| out1.put(handle1));
    delivered.inspect_err(|_| {
        // The caller may have seen the first, and knows from the status that it is none.
        let _ = zx::zx_handle_close_many(&[handle0, handle1]);
    })
}

/// Writes to a socket: of a stream as many bytes as fit, of a datagram all or none.
///
/// actual (may be null): how many bytes were written.
/// options: 0.
/// Errors: INVALID_ARGS (options, a null or bad pointer, a size beyond 32 bits), BAD_HANDLE,
/// WRONG_TYPE, ACCESS_DENIED (needs WRITE), PEER_CLOSED, BAD_STATE (writing is disabled),
/// SHOULD_WAIT (no room), OUT_OF_RANGE (a datagram larger than the capacity). Does not block:
/// wait for ZX_SOCKET_WRITABLE or, for a large datagram, ZX_SOCKET_WRITE_THRESHOLD.
/// <https://fuchsia.dev/reference/syscalls/socket_write>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_socket_write(
    handle: zx_handle_t,
    options: u32,
    buffer: *const c_void,
    buffer_size: usize,
    actual: *mut usize,
) -> zx_status_t {
    // SAFETY: the caller's promise for `buffer`.
    let buffer = unsafe { Bytes::new(buffer, buffer_size) };
    // SAFETY: the caller's promise for `actual`.
    let actual = unsafe { Out::new(actual) };
    status_with_memory(|| actual.put_unless_null(zx::zx_socket_write(handle, options, buffer)?))
}

/// Reads from a socket: of a stream as many bytes as are there, or the next datagram.
///
/// A datagram larger than the buffer loses the rest. With size 0 nothing is consumed.
/// actual (may be null): how many bytes were read.
/// options: 0, or ZX_SOCKET_PEEK to leave queued what is read.
/// Errors: INVALID_ARGS (options, a null or bad pointer, a size beyond 32 bits), BAD_HANDLE,
/// WRONG_TYPE, ACCESS_DENIED (needs READ), and with nothing to read PEER_CLOSED, BAD_STATE (the
/// peer's writing is disabled), or SHOULD_WAIT. Does not block: wait for ZX_SOCKET_READABLE or ZX_SOCKET_PEER_CLOSED.
/// <https://fuchsia.dev/reference/syscalls/socket_read>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_socket_read(
    handle: zx_handle_t,
    options: u32,
    buffer: *mut c_void,
    buffer_size: usize,
    actual: *mut usize,
) -> zx_status_t {
    // SAFETY: the caller's promise for `buffer`.
    let buffer = unsafe { BytesMut::new(buffer, buffer_size) };
    // SAFETY: the caller's promise for `actual`.
    let actual = unsafe { Out::new(actual) };
    status_with_memory(|| actual.put_unless_null(zx::zx_socket_read(handle, options, buffer)?))
}

/// Stops or resumes writing, at this endpoint and at the peer.
///
/// disposition, disposition_peer: 0 (as it is), ZX_SOCKET_DISPOSITION_WRITE_DISABLED or
/// ZX_SOCKET_DISPOSITION_WRITE_ENABLED.
/// Errors: INVALID_ARGS (a disposition), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs
/// MANAGE_SOCKET), BAD_STATE (to be enabled, but what was written before is not read yet). Does
/// not block.
/// <https://fuchsia.dev/reference/syscalls/socket_set_disposition>
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_socket_set_disposition(
    handle: zx_handle_t,
    disposition: u32,
    disposition_peer: u32,
) -> zx_status_t {
    status(|| zx::zx_socket_set_disposition(handle, disposition, disposition_peer))
}

/// Stops writing, as older versions of Zircon had it. Here zx_socket_set_disposition can resume it.
///
/// options: ZX_SOCKET_SHUTDOWN_WRITE (at this endpoint), ZX_SOCKET_SHUTDOWN_READ (at the peer),
/// both or 0.
/// Errors: INVALID_ARGS (options), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE). Does not
/// block.
/// Zircon: zx_socket_shutdown, removed there in favour of zx_socket_set_disposition.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_socket_shutdown(handle: zx_handle_t, options: u32) -> zx_status_t {
    status(|| zx::zx_socket_shutdown(handle, options))
}
