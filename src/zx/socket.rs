//! Endpoints behind handles: any number of threads read and write through them, one at a time
//! in each direction.

use std::sync::Arc;

use super::handle::{self, Handle};
use super::memory::{BadAddress, Sink, Source, is_null_buffer};
use super::object::{Content, Object};
use super::serial::{Serial, SerialGuard};
use super::status::{Result, Status};
use super::types::*;
use crate::endpoint::Grant;
use crate::error::Error;
use crate::layout::Kind;
use crate::rights::Rights;
use crate::ring::record::Prefix;
use crate::signals::Disposition;
use crate::socket::{Builder, Lane, Link, Receiving, Sending};

/// An endpoint that is shared by threads.
#[derive(Debug)]
pub(super) struct Socket {
    link: Arc<Link>,
    kind: Kind,
    /// Both empty once the endpoint lives on in an envelope.
    receiving: Serial<Option<Receiving>>,
    sending: Serial<Option<Sending>>,
}

/// Sizes beyond this are refused, whatever the capacity.
const MOST: usize = u32::MAX as usize;

impl Socket {
    /// # Errors
    /// If the positions in its memory are impossible.
    pub(super) fn new(link: Arc<Link>) -> Result<Self> {
        let header = *link.header();
        let (receiving, sending) = (
            Receiving::new(Arc::clone(&link))?,
            Sending::new(Arc::clone(&link))?,
        );
        Ok(Self {
            link,
            kind: header.kind,
            receiving: Serial::new(Some(receiving), header.fence_mode),
            sending: Serial::new(Some(sending), header.fence_mode),
        })
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The two directions, when no call is under way in either.
    pub(super) fn lock(&self) -> Result<(Held<'_, Receiving>, Held<'_, Sending>)> {
        Ok((self.receiving.lock()?, self.sending.lock()?))
    }

    /// The last handle is gone. What calls under way have been let in to write is written before the
    /// peer sees the end; those that come later find nothing to write to.
    pub(super) fn close(&self) {
        // Refused only where other threads may not be waited for.
        let held = self.lock();
        self.link.close_now();
        if let Ok((mut receiving, mut sending)) = held {
            (*receiving, *sending) = (None, None);
        }
    }

    /// Waits until every call has ended that is under way in either direction: those that come
    /// later know of observers that were added before.
    pub(super) fn settle(&self) -> Result {
        self.receiving.settle()?;
        self.sending.settle()?;
        Ok(())
    }

    #[inline(always)]
    fn write(&self, source: impl Source) -> Moved {
        let kind = self.kind;
        inside(&self.sending, move |half| {
            if kind == Kind::Stream
                && let Some(written) = write_at_once(half, &source)
            {
                return written;
            }
            write_any(half, kind, source)
        })
    }

    #[inline(always)]
    fn read(&self, peek: bool, mut sink: impl Sink) -> Moved {
        let kind = self.kind;
        inside(&self.receiving, move |half| {
            if kind == Kind::Stream
                && !peek
                && let Some(read) = read_at_once(half, &mut sink)
            {
                return read;
            }
            read_any(half, kind, peek, sink)
        })
    }

    /// Bytes that one read can get.
    pub(super) fn next_len(&self, queued: u64) -> Result<u64> {
        if self.kind == Kind::Stream {
            return Ok(queued);
        }
        let first = inside(&self.receiving, |half| {
            let first = half.attempt(|reader| reader.first_datagram());
            Moved::len(first.map_or(0, |record| record.payload))
        });
        Ok(first.result()? as u64)
    }
}

/// One direction, held by this thread.
pub(super) type Held<'a, T> = SerialGuard<'a, Option<T>>;

/// Calls `f` with a direction that no other thread uses meanwhile, unless it has left the process
/// since the handle was looked up.
#[inline(always)]
fn inside<T>(direction: &Serial<Option<T>>, f: impl FnOnce(&mut T) -> Moved) -> Moved {
    direction.with(move |half| match half {
        Some(half) => f(half),
        None => Moved::failed(Status::BAD_HANDLE),
    })
}

/// How many bytes a call has moved, or why none, in one register.
///
/// A `Result` of a number and a status is stored and loaded again at each step out of a call,
/// in parts of other sizes, for which the processor waits: that was 8 of the 26 ns of a
/// write and a read of 8 bytes.
#[derive(Clone, Copy)]
struct Moved(i64);

impl Moved {
    /// That many, at most [`MOST`].
    #[inline(always)]
    fn len(len: usize) -> Self {
        Self(len as i64)
    }

    #[inline(always)]
    fn failed(status: Status) -> Self {
        // Every status that is an error is below 0.
        Self(status.into_raw().into())
    }

    #[inline(always)]
    fn if_copied(len: usize, copied: Result<(), BadAddress>) -> Self {
        match copied {
            Ok(()) => Self::len(len),
            Err(BadAddress) => Self::failed(Status::INVALID_ARGS),
        }
    }

    /// This failure, or that one.
    fn and(self, status: Status) -> Self {
        if self.0 < 0 {
            self
        } else {
            Self::failed(status)
        }
    }

    #[inline(always)]
    fn result(self) -> Result<usize> {
        match usize::try_from(self.0) {
            Ok(len) => Ok(len),
            Err(_) => Err(self.status()),
        }
    }

    #[inline(always)]
    fn status(self) -> Status {
        Status::error(self.0 as zx_status_t)
    }
}

impl From<Error> for Moved {
    #[cold]
    #[inline(never)]
    fn from(error: Error) -> Self {
        Self::failed(error.into())
    }
}

/// The write that costs little: of a stream, all of it, to one place. `None`, and nothing was
/// written, if it is another one.
#[inline(always)]
fn write_at_once(half: &mut Sending, source: &impl Source) -> Option<Moved> {
    // No ring has space for more than `MOST`.
    let len = source.len();
    if !half.is_unobserved() {
        return None;
    }
    let grant = half.end().begin_all(len)?;
    let ring = grant.ring();
    let [(offset, _), _] = ring.ranges(0, len);
    source.copy_to(0, ring.mem().slice_mut(offset, len)).ok()?;
    grant.commit(len);
    Some(Moved::len(len))
}

/// Any write. Out of line, so that the way of [`write_at_once`] has the registers to itself.
#[inline(never)]
fn write_any(half: &mut Sending, kind: Kind, source: impl Source) -> Moved {
    let size = source.len();
    if size > MOST {
        let state = half.attempt_as(|writer| writer.check().map(|()| Moved::len(0)));
        return state.and(Status::INVALID_ARGS);
    }
    half.attempt_as(move |writer| {
        // A stream takes a part, a datagram goes as a whole.
        let least = match kind {
            Kind::Stream => size.min(1),
            Kind::Datagram => size,
        };
        let grant = writer.begin(least, size)?;
        let len = grant.len();
        let copied = match (len, kind) {
            (0, _) => Ok(()),
            (len, Kind::Stream) => write_bytes(grant, len, &source),
            (len, Kind::Datagram) => write_record(grant, len, &source),
        };
        Ok(Moved::if_copied(len, copied))
    })
}

/// The read that costs little: of a stream, from one place. `None`, and nothing was consumed, if it
/// is another one.
#[inline(always)]
fn read_at_once(half: &mut Receiving, sink: &mut impl Sink) -> Option<Moved> {
    if sink.len() > MOST || !half.is_unobserved() {
        return None;
    }
    let reader = half.end();
    let len = reader.at_once(sink.len() as u64) as usize;
    let [(offset, first), _] = reader.ring().ranges(0, len);
    if first < len || len == 0 {
        return None;
    }
    sink.copy_from(0, reader.mem().slice(offset, len)).ok()?;
    reader.consume(len);
    Some(Moved::len(len))
}

/// Any read. Out of line, as [`write_any`].
#[inline(never)]
fn read_any(half: &mut Receiving, kind: Kind, peek: bool, mut sink: impl Sink) -> Moved {
    if sink.len() > MOST {
        return Moved::failed(Status::INVALID_ARGS);
    }
    half.attempt_as(move |reader| match kind {
        Kind::Stream => {
            let queued = reader.available(sink.len())?;
            let len = (sink.len() as u64).min(queued) as usize;
            let copied = copy_out(reader.ring(), 0, len, &mut sink);
            if !peek && copied.is_ok() {
                reader.consume(len);
            }
            Ok(Moved::if_copied(len, copied))
        }
        Kind::Datagram => {
            let record = reader.first_datagram()?;
            let len = sink.len().min(record.payload);
            let copied = copy_out(reader.ring(), record.prefix, len, &mut sink);
            if !peek && len > 0 {
                reader.consume_datagram(record);
            }
            Ok(Moved::if_copied(len, copied))
        }
    })
}

/// Writes part of a stream, or nothing if the caller's memory cannot be read.
#[inline(always)]
fn write_bytes(grant: Grant<'_, Lane>, len: usize, source: &impl Source) -> Result<(), BadAddress> {
    copy_in(&grant, 0, len, source)?;
    grant.commit(len);
    Ok(())
}

/// Writes a datagram, or nothing if the caller's memory cannot be read.
#[inline(always)]
fn write_record(
    grant: Grant<'_, Lane>,
    len: usize,
    source: &impl Source,
) -> Result<(), BadAddress> {
    let prefix = Prefix::new(len);
    let prefix = prefix.as_bytes();
    copy_in(&grant, prefix.len(), len, source)?;
    grant.ring().copy_in(0, prefix);
    grant.commit_record(prefix.len(), len);
    Ok(())
}

/// Fills `len` bytes of a grant from the caller's memory.
#[inline(always)]
fn copy_in(
    grant: &Grant<'_, Lane>,
    prefix: usize,
    len: usize,
    source: &impl Source,
) -> Result<(), BadAddress> {
    let ring = grant.ring();
    let [(offset, first), (rest, second)] = ring.ranges(prefix, len);
    // An address of no bytes may be any.
    if first > 0 {
        source.copy_to(0, ring.mem().slice_mut(offset, first))?;
    }
    if second > 0 {
        source.copy_to(first, ring.mem().slice_mut(rest, second))?;
    }
    Ok(())
}

/// Copies `len` bytes behind the head to the caller's memory.
#[inline(always)]
fn copy_out(
    ring: &crate::ring::Consumer<Lane>,
    prefix: usize,
    len: usize,
    sink: &mut impl Sink,
) -> Result<(), BadAddress> {
    let [(offset, first), (rest, second)] = ring.ranges(prefix, len);
    if first > 0 {
        sink.copy_from(0, ring.mem().slice(offset, first))?;
    }
    if second > 0 {
        sink.copy_from(first, ring.mem().slice(rest, second))?;
    }
    Ok(())
}

/// The socket that a handle stands for, if it has the right.
#[inline(always)]
pub(super) fn socket(handle: &Handle, needed: Rights) -> Result<&Socket> {
    let socket = handle.object.socket()?;
    handle.check(needed)?;
    Ok(socket)
}

/// Calls `f` with the socket that a handle stands for, if it has the right.
#[inline]
fn with_socket<T>(
    value: zx_handle_t,
    needed: Rights,
    f: impl FnOnce(&Socket) -> Result<T>,
) -> Result<T> {
    handle::with(value, |handle| f(socket(handle, needed)?))
}

/// The same for calls that move bytes.
#[inline(always)]
fn moving(value: zx_handle_t, needed: Rights, f: impl FnOnce(&Socket) -> Moved) -> Result<usize> {
    let none = Moved::failed(Status::BAD_HANDLE);
    let moved = handle::find(value, none, move |handle| match socket(handle, needed) {
        Ok(socket) => f(socket),
        Err(status) => Moved::failed(status),
    });
    moved.result()
}

/// Makes two connected endpoints of 256 KiB in each direction, and handles to them.
///
/// `ZX_SOCKET_STREAM` for bytes without boundaries, `ZX_SOCKET_DATAGRAM` for whole messages.
/// Like [`zx_socket_create`](https://fuchsia.dev/reference/syscalls/socket_create).
///
/// # Errors
/// `INVALID_ARGS` for other options; `NO_MEMORY`; `NO_RESOURCES` without descriptors.
pub fn zx_socket_create(options: u32) -> Result<(zx_handle_t, zx_handle_t)> {
    create(options, Builder::new())
}

/// Makes two connected endpoints as [`zx_socket_create`] does, of 4 KiB to 1 GiB in each
/// direction, rounded up to whole pages. Zircon has no name for this.
///
/// # Errors
/// As [`zx_socket_create`], and then `OUT_OF_RANGE` for other capacities.
pub fn socket_create_with_capacity(
    options: u32,
    capacity: usize,
) -> Result<(zx_handle_t, zx_handle_t)> {
    create(options, Builder::new().capacity(capacity))
}

fn create(options: u32, builder: Builder) -> Result<(zx_handle_t, zx_handle_t)> {
    let kind = match options {
        ZX_SOCKET_STREAM => Kind::Stream,
        ZX_SOCKET_DATAGRAM => Kind::Datagram,
        _ => return Err(Status::INVALID_ARGS),
    };
    let [a, b] = builder.links(kind)?;
    let (a, b) = (adopt(a)?, adopt(b));
    match b {
        Ok(b) => Ok((a, b)),
        Err(status) => {
            handle::zx_handle_close(a)?;
            Err(status)
        }
    }
}

/// Makes a handle to an endpoint that no handle stands for.
pub(super) fn adopt(link: Arc<Link>) -> Result<zx_handle_t> {
    let rights = link.rights();
    let object = Object::new(Content::Socket(Socket::new(link)?));
    handle::insert(object, rights)
}

/// Writes to the peer: of a stream as much as there is space for, at least a byte; of a datagram
/// socket everything or nothing. Returns how much it was. Does not block.
///
/// Nothing is queued if the buffer cannot be read. Like
/// [`zx_socket_write`](https://fuchsia.dev/reference/syscalls/socket_write).
///
/// # Errors
/// In this order: `INVALID_ARGS` for a null buffer of some size, or any options;
/// `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without `WRITE`; `PEER_CLOSED`;
/// `BAD_STATE` if writing is disabled; `INVALID_ARGS` beyond 32 bits; `SHOULD_WAIT` if the
/// direction is full; `OUT_OF_RANGE` for a datagram larger than the capacity; `SHOULD_WAIT` for
/// one that does not fit now; `INVALID_ARGS` if the buffer cannot be read.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, _b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// assert_eq!(zx_socket_write(a, 0, &[7; 1 << 20])?, 256 << 10); // what there is space for
/// assert_eq!(zx_socket_write(a, 0, b"more"), Err(Status::SHOULD_WAIT));
/// # Ok::<(), Status>(())
/// ```
#[inline]
pub fn zx_socket_write(handle: zx_handle_t, options: u32, buffer: impl Source) -> Result<usize> {
    if is_null_buffer(buffer.is_null(), buffer.len()) || options != 0 {
        return Err(Status::INVALID_ARGS);
    }
    moving(handle, Rights::WRITE, move |socket| socket.write(buffer))
}

/// Reads what the peer has written: of a stream as much as is there and fits; of a datagram
/// socket the first datagram, of which the rest is lost. Returns how much it was. Does not block.
///
/// With `ZX_SOCKET_PEEK` everything stays queued. Like
/// [`zx_socket_read`](https://fuchsia.dev/reference/syscalls/socket_read).
///
/// # Errors
/// In this order: `INVALID_ARGS` for a null buffer of some size, or other options;
/// `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without `READ`; `INVALID_ARGS` beyond 32
/// bits; with nothing queued `PEER_CLOSED`, `BAD_STATE` if the peer's writing is
/// disabled, `SHOULD_WAIT`; `INVALID_ARGS` if the buffer cannot be written: of a stream
/// nothing is taken then, a datagram is lost.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_DATAGRAM)?;
/// zx_socket_write(a, 0, b"message")?;
/// let mut buf = [0; 4];
/// assert_eq!(zx_socket_read(b, ZX_SOCKET_PEEK, &mut buf)?, 4);
/// assert_eq!(zx_socket_read(b, 0, &mut buf)?, 4);
/// assert_eq!(&buf, b"mess"); // the rest is lost
/// assert_eq!(zx_socket_read(b, 0, &mut buf), Err(Status::SHOULD_WAIT));
/// # Ok::<(), Status>(())
/// ```
#[inline]
pub fn zx_socket_read(handle: zx_handle_t, options: u32, buffer: impl Sink) -> Result<usize> {
    if is_null_buffer(buffer.is_null(), buffer.len()) || options & !ZX_SOCKET_PEEK != 0 {
        return Err(Status::INVALID_ARGS);
    }
    let peek = options & ZX_SOCKET_PEEK != 0;
    moving(handle, Rights::READ, move |socket| {
        socket.read(peek, buffer)
    })
}

fn disposition(value: u32) -> Result<Disposition> {
    match value {
        0 => Ok(Disposition::Unchanged),
        ZX_SOCKET_DISPOSITION_WRITE_DISABLED => Ok(Disposition::WriteDisabled),
        ZX_SOCKET_DISPOSITION_WRITE_ENABLED => Ok(Disposition::WriteEnabled),
        _ => Err(Status::INVALID_ARGS),
    }
}

/// Disables or enables writing by this endpoint and by its peer, both or neither; 0 changes
/// nothing.
///
/// Like
/// [`zx_socket_set_disposition`](https://fuchsia.dev/reference/syscalls/socket_set_disposition).
///
/// # Errors
/// `INVALID_ARGS` for other values; `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without
/// `MANAGE_SOCKET`; `BAD_STATE` if writing that was disabled should be enabled before
/// everything was read that was written before.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// zx_socket_set_disposition(a, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0)?;
/// assert_eq!(zx_socket_write(a, 0, b"x"), Err(Status::BAD_STATE));
/// assert_eq!(zx_socket_read(b, 0, &mut [0; 8]), Err(Status::BAD_STATE));
/// assert_eq!(zx_socket_write(b, 0, b"the other direction goes on")?, 27);
/// # Ok::<(), Status>(())
/// ```
pub fn zx_socket_set_disposition(
    handle: zx_handle_t,
    disposition: u32,
    disposition_peer: u32,
) -> Result {
    let own = self::disposition(disposition)?;
    let peer = self::disposition(disposition_peer)?;
    with_socket(handle, Rights::MANAGE_SOCKET, |socket| {
        Ok(socket.link().set_disposition(own, peer)?)
    })
}

/// Disables writing by this endpoint, by its peer, or both: what older programs call instead of
/// [`zx_socket_set_disposition`].
///
/// # Errors
/// `INVALID_ARGS` for other options; `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED` without
/// `WRITE`.
pub fn zx_socket_shutdown(handle: zx_handle_t, options: u32) -> Result {
    if options & !ZX_SOCKET_SHUTDOWN_MASK != 0 {
        return Err(Status::INVALID_ARGS);
    }
    let disable = |option| match options & option {
        0 => Disposition::Unchanged,
        _ => Disposition::WriteDisabled,
    };
    let own = disable(ZX_SOCKET_SHUTDOWN_WRITE);
    let peer = disable(ZX_SOCKET_SHUTDOWN_READ);
    with_socket(handle, Rights::WRITE, |socket| {
        Ok(socket.link().shut_down(own, peer)?)
    })
}
