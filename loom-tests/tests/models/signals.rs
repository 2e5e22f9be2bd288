//! Waiting for signals of an endpoint, and what its two ends do to each other's.

use loom::thread;
use zocket::protocol::{Memory, Role, Site, Word32, Word64, events, signals, waiter};
use zocket::{Disposition, Error, Kind, Signals};
use zocket_loom_tests::{Endpoint, ReaderExt, Rules, WriterExt, claim};

const START: u64 = u64::MAX;
const NONE: Signals = Signals::empty();

fn pair(rules: Rules) -> (Endpoint, Endpoint) {
    Endpoint::pair(rules, Kind::Stream, 2, START)
}

/// A wait for data meets a write.
fn waiter_for_data_meets_a_write(rules: Rules) {
    let (a, b) = pair(rules);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let since = b.begin();
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
    });
    let on = b.wait(since, Signals::READABLE);
    claim!(on.contains(Signals::READABLE), "woken for {on:?}");
    claim!(reader.read(&mut [0]) == Ok(1), "nothing to read");
    writer.join().expect("the writer ends");
}

/// A wait for space meets a read.
fn waiter_for_space_meets_a_read(rules: Rules) {
    let (a, b) = pair(rules);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let since = a.begin();
    let reader = thread::spawn(move || {
        claim!(reader.read(&mut [0]) == Ok(1), "there is data");
    });
    let on = a.wait(since, Signals::WRITABLE);
    claim!(on.contains(Signals::WRITABLE), "woken for {on:?}");
    claim!(writer.write(&[3]) == Ok(1), "nowhere to write");
    reader.join().expect("the reader ends");
}

/// A wait for a threshold is not ended by the first of two bytes.
fn waiter_with_a_threshold_is_woken_once(rules: Rules) {
    let (a, b) = pair(rules);
    let mut writer = a.outgoing.writer();
    signals::set_read_threshold(&*b.incoming, 2, 2).expect("as much as fits");
    // What a waker reads that sees somebody wait, but not yet for what: as after an earlier wait.
    b.incoming
        .store64(Word64::ConsumerEventWant, 2, Site::SetWant);
    let since = b.begin();
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        claim!(writer.write(&[2]) == Ok(1), "there is space");
    });
    let on = b.wait(since, Signals::READ_THRESHOLD);
    claim!(on.contains(Signals::READ_THRESHOLD), "woken for {on:?}");
    writer.join().expect("the writer ends");
    let wakes = b.incoming.wakes(Word32::Events);
    claim!(wakes <= 1, "woken {wakes} times");
}

/// A signal that is cleared as soon as it is set still ends a wait.
fn waiter_for_a_signal_meets_a_pulse(rules: Rules) {
    let (a, b) = pair(rules);
    let since = b.begin();
    let other = thread::spawn(move || {
        a.signal_peer(NONE, Signals::USER_0);
        a.signal_peer(Signals::USER_0, NONE);
    });
    let on = b.wait(since, Signals::USER_0);
    claim!(on.contains(Signals::USER_0), "woken for {on:?}");
    other.join().expect("the other ends");
}

/// The same for who polls the descriptor.
fn poller_for_a_signal_meets_a_pulse(rules: Rules) {
    let (a, b) = pair(rules);
    let since = b.begin();
    let other = thread::spawn(move || {
        a.signal_peer(NONE, Signals::USER_0);
        a.signal_peer(Signals::USER_0, NONE);
    });
    let on = b.poll(since, Signals::USER_0);
    claim!(on.contains(Signals::USER_0), "woken for {on:?}");
    other.join().expect("the other ends");
}

/// Both ends set signals of one endpoint at once: none is lost.
fn both_ends_set_signals_at_once(rules: Rules) {
    let (a, b) = pair(rules);
    let watched = b.clone();
    let since = b.begin();
    let other = thread::spawn(move || a.signal_peer(NONE, Signals::USER_0));
    signals::change_stored(&*b.incoming, NONE, Signals::USER_1);
    let on = b.wait(since, Signals::USER_0);
    claim!(on.contains(Signals::USER_0), "woken for {on:?}");
    other.join().expect("the other ends");
    let both = Signals::USER_0 | Signals::USER_1;
    claim!(watched.state().signals().contains(both), "one is lost");
}

/// Who sees a signal sees what was written before it was set.
fn signal_carries_what_was_written_before(rules: Rules) {
    let (a, b) = pair(rules);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let other = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        a.signal_peer(NONE, Signals::USER_0);
    });
    if b.state().signals().contains(Signals::USER_0) {
        let read = reader.read(&mut [0]);
        claim!(read == Ok(1), "the signal came before the byte: {read:?}");
    }
    other.join().expect("the other ends");
}

/// Writing that is disabled and enabled at once still ends a wait for either.
fn waiter_meets_a_disposition_pulse(rules: Rules) {
    let (a, b) = pair(rules);
    let since = b.begin();
    let other = thread::spawn(move || {
        for disposition in [Disposition::WriteDisabled, Disposition::WriteEnabled] {
            let set = a.set_disposition(disposition, Disposition::Unchanged);
            claim!(set == Ok(()), "nothing is unread");
        }
    });
    let on = b.wait(since, Signals::PEER_WRITE_DISABLED);
    claim!(
        on.contains(Signals::PEER_WRITE_DISABLED),
        "woken for {on:?}"
    );
    other.join().expect("the other ends");
}

/// The peer enables writing for who waits until it may write.
fn waiter_for_writability_meets_an_enable(rules: Rules) {
    let (a, b) = pair(rules);
    let mut writer = b.outgoing.writer();
    let disabled = b.set_disposition(Disposition::WriteDisabled, Disposition::Unchanged);
    claim!(disabled == Ok(()), "disabling is never refused");
    let since = b.begin();
    let other = thread::spawn(move || {
        let set = a.set_disposition(Disposition::Unchanged, Disposition::WriteEnabled);
        claim!(set == Ok(()), "nothing is unread");
    });
    let on = b.wait(since, Signals::WRITABLE);
    claim!(on.contains(Signals::WRITABLE), "woken for {on:?}");
    claim!(writer.write(&[1]) == Ok(1), "not enabled");
    other.join().expect("the other ends");
}

/// Writing is disabled, enabled, used and disabled again while somebody reads: the byte comes
/// before the end that is there for good.
fn reader_sees_that_writing_was_enabled(rules: Rules) {
    let (a, b) = pair(rules);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let other = thread::spawn(move || {
        let set = |disposition| a.set_disposition(disposition, Disposition::Unchanged);
        claim!(set(Disposition::WriteDisabled) == Ok(()), "refused");
        claim!(
            set(Disposition::WriteEnabled) == Ok(()),
            "nothing is unread"
        );
        claim!(writer.write(&[1]) == Ok(1), "not enabled");
        claim!(set(Disposition::WriteDisabled) == Ok(()), "refused");
    });
    let mut read = reader.read(&mut [0]).unwrap_or(0);
    other.join().expect("the other ends");
    read += reader.read(&mut [0]).unwrap_or(0);
    claim!(
        read == 1,
        "the byte is lost behind an end that was taken back"
    );
    let end = reader.read(&mut [0]);
    claim!(end == Err(Error::WriteDisabled), "no end: {end:?}");
}

/// A close ends a wait.
fn waiter_meets_a_close(rules: Rules) {
    let (a, b) = pair(rules);
    let since = b.begin();
    let closer = thread::spawn(move || a.close());
    let on = b.wait(since, Signals::PEER_CLOSED);
    claim!(on.contains(Signals::PEER_CLOSED), "woken for {on:?}");
    closer.join().expect("the closer ends");
}

/// The peer is killed after it took the waiters' bits and before it raised their count.
fn peer_killed_between_taking_waiters_and_alerting_them(rules: Rules) {
    let (a, b) = pair(rules);
    let watched = b.clone();
    let since = b.begin();
    let watcher = thread::spawn(move || {
        let word = Role::Consumer.waiter();
        a.outgoing.clear32(word, waiter::EVENTS, Site::TakeWaiter);
        watched.hang_up();
    });
    let on = b.wait(since, Signals::PEER_CLOSED);
    claim!(on.contains(Signals::PEER_CLOSED), "woken for {on:?}");
    watcher.join().expect("the watcher ends");
}

/// A writer that sleeps on a preference and a wait for a threshold beyond what is queued do
/// not both sleep for good.
fn soft_writer_gives_way_to_a_waiter_with_a_threshold(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 8, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    claim!(writer.write(&[0; 8]) == Ok(8), "there is space");
    claim!(reader.read(&mut [0]) == Ok(1), "there is data");
    signals::set_read_threshold(&*b.incoming, 8, 8).expect("as much as fits");
    let since = b.begin();
    let writer = thread::spawn(move || {
        // A quarter, which is more than there is.
        writer.sleep_softly(8);
        claim!(writer.write(&[9]) == Ok(1), "there is space");
    });
    let on = b.wait(since, Signals::READ_THRESHOLD);
    claim!(on.contains(Signals::READ_THRESHOLD), "woken for {on:?}");
    writer.join().expect("the writer ends");
}

/// A blocked reader and a wait for signals, with different wants, are both served.
fn reader_and_waiter_share_a_direction(rules: Rules) {
    let (a, b) = pair(rules);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let since = b.begin();
    let waiter = thread::spawn(move || b.wait(since, Signals::READABLE));
    let writer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        claim!(writer.write(&[2]) == Ok(1), "there is space");
    });
    reader.sleep(2);
    claim!(reader.ring().queued() == 2, "woken too early");
    let on = waiter.join().expect("the waiter ends");
    claim!(on.contains(Signals::READABLE), "woken for {on:?}");
    writer.join().expect("the writer ends");
}

/// A waiter that was woken for nothing does not take itself for armed still: whoever woke it
/// has taken its bits.
fn waiter_woken_for_nothing_arms_again(rules: Rules) {
    let (a, b) = pair(rules);
    let since = b.begin();
    let other = thread::spawn(move || {
        events::alert_peer(&a.outgoing);
        a.signal_peer(NONE, Signals::USER_0);
    });
    let on = b.wait(since, Signals::USER_0);
    claim!(on.contains(Signals::USER_0), "woken for {on:?}");
    other.join().expect("the other ends");
}

models! {
    waiter_for_data_meets_a_write, Some(3);
    relaxed [PublishTail Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    waiter_for_space_meets_a_read, Some(3);
    relaxed [PublishHead Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    waiter_with_a_threshold_is_woken_once, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, CheckWant Claim]

    waiter_for_a_signal_meets_a_pulse, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, RecordRise Deadlock, WakeAfterSignal Deadlock]

    poller_for_a_signal_meets_a_pulse, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, RecordRise Deadlock, WakeAfterSignal Deadlock]

    both_ends_set_signals_at_once, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterSignal Deadlock]

    signal_carries_what_was_written_before, Some(3);
    relaxed [StoreSignals Claim, ObserveSignals Claim]
    dropped []
    skipped []

    waiter_meets_a_disposition_pulse, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    waiter_for_writability_meets_an_enable, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterEnable Deadlock]

    reader_sees_that_writing_was_enabled, Some(3);
    relaxed []
    dropped []
    skipped [CheckEnabled Claim]

    waiter_meets_a_close, Some(3);
    relaxed []
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    peer_killed_between_taking_waiters_and_alerting_them, Some(3);
    relaxed []
    dropped []
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    soft_writer_gives_way_to_a_waiter_with_a_threshold, Some(2);
    relaxed []
    dropped [ArmThenCheck Deadlock]
    skipped [RelieveSoftWaiter Deadlock]

    reader_and_waiter_share_a_direction, Some(1);
    relaxed []
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    waiter_woken_for_nothing_arms_again, Some(3);
    relaxed [RaiseEvents Deadlock, CountEvents Deadlock]
    dropped [ArmThenCheck Deadlock, ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterSignal Deadlock]
}
