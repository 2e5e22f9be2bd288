//! Waiting for any signal of any number of subjects.
//!
//! With one subject the thread sleeps on its futex; with several on all of theirs at
//! once, where the kernel has `futex_waitv(2)`; else, or with more than that takes, it
//! polls their descriptors, and one of its own for what happens in this process.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;

use super::thread::Bell;
use super::{Observer, Outcome, Outlet, Sleeper, Subject, Withdrawal};
use crate::error::{Error, Result};
use crate::signals::Signals;
use crate::sys::deadline::Deadline;
use crate::sys::eventfd::EventFd;
use crate::sys::futex::{self, Wake};

/// A subject, what is wanted of it, and what was found.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) subject: &'a dyn Subject,
    /// The handle through which is waited, or 0.
    pub(crate) handle: u32,
    pub(crate) wanted: Signals,
    /// All signals: when it was met or cancelled, else at the end.
    pub(crate) pending: Signals,
}

impl<'a> Item<'a> {
    pub(crate) fn new(subject: &'a dyn Subject, handle: u32, wanted: Signals) -> Self {
        Self {
            subject,
            handle,
            wanted,
            pending: Signals::empty(),
        }
    }

    /// Looks without waiting; says whether the condition holds.
    fn poll(&mut self) -> Result<bool> {
        self.pending = self.subject.signals()?;
        Ok(self.pending.intersects(self.wanted))
    }
}

/// How a wait ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A condition held.
    Met,
    /// The deadline passed.
    TimedOut,
    /// A handle was closed.
    Cancelled,
}

/// Waits until the condition of any item holds or was met for a moment, and says so in the items.
///
/// `is_current` says of each item, once it is among the observers, whether it may stay: a
/// handle that was closed just before is no longer there to cancel it.
///
/// # Errors
/// [`Error::Forked`]; [`Error::FenceRefused`]; [`Error::Os`].
pub(crate) fn wait_any(
    items: &mut [Item<'_>],
    deadline: Deadline,
    is_current: impl Fn(usize) -> bool,
) -> Result<Ended> {
    if poll_all(items)? {
        return Ok(Ended::Met);
    }
    if deadline.has_passed() {
        // Who only looks is not told of a peer that was killed: it asks.
        items.iter().for_each(|i| i.subject.check_peer());
        return Ok(if poll_all(items)? {
            Ended::Met
        } else {
            Ended::TimedOut
        });
    }
    let mut sleep = Sleep::new(items)?;
    sleep.until_told(deadline, &is_current)?;
    sleep.finish()
}

fn poll_all(items: &mut [Item<'_>]) -> Result<bool> {
    let mut met = false;
    for item in items {
        met |= item.poll()?;
    }
    Ok(met)
}

/// Whether the kernel or a sandbox has refused `futex_waitv`.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// A wait that has to sleep.
struct Sleep<'i, 'a> {
    items: &'i mut [Item<'a>],
    sleepers: Vec<Arc<Sleeper>>,
    /// Identities of the observers among those of their subjects, rising.
    enrolled: Vec<u64>,
    /// Present if the thread polls.
    polling: Option<Polling>,
}

impl<'i, 'a> Sleep<'i, 'a> {
    fn new(items: &'i mut [Item<'a>]) -> Result<Self> {
        // Relaxed: an old value leads to another refusal.
        let refused = items.len() > 1 && REFUSED.load(Ordering::Relaxed);
        let polls = refused || items.len() > futex::MOST;
        let mut sleep = Self {
            sleepers: items.iter().map(|_| Arc::new(Sleeper::new())).collect(),
            enrolled: Vec::with_capacity(items.len()),
            polling: None,
            items,
        };
        if polls {
            sleep.begin_to_poll()?;
        }
        Ok(sleep)
    }

    /// Polls from now on. The observers stay where they are, so no moment is missed. A look must
    /// follow, which has peers ring from then on.
    fn begin_to_poll(&mut self) -> Result<()> {
        let polling = Polling::new(self.items)?;
        for sleeper in &self.sleepers {
            sleeper.set_bell(&polling.bell);
        }
        self.polling = Some(polling);
        Ok(())
    }

    /// Sleeps until one of the sleepers was told something, or until `deadline`.
    fn until_told(&mut self, deadline: Deadline, is_current: &dyn Fn(usize) -> bool) -> Result<()> {
        self.enroll(is_current)?;
        for item in &*self.items {
            item.subject.prepare_sleep()?;
        }
        loop {
            // Before the look: whatever happens after it changes one of the counts.
            let counts = self.items.iter();
            let counts = counts.map(|item| (item.subject.events(), item.subject.count()));
            let counts: Vec<_> = counts.collect();
            self.items.iter().for_each(|item| item.subject.look());
            if self.is_told() {
                return Ok(());
            }
            if self.sleep(&counts, deadline)? == Wake::TimedOut {
                self.items.iter().for_each(|item| item.subject.look());
                return Ok(());
            }
        }
    }

    /// Sleeps once, while these counts stand.
    fn sleep(&mut self, counts: &[(&AtomicU32, u32)], deadline: Deadline) -> Result<Wake> {
        if let Some(polling) = &mut self.polling {
            return polling.poll(self.items, deadline);
        }
        match counts {
            // For nothing but the deadline.
            [] => Ok(futex::wait(&AtomicU32::new(0), 0, deadline)),
            [(events, count)] => Ok(futex::wait(events, *count, deadline)),
            counts => match futex::wait_any(counts, deadline) {
                // Perhaps only now, by a sandbox that was entered while we slept.
                Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => {
                    REFUSED.store(true, Ordering::Relaxed);
                    self.begin_to_poll()?;
                    Ok(Wake::Woken)
                }
                result => result.map_err(|e| Error::os("futex_waitv", e)),
            },
        }
    }

    fn enroll(&mut self, is_current: &dyn Fn(usize) -> bool) -> Result<()> {
        for (i, (item, sleeper)) in self.items.iter().zip(&self.sleepers).enumerate() {
            let outlet = Outlet::Thread(Arc::clone(sleeper));
            let observer = Observer::new(item.handle, item.wanted, false, outlet);
            let id = observer.id;
            match item.subject.enroll(observer) {
                Ok(()) => self.enrolled.push(id),
                // Closed since the first look; so is the handle.
                Err(Error::PeerClosed) => self.cancel(i),
                Err(error) => return Err(error),
            }
            if !is_current(i) {
                self.cancel(i);
            }
        }
        Ok(())
    }

    fn cancel(&self, i: usize) {
        let signals = self.items[i].subject.signals().unwrap_or_default();
        self.sleepers[i].finish(Outcome::Cancelled(signals | Signals::HANDLE_CLOSED));
    }

    fn is_told(&self) -> bool {
        self.sleepers
            .iter()
            .any(|sleeper| sleeper.outcome().is_some())
    }

    /// Leaves the lists of observers, once.
    fn leave(&mut self) {
        let enrolled = std::mem::take(&mut self.enrolled);
        if enrolled.is_empty() {
            return;
        }
        for item in &*self.items {
            let own = |observer: &Observer| enrolled.binary_search(&observer.id).is_ok();
            item.subject.withdraw(&own, Withdrawal::GaveUp);
        }
    }

    fn finish(mut self) -> Result<Ended> {
        self.leave();
        let mut end = Ended::TimedOut;
        for (item, sleeper) in self.items.iter_mut().zip(&self.sleepers) {
            match sleeper.outcome() {
                None => item.pending = item.subject.signals()?,
                Some(Outcome::Met(signals)) => {
                    item.pending = signals;
                    if end == Ended::TimedOut {
                        end = Ended::Met;
                    }
                }
                Some(Outcome::Cancelled(signals)) => {
                    item.pending = signals;
                    end = Ended::Cancelled;
                }
                Some(Outcome::Failed(error)) => return Err(error),
            }
        }
        Ok(end)
    }
}

/// However a wait ends, nothing of it stays behind.
impl Drop for Sleep<'_, '_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What a thread has that polls.
struct Polling {
    bell: Bell,
    /// Whose descriptors need not be polled: the peer is gone, or it is polled for another item.
    silent: Vec<bool>,
}

impl Polling {
    fn new(items: &[Item<'_>]) -> Result<Self> {
        // The same one several times must not count several times against the limit of `ppoll`.
        let mut known = HashSet::new();
        let silent = items.iter().map(|item| !known.insert(item.subject.id()));
        Ok(Self {
            bell: Arc::new(EventFd::new()?),
            silent: silent.collect(),
        })
    }

    /// Polls once.
    fn poll(&mut self, items: &[Item<'_>], deadline: Deadline) -> Result<Wake> {
        let mut polled = Vec::with_capacity(items.len());
        let mut fds = vec![PollFd::new(self.bell.as_fd(), PollFlags::POLLIN)];
        for (i, item) in items.iter().enumerate() {
            if let Some(fd) = item.subject.descriptor()
                && !self.silent[i]
            {
                polled.push(i);
                fds.push(PollFd::new(fd, PollFlags::POLLIN));
            }
        }
        let timeout = deadline.remaining().map(TimeSpec::from_duration);
        match ppoll(&mut fds, timeout, None::<SigSet>) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::os("ppoll", errno)),
        }
        let rung = fds[1..].iter().map(|fd| fd.any() == Some(true));
        for (i, _) in polled.into_iter().zip(rung).filter(|(_, rung)| *rung) {
            self.silent[i] = items[i].subject.acknowledge();
        }
        Ok(if deadline.has_passed() {
            Wake::TimedOut
        } else {
            Wake::Woken
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;

    use super::*;
    use crate::layout::Kind;

    /// Takes observers, and then lets nobody sleep.
    #[derive(Debug)]
    struct Sleepless(AtomicU32);

    impl Subject for Sleepless {
        fn id(&self) -> u64 {
            u64::MAX
        }

        fn signals(&self) -> Result<Signals> {
            Ok(Signals::empty())
        }

        fn look(&self) {}

        fn enroll(&self, _: Observer) -> Result<()> {
            Ok(())
        }

        fn withdraw(&self, _: &dyn Fn(&Observer) -> bool, _: Withdrawal) -> usize {
            0
        }

        fn events(&self) -> &AtomicU32 {
            &self.0
        }

        fn count(&self) -> u32 {
            0
        }

        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            None
        }

        fn acknowledge(&self) -> bool {
            false
        }

        fn prepare_sleep(&self) -> Result<()> {
            Err(Error::FenceRefused)
        }

        fn check_peer(&self) {}
    }

    #[test]
    fn wait_that_fails_leaves_no_observer() {
        let [a, _b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let sleepless = Sleepless(AtomicU32::new(0));
        let wanted = Signals::READABLE;
        let mut items = [Item::new(&*a, 0, wanted), Item::new(&sleepless, 0, wanted)];
        let end = wait_any(&mut items, Deadline::NEVER, |_| true);
        assert_eq!(end, Err(Error::FenceRefused));
        assert!(a.observers.lock().is_empty());
        assert!(a.is_unobserved());
    }

    /// It would be readable for ever, and the thread never asleep.
    #[test]
    fn poller_leaves_a_descriptor_alone_that_has_hung_up() {
        let [a, b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let [c, _d] = crate::Builder::new().links(Kind::Stream).unwrap();
        let mut items = [&a, &c].map(|link| Item::new(&**link, 0, Signals::USER_0));
        let mut polling = Polling::new(&items).unwrap();
        drop(b);
        let past = Deadline::after(std::time::Duration::ZERO);
        for _ in 0..2 {
            assert_eq!(polling.poll(&items, past), Ok(Wake::TimedOut));
            assert_eq!(polling.silent, [true, false]);
        }
        assert_eq!(poll_all(&mut items), Ok(false));
        assert_eq!(items[0].pending, Signals::PEER_CLOSED);
    }
}
