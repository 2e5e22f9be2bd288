//! What a `Stream` does, both ends in one process.

#![allow(
    unsafe_code,
    reason = "takes a capability from a thread, which nix cannot do"
)]

mod support;
mod support_processes;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proptest::prelude::*;
use support_processes::observe::{PATIENCE, manner, sleeper};
use zocket::{
    Builder, Error, FenceMode, FencePolicy, Kind, MAX_CAPACITY, MIN_CAPACITY, ReadChunk, Readiness,
    Stream,
};

const CAPACITY: usize = MIN_CAPACITY;

const MODES: [FencePolicy; 2] = [
    FencePolicy::Auto,
    FencePolicy::Exactly(FenceMode::Symmetric),
];

fn pair() -> (Stream, Stream) {
    Builder::new().capacity(CAPACITY).stream_pair().unwrap()
}

/// A pair whose first direction stands `at` bytes behind the beginning of its ring.
fn pair_at(at: usize) -> (Stream, Stream) {
    let (mut a, mut b) = pair();
    a.write_all(&vec![0; at]).unwrap();
    b.read_exact(&mut vec![0; at]).unwrap();
    (a, b)
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

fn patient() -> Option<Instant> {
    Some(Instant::now() + PATIENCE)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(5)
}

fn chunk_bytes(chunk: &ReadChunk<'_>) -> Vec<u8> {
    let spans = chunk.spans();
    spans.iter().flat_map(|span| span.iter()).collect()
}

/// What poll(2) says about an endpoint at this moment.
fn events(endpoint: &impl AsFd) -> PollFlags {
    let mut fds = [PollFd::new(endpoint.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap();
    fds[0].revents().unwrap()
}

fn nonblocking(fd: &OwnedFd) {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
}

fn os(call: &'static str, errno: Errno) -> Error {
    Error::Os {
        call,
        errno: errno as i32,
    }
}

/// The direction from one end to the other, beside a queue that it must equal.
#[derive(Default)]
struct Model {
    queue: VecDeque<u8>,
    sent: u64,
    received: u64,
}

impl Model {
    /// The next `n` bytes to send: no two near each other alike.
    fn fresh(&self, n: usize) -> Vec<u8> {
        (self.sent..)
            .take(n)
            .map(|i| (i ^ (i >> 8)) as u8)
            .collect()
    }

    fn free(&self) -> usize {
        CAPACITY - self.queue.len()
    }

    fn pushed(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
        self.sent += bytes.len() as u64;
    }

    fn front(&self, n: usize) -> Vec<u8> {
        self.queue.iter().take(n).copied().collect()
    }

    fn popped(&mut self, n: usize) {
        self.queue.drain(..n);
        self.received += n as u64;
    }

    /// Any call, with sizes `m` and `n`.
    fn step(&mut self, from: &mut Stream, to: &mut Stream, call: u8, m: usize, n: usize) {
        let data = self.fresh(m + n);
        let full = |n: usize| {
            if n == 0 {
                Ok(0)
            } else {
                Err(Error::WouldBlock)
            }
        };
        let mut buf = vec![0; m + n];
        match call {
            0 | 1 => {
                let expected = match self.free() {
                    0 => full(m),
                    free => Ok(m.min(free)),
                };
                assert_eq!(from.try_write(&data[..m]), expected);
                self.pushed(&data[..expected.unwrap_or(0)]);
            }
            2 => {
                let expected = match self.free() {
                    0 => full(m + n),
                    free => Ok((m + n).min(free)),
                };
                let (x, y) = data.split_at(m);
                let bufs = [IoSlice::new(x), IoSlice::new(&[]), IoSlice::new(y)];
                assert_eq!(from.try_write_vectored(&bufs), expected);
                self.pushed(&data[..expected.unwrap_or(0)]);
            }
            3 => {
                let free = self.free();
                match from.try_reserve(m) {
                    Ok(mut space) => {
                        assert!(m <= free && space.len() == m);
                        let commit = n.min(m);
                        // In two pieces and out of order.
                        let middle = commit / 2;
                        space.write(middle, &data[middle..commit]);
                        space.write(0, &data[..middle]);
                        space.commit(commit);
                        self.pushed(&data[..commit]);
                    }
                    Err(Error::TooLarge {
                        requested,
                        capacity,
                    }) => {
                        assert_eq!((requested, capacity), (m as u64, CAPACITY as u64));
                        assert!(m > CAPACITY && free > 0);
                    }
                    Err(error) => {
                        assert_eq!(error, Error::WouldBlock);
                        assert!(m > free);
                    }
                }
            }
            4..=6 => {
                let expected = match self.queue.len() {
                    0 => Err(Error::WouldBlock),
                    queued => Ok(m.min(queued)),
                };
                let result = match call {
                    4 => to.try_peek(&mut buf[..m]),
                    _ => to.try_read(&mut buf[..m]),
                };
                assert_eq!(result, expected);
                let len = expected.unwrap_or(0);
                assert_eq!(buf[..len], self.front(len));
                if call != 4 {
                    self.popped(len);
                }
            }
            7 => {
                let expected = match self.queue.len() {
                    0 => Err(Error::WouldBlock),
                    queued => Ok((m + n).min(queued)),
                };
                let (x, y) = buf.split_at_mut(m);
                let bufs = &mut [IoSliceMut::new(x), IoSliceMut::new(y)];
                assert_eq!(to.try_read_vectored(bufs), expected);
                let len = expected.unwrap_or(0);
                assert_eq!(buf[..len], self.front(len));
                self.popped(len);
            }
            _ => match to.try_chunk() {
                Ok(chunk) => {
                    assert_eq!(chunk_bytes(&chunk), self.front(CAPACITY));
                    let len = chunk.len().min(m);
                    chunk.consume(len);
                    self.popped(len);
                }
                Err(error) => {
                    assert_eq!(error, Error::WouldBlock);
                    assert!(self.queue.is_empty());
                }
            },
        }
        let (theirs, ours) = (from.info(), to.info());
        assert_eq!(theirs.unread_by_peer, self.queue.len());
        assert_eq!(ours.readable, self.queue.len());
        assert_eq!(theirs.total_written, self.sent);
        assert_eq!(ours.total_read, self.received);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(
            proptest::test_runner::FileFailurePersistence::WithSource("proptest-regressions"),
        )),
        ..ProptestConfig::default()
    })]

    #[test]
    fn stream_in_any_use_equals_a_queue_of_bytes(
        symmetric: bool,
        // Both sizes up to a little over the capacity, and more often small.
        steps in prop::collection::vec(
            (any::<bool>(), 0..9u8, 0..13u32, any::<u16>(), 0..13u32, any::<u16>()),
            1..120,
        ),
    ) {
        let policy = MODES[usize::from(symmetric)];
        let (mut a, mut b) = Builder::new().capacity(CAPACITY).fence(policy).stream_pair().unwrap();
        let mut models = [Model::default(), Model::default()];
        for (forth, call, m_bits, m, n_bits, n) in steps {
            let size = |bits: u32, n: u16| usize::from(n) % ((1 << bits) + 2);
            let (m, n) = (size(m_bits, m), size(n_bits, n));
            if forth {
                models[0].step(&mut a, &mut b, call, m, n);
            } else {
                models[1].step(&mut b, &mut a, call, m, n);
            }
        }
    }
}

#[test]
fn long_stream_through_a_small_ring_arrives_whole_in_both_modes() {
    const TOTAL: usize = 3_000_001;
    for policy in MODES {
        let builder = Builder::new().capacity(CAPACITY).fence(policy);
        let (mut a, mut b) = builder.stream_pair().unwrap();
        a.set_write_timeout(Some(PATIENCE)).unwrap();
        b.set_read_timeout(Some(PATIENCE)).unwrap();
        let data = bytes(TOTAL);
        thread::scope(|scope| {
            scope.spawn(|| {
                // Sizes that share no factor with the ring's.
                for part in data.chunks(1021) {
                    a.write_all(part).unwrap();
                }
                a.shutdown(Shutdown::Write).unwrap();
            });
            let mut received = Vec::new();
            b.read_to_end(&mut received).unwrap();
            assert!(received == data, "{policy:?}");
        });
    }
}

#[test]
fn write_to_a_nearly_full_ring_takes_what_fits() {
    let (mut a, mut b) = pair();
    assert_eq!(a.try_write(&bytes(CAPACITY - 3)), Ok(CAPACITY - 3));
    assert_eq!(a.try_write(&[7; 10]), Ok(3));
    assert_eq!(a.try_write(&[8]), Err(Error::WouldBlock));
    assert_eq!(b.try_read(&mut [0; 2]), Ok(2));
    assert_eq!(a.try_write(&[9; 10]), Ok(2));
}

#[test]
fn read_from_an_empty_ring_would_block() {
    let (mut a, _b) = pair();
    assert_eq!(a.try_read(&mut [0]), Err(Error::WouldBlock));
    assert_eq!(a.try_peek(&mut [0]), Err(Error::WouldBlock));
    assert_eq!(a.try_chunk().err(), Some(Error::WouldBlock));
}

#[test]
fn empty_buffer_moves_nothing_but_sees_the_state() {
    let (mut a, mut b) = pair();
    // Reading: the state of the queue comes first.
    assert_eq!(b.try_read(&mut []), Err(Error::WouldBlock));
    assert_eq!(b.try_peek(&mut []), Err(Error::WouldBlock));
    a.try_write(b"x").unwrap();
    assert_eq!(b.try_read(&mut []), Ok(0));
    assert_eq!(b.info().readable, 1);
    // std's `read` and `write` wait for nothing with nothing to move.
    assert_eq!(a.read(&mut []).unwrap(), 0);
    assert_eq!(a.read_vectored(&mut [IoSliceMut::new(&mut [])]).unwrap(), 0);
    // Writing: whether it could be accepted, and not whether there is space.
    a.try_write(&bytes(CAPACITY)).unwrap();
    assert_eq!(a.try_write(b"x"), Err(Error::WouldBlock));
    assert_eq!(a.try_write(&[]), Ok(0));
    assert_eq!(a.write(&[]).unwrap(), 0);
    a.shutdown(Shutdown::Write).unwrap();
    assert_eq!(a.try_write(&[]), Err(Error::WriteDisabled));
    drop(b);
    assert_eq!(a.try_write(&[]), Err(Error::PeerClosed));
}

#[test]
fn vectored_calls_cross_the_wrap_and_skip_empty_buffers() {
    let (mut a, mut b) = pair_at(CAPACITY - 5);
    let bufs = [&b""[..], b"abc", b"", b"defgh", b""].map(IoSlice::new);
    assert_eq!(a.try_write_vectored(&bufs), Ok(8));
    let (mut x, mut y) = ([0; 6], [0; 6]);
    let bufs = &mut [&mut [][..], &mut x, &mut [], &mut y].map(IoSliceMut::new);
    assert_eq!(b.try_read_vectored(bufs), Ok(8));
    assert_eq!((&x, &y[..2]), (b"abcdef", &b"gh"[..]));
    assert_eq!(a.try_write_vectored(&[]), Ok(0));
}

// Reservations and chunks.

#[test]
fn reservation_sends_what_is_committed_and_no_more() {
    for at in [0, CAPACITY - 4] {
        for (len, commit) in [(10, 10), (10, 4), (10, 1), (10, 0), (CAPACITY, CAPACITY)] {
            let (mut a, mut b) = pair_at(at);
            let mut space = a.try_reserve(len).unwrap();
            assert_eq!((space.len(), space.is_empty()), (len, false));
            space.write(0, &bytes(len));
            space.commit(commit);
            let mut buf = vec![0; len];
            let expected = if commit == 0 {
                Err(Error::WouldBlock)
            } else {
                Ok(commit)
            };
            assert_eq!(b.try_read(&mut buf), expected);
            assert_eq!(buf[..commit], bytes(commit));
        }
    }
}

#[test]
fn reservation_filled_through_its_spans_crosses_the_wrap() {
    let (mut a, mut b) = pair_at(CAPACITY - 4);
    let mut space = a.try_reserve(10).unwrap();
    let [mut first, mut second] = space.spans();
    assert_eq!((first.len(), second.len()), (4, 6));
    assert_eq!(first.copy_from(b"abcdef"), 4);
    assert_eq!(second.copy_from(b"efgh"), 4);
    second.as_atomics()[5].store(b'!', Relaxed);
    space.commit(10);
    let mut buf = [0; 10];
    assert_eq!(b.try_read(&mut buf), Ok(10));
    assert_eq!((&buf[..8], buf[9]), (&b"abcdefgh"[..], b'!'));
}

#[test]
fn reservation_dropped_sends_nothing_and_frees_its_space() {
    let (mut a, mut b) = pair();
    let mut space = a.try_reserve(CAPACITY).unwrap();
    space.write(0, b"never");
    drop(space);
    assert_eq!(b.try_read(&mut [0]), Err(Error::WouldBlock));
    assert_eq!(a.try_write(&bytes(CAPACITY)), Ok(CAPACITY));
}

#[test]
fn reservation_that_cannot_be_had_is_refused() {
    let (mut a, b) = pair();
    let capacity = CAPACITY as u64;
    let requested = capacity + 1;
    let too_large = Error::TooLarge {
        requested,
        capacity,
    };
    assert_eq!(a.try_reserve(CAPACITY + 1).err(), Some(too_large));
    assert!(a.try_reserve(0).unwrap().is_empty());
    a.try_write(b"x").unwrap();
    assert_eq!(a.try_reserve(CAPACITY).err(), Some(Error::WouldBlock));
    a.shutdown(Shutdown::Write).unwrap();
    assert_eq!(a.try_reserve(1).err(), Some(Error::WriteDisabled));
    drop(b);
    assert_eq!(a.try_reserve(1).err(), Some(Error::PeerClosed));
    assert_eq!(a.try_reserve(CAPACITY).err(), Some(Error::PeerClosed));
}

#[test]
fn reservation_used_beyond_its_end_panics_and_sends_nothing() {
    let (mut a, mut b) = pair();
    for misuse in [
        |a: &mut Stream| a.try_reserve(4).unwrap().write(2, b"abc"),
        |a: &mut Stream| a.try_reserve(4).unwrap().write(usize::MAX, b"a"),
        |a: &mut Stream| a.try_reserve(4).unwrap().commit(5),
    ] {
        assert!(catch_unwind(AssertUnwindSafe(|| misuse(&mut a))).is_err());
        assert_eq!(b.try_read(&mut [0]), Err(Error::WouldBlock));
    }
    a.try_write(b"x").unwrap();
    let misuse = || b.try_chunk().unwrap().consume(2);
    assert!(catch_unwind(AssertUnwindSafe(misuse)).is_err());
    assert_eq!(b.try_read(&mut [0]), Ok(1));
}

/// No byte follows the end, and none is lost: a write that was let in comes first.
#[test]
fn reservation_held_over_a_shutdown_keeps_the_end_from_the_reader() {
    let (mut a, mut b) = pair();
    let mut space = a.try_reserve(3).unwrap();
    b.shutdown(Shutdown::Read).unwrap();
    assert_eq!(b.try_read(&mut [0; 8]), Err(Error::WouldBlock));
    space.write(0, b"yes");
    space.commit(3);
    let mut buf = [0; 8];
    assert_eq!(b.try_read(&mut buf), Ok(3));
    assert_eq!(&buf[..3], b"yes");
    assert_eq!(b.try_read(&mut buf), Ok(0));
    assert_eq!(a.try_write(b"no"), Err(Error::WriteDisabled));
}

#[test]
fn reader_that_sleeps_on_a_held_reservation_is_woken_by_its_end() {
    for commit in [0, 2] {
        let (mut a, mut b) = pair();
        b.set_read_timeout(Some(PATIENCE)).unwrap();
        let space = a.try_reserve(3).unwrap();
        b.shutdown(Shutdown::Read).unwrap();
        thread::scope(|scope| {
            let reader = sleeper(scope, || b.read(&mut [0; 8]).unwrap()).until(manner::FUTEX);
            space.commit(commit);
            assert_eq!(reader.result_in_time(), commit);
        });
    }
}

#[test]
fn chunk_shows_all_that_is_queued_and_gives_back_what_is_consumed() {
    let (mut a, mut b) = pair_at(CAPACITY - 4);
    a.try_write(b"abcdefgh").unwrap();
    let chunk = b.try_chunk().unwrap();
    assert_eq!((chunk.len(), chunk.is_empty()), (8, false));
    assert_eq!(chunk.spans().map(|span| span.len()), [4, 4]);
    assert_eq!(chunk_bytes(&chunk), b"abcdefgh");
    // Not consumed, it stays queued.
    b.try_chunk().unwrap().consume(0);
    b.try_chunk().unwrap().consume(5);
    let chunk = b.try_chunk().unwrap();
    let mut buf = [0; 8];
    assert_eq!(chunk.spans()[0].copy_to(&mut buf), 3);
    assert_eq!(
        (&buf[..3], chunk.spans()[0].get(0)),
        (&b"fgh"[..], Some(b'f'))
    );
    assert_eq!(chunk.spans()[0].get(3), None);
    chunk.consume(3);
    assert_eq!(b.try_chunk().err(), Some(Error::WouldBlock));
}

#[test]
fn chunk_at_the_end_says_which_end() {
    let (a, mut b) = pair();
    a.shutdown(Shutdown::Write).unwrap();
    assert_eq!(b.try_chunk().err(), Some(Error::WriteDisabled));
    drop(a);
    assert_eq!(b.try_chunk().err(), Some(Error::PeerClosed));
}

// Descriptors.

#[test]
fn read_to_a_file_writes_what_is_queued_across_the_wrap() {
    let (mut a, mut b) = pair_at(CAPACITY - 10);
    a.try_write(&bytes(100)).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    assert_eq!(b.try_read_to_fd(&file, 0), Ok(0));
    assert_eq!(b.try_read_to_fd(&file, 30), Ok(30));
    assert_eq!(b.try_read_to_fd(&file, usize::MAX), Ok(70));
    assert_eq!(b.try_read_to_fd(&file, 1), Err(Error::WouldBlock));
    file.rewind().unwrap();
    let mut written = Vec::new();
    file.read_to_end(&mut written).unwrap();
    assert_eq!(written, bytes(100));
    drop(a);
    assert_eq!(b.try_read_to_fd(&file, 1), Ok(0));
}

#[test]
fn read_to_a_full_pipe_takes_only_what_went_in() {
    const TWICE: usize = 2 * CAPACITY;
    let (mut a, mut b) = Builder::new().capacity(TWICE).stream_pair().unwrap();
    let (out, pipe) = nix::unistd::pipe().unwrap();
    nonblocking(&pipe);
    let mut out = File::from(out);
    // All but one page of the pipe, where half of what is queued has room.
    let size = fcntl(&pipe, FcntlArg::F_GETPIPE_SZ).unwrap() as usize;
    let filler = vec![0; size - 4096];
    File::from(pipe.try_clone().unwrap())
        .write_all(&filler)
        .unwrap();
    a.try_write(&bytes(TWICE)).unwrap();
    let moved = b.try_read_to_fd(&pipe, TWICE).unwrap();
    assert!(
        (1..TWICE).contains(&moved),
        "{moved} moved into a nearly full pipe"
    );
    assert_eq!(b.info().readable, TWICE - moved);
    assert_eq!(
        b.try_read_to_fd(&pipe, TWICE),
        Err(os("writev", Errno::EAGAIN))
    );
    assert_eq!(b.info().readable, TWICE - moved, "an error takes nothing");
    out.read_exact(&mut vec![0; filler.len()]).unwrap();
    assert_eq!(b.try_read_to_fd(&pipe, TWICE), Ok(TWICE - moved));
    let mut got = vec![0; TWICE];
    out.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes(TWICE));
}

#[test]
fn read_to_a_bad_descriptor_reports_its_errno_and_takes_nothing() {
    let (mut a, mut b) = pair();
    a.try_write(b"abc").unwrap();
    let (out, pipe) = nix::unistd::pipe().unwrap();
    assert_eq!(b.try_read_to_fd(&out, 3), Err(os("writev", Errno::EBADF)));
    drop(out);
    // Rust ignores SIGPIPE.
    assert_eq!(b.try_read_to_fd(&pipe, 3), Err(os("writev", Errno::EPIPE)));
    assert_eq!(b.try_read(&mut [0; 8]), Ok(3));
}

#[test]
fn write_from_a_file_reads_into_the_ring_until_the_end_of_the_file() {
    let (mut a, mut b) = pair_at(CAPACITY - 10);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes(100)).unwrap();
    file.rewind().unwrap();
    assert_eq!(a.try_write_from_fd(&file, 0), Ok(0));
    assert_eq!(a.try_write_from_fd(&file, 30), Ok(30));
    assert_eq!(a.try_write_from_fd(&file, usize::MAX), Ok(70));
    assert_eq!(a.try_write_from_fd(&file, 1), Ok(0));
    let mut buf = [0; 200];
    assert_eq!(b.try_read(&mut buf), Ok(100));
    assert_eq!(buf[..100], bytes(100));
}

#[test]
fn write_from_a_descriptor_takes_no_more_than_fits() {
    let (mut a, mut b) = pair();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes(CAPACITY + 100)).unwrap();
    file.rewind().unwrap();
    a.try_write(b"x").unwrap();
    assert_eq!(a.try_write_from_fd(&file, usize::MAX), Ok(CAPACITY - 1));
    assert_eq!(a.try_write_from_fd(&file, 1), Err(Error::WouldBlock));
    assert_eq!(file.stream_position().unwrap(), CAPACITY as u64 - 1);
    b.try_read(&mut [0; 4]).unwrap();
    assert_eq!(a.try_write_from_fd(&file, usize::MAX), Ok(4));
}

#[test]
fn write_from_a_bad_descriptor_reports_its_errno_and_writes_nothing() {
    let (mut a, mut b) = pair();
    let (out, pipe) = nix::unistd::pipe().unwrap();
    nonblocking(&out);
    assert_eq!(
        a.try_write_from_fd(&out, 9),
        Err(os("readv", Errno::EAGAIN))
    );
    assert_eq!(
        a.try_write_from_fd(&pipe, 9),
        Err(os("readv", Errno::EBADF))
    );
    let directory = File::open("/").unwrap();
    assert_eq!(
        a.try_write_from_fd(&directory, 9),
        Err(os("readv", Errno::EISDIR))
    );
    assert_eq!(b.try_read(&mut [0]), Err(Error::WouldBlock));
    File::from(pipe).write_all(b"abc").unwrap();
    assert_eq!(a.try_write_from_fd(&out, 9), Ok(3));
    assert_eq!(a.try_write_from_fd(&out, 9), Ok(0), "the end of a pipe");
    a.shutdown(Shutdown::Write).unwrap();
    assert_eq!(a.try_write_from_fd(&out, 9), Err(Error::WriteDisabled));
}

// Ends.

#[test]
fn shutdown_ends_the_directions_that_it_names() {
    for (how, a_writes, b_writes) in [
        (Shutdown::Write, false, true),
        (Shutdown::Read, true, false),
        (Shutdown::Both, false, false),
    ] {
        // From either end it is the same with the roles exchanged.
        for exchanged in [false, true] {
            let (mut a, mut b) = pair();
            a.try_write(b"from a").unwrap();
            b.try_write(b"from b").unwrap();
            let (caller, a_writes, b_writes) = if exchanged {
                (&b, b_writes, a_writes)
            } else {
                (&a, a_writes, b_writes)
            };
            caller.shutdown(how).unwrap();
            caller.shutdown(how).unwrap();
            let write = |open: bool| {
                if open {
                    Ok(1)
                } else {
                    Err(Error::WriteDisabled)
                }
            };
            assert_eq!(a.try_write(b"+"), write(a_writes), "{how:?}");
            assert_eq!(b.try_write(b"+"), write(b_writes), "{how:?}");
            // What was queued is read first, then the end, again and again.
            for (reader, open) in [(&mut b, a_writes), (&mut a, b_writes)] {
                let mut buf = [0; 16];
                assert_eq!(reader.try_read(&mut buf), Ok(6 + usize::from(open)));
                let end = if open { Err(Error::WouldBlock) } else { Ok(0) };
                assert_eq!(reader.try_read(&mut buf), end, "{how:?}");
                assert_eq!(reader.try_read(&mut buf), end, "{how:?}");
                assert!(!reader.info().peer_closed);
            }
        }
    }
}

#[test]
fn drop_of_an_endpoint_drains_then_ends_then_breaks_the_pipe() {
    let (mut a, mut b) = pair();
    a.write_all(b"last words").unwrap();
    b.write_all(b"unheard").unwrap();
    drop(a);
    assert!(b.info().peer_closed);
    let mut text = String::new();
    b.read_to_string(&mut text).unwrap();
    assert_eq!(text, "last words");
    assert_eq!(b.read(&mut [0]).unwrap(), 0);
    assert_eq!(b.try_read(&mut [0]), Ok(0));
    assert_eq!(b.try_peek(&mut [0]), Ok(0));
    assert_eq!(b.try_write(b"x"), Err(Error::PeerClosed));
    assert_eq!(b.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    b.shutdown(Shutdown::Both).unwrap();
    assert_eq!(
        b.try_write(b"x"),
        Err(Error::PeerClosed),
        "before the shutdown"
    );
}

#[test]
fn io_errors_have_the_kinds_of_stds_sockets() {
    let (mut a, b) = pair();
    a.set_nonblocking(true).unwrap();
    let kind = |error: io::Error| error.kind();
    assert_eq!(a.read(&mut [0]).map_err(kind), Err(ErrorKind::WouldBlock));
    a.write_all(&bytes(CAPACITY)).unwrap();
    assert_eq!(a.write(b"x").map_err(kind), Err(ErrorKind::WouldBlock));
    a.set_nonblocking(false).unwrap();
    a.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(a.read(&mut [0]).map_err(kind), Err(ErrorKind::TimedOut));
    a.shutdown(Shutdown::Write).unwrap();
    assert_eq!(a.write(b"x").map_err(kind), Err(ErrorKind::BrokenPipe));
    assert!(a.flush().is_ok());
    drop(b);
    assert_eq!(a.write(b"x").map_err(kind), Err(ErrorKind::BrokenPipe));
    assert_eq!(a.read(&mut [0]).map_err(kind), Ok(0));
}

// Time.

#[test]
fn timeout_ends_a_read_and_a_write_not_before_its_time() {
    for busy in [false, true] {
        let (mut a, _b) = pair();
        let timeout = Duration::from_millis(20);
        a.set_busy_wait(busy);
        a.set_read_timeout(Some(timeout)).unwrap();
        a.set_write_timeout(Some(2 * timeout)).unwrap();
        assert_eq!(a.read_timeout(), Some(timeout));
        assert_eq!(a.write_timeout(), Some(2 * timeout));
        let start = Instant::now();
        let error = a.read(&mut [0]).unwrap_err();
        assert!(start.elapsed() >= timeout);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        a.write_all(&bytes(CAPACITY)).unwrap();
        let start = Instant::now();
        let error = a.write(b"x").unwrap_err();
        assert!(start.elapsed() >= 2 * timeout);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let start = Instant::now();
        assert_eq!(
            a.read_vectored(&mut [IoSliceMut::new(&mut [0])])
                .unwrap_err()
                .kind(),
            ErrorKind::TimedOut
        );
        assert!(start.elapsed() >= timeout);
    }
}

#[test]
fn deadline_ends_every_wait_not_before_its_time() {
    let (mut a, mut b) = pair();
    b.try_write(b"12345").unwrap();
    a.try_read(&mut [0; 4]).unwrap();
    let at = soon();
    assert_eq!(a.wait_readable(2, Some(at)), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    a.try_read(&mut [0; 4]).unwrap();
    let at = soon();
    assert_eq!(a.read_deadline(&mut [0], at), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    a.try_write(&bytes(CAPACITY)).unwrap();
    let at = soon();
    assert_eq!(a.write_deadline(b"x", at), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    let at = soon();
    assert_eq!(a.wait_writable(1, Some(at)), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
}

#[test]
fn deadline_in_the_past_is_a_poll() {
    let (mut a, mut b) = pair();
    let past = Instant::now();
    assert_eq!(a.read_deadline(&mut [0], past), Err(Error::TimedOut));
    assert_eq!(a.wait_readable(1, Some(past)), Err(Error::TimedOut));
    b.try_write(b"x").unwrap();
    assert_eq!(a.wait_readable(1, Some(past)), Ok(()));
    assert_eq!(a.read_deadline(&mut [0], past), Ok(1));
    assert_eq!(a.write_deadline(b"x", past), Ok(1));
    drop(b);
    assert_eq!(
        a.wait_readable(1, Some(past)),
        Ok(()),
        "the end is no wait either"
    );
    assert_eq!(a.wait_writable(CAPACITY, Some(past)), Ok(()));
}

#[test]
fn timeout_of_zero_is_refused_and_changes_nothing() {
    let (a, _b) = pair();
    assert_eq!((a.read_timeout(), a.write_timeout()), (None, None));
    let second = Some(Duration::from_secs(1));
    a.set_read_timeout(second).unwrap();
    a.set_write_timeout(second).unwrap();
    let zero = Some(Duration::ZERO);
    assert_eq!(a.set_read_timeout(zero), Err(Error::ZeroTimeout));
    assert_eq!(a.set_write_timeout(zero), Err(Error::ZeroTimeout));
    assert_eq!((a.read_timeout(), a.write_timeout()), (second, second));
    a.set_read_timeout(None).unwrap();
    assert_eq!((a.read_timeout(), a.write_timeout()), (None, second));
    // Endless, as good as.
    a.set_read_timeout(Some(Duration::MAX)).unwrap();
    assert!(a.read_timeout() > second);
}

#[test]
fn nonblocking_endpoint_waits_only_where_it_says_wait() {
    let (mut a, _b) = pair();
    a.set_nonblocking(true).unwrap();
    assert_eq!(a.read_deadline(&mut [0], soon()), Err(Error::WouldBlock));
    a.write_all(&bytes(CAPACITY)).unwrap();
    assert_eq!(a.write_deadline(b"x", soon()), Err(Error::WouldBlock));
    assert_eq!(a.wait_readable(1, Some(soon())), Err(Error::TimedOut));
    assert_eq!(a.wait_writable(1, Some(soon())), Err(Error::TimedOut));
    // It concerns both halves.
    let (mut read, mut write) = a.into_split();
    assert_eq!(
        read.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(write.write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
}

// Halves.

#[test]
fn halves_do_what_the_whole_does_and_can_be_reunited() {
    let (a, mut b) = pair();
    let (mut read, mut write) = a.into_split();
    write.write_all(b"ping").unwrap();
    assert_eq!(write.try_write_vectored(&[IoSlice::new(b"+")]), Ok(1));
    let mut space = write.try_reserve(1).unwrap();
    space.write(0, b"!");
    space.commit(1);
    let mut buf = [0; 8];
    assert_eq!(b.try_read(&mut buf), Ok(6));
    assert_eq!(&buf[..6], b"ping+!");
    b.write_all(b"pong").unwrap();
    read.wait_readable(4, None).unwrap();
    assert_eq!(read.try_peek(&mut buf), Ok(4));
    assert_eq!(read.try_chunk().unwrap().len(), 4);
    assert_eq!(
        read.try_read_vectored(&mut [IoSliceMut::new(&mut buf)]),
        Ok(4)
    );
    assert_eq!(read.info(), write.info());
    assert_eq!(read.info().total_read, 4);
    let mut a = write.reunite(read).unwrap();
    let (read, write) = {
        // Either half can ask for it, and neither is dropped by it.
        a.write_all(b"on").unwrap();
        a.into_split()
    };
    let mut a = read.reunite(write).unwrap();
    a.write_all(b"and on").unwrap();
    assert_eq!(b.try_read(&mut buf), Ok(8));
    b.write_all(b"yes").unwrap();
    assert_eq!(a.try_read(&mut buf), Ok(3));
}

#[test]
fn halves_of_two_endpoints_do_not_unite() {
    let (a, b) = pair();
    let (a_read, a_write) = a.into_split();
    let (b_read, b_write) = b.into_split();
    let error = a_read.reunite(b_write).unwrap_err();
    assert!(!error.to_string().is_empty());
    let (a_read, b_write) = (error.0, error.1);
    let error = a_write.reunite(b_read).unwrap_err();
    let (b_read, a_write) = (error.0, error.1);
    // Nothing was closed by trying.
    let mut a = a_read.reunite(a_write).unwrap();
    let mut b = b_read.reunite(b_write).unwrap();
    a.write_all(b"x").unwrap();
    assert_eq!(b.try_read(&mut [0]), Ok(1));
    b.write_all(b"x").unwrap();
    assert_eq!(a.try_read(&mut [0]), Ok(1));
}

#[test]
fn drop_of_a_half_ends_its_direction_alone() {
    let (a, mut b) = pair();
    let (mut read, mut write) = a.into_split();
    write.write_all(b"end").unwrap();
    drop(write);
    assert_eq!(b.try_read(&mut [0; 8]), Ok(3));
    assert_eq!(b.try_read(&mut [0; 8]), Ok(0));
    assert!(!b.info().peer_closed);
    b.write_all(b"more").unwrap();
    assert_eq!(read.try_read(&mut [0; 8]), Ok(4));
    drop(read);
    assert!(b.info().peer_closed);
    assert_eq!(b.try_write(b"x"), Err(Error::PeerClosed));

    let (a, mut b) = pair();
    let (read, mut write) = a.into_split();
    drop(read);
    assert_eq!(b.try_write(b"x"), Err(Error::WriteDisabled));
    write.write_all(b"still").unwrap();
    assert_eq!(b.try_read(&mut [0; 8]), Ok(5));
    assert!(!b.info().peer_closed);
}

#[test]
fn halves_in_two_threads_read_and_write_at_the_same_time() {
    const TOTAL: usize = 500_000;
    let (a, b) = pair();
    let data = bytes(TOTAL);
    thread::scope(|scope| {
        for endpoint in [a, b] {
            endpoint.set_read_timeout(Some(PATIENCE)).unwrap();
            endpoint.set_write_timeout(Some(PATIENCE)).unwrap();
            let (mut read, mut write) = endpoint.into_split();
            let data = &data;
            scope.spawn(move || write.write_all(data).unwrap());
            scope.spawn(move || {
                let mut received = Vec::new();
                read.read_to_end(&mut received).unwrap();
                assert!(received == *data);
            });
        }
    });
}

// What there is to know.

#[test]
fn info_shows_what_was_moved() {
    let (mut a, mut b) = pair();
    let (x, y) = (a.info(), b.info());
    assert_eq!((x.kind, x.capacity), (Kind::Stream, CAPACITY));
    assert_eq!((x.koid, x.peer_koid), (y.peer_koid, y.koid));
    assert_ne!(x.koid, x.peer_koid);
    assert_ne!(x.koid, pair().0.info().koid);
    assert_eq!(
        (x.readable, x.unread_by_peer, x.total_read, x.total_written),
        (0, 0, 0, 0)
    );
    a.try_write(&[0; 30]).unwrap();
    b.try_read(&mut [0; 10]).unwrap();
    b.try_write(&[0; 3]).unwrap();
    let (x, y) = (a.info(), b.info());
    assert_eq!(
        (x.readable, x.unread_by_peer, x.total_read, x.total_written),
        (3, 20, 0, 30)
    );
    assert_eq!(
        (y.readable, y.unread_by_peer, y.total_read, y.total_written),
        (20, 3, 10, 3)
    );
    assert!(!x.peer_closed);
    drop(b);
    let x = a.info();
    assert!(x.peer_closed);
    // Nobody will read what is left.
    assert_eq!((x.readable, x.unread_by_peer), (3, 0));
    assert!(format!("{a:?}").contains("capacity: 4096"));
}

// Polling.

#[test]
fn armed_reader_is_rung_when_its_threshold_is_reached_and_not_before() {
    for policy in MODES {
        let builder = Builder::new().capacity(CAPACITY).fence(policy);
        let (mut a, mut b) = builder.stream_pair().unwrap();
        for threshold in [1, 100, CAPACITY] {
            assert_eq!(a.arm_read(threshold), Ok(Readiness::Armed));
            b.write_all(&vec![0; threshold - 1]).unwrap();
            assert_eq!(events(&a), PollFlags::empty(), "{threshold}");
            b.write_all(&[0]).unwrap();
            assert_eq!(events(&a), PollFlags::POLLIN, "{threshold}");
            a.acknowledge();
            assert_eq!(events(&a), PollFlags::empty());
            // Rung once for each arming.
            assert_eq!(a.arm_read(threshold), Ok(Readiness::Ready));
            a.read_exact(&mut vec![0; threshold]).unwrap();
            b.write_all(&[0]).unwrap();
            assert_eq!(events(&a), PollFlags::empty());
            a.read_exact(&mut [0]).unwrap();
        }
    }
}

#[test]
fn armed_writer_is_rung_when_its_threshold_is_reached_and_not_before() {
    for policy in MODES {
        let builder = Builder::new().capacity(CAPACITY).fence(policy);
        let (mut a, mut b) = builder.stream_pair().unwrap();
        for threshold in [1, 100, CAPACITY] {
            assert_eq!(a.arm_write(threshold), Ok(Readiness::Ready));
            a.write_all(&[0; CAPACITY]).unwrap();
            assert_eq!(a.arm_write(threshold), Ok(Readiness::Armed));
            b.read_exact(&mut vec![0; threshold - 1]).unwrap();
            assert_eq!(events(&a), PollFlags::empty(), "{threshold}");
            b.read_exact(&mut [0]).unwrap();
            assert_eq!(events(&a), PollFlags::POLLIN, "{threshold}");
            a.acknowledge();
            assert_eq!(events(&a), PollFlags::empty());
            assert_eq!(a.arm_write(threshold), Ok(Readiness::Ready));
            b.read_exact(&mut vec![0; CAPACITY - threshold]).unwrap();
            assert_eq!(events(&a), PollFlags::empty());
        }
    }
}

#[test]
fn poller_of_both_directions_is_rung_for_either() {
    let (mut a, mut b) = pair();
    a.write_all(&[0; CAPACITY]).unwrap();
    assert_eq!(a.arm_read(10), Ok(Readiness::Armed));
    assert_eq!(a.arm_write(10), Ok(Readiness::Armed));
    b.write_all(&[0; 10]).unwrap();
    assert_eq!(events(&a), PollFlags::POLLIN);
    a.acknowledge();
    b.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(events(&a), PollFlags::POLLIN);
}

#[test]
fn poller_and_sleeper_of_one_direction_are_both_woken_at_their_thresholds() {
    for (polled, slept) in [(10, 200), (200, 10)] {
        let (mut a, mut b) = pair();
        a.set_busy_wait(false);
        let bell = a.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(a.arm_read(polled), Ok(Readiness::Armed));
        thread::scope(|scope| {
            let waiter = sleeper(scope, || a.wait_readable(slept, patient())).until(manner::FUTEX);
            b.write_all(&[0; 9]).unwrap();
            assert_eq!(events(&bell), PollFlags::empty());
            b.write_all(&[0]).unwrap();
            if polled == 10 {
                assert_eq!(events(&bell), PollFlags::POLLIN);
            }
            b.write_all(&[0; 190]).unwrap();
            assert_eq!(waiter.result_in_time(), Ok(()));
            assert_eq!(events(&bell), PollFlags::POLLIN);
        });
    }
}

#[test]
fn armed_pollers_are_rung_by_every_kind_of_end() {
    type End = fn(Stream, &Stream) -> Option<Stream>;
    let ends: [(&str, End); 3] = [
        ("shutdown by the peer", |b, _| {
            b.shutdown(Shutdown::Both).unwrap();
            Some(b)
        }),
        ("shutdown by the poller", |b, a| {
            a.shutdown(Shutdown::Both).unwrap();
            Some(b)
        }),
        ("drop", |b, _| {
            drop(b);
            None
        }),
    ];
    for (name, end) in ends {
        for reads in [true, false] {
            let (mut a, b) = pair();
            a.write_all(&[0; CAPACITY]).unwrap();
            let arm = |a: &mut Stream| if reads { a.arm_read(1) } else { a.arm_write(1) };
            assert_eq!(arm(&mut a), Ok(Readiness::Armed));
            let b = end(b, &a);
            // Our own shutdown is no news to us: it rings nobody.
            if name != "shutdown by the poller" {
                assert!(events(&a).contains(PollFlags::POLLIN), "{name}");
            }
            assert_eq!(
                events(&a).contains(PollFlags::POLLHUP),
                b.is_none(),
                "{name}"
            );
            assert_eq!(arm(&mut a), Ok(Readiness::Ready), "{name}");
        }
    }
}

#[test]
fn poll_blocks_until_the_peer_writes_in_another_thread() {
    for _ in 0..50 {
        let (mut a, mut b) = pair();
        thread::scope(|scope| {
            scope.spawn(|| b.write_all(b"data").unwrap());
            // The recipe of `arm_read`.
            let mut received: Vec<u8> = Vec::new();
            while received.len() < 4 {
                if a.arm_read(4 - received.len()) == Ok(Readiness::Armed) {
                    let mut fds = [PollFd::new(a.as_fd(), PollFlags::POLLIN)];
                    let timeout = PollTimeout::try_from(PATIENCE).unwrap();
                    assert_eq!(poll(&mut fds, timeout), Ok(1), "never rung");
                    a.acknowledge();
                }
                let mut buf = [0; 4];
                match a.try_read(&mut buf) {
                    Ok(n) => received.extend(&buf[..n]),
                    Err(error) => assert_eq!(error, Error::WouldBlock),
                }
            }
            assert_eq!(received, b"data");
        });
    }
}

#[test]
fn threshold_above_the_capacity_is_refused() {
    let (mut a, _b) = pair();
    let capacity = CAPACITY as u64;
    let requested = capacity + 1;
    let error = Error::TooLarge {
        requested,
        capacity,
    };
    let most = CAPACITY + 1;
    assert_eq!(a.arm_read(most), Err(error));
    assert_eq!(a.arm_write(most), Err(error));
    assert_eq!(a.wait_readable(most, None), Err(error));
    assert_eq!(a.wait_writable(most, None), Err(error));
    assert_eq!(a.wait_writable(CAPACITY, None), Ok(()));
    assert_eq!(a.wait_readable(0, None), Ok(()));
}

// Blocked threads.

#[test]
fn blocked_reader_is_woken_by_whatever_ends_its_wait() {
    for policy in MODES {
        for busy in [false, true] {
            let fresh = || {
                let builder = Builder::new().capacity(CAPACITY).fence(policy);
                let (a, b) = builder.stream_pair().unwrap();
                a.set_busy_wait(busy);
                a.set_read_timeout(Some(PATIENCE)).unwrap();
                a.set_write_timeout(Some(PATIENCE)).unwrap();
                (a, b)
            };
            thread::scope(|scope| {
                let (mut a, mut b) = fresh();
                let reader =
                    sleeper(scope, move || a.read(&mut [0; 9]).unwrap()).until(manner::FUTEX);
                b.write_all(b"data").unwrap();
                assert_eq!(reader.result_in_time(), 4);

                let (mut a, b) = fresh();
                let reader =
                    sleeper(scope, move || a.read(&mut [0; 9]).unwrap()).until(manner::FUTEX);
                b.shutdown(Shutdown::Write).unwrap();
                assert_eq!(reader.result_in_time(), 0);

                let (mut a, b) = fresh();
                let reader =
                    sleeper(scope, move || a.read(&mut [0; 9]).unwrap()).until(manner::FUTEX);
                drop(b);
                assert_eq!(reader.result_in_time(), 0);

                // The other half of the same endpoint.
                let (a, b) = fresh();
                let (mut read, write) = a.into_split();
                let reader =
                    sleeper(scope, move || read.read(&mut [0; 9]).unwrap()).until(manner::FUTEX);
                drop(b);
                assert_eq!(reader.result_in_time(), 0);
                drop(write);
            });
        }
    }
}

#[test]
fn blocked_writer_is_woken_by_whatever_ends_its_wait() {
    for policy in MODES {
        for busy in [false, true] {
            let fresh = || {
                let builder = Builder::new().capacity(CAPACITY).fence(policy);
                let (mut a, b) = builder.stream_pair().unwrap();
                a.set_busy_wait(busy);
                a.set_read_timeout(Some(PATIENCE)).unwrap();
                a.set_write_timeout(Some(PATIENCE)).unwrap();
                a.write_all(&[0; CAPACITY]).unwrap();
                (a, b)
            };
            let kind = |error: io::Error| error.kind();
            thread::scope(|scope| {
                let (mut a, mut b) = fresh();
                let writer =
                    sleeper(scope, move || a.write(&[1; 9]).map_err(kind)).until(manner::FUTEX);
                b.read_exact(&mut [0; CAPACITY]).unwrap();
                assert_eq!(writer.result_in_time(), Ok(9));

                let (mut a, b) = fresh();
                let writer =
                    sleeper(scope, move || a.write(&[1; 9]).map_err(kind)).until(manner::FUTEX);
                b.shutdown(Shutdown::Read).unwrap();
                assert_eq!(writer.result_in_time(), Err(ErrorKind::BrokenPipe));

                let (mut a, b) = fresh();
                let writer =
                    sleeper(scope, move || a.write(&[1; 9]).map_err(kind)).until(manner::FUTEX);
                drop(b);
                assert_eq!(writer.result_in_time(), Err(ErrorKind::BrokenPipe));
            });
        }
    }
}

#[test]
fn blocked_waiter_goes_on_only_at_its_threshold() {
    let (mut a, mut b) = pair();
    a.set_busy_wait(false);
    thread::scope(|scope| {
        let waiter = sleeper(scope, || {
            a.wait_readable(100, patient()).unwrap();
            a.info().readable
        })
        .until(manner::FUTEX);
        for _ in 0..100 {
            b.write_all(&[0]).unwrap();
        }
        assert_eq!(waiter.result_in_time(), 100);
    });
    a.write_all(&[0; CAPACITY]).unwrap();
    thread::scope(|scope| {
        let waiter = sleeper(scope, || {
            a.wait_writable(CAPACITY, patient()).unwrap();
            a.info().unread_by_peer
        })
        .until(manner::FUTEX);
        for _ in 0..CAPACITY / 64 {
            b.read_exact(&mut [0; 64]).unwrap();
        }
        assert_eq!(waiter.result_in_time(), 0);
    });
}

/// A writer prefers to wait for a good part of the ring; a reader that waits for a
/// full ring would never give it that.
#[test]
fn reader_that_waits_for_a_full_ring_lets_a_sleeping_writer_go_on() {
    for policy in MODES {
        let builder = Builder::new().capacity(CAPACITY).fence(policy);
        let (mut a, mut b) = builder.stream_pair().unwrap();
        a.set_busy_wait(false);
        b.set_busy_wait(false);
        // Longer than the reader's: a writer that gives up finds the space and goes on.
        a.set_write_timeout(Some(3 * PATIENCE)).unwrap();
        a.write_all(&[0; CAPACITY]).unwrap();
        thread::scope(|scope| {
            let writer = sleeper(scope, || a.write(&[1; CAPACITY]).unwrap()).until(manner::FUTEX);
            // Free now, but less than the writer prefers.
            b.read_exact(&mut [0; 100]).unwrap();
            b.wait_readable(CAPACITY, patient()).unwrap();
            assert_eq!(writer.result_in_time(), 100);
        });
    }
}

// Making pairs.

#[test]
fn capacity_is_rounded_up_to_pages_within_its_limits() {
    let capacity = |n: usize| {
        Builder::new()
            .capacity(n)
            .stream_pair()
            .map(|(a, _)| a.info().capacity)
    };
    assert_eq!(capacity(MIN_CAPACITY), Ok(MIN_CAPACITY));
    assert_eq!(capacity(MIN_CAPACITY + 1), Ok(8192));
    assert_eq!(capacity(100_000), Ok(102_400));
    for requested in [0, 1, MIN_CAPACITY - 1, MAX_CAPACITY + 1, usize::MAX] {
        assert_eq!(
            capacity(requested),
            Err(Error::InvalidCapacity { requested })
        );
    }
    assert_eq!(Stream::pair().unwrap().0.info().capacity, 256 << 10);
}

#[test]
fn fence_mode_is_the_one_that_was_asked_for() {
    let mode = |policy| {
        let builder = Builder::new().capacity(CAPACITY).fence(policy);
        builder.stream_pair().map(|(a, b)| {
            assert_eq!(a.info().fence_mode, b.info().fence_mode);
            a.info().fence_mode
        })
    };
    let symmetric = FencePolicy::Exactly(FenceMode::Symmetric);
    assert_eq!(mode(symmetric), Ok(FenceMode::Symmetric));
    let asymmetric = mode(FencePolicy::Exactly(FenceMode::Asymmetric));
    match asymmetric {
        Ok(mode) => assert_eq!(mode, FenceMode::Asymmetric),
        // A kernel or a sandbox without membarrier.
        Err(error) => assert_eq!(error, Error::FenceRefused),
    }
    let auto = mode(FencePolicy::Auto).unwrap();
    assert_eq!(auto == FenceMode::Asymmetric, asymmetric.is_ok());
}

#[test]
fn prefaulted_pair_works() {
    let builder = Builder::new().capacity(CAPACITY).prefault(true);
    let (mut a, mut b) = builder.stream_pair().unwrap();
    a.write_all(&[1; CAPACITY]).unwrap();
    b.read_exact(&mut [0; CAPACITY]).unwrap();
}

#[test]
fn lock_beyond_the_limit_is_a_clear_error() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // The capability, which root has, is a thread's; the limit is the process's, but no
    // other test here locks.
    thread::spawn(|| {
        drop_ipc_lock();
        let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
        setrlimit(Resource::RLIMIT_MEMLOCK, 4096, hard).unwrap();
        let refused = Builder::new().capacity(CAPACITY).lock(true).stream_pair();
        setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard).unwrap();
        let error = refused.expect_err("locked three pages with a limit of one");
        assert_eq!(error, os("mlock", Errno::ENOMEM));
        assert!(error.to_string().contains("mlock"));
        if soft > 1 << 20 {
            let locked = Builder::new().capacity(CAPACITY).lock(true).stream_pair();
            assert!(locked.is_ok(), "{locked:?}");
        }
    })
    .join()
    .unwrap();
}

/// Takes CAP_IPC_LOCK, which lifts the limit, from this thread.
fn drop_ipc_lock() {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_IPC_LOCK: u32 = 14;
    #[repr(C)]
    struct Head(u32, i32);
    let head = Head(VERSION_3, 0);
    // Effective, permitted, inheritable; of the lower and of the upper 32 capabilities.
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: with version 3 the kernel writes two sets of three words.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw const head, sets.as_mut_ptr()) };
    assert_eq!(result, 0);
    sets[0][0] &= !(1 << CAP_IPC_LOCK);
    // SAFETY: as above; the kernel reads them.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const head, sets.as_ptr()) };
    assert_eq!(result, 0);
}

#[test]
fn huge_pages_are_used_or_their_want_is_a_clear_error() {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let free = meminfo.lines().find_map(|line| {
        let count = line.strip_prefix("HugePages_Free:")?;
        count.trim().parse::<usize>().ok()
    });
    let huge = meminfo.contains("Hugepagesize:       2048 kB");
    match Builder::new()
        .capacity(CAPACITY)
        .huge_pages(true)
        .stream_pair()
    {
        Ok((mut a, mut b)) => {
            assert_eq!(a.info().capacity, 2 << 20, "rounded up to a huge page");
            a.write_all(&bytes(10)).unwrap();
            b.read_exact(&mut [0; 10]).unwrap();
        }
        Err(Error::NoMemory) => {
            // One for the control data and one for each direction.
            assert!(
                free.is_some_and(|free| free < 3),
                "{free:?} huge pages are free"
            );
        }
        Err(error) => {
            assert!(!huge, "{error:?} though there are 2 MiB pages");
            assert!(
                matches!(
                    error,
                    Error::Os {
                        call: "memfd_create",
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
}

#[test]
fn endpoint_that_could_not_be_sent_is_as_it_was() {
    let (mut a, b) = Stream::pair().unwrap();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(theirs);
    b.set_nonblocking(true).unwrap();
    b.set_read_timeout(Some(Duration::from_secs(7))).unwrap();
    let mut b = b.send_to(&ours).unwrap_err().into_endpoint();
    assert_eq!(b.read_timeout(), Some(Duration::from_secs(7)));
    let error = b.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    a.write_all(b"on").unwrap();
    assert_eq!(b.try_read(&mut [0; 8]), Ok(2));
}

#[test]
fn blocked_read_of_one_half_is_ended_by_the_other() {
    let (a, mut b) = Stream::pair().unwrap();
    let (mut read, write) = a.into_split();
    b.write_all(b"last").unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        read.read_to_end(&mut all).map(|_| all)
    });
    // Whether it comes before or after the reader went to sleep.
    write.shutdown(Shutdown::Read).unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), b"last");
    assert_eq!(b.try_write(b"more"), Err(Error::WriteDisabled));
}

#[test]
fn sleeping_half_is_woken_by_the_end_that_the_other_sets() {
    let (mut a, b) = pair();
    b.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut read, write) = b.into_split();
    thread::scope(|scope| {
        let reader = sleeper(scope, || read.read(&mut [0; 8]).unwrap()).until(manner::FUTEX);
        write.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reader.result_in_time(), 0);
    });
    assert_eq!(a.try_write(b"x"), Err(Error::WriteDisabled));
}

#[test]
fn try_read_takes_what_is_there_whatever_the_buffer_holds() {
    let (mut a, mut b) = Stream::pair().unwrap();
    // Around what is read at once and what is published at once.
    for held in [1, 8, 4096, 16 << 10, (16 << 10) + 1, 64 << 10] {
        for sent in [1, 8, 16 << 10, (16 << 10) + 1] {
            let mut buf = vec![0; held];
            assert_eq!(b.try_read(&mut buf), Err(Error::WouldBlock));
            assert_eq!(a.try_write(&vec![7; sent]), Ok(sent));
            let mut left = sent;
            while left > 0 {
                let len = held.min(left);
                assert_eq!(b.try_read(&mut buf), Ok(len), "{left} left for {held}");
                assert!(buf[..len].iter().all(|&byte| byte == 7));
                left -= len;
            }
        }
    }
}

#[test]
fn short_reads_without_a_pause_miss_nothing() {
    let (mut a, mut b) = Stream::pair().unwrap();
    // Longer than any row of looks after which a reader holds back; at first with looks that find nothing in
    // between, which begin a new row.
    for turn in 0..300_000_u32 {
        assert_eq!(a.try_write(&turn.to_le_bytes()), Ok(4));
        let mut buf = [0; 4];
        assert_eq!(b.try_read(&mut buf), Ok(4), "turn {turn}");
        assert_eq!(buf, turn.to_le_bytes());
        if turn < 100_000 && turn % 1_000 == 0 {
            assert_eq!(b.try_read(&mut buf), Err(Error::WouldBlock));
        }
    }
}

#[test]
fn read_on_the_heels_of_the_writer_takes_all_that_is_there() {
    for row in 1..100 {
        let (mut a, mut b) = Stream::pair().unwrap();
        let mut buf = [0; 8];
        for _ in 0..row {
            a.try_write(&[1; 8]).unwrap();
            assert_eq!(b.try_read(&mut buf), Ok(8));
        }
        // Some of these are known to be there, and then others come.
        a.try_write(&[2; 12]).unwrap();
        assert_eq!(b.try_read(&mut buf), Ok(8));
        a.try_write(&[3; 100]).unwrap();
        assert_eq!(b.try_read(&mut buf), Ok(8), "after {row}");
        assert_eq!(buf, [2, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!(b.try_read(&mut [0; 200]), Ok(96));
    }
}

#[test]
fn exact_reads_and_whole_writes_go_on_until_all_is_done_or_the_end() {
    let (mut a, mut b) = Stream::pair().unwrap();
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let expected = sent.clone();
    // More than the ring holds, so that both ends have to go on; and too little for the last read.
    let writer = std::thread::spawn(move || a.write_all(&sent).unwrap());
    let mut received = vec![0; expected.len() - 3];
    b.read_exact(&mut received).unwrap();
    assert!(received == expected[..received.len()]);
    writer.join().unwrap();
    let mut rest = [0; 8];
    let error = b.read_exact(&mut rest).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!(rest[..3], expected[expected.len() - 3..]);
    b.read_exact(&mut []).unwrap();
    let error = b.write_all(&[1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
