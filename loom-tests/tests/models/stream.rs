//! Bytes without boundaries, nobody waits.

use loom::thread;
use zocket::protocol::{Reader, Writer};
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, Lane, Rules, claim};

/// Just below both the wrap of the ring and that of the positions themselves.
const START: u64 = u64::MAX;

/// Writes the bytes `next..=last`, as far as there is space, in one call.
fn write_once(writer: &mut Writer<Lane>, next: u8, last: u8) -> u8 {
    let bytes: Vec<u8> = (next..=last).collect();
    match writer.write(&bytes) {
        Ok(written) => next + written as u8,
        Err(Error::WouldBlock) => next,
        Err(error) => panic!("{error}"),
    }
}

/// Reads once; the bytes must be those from `next` on. Returns what is next then.
fn read_once(reader: &mut Reader<Lane>, most: usize, next: u8) -> u8 {
    let mut buf = vec![0; most];
    let read = match reader.read(&mut buf) {
        Ok(read) => read,
        Err(Error::WouldBlock) => 0,
        Err(error) => panic!("{error}"),
    };
    for (byte, expected) in buf[..read].iter().zip(next..) {
        claim!(*byte == expected, "read {byte} instead of {expected}");
    }
    next + read as u8
}

/// Three bytes through a ring of two: written and read in parts, across the wrap.
fn bytes_keep_their_order_across_the_wrap(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        let next = write_once(&mut writer, 1, 2);
        let next = write_once(&mut writer, next, 3);
        (writer, next)
    });
    let mut next = read_once(&mut reader, 1, 1);
    next = read_once(&mut reader, 2, next);
    let (_, written) = writer.join().expect("the writer ends");
    for most in [1, 2, 2] {
        next = read_once(&mut reader, most, next);
    }
    claim!(next == written, "read up to {next} of {written}");
}

/// A full ring: what is written next goes where the reader is still reading.
fn space_is_written_only_after_it_was_read(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    write_once(&mut writer, 1, 2);
    let reader = thread::spawn(move || {
        let next = read_once(&mut reader, 1, 1);
        read_once(&mut reader, 2, next);
    });
    let next = write_once(&mut writer, 3, 4);
    write_once(&mut writer, next, 4);
    reader.join().expect("the reader ends");
}

/// Peeked bytes stay the writer's not to touch until they are consumed.
fn peeked_bytes_are_not_overwritten(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        let next = write_once(&mut writer, 1, 2);
        write_once(&mut writer, next, 3);
    });
    let mut first = [0; 2];
    let mut again = [0; 2];
    if let Ok(peeked) = reader.peek(&mut first) {
        let both = reader.peek(&mut again).expect("what was peeked is there");
        claim!(both >= peeked, "bytes went away");
        claim!(first[..peeked] == again[..peeked], "bytes changed");
        reader.consume(peeked);
    }
    writer.join().expect("the writer ends");
}

models! {
    bytes_keep_their_order_across_the_wrap, None;
    relaxed [PublishTail Race, ObserveTail Race, PublishHead Race, ObserveHead Race]
    dropped []
    skipped []

    space_is_written_only_after_it_was_read, None;
    relaxed [PublishHead Race, ObserveHead Race]
    dropped []
    skipped []

    peeked_bytes_are_not_overwritten, None;
    relaxed [PublishTail Race, ObserveTail Race, PublishHead Race, ObserveHead Race]
    dropped []
    skipped []
}
