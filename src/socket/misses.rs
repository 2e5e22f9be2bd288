//! When a caller that never waits asks the kernel whether the peer still lives.
//!
//! Nobody tells such a caller: it does not sleep, so no watcher runs for it, and
//! a killed peer sets no bit. So a half that keeps finding nothing asks,
//! first after [`FIRST`] misses in a row, then after twice as many each time, up
//! to [`MOST`]. A loop of tries costs 10 ns a turn, a question 300 ns.

/// Misses in a row before the first question.
const FIRST: u32 = 1 << 10;
/// Most misses between two questions.
const MOST: u32 = 1 << 16;

/// Misses in a row, counted without a trace on the path that succeeds: a miss
/// continues the row if the position is where it was at the last one.
#[derive(Debug)]
pub(super) struct Misses {
    at: u64,
    count: u32,
    ask_at: u32,
}

impl Default for Misses {
    fn default() -> Self {
        Self {
            at: 0,
            count: 0,
            ask_at: FIRST,
        }
    }
}

impl Misses {
    /// Counts a miss at position `at`; says whether to ask now.
    #[inline(always)]
    pub(super) fn count(&mut self, at: u64) -> bool {
        if self.at != at {
            *self = Self {
                at,
                ..Self::default()
            };
        }
        self.count += 1;
        let ask = self.count >= self.ask_at;
        if ask {
            self.count = 0;
            self.ask_at = (self.ask_at * 2).min(MOST);
        }
        ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_rarer_and_start_over_after_progress() {
        let mut misses = Misses::default();
        let mut gap = |at| (1..).find(|_| misses.count(at)).unwrap();
        assert_eq!([gap(0), gap(0), gap(0)], [FIRST, 2 * FIRST, 4 * FIRST]);
        assert_eq!(gap(5), FIRST);
        let gaps: Vec<u32> = (0..10).map(|_| gap(5)).collect();
        assert_eq!(gaps.last(), Some(&MOST));
    }
}
