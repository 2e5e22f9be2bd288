//! Both directions at once: each side reads and writes.

use loom::thread;
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, ReaderExt, Rules, claim};

const START: u64 = u64::MAX;

/// A request and its answer; both sides sleep until there is something.
fn request_and_answer(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Datagram, 2, START);
    let (mut ask, mut hear) = (a.outgoing.writer(), a.incoming.reader());
    let (mut listen, mut answer) = (b.incoming.reader(), b.outgoing.writer());
    let server = thread::spawn(move || {
        listen.sleep(1);
        let mut request = [0; 2];
        claim!(listen.recv(&mut request) == Ok(1), "woken for nothing");
        claim!(
            answer.send(&[request[0] + 1, 0]) == Ok(()),
            "there is space"
        );
    });
    claim!(ask.send(&[1]) == Ok(()), "there is space");
    hear.sleep(1);
    let mut heard = [0; 2];
    claim!(hear.recv(&mut heard) == Ok(2), "woken for nothing");
    claim!(heard == [2, 0], "heard {heard:?}");
    server.join().expect("the server ends");
}

/// Both write first and then sleep for what the other one wrote.
fn both_write_and_then_sleep(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let run = |endpoint: Endpoint, own: u8, other: u8| {
        let mut writer = endpoint.outgoing.writer();
        let mut reader = endpoint.incoming.reader();
        move || {
            claim!(writer.write(&[own]) == Ok(1), "there is space");
            reader.sleep(1);
            let mut buf = [0];
            claim!(reader.read(&mut buf) == Ok(1), "woken for nothing");
            claim!(buf[0] == other, "read {}", buf[0]);
        }
    };
    let (mut here, there) = (run(a, 1, 2), run(b, 2, 1));
    let there = thread::spawn(there);
    here();
    there.join().expect("the other side ends");
}

/// One side writes and closes; the other writes to it until it notices.
fn one_closes_while_both_write(rules: Rules) {
    let (a, b) = Endpoint::pair(rules, Kind::Stream, 2, START);
    let (mut writer, mut reader) = (b.outgoing.writer(), b.incoming.reader());
    let mut last = a.outgoing.writer();
    let closer = thread::spawn(move || {
        claim!(last.write(&[1]) == Ok(1), "there is space");
        a.close();
    });
    if writer.write(&[2]) == Err(Error::PeerClosed) {
        claim!(writer.write(&[2]) == Err(Error::PeerClosed), "reopened");
    }
    reader.sleep(2);
    claim!(reader.read(&mut [0; 2]) == Ok(1), "the last byte is lost");
    claim!(reader.read(&mut [0; 2]) == Err(Error::PeerClosed), "no end");
    closer.join().expect("the closer ends");
}

models! {
    request_and_answer, Some(3);
    relaxed [PublishTail Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    both_write_and_then_sleep, Some(3);
    relaxed [PublishTail Race]
    dropped [ArmThenCheck Deadlock, PublishThenLook Deadlock]
    skipped [CheckAfterArm Deadlock]

    one_closes_while_both_write, Some(3);
    relaxed []
    dropped [ChangeThenLook Deadlock]
    skipped [CheckAfterArm Deadlock, WakeAfterClose Deadlock]
}
