//! What goes from thread to thread only: how fast it could be without a border to cross.

#![allow(unsafe_code, reason = "a lent piece of a ring is not initialised")]

use std::hint;
use std::mem::MaybeUninit;

use crossbeam_channel::{Receiver, Sender};
use rtrb::{Consumer, Producer, RingBuffer};
use smallvec::SmallVec;

use crate::channel::{ANY_SIZE, Channel, Class, Name, ThreadTransport, Waiting};

/// Bytes of a ring, as many as a zocket stream holds in one direction.
const CAPACITY: usize = 256 << 10;

/// Bytes of a large message that are published at once, as in the bare ring.
const PIECE: usize = 16 << 10;

/// The crate `rtrb`: two rings of bytes, which have no way to sleep.
pub(crate) struct Rtrb {
    producer: Producer<u8>,
    consumer: Consumer<u8>,
}

impl ThreadTransport for Rtrb {
    type End = Self;
    const NAME: Name = Name {
        key: "rtrb",
        title: "rtrb, between threads",
        class: Class::InProcess,
        waiting: Waiting::Spin,
        most: ANY_SIZE,
    };

    fn pair() -> (Self, Self) {
        let (there, arrived) = RingBuffer::new(CAPACITY);
        let (back, returned) = RingBuffer::new(CAPACITY);
        let end = |producer, consumer| Self { producer, consumer };
        (end(there, returned), end(back, arrived))
    }
}

impl Channel for Rtrb {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        for piece in message.chunks(PIECE) {
            while self.producer.push_entire_slice(piece).is_err() {
                hint::spin_loop();
            }
        }
    }

    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        for piece in scratch.chunks(PIECE) {
            let mut space = loop {
                match self.producer.write_chunk_uninit(piece.len()) {
                    Ok(space) => break space,
                    Err(_) => hint::spin_loop(),
                }
            };
            let (first, second) = space.as_mut_slices();
            first.fill(MaybeUninit::new(byte));
            second.fill(MaybeUninit::new(byte));
            // SAFETY: both parts, which are all of it, have just been filled.
            unsafe { space.commit_all() };
        }
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        for piece in buf.chunks_mut(PIECE) {
            while self.consumer.pop_entire_slice(piece).is_err() {
                hint::spin_loop();
            }
        }
    }
}

/// Messages under way in a channel, so that large ones have a bound to their memory.
const DEPTH: usize = 256;

/// A message of a channel owns its bytes. One who minds the time keeps small ones in the message
/// itself, without an allocation for each.
type Bytes = SmallVec<[u8; 64]>;

/// The crate `crossbeam-channel`: two bounded channels of messages.
pub(crate) struct Crossbeam {
    sender: Sender<Bytes>,
    receiver: Receiver<Bytes>,
}

impl ThreadTransport for Crossbeam {
    type End = Self;
    const NAME: Name = Name {
        key: "crossbeam-channel",
        title: "crossbeam-channel, between threads",
        class: Class::InProcess,
        waiting: Waiting::Block,
        most: ANY_SIZE,
    };

    fn pair() -> (Self, Self) {
        let (there, arrived) = crossbeam_channel::bounded(DEPTH);
        let (back, returned) = crossbeam_channel::bounded(DEPTH);
        let end = |sender, receiver| Self { sender, receiver };
        (end(there, returned), end(back, arrived))
    }
}

impl Channel for Crossbeam {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let sent = self.sender.send(Bytes::from_slice(message));
        sent.expect("the other side receives");
    }

    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        let sent = self.sender.send(Bytes::from_elem(byte, scratch.len()));
        sent.expect("the other side receives");
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let message = self.receiver.recv().expect("the other side sends");
        buf.copy_from_slice(&message);
    }
}
