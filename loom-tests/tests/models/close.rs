//! An endpoint closes while the other one works.

use loom::thread::{self, JoinHandle};
use zocket::protocol::Reader;
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, Lane, ReaderExt, Rules, WriterExt, claim};

const START: u64 = u64::MAX;

/// The last byte before the close is read before the end.
fn close_meets_a_read(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let closer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        a.close();
    });
    claim_one_byte_before_the_end(&mut reader, closer);
}

/// What `other` has written, one byte, is read before the end that it makes.
pub(crate) fn claim_one_byte_before_the_end(reader: &mut Reader<Lane>, other: JoinHandle<()>) {
    let mut read = 0;
    for _ in 0..2 {
        match reader.read(&mut [0; 2]) {
            Ok(len) => read += len,
            Err(Error::WouldBlock) => (),
            Err(error) => {
                claim!(error == Error::PeerClosed, "ended with {error}");
                claim!(read == 1, "the end came before the last byte");
            }
        }
    }
    other.join().expect("the other ends");
    read += reader.read(&mut [0; 2]).unwrap_or(0);
    claim!(read == 1, "read {read} bytes");
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
}

/// A reader is woken by the close, or does not go to sleep.
fn close_meets_a_reader_going_to_sleep(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let mut reader = b.incoming.reader();
    let closer = thread::spawn(move || a.close());
    reader.sleep(1);
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
    closer.join().expect("the closer ends");
}

/// The reader wants two bytes; one comes, then the close.
fn close_meets_a_reader_short_of_its_threshold(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let closer = thread::spawn(move || {
        claim!(writer.write(&[1]) == Ok(1), "there is space");
        a.close();
    });
    reader.sleep(2);
    claim!(reader.read(&mut [0; 2]) == Ok(1), "the byte is lost");
    claim!(reader.read(&mut [0]) == Err(Error::PeerClosed), "no end");
    closer.join().expect("the closer ends");
}

/// A writer that waits for space in a full ring is woken by the close.
fn close_meets_a_writer_going_to_sleep(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let mut writer = a.outgoing.writer();
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let closer = thread::spawn(move || b.close());
    writer.sleep(1);
    claim!(
        writer.write(&[3]) == Err(Error::PeerClosed),
        "written to nobody"
    );
    closer.join().expect("the closer ends");
}

/// The reader takes one byte and closes; the writer waits for two.
fn close_meets_a_writer_short_of_its_threshold(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    claim!(writer.write(&[1, 2]) == Ok(2), "there is space");
    let closer = thread::spawn(move || {
        claim!(reader.read(&mut [0]) == Ok(1), "there is data");
        b.close();
    });
    writer.sleep(2);
    claim!(
        writer.write(&[3]) == Err(Error::PeerClosed),
        "written to nobody"
    );
    closer.join().expect("the closer ends");
}

/// One closes while the other sends and closes: what was sent is read, and
/// nobody stays behind.
fn both_close_at_once(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (a.outgoing.writer(), b.incoming.reader());
    let (mut back, mut forth) = (b.outgoing.writer(), a.incoming.reader());
    let other = thread::spawn(move || {
        let accepted = writer.write(&[1]).is_ok();
        forth.sleep(1);
        let answer = forth.read(&mut [0]);
        a.close();
        (accepted, answer)
    });
    let answered = back.write(&[2]).is_ok();
    reader.sleep(1);
    let read = reader.read(&mut [0]);
    b.close();
    let (accepted, answer) = other.join().expect("the other ends");
    claim!(accepted && read == Ok(1), "the request is lost: {read:?}");
    claim!(
        answered && answer == Ok(1),
        "the answer is lost: {answer:?}"
    );
}

models! {
    close_meets_a_read, None;
    relaxed [Close Claim, ObserveClosed Claim]
    dropped []
    skipped [CheckTailAfterClosed Claim]

    close_meets_a_reader_going_to_sleep, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    close_meets_a_reader_short_of_its_threshold, Some(3);
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    close_meets_a_writer_going_to_sleep, None;
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    close_meets_a_writer_short_of_its_threshold, Some(3);
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]

    // Without `PublishThenLook` it holds: each side goes to sleep, behind a heavy
    // fence, before it looks for a waiter for the last time.
    both_close_at_once, Some(3);
    relaxed []
    dropped []
    skipped [CheckAfterArm Deadlock]
}
