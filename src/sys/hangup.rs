//! The hang-up watcher: wakes futex sleepers whose peer was killed.
//!
//! A futex sleeper cannot wait for a descriptor at the same time. So a process in
//! which a thread has slept on an endpoint has one parked thread that waits for the
//! doorbells of such endpoints to show a hang-up; then it does for the dead peer
//! what its `Drop` would have done. It wakes for nothing else.
//!
//! # Who keeps what alive
//!
//! The registry is the kernel's own: the interest list of an epoll, with the
//! address of a [`Watched`] as each entry's data. Dropping an endpoint takes its
//! entry off the list and never waits for the thread, which may have fetched the
//! address already. So the address is handed to `crossbeam-epoch` for
//! destruction, and the thread fetches events **only while pinned**: it sleeps on a
//! second epoll, the alarm, which watches the list; pins; fetches from the list
//! without waiting; acts; unpins. (Not in `poll`, which a process with a limit of no
//! descriptors is refused.)
//!
//! An address fetched while pinned was on the list then; its removal, and hence
//! its `defer_destroy`, came after the pin; so it is not freed before the unpin.
//! The region that it keeps mapped is not unmapped either.

#![allow(unsafe_code, reason = "addresses travel through epoll")]

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam_epoch::{self as epoch, Owned, Shared};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, SigmaskHow};

use super::fork;
use crate::error::{Error, Result};

/// What happens when the peer of a watched endpoint is gone.
pub(crate) trait OnHangUp: Send + Sync {
    /// Called once, on the watcher's thread; must not block.
    fn hang_up(&self);
}

/// An entry of the interest list.
struct Watched(Box<dyn OnHangUp>);

/// An endpoint's place on the interest list.
#[derive(Debug)]
pub(crate) struct Watch {
    watched: AtomicPtr<Watched>,
    epoll: Arc<Epoll>,
    /// The process, by its fork generation, that made the entry.
    generation: u32,
}

/// The process's epoll, once its thread runs, and its fork generation.
static WATCHER: Mutex<Option<(u32, Arc<Epoll>)>> = Mutex::new(None);

/// Whether the watcher's thread had to give up.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether sleepers are woken when their peers die.
///
/// # Errors
/// [`Error::Os`] if the thread had to give up; then nobody may go to sleep.
pub(crate) fn check() -> Result<()> {
    // Relaxed: a value of its own that orders nothing.
    if REFUSED.load(Ordering::Relaxed) {
        return Err(Error::os("epoll_wait", Errno::EPERM));
    }
    Ok(())
}

/// Events fetched at once.
const BATCH: usize = 64;

impl Watch {
    /// Calls `on_hang_up` once the other end of `doorbell` is gone, be that already
    /// so, until [`cancel`](Self::cancel).
    ///
    /// # Errors
    /// If the thread cannot be started or the descriptor not be watched.
    pub(crate) fn start(
        doorbell: BorrowedFd<'_>,
        on_hang_up: impl OnHangUp + 'static,
    ) -> Result<Self> {
        let (generation, epoll) = watcher()?;
        let watched = Owned::new(Watched(Box::new(on_hang_up)));
        // Not pinned any longer: that would keep `destroy`, below, from freeing it soon.
        let watched = watched.into_shared(&epoch::pin()).as_raw().cast_mut();
        // No flags: a hang-up is always reported. Once: it never goes away.
        let event = EpollEvent::new(EpollFlags::EPOLLONESHOT, watched as u64);
        let added = epoll.add(doorbell, event);
        let watch = Self {
            watched: AtomicPtr::new(watched),
            epoll,
            generation,
        };
        match added {
            Ok(()) => Ok(watch),
            Err(errno) => {
                watch.destroy();
                Err(Error::os("epoll_ctl", errno))
            }
        }
    }

    /// Takes the entry for `doorbell` off the list. After a fork, in the child: does
    /// nothing, because the list is the parent's.
    pub(crate) fn cancel(self, doorbell: BorrowedFd<'_>) {
        if self.generation != fork::generation() {
            return;
        }
        // It is on the list: `start` put it there, and `self` goes with it.
        let removed = self.epoll.delete(doorbell);
        debug_assert_eq!(removed, Ok(()));
        // If it could not be taken off, the thread may fetch the address for ever.
        if removed.is_ok() {
            self.destroy();
        }
    }

    /// Frees the entry, which is not on the list, when the thread is done with it.
    fn destroy(self) {
        let watched = self.watched.into_inner();
        let guard = epoch::pin();
        // SAFETY: the address came from `Owned::into_shared` in `start`; it is off the
        // interest list, so nobody can fetch it from now on; whoever fetched it is
        // pinned (see `watch`). `cancel` and `start` consume the `Watch`: once.
        unsafe { guard.defer_destroy(Shared::from(watched.cast_const())) };
        // The entry keeps a mapping alive: have it freed soon, not at the next
        // sixty-fourth entry. Two epochs must pass; each flush may begin one.
        guard.flush();
        drop(guard);
        for _ in 0..2 {
            epoch::pin().flush();
        }
    }
}

/// This process's epoll, with its thread running.
fn watcher() -> Result<(u32, Arc<Epoll>)> {
    let generation = fork::generation();
    // A panic cannot happen inside; a poisoned lock would still be usable.
    let mut current = WATCHER.lock().unwrap_or_else(|e| e.into_inner());
    if let Some((made_in, epoll)) = &*current
        && *made_in == generation
    {
        return Ok((generation, Arc::clone(epoll)));
    }
    let epoll =
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| Error::os("epoll_create1", e))?;
    let epoll = Arc::new(epoll);
    let alarm =
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| Error::os("epoll_create1", e))?;
    alarm
        .add(&epoll.0, EpollEvent::new(EpollFlags::EPOLLIN, 0))
        .map_err(|e| Error::os("epoll_ctl", e))?;
    start_thread(Arc::clone(&epoll), alarm)?;
    *current = Some((generation, Arc::clone(&epoll)));
    Ok((generation, epoll))
}

fn start_thread(list: Arc<Epoll>, alarm: Epoll) -> Result<()> {
    // The thread inherits the mask: the program's signal handlers are not for its stack.
    let before = SigSet::all()
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .map_err(|e| Error::os("pthread_sigmask", e))?;
    let started = thread::Builder::new()
        .name("zocket-hangup".into())
        .stack_size(64 << 10)
        .spawn(move || watch(&list, &alarm))
        .map(drop)
        .map_err(|e| Error::io("clone", &e));
    before
        .thread_set_mask()
        .map_err(|e| Error::os("pthread_sigmask", e))?;
    started
}

/// The watcher's thread.
fn watch(list: &Epoll, alarm: &Epoll) {
    let mut events = [EpollEvent::empty(); BATCH];
    loop {
        match alarm.wait(&mut events[..1], EpollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            // A sandbox was entered that forbids it. Who sleeps from now on is told.
            Err(_) => return REFUSED.store(true, Ordering::Relaxed),
        }
        let _pinned = epoch::pin();
        let count = list.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in &events[..count] {
            let watched = event.data() as *const Watched;
            // SAFETY: the address is that of a live entry at the moment of the fetch,
            // which came after the pin; see "Who keeps what alive".
            unsafe { &*watched }.0.hang_up();
        }
    }
}
