//! Full fences, announced after a wake-up, in place of the heavy one of a waiter.

use loom::thread;
use zocket::Kind;
use zocket::protocol::{self, Deadline, Memory, Role, Site, Spinner, Writer, waiter};
use zocket_loom_tests::{Endpoint, Lane, ReaderExt, Rules, WriterExt, claim};

const START: u64 = u64::MAX;

/// Full fences for so many publications after each wake-up.
fn with_full_fences(rules: Rules, full_fences: u32) -> Rules {
    Rules {
        full_fences,
        ..rules
    }
}

/// The bits of a waiter whom the next to publish wakes, which has it announce full fences.
fn pretend_to_wait(lane: &Lane, role: Role) {
    lane.store64(role.want(), 1, Site::SetWant);
    lane.set32(role.waiter(), waiter::FUTEX, Site::Arm);
}

/// One direction with `capacity` bytes, empty, whose producer has announced full fences.
fn with_diligent_producer(
    rules: Rules,
    capacity: usize,
) -> (Lane, Lane, Writer<Lane>, protocol::Reader<Lane>) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, capacity, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    pretend_to_wait(&consumer, Role::Consumer);
    claim!(writer.put(&[0]) == Ok(1), "there is space");
    claim!(reader.get(&mut [0]) == Ok(1), "there is data");
    (producer, consumer, writer, reader)
}

/// The byte comes anywhere between the first look and the sleep.
fn reader_that_sees_the_announcement_meets_a_write(rules: Rules) {
    let rules = with_full_fences(rules, 2);
    let (_, _, mut writer, mut reader) = with_diligent_producer(rules, 2);
    let writer = thread::spawn(move || {
        claim!(writer.put(&[1]) == Ok(1), "there is space");
    });
    reader.sleep(1);
    claim!(reader.get(&mut [0; 2]) == Ok(1), "woken for nothing");
    writer.join().expect("the writer ends");
}

/// The mirror image: the space comes.
fn writer_that_sees_the_announcement_meets_a_read(rules: Rules) {
    let rules = with_full_fences(rules, 2);
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    claim!(writer.put(&[1, 2]) == Ok(2), "there is space");
    pretend_to_wait(&producer, Role::Producer);
    claim!(reader.get(&mut [0]) == Ok(1), "there is data");
    claim!(writer.put(&[3]) == Ok(1), "there is space");
    let reader = thread::spawn(move || {
        claim!(reader.get(&mut [0]) == Ok(1), "there is data");
    });
    writer.sleep(1);
    claim!(writer.put(&[4]) == Ok(1), "woken for nothing");
    reader.join().expect("the reader ends");
}

/// The first byte takes the announcement back, the second comes behind a light fence.
fn reader_that_sees_the_announcement_meets_its_withdrawal(rules: Rules) {
    let rules = with_full_fences(rules, 1);
    let (_, _, mut writer, mut reader) = with_diligent_producer(rules, 4);
    let writer = thread::spawn(move || {
        claim!(writer.put(&[1]) == Ok(1), "there is space");
        claim!(writer.put(&[2]) == Ok(1), "there is space");
    });
    reader.sleep(2);
    claim!(reader.get(&mut [0; 2]) == Ok(2), "woken too early");
    writer.join().expect("the writer ends");
}

/// The byte is published behind a light fence, and the announcement follows since the reader waited
/// before. It gave up, and waits again.
fn reader_sees_with_the_announcement_what_was_published_before(rules: Rules) {
    let rules = with_full_fences(rules, 1);
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || {
        claim!(writer.put(&[1]) == Ok(1), "there is space");
    });
    let now = Deadline::after(std::time::Duration::ZERO);
    // Whether it found the byte or gave up.
    let _ = reader.wait(1, &mut Spinner::disabled(), now);
    reader.sleep(1);
    claim!(reader.get(&mut [0]) == Ok(1), "woken for nothing");
    writer.join().expect("the writer ends");
}

/// Disabling announces nothing.
fn reader_that_sees_the_announcement_meets_the_end(rules: Rules) {
    let rules = with_full_fences(rules, 2);
    let (producer, _, _, mut reader) = with_diligent_producer(rules, 2);
    let other = thread::spawn(move || producer.disable(Role::Producer));
    reader.sleep(1);
    claim!(
        reader.get(&mut [0]) == Err(zocket::Error::WriteDisabled),
        "woken for nothing"
    );
    other.join().expect("the other ends");
}

/// The endpoint has a new owner, whose fences are light.
fn reader_that_sees_the_announcement_meets_a_new_owner(rules: Rules) {
    let rules = with_full_fences(rules, 2);
    let (producer, consumer, _, mut reader) = with_diligent_producer(rules, 2);
    let mut writer = producer.writer();
    let writer = thread::spawn(move || {
        protocol::take_over(&*producer, &*Endpoint::one_way(rules, Kind::Stream, 2, 0).0);
        claim!(writer.put(&[1]) == Ok(1), "there is space");
    });
    reader.sleep(1);
    claim!(reader.get(&mut [0]) == Ok(1), "woken for nothing");
    writer.join().expect("the writer ends");
    drop(consumer);
}

models! {
    reader_that_sees_the_announcement_meets_a_write, Some(3);
    relaxed [PublishTail Race, ObserveTail Race]
    dropped [ArmThenAsk Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    writer_that_sees_the_announcement_meets_a_read, Some(3);
    relaxed []
    dropped [ArmThenAsk Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    reader_that_sees_the_announcement_meets_its_withdrawal, Some(3);
    relaxed []
    dropped [WithdrawThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    reader_sees_with_the_announcement_what_was_published_before, Some(3);
    relaxed [Announce Deadlock, ObserveAnnounced Deadlock]
    dropped []
    skipped []

    reader_that_sees_the_announcement_meets_the_end, Some(3);
    relaxed []
    dropped [ArmThenAsk Deadlock, ChangeThenLook Deadlock]
    skipped []

    reader_that_sees_the_announcement_meets_a_new_owner, Some(3);
    relaxed []
    dropped [WithdrawThenLook Deadlock]
    skipped []
}
