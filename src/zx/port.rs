//! Ports.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::handle;
use super::object::{Content, Object};
use super::status::{Result, Status};
use super::types::*;
use crate::error::Error;
use crate::port::{self, Mailbox};
use crate::rights::Rights;
use crate::sys::deadline::Deadline;
use crate::sys::koid;

/// Makes a port and a handle to it. `ZX_PORT_BIND_TO_INTERRUPT` is accepted and means nothing.
///
/// Like [`zx_port_create`](https://fuchsia.dev/reference/syscalls/port_create).
///
/// # Errors
/// `INVALID_ARGS` for other options; `NO_RESOURCES` without descriptors, of which it takes two;
/// `NO_MEMORY` if there are too many handles.
pub fn zx_port_create(options: u32) -> Result<zx_handle_t> {
    if options & !ZX_PORT_BIND_TO_INTERRUPT != 0 {
        return Err(Status::INVALID_ARGS);
    }
    let rights = Rights::from_bits_retain(ZX_DEFAULT_PORT_RIGHTS);
    let content = Content::Port(Mailbox::new()?, koid::new());
    handle::insert(Object::new(content), rights)
}

/// The port that a handle stands for, if it may be used for this.
///
/// # Errors
/// `BAD_HANDLE`, `WRONG_TYPE`, `ACCESS_DENIED`.
pub(super) fn port(value: zx_handle_t, needed: Rights) -> Result<Arc<Mailbox>> {
    handle::with(value, |handle| {
        let mailbox = handle.object.port()?;
        handle.check(needed)?;
        Ok(Arc::clone(mailbox))
    })
}

/// Queues a packet: key, status and payload as they are, the type becomes
/// `ZX_PKT_TYPE_USER`. `None` stands for a packet that cannot be read.
///
/// Like [`zx_port_queue`](https://fuchsia.dev/reference/syscalls/port_queue).
///
/// # Errors
/// `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without `WRITE`; `INVALID_ARGS` without a packet;
/// `SHOULD_WAIT` if 4,096 packets that were queued like this have not been taken.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let port = zx_port_create(0)?;
/// let user = zx_packet_user_t { u64: [1, 2, 3, 4] };
/// let packet = zx_port_packet_t {
///     key: 9,
///     r#type: ZX_PKT_TYPE_USER,
///     status: ZX_OK,
///     payload: zx_packet_payload_t { user },
/// };
/// zx_port_queue(port, &packet)?;
/// let packet = zx_port_wait(port, 0)?;
/// assert_eq!((packet.key, packet.bytes()[0]), (9, 1));
/// assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
/// # Ok::<(), Status>(())
/// ```
pub fn zx_port_queue<'a>(
    port: zx_handle_t,
    packet: impl Into<Option<&'a zx_port_packet_t>>,
) -> Result {
    let mailbox = self::port(port, Rights::WRITE)?;
    let packet = packet.into().ok_or(Status::INVALID_ARGS)?;
    Ok(mailbox.queue(packet.key, packet.status, packet.bytes())?)
}

/// Waits for a packet and takes it: the oldest one. A packet that is there is taken even if the
/// deadline has passed. Blocks until then, also if the port is closed meanwhile.
///
/// Like [`zx_port_wait`](https://fuchsia.dev/reference/syscalls/port_wait).
///
/// # Errors
/// `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without `READ`; `TIMED_OUT`.
pub fn zx_port_wait(port: zx_handle_t, deadline: zx_time_t) -> Result<zx_port_packet_t> {
    let mailbox = self::port(port, Rights::READ)?;
    Ok(packet(mailbox.wait(Deadline::at(deadline))?))
}

fn packet(content: port::Content) -> zx_port_packet_t {
    match content {
        port::Content::Signals(notice) => zx_port_packet_t {
            key: notice.key,
            r#type: ZX_PKT_TYPE_SIGNAL_ONE,
            status: ZX_OK,
            payload: zx_packet_payload_t {
                signal: zx_packet_signal_t {
                    trigger: notice.wanted.bits(),
                    observed: notice.observed.bits(),
                    count: 1,
                    timestamp: notice.timestamp,
                    reserved1: 0,
                },
            },
        },
        port::Content::User {
            key,
            status,
            payload,
        } => zx_port_packet_t {
            key,
            r#type: ZX_PKT_TYPE_USER,
            status,
            payload: zx_packet_payload_t {
                user: zx_packet_user_t { c8: payload },
            },
        },
    }
}

/// Removes the registrations that were made with exactly this handle and key, and the packets that
/// they queued.
///
/// Like [`zx_port_cancel`](https://fuchsia.dev/reference/syscalls/port_cancel).
///
/// # Errors
/// Of the port `BAD_HANDLE`, `WRONG_TYPE`, `ACCESS_DENIED` without `WRITE`; of the source
/// `BAD_HANDLE`, `ACCESS_DENIED` without `WAIT`, `NOT_SUPPORTED` if it is a port;
/// `NOT_FOUND` if there was nothing to remove.
pub fn zx_port_cancel(port: zx_handle_t, source: zx_handle_t, key: u64) -> Result {
    let mailbox = self::port(port, Rights::WRITE)?;
    let object = handle::object(source, Rights::WAIT)?;
    let subject = object.subject()?;
    // Refused if the source is that of a forked parent.
    subject.signals()?;
    found(mailbox.cancel(subject, source, key)?)
}

/// Removes all registrations with this key, whatever their source, and all packets, those of
/// [`zx_port_queue`] too.
///
/// Like [`zx_port_cancel_key`](https://fuchsia.dev/reference/syscalls/port_cancel_key).
///
/// # Errors
/// `INVALID_ARGS` for any options; `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without
/// `WRITE`; `NOT_FOUND` if there was nothing to remove.
pub fn zx_port_cancel_key(port: zx_handle_t, options: u32, key: u64) -> Result {
    if options != 0 {
        return Err(Status::INVALID_ARGS);
    }
    found(self::port(port, Rights::WRITE)?.cancel_key(key)?)
}

fn found(found: bool) -> Result {
    if found {
        Ok(())
    } else {
        Err(Status::NOT_FOUND)
    }
}

/// A descriptor for other event loops, the caller's to close: readable when [`zx_port_wait`] might
/// have something to do. Zircon has no name for this.
///
/// # Errors
/// `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without `READ`; `NO_RESOURCES` without
/// descriptors.
pub fn port_descriptor(port: zx_handle_t) -> Result<OwnedFd> {
    let mailbox = self::port(port, Rights::READ)?;
    mailbox.check_owner()?;
    let copy = mailbox.descriptor().try_clone_to_owned();
    Ok(copy.map_err(|error| Error::io("fcntl", &error))?)
}
