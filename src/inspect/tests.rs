use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::thread;

use nix::sys::uio::pwrite;

use super::*;
use crate::layout::{MIN_CAPACITY, PAGE_SHIFT};
use crate::{Builder, Datagram, Disposition, Stream};

/// A pair, and its memory opened once more, for reading, as another process would.
fn pair() -> (Stream, Stream, Pair) {
    let (a, b) = Builder::new().capacity(MIN_CAPACITY).stream_pair().unwrap();
    let pair = Pair::open(memory_of(a.info().koid)).unwrap();
    (a, b, pair)
}

/// The memory of the pair of which A has this koid, found as another process would find it.
fn memory_of(koid: u64) -> OwnedFd {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let found = links.filter_map(|entry| {
        let path = entry.ok()?.path();
        // Other tests close descriptors meanwhile.
        let link = fs::read_link(&path).ok()?;
        let memory = (link.to_str()? == LINK).then(|| File::open(&path).ok())??;
        let pair = Pair::open(memory.into()).ok()?;
        (pair.koids()[0] == koid).then_some(pair.memory)
    });
    found.last().expect("every pair has a link")
}

/// Writes into the memory, as a hostile end would.
fn poke(pair: &Pair, at: usize, bytes: &[u8]) {
    let path = format!("/proc/self/fd/{}", pair.memory.as_raw_fd());
    let writable = File::options().write(true).open(path).unwrap();
    assert_eq!(pwrite(&writable, bytes, at as i64), Ok(bytes.len()));
}

#[test]
fn pair_says_how_it_was_made() {
    let (a, _b, pair) = pair();
    let info = a.info();
    assert_eq!(pair.kind(), Kind::Stream);
    assert_eq!(pair.capacity(), MIN_CAPACITY);
    assert_eq!(pair.fence_mode(), info.fence_mode);
    assert!(!pair.has_huge_pages());
    assert_eq!(pair.koids(), [info.koid, info.peer_koid]);
    assert_eq!(pair.size(), (1 << PAGE_SHIFT) + 2 * MIN_CAPACITY);
    assert_eq!(pair.allocated(), Ok(1 << PAGE_SHIFT));
    let (datagrams, _peer) = Datagram::pair().unwrap();
    let pair = Pair::open(memory_of(datagrams.info().koid)).unwrap();
    assert_eq!(pair.kind(), Kind::Datagram);
}

#[test]
fn doorbells_are_the_sockets_of_the_ends() {
    let (a, b, pair) = pair();
    let inode = |end: &Stream| {
        let link = format!("/proc/self/fd/{}", end.as_fd().as_raw_fd());
        let inode = fs::metadata(&link).unwrap().ino();
        let said = fs::read_link(link).unwrap();
        assert_eq!(said.to_str().unwrap(), format!("socket:[{inode}]"));
        Some(inode)
    };
    assert_eq!(pair.doorbells(), [inode(&a), inode(&b)]);
    // Wherever an end is, its socket is the same.
    let b = Stream::try_from(b.into_fd().unwrap()).unwrap();
    assert_eq!(pair.doorbells()[1], inode(&b));
}

#[test]
fn figures_are_those_of_each_end() {
    let (mut a, mut b, pair) = pair();
    assert_eq!(a.try_write(&[0; 100]), Ok(100));
    assert_eq!(b.try_read(&mut [0; 30]), Ok(30));
    assert_eq!(b.try_write(&[0; 7]), Ok(7));
    a.set_read_threshold(3).unwrap();
    a.set_write_threshold(4).unwrap();
    b.signal_peer(Signals::empty(), Signals::USER_2).unwrap();
    let [at_a, at_b] = pair.look().unwrap();
    let expected = End {
        readable: 7,
        unread_by_peer: 70,
        total_read: 0,
        total_written: 100,
        closed: false,
        write_disabled: false,
        writing: false,
        user_signals: Signals::USER_2,
        read_threshold: 3,
        write_threshold: 4,
        for_data: Waits::default(),
        for_space: Waits::default(),
    };
    assert_eq!(at_a, expected);
    let expected = End {
        readable: 70,
        unread_by_peer: 7,
        total_read: 30,
        total_written: 7,
        user_signals: Signals::empty(),
        read_threshold: 0,
        write_threshold: 0,
        ..expected
    };
    assert_eq!(at_b, expected);
}

#[test]
fn disabled_and_closed_ends_show() {
    let (a, b, pair) = pair();
    a.set_disposition(Disposition::Unchanged, Disposition::WriteDisabled)
        .unwrap();
    let ends = pair.look().unwrap();
    assert_eq!(ends.map(|end| end.write_disabled), [false, true]);
    assert_eq!(ends.map(|end| end.closed), [false, false]);
    drop(b);
    let ends = pair.look().unwrap();
    assert_eq!(ends.map(|end| end.closed), [false, true]);
    drop(a);
    let ends = pair.look().unwrap();
    assert_eq!(ends.map(|end| end.closed), [true, true]);
}

#[test]
fn pollers_show_with_what_they_wait_for() {
    let (mut a, mut b, pair) = pair();
    a.arm_read(12).unwrap();
    assert_eq!(b.try_write(&[0; MIN_CAPACITY]), Ok(MIN_CAPACITY));
    b.arm_write(34).unwrap();
    assert_eq!(a.try_read(&mut [0; 1]), Ok(1));
    let [at_a, at_b] = pair.look().unwrap();
    // Rung, and so no longer waiting.
    assert_eq!(at_a.for_data, Waits::default());
    assert_eq!(at_b.for_data, Waits::default());
    let poller = Waiter {
        threads: false,
        pollers: true,
        least: Some(34),
        soft: false,
    };
    assert_eq!(at_b.for_space.bytes, Some(poller));
    assert_eq!(at_b.for_space.signals, None);
}

#[test]
fn sleepers_show_until_they_are_woken() {
    let (mut a, mut b, pair) = pair();
    let look = || pair.look().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| a.wait_readable(55, None).unwrap());
        let waiter = loop {
            if let Some(waiter) = look()[0].for_data.bytes {
                break waiter;
            }
            thread::yield_now();
        };
        assert!(waiter.threads && !waiter.pollers);
        assert_eq!(waiter.least, Some(55));
        assert_eq!(b.try_write(&[0; 55]), Ok(55));
    });
    assert_eq!(look()[0].for_data, Waits::default());
}

#[test]
fn waits_for_signals_show_apart_from_those_for_bytes() {
    let (a, b, pair) = pair();
    let look = || pair.look().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| a.wait(Signals::USER_0, None).unwrap());
        let waits = loop {
            let waits = look()[0].for_data;
            if waits.signals.is_some() {
                break waits;
            }
            thread::yield_now();
        };
        assert_eq!(waits.bytes, None);
        assert!(waits.signals.unwrap().threads);
        b.signal_peer(Signals::empty(), Signals::USER_0).unwrap();
    });
}

#[test]
fn impossible_figures_stay_within_bounds() {
    let (_a, _b, pair) = pair();
    for (tail, head) in [
        (u64::MAX, 0),
        (0, 1),
        (0, u64::MAX),
        (1 << 63, 0),
        (MIN_CAPACITY as u64 + 1, 0),
    ] {
        let at = Header::direction_offset(Side::A);
        poke(&pair, at + Word64::Tail.offset(), &tail.to_ne_bytes());
        poke(&pair, at + Word64::Head.offset(), &head.to_ne_bytes());
        let [a, b] = pair.look().unwrap();
        assert!(b.readable <= MIN_CAPACITY as u64, "{tail} {head}");
        assert!(a.unread_by_peer <= MIN_CAPACITY as u64, "{tail} {head}");
    }
    for writer in SIDES {
        let at = Header::direction_offset(writer);
        poke(&pair, at, &[0xFF; DIRECTION_SIZE]);
    }
    for end in pair.look().unwrap() {
        let thresholds = [end.read_threshold, end.write_threshold];
        assert_eq!(thresholds, [MIN_CAPACITY as u64; 2]);
        assert_eq!(end.user_signals, Signals::USER_ALL);
        let waiters = [end.for_data.bytes, end.for_space.signals];
        assert!(waiters.iter().all(|waiter| waiter.unwrap().least.is_none()));
    }
}

#[test]
fn looking_changes_nothing() {
    let (mut a, _b, pair) = pair();
    a.arm_read(1).unwrap();
    let content = || {
        let mut bytes = vec![0; pair.size()];
        assert_eq!(pread(&pair.memory, &mut bytes, 0), Ok(bytes.len()));
        bytes
    };
    let (before, allocated) = (content(), pair.allocated());
    pair.look().unwrap();
    assert!(content() == before);
    assert_eq!(pair.allocated(), allocated);
}

#[test]
fn memory_that_is_no_pairs_is_refused() {
    let open = |memory: OwnedFd| Pair::open(memory).unwrap_err();
    let file = File::open("/proc/self/exe").unwrap();
    assert_eq!(open(file.into()), Error::MissingSeals);
    let (_a, _b, pair) = pair();
    let again = || Pair::open(pair.memory.try_clone().unwrap());
    let genuine = pair.header.to_bytes();
    poke(&pair, 8, &[99]);
    let found = 99;
    assert_eq!(again().unwrap_err(), Error::UnsupportedVersion { found });
    poke(&pair, 0, &genuine);
    assert!(again().is_ok());
}
