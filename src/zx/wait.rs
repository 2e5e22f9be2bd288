//! Waiting for signals.

use std::sync::Arc;

use nix::time::ClockId;

use super::handle;
use super::object::{Content, Object};
use super::status::{Result, Status};
use super::types::*;
use crate::observe::{self, Ended, Item, Observer, Subject, Withdrawal};
use crate::rights::Rights;
use crate::signals::Signals;
use crate::sys::deadline::Deadline;

/// Waits until any of `signals` of an object is on, or was on for a moment.
///
/// `observed` becomes all signals of the object: at that moment, or when the wait ended. A
/// deadline in the past makes this a look. Blocks until then; makes no system call if the
/// condition holds at once. Like
/// [`zx_object_wait_one`](https://fuchsia.dev/reference/syscalls/object_wait_one).
///
/// # Errors
/// `BAD_HANDLE`; `ACCESS_DENIED` without `WAIT`; `NOT_SUPPORTED` for a port, or if the system refuses
/// what a sleep needs; `TIMED_OUT`; `CANCELED` if the handle was closed, with
/// `ZX_SIGNAL_HANDLE_CLOSED` among the signals.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// let writer = std::thread::spawn(move || zx_socket_write(a, 0, b"x"));
/// let mut observed = 0;
/// zx_object_wait_one(b, ZX_SOCKET_READABLE, ZX_TIME_INFINITE, Some(&mut observed))?;
/// assert_eq!(observed, ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
///
/// // A look at all signals: no signal is wanted, and the deadline is past.
/// let look = zx_object_wait_one(a, 0, 0, Some(&mut observed));
/// assert_eq!((look, observed), (Err(Status::TIMED_OUT), ZX_SOCKET_WRITABLE));
/// # writer.join().unwrap()?;
/// # Ok::<(), Status>(())
/// ```
pub fn zx_object_wait_one(
    handle: zx_handle_t,
    signals: zx_signals_t,
    deadline: zx_time_t,
    observed: Option<&mut zx_signals_t>,
) -> Result {
    let wanted = Signals::from_bits_retain(signals);
    // The first look needs no hold on the object.
    let looked = handle::with(handle, |handle| {
        handle.check(Rights::WAIT)?;
        let now = handle.object.subject()?.signals()?;
        Ok(if now.intersects(wanted) {
            Ok(now)
        } else {
            Err(Arc::clone(&handle.object))
        })
    })?;
    let (pending, end) = match looked {
        Ok(now) => (now, Ended::Met),
        Err(object) => {
            let held = [(handle, object)];
            let mut items = [Item::new(held[0].1.subject()?, handle, wanted)];
            let end = wait(&mut items, deadline, &held)?;
            (items[0].pending, end)
        }
    };
    if let Some(observed) = observed {
        *observed = pending.bits();
    }
    status(end)
}

/// Waits until of any of the objects any of the signals that are wanted of it is on, or was for a
/// moment. At most 64 items; the same handle may occur several times. With none it waits for the
/// deadline.
///
/// Every `pending` becomes all signals of the object: at that moment, or when the wait ended.
/// Like [`zx_object_wait_many`](https://fuchsia.dev/reference/syscalls/object_wait_many).
///
/// # Errors
/// `OUT_OF_RANGE` for more items; then, of the first item to which this applies, as
/// [`zx_object_wait_one`], with nothing written; `TIMED_OUT`; `CANCELED` if a handle was closed.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// zx_handle_close(b)?;
/// let event = zx_event_create(0)?;
/// let item = |handle, waitfor| zx_wait_item_t { handle, waitfor, pending: 0 };
/// let mut items = [item(event, ZX_EVENT_SIGNALED), item(a, ZX_SOCKET_PEER_CLOSED)];
/// zx_object_wait_many(&mut items, ZX_TIME_INFINITE)?;
/// assert_eq!([items[0].pending, items[1].pending], [0, ZX_SOCKET_PEER_CLOSED]);
/// # Ok::<(), Status>(())
/// ```
pub fn zx_object_wait_many(items: &mut [zx_wait_item_t], deadline: zx_time_t) -> Result {
    if items.len() > ZX_WAIT_MANY_MAX_ITEMS {
        return Err(Status::OUT_OF_RANGE);
    }
    let held = items.iter().map(|item| {
        let object = handle::object(item.handle, Rights::WAIT)?;
        object.subject()?;
        Ok((item.handle, object))
    });
    let held: Vec<_> = held.collect::<Result<_>>()?;
    let inner = items.iter().zip(&held).map(|(item, (handle, object))| {
        let wanted = Signals::from_bits_retain(item.waitfor);
        Ok(Item::new(object.subject()?, *handle, wanted))
    });
    let mut inner: Vec<_> = inner.collect::<Result<_>>()?;
    let end = wait(&mut inner, deadline, &held)?;
    for (item, inner) in items.iter_mut().zip(inner) {
        item.pending = inner.pending.bits();
    }
    status(end)
}

/// Waits for items, which stand for these handles and objects.
fn wait(
    items: &mut [Item<'_>],
    deadline: zx_time_t,
    held: &[(zx_handle_t, Arc<Object>)],
) -> Result<Ended> {
    let joined = |i: usize| {
        let (handle, object) = &held[i];
        settle(object);
        handle::is_open(*handle)
    };
    Ok(observe::wait_any(items, Deadline::at(deadline), joined)?)
}

/// Lets calls end that began before somebody was added to the observers, and know
/// nothing of that.
fn settle(object: &Object) {
    if let Content::Socket(socket) = &object.content {
        // Refused only where other threads may not be waited for: then one that is inside
        // may turn off unseen what it alone has seen.
        let _ = socket.settle();
    }
}

fn status(end: Ended) -> Result {
    match end {
        Ended::Met => Ok(()),
        Ended::TimedOut => Err(Status::TIMED_OUT),
        Ended::Cancelled => Err(Status::CANCELED),
    }
}

/// Has a port told, once, by a packet with `key`, when any of `signals` of an object is on.
///
/// At once if it is so already, unless `options` have `ZX_WAIT_ASYNC_EDGE`: then when the next
/// signal goes on, whichever, and one of `signals` is on at that moment.
/// `ZX_WAIT_ASYNC_TIMESTAMP` and `ZX_WAIT_ASYNC_BOOT_TIMESTAMP` have the packet say when that
/// was, on the monotonic or the boot clock.
/// Like [`zx_object_wait_async`](https://fuchsia.dev/reference/syscalls/object_wait_async).
///
/// # Errors
/// In this order: `INVALID_ARGS` for other options, or both timestamps; of the port `BAD_HANDLE`,
/// `WRONG_TYPE`, `ACCESS_DENIED` without `WRITE`; of the handle `BAD_HANDLE`,
/// `ACCESS_DENIED` without `WAIT`, `NOT_SUPPORTED` if it is a port; `NO_MEMORY` if the system
/// lets no more be watched.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// let port = zx_port_create(0)?;
/// zx_object_wait_async(b, port, 7, ZX_SOCKET_READABLE, ZX_WAIT_ASYNC_ONCE)?;
/// zx_socket_write(a, 0, b"x")?;
/// let packet = zx_port_wait(port, ZX_TIME_INFINITE)?;
/// assert_eq!((packet.key, packet.r#type), (7, ZX_PKT_TYPE_SIGNAL_ONE));
/// assert_eq!(packet.signal().observed, ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
/// # Ok::<(), Status>(())
/// ```
pub fn zx_object_wait_async(
    handle: zx_handle_t,
    port: zx_handle_t,
    key: u64,
    signals: zx_signals_t,
    options: u32,
) -> Result {
    let clock = clock(options)?;
    let mailbox = super::port::port(port, Rights::WRITE)?;
    let object = handle::object(handle, Rights::WAIT)?;
    let subject = object.shared_subject()?;
    let wanted = Signals::from_bits_retain(signals);
    let edge = options & ZX_WAIT_ASYNC_EDGE != 0;
    let id = match mailbox.register(&subject, handle, key, wanted, edge, clock) {
        // The object or the port went with its last handle, just now.
        Err(crate::Error::PeerClosed) => return Err(Status::BAD_HANDLE),
        result => result?,
    };
    settle(&object);
    confirm(&*subject, handle, id)?;
    subject.look();
    Ok(())
}

/// Takes a registration back if its handle is closed: whoever closed it may not have found it. If it
/// is not there any more it has been met, and its packet is queued, or has ended with the handle;
/// either way the call came before the closing.
///
/// # Errors
/// `BAD_HANDLE` if it was taken back.
fn confirm(subject: &dyn Subject, handle: zx_handle_t, id: u64) -> Result {
    let own = |observer: &Observer| observer.id == id;
    if !handle::is_open(handle) && subject.withdraw(&own, Withdrawal::GaveUp) > 0 {
        return Err(Status::BAD_HANDLE);
    }
    Ok(())
}

/// The clock that the packet shall have.
fn clock(options: u32) -> Result<Option<ClockId>> {
    const TIMESTAMPS: u32 = ZX_WAIT_ASYNC_TIMESTAMP | ZX_WAIT_ASYNC_BOOT_TIMESTAMP;
    if options & !(TIMESTAMPS | ZX_WAIT_ASYNC_EDGE) != 0 {
        return Err(Status::INVALID_ARGS);
    }
    match options & TIMESTAMPS {
        0 => Ok(None),
        ZX_WAIT_ASYNC_TIMESTAMP => Ok(Some(ClockId::CLOCK_MONOTONIC)),
        ZX_WAIT_ASYNC_BOOT_TIMESTAMP => Ok(Some(ClockId::CLOCK_BOOTTIME)),
        _ => Err(Status::INVALID_ARGS),
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    const KEY: u64 = 7;

    /// A registration through a handle that is closed when it is made, to an object that another
    /// handle keeps open: what the call returns, and the port.
    fn register_when_closed(wanted: Signals) -> (Result, zx_handle_t) {
        let (peer, source) = zx_socket_create(ZX_SOCKET_STREAM).unwrap();
        let other = zx_handle_duplicate(source, ZX_RIGHT_SAME_RIGHTS).unwrap();
        let port = zx_port_create(0).unwrap();
        let mailbox = super::super::port::port(port, Rights::WRITE).unwrap();
        let object = handle::object(source, Rights::WAIT).unwrap();
        let subject = object.shared_subject().unwrap();
        zx_handle_close(source).unwrap();
        let id = mailbox
            .register(&subject, source, KEY, wanted, false, None)
            .unwrap();
        let result = confirm(&*subject, source, id);
        // Would be told of this, if it were still there.
        zx_socket_write(peer, 0, b"x").unwrap();
        zx_handle_close_many(&[peer, other]).unwrap();
        (result, port)
    }

    #[test]
    fn registration_that_is_met_before_its_handle_is_found_closed_is_a_success() {
        let (result, port) = register_when_closed(Signals::WRITABLE);
        assert_eq!(result, Ok(()));
        assert_eq!(zx_port_wait(port, 0).unwrap().key, KEY);
        zx_handle_close(port).unwrap();
    }

    #[test]
    fn registration_that_is_not_met_is_taken_back_when_its_handle_is_found_closed() {
        let (result, port) = register_when_closed(Signals::READABLE);
        assert_eq!(result, Err(Status::BAD_HANDLE));
        assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
        zx_handle_close(port).unwrap();
    }

    /// Nobody is left to cancel it, whatever keeps the object open.
    #[test]
    fn wait_whose_handle_is_found_closed_is_cancelled() {
        let (peer, source) = zx_socket_create(ZX_SOCKET_STREAM).unwrap();
        let other = zx_handle_duplicate(source, ZX_RIGHT_SAME_RIGHTS).unwrap();
        let object = handle::object(source, Rights::WAIT).unwrap();
        zx_handle_close(source).unwrap();
        let held = [(source, object)];
        let subject = held[0].1.subject().unwrap();
        let mut items = [Item::new(subject, source, Signals::READABLE)];
        // So late that who sleeps until then has failed.
        let late = crate::sys::deadline::now(ClockId::CLOCK_MONOTONIC) + 10_000_000_000;
        assert_eq!(wait(&mut items, late, &held), Ok(Ended::Cancelled));
        let expected = Signals::WRITABLE | Signals::HANDLE_CLOSED;
        assert_eq!(items[0].pending, expected);
        zx_handle_close_many(&[peer, other]).unwrap();
    }

    /// The two run apart only while the system sleeps, which no packet can be made to show here.
    #[test]
    fn each_timestamp_has_its_clock() {
        let edge = ZX_WAIT_ASYNC_EDGE;
        let (monotonic, boot) = (ZX_WAIT_ASYNC_TIMESTAMP, ZX_WAIT_ASYNC_BOOT_TIMESTAMP);
        for (options, expected) in [
            (ZX_WAIT_ASYNC_ONCE, Ok(None)),
            (monotonic, Ok(Some(ClockId::CLOCK_MONOTONIC))),
            (boot, Ok(Some(ClockId::CLOCK_BOOTTIME))),
            (monotonic | boot, Err(Status::INVALID_ARGS)),
            (edge << 2, Err(Status::INVALID_ARGS)),
        ] {
            assert_eq!(clock(options), expected, "{options}");
            assert_eq!(clock(options | edge), expected, "{options} with an edge");
        }
    }
}
