//! Endpoints under tokio: what its own sockets do, in both flavours of its runtime.

mod support;

use std::env;
use std::future::{Future, pending, poll_fn};
use std::io::{Cursor, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, socket,
};
use support::descriptors::{Parts, Shared};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use zocket::named::{BindOptions, Connector};
use zocket::protocol::{Side, Word64};
use zocket::tokio::{Datagram, DatagramListener, Stream, StreamListener};
use zocket::{Disposition, Error, Packet, Port, Readiness, Signals, Trigger, process};

/// Endpoints that nothing comes to.
const IDLE: usize = 1000;
/// More than a ring holds.
const LARGE: usize = 1 << 20;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// Runs a test in both flavours.
fn in_both<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(test());
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// What a future has to say at this moment.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A waker that counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls a future that must wait, and counts how often it is woken from then on.
fn waits<F: Future>(future: Pin<&mut F>) -> Arc<Count> {
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(count.0.load(Ordering::Relaxed), 0, "it sleeps");
    count
}

#[test]
fn bytes_go_both_ways() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let echo = tokio::spawn(async move {
            let mut buf = vec![0; LARGE];
            b.read_exact(&mut buf).await.unwrap();
            b.write_all(&buf).await.unwrap();
        });
        let sent = pattern(LARGE);
        a.write_all(&sent).await.unwrap();
        let mut received = vec![0; LARGE];
        a.read_exact(&mut received).await.unwrap();
        assert!(received == sent);
        echo.await.unwrap();
    });
}

#[test]
fn shutdown_ends_one_direction() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        a.write_all(b"last").await.unwrap();
        a.shutdown().await.unwrap();
        let mut all = Vec::new();
        b.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"last");
        assert_eq!(
            a.write(b"more").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        b.write_all(b"answer").await.unwrap();
        drop(b);
        all.clear();
        a.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"answer");
    });
}

#[test]
fn waiting_reader_is_told_of_the_end() {
    in_both(|| async {
        let (mut a, b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        let mut buf = [0; 8];
        let mut reading = pin!(a.read(&mut buf));
        assert!(poll_once(reading.as_mut()).await.is_none());
        drop(b);
        assert_eq!(reading.await.unwrap(), 0);
    });
}

#[test]
fn waiting_writer_is_told_that_nobody_reads() {
    in_both(|| async {
        let (mut a, b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        let large = vec![0; LARGE];
        let mut writing = pin!(a.write_all(&large));
        assert!(poll_once(writing.as_mut()).await.is_none());
        drop(b);
        let error = writing.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn tries_do_not_wait_and_readiness_does() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let mut buf = [0; 8];
        assert_eq!(a.try_read(&mut buf), Err(Error::WouldBlock));
        a.writable().await.unwrap();
        assert_eq!(a.try_write(b"ping"), Ok(4));
        b.readable().await.unwrap();
        assert_eq!(b.try_read(&mut buf), Ok(4));
        assert_eq!(b.try_read(&mut buf), Err(Error::WouldBlock));
        // Space runs out, and comes back.
        while a.try_write(&[0; 4096]).is_ok() {}
        let reader = tokio::spawn(async move {
            let mut all = vec![0; LARGE];
            let len = b.read(&mut all).await.unwrap();
            (b, len)
        });
        a.writable().await.unwrap();
        assert!(a.try_write(b"x").is_ok());
        let (b, _) = reader.await.unwrap();
        drop(b);
        // The end is readiness too.
        a.readable().await.unwrap();
        a.writable().await.unwrap();
        assert_eq!(a.try_read(&mut buf), Ok(0));
        assert_eq!(a.try_write(b"x"), Err(Error::PeerClosed));
    });
}

#[test]
fn ready_says_which() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let both = Signals::READABLE | Signals::WRITABLE;
        let signals = a.ready(both).await.unwrap();
        assert_eq!(signals & both, Signals::WRITABLE);
        let waiter = tokio::spawn(async move { a.ready(Signals::READABLE).await });
        yield_now().await;
        b.write_all(b"x").await.unwrap();
        let signals = waiter.await.unwrap().unwrap();
        assert_eq!(signals & both, both);
    });
}

#[test]
fn vectored_writes_are_written_in_one_go() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        assert!(a.is_write_vectored());
        let bufs = [b"one".as_slice(), b"", b"two"].map(IoSlice::new);
        assert_eq!(a.write_vectored(&bufs).await.unwrap(), 6);
        let mut buf = [0; 8];
        assert_eq!(b.read(&mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..6], b"onetwo");
    });
}

#[test]
fn reading_into_nothing_is_done_at_once() {
    in_both(|| async {
        let (mut a, _b) = Stream::pair().unwrap();
        assert_eq!(a.read(&mut []).await.unwrap(), 0);
        assert_eq!(a.write(&[]).await.unwrap(), 0);
    });
}

#[test]
fn halves_work_in_tasks_of_their_own_and_become_one_again() {
    in_both(|| async {
        let (a, b) = Stream::pair().unwrap();
        let ((mut a_read, mut a_write), (mut b_read, mut b_write)) =
            (a.into_split(), b.into_split());
        let sent = pattern(LARGE);
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            a_write.write_all(&sent).await.unwrap();
            a_write
        });
        let echo = tokio::spawn(async move {
            let copied = tokio::io::copy(&mut b_read, &mut b_write).await.unwrap();
            assert_eq!(copied, LARGE as u64);
        });
        let mut received = vec![0; LARGE];
        a_read.read_exact(&mut received).await.unwrap();
        assert!(received == expected);
        let a_write = writer.await.unwrap();
        let (_, other) = Stream::pair().unwrap().0.into_split();
        let error = a_read.reunite(other).unwrap_err();
        let mut a = error.0.reunite(a_write).unwrap();
        a.shutdown().await.unwrap();
        echo.await.unwrap();
        assert_eq!(a.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn both_halves_wait_at_the_same_time() {
    in_both(|| async {
        let (a, mut b) = Stream::pair().unwrap();
        let (mut read, mut write) = a.into_split();
        while write.try_write(&[1; 4096]).is_ok() {}
        read.set_busy_wait(false);
        let mut reading = Box::pin(async move { read.read_u8().await.unwrap() });
        let mut writing = Box::pin(async move { write.write_u8(2).await.unwrap() });
        assert!(poll_once(reading.as_mut()).await.is_none());
        assert!(poll_once(writing.as_mut()).await.is_none());
        let (reader, writer) = (tokio::spawn(reading), tokio::spawn(writing));
        // What is for one of them wakes it, whichever was the last to wait.
        b.write_u8(7).await.unwrap();
        assert_eq!(reader.await.unwrap(), 7);
        let mut rest = Vec::new();
        b.read_to_end(&mut rest).await.unwrap();
        writer.await.unwrap();
        assert_eq!(rest.last(), Some(&2));
    });
}

#[test]
fn dropped_writing_half_is_the_end_and_dropped_reading_half_refuses() {
    in_both(|| async {
        let (a, mut b) = Stream::pair().unwrap();
        let (read, write) = a.into_split();
        drop(write);
        assert_eq!(b.read(&mut [0]).await.unwrap(), 0);
        drop(read);
        let error = b.write(&[1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn cancelled_reads_lose_nothing() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let writer = tokio::spawn(async move {
            for i in 0..1000_u32 {
                b.write_all(&i.to_le_bytes()).await.unwrap();
                yield_now().await;
            }
        });
        let mut received = Vec::new();
        while received.len() < 4000 {
            let mut buf = [0; 6];
            tokio::select! {
                biased;
                len = a.read(&mut buf) => received.extend_from_slice(&buf[..len.unwrap()]),
                () = yield_now() => {}
            }
        }
        let expected: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
        assert!(received == expected);
        writer.await.unwrap();
    });
}

/// Polls once what must wait, and gives it up.
fn give_up<F: Future>(future: F) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(future).poll(&mut cx).is_pending());
}

#[test]
fn writes_that_are_given_up_have_written_nothing() {
    const BLOCK: usize = 1000;
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for round in 0..100_u8 {
            while let Ok(len) = a.try_write(&[round; BLOCK]) {
                sent.extend_from_slice(&[round; BLOCK][..len]);
            }
            let never = [u8::MAX; BLOCK];
            for _ in 0..3 {
                give_up(a.write(&never));
                give_up(a.write_vectored(&[IoSlice::new(&never)]));
                give_up(a.ready(Signals::WRITABLE));
            }
            // A different amount each time, so that the end of the ring comes everywhere.
            let mut buf = vec![0; 40_000 + 777 * usize::from(round)];
            let len = b.read(&mut buf).await.unwrap();
            received.extend_from_slice(&buf[..len]);
            // Who waits next is woken for all that.
            let len = a.write(&[round; BLOCK]).await.unwrap();
            sent.extend_from_slice(&[round; BLOCK][..len]);
        }
        a.shutdown().await.unwrap();
        b.read_to_end(&mut received).await.unwrap();
        assert!(received == sent);
    });
}

#[test]
fn reads_that_are_given_up_have_read_nothing() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        let mut buf = [0; 8];
        for round in 0..100_u32 {
            for _ in 0..3 {
                give_up(a.read(&mut buf));
                give_up(a.readable());
                give_up(a.ready(Signals::READABLE));
            }
            b.write_u32(round).await.unwrap();
            assert_eq!(a.read_u32().await.unwrap(), round);
        }
        give_up(a.read(&mut buf));
    });
}

#[test]
fn datagrams_that_are_given_up_are_neither_sent_nor_lost() {
    const SIZE: usize = 10_000;
    in_both(|| async {
        let (mut a, mut b) = Datagram::pair().unwrap();
        for end in [&a, &b] {
            end.set_busy_wait(false);
        }
        let mut buf = vec![0; SIZE];
        for round in 0..50_u8 {
            for _ in 0..3 {
                give_up(b.recv(&mut buf));
            }
            let mut sent = 0;
            while a.try_send(&[round; SIZE]).is_ok() {
                sent += 1;
            }
            for _ in 0..3 {
                give_up(a.send(&[u8::MAX; SIZE]));
            }
            for _ in 0..sent {
                assert_eq!(b.recv(&mut buf).await.unwrap(), SIZE);
                assert!(buf == [round; SIZE]);
            }
        }
        a.send(b"last").await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 4);
        give_up(b.recv(&mut buf));
    });
}

#[test]
fn accepts_that_are_given_up_have_accepted_nobody() {
    in_both(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut listener = StreamListener::bind(&path).unwrap();
        for round in 0..50 {
            for _ in 0..3 {
                give_up(listener.accept());
            }
            let mut connecting = pin!(Stream::connect(&path));
            assert!(poll_once(connecting.as_mut()).await.is_none());
            let (mut ours, _) = listener.accept().await.unwrap();
            let mut theirs = connecting.await.unwrap();
            ours.write_u8(round).await.unwrap();
            assert_eq!(theirs.read_u8().await.unwrap(), round);
        }
        give_up(listener.accept());
    });
}

#[test]
fn timeouts_end_waits() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let soon = Duration::from_millis(1);
        assert!(timeout(soon, a.read(&mut [0])).await.is_err());
        while a.try_write(&[0; 4096]).is_ok() {}
        assert!(timeout(soon, a.write_all(&[0; LARGE])).await.is_err());
        // And leave the endpoint as it was.
        b.write_all(b"x").await.unwrap();
        assert_eq!(a.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn aborted_task_closes_its_endpoint() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        b.set_busy_wait(false);
        let mut reading = Box::pin(async move { b.read(&mut [0]).await });
        assert!(poll_once(reading.as_mut()).await.is_none());
        let task = tokio::spawn(reading);
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(a.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn endpoint_moves_between_tasks_while_nobody_is_told_in_vain() {
    // In one thread, so that the second task waits before anything is written.
    current_thread().block_on(async {
        let (mut a, mut b) = Stream::pair().unwrap();
        // A task that waits and is gone; then another waits with the same endpoint.
        a.set_busy_wait(false);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        {
            let mut buf = [0];
            let mut read = pin!(a.read(&mut buf));
            assert!(
                read.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let reader = tokio::spawn(async move { a.read_u8().await.unwrap() });
        yield_now().await;
        b.write_u8(5).await.unwrap();
        assert_eq!(reader.await.unwrap(), 5);
        assert_eq!(
            count.0.load(Ordering::Relaxed),
            0,
            "nobody waits there any more"
        );
    });
}

#[test]
fn task_whose_peer_always_has_something_lets_others_run() {
    let runtime = current_thread();
    runtime.block_on(async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let stop = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::clone(&stop);
        let other = tokio::spawn(async move {
            stopped.store(1, Ordering::Relaxed);
        });
        // Never blocks, and is no `yield` of its own.
        while stop.load(Ordering::Relaxed) == 0 {
            a.write_all(&[0; 64]).await.unwrap();
            b.read_exact(&mut [0; 64]).await.unwrap();
        }
        other.await.unwrap();
    });
}

#[test]
fn waiting_writer_is_not_woken_for_each_byte() {
    current_thread().block_on(async {
        let (mut a, mut b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        while a.try_write(&[0; 4096]).is_ok() {}
        let capacity = a.info().capacity;
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let large = vec![0; LARGE];
        let mut write = pin!(a.write(&large));
        assert!(
            write
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let mut read = 0;
        while read < capacity / 8 {
            read += b.try_read(&mut [0; 64]).unwrap();
            yield_now().await;
        }
        sleep(Duration::from_millis(1)).await;
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        while read < capacity / 2 {
            read += b.try_read(&mut [0; 64]).unwrap();
        }
        while count.0.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        assert!(write.await.unwrap() > 0);
    });
}

#[test]
fn blocking_peer_and_task_talk() {
    in_both(|| async {
        let (a, mut b) = zocket::Stream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            for _ in 0..1000 {
                let mut buf = [0; 64];
                b.read_exact(&mut buf).unwrap();
                b.write_all(&buf).unwrap();
            }
            assert_eq!(b.read(&mut [0]).unwrap(), 0);
        });
        let mut a = Stream::from_blocking(a).unwrap();
        for i in 0..1000_u64 {
            let mut buf = [i as u8; 64];
            a.write_all(&buf).await.unwrap();
            a.read_exact(&mut buf).await.unwrap();
            assert_eq!(buf, [i as u8; 64]);
        }
        a.shutdown().await.unwrap();
        tokio::task::spawn_blocking(|| thread.join().unwrap())
            .await
            .unwrap();
        // And becomes a blocking one again.
        let mut a = a.into_blocking();
        assert_eq!(a.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn datagrams_keep_their_boundaries() {
    in_both(|| async {
        let (mut a, b) = Datagram::pair().unwrap();
        let echo = tokio::spawn(async move {
            let (mut recv, mut send) = b.into_split();
            let mut buf = vec![0; 100_000];
            loop {
                match recv.recv(&mut buf).await.unwrap() {
                    0 => break,
                    len => assert_eq!(send.send(&buf[..len]).await.unwrap(), len),
                }
            }
            recv.reunite(send).unwrap()
        });
        let mut buf = vec![0; 100_000];
        for len in [1, 63, 64, 65, 255, 4096, 100_000] {
            let sent = pattern(len);
            assert_eq!(a.send(&sent).await.unwrap(), len);
            assert_eq!(a.recv(&mut buf).await.unwrap(), len);
            assert!(buf[..len] == sent);
        }
        let error = a.send(&vec![0; LARGE]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        a.shutdown_send().unwrap();
        drop(echo.await.unwrap());
        assert_eq!(a.recv(&mut buf).await.unwrap(), 0);
    });
}

#[test]
fn datagram_waits_for_space_for_all_of_it() {
    in_both(|| async {
        let (mut a, mut b) = Datagram::pair().unwrap();
        let large = pattern(200_000);
        a.send(&large).await.unwrap();
        let sender = tokio::spawn(async move { a.send(&pattern(150_000)).await.unwrap() });
        yield_now().await;
        let mut buf = vec![0; 200_000];
        assert_eq!(b.recv(&mut buf).await.unwrap(), 200_000);
        assert_eq!(sender.await.unwrap(), 150_000);
        assert_eq!(b.recv(&mut buf).await.unwrap(), 150_000);
    });
}

#[test]
fn disabled_writing_goes_on_when_it_is_enabled() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        b.set_disposition(Disposition::Unchanged, Disposition::WriteDisabled)
            .unwrap();
        let error = a.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(b.read(&mut [0]).await.unwrap(), 0);
        b.set_disposition(Disposition::Unchanged, Disposition::WriteEnabled)
            .unwrap();
        a.write_all(b"x").await.unwrap();
        assert_eq!(b.read_u8().await.unwrap(), b'x');
    });
}

#[test]
fn many_pairs_at_once() {
    in_both(|| async {
        let mut tasks = JoinSet::new();
        for i in 0..100_u32 {
            let (mut a, mut b) = Stream::pair().unwrap();
            tasks.spawn(async move {
                for turn in 0..50 {
                    a.write_u32(i ^ turn).await.unwrap();
                    assert_eq!(a.read_u32().await.unwrap(), !(i ^ turn));
                }
            });
            tasks.spawn(async move {
                for _ in 0..50 {
                    let number = b.read_u32().await.unwrap();
                    b.write_u32(!number).await.unwrap();
                }
            });
        }
        while let Some(result) = tasks.join_next().await {
            result.unwrap();
        }
    });
}

#[test]
fn own_disposition_ends_the_waits_of_the_other_half() {
    in_both(|| async {
        let (a, _b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        let (mut read, write) = a.into_split();
        let mut buf = [0];
        let mut reading = pin!(read.read(&mut buf));
        let woken = waits(reading.as_mut());
        let disabled = Disposition::WriteDisabled;
        write
            .set_disposition(Disposition::Unchanged, disabled)
            .unwrap();
        assert!(woken.0.load(Ordering::Relaxed) > 0, "the reader sleeps on");
        assert_eq!(reading.await.unwrap(), 0);

        let (a, _b) = Stream::pair().unwrap();
        a.set_busy_wait(false);
        let (read, mut write) = a.into_split();
        while write.try_write(&[1; 4096]).is_ok() {}
        let mut writing = pin!(write.write(b"x"));
        let woken = waits(writing.as_mut());
        read.set_disposition(disabled, Disposition::Unchanged)
            .unwrap();
        assert!(woken.0.load(Ordering::Relaxed) > 0, "the writer sleeps on");
        let error = writing.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

/// An endpoint, and what a peer has who does as it likes: the memory, and its end of the doorbell.
fn with_hostile_peer() -> (Stream, Shared, OwnedFd) {
    let (ours, theirs) = zocket::Stream::pair().unwrap();
    let parts = Parts::of(theirs);
    let shared = Shared::map(&parts);
    ours.set_busy_wait(false);
    (Stream::from_blocking(ours).unwrap(), shared, parts.bell)
}

#[test]
fn violation_that_one_half_finds_ends_the_wait_of_the_other() {
    /// Of the peer, who is `B`: so much was written, or read, as cannot be.
    fn lie(shared: &Shared, side: Side, word: Word64) {
        shared.word64(side, word).store(1 << 63, Ordering::SeqCst);
    }
    in_both(|| async {
        for by_try in [false, true] {
            let (a, shared, _bell) = with_hostile_peer();
            let (mut read, mut write) = a.into_split();
            while write.try_write(&[1; 4096]).is_ok() {}
            let mut writing = pin!(write.write(b"x"));
            let woken = waits(writing.as_mut());
            lie(&shared, Side::B, Word64::Tail);
            match by_try {
                true => drop(read.try_read(&mut [0]).unwrap_err()),
                false => drop(read.read(&mut [0]).await.unwrap_err()),
            }
            assert!(woken.0.load(Ordering::Relaxed) > 0, "the writer sleeps on");
            assert_eq!(writing.await.unwrap_err().kind(), ErrorKind::InvalidData);

            let (a, shared, _bell) = with_hostile_peer();
            let (mut read, mut write) = a.into_split();
            let mut buf = [0];
            let mut reading = pin!(read.read(&mut buf));
            let woken = waits(reading.as_mut());
            while write.try_write(&[1; 4096]).is_ok() {}
            lie(&shared, Side::A, Word64::Head);
            match by_try {
                true => drop(write.try_write(b"x").unwrap_err()),
                false => drop(write.write(b"x").await.unwrap_err()),
            }
            assert!(woken.0.load(Ordering::Relaxed) > 0, "the reader sleeps on");
            assert_eq!(reading.await.unwrap_err().kind(), ErrorKind::InvalidData);
        }
    });
}

#[test]
fn registrations_with_a_port_end_when_tasks_take_over() {
    in_both(|| async {
        let port = Port::new().unwrap();
        let (a, mut b) = zocket::Stream::pair().unwrap();
        a.set_busy_wait(false);
        port.register(&a, 1, Signals::READABLE, Trigger::Level)
            .unwrap();
        let mut a = Stream::from_blocking(a).unwrap();
        let mut reading = Box::pin(async move {
            let byte = a.read_u8().await.unwrap();
            (a, byte)
        });
        assert!(poll_once(reading.as_mut()).await.is_none());
        b.write_all(b"x").unwrap();
        let now = Some(Instant::now());
        assert_eq!(port.wait(now), Err(Error::TimedOut));
        let (a, byte) = reading.await;
        assert_eq!(byte, b'x');
        // And can be made again when they are done.
        let a = a.into_blocking();
        port.register(&a, 2, Signals::READABLE, Trigger::Level)
            .unwrap();
        b.write_all(b"x").unwrap();
        let packet = port.wait(None).unwrap();
        assert!(matches!(packet, Packet::Signals { key: 2, .. }));
    });
}

/// What a re-executed test binary is to be.
const ROLE: &str = "ZOCKET_TEST_ROLE";

#[test]
fn child_entry() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let stream = zocket::Stream::inherited("peer").unwrap();
    current_thread().block_on(async {
        let mut stream = Stream::from_blocking(stream).unwrap();
        if role == "echo" {
            let (mut read, mut write) = stream.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            return;
        }
        // Says that it is there, and is never heard of again.
        stream.write_u8(1).await.unwrap();
        pending::<()>().await;
    });
}

fn child(role: &str) -> (Child, zocket::Stream) {
    let (ours, theirs) = zocket::Stream::pair().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child_entry", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role);
    (
        process::spawn(command, [("peer", theirs.into())]).unwrap(),
        ours,
    )
}

#[test]
fn task_in_another_process_answers() {
    for runtime in [current_thread(), multi_thread()] {
        let (mut child, stream) = child("echo");
        runtime.block_on(async {
            let (mut read, mut write) = Stream::from_blocking(stream).unwrap().into_split();
            let sent = pattern(LARGE);
            let expected = sent.clone();
            let writer = tokio::spawn(async move {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut received = Vec::new();
            read.read_to_end(&mut received).await.unwrap();
            assert!(received == expected);
            writer.await.unwrap();
        });
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn killed_peer_ends_every_wait() {
    for runtime in [current_thread(), multi_thread()] {
        let (mut child, stream) = child("silent");
        runtime.block_on(async {
            let (mut read, mut write) = Stream::from_blocking(stream).unwrap().into_split();
            assert_eq!(read.read_u8().await.unwrap(), 1);
            let reader = tokio::spawn(async move { read.read(&mut [0]).await.unwrap() });
            let writer =
                tokio::spawn(
                    async move { write.write_all(&vec![0; LARGE]).await.unwrap_err().kind() },
                );
            yield_now().await;
            child.kill().unwrap();
            assert_eq!(reader.await.unwrap(), 0);
            assert_eq!(writer.await.unwrap(), ErrorKind::BrokenPipe);
        });
        child.wait().unwrap();
    }
}

#[test]
fn idle_connections_cost_no_polls() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    current_thread().block_on(async {
        let polls = Arc::new(AtomicUsize::new(0));
        let mut peers = Vec::new();
        let mut tasks = JoinSet::new();
        for _ in 0..IDLE {
            let (a, b) = zocket::Builder::new()
                .capacity(zocket::MIN_CAPACITY)
                .stream_pair()
                .unwrap();
            let mut a = Stream::from_blocking(a).unwrap();
            peers.push(b);
            let polls = Arc::clone(&polls);
            tasks.spawn(async move {
                let mut buf = [0; 8];
                let mut read = pin!(a.read(&mut buf));
                poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    read.as_mut().poll(cx)
                })
                .await
                .unwrap()
            });
        }
        // They look for a while, and then all of them sleep.
        let mut before = 0;
        while before != polls.load(Ordering::Relaxed) || before < IDLE {
            before = polls.load(Ordering::Relaxed);
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(50)).await;
        assert_eq!(polls.load(Ordering::Relaxed), before);
        // One that is written to is polled, and nobody else.
        peers[0].try_write(b"x").unwrap();
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), 1);
        let polled = polls.load(Ordering::Relaxed) - before;
        assert!(polled <= 2, "{polled}");
    });
}

/// More than a doorbell holds.
#[test]
fn thousand_rings_are_heard() {
    const RINGS: usize = 1000;
    current_thread().block_on(async {
        let (a, mut b) = zocket::Stream::pair().unwrap();
        // It sleeps each time.
        a.set_busy_wait(false);
        let mut a = Stream::from_blocking(a).unwrap();
        let heard = Arc::new(AtomicUsize::new(0));
        let reader = tokio::spawn({
            let heard = Arc::clone(&heard);
            async move {
                while a.read(&mut [0]).await.unwrap() > 0 {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for ring in 0..RINGS {
            while heard.load(Ordering::Relaxed) < ring {
                yield_now().await;
            }
            b.try_write(b"x").unwrap();
        }
        drop(b);
        reader.await.unwrap();
        assert_eq!(heard.load(Ordering::Relaxed), RINGS);
    });
}

/// As a server does that reads on before it answers.
#[test]
fn reader_looks_again_once_an_answer_is_written_to_one_who_is_awake() {
    let runtime = current_thread();
    let _inside = runtime.enter();
    let (a, mut b) = zocket::Stream::pair().unwrap();
    // Also where there is one CPU.
    a.set_busy_wait(true);
    let (mut read, mut write) = Stream::from_blocking(a).unwrap().into_split();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 8];
    let mut reading = pin!(read.read(&mut buf));
    let mut sleeps = || loop {
        let before = count.0.load(Ordering::Relaxed);
        assert!(reading.as_mut().poll(&mut cx).is_pending());
        if count.0.load(Ordering::Relaxed) == before {
            break before;
        }
    };
    let mut answer = || {
        let mut cx = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut write).poll_write(&mut cx, b"x");
        assert!(matches!(written, Poll::Ready(Ok(1))));
        count.0.load(Ordering::Relaxed)
    };
    let woken = sleeps();
    assert_eq!(answer(), woken + 1);
    let woken = sleeps();
    // A peer that has to be woken will not answer soon.
    assert_eq!(b.try_read(&mut [0; 8]), Ok(1));
    assert_eq!(b.arm_read(1), Ok(Readiness::Armed));
    assert_eq!(answer(), woken);
    let woken = sleeps();
    assert_eq!(
        answer(),
        woken,
        "and not each time that something is written"
    );
}

#[test]
fn listener_serves_tasks_and_threads() {
    in_both(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut listener = StreamListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            for _ in 0..3 {
                let (mut stream, client) = listener.accept().await.unwrap();
                assert!(client.is_same_user());
                tasks.spawn(async move {
                    let byte = stream.read_u8().await.unwrap();
                    stream.write_u8(!byte).await.unwrap();
                });
            }
            while let Some(result) = tasks.join_next().await {
                result.unwrap();
            }
            listener
        });
        // The first keeps silent as long as the others talk.
        let mut silent = Stream::connect(&path).await.unwrap();
        let mut talking = Stream::connect(&path).await.unwrap();
        talking.write_u8(7).await.unwrap();
        assert_eq!(talking.read_u8().await.unwrap(), !7);
        let thread = tokio::task::spawn_blocking({
            let path = path.clone();
            move || {
                let mut stream = zocket::Stream::connect(path).unwrap();
                let mut byte = [9];
                stream.write_all(&byte).unwrap();
                stream.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [!9]);
            }
        });
        thread.await.unwrap();
        silent.write_u8(1).await.unwrap();
        assert_eq!(silent.read_u8().await.unwrap(), !1);

        let mut listener = server.await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_pathname(), Some(path.as_path()));
        listener.set_policy(|_| false);
        tokio::select! {
            _ = listener.accept() => panic!("nobody is accepted"),
            refused = Stream::connect(&path) => {
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
        }
        drop(listener);
        let error = Stream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

/// A client that connects and does nothing.
fn silent(path: &Path) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let client = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    connect(client.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    client
}

/// For each that is refused another one comes, of whom the reactor may have told already.
#[test]
fn clients_who_are_left_after_many_were_refused_have_their_turn() {
    in_both(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = BindOptions::new().backlog(3).bind(&path).unwrap();
        let mut listener = StreamListener::from_blocking(listener).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, latest) = (Arc::clone(&asked), Mutex::new(silent(&path)));
        listener.set_policy(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            *latest.lock().unwrap() = silent(&path);
            false
        });
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(listener.poll_accept(&mut cx).is_pending());
        // As many as can have been there.
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "nobody comes back");
    });
}

#[test]
fn client_whose_endpoint_cannot_be_watched_stays_in_the_queue() {
    let runtime = current_thread();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut listener = runtime.block_on(async { StreamListener::bind(&path).unwrap() });
    let client = silent(&path);
    // There is no runtime.
    let accept = std::panic::AssertUnwindSafe(|| {
        let mut cx = Context::from_waker(Waker::noop());
        listener.poll_accept(&mut cx).is_ready()
    });
    assert!(std::panic::catch_unwind(accept).is_err());
    let answer = recv(client.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
    assert_eq!(answer, Err(Errno::EAGAIN));
    runtime.block_on(listener.accept()).unwrap();
    let answer = recv(client.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
    assert_eq!(answer, Ok(16));
}

#[test]
fn connecting_with_another_kind_and_giving_up_connecting() {
    current_thread().block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut listener = DatagramListener::bind(&path).unwrap();
        // Nobody accepts; who gives up is passed over, or finds its peer closed.
        let soon = Duration::from_millis(1);
        assert!(timeout(soon, Datagram::connect(&path)).await.is_err());
        let wrong = tokio::spawn({
            let path = path.clone();
            async move { Stream::connect(path).await.unwrap_err().kind() }
        });
        yield_now().await;
        let (mut left, _) = listener.accept().await.unwrap();
        assert_eq!(wrong.await.unwrap(), ErrorKind::InvalidData);
        assert_eq!(left.recv(&mut [0]).await.unwrap(), 0);
        let right = tokio::spawn(async move {
            let connector = Connector::new().policy(|server| server.is_same_user());
            Datagram::connect_with(&connector, path).await.unwrap()
        });
        let (mut ours, _) = listener.accept().await.unwrap();
        ours.send(b"welcome").await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(right.await.unwrap().recv(&mut buf).await.unwrap(), 7);
    });
}

#[test]
fn listener_that_goes_tells_those_whom_it_has_not_accepted() {
    current_thread().block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = StreamListener::bind(&path).unwrap();
        let mut connecting = pin!(Stream::connect(&path));
        assert!(poll_once(connecting.as_mut()).await.is_none());
        drop(listener);
        assert_eq!(
            connecting.await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    });
}

#[test]
fn abstract_names_lead_to_tasks() {
    // Another each time: a child that another test has just forked keeps the last one taken for a moment.
    let times = AtomicUsize::new(0);
    in_both(|| async {
        let time = times.fetch_add(1, Ordering::Relaxed);
        let name = format!("zocket-tokio-{}-{time}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let mut listener = StreamListener::bind_addr(&address).unwrap();
        listener.set_pairs(zocket::Builder::new().capacity(8192));
        let connecting = tokio::spawn(async move {
            Stream::connect_addr(&Connector::new(), &address)
                .await
                .unwrap()
        });
        let (mut ours, _) = listener.accept().await.unwrap();
        assert_eq!(ours.info().capacity, 8192);
        let mut theirs = connecting.await.unwrap();
        ours.write_u8(7).await.unwrap();
        assert_eq!(theirs.read_u8().await.unwrap(), 7);
    });
}

/// As a proxy: both directions, each with an end of its own.
#[test]
fn tokios_copy_passes_on_both_directions_and_their_ends() {
    in_both(|| async {
        let (mut client, mut near) = Stream::pair().unwrap();
        let (mut far, mut server) = Stream::pair().unwrap();
        let proxy = tokio::spawn(async move {
            tokio::io::copy_bidirectional(&mut near, &mut far)
                .await
                .unwrap()
        });
        let question = pattern(LARGE);
        let expected = question.clone();
        let server = tokio::spawn(async move {
            let mut received = Vec::new();
            server.read_to_end(&mut received).await.unwrap();
            assert!(received == expected);
            server.write_all(b"answer").await.unwrap();
        });
        client.write_all(&question).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        server.await.unwrap();
        assert_eq!(proxy.await.unwrap(), (LARGE as u64, 6));
    });
}

#[test]
fn tokios_buffers_and_split_are_content_with_streams() {
    in_both(|| async {
        let (a, b) = Stream::pair().unwrap();
        let (read, mut write) = tokio::io::split(b);
        let writer = tokio::spawn(async move {
            let mut text = Cursor::new("one\ntwo\n\nfour");
            write.write_all_buf(&mut text).await.unwrap();
            write.shutdown().await.unwrap();
            write
        });
        let mut a = BufStream::new(a);
        let (mut lines, mut found) = ((&mut a).lines(), Vec::new());
        while let Some(line) = lines.next_line().await.unwrap() {
            found.push(line);
        }
        assert_eq!(found, ["one", "two", "", "four"]);
        a.write_all(b"answer").await.unwrap();
        a.flush().await.unwrap();
        let mut b = read.unsplit(writer.await.unwrap());
        // Memory that was never written to takes what is read.
        let mut answer = Vec::with_capacity(64);
        while answer.len() < 6 {
            b.read_buf(&mut answer).await.unwrap();
        }
        assert_eq!(answer, b"answer");
    });
}

#[test]
fn vectored_tries_fill_one_buffer_after_the_other() {
    in_both(|| async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(a.try_write_vectored(&parts), Ok(5));
        b.readable().await.unwrap();
        let (mut first, mut second) = ([0; 3], [0; 4]);
        let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(b.try_read_vectored(&mut parts), Ok(5));
        assert_eq!((&first, &second), (b"abc", b"de\0\0"));
    });
}

#[test]
fn runtime_that_ends_wakes_whoever_waits_elsewhere() {
    let runtime = current_thread();
    let (mut a, mut b) = runtime.block_on(async { Stream::pair().unwrap() });
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    {
        let mut buf = [0; 8];
        let mut read = pin!(a.read(&mut buf));
        // It looks for a while, and then waits.
        let woken = loop {
            let before = count.0.load(Ordering::Relaxed);
            assert!(read.as_mut().poll(&mut cx).is_pending());
            if count.0.load(Ordering::Relaxed) == before {
                break before;
            }
        };
        drop(runtime);
        assert!(count.0.load(Ordering::Relaxed) > woken);
        assert!(matches!(read.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
    }
    // What needs no runtime goes on.
    assert_eq!(b.try_write(b"x"), Ok(1));
    assert_eq!(a.try_read(&mut [0; 8]), Ok(1));
    let (mut a, mut b) = (a.into_blocking(), b.into_blocking());
    b.write_all(b"y").unwrap();
    a.read_exact(&mut [0]).unwrap();
}

#[test]
fn outside_of_a_runtime_it_panics_as_tokio_does() {
    let (a, _b) = zocket::Stream::pair().unwrap();
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Stream::from_blocking(a)));
    assert!(made.is_err());
}
