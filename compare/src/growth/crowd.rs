//! Endpoints on which nothing happens.

use std::os::unix::net::UnixStream;

use anyhow::Result;
use zocket::{Builder, MIN_CAPACITY, Stream};

use crate::machine;

/// Descriptors that are left for everything else.
const RESERVE: usize = 64;

/// What has two ends.
pub(super) trait Pair: Sized {
    const NAME: &'static str;

    fn pair() -> Result<(Self, Self)>;
}

impl Pair for Stream {
    const NAME: &'static str = "zocket endpoints";

    fn pair() -> Result<(Self, Self)> {
        Ok(Builder::new().capacity(MIN_CAPACITY).stream_pair()?)
    }
}

impl Pair for UnixStream {
    const NAME: &'static str = "AF_UNIX sockets";

    fn pair() -> Result<(Self, Self)> {
        Ok(Self::pair()?)
    }
}

/// Idle endpoints: both ends of many pairs, since nobody uses either.
#[derive(Debug)]
pub(super) struct Crowd<T> {
    ends: Vec<T>,
    /// The other end of the last one, if that does not count.
    spare: Option<T>,
}

impl<T: Pair> Crowd<T> {
    pub(super) const fn new() -> Self {
        Self {
            ends: Vec::new(),
            spare: None,
        }
    }

    /// So many endpoints.
    pub(super) fn of(count: usize) -> Result<Self> {
        let mut crowd = Self::new();
        crowd.grow(count, |_| Ok(()))?;
        Ok(crowd)
    }

    /// Makes it as many as `count`, and has each met that is new.
    pub(super) fn grow(&mut self, count: usize, meet: impl FnMut(&T) -> Result<()>) -> Result<()> {
        let before = self.ends.len();
        while self.ends.len() < count {
            let end = match self.spare.take() {
                Some(end) => end,
                None => {
                    let (end, other) = T::pair()?;
                    self.spare = Some(other);
                    end
                }
            };
            self.ends.push(end);
        }
        self.ends[before..].iter().try_for_each(meet)
    }

    pub(super) fn ends(&self) -> &[T] {
        &self.ends
    }
}

/// Of those numbers of idle endpoints the ones that this process has descriptors for, if only
/// so many others are open as now. Says on the standard error which are left out.
pub(super) fn affordable<T: Pair>(counts: &[usize]) -> Result<Vec<usize>> {
    let open = machine::descriptors()?;
    let pair = T::pair()?;
    let of_pair = machine::descriptors()? - open;
    drop(pair);
    let limit = machine::allow_descriptors()?;
    let most = most(limit.saturating_sub(open), of_pair);
    let (kept, left_out): (Vec<_>, Vec<_>) = counts.iter().partition(|&&count| count <= most);
    if !left_out.is_empty() {
        let name = T::NAME;
        eprintln!("{left_out:?} {name} are left out: RLIMIT_NOFILE of {limit} allows {most}");
    }
    Ok(kept)
}

/// How many ends so many descriptors suffice for.
fn most(descriptors: usize, of_pair: usize) -> usize {
    descriptors.saturating_sub(RESERVE) / of_pair.max(1) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowd_has_as_many_as_were_asked_for_and_each_is_met_once() {
        let mut crowd = Crowd::<UnixStream>::new();
        let mut met = 0;
        for count in [1, 2, 5, 5, 8] {
            crowd
                .grow(count, |_| {
                    met += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!((crowd.ends().len(), met), (count, count));
        }
    }

    #[test]
    fn limit_counts_pairs_and_what_is_reserved() {
        assert_eq!(most(RESERVE + 300, 3), 200);
        assert_eq!(most(RESERVE, 3), 0);
        assert_eq!(most(0, 3), 0);
    }
}
