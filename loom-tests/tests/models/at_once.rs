//! The reads and writes that cost little, tried first as the socket layer does: what other themes
//! show of the general ones.

use loom::thread;
use zocket::protocol::{Reader, Role};
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, Lane, ReaderExt, Rules, WriterExt, claim};

const START: u64 = u64::MAX;

fn sleeping_reader_meets_a_write_at_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        claim!(writer.put(&[1]) == Ok(1), "there is space");
    });
    reader.sleep(1);
    let mut buf = [0];
    claim!(reader.get(&mut buf) == Ok(1), "woken for nothing");
    claim!(buf == [1], "read {buf:?}");
    writer.join().expect("the writer ends");
}

fn sleeping_writer_meets_a_read_at_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    claim!(writer.put(&[1, 2]) == Ok(2), "there is space");
    let reader = thread::spawn(move || {
        claim!(reader.get(&mut [0]) == Ok(1), "there is data");
    });
    writer.sleep(1);
    claim!(writer.put(&[3]) == Ok(1), "woken for nothing");
    reader.join().expect("the reader ends");
}

/// The reader looks itself, without a wait whose looks would see the bytes before it.
fn read_at_once_meets_a_write_at_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        for byte in [1, 2, 3] {
            if writer.put(&[byte]) == Err(Error::WouldBlock) {
                return byte - 1;
            }
        }
        3
    });
    let mut next = 1;
    let mut look = |reader: &mut Reader<Lane>| {
        let mut buf = [0];
        if reader.get(&mut buf) == Ok(1) {
            claim!(buf == [next], "read {buf:?} for {next}");
            next += 1;
        }
        next - 1
    };
    look(&mut reader);
    look(&mut reader);
    let written = writer.join().expect("the writer ends");
    for _ in 0..3 {
        look(&mut reader);
    }
    claim!(look(&mut reader) == written, "not all was read");
}

/// A record, of which the length and the bytes are published together.
fn receipt_at_once_meets_a_send_at_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Datagram, 4, 0);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        if !writer.send_at_once(&[7, 8]) {
            claim!(writer.send(&[7, 8]) == Ok(()), "there is space");
        }
    });
    let mut buf = [0; 4];
    let mut receive = |reader: &mut Reader<Lane>| {
        let len = match reader.recv_at_once(&mut buf) {
            Some(len) => len,
            None => reader.recv(&mut buf).unwrap_or(0),
        };
        claim!(len == 0 || buf[..len] == [7, 8], "received {buf:?}");
        len
    };
    let early = receive(&mut reader);
    writer.join().expect("the writer ends");
    claim!(early + receive(&mut reader) == 2, "not all was received");
}

/// Writing is disabled meanwhile: no accepted byte is lost, and none follows the end.
fn disable_meets_writes_at_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        let mut accepted = 0;
        for byte in [1, 2] {
            match writer.put(&[byte]) {
                Ok(len) => accepted += len,
                Err(error) => claim!(error == Error::WriteDisabled, "refused with {error}"),
            }
        }
        accepted
    });
    consumer.disable(Role::Consumer);
    let (mut bytes, mut ended) = (0, false);
    let mut look = |reader: &mut Reader<Lane>| {
        match reader.get(&mut [0; 2]) {
            Ok(len) => {
                claim!(!ended, "a byte came after the end");
                bytes += len;
            }
            Err(Error::WouldBlock) => claim!(!ended, "the end went away"),
            Err(error) => {
                claim!(error == Error::WriteDisabled, "ended with {error}");
                ended = true;
            }
        }
        (bytes, ended)
    };
    look(&mut reader);
    look(&mut reader);
    let accepted = writer.join().expect("the writer ends");
    look(&mut reader);
    let end = look(&mut reader);
    claim!(end == (accepted, true), "{end:?} for {accepted}");
}

models! {
    sleeping_reader_meets_a_write_at_once, None;
    relaxed [PublishTail Race, ObserveTail Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    sleeping_writer_meets_a_read_at_once, None;
    relaxed [PublishHead Race, ObserveHead Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    read_at_once_meets_a_write_at_once, Some(3);
    relaxed [PublishTail Race, ObserveTail Race, PublishHead Race, ObserveHead Race]
    dropped []
    skipped []

    receipt_at_once_meets_a_send_at_once, None;
    relaxed [PublishTail Race, ObserveTail Race]
    dropped []
    skipped []

    disable_meets_writes_at_once, Some(3);
    relaxed [EndWrite Claim, ObserveWrite Claim, PublishTail Race]
    dropped [MarkThenCheck Claim, DisableThenCheckMark Claim]
    skipped [CheckTailAfterMark Claim, CheckMark Claim]
}
