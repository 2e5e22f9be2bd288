//! The paths whose instructions are counted, and how many each may take.

use std::fmt::Debug;
use std::hint::black_box;
use std::io::{Read, Write};

use zocket::zx::{ZX_SOCKET_STREAM, zx_socket_create, zx_socket_read, zx_socket_write};
use zocket::{Datagram, Error, Stream};

/// A call, as it goes while both sides are awake.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// Instructions of one call that are too many, whatever the baseline says.
    pub(crate) limit: f64,
    /// Whether it may call more than `memcpy`. Most must be compiled into their callers as a whole.
    pub(crate) may_call: bool,
    /// Makes what the call needs.
    pub(crate) set_up: fn() -> Turn,
}

/// Makes the call once, checks its answer, and undoes it, so that the next one finds the same.
pub(crate) type Turn = Box<dyn FnMut()>;

/// All of them. The limits are what was counted, rounded up to tens.
pub(crate) const PATHS: [Path; 16] = [
    // What everything else is compared with: of messages whose length is in their type, neither may take
    // more than 60.
    path(
        "stream/try_write/array_of_8",
        60.0,
        stream_try_write_array::<8>,
    ),
    path(
        "stream/try_read/array_of_8",
        60.0,
        stream_try_read_array::<8>,
    ),
    // Of others it takes `memcpy`, and what a call needs around it.
    path("stream/try_write/8", 70.0, stream_try_write::<8>),
    path("stream/try_read/8", 80.0, stream_try_read::<8>),
    path("stream/try_write/64", 70.0, stream_try_write::<64>),
    path("stream/try_read/64", 80.0, stream_try_read::<64>),
    // A poll that finds nothing is not the usual case, which would need more registers with it.
    path("stream/try_read/empty", 110.0, stream_empty_poll).with_calls(),
    path("stream/write/8", 70.0, stream_write::<8>),
    path("stream/read/8", 80.0, stream_read::<8>),
    path("stream/reserve_and_commit/8", 210.0, stream_reserve::<8>).with_calls(),
    path("stream/chunk_and_consume/8", 200.0, stream_chunk::<8>).with_calls(),
    path("datagram/try_send/8", 90.0, datagram_try_send::<8>),
    path("datagram/try_recv/8", 100.0, datagram_try_recv::<8>),
    path("datagram/try_recv/empty", 100.0, datagram_empty_poll).with_calls(),
    path("zx/socket_write/8", 180.0, zx_write::<8>),
    path("zx/socket_read/8", 170.0, zx_read::<8>),
];

const fn path(name: &'static str, limit: f64, set_up: fn() -> Turn) -> Path {
    Path {
        name,
        limit,
        may_call: false,
        set_up,
    }
}

impl Path {
    const fn with_calls(self) -> Self {
        Self {
            may_call: true,
            ..self
        }
    }
}

/// What is sent consists of these.
const BYTE: u8 = 7;

/// Has a call counted. The compiler is told nothing about what goes in and comes out: most
/// callers do not know how long their messages are when they are compiled.
#[inline(always)]
fn count<E, B, R>(end: E, buf: B, call: impl FnOnce(E, B) -> R) -> R {
    black_box(counted_call(black_box(end), black_box(buf), call))
}

/// Part of the name of [`counted_call`] as callgrind knows it.
pub(crate) const COUNTED: &str = "counted_call";

/// What is executed in here is counted, and nothing else: what the call costs a function that
/// makes it and does nothing more, up to and with its return.
#[inline(never)]
fn counted_call<E, B, R>(end: E, buf: B, call: impl FnOnce(E, B) -> R) -> R {
    call(end, buf)
}

/// Checks what was received, and makes it unlike what will be.
fn check(buf: &mut [u8]) {
    assert!(buf.iter().all(|&byte| byte == BYTE));
    buf.fill(0);
}

fn stream_try_write_array<const N: usize>() -> Turn {
    let (mut a, mut b) = Stream::pair().unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        let write = |a: &mut Stream, message: &[u8; N]| a.try_write(message);
        assert_eq!(count(&mut a, &[BYTE; N], write), Ok(N));
        assert_eq!(b.try_read(&mut buf), Ok(N));
        check(&mut buf);
    })
}

fn stream_try_read_array<const N: usize>() -> Turn {
    let (mut a, mut b) = Stream::pair().unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        assert_eq!(a.try_write(&[BYTE; N]), Ok(N));
        let read = |b: &mut Stream, buf: &mut [u8; N]| b.try_read(buf);
        assert_eq!(count(&mut b, &mut buf, read), Ok(N));
        check(&mut buf);
    })
}

fn stream_try_write<const N: usize>() -> Turn {
    stream_writing::<N, _>(Stream::try_write)
}

fn stream_write<const N: usize>() -> Turn {
    stream_writing::<N, _>(Stream::write)
}

fn stream_reserve<const N: usize>() -> Turn {
    stream_writing::<N, _>(|a, message| {
        let mut space = a.try_reserve(message.len())?;
        space.write(0, message);
        space.commit(message.len());
        Ok::<_, Error>(message.len())
    })
}

fn stream_writing<const N: usize, E: Debug>(
    call: impl Fn(&mut Stream, &[u8]) -> Result<usize, E> + Copy + 'static,
) -> Turn {
    let (mut a, mut b) = Stream::pair().unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        assert_eq!(count(&mut a, &[BYTE; N][..], call).unwrap(), N);
        assert_eq!(b.try_read(&mut buf), Ok(N));
        check(&mut buf);
    })
}

fn stream_try_read<const N: usize>() -> Turn {
    stream_reading::<N, _>(Stream::try_read)
}

fn stream_read<const N: usize>() -> Turn {
    stream_reading::<N, _>(Stream::read)
}

fn stream_chunk<const N: usize>() -> Turn {
    stream_reading::<N, _>(|b, buf| {
        let chunk = b.try_chunk()?;
        chunk.read(0, buf);
        chunk.consume(buf.len());
        Ok::<_, Error>(buf.len())
    })
}

fn stream_reading<const N: usize, E: Debug>(
    call: impl Fn(&mut Stream, &mut [u8]) -> Result<usize, E> + Copy + 'static,
) -> Turn {
    let (mut a, mut b) = Stream::pair().unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        assert_eq!(a.try_write(&[BYTE; N]), Ok(N));
        assert_eq!(count(&mut b, &mut buf[..], call).unwrap(), N);
        check(&mut buf);
    })
}

fn stream_empty_poll() -> Turn {
    let (a, mut b) = Stream::pair().unwrap();
    Box::new(move || {
        let _open = &a;
        let answer = count(&mut b, &mut [0; 8][..], Stream::try_read);
        assert_eq!(answer, Err(Error::WouldBlock));
    })
}

fn datagram_try_send<const N: usize>() -> Turn {
    let (mut a, mut b) = Datagram::pair().unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        let sent = count(&mut a, &[BYTE; N][..], Datagram::try_send);
        assert_eq!(sent, Ok(N));
        assert_eq!(b.try_recv(&mut buf), Ok(N));
        check(&mut buf);
    })
}

fn datagram_try_recv<const N: usize>() -> Turn {
    let (mut a, mut b) = Datagram::pair().unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        assert_eq!(a.try_send(&[BYTE; N]), Ok(N));
        let received = count(&mut b, &mut buf[..], Datagram::try_recv);
        assert_eq!(received, Ok(N));
        check(&mut buf);
    })
}

fn datagram_empty_poll() -> Turn {
    let (a, mut b) = Datagram::pair().unwrap();
    Box::new(move || {
        let _open = &a;
        let answer = count(&mut b, &mut [0; 8][..], Datagram::try_recv);
        assert_eq!(answer, Err(Error::WouldBlock));
    })
}

fn zx_write<const N: usize>() -> Turn {
    let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        let written = count(a, &[BYTE; N][..], |a, message| {
            zx_socket_write(a, 0, message)
        });
        assert_eq!(written, Ok(N));
        assert_eq!(zx_socket_read(b, 0, &mut buf), Ok(N));
        check(&mut buf);
    })
}

fn zx_read<const N: usize>() -> Turn {
    let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).unwrap();
    let mut buf = [0; N];
    Box::new(move || {
        assert_eq!(zx_socket_write(a, 0, &[BYTE; N]), Ok(N));
        let read = count(b, &mut buf[..], |b, buf| zx_socket_read(b, 0, buf));
        assert_eq!(read, Ok(N));
        check(&mut buf);
    })
}
