//! `zx_port_*`.

#![allow(unsafe_code, reason = "functions for C, which is given pointers by C")]

use engine::zx::{self, zx_handle_t, zx_port_packet_t, zx_status_t, zx_time_t};

use crate::call::{status, status_with_memory};
use crate::handle::deliver;
use crate::memory::{In, Out};

/// Makes a port: a queue of packets.
///
/// options: 0 or ZX_PORT_BIND_TO_INTERRUPT, which means nothing here.
/// Errors: INVALID_ARGS (options, a null or bad pointer), NO_MEMORY, NO_RESOURCES. Does not block.
/// <https://fuchsia.dev/reference/syscalls/port_create>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_port_create(options: u32, out: *mut zx_handle_t) -> zx_status_t {
    // SAFETY: the caller's promise for `out`.
    let out = unsafe { Out::new(out) };
    status_with_memory(|| deliver(out, zx::zx_port_create(options)?))
}

/// Queues a packet of the caller's own; its type becomes ZX_PKT_TYPE_USER.
///
/// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE), INVALID_ARGS (a null or bad
/// pointer), SHOULD_WAIT (too many packets). Does not block.
/// <https://fuchsia.dev/reference/syscalls/port_queue>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_port_queue(
    port: zx_handle_t,
    packet: *const zx_port_packet_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `packet`.
    let packet = unsafe { In::new(packet, 1) };
    status_with_memory(|| zx::zx_port_queue(port, packet.get().ok().as_ref()))
}

/// Takes the oldest packet out of a port, waiting for one if there is none.
///
/// deadline: on CLOCK_MONOTONIC, in nanoseconds; one that is over makes this a look.
/// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs READ), TIMED_OUT, INVALID_ARGS (a null or
/// bad pointer; noticed after the wait, and the packet is lost).
/// Blocks until the deadline.
/// <https://fuchsia.dev/reference/syscalls/port_wait>
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zx_port_wait(
    port: zx_handle_t,
    deadline: zx_time_t,
    packet: *mut zx_port_packet_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `packet`.
    let packet = unsafe { Out::new(packet) };
    status_with_memory(|| packet.put(zx::zx_port_wait(port, deadline)?))
}

/// Takes back what zx_object_wait_async was asked with this very handle, port and key, and the
/// packets that it has led to.
///
/// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE on port, WAIT on source),
/// NOT_SUPPORTED (source is a port), NOT_FOUND. Does not block.
/// <https://fuchsia.dev/reference/syscalls/port_cancel>
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_port_cancel(port: zx_handle_t, source: zx_handle_t, key: u64) -> zx_status_t {
    status(|| zx::zx_port_cancel(port, source, key))
}

/// Takes everything with this key out of a port: what is waited for, by whichever handle, and
/// packets, the caller's own included.
///
/// options: 0.
/// Errors: INVALID_ARGS (options), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE),
/// NOT_FOUND. Does not block.
/// Zircon: zx_port_cancel_key.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zx_port_cancel_key(port: zx_handle_t, options: u32, key: u64) -> zx_status_t {
    status(|| zx::zx_port_cancel_key(port, options, key))
}
