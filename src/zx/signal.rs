//! Setting and clearing signals.

use super::handle;
use super::object::Content;
use super::status::{Result, Status};
use super::types::*;
use crate::rights::Rights;
use crate::signals::Signals;

/// Clears and then sets signals of the object itself: user signals, and of an event
/// `ZX_EVENT_SIGNALED`.
///
/// Like [`zx_object_signal`](https://fuchsia.dev/reference/syscalls/object_signal).
///
/// # Errors
/// `BAD_HANDLE`; `ACCESS_DENIED` without `SIGNAL`; `INVALID_ARGS` if other signals are in
/// either mask.
pub fn zx_object_signal(
    handle: zx_handle_t,
    clear_mask: zx_signals_t,
    set_mask: zx_signals_t,
) -> Result {
    handle::with(handle, |handle| {
        handle.check(Rights::SIGNAL)?;
        match &handle.object.content {
            Content::Socket(socket) => {
                let [clear, set] = permitted([clear_mask, set_mask], Signals::USER_ALL)?;
                Ok(socket.link().signal(clear, set)?)
            }
            Content::Event(event) => {
                let all = Signals::USER_ALL | Signals::EVENT_SIGNALED;
                let [clear, set] = permitted([clear_mask, set_mask], all)?;
                Ok(event.core().signal(clear, set)?)
            }
            Content::Port(..) => Err(Status::NOT_SUPPORTED),
        }
    })
}

/// Clears and then sets user signals of the peer.
///
/// Like [`zx_object_signal_peer`](https://fuchsia.dev/reference/syscalls/object_signal).
///
/// # Errors
/// `BAD_HANDLE`; `ACCESS_DENIED` without `SIGNAL_PEER`; `NOT_SUPPORTED` if the object has no
/// peer; `INVALID_ARGS` if other signals are in either mask; `PEER_CLOSED`.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// zx_object_signal_peer(a, 0, ZX_USER_SIGNAL_3)?;
/// zx_object_wait_one(b, ZX_USER_SIGNAL_3, 0, None)?;
/// zx_object_signal(b, ZX_USER_SIGNAL_3, 0)?; // cleared
/// let look = zx_object_wait_one(b, ZX_USER_SIGNAL_3, 0, None);
/// assert_eq!(look, Err(Status::TIMED_OUT));
/// # Ok::<(), Status>(())
/// ```
pub fn zx_object_signal_peer(
    handle: zx_handle_t,
    clear_mask: zx_signals_t,
    set_mask: zx_signals_t,
) -> Result {
    handle::with(handle, |handle| {
        handle.check(Rights::SIGNAL_PEER)?;
        let Content::Socket(socket) = &handle.object.content else {
            return Err(Status::NOT_SUPPORTED);
        };
        let [clear, set] = permitted([clear_mask, set_mask], Signals::USER_ALL)?;
        Ok(socket.link().signal_peer(clear, set)?)
    })
}

/// The masks, if nothing else is in them.
fn permitted(masks: [zx_signals_t; 2], all: Signals) -> Result<[Signals; 2]> {
    let masks = masks.map(Signals::from_bits_retain);
    if masks.into_iter().all(|mask| all.contains(mask)) {
        Ok(masks)
    } else {
        Err(Status::INVALID_ARGS)
    }
}
