//! What a `Datagram` does, both ends in one process. What it has in common with a
//! `Stream` is tested there.

mod support;
mod support_processes;

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proptest::prelude::*;
use support_processes::observe::{PATIENCE, manner, sleeper};
use zocket::{
    Builder, Datagram, Error, FenceMode, FencePolicy, Kind, MIN_CAPACITY, ReadChunk, Readiness,
};

const CAPACITY: usize = MIN_CAPACITY;
/// Ring bytes of a direction: each payload byte can have a byte of prefix.
const AREA: usize = 2 * CAPACITY;

const MODES: [FencePolicy; 2] = [
    FencePolicy::Auto,
    FencePolicy::Exactly(FenceMode::Symmetric),
];

fn pair() -> (Datagram, Datagram) {
    Builder::new().capacity(CAPACITY).datagram_pair().unwrap()
}

/// A pair whose first direction stands `at` bytes behind the beginning of its ring.
fn pair_at(at: usize) -> (Datagram, Datagram) {
    let (mut a, mut b) = pair();
    let mut left = at;
    if left % 2 == 1 {
        // An odd number of ring bytes first, and then once around.
        a.send(&[0; 254]).unwrap();
        b.recv(&mut [0; 254]).unwrap();
        left += AREA - 255;
    }
    // Two ring bytes each.
    for _ in 0..left / 2 {
        a.send(&[0]).unwrap();
        b.recv(&mut [0]).unwrap();
    }
    (a, b)
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}

fn too_large(requested: usize) -> Error {
    Error::TooLarge {
        requested: requested as u64,
        capacity: CAPACITY as u64,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(5)
}

fn chunk_bytes(chunk: &ReadChunk<'_>) -> Vec<u8> {
    let spans = chunk.spans();
    spans.iter().flat_map(|span| span.iter()).collect()
}

fn events(endpoint: &impl AsFd) -> PollFlags {
    let mut fds = [PollFd::new(endpoint.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap();
    fds[0].revents().unwrap()
}

/// Receives all that is queued.
fn drain(from: &mut Datagram) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = vec![0; CAPACITY];
    loop {
        match from.try_recv(&mut buf) {
            Ok(0) | Err(Error::WouldBlock) => return all,
            result => all.push(buf[..result.unwrap()].to_vec()),
        }
    }
}

/// The direction from one end to the other, beside a queue that it must equal.
#[derive(Default)]
struct Model {
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    sent: u64,
    received: u64,
}

impl Model {
    /// What becomes of a datagram of `n` bytes, in the order of the checks of the
    /// specification.
    fn accepts(&self, n: usize) -> Result<usize, Error> {
        match n {
            0 => Ok(0),
            _ if self.queued >= CAPACITY => Err(Error::WouldBlock),
            _ if n > CAPACITY => Err(too_large(n)),
            _ if n > CAPACITY - self.queued => Err(Error::WouldBlock),
            _ => Ok(n),
        }
    }

    fn pushed(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.queue.push_back(bytes.to_vec());
            self.queued += bytes.len();
            self.sent += bytes.len() as u64;
        }
    }

    fn popped(&mut self) {
        let first = self.queue.pop_front().unwrap();
        self.queued -= first.len();
        self.received += first.len() as u64;
    }

    /// What a look at the first datagram with `n` bytes of buffer shows.
    fn shows(&self, n: usize) -> Result<Vec<u8>, Error> {
        let first = self.queue.front().ok_or(Error::WouldBlock)?;
        Ok(first[..n.min(first.len())].to_vec())
    }

    fn step(&mut self, from: &mut Datagram, to: &mut Datagram, call: u8, m: usize, n: usize) {
        let data: Vec<u8> = (self.sent..)
            .take(m + n)
            .map(|i| (i ^ (i >> 8)) as u8)
            .collect();
        let mut buf = vec![0; m + n];
        match call {
            0..3 => {
                let expected = self.accepts(m);
                assert_eq!(from.try_send(&data[..m]), expected);
                self.pushed(&data[..expected.unwrap_or(0)]);
            }
            3 => {
                let (x, y) = data.split_at(m);
                let bufs = [IoSlice::new(x), IoSlice::new(&[]), IoSlice::new(y)];
                let expected = self.accepts(m + n);
                assert_eq!(from.try_send_vectored(&bufs), expected);
                self.pushed(&data[..expected.unwrap_or(0)]);
            }
            4 => match from.try_reserve(m) {
                Ok(mut space) => {
                    assert_eq!((self.accepts(m), space.len()), (Ok(m), m));
                    let commit = n.min(m);
                    let middle = commit / 2;
                    space.write(middle, &data[middle..commit]);
                    space.write(0, &data[..middle]);
                    space.commit(commit);
                    self.pushed(&data[..commit]);
                }
                Err(error) => assert_eq!(self.accepts(m), Err(error)),
            },
            5..8 => {
                let expected = self.shows(m);
                let result = match call {
                    5 => to.try_peek(&mut buf[..m]),
                    _ => to.try_recv(&mut buf[..m]),
                };
                assert_eq!(result.map(|len| buf[..len].to_vec()), expected);
                if call != 5 && m > 0 && expected.is_ok() {
                    self.popped();
                }
            }
            8 => {
                let expected = self.shows(m + n);
                let (x, y) = buf.split_at_mut(m);
                let bufs = &mut [IoSliceMut::new(x), IoSliceMut::new(y)];
                let result = to.try_recv_vectored(bufs);
                assert_eq!(result.map(|len| buf[..len].to_vec()), expected);
                if m + n > 0 && expected.is_ok() {
                    self.popped();
                }
            }
            9 => {
                let expected = self.shows(usize::MAX).map(|first| first.len());
                assert_eq!(to.try_next_len(), expected);
            }
            _ => match to.try_chunk() {
                Ok(chunk) => {
                    assert_eq!(Ok(chunk_bytes(&chunk)), self.shows(usize::MAX));
                    let len = chunk.len().min(m);
                    chunk.consume(len);
                    if len > 0 {
                        self.popped();
                    }
                }
                Err(error) => assert_eq!(self.shows(1), Err(error)),
            },
        }
        let (theirs, ours) = (from.info(), to.info());
        assert_eq!(
            (theirs.unread_by_peer, ours.readable),
            (self.queued, self.queued)
        );
        assert_eq!(
            (theirs.total_written, ours.total_read),
            (self.sent, self.received)
        );
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
    fn datagrams_in_any_use_equal_a_queue_of_messages(
        symmetric: bool,
        // Sizes up to a little over the capacity, more often small, and often around the
        // length where the prefix grows.
        steps in prop::collection::vec(
            (any::<bool>(), 0..11u8, 0..15u32, any::<u16>(), 0..15u32, any::<u16>()),
            1..120,
        ),
    ) {
        let policy = MODES[usize::from(symmetric)];
        let (mut a, mut b) = Builder::new().capacity(CAPACITY).fence(policy).datagram_pair().unwrap();
        let mut models = [Model::default(), Model::default()];
        for (forth, call, m_bits, m, n_bits, n) in steps {
            let size = |bits: u32, n: u16| match bits {
                13.. => 253 + usize::from(n) % 5,
                bits => usize::from(n) % ((1 << bits) + 2),
            };
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
fn datagrams_keep_their_boundaries_and_their_order() {
    let (mut a, mut b) = pair();
    let lengths = [1, 2, 254, 255, 256, 257, 1000, 1];
    for len in lengths {
        assert_eq!(a.try_send(&vec![len as u8; len]), Ok(len));
    }
    assert_eq!(b.info().readable, lengths.iter().sum::<usize>());
    for len in lengths {
        assert_eq!(b.try_next_len(), Ok(len));
        let mut buf = [0; CAPACITY];
        assert_eq!(b.try_recv(&mut buf), Ok(len));
        assert!(buf[..len].iter().all(|byte| *byte == len as u8));
    }
    assert_eq!(b.try_recv(&mut [0]), Err(Error::WouldBlock));
    assert_eq!(b.try_next_len(), Err(Error::WouldBlock));
}

#[test]
fn datagram_cut_off_by_a_small_buffer_is_gone_as_a_whole() {
    let (mut a, mut b) = pair();
    for _ in 0..2 {
        a.send(b"abcdef").unwrap();
        a.send(b"next").unwrap();
    }
    let mut buf = [0; 3];
    assert_eq!(b.try_recv(&mut buf), Ok(3));
    assert_eq!(&buf, b"abc");
    assert_eq!(b.info().readable, 14);
    assert_eq!(b.try_recv(&mut buf), Ok(3));
    let (mut x, mut y) = ([0; 1], [0; 2]);
    let bufs = &mut [&mut x[..], &mut [], &mut y].map(IoSliceMut::new);
    assert_eq!(b.try_recv_vectored(bufs), Ok(3));
    assert_eq!((&x, &y), (b"a", b"bc"));
    assert_eq!(drain(&mut b), [b"next"]);
}

#[test]
fn peek_shows_the_first_datagram_alone_and_leaves_it() {
    let (mut a, mut b) = pair();
    assert_eq!(b.try_peek(&mut [0]), Err(Error::WouldBlock));
    a.send(b"first").unwrap();
    a.send(b"second").unwrap();
    let mut buf = [0; 16];
    for _ in 0..2 {
        assert_eq!(b.try_peek(&mut buf), Ok(5));
        assert_eq!(&buf[..5], b"first");
        assert_eq!(b.try_peek(&mut buf[..2]), Ok(2));
    }
    assert_eq!(drain(&mut b), [&b"first"[..], b"second"]);
}

#[test]
fn empty_datagram_is_a_success_that_queues_nothing() {
    let (mut a, mut b) = pair();
    assert_eq!(a.try_send(&[]), Ok(0));
    assert_eq!(a.send(&[]), Ok(0));
    assert_eq!(a.try_send_vectored(&[IoSlice::new(&[])]), Ok(0));
    assert!(a.try_reserve(0).unwrap().is_empty());
    a.try_reserve(0).unwrap().commit(0);
    assert_eq!(b.try_recv(&mut [0]), Err(Error::WouldBlock));
    // Also on a full ring; but not when writing is over.
    a.send(&[0; CAPACITY]).unwrap();
    assert_eq!(a.try_send(&[]), Ok(0));
    b.shutdown(Shutdown::Read).unwrap();
    assert_eq!(a.try_send(&[]), Err(Error::WriteDisabled));
    drop(b);
    assert_eq!(a.try_send(&[]), Err(Error::PeerClosed));
}

#[test]
fn empty_buffer_leaves_the_datagram_queued() {
    let (mut a, mut b) = pair();
    assert_eq!(b.try_recv(&mut []), Err(Error::WouldBlock));
    a.send(b"kept").unwrap();
    assert_eq!(b.try_recv(&mut []), Ok(0));
    assert_eq!(b.recv_deadline(&mut [], soon()), Ok(0));
    assert_eq!(b.try_recv_vectored(&mut []), Ok(0));
    assert_eq!(b.try_peek(&mut []), Ok(0));
    assert_eq!(drain(&mut b), [b"kept"]);
}

/// Full comes before too large, too large before not now: sections 5.8 to 5.10.
#[test]
fn oversize_is_reported_unless_the_ring_is_completely_full() {
    let (mut a, mut b) = pair();
    let larger = vec![0; CAPACITY + 1];
    assert_eq!(a.try_send(&larger), Err(too_large(CAPACITY + 1)));
    assert_eq!(a.send(&larger), Err(too_large(CAPACITY + 1)));
    assert_eq!(
        a.try_reserve(CAPACITY + 1).err(),
        Some(too_large(CAPACITY + 1))
    );
    let halves = larger.split_at(10);
    let bufs = [IoSlice::new(halves.0), IoSlice::new(halves.1)];
    assert_eq!(a.try_send_vectored(&bufs), Err(too_large(CAPACITY + 1)));
    a.send(&[0; CAPACITY - 1]).unwrap();
    assert_eq!(a.try_send(&larger), Err(too_large(CAPACITY + 1)));
    assert_eq!(a.try_send(&[0; 2]), Err(Error::WouldBlock));
    assert_eq!(a.try_send(&[0; 1]), Ok(1));
    assert_eq!(a.try_send(&larger), Err(Error::WouldBlock));
    assert_eq!(a.try_send_vectored(&bufs), Err(Error::WouldBlock));
    assert_eq!(a.try_reserve(CAPACITY + 1).err(), Some(Error::WouldBlock));
    // Waiting for what can never be is no use, though the ring is full.
    assert_eq!(
        a.send_deadline(&larger, soon()),
        Err(too_large(CAPACITY + 1))
    );
    assert_eq!(drain(&mut b), [vec![0; CAPACITY - 1], vec![0]]);
}

#[test]
fn capacity_counts_payload_alone() {
    for at in [0, 1, 255, AREA - 1] {
        // As many datagrams of one byte as the capacity has, and not one more.
        let (mut a, mut b) = pair_at(at);
        for i in 0..CAPACITY {
            assert_eq!(a.try_send(&[i as u8]), Ok(1), "{i}");
        }
        assert_eq!(a.try_send(&[0]), Err(Error::WouldBlock));
        assert_eq!(b.info().readable, CAPACITY);
        let received = drain(&mut b);
        assert_eq!(received.len(), CAPACITY);
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(i, got)| *got == [i as u8])
        );
        // Or one that fills it.
        assert_eq!(a.try_send(&bytes(CAPACITY)), Ok(CAPACITY));
        assert_eq!(a.try_send(&[0]), Err(Error::WouldBlock));
        assert_eq!(drain(&mut b), [bytes(CAPACITY)]);
        // Or any mixture.
        for len in [255, 1, 254, 256, 1000, 1, CAPACITY - 1767] {
            assert_eq!(a.try_send(&vec![1; len]), Ok(len));
        }
        assert_eq!(a.try_send(&[0]), Err(Error::WouldBlock));
        assert_eq!(drain(&mut b).len(), 7);
    }
}

#[test]
fn datagram_wraps_at_every_place() {
    // Within the prefix too, of one byte or of five.
    for len in [3, 300] {
        for at in AREA - len - 7..AREA + 2 {
            let (mut a, mut b) = pair_at(at % AREA);
            for _ in 0..2 {
                a.send(&bytes(len)).unwrap();
            }
            assert_eq!(drain(&mut b), [bytes(len), bytes(len)], "{len} at {at}");
        }
    }
}

// Reservations and chunks.

#[test]
fn reservation_shrinks_across_the_growth_of_the_prefix_and_the_wrap() {
    // A reservation's prefix is that of its length; a shorter datagram has a shorter one.
    for at in (AREA - 300..AREA)
        .step_by(7)
        .chain([0, AREA - 5, AREA - 4, AREA - 1])
    {
        for (len, commit) in [
            (255, 254),
            (255, 1),
            (256, 255),
            (300, 254),
            (300, 300),
            (254, 3),
        ] {
            let (mut a, mut b) = pair_at(at);
            let mut space = a.try_reserve(len).unwrap();
            assert_eq!(space.len(), len);
            space.write(0, &bytes(len));
            space.commit(commit);
            a.send(b"after").unwrap();
            let expected = [bytes(commit), b"after".to_vec()];
            assert_eq!(drain(&mut b), expected, "{commit} of {len} at {at}");
            assert_eq!(a.info().total_written, b.info().total_read);
        }
    }
}

#[test]
fn reservation_committed_with_nothing_or_dropped_sends_nothing() {
    let (mut a, mut b) = pair();
    let mut space = a.try_reserve(CAPACITY).unwrap();
    space.write(0, b"never");
    space.commit(0);
    drop(a.try_reserve(CAPACITY).unwrap());
    assert_eq!(b.try_recv(&mut [0]), Err(Error::WouldBlock));
    for misuse in [
        |a: &mut Datagram| a.try_reserve(4).unwrap().commit(5),
        |a: &mut Datagram| a.try_reserve(4).unwrap().write(4, b"x"),
    ] {
        assert!(catch_unwind(AssertUnwindSafe(|| misuse(&mut a))).is_err());
    }
    assert_eq!(b.try_recv(&mut [0]), Err(Error::WouldBlock));
    assert_eq!(a.try_send(&bytes(CAPACITY)), Ok(CAPACITY));
    assert_eq!(drain(&mut b), [bytes(CAPACITY)]);
}

#[test]
fn reservation_filled_through_its_spans_crosses_the_wrap() {
    let (mut a, mut b) = pair_at(AREA - 5);
    let mut space = a.try_reserve(10).unwrap();
    let [mut first, mut second] = space.spans();
    assert_eq!(
        (first.len(), second.len()),
        (4, 6),
        "behind one byte of prefix"
    );
    first.copy_from(b"abcd");
    second.copy_from(b"efghij");
    space.commit(9);
    assert_eq!(drain(&mut b), [b"abcdefghi"]);
}

#[test]
fn chunk_is_one_datagram_and_is_taken_as_a_whole() {
    let (mut a, mut b) = pair_at(AREA - 4);
    a.send(b"abcdef").unwrap();
    a.send(b"second").unwrap();
    let chunk = b.try_chunk().unwrap();
    assert_eq!(chunk.len(), 6);
    assert_eq!(chunk.spans().map(|span| span.len()), [3, 3]);
    assert_eq!(chunk_bytes(&chunk), b"abcdef");
    // Not consumed, it stays queued.
    b.try_chunk().unwrap().consume(0);
    assert_eq!(b.info().readable, 12);
    let misuse = || b.try_chunk().unwrap().consume(7);
    assert!(catch_unwind(AssertUnwindSafe(misuse)).is_err());
    b.try_chunk().unwrap().consume(1);
    assert_eq!(b.info().readable, 6);
    assert_eq!(drain(&mut b), [b"second"]);
    assert_eq!(b.try_chunk().err(), Some(Error::WouldBlock));
    drop(a);
    assert_eq!(b.try_chunk().err(), Some(Error::PeerClosed));
}

// Ends.

#[test]
fn refusals_come_in_the_order_of_the_specification() {
    let (mut a, b) = pair();
    a.send(&[0; CAPACITY]).unwrap();
    a.shutdown(Shutdown::Write).unwrap();
    let larger = vec![0; CAPACITY + 1];
    for data in [&[][..], b"x", &larger] {
        assert_eq!(a.try_send(data), Err(Error::WriteDisabled));
    }
    drop(b);
    for data in [&[][..], b"x", &larger] {
        assert_eq!(a.try_send(data), Err(Error::PeerClosed));
        assert_eq!(a.send(data), Err(Error::PeerClosed));
    }
}

#[test]
fn shutdown_ends_the_directions_that_it_names() {
    for (how, a_sends, b_sends) in [
        (Shutdown::Write, false, true),
        (Shutdown::Read, true, false),
        (Shutdown::Both, false, false),
    ] {
        let (mut a, mut b) = pair();
        a.send(b"from a").unwrap();
        b.send(b"from b").unwrap();
        a.shutdown(how).unwrap();
        let send = |open: bool| {
            if open {
                Ok(1)
            } else {
                Err(Error::WriteDisabled)
            }
        };
        assert_eq!(a.try_send(b"+"), send(a_sends), "{how:?}");
        assert_eq!(b.try_send(b"+"), send(b_sends), "{how:?}");
        for (receiver, open) in [(&mut b, a_sends), (&mut a, b_sends)] {
            assert_eq!(drain(receiver).len(), 1 + usize::from(open));
            let end = if open { Err(Error::WouldBlock) } else { Ok(0) };
            assert_eq!(receiver.try_recv(&mut [0]), end, "{how:?}");
            assert_eq!(receiver.try_next_len(), end);
            assert_eq!(receiver.try_peek(&mut [0]), end);
        }
    }
}

#[test]
fn drop_of_an_endpoint_drains_then_ends() {
    let (mut a, mut b) = pair();
    a.send(b"last").unwrap();
    a.send(b"words").unwrap();
    drop(a);
    assert_eq!(drain(&mut b), [&b"last"[..], b"words"]);
    assert_eq!(b.recv(&mut [0]), Ok(0));
    assert_eq!(b.recv(&mut [0]), Ok(0));
    assert_eq!(b.send(b"x"), Err(Error::PeerClosed));
    assert!(b.info().peer_closed);
}

#[test]
fn reservation_held_over_a_shutdown_keeps_the_end_from_the_receiver() {
    let (mut a, mut b) = pair();
    let mut space = a.try_reserve(300).unwrap();
    b.shutdown(Shutdown::Read).unwrap();
    assert_eq!(b.try_recv(&mut [0; 8]), Err(Error::WouldBlock));
    space.write(0, b"yes");
    space.commit(3);
    assert_eq!(drain(&mut b), [b"yes"]);
    assert_eq!(b.try_recv(&mut [0; 8]), Ok(0));
    assert_eq!(a.try_send(b"no"), Err(Error::WriteDisabled));
}

// Time.

#[test]
fn timeouts_and_deadlines_end_a_wait_not_before_their_time() {
    let (mut a, _b) = pair();
    let timeout = Duration::from_millis(20);
    a.set_read_timeout(Some(timeout)).unwrap();
    a.set_write_timeout(Some(timeout)).unwrap();
    assert_eq!(
        (a.read_timeout(), a.write_timeout()),
        (Some(timeout), Some(timeout))
    );
    let start = Instant::now();
    assert_eq!(a.recv(&mut [0]), Err(Error::TimedOut));
    assert!(start.elapsed() >= timeout);
    a.send(&[0; CAPACITY - 1]).unwrap();
    let start = Instant::now();
    assert_eq!(a.send(&[0; 2]), Err(Error::TimedOut));
    assert!(start.elapsed() >= timeout);
    let at = soon();
    assert_eq!(a.recv_deadline(&mut [0], at), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    let at = soon();
    assert_eq!(a.send_deadline(&[0; 2], at), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    let at = soon();
    assert_eq!(a.wait_readable(1, Some(at)), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    let at = soon();
    assert_eq!(a.wait_writable(2, Some(at)), Err(Error::TimedOut));
    assert!(Instant::now() >= at);
    assert_eq!(a.wait_writable(1, Some(at)), Ok(()));
    // Nothing of what did not fit was queued.
    assert_eq!(a.info().unread_by_peer, CAPACITY - 1);
    let zero = Some(Duration::ZERO);
    assert_eq!(a.set_read_timeout(zero), Err(Error::ZeroTimeout));
    assert_eq!(a.set_write_timeout(zero), Err(Error::ZeroTimeout));
}

#[test]
fn nonblocking_endpoint_does_not_wait() {
    let (mut a, _b) = pair();
    a.set_nonblocking(true).unwrap();
    assert_eq!(a.recv(&mut [0]), Err(Error::WouldBlock));
    a.send(&[0; CAPACITY - 1]).unwrap();
    assert_eq!(a.send(&[0; 2]), Err(Error::WouldBlock));
    a.set_nonblocking(false).unwrap();
    assert_eq!(a.send_deadline(&[0; 2], soon()), Err(Error::TimedOut));
}

// Halves.

#[test]
fn halves_do_what_the_whole_does_and_can_be_reunited() {
    let (a, mut b) = pair();
    let (mut recv, mut send) = a.into_split();
    send.send(b"one").unwrap();
    assert_eq!(send.try_send(b"two"), Ok(3));
    assert_eq!(send.try_send_vectored(&[IoSlice::new(b"three")]), Ok(5));
    let mut space = send.try_reserve(9).unwrap();
    space.write(0, b"four");
    space.commit(4);
    assert_eq!(drain(&mut b), [&b"one"[..], b"two", b"three", b"four"]);
    for data in [&b"5"[..], b"6", b"7", b"8"] {
        b.send(data).unwrap();
    }
    let mut buf = [0; 8];
    assert_eq!(
        (recv.try_next_len(), recv.try_peek(&mut buf)),
        (Ok(1), Ok(1))
    );
    assert_eq!(recv.try_recv(&mut buf), Ok(1));
    assert_eq!(
        recv.try_recv_vectored(&mut [IoSliceMut::new(&mut buf)]),
        Ok(1)
    );
    recv.try_chunk().unwrap().consume(1);
    assert_eq!(recv.recv(&mut buf), Ok(1));
    assert_eq!(buf[0], b'8');
    assert_eq!(recv.info(), send.info());
    assert_eq!(recv.recv_deadline(&mut buf, soon()), Err(Error::TimedOut));
    let a = send.reunite(recv).unwrap();
    let (recv, send) = a.into_split();
    let mut a = recv.reunite(send).unwrap();
    a.send(b"on").unwrap();
    assert_eq!(drain(&mut b), [b"on"]);
}

#[test]
fn halves_of_two_endpoints_do_not_unite() {
    let (a, b) = pair();
    let (a_recv, a_send) = a.into_split();
    let (b_recv, b_send) = b.into_split();
    let error = a_recv.reunite(b_send).unwrap_err();
    let (a_recv, b_send) = (error.0, error.1);
    let mut a = a_recv.reunite(a_send).unwrap();
    let mut b = b_recv.reunite(b_send).unwrap();
    a.send(b"x").unwrap();
    assert_eq!(b.try_recv(&mut [0]), Ok(1));
    b.send(b"x").unwrap();
    assert_eq!(a.try_recv(&mut [0]), Ok(1));
}

#[test]
fn drop_of_a_half_ends_its_direction_alone() {
    let (a, mut b) = pair();
    let (recv, mut send) = a.into_split();
    drop(recv);
    assert_eq!(b.try_send(b"x"), Err(Error::WriteDisabled));
    send.send(b"still").unwrap();
    assert_eq!(drain(&mut b), [b"still"]);
    assert!(!b.info().peer_closed);
    drop(send);
    assert!(b.info().peer_closed);

    let (a, mut b) = pair();
    let (mut recv, send) = a.into_split();
    drop(send);
    assert_eq!(b.try_recv(&mut [0]), Ok(0));
    b.send(b"more").unwrap();
    assert_eq!(recv.try_recv(&mut [0; 8]), Ok(4));
}

// Polling.

#[test]
fn thresholds_count_the_bytes_of_all_datagrams() {
    let (mut a, mut b) = pair();
    assert_eq!(a.info().kind, Kind::Datagram);
    assert_eq!(a.arm_read(10), Ok(Readiness::Armed));
    b.send(&[0; 5]).unwrap();
    b.send(&[0; 4]).unwrap();
    assert_eq!(events(&a), PollFlags::empty());
    b.send(&[0; 1]).unwrap();
    assert_eq!(events(&a), PollFlags::POLLIN);
    a.acknowledge();
    assert_eq!(events(&a), PollFlags::empty());

    a.send(&[0; CAPACITY - 20]).unwrap();
    a.send(&[0; 20]).unwrap();
    assert_eq!(a.arm_write(CAPACITY - 19), Ok(Readiness::Armed));
    b.try_recv(&mut [0]).unwrap();
    assert_eq!(events(&a), PollFlags::empty());
    b.try_recv(&mut [0]).unwrap();
    assert_eq!(events(&a), PollFlags::POLLIN);
    a.acknowledge();

    let most = CAPACITY + 1;
    assert_eq!(a.arm_read(most), Err(too_large(most)));
    assert_eq!(a.arm_write(most), Err(too_large(most)));
    assert_eq!(a.wait_readable(most, None), Err(too_large(most)));
    assert_eq!(a.wait_writable(most, None), Err(too_large(most)));
    assert_eq!(a.arm_write(CAPACITY), Ok(Readiness::Ready));
    assert_eq!(a.arm_read(CAPACITY), Ok(Readiness::Armed));
    drop(b);
    assert!(events(&a).contains(PollFlags::POLLIN | PollFlags::POLLHUP));
    assert_eq!(a.arm_read(CAPACITY), Ok(Readiness::Ready));
}

// Blocked threads.

#[test]
fn blocked_receiver_is_woken_by_data_and_by_every_end() {
    for policy in MODES {
        for busy in [false, true] {
            let fresh = || {
                let builder = Builder::new().capacity(CAPACITY).fence(policy);
                let (a, b) = builder.datagram_pair().unwrap();
                a.set_busy_wait(busy);
                a.set_read_timeout(Some(PATIENCE)).unwrap();
                a.set_write_timeout(Some(PATIENCE)).unwrap();
                (a, b)
            };
            thread::scope(|scope| {
                let (mut a, mut b) = fresh();
                let receiver = sleeper(scope, move || a.recv(&mut [0; 9])).until(manner::FUTEX);
                b.send(b"data").unwrap();
                assert_eq!(receiver.result_in_time(), Ok(4));

                let (mut a, b) = fresh();
                let receiver = sleeper(scope, move || a.recv(&mut [0; 9])).until(manner::FUTEX);
                b.shutdown(Shutdown::Write).unwrap();
                assert_eq!(receiver.result_in_time(), Ok(0));

                let (mut a, b) = fresh();
                let receiver = sleeper(scope, move || a.recv(&mut [0; 9])).until(manner::FUTEX);
                drop(b);
                assert_eq!(receiver.result_in_time(), Ok(0));
            });
        }
    }
}

#[test]
fn blocked_sender_is_woken_when_the_whole_datagram_fits_and_by_every_end() {
    for policy in MODES {
        for busy in [false, true] {
            let fresh = || {
                let builder = Builder::new().capacity(CAPACITY).fence(policy);
                let (mut a, b) = builder.datagram_pair().unwrap();
                a.set_busy_wait(busy);
                a.set_read_timeout(Some(PATIENCE)).unwrap();
                a.set_write_timeout(Some(PATIENCE)).unwrap();
                for _ in 0..CAPACITY / 16 {
                    a.send(&[0; 16]).unwrap();
                }
                (a, b)
            };
            thread::scope(|scope| {
                let (mut a, mut b) = fresh();
                let sender = sleeper(scope, move || (a.send(&[1; 1000]), a)).until(manner::FUTEX);
                for _ in 0..CAPACITY / 16 {
                    b.recv(&mut [0; 16]).unwrap();
                }
                let (result, _a) = sender.result_in_time();
                assert_eq!(result, Ok(1000));
                assert_eq!(drain(&mut b), [[1; 1000]]);

                let (mut a, b) = fresh();
                let sender = sleeper(scope, move || a.send(&[1; 1000])).until(manner::FUTEX);
                b.shutdown(Shutdown::Both).unwrap();
                assert_eq!(sender.result_in_time(), Err(Error::WriteDisabled));

                let (mut a, b) = fresh();
                let sender = sleeper(scope, move || a.send(&[1; 1000])).until(manner::FUTEX);
                drop(b);
                assert_eq!(sender.result_in_time(), Err(Error::PeerClosed));
            });
        }
    }
}

#[test]
fn datagrams_of_all_lengths_between_two_threads_arrive_whole_in_both_modes() {
    const COUNT: usize = 20_000;
    let len = |i: usize| 1 + (i * i + 7 * i) % 700;
    for policy in MODES {
        let builder = Builder::new().capacity(CAPACITY).fence(policy);
        let (mut a, mut b) = builder.datagram_pair().unwrap();
        a.set_write_timeout(Some(PATIENCE)).unwrap();
        b.set_read_timeout(Some(PATIENCE)).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for i in 0..COUNT {
                    a.send(&vec![i as u8; len(i)]).unwrap();
                }
            });
            let mut buf = [0; 1000];
            for i in 0..COUNT {
                assert_eq!(b.recv(&mut buf), Ok(len(i)));
                assert!(buf[..len(i)].iter().all(|byte| *byte == i as u8), "{i}");
            }
            assert_eq!(b.recv(&mut buf), Ok(0));
        });
    }
}

#[test]
fn single_receipts_without_a_pause_miss_nothing() {
    let (mut a, mut b) = Datagram::pair().unwrap();
    // Longer than any row of looks after which a receiver holds back.
    for turn in 0..200_000_u32 {
        assert_eq!(a.try_send(&turn.to_le_bytes()), Ok(4));
        let mut buf = [0; 8];
        assert_eq!(b.try_recv(&mut buf), Ok(4), "turn {turn}");
        assert_eq!(buf[..4], turn.to_le_bytes());
    }
}
