//! Byte streams.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::half::{Half, Receiving, Sending, Want, end_is_zero};
use super::link::Link;
use super::{Builder, Info, ReadChunk, Readiness, Reservation, ReuniteError};
use crate::error::{Error, Result};
use crate::mem::Role;
use crate::sys::fdio;

/// One end of a bidirectional byte stream through shared memory.
///
/// Made in pairs. Each direction is a ring of fixed capacity: a writer that finds
/// it full waits (or is told [`Error::WouldBlock`]), a reader that finds it empty
/// too. Boundaries between writes are not kept; reads and writes may be partial.
/// Nothing is allocated after creation.
///
/// An endpoint has one owner: it cannot be cloned, and reading and writing take
/// `&mut self`. To read and write from two threads, [split](Self::into_split) it.
/// To use it in another process, turn it into a descriptor (`OwnedFd::from`) and
/// send that.
///
/// When the other endpoint is dropped or its process ends in any way, what it had
/// written can still be read; then reads return 0 and writes fail with
/// [`Error::PeerClosed`]. Blocked calls return at once.
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
/// ```compile_fail,E0599
/// # let (a, _b) = zocket::Stream::pair().unwrap();
/// let (read, _write) = a.into_split();
/// let second_reader = read.clone();
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf {
    /// Taken only by `reunite`.
    receiving: Option<Receiving>,
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
    sending: Option<Sending>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.info()).finish()
    }
}

/// Making, splitting, asking, setting.
impl Stream {
    /// Makes a pair of connected endpoints with 256 KiB in each direction.
    ///
    /// # Errors
    /// As [`Builder::stream_pair`].
    pub fn pair() -> Result<(Self, Self)> {
        Builder::new().stream_pair()
    }

    pub(super) fn from_link(link: Arc<Link>) -> Result<Self> {
        Ok(Self {
            receiving: Half::new(Arc::clone(&link))?,
            sending: Half::new(link)?,
        })
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        self.receiving.link()
    }

    /// Splits the endpoint into halves that may go to different threads.
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
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        (
            OwnedReadHalf {
                receiving: Some(self.receiving),
            },
            OwnedWriteHalf {
                sending: Some(self.sending),
            },
        )
    }

    /// The state of this endpoint.
    pub fn info(&self) -> Info {
        Info::new(self.link())
    }

    /// Shuts one direction or both down, for good.
    ///
    /// [`Shutdown::Write`]: this end writes no more. The peer reads what was written
    /// and then sees the end; the other direction goes on. [`Shutdown::Read`]: the
    /// peer may write no more; what it has written can still be read here. Blocked
    /// calls that this concerns return.
    ///
    /// Like `zx_socket_set_disposition` with `WRITE_DISABLED`.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.link().shut_down(how)
    }

    /// Sets whether calls that would block fail with [`Error::WouldBlock`] instead.
    /// Concerns both halves. Off at first.
    ///
    /// # Errors
    /// None; a result as std's sockets have it.
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        self.link().settings.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Sets how long a read waits that has no deadline of its own; `None`, as at
    /// first, is without end. A read that waited as long fails with
    /// [`Error::TimedOut`].
    ///
    /// # Errors
    /// [`Error::ZeroTimeout`].
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.link().settings.set_timeout(Role::Consumer, timeout)
    }

    /// Sets how long a write waits; as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    /// [`Error::ZeroTimeout`].
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.link().settings.set_timeout(Role::Producer, timeout)
    }

    /// How long a read waits that has no deadline of its own.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.link().settings.timeout(Role::Consumer)
    }

    /// How long a write waits that has no deadline of its own.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.link().settings.timeout(Role::Producer)
    }

    /// Sets whether a call that has to wait looks a while (at most some tens of
    /// microseconds, and only as long as that proves worth while) before it
    /// sleeps. On at first, unless there is only one CPU. Concerns both halves.
    pub fn set_busy_wait(&self, on: bool) {
        self.link().settings.set_busy_wait(on);
    }

    /// Takes the rings of the doorbell, so that polling waits for new ones. To be
    /// called when the descriptor has become readable; see
    /// [`arm_read`](Self::arm_read).
    pub fn acknowledge(&self) {
        self.link().acknowledge();
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
    /// [`Error::Forked`].
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

    /// Waits until at least `least` bytes are queued or no more will be, even on a
    /// non-blocking endpoint. `None` waits without end.
    ///
    /// The peer does not wake this thread before that many bytes are there. Unlike
    /// most waits this does not end with part of what was asked for: see that the
    /// peer writes as much, or ends.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if `least` exceeds the capacity; [`Error::TimedOut`];
    /// [`Error::Protocol`]; [`Error::FenceRefused`]; [`Error::Os`] if the watch over
    /// the peer's life cannot be set up; [`Error::Forked`].
    pub fn wait_readable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.receiving.wait(Want::All(least), deadline.into())
    }

    /// Prepares the descriptor for polling: unless at least `least` bytes are queued
    /// or no more will be, the peer will make it readable when that is so.
    ///
    /// The recipe for any event loop: arm; if [`Armed`](Readiness::Armed), poll the
    /// descriptor ([`AsFd`]) for readability; [`acknowledge`](Self::acknowledge);
    /// try again. It may become readable for nothing.
    ///
    /// # Errors
    /// As [`wait_readable`](Self::wait_readable), but for [`Error::TimedOut`].
    pub fn arm_read(&mut self, least: usize) -> Result<Readiness> {
        self.receiving.arm(least).map(Readiness::from_armed)
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
    /// end; [`Error::WouldBlock`] if there is no space; [`Error::Protocol`];
    /// [`Error::Forked`].
    #[inline]
    pub fn try_write(&mut self, buf: &[u8]) -> Result<usize> {
        self.sending.attempt(|w| w.write(buf))
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

    /// Waits until at least `least` bytes are free or writing is over, even on a
    /// non-blocking endpoint; as [`wait_readable`](Self::wait_readable).
    ///
    /// # Errors
    /// As [`wait_readable`](Self::wait_readable).
    pub fn wait_writable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.sending.wait(Want::All(least), deadline.into())
    }

    /// Prepares the descriptor for polling: unless at least `least` bytes are free or
    /// writing is over, the peer will make it **readable** when that is so; as
    /// [`arm_read`](Self::arm_read).
    ///
    /// # Errors
    /// As [`arm_read`](Self::arm_read).
    pub fn arm_write(&mut self, least: usize) -> Result<Readiness> {
        self.sending.arm(least).map(Readiness::from_armed)
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
    end_is_zero(half.attempt(|r| r.read(buf)))
}

fn read(half: &mut Receiving, buf: &mut [u8], deadline: Option<Instant>) -> Result<usize> {
    if buf.is_empty() {
        // As std: reading nothing waits for nothing.
        return Ok(0);
    }
    let deadline = |link: &Link| match deadline {
        None => Receiving::usual_deadline(link),
        deadline => deadline.into(),
    };
    end_is_zero(half.complete(deadline, Want::All(1), |r| r.read(buf)))
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

fn write(half: &mut Sending, buf: &[u8], deadline: Option<Instant>) -> Result<usize> {
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
    half.attempt(|w| {
        let mut space = Reservation::stream(w.begin(1, most)?);
        let len = fdio::read_into(fd, space.spans()).map_err(|e| Error::os("readv", e))?;
        space.commit(len);
        Ok(len)
    })
}

impl OwnedReadHalf {
    #[inline(always)]
    fn half(&mut self) -> &mut Receiving {
        self.receiving.as_mut().expect("taken by reunite alone")
    }

    fn link(&self) -> &Arc<Link> {
        self.receiving
            .as_ref()
            .expect("taken by reunite alone")
            .link()
    }

    /// Puts the endpoint together again.
    ///
    /// # Errors
    /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
    pub fn reunite(
        mut self,
        mut write: OwnedWriteHalf,
    ) -> Result<Stream, ReuniteError<Self, OwnedWriteHalf>> {
        if !Arc::ptr_eq(self.link(), write.link()) {
            return Err(ReuniteError(self, write));
        }
        Ok(Stream {
            receiving: self.receiving.take().expect("taken here alone"),
            sending: write.sending.take().expect("taken here alone"),
        })
    }

    /// The state of the endpoint.
    pub fn info(&self) -> Info {
        Info::new(self.link())
    }

    /// As [`Stream::acknowledge`].
    pub fn acknowledge(&self) {
        self.link().acknowledge();
    }

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

    /// As [`Stream::wait_readable`].
    ///
    /// # Errors
    /// The same.
    pub fn wait_readable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.half().wait(Want::All(least), deadline.into())
    }

    /// As [`Stream::arm_read`].
    ///
    /// # Errors
    /// The same.
    pub fn arm_read(&mut self, least: usize) -> Result<Readiness> {
        self.half().arm(least).map(Readiness::from_armed)
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

impl OwnedWriteHalf {
    #[inline(always)]
    fn half(&mut self) -> &mut Sending {
        self.sending.as_mut().expect("taken by reunite alone")
    }

    fn link(&self) -> &Arc<Link> {
        self.sending
            .as_ref()
            .expect("taken by reunite alone")
            .link()
    }

    /// Puts the endpoint together again.
    ///
    /// # Errors
    /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<Stream, ReuniteError<OwnedReadHalf, Self>> {
        read.reunite(self)
    }

    /// The state of the endpoint.
    pub fn info(&self) -> Info {
        Info::new(self.link())
    }

    /// As [`Stream::acknowledge`].
    pub fn acknowledge(&self) {
        self.link().acknowledge();
    }

    /// As [`Stream::try_write`].
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn try_write(&mut self, buf: &[u8]) -> Result<usize> {
        self.half().attempt(|w| w.write(buf))
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

    /// As [`Stream::wait_writable`].
    ///
    /// # Errors
    /// The same.
    pub fn wait_writable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
        self.half().wait(Want::All(least), deadline.into())
    }

    /// As [`Stream::arm_write`].
    ///
    /// # Errors
    /// The same.
    pub fn arm_write(&mut self, least: usize) -> Result<Readiness> {
        self.half().arm(least).map(Readiness::from_armed)
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

impl Drop for OwnedReadHalf {
    fn drop(&mut self) {
        if let Some(half) = &self.receiving {
            half.shut_down();
        }
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if let Some(half) = &self.sending {
            half.shut_down();
        }
    }
}

/// Waits for at least one byte, unless the endpoint is non-blocking. 0 is the end.
impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(read(&mut self.receiving, buf, None)?)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(read_vectored(&mut self.receiving, bufs)?)
    }
}

/// Waits for space for at least one byte, unless the endpoint is non-blocking.
impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(write(&mut self.sending, buf, None)?)
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
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(read(self.half(), buf, None)?)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(read_vectored(self.half(), bufs)?)
    }
}

/// As for [`Stream`].
impl Write for OwnedWriteHalf {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(write(self.half(), buf, None)?)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(write_vectored(self.half(), bufs)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The descriptor to poll: readable after [`arm_read`](Self::arm_read) or
/// [`arm_write`](Self::arm_write) when there is something to do, and hung up when
/// the peer is gone. It carries no data; nothing may be read from or written to it.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link().doorbell().as_fd()
    }
}

/// As for [`Stream`].
impl AsFd for OwnedReadHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link().doorbell().as_fd()
    }
}

/// As for [`Stream`].
impl AsFd for OwnedWriteHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link().doorbell().as_fd()
    }
}
