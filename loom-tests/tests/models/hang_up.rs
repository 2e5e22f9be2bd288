//! The peer is killed: a watcher closes it for it and wakes our sleepers.
//!
//! The watcher acts on what the kernel says, which it says after the peer's last
//! access. So one thread plays the peer first and the watcher then.

use loom::thread;
use zocket::protocol::{Memory, Role, Site};
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, ReaderExt, Rules, WriterExt, claim};

use crate::close::claim_one_byte_before_the_end;

const START: u64 = u64::MAX;

/// A reader is woken by the watcher, or does not go to sleep.
fn hang_up_meets_a_reader_going_to_sleep(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let watched = b.clone();
    let watcher = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        watched.hang_up();
    });
    reader.sleep(1);
    claim!(reader.read(&mut [0]) == Ok(1), "the last byte is lost");
    reader.sleep(1);
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
    watcher.join().expect("the watcher ends");
}

/// A writer that waits for space in a full ring is woken by the watcher.
fn hang_up_meets_a_writer_going_to_sleep(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let mut writer = b.outgoing.writer();
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let watched = b.clone();
    let watcher = thread::spawn(move || {
        drop(a);
        watched.hang_up();
    });
    writer.sleep(1);
    claim!(
        writer.write(&[3]) == Err(Error::PeerClosed),
        "written to nobody"
    );
    watcher.join().expect("the watcher ends");
}

/// The peer is killed in the middle of a write: its mark stays for ever. What it
/// published before is read, what it had begun is not, and the end comes.
fn peer_killed_in_the_middle_of_a_write(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let watched = b.clone();
    let watcher = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        let grant = writer.begin(1, 1).expect("there is space");
        grant.ring().copy_in(0, &[2]);
        std::mem::forget(grant);
        watched.hang_up();
    });
    claim_one_byte_before_the_end(&mut reader, watcher);
}

/// The peer is killed after it took the waiter's bits and before it woke the waiter.
fn peer_killed_between_taking_a_waiter_and_waking_it(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let watched = b.clone();
    let watcher = thread::spawn(move || {
        let word = Role::Consumer.waiter();
        writer.mem().clear32(word, u32::MAX, Site::TakeWaiter);
        watched.hang_up();
    });
    reader.sleep(1);
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
    watcher.join().expect("the watcher ends");
}

/// A poller needs no ring: its descriptor shows the hang-up. It tells the
/// endpoint, and with it whoever sleeps on the futex.
fn poller_learns_of_the_hang_up_and_wakes_a_sleeper(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let polled = b.clone();
    let poller = thread::spawn(move || {
        claim!(polled.doorbell.poll(), "nobody rings");
        polled.hang_up();
    });
    let kernel = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        b.doorbell.hang_up();
    });
    reader.sleep(2);
    claim!(reader.read(&mut [0; 2]) == Ok(1), "the last byte is lost");
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
    poller.join().expect("the poller ends");
    kernel.join().expect("the kernel ends");
}

models! {
    hang_up_meets_a_reader_going_to_sleep, Some(3);
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    hang_up_meets_a_writer_going_to_sleep, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    peer_killed_in_the_middle_of_a_write, None;
    relaxed [Close Claim, ObserveClosed Claim]
    dropped []
    skipped [CheckTailAfterClosed Claim]

    peer_killed_between_taking_a_waiter_and_waking_it, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock, WakeUnasked Deadlock]

    poller_learns_of_the_hang_up_and_wakes_a_sleeper, Some(3);
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]
}
