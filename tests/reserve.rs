//! Rings that get their memory as they are used: nothing is written where there is none, and where
//! the system gives none, that is an error that loses nothing.

mod support;

use proptest::prelude::*;
use support::heap::Heap;
use zocket::protocol::{Reader, Writer};
use zocket::{Builder, Datagram, Error, Kind, Stream};

const CAPACITY: usize = 256;

type Ends<'a> = (Writer<&'a Heap>, Reader<&'a Heap>);

fn attach(heap: &Heap, kind: Kind) -> Ends<'_> {
    (
        Writer::attach(heap, kind, CAPACITY).unwrap(),
        Reader::attach(heap, kind, CAPACITY).unwrap(),
    )
}

proptest! {
    /// The heap checks each copy.
    #[test]
    fn stream_is_written_only_where_there_is_memory(
        reserved in 0..=CAPACITY,
        reservable in 0..=CAPACITY,
        position in 0u64..CAPACITY as u64,
        sizes in proptest::collection::vec((1..=CAPACITY, 0..=CAPACITY), 1..40),
    ) {
        let heap = Heap::sparse(CAPACITY, reserved, reservable);
        heap.start_at(position);
        let (mut writer, mut reader) = attach(&heap, Kind::Stream);
        let (mut sent, mut received) = (0, 0);
        for (write, read) in sizes {
            let bytes: Vec<u8> = (sent..sent + write).map(|i| i as u8).collect();
            match writer.write(&bytes) {
                Ok(n) => {
                    prop_assert!(n > 0 && n <= write);
                    sent += n;
                }
                Err(Error::WouldBlock) => prop_assert_eq!(sent - received, CAPACITY),
                Err(error) => {
                    prop_assert_eq!(error, Error::NoMemory);
                    prop_assert!(reservable < CAPACITY);
                }
            }
            let mut buf = vec![0; read];
            let n = reader.read(&mut buf).unwrap_or(0);
            for byte in &buf[..n] {
                prop_assert_eq!(*byte, received as u8);
                received += 1;
            }
        }
    }

    #[test]
    fn datagrams_are_written_only_where_there_is_memory(
        reserved in 0..=2 * CAPACITY,
        reservable in 0..=2 * CAPACITY,
        sizes in proptest::collection::vec(1..=CAPACITY, 1..60),
    ) {
        let heap = Heap::sparse(2 * CAPACITY, reserved, reservable);
        let (mut writer, mut reader) = attach(&heap, Kind::Datagram);
        let mut queued = std::collections::VecDeque::new();
        let mut buf = [0; CAPACITY];
        for (i, len) in sizes.into_iter().enumerate() {
            let message = vec![i as u8; len];
            loop {
                match writer.send(&message) {
                    Ok(()) => break queued.push_back(message),
                    Err(Error::WouldBlock) => {
                        let n = reader.recv(&mut buf).unwrap();
                        prop_assert_eq!(&buf[..n], queued.pop_front().unwrap());
                    }
                    Err(error) => {
                        prop_assert_eq!(error, Error::NoMemory);
                        prop_assert!(reservable < 2 * CAPACITY);
                        break;
                    }
                }
            }
        }
        while let Some(message) = queued.pop_front() {
            let n = reader.recv(&mut buf).unwrap();
            prop_assert_eq!(&buf[..n], message);
        }
    }
}

#[test]
fn everything_fits_whatever_the_order_once_there_is_memory() {
    let heap = Heap::sparse(CAPACITY, 0, CAPACITY);
    let (mut writer, mut reader) = attach(&heap, Kind::Stream);
    assert_eq!(writer.write(&[1; CAPACITY]), Ok(CAPACITY), "in one go");
    assert_eq!(reader.read(&mut [0; 10]), Ok(10));
    assert_eq!(writer.write(&[2; 20]), Ok(10), "around the end");
}

#[test]
fn memory_doubles_with_use() {
    let heap = Heap::sparse(CAPACITY, 0, CAPACITY);
    let (mut writer, mut reader) = attach(&heap, Kind::Stream);
    let mut steps = vec![];
    for _ in 0..CAPACITY {
        writer.write(&[0]).unwrap();
        reader.read(&mut [0]).unwrap();
        let reserved = zocket::protocol::Memory::reserved(&heap);
        if steps.last() != Some(&reserved) {
            steps.push(reserved);
        }
    }
    assert_eq!(steps, [16, 32, 64, 128, 256]);
}

#[test]
fn what_cannot_be_had_amply_is_had_sparingly() {
    // 16 are there; to double them is too much, a page more is not.
    let heap = Heap::sparse(CAPACITY, 64, 80);
    let (mut writer, _reader) = attach(&heap, Kind::Stream);
    assert_eq!(writer.write(&[0; 64]), Ok(64));
    assert_eq!(writer.write(&[0; 8]), Ok(8));
    assert_eq!(writer.write(&[0; 100]), Ok(8), "the rest of the page");
    assert_eq!(writer.write(&[0; 100]), Err(Error::NoMemory));
}

/// Bytes of pages that the memory of a fresh endpoint has.
fn pages(fd: std::os::fd::OwnedFd) -> u64 {
    let parts = support::descriptors::Parts::of(fd);
    nix::sys::stat::fstat(&parts.memfd).unwrap().st_blocks as u64 * 512
}

#[test]
fn unused_pair_has_one_page_and_a_little_used_one_two() {
    let (mut a, mut b) = Stream::pair().unwrap();
    assert_eq!(pages(Stream::pair().unwrap().0.into()), 4096);
    for _ in 0..100 {
        a.try_write(b"there").unwrap();
        b.try_read(&mut [0; 5]).unwrap();
        b.try_write(b"back").unwrap();
        a.try_read(&mut [0; 4]).unwrap();
    }
    assert_eq!(pages(a.into()), 2 * 4096);
}

#[test]
fn reserved_pair_has_all_its_pages_from_the_beginning() {
    let reserved = Builder::new().reserve(true);
    let (stream, _) = reserved.stream_pair().unwrap();
    assert_eq!(pages(stream.into()), 4096 + 2 * (256 << 10));
    let (datagram, _) = reserved.datagram_pair().unwrap();
    assert_eq!(pages(datagram.into()), 4096 + 4 * (256 << 10));
}

/// Endpoints that are handed on find what there is.
#[test]
fn endpoint_that_moves_goes_on_where_it_was() {
    let (mut a, mut b) = Datagram::pair().unwrap();
    let mut buf = vec![0; 3000];
    for i in 0..500 {
        let message = vec![i as u8; 10 + i * 5];
        a.try_send(&message).unwrap();
        assert_eq!(b.try_recv(&mut buf), Ok(message.len()));
        assert_eq!(buf[..message.len()], message);
        let fd: std::os::fd::OwnedFd = a.into();
        a = fd.try_into().unwrap();
    }
}
