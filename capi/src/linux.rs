//! `zocket_*`: what Zircon does not have, or does through channels.

#![allow(unsafe_code, reason = "functions for C, which is given pointers by C")]

use std::ffi::{c_char, c_int};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use engine::zx::{self, Result, Status, zx_handle_t, zx_status_t};

use crate::call::status_with_memory;
use crate::handle::deliver;
use crate::memory::Out;
use crate::socket::create;

/// Makes a socket as zx_socket_create does, with a capacity of the caller's choice.
///
/// capacity: bytes in each direction, 4 KiB to 1 GiB, rounded up to whole pages.
/// Errors: those of zx_socket_create, and OUT_OF_RANGE (capacity). Does not block.
/// Zircon: the capacity cannot be chosen.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zocket_socket_create(
    options: u32,
    capacity: usize,
    out0: *mut zx_handle_t,
    out1: *mut zx_handle_t,
) -> zx_status_t {
    // SAFETY: the caller's promise for `out0`.
    let out0 = unsafe { Out::new(out0) };
    // SAFETY: the caller's promise for `out1`.
    let out1 = unsafe { Out::new(out1) };
    status_with_memory(|| {
        create(out0, out1, || {
            zx::socket_create_with_capacity(options, capacity)
        })
    })
}

/// Turns a handle to an endpoint into a file descriptor, to be sent to another process.
///
/// The descriptor is the caller's to close, and close-on-exec. It can be passed over a Unix
/// socket or inherited; whoever has it last makes a handle of it with zocket_handle_from_fd,
/// once. Until then the endpoint lives, with its rights; closing the descriptor instead
/// closes the endpoint. handle is closed on success and stays valid on errors, but
/// for INVALID_ARGS from a bad (not null) pointer.
/// Errors: INVALID_ARGS (a null or bad pointer), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs
/// TRANSFER), BAD_STATE (there is another handle to the endpoint; this one stays open and can be
/// used as before), PEER_CLOSED (the peer has broken the protocol), NO_RESOURCES. Does not block.
/// Zircon: zx_channel_write, which moves a handle into a message.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zocket_handle_to_fd(
    handle: zx_handle_t,
    out_fd: *mut c_int,
) -> zx_status_t {
    // SAFETY: the caller's promise for `out_fd`.
    let out = unsafe { Out::new(out_fd) };
    status_with_memory(|| {
        refuse_null(out)?;
        give(out, zx::handle_to_fd(handle)?)
    })
}

/// Turns a descriptor made by zocket_handle_to_fd, here or in another process, into a handle.
///
/// On success fd is closed; no other thread may close it, or use its number again, meanwhile. On
/// every error fd stays open and the caller's to close, though
/// after some there is nothing in it any more and trying again fails too.
/// Errors: INVALID_ARGS (a null or bad pointer, fd is not a descriptor), WRONG_TYPE (not one of
/// those), NOT_FOUND (it is empty), NO_MEMORY, NO_RESOURCES, and others if what came with it is
/// not as it should be. Does not block.
/// Zircon: zx_channel_read, which moves a handle out of a message.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zocket_handle_from_fd(fd: c_int, out: *mut zx_handle_t) -> zx_status_t {
    // SAFETY: the caller's promise for `out`.
    let out = unsafe { Out::new(out) };
    status_with_memory(|| {
        refuse_null(out)?;
        let handle = claim(fd)?;
        deliver(out, handle)?;
        // SAFETY: `claim` found it open; by the caller's promise for a descriptor that is
        // closed it is the same one still, and nobody else's to close.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(())
    })
}

/// Makes a handle of a duplicate, so that the caller's own descriptor is never in
/// doubt: the engine keeps what it was given if it got so far as to empty it.
fn claim(fd: c_int) -> Result<zx_handle_t> {
    Ok(zx::handle_from_fd(duplicate(fd)?)?)
}

fn duplicate(fd: c_int) -> Result<OwnedFd> {
    // SAFETY: asks for a new descriptor; numbers that are none are refused.
    match unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) } {
        // SAFETY: just made, and nobody else knows of it.
        new @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(new) }),
        _ => Err(why_not_duplicated()),
    }
}

fn why_not_duplicated() -> Status {
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EBADF) => Status::INVALID_ARGS,
        _ => Status::NO_RESOURCES,
    }
}

/// Gives a descriptor to poll: readable while zx_port_wait would find a packet.
///
/// It is a duplicate, the caller's to close, and close-on-exec. Only poll, select or epoll it.
/// Errors: INVALID_ARGS (a null or bad pointer), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs
/// READ), NO_RESOURCES. Does not block.
/// Zircon: nothing like it; there the port is the place where everything is waited for.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zocket_port_fd(port: zx_handle_t, out_fd: *mut c_int) -> zx_status_t {
    // SAFETY: the caller's promise for `out_fd`.
    let out = unsafe { Out::new(out_fd) };
    status_with_memory(|| {
        refuse_null(out)?;
        give(out, zx::port_descriptor(port)?)
    })
}

/// These calls have no model in Zircon that would notice it only after the operation.
fn refuse_null<T: crate::memory::Plain>(out: Out<T>) -> Result {
    if out.is_null() {
        return Err(Status::INVALID_ARGS);
    }
    Ok(())
}

/// Gives the caller a descriptor, or closes it.
fn give(out: Out<c_int>, fd: OwnedFd) -> Result {
    let number = fd.into_raw_fd();
    out.put(number).inspect_err(|_| {
        // SAFETY: it was ours a moment ago, and nobody was told.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    })
}

/// Names a status: "ZX_OK", "ZX_ERR_TIMED_OUT".
///
/// Never null, also for numbers that are no status; the text is static.
/// Does not block. Zircon: zx_status_get_string, in a library.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn zocket_status_string(status: zx_status_t) -> *const c_char {
    let name = Status::c_name_of(status);
    name.unwrap_or(c"not a zx_status_t of this library")
        .as_ptr()
}
