//! How many handles an object has, and who has the last.

use super::sync::{InProcess, Platform, Site, Step, Word32};

/// The number of handles to one object.
///
/// Starts at one. Once it has fallen to zero it stays there, and the one caller of
/// [`release`](Self::release) that made it do so has learned that. That caller sees everything
/// that was done through handles which were released before, and closes the object.
#[derive(Debug)]
pub struct HandleCount<P: Platform = InProcess> {
    platform: P,
    count: P::Word32,
}

/// Set while the only handle stays the only one.
const CLAIMED: u32 = 1 << 31;

impl Default for HandleCount {
    fn default() -> Self {
        Self::new(InProcess)
    }
}

impl<P: Platform> HandleCount<P> {
    /// One handle.
    pub fn new(platform: P) -> Self {
        let count = platform.word32(1);
        Self { platform, count }
    }

    /// Counts one more, unless there is none left, or is to be: a duplicate that is being made
    /// while the last handle is closed must not bring the object back.
    #[must_use]
    pub fn try_add(&self) -> bool {
        let is_open = |count| count != 0 && count & CLAIMED == 0;
        let mut count = self.count.load(Site::AddHandle);
        while is_open(count) || !self.platform.performs(Step::RefuseDead) {
            // No overflow: a table holds fewer handles than there are numbers.
            match self.count.exchange(count, count + 1, Site::AddHandle) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// Counts one less; whether that was the last.
    #[must_use]
    pub fn release(&self) -> bool {
        // ORDERING(handles-dropped): Release; pairs with the Acquire of whoever has
        // the last handle, here or in `claim_only`.
        let before = self.count.decrement(Site::DropHandle) & !CLAIMED;
        debug_assert_ne!(before, 0, "released more often than added");
        if before != 1 {
            return false;
        }
        // ORDERING(handles-dropped): Acquire; the subtractions are one chain, and
        // this reads its end.
        self.count.load(Site::LastHandle);
        true
    }

    /// Lets nobody add a handle any more, if there is exactly one.
    #[must_use]
    pub fn claim_only(&self) -> bool {
        // ORDERING(handles-dropped): Acquire; pairs with the Release in `release`.
        self.count
            .exchange(1, 1 | CLAIMED, Site::ClaimHandle)
            .is_ok()
    }

    /// Takes [`claim_only`](Self::claim_only) back.
    pub fn unclaim(&self) {
        let mut count = self.count.load(Site::CountHandles);
        while let Err(now) = self
            .count
            .exchange(count, count & !CLAIMED, Site::AddHandle)
        {
            count = now;
        }
    }

    /// How many there are. May change at any moment, but from zero.
    pub fn get(&self) -> u32 {
        self.count.load(Site::CountHandles) & !CLAIMED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_release_says_so() {
        let count = HandleCount::default();
        assert!(count.try_add());
        assert_eq!(count.get(), 2);
        assert!(!count.release());
        assert!(count.release());
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn nothing_is_added_to_none() {
        let count = HandleCount::default();
        assert!(count.release());
        assert!(!count.try_add());
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn only_handle_is_claimed_and_stays_the_only_one() {
        let count = HandleCount::default();
        assert!(count.try_add());
        assert!(!count.claim_only());
        assert!(!count.release());
        assert!(count.claim_only());
        assert!(!count.claim_only() && !count.try_add());
        assert_eq!(count.get(), 1);
        count.unclaim();
        assert!(count.try_add());
        assert!(!count.release());
        assert!(count.claim_only());
        assert!(count.release());
        assert!(!count.try_add());
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn handle_that_was_closed_when_claimed_stays_closed() {
        let count = HandleCount::default();
        assert!(count.claim_only());
        assert!(count.release());
        count.unclaim();
        assert!(!count.try_add());
        assert_eq!(count.get(), 0);
    }
}
