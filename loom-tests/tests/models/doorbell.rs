//! Waiting for the descriptor to become readable instead of on the futex.

use loom::thread;
use zocket::protocol::Role;
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, ReaderExt, Rules, claim};

const START: u64 = u64::MAX;

/// Arms and polls until there is data; the byte may come in between.
fn poller_of_data_meets_a_write(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
    });
    while reader.arm(1).expect("one byte fits") {
        b.doorbell.poll();
    }
    claim!(reader.read(&mut [0]) == Ok(1), "rung for nothing");
    writer.join().expect("the writer ends");
}

/// Arms and polls until there is space.
fn poller_of_space_meets_a_read(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let reader = thread::spawn(move || {
        claim!(reader.read(&mut [0]) == Ok(1), "there is data");
    });
    while writer.arm(1).expect("one byte fits") {
        a.doorbell.poll();
    }
    claim!(writer.write(&[3]) == Ok(1), "rung for nothing");
    reader.join().expect("the reader ends");
}

/// Seven of eight bytes are queued. The reader sleeps for all eight, and who polls would rather have two
/// free than one: the poller has to give way.
fn soft_poller_gives_way_to_a_reader_with_a_threshold(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 8, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    claim!(writer.write(&[0; 7]) == Ok(7), "there is space");
    let bell = a.doorbell.clone();
    let writer = thread::spawn(move || {
        while writer.arm_some(2).expect("any number may be asked for") {
            bell.poll();
        }
        claim!(writer.write(&[1, 2]) == Ok(1), "there is one byte of space");
    });
    reader.sleep(8);
    claim!(reader.read(&mut [0; 8]) == Ok(8), "woken too early");
    writer.join().expect("the writer ends");
}

/// One thread polls for the first byte while another one sleeps on the futex of
/// the same direction for two: both are served, each in time.
fn poller_and_sleeper_share_a_direction(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let armed = reader.arm(1).expect("one byte fits");
    claim!(armed, "nothing is queued");
    let bell = b.doorbell.clone();
    let poller = thread::spawn(move || bell.poll());
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        claim!(writer.write(&[2]) == Ok(1), "there is space");
    });
    reader.sleep(2);
    claim!(reader.read(&mut [0; 2]) == Ok(2), "woken too early");
    poller.join().expect("the poller ends");
    writer.join().expect("the writer ends");
}

/// The close rings for whoever polls.
fn poller_meets_a_close(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let mut reader = b.incoming.reader();
    let closer = thread::spawn(move || a.close());
    while reader.arm(1).expect("one byte fits") {
        b.doorbell.poll();
    }
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
    closer.join().expect("the closer ends");
}

/// The end of writing rings for whoever polls at the other end.
fn poller_meets_a_disable(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let mut reader = b.incoming.reader();
    let other = thread::spawn(move || a.outgoing.disable(Role::Producer));
    while reader.arm(1).expect("one byte fits") {
        b.doorbell.poll();
    }
    claim!(reader.read(&mut [0]) == Err(Error::WriteDisabled), "no end");
    other.join().expect("the other ends");
}

models! {
    poller_of_data_meets_a_write, None;
    relaxed [PublishTail Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    poller_of_space_meets_a_read, None;
    relaxed [PublishHead Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    soft_poller_gives_way_to_a_reader_with_a_threshold, Some(3);
    relaxed []
    dropped []
    skipped [RelieveSoftWaiter Deadlock]

    poller_and_sleeper_share_a_direction, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    poller_meets_a_close, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    poller_meets_a_disable, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterDisable Deadlock]
}
