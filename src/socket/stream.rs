//! Byte streams.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::{endpoint_calls, half_calls, setting_calls, split_calls};
use super::fdio;
use super::half::{Half, Receiving, Sending, Want, end_is_zero};
use super::link::Link;
use super::wait::{self, AsLink};
use super::{Builder, Info, ReadChunk, Readiness, Reservation, ReuniteError};
use crate::endpoint::Reader;
use crate::error::{Error, Result};
use crate::mem::Role;
use crate::observe::Subject;
use crate::signals::{Disposition, Signals};
#[cfg(feature = "_async")]
use crate::wait::Limit;

/// One end of a bidirectional byte stream through shared memory.
///
/// Made in pairs. Each direction is a ring of fixed capacity: a writer that finds
/// it full waits (or is told [`Error::WouldBlock`]), a reader that finds it empty
/// too. Boundaries between writes are not kept; reads and writes may be partial.
/// Reading and writing allocate nothing.
///
/// An endpoint has one owner: it cannot be cloned, and reading and writing take
/// `&mut self`. To read and write from two threads, [split](Self::into_split) it.
/// To use it in another process, turn it into a descriptor (`OwnedFd::from`) and
/// send that.
///
/// When the other endpoint is dropped or its process ends in any way, what it had
/// written can still be read; then reads return 0 and writes fail with
/// [`Error::PeerClosed`]. Blocked calls return at once. (Calls that never block may take
/// a while to learn that a peer was killed; see the [crate's documentation](crate).)
///
/// Like a Zircon socket in stream mode (`zx_socket_create`).
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use zocket::Stream;
///
/// let (mut a, mut b) = Stream::pair()?;
/// let echo = std::thread::spawn(move || -> std::io::Result<()> {
///     let mut line = [0; 5];
///     b.read_exact(&mut line)?;
///     b.write_all(&line)
/// });
/// a.write_all(b"hello")?;
/// let mut answer = String::new();
/// a.read_to_string(&mut answer)?; // until `b` is dropped
/// assert_eq!(answer, "hello");
/// echo.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Two readers of one direction do not compile:
/// ```compile_fail,E0499
/// # let (mut a, _b) = zocket::Stream::pair().unwrap();
/// let (mut x, mut y) = ([0; 1], [0; 1]);
/// std::thread::scope(|s| {
///     s.spawn(|| a.try_read(&mut x));
///     s.spawn(|| a.try_read(&mut y));
/// });
/// ```
///
/// Nor does a copy of an endpoint:
/// ```compile_fail,E0599
/// # let (a, _b) = zocket::Stream::pair().unwrap();
/// let copy = a.clone();
/// ```
pub struct Stream {
    receiving: Receiving,
    sending: Sending,
}

/// The reading half of a [`Stream`], for a thread of its own.
///
/// Dropping it refuses all further writing by the peer, as nobody can read it.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use zocket::Stream;
///
/// let (a, mut b) = Stream::pair()?;
/// let (mut read, mut write) = a.into_split();
/// let writer = std::thread::spawn(move || write.write_all(b"ping"));
/// let mut buf = [0; 4];
/// b.read_exact(&mut buf)?;
/// b.write_all(b"pong")?;
/// read.read_exact(&mut buf)?;
/// assert_eq!(&buf, b"pong");
/// # writer.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// ```compile_fail,E0599
/// # let (a, _b) = zocket::Stream::pair().unwrap();
/// let (read, _write) = a.into_split();
/// let second_reader = read.clone();
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf {
    /// Taken only by `reunite`.
    half: Option<Receiving>,
}

/// The writing half of a [`Stream`], for a thread of its own.
///
/// Dropping it shuts writing down: the peer reads what was written and then sees
/// the end.
///
/// ```compile_fail,E0599
/// # let (a, _b) = zocket::Stream::pair().unwrap();
/// let (_read, write) = a.into_split();
/// let second_writer = write.clone();
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf {
    /// Taken only by `reunite`.
    half: Option<Sending>,
}

endpoint_calls!(Stream);
half_calls!(OwnedReadHalf, Receiving, Stream, wait_readable, All);
half_calls!(OwnedWriteHalf, Sending, Stream, wait_writable, Part);
split_calls!(Stream, OwnedReadHalf, OwnedWriteHalf);

impl Stream {
    /// Makes a pair of connected endpoints with 256 KiB in each direction.
    ///
    /// # Errors
    /// As [`Builder::stream_pair`].
    pub fn pair() -> Result<(Self, Self)> {
        Builder::new().stream_pair()
    }
}

/// Reading.
impl Stream {
    /// Reads what is queued into `buf`, as far as it fits, without waiting.
    ///
    /// Returns 0 at the end of the data, when the peer is closed or writing was shut
    /// down and everything has been read; and for an empty `buf`, if anything is
    /// queued. Like `zx_socket_read`.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if nothing is queued; [`Error::Protocol`];
    /// [`Error::FenceRefused`] at an end made by a shutdown, in a sandbox that was entered later and refuses
    /// `membarrier(2)`; [`Error::Forked`].
    #[inline]
    pub fn try_read(&mut self, buf: &mut [u8]) -> Result<usize> {
        try_read(&mut self.receiving, buf)
    }

    /// Reads like [`try_read`](Self::try_read), into several buffers one after the other.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        end_is_zero(self.receiving.attempt(|r| r.read_vectored(bufs)))
    }

    /// Reads like [`try_read`](Self::try_read), but leaves the bytes queued.
    /// `ZX_SOCKET_PEEK`.
    ///
    /// To get more than is queued, wait with [`wait_readable`](Self::wait_readable) rather
    /// than peek again and again: a writer that blocks on a ring that is nearly full goes on
    /// when a quarter of it is free, or when the reader waits.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        end_is_zero(self.receiving.attempt(|r| r.peek(buf)))
    }

    /// Reads like `Read::read`, but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::WouldBlock`] on a non-blocking endpoint; as
    /// [`try_read`](Self::try_read) else.
    pub fn read_deadline(&mut self, buf: &mut [u8], deadline: Instant) -> Result<usize> {
        read(&mut self.receiving, buf, Some(deadline))
    }

    /// Lends what is queued, for reading in place.
    ///
    /// # Errors
    /// With nothing queued: [`Error::PeerClosed`] or [`Error::WriteDisabled`] at the
    /// end of the data, else [`Error::WouldBlock`]. [`Error::Protocol`];
    /// [`Error::Forked`].
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        try_chunk(&mut self.receiving)
    }

    /// Moves up to `most` queued bytes to a file descriptor with one `writev`,
    /// straight from the ring. Returns how many; 0 at the end of the data.
    ///
    /// Does not wait for data. Waits for the descriptor if that one is blocking.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read); [`Error::Os`] with the `errno` of `writev`,
    /// and then nothing was taken out of the ring.
    pub fn try_read_to_fd(&mut self, fd: impl AsFd, most: usize) -> Result<usize> {
        try_read_to_fd(&mut self.receiving, fd.as_fd(), most)
    }
}

/// Writing.
impl Stream {
    /// Writes what fits of `buf`, without waiting, and says how much that was: at
    /// least one byte, unless `buf` is empty. Like `zx_socket_write`.
    ///
    /// # Errors
    /// [`Error::PeerClosed`]; [`Error::WriteDisabled`] after a shutdown by either
    /// end; [`Error::WouldBlock`] if there is no space; [`Error::NoMemory`] if the system has none
    /// for a part of the ring that was never used (see
    /// [`Builder::reserve`](crate::Builder::reserve)); [`Error::Protocol`]; [`Error::Forked`].
    #[inline]
    pub fn try_write(&mut self, buf: &[u8]) -> Result<usize> {
        try_write(&mut self.sending, buf)
    }

    /// Writes like [`try_write`](Self::try_write), from several buffers one after the
    /// other.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.sending.attempt(|w| w.write_vectored(bufs))
    }

    /// Writes like `Write::write`, but waits no longer than until `deadline`.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; as [`try_write`](Self::try_write) else.
    pub fn write_deadline(&mut self, buf: &[u8], deadline: Instant) -> Result<usize> {
        write(&mut self.sending, buf, Some(deadline))
    }

    /// Reserves space for exactly `len` bytes, for writing in place.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write), and [`Error::TooLarge`] if `len` exceeds
    /// the capacity.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        try_reserve(&mut self.sending, len)
    }

    /// Moves up to `most` bytes from a file descriptor with one `readv`, straight into
    /// the ring. Returns how many; 0 at the end of the file, or for a `most` of 0.
    ///
    /// Does not wait for space. Waits for the descriptor if that one is blocking.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write); [`Error::Os`] with the `errno` of `readv`.
    pub fn try_write_from_fd(&mut self, fd: impl AsFd, most: usize) -> Result<usize> {
        try_write_from_fd(&mut self.sending, fd.as_fd(), most)
    }
}

// What the methods of `Stream` and those of its halves share.

#[inline(always)]
fn try_read(half: &mut Receiving, buf: &mut [u8]) -> Result<usize> {
    // Who wants nothing need not look.
    if buf.is_empty() || !half.is_unobserved() {
        return try_read_any(half, buf);
    }
    match half.end().read_at_once(buf) {
        Some(len) => Ok(len),
        None => try_read_after_a_look(half, buf),
    }
}

/// Out of line, so that the usual case needs few registers.
#[inline(never)]
fn try_read_after_a_look(half: &mut Receiving, buf: &mut [u8]) -> Result<usize> {
    let queued = half.end().look_for(buf);
    if queued == 0 && half.finds_nothing() {
        return Err(Error::WouldBlock);
    }
    if let Some(len) = half.end().read_queued(buf, queued) {
        return Ok(len);
    }
    try_read_any(half, buf)
}

#[inline(never)]
fn try_read_any(half: &mut Receiving, buf: &mut [u8]) -> Result<usize> {
    end_is_zero(half.attempt(|r| r.read(buf)))
}

#[inline(always)]
fn try_write(half: &mut Sending, buf: &[u8]) -> Result<usize> {
    if half.is_unobserved() && half.end().write_at_once(buf) {
        return Ok(buf.len());
    }
    try_write_any(half, buf)
}

#[inline(never)]
fn try_write_any(half: &mut Sending, buf: &[u8]) -> Result<usize> {
    half.attempt(|w| w.write(buf))
}

#[inline(always)]
fn read(half: &mut Receiving, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize> {
    if half.is_unobserved()
        && let Some(len) = half.end().read_at_once(buf)
    {
        return Ok(len);
    }
    read_any(half, buf, deadline)
}

#[inline(never)]
fn read_any(half: &mut Receiving, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize> {
    if buf.is_empty() {
        // As std: reading nothing waits for nothing.
        return Ok(0);
    }
    let deadline = |link: &Link| match deadline {
        None => Receiving::usual_deadline(link),
        deadline => deadline.into(),
    };
    end_is_zero(half.receive(buf, deadline, Reader::read_cheaply, Reader::read))
}

/// As std does it, but that the usual case is compiled into the caller.
#[inline(always)]
fn read_exact(half: &mut Receiving, buf: &mut [u8]) -> io::Result<()> {
    match read(half, buf, None)? {
        len if len == buf.len() => Ok(()),
        len => read_rest(half, &mut buf[len..], len),
    }
}

/// Goes on after a read of `last` bytes that was not all.
#[cold]
#[inline(never)]
fn read_rest(half: &mut Receiving, mut buf: &mut [u8], mut last: usize) -> io::Result<()> {
    while !buf.is_empty() {
        if last == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        last = read(half, buf, None)?;
        buf = &mut buf[last..];
    }
    Ok(())
}

fn read_vectored(half: &mut Receiving, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
    if bufs.iter().all(|buf| buf.is_empty()) {
        return Ok(0);
    }
    let result = half.complete(Receiving::usual_deadline, Want::All(1), |r| {
        r.read_vectored(bufs)
    });
    end_is_zero(result)
}

#[inline(always)]
fn write(half: &mut Sending, buf: &[u8], deadline: Option<Instant>) -> Result<usize> {
    if half.is_unobserved() && half.end().write_at_once(buf) {
        return Ok(buf.len());
    }
    write_any(half, buf, deadline)
}

/// As std does it, but that the usual case is compiled into the caller.
#[inline(always)]
fn write_all(half: &mut Sending, buf: &[u8]) -> io::Result<()> {
    match write(half, buf, None)? {
        len if len == buf.len() => Ok(()),
        len => write_rest(half, &buf[len..]),
    }
}

#[cold]
#[inline(never)]
fn write_rest(half: &mut Sending, mut buf: &[u8]) -> io::Result<()> {
    while !buf.is_empty() {
        // Never nothing: it waits for a byte's space.
        let len = write(half, buf, None)?;
        buf = &buf[len..];
    }
    Ok(())
}

#[inline(never)]
fn write_any(half: &mut Sending, buf: &[u8], deadline: Option<Instant>) -> Result<usize> {
    let deadline = |link: &Link| match deadline {
        None => Sending::usual_deadline(link),
        deadline => deadline.into(),
    };
    half.complete(deadline, Want::Part(buf.len()), |w| w.write(buf))
}

fn write_vectored(half: &mut Sending, bufs: &[IoSlice<'_>]) -> Result<usize> {
    let total = bufs
        .iter()
        .fold(0, |sum: usize, buf| sum.saturating_add(buf.len()));
    half.complete(Sending::usual_deadline, Want::Part(total), |w| {
        w.write_vectored(bufs)
    })
}

fn try_chunk(half: &mut Receiving) -> Result<ReadChunk<'_>> {
    let queued = half.attempt(|r| r.available(usize::MAX))?;
    Ok(ReadChunk::stream(half.end(), queued as usize))
}

fn try_read_to_fd(half: &mut Receiving, fd: BorrowedFd<'_>, most: usize) -> Result<usize> {
    if most == 0 {
        return Ok(0);
    }
    let queued = match half.attempt(|r| r.available(most)) {
        Err(Error::PeerClosed | Error::WriteDisabled) => return Ok(0),
        result => result?,
    };
    let chunk = ReadChunk::stream(half.end(), most.min(queued as usize));
    let len = fdio::write_from(fd, chunk.spans()).map_err(|e| Error::os("writev", e))?;
    chunk.consume(len);
    Ok(len)
}

fn try_reserve(half: &mut Sending, len: usize) -> Result<Reservation<'_>> {
    // The check goes through `attempt`, for what that does about errors.
    half.attempt(|w| w.check_space(len))?;
    half.end().begin(len, len).map(Reservation::stream)
}

fn try_write_from_fd(half: &mut Sending, fd: BorrowedFd<'_>, most: usize) -> Result<usize> {
    if most == 0 {
        return Ok(0);
    }
    // Not within the attempt: it may wait for the descriptor, which nobody else should have to.
    half.attempt(|w| w.check_space(1))?;
    let mut space = half.end().begin(1, most).map(Reservation::stream)?;
    let len = fdio::read_into(fd, space.spans()).map_err(|e| Error::os("readv", e))?;
    space.commit(len);
    Ok(len)
}

/// Reading.
impl OwnedReadHalf {
    /// As [`Stream::try_read`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_read(&mut self, buf: &mut [u8]) -> Result<usize> {
        try_read(self.half(), buf)
    }

    /// As [`Stream::try_read_vectored`].
    ///
    /// # Errors
    /// The same.
    pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        end_is_zero(self.half().attempt(|r| r.read_vectored(bufs)))
    }

    /// As [`Stream::try_peek`].
    ///
    /// # Errors
    /// The same.
    pub fn try_peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        end_is_zero(self.half().attempt(|r| r.peek(buf)))
    }

    /// As [`Stream::read_deadline`].
    ///
    /// # Errors
    /// The same.
    pub fn read_deadline(&mut self, buf: &mut [u8], deadline: Instant) -> Result<usize> {
        read(self.half(), buf, Some(deadline))
    }

    /// As [`Stream::try_chunk`].
    ///
    /// # Errors
    /// The same.
    pub fn try_chunk(&mut self) -> Result<ReadChunk<'_>> {
        try_chunk(self.half())
    }

    /// As [`Stream::try_read_to_fd`].
    ///
    /// # Errors
    /// The same.
    pub fn try_read_to_fd(&mut self, fd: impl AsFd, most: usize) -> Result<usize> {
        try_read_to_fd(self.half(), fd.as_fd(), most)
    }
}

/// Writing.
impl OwnedWriteHalf {
    /// As [`Stream::try_write`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_write(&mut self, buf: &[u8]) -> Result<usize> {
        try_write(self.half(), buf)
    }

    /// As [`Stream::try_write_vectored`].
    ///
    /// # Errors
    /// The same.
    pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.half().attempt(|w| w.write_vectored(bufs))
    }

    /// As [`Stream::write_deadline`].
    ///
    /// # Errors
    /// The same.
    pub fn write_deadline(&mut self, buf: &[u8], deadline: Instant) -> Result<usize> {
        write(self.half(), buf, Some(deadline))
    }

    /// As [`Stream::try_reserve`].
    ///
    /// # Errors
    /// The same.
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>> {
        try_reserve(self.half(), len)
    }

    /// As [`Stream::try_write_from_fd`].
    ///
    /// # Errors
    /// The same.
    pub fn try_write_from_fd(&mut self, fd: impl AsFd, most: usize) -> Result<usize> {
        try_write_from_fd(self.half(), fd.as_fd(), most)
    }
}

/// Waits for at least one byte, unless the endpoint is non-blocking. 0 is the end.
impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(read(&mut self.receiving, buf, None)?)
    }

    #[inline]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        read_exact(&mut self.receiving, buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(read_vectored(&mut self.receiving, bufs)?)
    }
}

/// Waits for space for at least one byte, unless the endpoint is non-blocking.
impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(write(&mut self.sending, buf, None)?)
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        write_all(&mut self.sending, buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(write_vectored(&mut self.sending, bufs)?)
    }

    /// Does nothing: a write is visible to the peer when it returns.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As for [`Stream`].
impl Read for OwnedReadHalf {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(read(self.half(), buf, None)?)
    }

    #[inline]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        read_exact(self.half(), buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(read_vectored(self.half(), bufs)?)
    }
}

/// As for [`Stream`].
impl Write for OwnedWriteHalf {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(write(self.half(), buf, None)?)
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        write_all(self.half(), buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(write_vectored(self.half(), bufs)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
