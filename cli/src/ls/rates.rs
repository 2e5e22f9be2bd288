//! How fast data moves: what went through between two looks.

use std::collections::HashMap;
use std::time::Instant;

use super::memory::Key;
use super::survey::Survey;

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Rates {
    last: HashMap<Key, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    /// Of each end.
    written: [u64; 2],
    read: [u64; 2],
}

impl Rates {
    /// Adds to each end how fast it has read and written since the last call, if it was there then.
    pub(super) fn add_to(&mut self, survey: &mut Survey) {
        let mut seen = HashMap::new();
        for pair in &mut survey.pairs {
            let now = Seen {
                at: pair.at,
                written: pair.ends.each_ref().map(|end| end.total_written),
                read: pair.ends.each_ref().map(|end| end.total_read),
            };
            if let Some(last) = self.last.get(&pair.key) {
                for (index, end) in pair.ends.iter_mut().enumerate() {
                    let rate = |of: fn(&Seen) -> &[u64; 2]| last.rate_until(&now, of, index);
                    end.read_per_second = rate(|seen| &seen.read);
                    end.written_per_second = rate(|seen| &seen.written);
                }
            }
            seen.insert(pair.key, now);
        }
        self.last = seen;
    }
}

impl Seen {
    /// None if no time has passed.
    fn rate_until(&self, now: &Self, of: fn(&Self) -> &[u64; 2], end: usize) -> Option<f64> {
        let seconds = now.at.saturating_duration_since(self.at).as_secs_f64();
        // What an honest end counts only grows.
        let moved = of(now)[end].saturating_sub(of(self)[end]);
        (seconds > 0.0).then(|| moved as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rate_is_what_moved_in_a_second() {
        let start = Seen {
            at: Instant::now(),
            written: [100, 0],
            read: [0, 50],
        };
        let end = Seen {
            at: start.at + Duration::from_millis(500),
            written: [600, 0],
            read: [0, 40],
        };
        assert_eq!(start.rate_until(&end, |s| &s.written, 0), Some(1000.0));
        assert_eq!(start.rate_until(&end, |s| &s.written, 1), Some(0.0));
        // Counted backwards by somebody who is not honest.
        assert_eq!(start.rate_until(&end, |s| &s.read, 1), Some(0.0));
        assert_eq!(start.rate_until(&start, |s| &s.read, 0), None);
    }
}
