//! What to do about calls that never wait and find nothing, or no space.
//!
//! *When to ask the kernel whether the peer still lives.* Nobody tells such a caller: it does not
//! sleep, so no watcher runs for it, and a killed peer sets no bit. So a half that keeps finding nothing
//! asks, first after [`FIRST`] misses in a row, then after twice as many each time, up to [`MOST`]. A loop
//! of tries costs 10 ns a turn, a question 300 ns.
//!
//! *When to let the peer get ahead.* Two ends that stream small messages and are as fast as each other
//! fight over the cache lines between them: each line goes to and fro for every message, and all
//! takes several times as long. If the one that has caught up with the other looks away for a
//! microsecond, both have many messages at once to work on. After a message that
//! came alone that would only be late; so it is for streams, of which [`STREAM`] bytes have come without
//! a longer pause.

/// Misses in a row before the first question.
const FIRST: u32 = 1 << 10;
/// Most misses between two questions.
const MOST: u32 = 1 << 16;
/// Bytes that make a stream.
const STREAM: u64 = 256;
/// Misses in a row that end a stream.
const PAUSE: u32 = 64;

/// Misses in a row, counted without a trace on the path that succeeds: a miss
/// continues the row if the position is where it was at the last one.
#[derive(Debug)]
pub(super) struct Misses {
    at: u64,
    /// Bytes of the stream so far, up to `at`.
    streamed: u64,
    count: u32,
    ask_at: u32,
}

/// What a miss calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// Nothing.
    Usual,
    /// A question whether the peer lives.
    Ask,
    /// To let the peer get ahead, if this is a stream.
    CaughtUp,
}

impl Default for Misses {
    fn default() -> Self {
        Self {
            at: 0,
            streamed: 0,
            count: 0,
            ask_at: FIRST,
        }
    }
}

impl Misses {
    /// Counts a miss at position `at`, and says what it calls for.
    #[inline(always)]
    pub(super) fn count(&mut self, at: u64) -> Miss {
        if self.at != at {
            return self.first(at);
        }
        self.count += 1;
        if self.count < self.ask_at {
            return Miss::Usual;
        }
        self.count = 0;
        self.ask_at = (self.ask_at * 2).min(MOST);
        Miss::Ask
    }

    /// The first miss after some bytes.
    #[inline(always)]
    fn first(&mut self, at: u64) -> Miss {
        let moved = at.wrapping_sub(self.at);
        let streamed = match self.count < PAUSE && self.ask_at == FIRST {
            true => self.streamed.saturating_add(moved),
            false => moved,
        };
        let caught_up = streamed >= STREAM;
        *self = Self {
            at,
            streamed: if caught_up { 0 } else { streamed },
            count: 1,
            ask_at: FIRST,
        };
        match caught_up {
            true => Miss::CaughtUp,
            false => Miss::Usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_rarer_and_start_over_after_progress() {
        let mut misses = Misses::default();
        let mut gap = |at| (1..).find(|_| misses.count(at) == Miss::Ask).unwrap();
        assert_eq!([gap(0), gap(0), gap(0)], [FIRST, 2 * FIRST, 4 * FIRST]);
        assert_eq!(gap(5), FIRST);
        let gaps: Vec<u32> = (0..10).map(|_| gap(5)).collect();
        assert_eq!(gaps.last(), Some(&MOST));
    }

    #[test]
    fn bytes_without_a_pause_make_a_stream() {
        let mut misses = Misses::default();
        let mut at = 0;
        let mut streams = |len, misses_after| {
            at += len;
            let first = misses.count(at);
            for _ in 1..misses_after {
                assert_eq!(misses.count(at), Miss::Usual);
            }
            first == Miss::CaughtUp
        };
        assert!(streams(STREAM, 1), "many at once");
        assert!(!streams(STREAM / 2, PAUSE - 1), "half of them");
        assert!(streams(STREAM / 2, 1), "the other half, soon");
        assert!(!streams(STREAM / 2, PAUSE), "half of them");
        assert!(!streams(STREAM / 2, 1), "the other half, late");
        assert!(streams(STREAM / 2, 1));
    }
}
