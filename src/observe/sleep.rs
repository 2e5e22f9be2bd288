//! Waiting for any signal of any number of subjects.
//!
//! With one subject the thread sleeps on its futex; with several on all of theirs at
//! once, where the kernel has `futex_waitv(2)`; else, or with more than that takes, it
//! polls their descriptors, and one of its own for what happens in this process.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;

use super::thread::{self, Bell};
use super::{Observer, Outcome, Sink, Subject, Waiter, Withdrawal};
use crate::error::{Error, Result};
use crate::signals::Signals;
use crate::sys::deadline::Deadline;
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
pub(crate) enum End {
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
) -> Result<End> {
    if poll_all(items)? {
        return Ok(End::Met);
    }
    if deadline.has_passed() {
        // Who only looks is not told of a peer that was killed: it asks.
        items.iter().for_each(|i| i.subject.check_peer());
        return Ok(if poll_all(items)? {
            End::Met
        } else {
            End::TimedOut
        });
    }
    let mut sleep = Sleep::new(items)?;
    match sleep.until_told(deadline, &is_current) {
        Err(Error::Os { call, errno }) if is_refusal(call, errno) => {
            REFUSED.store(true, Ordering::Relaxed);
            sleep.change_manner()?;
            sleep.until_told(deadline, &is_current)?;
        }
        result => result?,
    }
    sleep.finish()
}

fn poll_all(items: &mut [Item<'_>]) -> Result<bool> {
    let mut met = false;
    for item in items {
        met |= item.poll()?;
    }
    Ok(met)
}

const FUTEX_WAITV: &str = "futex_waitv";

/// Whether the kernel does not have `futex_waitv`, or a sandbox does not let it be called.
fn is_refusal(call: &str, errno: i32) -> bool {
    call == FUTEX_WAITV && [libc::ENOSYS, libc::EPERM, libc::EACCES].contains(&errno)
}

/// Whether the kernel or a sandbox has refused `futex_waitv`.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// A wait that has to sleep.
struct Sleep<'i, 'a> {
    items: &'i mut [Item<'a>],
    waiters: Vec<Arc<Waiter>>,
    /// What waited for the items before the manner changed.
    before: Vec<Arc<Waiter>>,
    /// Identities of the observers among those of their subjects.
    enrolled: Vec<u64>,
    /// Present if the thread polls.
    bell: Option<Bell>,
    /// Whose descriptors need not be polled: the peer is gone, or it is polled for another item.
    silent: Vec<bool>,
}

impl<'i, 'a> Sleep<'i, 'a> {
    fn new(items: &'i mut [Item<'a>]) -> Result<Self> {
        // Relaxed: an old value leads to another refusal.
        let polls =
            items.len() > futex::MOST || (items.len() > 1 && REFUSED.load(Ordering::Relaxed));
        let bell = if polls { Some(thread::bell()?) } else { None };
        let waiters = items.iter().map(|_| Arc::new(Waiter::new(bell.clone())));
        // The same one several times must not count several times against the limit of `ppoll`.
        let mut known = HashSet::new();
        let silent = items.iter().map(|item| !known.insert(item.subject.id()));
        Ok(Self {
            waiters: waiters.collect(),
            before: Vec::new(),
            enrolled: Vec::with_capacity(items.len()),
            silent: silent.collect(),
            items,
            bell,
        })
    }

    /// Polls from now on. To be followed by [`until_told`](Self::until_told), which enrolls the new
    /// waiters; the old ones leave with them, so that no moment is missed in between.
    fn change_manner(&mut self) -> Result<()> {
        let bell = thread::bell()?;
        let waiters = self
            .items
            .iter()
            .map(|_| Arc::new(Waiter::new(Some(bell.clone()))));
        let waiters = waiters.collect();
        self.before = std::mem::replace(&mut self.waiters, waiters);
        self.bell = Some(bell);
        Ok(())
    }

    /// Sleeps until one of the waiters was told something, or until `deadline`.
    fn until_told(&mut self, deadline: Deadline, is_current: &dyn Fn(usize) -> bool) -> Result<()> {
        self.enroll(is_current)?;
        for item in &*self.items {
            item.subject.prepare_sleep()?;
        }
        loop {
            // Before the look: whatever happens after it changes one of the counts.
            let counts = self.items.iter().map(|item| {
                let events = item.subject.events();
                // ORDERING(waiters-taken): Acquire; pairs with the Release of whoever raises it: the
                // look finds out that nobody knows of us any more.
                (events, events.load(Ordering::Acquire))
            });
            let counts: Vec<_> = counts.collect();
            self.items.iter().for_each(|item| item.subject.look());
            if self.is_told() {
                return Ok(());
            }
            let wake = match (&self.bell, &counts[..]) {
                (Some(_), _) => self.poll(deadline)?,
                // For nothing but the deadline.
                (None, []) => futex::wait(&AtomicU32::new(0), 0, deadline),
                (None, [(events, count)]) => futex::wait(events, *count, deadline),
                (None, counts) => {
                    futex::wait_any(counts, deadline).map_err(|e| Error::os(FUTEX_WAITV, e))?
                }
            };
            if wake == Wake::TimedOut {
                self.items.iter().for_each(|item| item.subject.look());
                return Ok(());
            }
        }
    }

    fn enroll(&mut self, is_current: &dyn Fn(usize) -> bool) -> Result<()> {
        for (i, (item, waiter)) in self.items.iter().zip(&self.waiters).enumerate() {
            let sink = Sink::Thread(Arc::clone(waiter));
            let observer = Observer::new(item.handle, item.wanted, false, sink);
            let id = observer.id;
            match item.subject.enroll(observer) {
                Ok(()) => self.enrolled.push(id),
                // Closed since the first look; so is the handle.
                Err(Error::PeerClosed) => self.cancel(i),
                Err(error) => return Err(error),
            }
            if let Some(outcome) = self.before.get(i).and_then(|waiter| waiter.outcome()) {
                waiter.finish(outcome);
            }
            if !is_current(i) {
                self.cancel(i);
            }
        }
        Ok(())
    }

    fn cancel(&self, i: usize) {
        let signals = self.items[i].subject.signals().unwrap_or_default();
        self.waiters[i].finish(Outcome::Cancelled(signals | Signals::HANDLE_CLOSED));
    }

    fn is_told(&self) -> bool {
        self.waiters.iter().any(|waiter| waiter.outcome().is_some())
    }

    /// Polls once.
    fn poll(&mut self, deadline: Deadline) -> Result<Wake> {
        let bell = self.bell.as_ref().expect("only who has one polls");
        let mut polled = Vec::with_capacity(self.items.len());
        let mut fds = vec![PollFd::new(thread::descriptor(bell), PollFlags::POLLIN)];
        for (i, item) in self.items.iter().enumerate() {
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
        let readable = |fd: &PollFd<'_>| fd.any() == Some(true);
        let rung: Vec<_> = fds[1..].iter().map(readable).collect();
        for (i, _) in polled.iter().zip(rung).filter(|(_, rung)| *rung) {
            self.silent[*i] = self.items[*i].subject.acknowledge();
        }
        Ok(if deadline.has_passed() {
            Wake::TimedOut
        } else {
            Wake::Woken
        })
    }

    /// Leaves the lists of observers.
    fn leave(&mut self) {
        let enrolled = std::mem::take(&mut self.enrolled);
        for item in &*self.items {
            let own = |observer: &Observer| enrolled.contains(&observer.id);
            item.subject.withdraw(&own, Withdrawal::GaveUp);
        }
    }

    fn finish(mut self) -> Result<End> {
        self.leave();
        let mut end = End::TimedOut;
        for (item, waiter) in self.items.iter_mut().zip(&self.waiters) {
            match waiter.outcome() {
                None => item.pending = item.subject.signals()?,
                Some(Outcome::Met(signals)) => {
                    item.pending = signals;
                    if end == End::TimedOut {
                        end = End::Met;
                    }
                }
                Some(Outcome::Cancelled(signals)) => {
                    item.pending = signals;
                    end = End::Cancelled;
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
