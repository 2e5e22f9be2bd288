//! The crate `shmem-ipc`: a ring in shared memory for one sender and one receiver, and an eventfd
//! for each of them to sleep on. One ring for each direction.
//!
//! Its lowest calls are used, which lend the ring's own memory: nothing that it has is faster.

#![allow(unsafe_code, reason = "the ring is lent as a pointer and a length")]

use std::fs::File;
use std::hint;
use std::ptr;

use ::shmem_ipc::sharedring::{Receiver, Sender};
use anyhow::Result;

use crate::channel::{ANY_SIZE, Channel, Class, Name, Parcel, Transport, Waiting};

/// Bytes of a ring, as many as a zocket stream holds in one direction.
const CAPACITY: usize = 256 << 10;

/// Bytes of a large message that are published at once, as in the bare ring: the other side copies
/// one piece while the next is written.
const PIECE: usize = 16 << 10;

/// A ring out and a ring in. One that never blocks has no use for signals, and sends none.
pub(crate) struct Rings<const BLOCK: bool> {
    sender: Sender<u8>,
    receiver: Receiver<u8>,
}

/// Looks again and again.
pub(crate) type SpinningRings = Rings<false>;

/// Sleeps on the eventfds.
pub(crate) type BlockingRings = Rings<true>;

impl<const BLOCK: bool> Transport for Rings<BLOCK> {
    type End = Self;
    const NAME: Name = Name {
        key: if BLOCK {
            "shmem-ipc-block"
        } else {
            "shmem-ipc-spin"
        },
        title: if BLOCK {
            "shmem-ipc, blocking"
        } else {
            "shmem-ipc, spinning"
        },
        class: Class::Peer,
        waiting: if BLOCK { Waiting::Block } else { Waiting::Spin },
        most: ANY_SIZE,
    };

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (sender, receiver) = (Sender::new(CAPACITY)?, Receiver::new(CAPACITY)?);
        for file in [
            sender.memfd().as_file(),
            sender.empty_signal(),
            sender.full_signal(),
            receiver.memfd().as_file(),
            receiver.empty_signal(),
            receiver.full_signal(),
        ] {
            parcel.put(file.try_clone()?);
        }
        Ok(Self { sender, receiver })
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        let mut file = || parcel.take().map(File::from);
        Ok(Self {
            receiver: Receiver::open(CAPACITY, file()?, file()?, file()?)?,
            sender: Sender::open(CAPACITY, file()?, file()?, file()?)?,
        })
    }
}

/// Copies `wanted` bytes, or the `lent` ones if those are fewer, and says how many. What fits
/// whole, as nearly all that is small does, goes with a length that the compiler may know.
///
/// # Safety
///
/// So many bytes can be read and written there, and do not overlap.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, wanted: usize, lent: usize) -> usize {
    if wanted <= lent {
        // SAFETY: as the caller says.
        unsafe { ptr::copy_nonoverlapping(from, to, wanted) };
        return wanted;
    }
    // SAFETY: as the caller says.
    unsafe { ptr::copy_nonoverlapping(from, to, lent) };
    lent
}

impl<const BLOCK: bool> Rings<BLOCK> {
    /// Sends `len` bytes. For those from an offset on, at most so many, `put` is lent so much
    /// space, and says how much of it was used.
    #[inline(always)]
    fn send_with(&mut self, len: usize, put: impl Fn(usize, usize, *mut u8, usize) -> usize) {
        let mut sent = 0;
        while sent < len {
            let (at, piece) = (sent, PIECE.min(len - sent));
            let fill = |space, lent| {
                let n = put(at, piece, space, lent);
                sent += n;
                n
            };
            if BLOCK {
                self.sender.send_raw(fill).expect("a ring in order");
            } else {
                let ring = self.sender.sender_mut();
                ring.send(fill).expect("a ring in order");
            }
            if sent == at {
                self.wait_for_space();
            }
        }
    }

    fn wait_for_space(&mut self) {
        if BLOCK {
            self.sender.block_until_writable().expect("a ring in order");
            return;
        }
        let ring = self.sender.sender_mut();
        while ring.write_count().expect("a ring in order") == 0 {
            hint::spin_loop();
        }
    }

    /// Looks before it receives: a receiver that finds nothing would write to the count that both
    /// sides share all the same.
    #[inline(always)]
    fn wait_for_bytes(&mut self) {
        if BLOCK {
            self.receiver
                .block_until_readable()
                .expect("a ring in order");
            return;
        }
        let ring = self.receiver.receiver_mut();
        while ring.read_count().expect("a ring in order") == 0 {
            hint::spin_loop();
        }
    }
}

impl<const BLOCK: bool> Channel for Rings<BLOCK> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.send_with(message.len(), |at, piece, space, lent| {
            let bytes = &message[at..at + piece];
            // SAFETY: `lent` bytes of the ring are ours to write, as it has one sender.
            unsafe { copy(bytes.as_ptr(), space, bytes.len(), lent) }
        });
    }

    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        self.send_with(scratch.len(), |_, piece, space, lent| {
            let n = piece.min(lent);
            // SAFETY: as in `send`.
            unsafe { ptr::write_bytes(space, byte, n) };
            n
        });
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let mut received = 0;
        while received < buf.len() {
            self.wait_for_bytes();
            let piece = PIECE.min(buf.len() - received);
            let to = &mut buf[received..received + piece];
            let take = |bytes, lent| {
                // SAFETY: the sender has published `lent` bytes and leaves them alone until they
                // are returned.
                let n = unsafe { copy(bytes, to.as_mut_ptr(), to.len(), lent) };
                received += n;
                n
            };
            if BLOCK {
                self.receiver.receive_raw(take).expect("a ring in order");
            } else {
                let ring = self.receiver.receiver_mut();
                ring.recv(take).expect("a ring in order");
            }
        }
    }
}
