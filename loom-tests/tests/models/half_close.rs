//! Writing is disabled while a write is under way: no byte after the end of the
//! stream, and no accepted byte lost.

use loom::thread;
use zocket::protocol::{Reader, Role, Writer};
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, Lane, ReaderExt, Rules, WriterExt, claim};

const START: u64 = u64::MAX;

/// Writes two bytes one by one; returns how many were accepted.
fn write_twice(writer: &mut Writer<Lane>) -> usize {
    let mut accepted = 0;
    for byte in [1, 2] {
        match writer.write(&[byte]) {
            Ok(len) => accepted += len,
            Err(error) => claim!(error == Error::WriteDisabled, "refused with {error}"),
        }
    }
    accepted
}

/// Looks `times` for bytes; returns how many there were, and whether the end came.
fn read_some(reader: &mut Reader<Lane>, times: usize) -> (usize, bool) {
    let (mut read, mut ended) = (0, false);
    for _ in 0..times {
        match reader.read(&mut [0; 2]) {
            Ok(len) => {
                claim!(!ended, "a byte came after the end");
                read += len;
            }
            Err(Error::WouldBlock) => claim!(!ended, "the end went away"),
            Err(error) => {
                claim!(error == Error::WriteDisabled, "ended with {error}");
                ended = true;
            }
        }
    }
    (read, ended)
}

/// What is left once everybody else has finished; then the end.
fn read_rest(reader: &mut Reader<Lane>, (read, ended): (usize, bool), accepted: usize) {
    let (rest, end) = read_some(reader, 2);
    claim!(end, "no end");
    claim!(!ended || rest == 0, "a byte came after the end");
    claim!(
        read + rest == accepted,
        "read {} of {accepted}",
        read + rest
    );
}

/// The reader's end disables, then reads.
fn reader_disables_during_two_writes(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || write_twice(&mut writer));
    consumer.disable(Role::Consumer);
    let read = read_some(&mut reader, 2);
    let accepted = writer.join().expect("the writer ends");
    read_rest(&mut reader, read, accepted);
}

/// Another thread disables, at the end that `role` says.
fn third_thread_disables(rules: Rules, role: Role) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || match writer.write(&[1]) {
        Ok(len) => len,
        Err(error) => {
            claim!(error == Error::WriteDisabled, "refused with {error}");
            0
        }
    });
    let lane = match role {
        Role::Producer => producer,
        Role::Consumer => consumer,
    };
    let third = thread::spawn(move || lane.disable(role));
    let read = read_some(&mut reader, 2);
    third.join().expect("the third thread ends");
    let accepted = writer.join().expect("the writer ends");
    read_rest(&mut reader, read, accepted);
}

/// Another thread of the writer's endpoint disables.
fn writers_endpoint_disables_during_a_write(rules: Rules) {
    third_thread_disables(rules, Role::Producer);
}

/// Another thread of the reader's endpoint disables.
fn readers_endpoint_disables_during_a_write(rules: Rules) {
    third_thread_disables(rules, Role::Consumer);
}

/// Reads until the end, asleep in between; returns how many bytes there were.
fn read_to_end_asleep(reader: &mut Reader<Lane>, want: usize) -> usize {
    let mut read = 0;
    loop {
        reader.sleep(want);
        match reader.read(&mut [0; 2]) {
            Ok(len) => read += len,
            Err(error) => {
                claim!(error == Error::WriteDisabled, "ended with {error}");
                return read;
            }
        }
    }
}

/// A reader that wants two bytes goes to sleep while the only one is written and
/// the end comes. If it sees the write in progress, that write must wake it.
fn disable_meets_a_reader_going_to_sleep(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || writer.write(&[1]).unwrap_or(0));
    let third = thread::spawn(move || producer.disable(Role::Producer));
    let read = read_to_end_asleep(&mut reader, 2);
    let accepted = writer.join().expect("the writer ends");
    third.join().expect("the third thread ends");
    claim!(read == accepted, "read {read} of {accepted}");
}

/// As above, but the write is given up.
fn disable_meets_an_abandoned_write(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let writer = thread::spawn(move || drop(writer.begin(1, 1)));
    consumer.disable(Role::Consumer);
    claim!(
        read_to_end_asleep(&mut reader, 1) == 0,
        "read what was given up"
    );
    writer.join().expect("the writer ends");
}

/// A writer that waits for space in a full ring is woken by the end of writing,
/// whichever end disables.
fn full_ring_is_disabled(rules: Rules, role: Role) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, START);
    let mut writer = producer.writer();
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let lane = match role {
        Role::Producer => producer,
        Role::Consumer => consumer,
    };
    let other = thread::spawn(move || lane.disable(role));
    writer.sleep(1);
    claim!(
        writer.write(&[3]) == Err(Error::WriteDisabled),
        "written after the end"
    );
    other.join().expect("the other ends");
}

/// The reader's endpoint disables.
fn readers_disable_meets_a_writer_going_to_sleep(rules: Rules) {
    full_ring_is_disabled(rules, Role::Consumer);
}

/// Another thread of the writer's own endpoint disables.
fn writers_disable_meets_a_writer_going_to_sleep(rules: Rules) {
    full_ring_is_disabled(rules, Role::Producer);
}

models! {
    reader_disables_during_two_writes, Some(3);
    relaxed [EndWrite Claim, ObserveWrite Claim, PublishTail Race]
    dropped [MarkThenCheck Claim, DisableThenCheckMark Claim]
    skipped [CheckTailAfterMark Claim, CheckMark Claim]

    writers_endpoint_disables_during_a_write, Some(3);
    relaxed [EndWrite Claim, ObserveWrite Claim]
    dropped [MarkThenCheck Claim, DisableThenCheckMark Claim]
    skipped [CheckTailAfterMark Claim, CheckMark Claim]

    readers_endpoint_disables_during_a_write, Some(3);
    relaxed [EndWrite Claim, ObserveWrite Claim]
    dropped [MarkThenCheck Claim, DisableThenCheckMark Claim]
    skipped [CheckTailAfterMark Claim, CheckMark Claim]

    // Two interruptions: with three, three threads take a minute.
    disable_meets_a_reader_going_to_sleep, Some(2);
    relaxed []
    dropped [PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterDisable Deadlock, WakeAfterDisabledWrite Deadlock]

    disable_meets_an_abandoned_write, Some(3);
    relaxed []
    dropped [PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterDisabledWrite Deadlock]

    readers_disable_meets_a_writer_going_to_sleep, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterDisable Deadlock]

    writers_disable_meets_a_writer_going_to_sleep, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterDisable Deadlock]
}
