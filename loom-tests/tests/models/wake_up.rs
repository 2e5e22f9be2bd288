//! Going to sleep on the futex while the other side reads or writes.

use loom::thread;
use zocket::protocol::{Deadline, Memory, Site, Spinner, Word32, Word64};
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, ReaderExt, Rules, WriterExt, claim};

const START: u64 = u64::MAX;

/// The classic: the byte comes anywhere between the first look and the sleep.
fn reader_going_to_sleep_meets_a_write(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
    });
    reader.sleep(1);
    let mut buf = [0; 2];
    claim!(reader.read(&mut buf) == Ok(1), "woken for nothing");
    claim!(buf[0] == 1, "read {}", buf[0]);
    writer.join().expect("the writer ends");
}

/// The mirror image: the space comes.
fn writer_going_to_sleep_meets_a_read(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let reader = thread::spawn(move || {
        claim!(reader.read(&mut [0]) == Ok(1), "there is data");
    });
    writer.sleep(1);
    claim!(writer.write(&[3]) == Ok(1), "woken for nothing");
    reader.join().expect("the reader ends");
}

/// A reader that wants two bytes is left asleep by the first.
///
/// The want of an earlier wait is the same: a waker that reads an old want may
/// wake for nothing, which is harmless and not what this is about.
fn reader_with_a_threshold_is_woken_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 4, START);
    consumer.store64(Word64::ConsumerWant, 2, Site::SetWant);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        claim!(writer.write(&[2]) == Ok(1), "there is space");
    });
    reader.sleep(2);
    claim!(reader.read(&mut [0; 2]) == Ok(2), "woken too early");
    writer.join().expect("the writer ends");
    let wakes = consumer.wakes(Word32::ConsumerWaiter);
    claim!(wakes <= 1, "woken {wakes} times");
}

/// A writer that wants two free bytes is left asleep by the first.
fn writer_with_a_threshold_is_woken_once(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    producer.store64(Word64::ProducerWant, 2, Site::SetWant);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let reader = thread::spawn(move || {
        claim!(reader.read(&mut [0]) == Ok(1), "there is data");
        claim!(reader.read(&mut [0]) == Ok(1), "there is data");
    });
    writer.sleep(2);
    claim!(writer.write(&[3, 4]) == Ok(2), "woken too early");
    reader.join().expect("the reader ends");
    let wakes = producer.wakes(Word32::ProducerWaiter);
    claim!(wakes <= 1, "woken {wakes} times");
}

/// The reader wants two bytes, then one: the waker may read the old want.
fn reader_with_a_smaller_want_than_before_is_woken(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 4, START);
    consumer.store64(Word64::ConsumerWant, 4, Site::SetWant);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
        claim!(writer.write(&[3]) == Ok(1), "there is space");
    });
    reader.sleep(2);
    claim!(reader.read(&mut [0; 2]) == Ok(2), "woken too early");
    reader.sleep(1);
    claim!(reader.read(&mut [0]) == Ok(1), "woken for nothing");
    writer.join().expect("the writer ends");
}

/// Seven of eight bytes are queued. The reader sleeps for all eight, the writer
/// would rather have two free than one: somebody has to give way.
fn soft_writer_gives_way_to_a_reader_with_a_threshold(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 8, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    claim!(writer.write(&[0; 7]) == Ok(7), "there is space");
    let writer = thread::spawn(move || {
        writer.sleep_softly(2);
        claim!(writer.write(&[1, 2]) == Ok(1), "there is one byte of space");
    });
    reader.sleep(8);
    claim!(reader.read(&mut [0; 8]) == Ok(8), "woken too early");
    writer.join().expect("the writer ends");
}

/// More bytes than the ring holds: both sides sleep in turn.
fn writer_and_reader_sleep_in_turn(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        let mut rest: &[u8] = &[1, 2, 3];
        while !rest.is_empty() {
            writer.sleep_softly(rest.len());
            let written = writer.write(rest).expect("there is space");
            rest = &rest[written..];
        }
    });
    let mut next = 1;
    while next <= 3 {
        reader.sleep(1);
        let mut buf = [0; 2];
        let read = reader.read(&mut buf).expect("there is data");
        for byte in &buf[..read] {
            claim!(*byte == next, "read {byte} instead of {next}");
            next += 1;
        }
    }
    writer.join().expect("the writer ends");
}

/// A waker that is late, or an enemy, wakes a reader that has nothing to read.
fn reader_woken_for_nothing_sleeps_again(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let late = producer.clone();
    let late = thread::spawn(move || {
        late.clear32(Word32::ConsumerWaiter, u32::MAX, Site::TakeWaiter);
        late.wake_futex(Word32::ConsumerWaiter);
    });
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
    });
    reader.sleep(1);
    claim!(reader.read(&mut [0]) == Ok(1), "woken for nothing");
    late.join().expect("the late one ends");
    writer.join().expect("the writer ends");
}

/// A wait that gave up leaves nothing behind that the next one could trip over.
fn reader_that_timed_out_is_woken_the_next_time(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
    });
    let now = Deadline::after(std::time::Duration::ZERO);
    match reader.wait(1, &mut Spinner::disabled(), now) {
        Ok(()) => (),
        Err(Error::TimedOut) => reader.sleep(1),
        Err(error) => panic!("{error}"),
    }
    claim!(reader.read(&mut [0]) == Ok(1), "woken for nothing");
    writer.join().expect("the writer ends");
}

models! {
    reader_going_to_sleep_meets_a_write, None;
    relaxed [PublishTail Race, ObserveTail Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    writer_going_to_sleep_meets_a_read, None;
    relaxed [PublishHead Race, ObserveHead Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    reader_with_a_threshold_is_woken_once, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, CheckWant Claim]

    writer_with_a_threshold_is_woken_once, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, CheckWant Claim]

    reader_with_a_smaller_want_than_before_is_woken, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    soft_writer_gives_way_to_a_reader_with_a_threshold, Some(3);
    relaxed []
    dropped []
    skipped [RelieveSoftWaiter Deadlock]

    writer_and_reader_sleep_in_turn, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    reader_woken_for_nothing_sleeps_again, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    reader_that_timed_out_is_woken_the_next_time, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]
}
