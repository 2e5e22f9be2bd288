//! Properties: the thresholds of sockets.

use super::handle;
use super::memory::{Sink, Source};
use super::status::{Result, Status};
use super::types::*;
use crate::mem::Role;
use crate::rights::Rights;

/// Bytes of a threshold.
const SIZE: usize = size_of::<usize>();

/// Reads a property: `ZX_PROP_SOCKET_RX_THRESHOLD` or `ZX_PROP_SOCKET_TX_THRESHOLD`, a
/// `size_t`.
///
/// Like [`zx_object_get_property`](https://fuchsia.dev/reference/syscalls/object_get_property).
///
/// # Errors
/// In this order: `INVALID_ARGS` for a null pointer; `BAD_HANDLE`; `ACCESS_DENIED` without
/// `GET_PROPERTY`; `NOT_SUPPORTED` for other properties; `WRONG_TYPE`; `BUFFER_TOO_SMALL` for less
/// than 8 bytes; `INVALID_ARGS` if they cannot be written. No object here has a name:
/// `ZX_PROP_NAME` is `BUFFER_TOO_SMALL` for less than 32 bytes, else `WRONG_TYPE`.
pub fn zx_object_get_property(handle: zx_handle_t, property: u32, mut value: impl Sink) -> Result {
    if value.is_null() {
        return Err(Status::INVALID_ARGS);
    }
    handle::with(handle, |handle| {
        handle.check(Rights::GET_PROPERTY)?;
        if property == ZX_PROP_NAME && value.len() < ZX_MAX_NAME_LEN {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        let which = threshold(property)?;
        let socket = handle.object.socket()?;
        check_size(value.len())?;
        socket.link().check_forked()?;
        let bytes = socket.link().threshold(which).to_ne_bytes();
        value.store(0, &bytes).map_err(|_| Status::INVALID_ARGS)
    })
}

/// Sets a property, of which there are those of [`zx_object_get_property`]. 0 is no threshold.
///
/// Like [`zx_object_set_property`](https://fuchsia.dev/reference/syscalls/object_set_property).
///
/// # Errors
/// As [`zx_object_get_property`], with the right `SET_PROPERTY`; then `INVALID_ARGS` beyond the
/// capacity, and for the write threshold `PEER_CLOSED`. The old value stays then.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// zx_object_set_property(b, ZX_PROP_SOCKET_RX_THRESHOLD, &4_usize.to_ne_bytes())?;
/// zx_socket_write(a, 0, b"123")?;
/// let look = zx_object_wait_one(b, ZX_SOCKET_READ_THRESHOLD, 0, None);
/// assert_eq!(look, Err(Status::TIMED_OUT));
/// zx_socket_write(a, 0, b"4")?;
/// zx_object_wait_one(b, ZX_SOCKET_READ_THRESHOLD, 0, None)?;
/// # Ok::<(), Status>(())
/// ```
pub fn zx_object_set_property(handle: zx_handle_t, property: u32, value: impl Source) -> Result {
    if value.is_null() {
        return Err(Status::INVALID_ARGS);
    }
    handle::with(handle, |handle| {
        handle.check(Rights::SET_PROPERTY)?;
        let which = threshold(property)?;
        let socket = handle.object.socket()?;
        check_size(value.len())?;
        let mut bytes = [0; SIZE];
        value
            .fetch(0, &mut bytes)
            .map_err(|_| Status::INVALID_ARGS)?;
        let set = socket
            .link()
            .set_threshold(which, u64::from_ne_bytes(bytes));
        set.map_err(|error| match error.into() {
            // A number that is too large is a bad argument here.
            Status::OUT_OF_RANGE => Status::INVALID_ARGS,
            status => status,
        })
    })
}

/// Which threshold a property is.
fn threshold(property: u32) -> Result<Role> {
    match property {
        ZX_PROP_SOCKET_RX_THRESHOLD => Ok(Role::Consumer),
        ZX_PROP_SOCKET_TX_THRESHOLD => Ok(Role::Producer),
        // A property, but of no object that there is here.
        ZX_PROP_NAME => Err(Status::WRONG_TYPE),
        _ => Err(Status::NOT_SUPPORTED),
    }
}

fn check_size(size: usize) -> Result {
    if size < SIZE {
        return Err(Status::BUFFER_TOO_SMALL);
    }
    Ok(())
}
