//! Whether what arrives is what was sent: every byte, both ways.

use fastrand::Rng;

use super::Part;
use crate::channel::Channel;

/// Message `index`, as both sides know it.
fn fill(message: &mut [u8], index: u64) {
    Rng::with_seed(index).fill(message);
}

/// Sends messages in bursts, so that several are under way, and compares the answers.
pub(super) fn send<C: Channel>(end: &mut C, size: usize, count: u64) -> Part {
    let (mut message, mut answer) = (vec![0; size], vec![0; size]);
    for index in 0..count {
        fill(&mut message, index);
        end.send(&message);
    }
    for index in 0..count {
        fill(&mut message, !index);
        end.receive(&mut answer);
        assert!(
            answer == message,
            "answer {index} of {size} bytes is another"
        );
    }
    Part {
        count,
        trips: Vec::new(),
    }
}

/// Compares what comes, and answers when all has come.
pub(super) fn receive<C: Channel>(end: &mut C, size: usize, count: u64) {
    let (mut expected, mut message) = (vec![0; size], vec![0; size]);
    for index in 0..count {
        fill(&mut expected, index);
        end.receive(&mut message);
        assert!(
            message == expected,
            "message {index} of {size} bytes is another"
        );
    }
    for index in 0..count {
        fill(&mut message, !index);
        end.send(&message);
    }
}
