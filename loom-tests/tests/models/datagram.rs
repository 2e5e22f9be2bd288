//! Whole messages, nobody waits.

use loom::thread;
use zocket::protocol::{Reader, Writer};
use zocket::{Error, Kind};
use zocket_loom_tests::{Endpoint, Lane, Rules, claim};

/// The first prefix is the last byte of the area, its payload the first ones.
const START: u64 = u64::MAX;

/// Sends `message` and says whether there was space for it.
fn send_once(writer: &mut Writer<Lane>, message: &[u8]) -> bool {
    match writer.send(message) {
        Ok(()) => true,
        Err(Error::WouldBlock) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Receives one message, which must be the `next`th of `messages`. Returns the
/// number of the one after.
fn receive_once(reader: &mut Reader<Lane>, messages: &[&[u8]], next: usize) -> usize {
    let mut buf = [0; 8];
    match reader.recv(&mut buf) {
        Ok(len) => {
            let message = messages.get(next).copied().unwrap_or_default();
            claim!(buf[..len] == *message, "received {:?}", &buf[..len]);
            next + 1
        }
        Err(Error::WouldBlock) => next,
        Err(error) => panic!("{error}"),
    }
}

/// Two messages of different length, across the wrap.
fn messages_keep_their_boundaries_across_the_wrap(rules: Rules) {
    const MESSAGES: &[&[u8]] = &[&[1, 2], &[3]];
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Datagram, 4, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let sender = thread::spawn(move || {
        for message in MESSAGES {
            claim!(send_once(&mut writer, message), "there is space");
        }
    });
    let mut next = receive_once(&mut reader, MESSAGES, 0);
    next = receive_once(&mut reader, MESSAGES, next);
    sender.join().expect("the sender ends");
    while next < MESSAGES.len() {
        let before = next;
        next = receive_once(&mut reader, MESSAGES, next);
        claim!(next > before, "message {next} is lost");
    }
}

/// A ring that holds one of two messages: the second waits for the first to go,
/// prefix and all.
fn message_is_written_only_where_one_was_read(rules: Rules) {
    const MESSAGES: &[&[u8]] = &[&[1, 2], &[3, 4]];
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Datagram, 2, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    send_once(&mut writer, MESSAGES[0]);
    let receiver = thread::spawn(move || {
        let next = receive_once(&mut reader, MESSAGES, 0);
        let next = receive_once(&mut reader, MESSAGES, next);
        (reader, next)
    });
    let sent = 1 + usize::from(send_once(&mut writer, MESSAGES[1]));
    let (mut reader, next) = receiver.join().expect("the receiver ends");
    let next = receive_once(&mut reader, MESSAGES, next);
    claim!(next == sent, "received {next} of {sent}");
}

/// A peeked message stays whole while another one is sent; a short buffer takes
/// the beginning, and the rest of that message with it.
fn truncated_message_leaves_the_next_one_whole(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Datagram, 4, START);
    let (mut writer, mut reader) = (producer.writer(), consumer.reader());
    let sender = thread::spawn(move || {
        claim!(send_once(&mut writer, &[1, 2]), "there is space");
        claim!(send_once(&mut writer, &[3]), "there is space");
    });
    let mut short = [0; 1];
    let early = reader.recv(&mut short).is_ok();
    sender.join().expect("the sender ends");
    if !early {
        claim!(reader.recv(&mut short) == Ok(1), "the first is lost");
    }
    claim!(short == [1], "the first begins with {short:?}");
    let mut whole = [0; 4];
    claim!(
        reader.peek_datagram(&mut whole) == Ok(1),
        "the second is lost"
    );
    claim!(reader.recv(&mut whole) == Ok(1), "the second went away");
    claim!(whole[0] == 3, "the second is {whole:?}");
}

models! {
    messages_keep_their_boundaries_across_the_wrap, None;
    relaxed [PublishTail Race, ObserveTail Race]
    dropped []
    skipped []

    message_is_written_only_where_one_was_read, None;
    relaxed [PublishHead Race, ObserveHead Race, PublishTail Race, ObserveTail Race]
    dropped []
    skipped []

    truncated_message_leaves_the_next_one_whole, None;
    relaxed [PublishTail Race, ObserveTail Race]
    dropped []
    skipped []
}
