//! Endpoints that leave the process and enter it.

use std::fmt;
use std::os::fd::OwnedFd;

use super::handle;
use super::socket;
use super::status::{Result, Status};
use super::sync::reclaim_soon;
use super::types::*;
use crate::rights::Rights;
use crate::socket::envelope;
use crate::sys::doorbell::Doorbell;

/// Packs the endpoint behind a handle into one descriptor, which can be sent through any Unix socket,
/// inherited, or kept, and closes the handle. The rights go with it. Zircon has no name for this; it
/// does what sending a handle through a channel does.
///
/// Waits made through the handle end with `CANCELED`. Calls by other threads that are under way
/// end first. What is queued stays queued; the peer notices nothing, unless the
/// descriptor is dropped.
///
/// # Errors
/// `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without `TRANSFER`; `BAD_STATE` while there are
/// other handles to the endpoint, which lives in one process; `PEER_CLOSED` if the peer
/// broke the protocol; `NO_RESOURCES` without descriptors. The handle stays valid.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// let fd = handle_to_fd(b)?; // send it, or have a child inherit it
/// zx_socket_write(a, 0, b"hello")?;
/// let b = handle_from_fd(fd)?; // there
/// assert_eq!(zx_socket_read(b, 0, &mut [0; 8])?, 5);
/// # Ok::<(), Status>(())
/// ```
pub fn handle_to_fd(handle: zx_handle_t) -> Result<OwnedFd> {
    let (object, rights) = handle::with(handle, |handle| {
        socket::socket(handle, Rights::TRANSFER)?;
        Ok((handle.object.clone(), handle.rights))
    })?;
    let endpoint = object.socket()?;
    let (mut receiving, mut sending) = endpoint.lock()?;
    if receiving.is_none() {
        // Another thread was faster.
        return Err(Status::BAD_HANDLE);
    }
    if object.handles.get() != 1 {
        // Not worth an envelope.
        return Err(Status::BAD_STATE);
    }
    // It has not moved as long as the descriptor is ours: dropped, it is as before.
    let envelope = envelope::pack(endpoint.link(), rights)?;
    let inert = Doorbell::inert()?;
    handle::take_only(handle, &object)?;
    endpoint.link().complete_move(inert);
    (*receiving, *sending) = (None, None);
    drop((receiving, sending));
    drop(object);
    // What is left here should not keep its memory until the next call.
    reclaim_soon();
    Ok(envelope)
}

/// Takes an endpoint out of a descriptor, with the rights that it was sent with, whichever
/// kind it is, and makes a handle to it.
///
/// Takes what `OwnedFd::from` makes of a [`Stream`](crate::Stream) or
/// [`Datagram`](crate::Datagram) just as well, with all rights. Zircon has no name for this.
///
/// # Errors
/// `WRONG_TYPE` if it is no endpoint; `NOT_FOUND` if somebody has taken it out before;
/// `NOT_SUPPORTED` if it was made by another version, or with fences that this process may not use;
/// `INVALID_ARGS` if it is malformed; `ACCESS_DENIED` if it is on huge pages, which strangers
/// cannot be trusted with; `PEER_CLOSED` if its state is impossible; `NO_RESOURCES`,
/// `NO_MEMORY`. The descriptor comes back if nothing was taken out of it; else the endpoint is
/// closed.
pub fn handle_from_fd(fd: OwnedFd) -> Result<zx_handle_t, ClaimError> {
    match envelope::claim_any(fd) {
        Ok(link) => socket::adopt(link).map_err(|status| ClaimError { status, fd: None }),
        Err(error) => Err(ClaimError {
            status: error.error().into(),
            fd: error.into_fd(),
        }),
    }
}

/// Why no endpoint could be taken out of a descriptor.
///
/// As long as nothing was taken out, the descriptor comes back with it.
#[derive(Debug)]
pub struct ClaimError {
    status: Status,
    fd: Option<OwnedFd>,
}

impl ClaimError {
    /// What was wrong.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The descriptor, if it is as it was.
    pub fn into_fd(self) -> Option<OwnedFd> {
        self.fd
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}

impl std::error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.status)
    }
}

impl From<ClaimError> for Status {
    fn from(error: ClaimError) -> Self {
        error.status
    }
}
