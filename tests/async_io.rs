//! Endpoints under async-io: what they do there that is not tokio's part (tests/tokio.rs).

use std::time::Duration;

use async_io::Timer;
use futures_lite::future::{block_on, or, poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use zocket::Signals;
use zocket::async_io::{Datagram, Stream, StreamListener};

/// More than a ring holds.
const LARGE: usize = 1 << 20;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn bytes_go_both_ways_and_closing_is_the_end() {
    block_on(async {
        let (mut a, b) = Stream::pair().unwrap();
        let echo = async {
            let (mut read, mut write) = b.into_split();
            futures_lite::io::copy(&mut read, &mut write).await.unwrap();
            read.reunite(write).unwrap()
        };
        let ask = async {
            let (sent, mut received) = (pattern(LARGE), vec![0; LARGE]);
            let (mut read, mut write) = a.into_split();
            zip(async { write.write_all(&sent).await.unwrap() }, async {
                read.read_exact(&mut received).await.unwrap()
            })
            .await;
            assert!(received == sent);
            a = read.reunite(write).unwrap();
            a.close().await.unwrap();
            a
        };
        let (mut a, b) = zip(ask, echo).await;
        drop(b);
        assert_eq!(a.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn threads_with_executors_of_their_own_talk() {
    let (mut a, mut b) = Stream::pair().unwrap();
    let other = std::thread::spawn(move || {
        block_on(async {
            let mut buf = [0; 64];
            while b.read_exact(&mut buf).await.is_ok() {
                b.write_all(&buf).await.unwrap();
            }
        });
    });
    block_on(async {
        for i in 0..10_000_u32 {
            let mut buf = [i as u8; 64];
            a.write_all(&buf).await.unwrap();
            a.read_exact(&mut buf).await.unwrap();
            assert_eq!(buf, [i as u8; 64]);
        }
    });
    drop(a);
    other.join().unwrap();
}

#[test]
fn every_wait_through_the_doorbell() {
    let (mut a, mut b) = Stream::pair().unwrap();
    for end in [&a, &b] {
        end.set_busy_wait(false);
    }
    let other = std::thread::spawn(move || {
        block_on(async {
            let mut buf = [0; 8];
            while b.read_exact(&mut buf).await.is_ok() {
                b.write_all(&buf).await.unwrap();
            }
        });
    });
    block_on(async {
        for i in 0..10_000_u64 {
            let mut buf = i.to_le_bytes();
            a.write_all(&buf).await.unwrap();
            a.read_exact(&mut buf).await.unwrap();
            assert_eq!(buf, i.to_le_bytes());
        }
    });
    drop(a);
    other.join().unwrap();
}

#[test]
fn timers_end_waits() {
    block_on(async {
        let (mut a, mut b) = Stream::pair().unwrap();
        let late = async {
            Timer::after(Duration::from_millis(1)).await;
            None
        };
        assert_eq!(
            or(async { Some(a.read(&mut [0]).await.is_ok()) }, late).await,
            None
        );
        b.write_all(b"x").await.unwrap();
        a.readable().await.unwrap();
        let signals = a
            .ready(Signals::READABLE | Signals::WRITABLE)
            .await
            .unwrap();
        assert!(signals.contains(Signals::READABLE | Signals::WRITABLE));
        assert_eq!(a.try_read(&mut [0; 8]), Ok(1));
        assert!(poll_once(a.readable()).await.is_none());
    });
}

#[test]
fn datagrams_keep_their_boundaries() {
    block_on(async {
        let (mut a, mut b) = Datagram::pair().unwrap();
        let mut buf = vec![0; 100_000];
        for len in [1, 64, 255, 100_000] {
            let sent = pattern(len);
            assert_eq!(a.send(&sent).await.unwrap(), len);
            assert_eq!(b.recv(&mut buf).await.unwrap(), len);
            assert!(buf[..len] == sent);
        }
        a.shutdown_send().unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 0);
    });
}

#[test]
fn listener_accepts_who_connects() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut listener = StreamListener::bind(&path).unwrap();
        let accept = async { listener.accept().await.unwrap().0 };
        let connect = async { Stream::connect(&path).await.unwrap() };
        let (mut a, mut b) = zip(accept, connect).await;
        a.write_all(b"welcome").await.unwrap();
        let mut buf = [0; 7];
        b.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"welcome");
    });
}
