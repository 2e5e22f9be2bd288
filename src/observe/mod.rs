//! Who waits for signals in this process, and what happens when they come.
//!
//! A [`Subject`] is what can be waited on: an endpoint, or an event. It keeps a list of
//! observers: threads that sleep in a wait, and registrations of ports. All
//! of them live in this process, the one that owns the subject. Whenever the state may
//! have changed, somebody has the subject *looked at* ([`Subject::look`]): whoever changed it, if that
//! happened in this process; else a sleeper that was woken, or a port whose descriptor became
//! readable. The look is made under the list's lock, compares with the look before,
//! and serves every observer whose condition was met since, in the order in which they came.
//!
//! So an observer is served once, with the signals of the moment; a signal that went
//! on and off again between two looks counts, since a state tells what has
//! risen since another.

mod sleep;
mod thread;

pub(crate) use sleep::{Ended, Item, wait_any};
pub(crate) use thread::{Outcome, Sleeper};

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use nix::time::ClockId;

use crate::error::{Error, Result};
use crate::signals::Signals;
use crate::sys::deadline;

/// What can be waited on.
pub(crate) trait Subject: fmt::Debug + Send + Sync {
    /// Tells it from all other subjects of this process. Not the koid of an endpoint, which stands
    /// in the shared memory: whoever made that may have written another one's there.
    fn id(&self) -> u64;

    /// The signals that are on, without a system call.
    ///
    /// # Errors
    /// [`Error::Forked`].
    fn signals(&self) -> Result<Signals>;

    /// Compares the state with the last look, and serves the observers.
    fn look(&self);

    /// Adds an observer, or serves it at once.
    ///
    /// # Errors
    /// [`Error::Forked`], or what the system refused; nobody was added then.
    fn enroll(&self, observer: Observer) -> Result<()>;

    /// Removes observers.
    fn withdraw(&self, which: &dyn Fn(&Observer) -> bool, why: Withdrawal) -> usize;

    /// The futex of threads that wait for signals: a count of events.
    fn events(&self) -> &AtomicU32;

    /// How many events there were, to be read before a look: whatever happens after that
    /// look raises it.
    fn count(&self) -> u32;

    /// The descriptor that becomes readable when a look is due, if somebody outside of this
    /// process can bring that about.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// Takes what made the descriptor readable; says whether it will never be so again.
    fn acknowledge(&self) -> bool;

    /// Comes before a sleep: the peer's death must end it.
    ///
    /// # Errors
    /// What the system refused; nobody may sleep then.
    fn prepare_sleep(&self) -> Result<()>;

    /// Asks the kernel whether the peer is gone, unless that would be noticed anyway.
    fn check_peer(&self);
}

/// A number that nothing else in this process has; never 0.
pub(crate) fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: unique is all it must be.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Why observers are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withdrawal {
    /// They themselves want no more.
    GaveUp,
    /// What they hold on to is closed.
    Closed,
}

/// One who waits for signals.
#[derive(Debug)]
pub(crate) struct Observer {
    /// Tells it from others.
    pub(crate) id: u64,
    /// The handle through which it waits, or 0.
    pub(crate) handle: u32,
    /// Any of these is enough.
    pub(crate) wanted: Signals,
    /// Only when some signal goes on, rather than at once.
    pub(crate) edge: bool,
    pub(crate) outlet: Outlet,
}

/// Where an observer is told.
#[derive(Debug)]
pub(crate) enum Outlet {
    Thread(Arc<Sleeper>),
    Port(Registration),
}

/// What a port is to hear of.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) inbox: Arc<dyn Inbox>,
    /// The subject, by its [`id`](Subject::id).
    pub(crate) source: u64,
    pub(crate) key: u64,
    pub(crate) clock: Option<ClockId>,
}

/// Where a port takes what its registrations deliver.
pub(crate) trait Inbox: fmt::Debug + Send + Sync {
    fn deliver(&self, notice: Notice);

    /// Watches the descriptor of a subject, as long as it is not told to [`forget`](Self::forget) it.
    ///
    /// # Errors
    /// [`Error::Os`].
    fn watch(
        &self,
        id: u64,
        subject: Weak<dyn Subject>,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<()>;

    /// Watches the descriptor of this subject no longer.
    fn forget(&self, id: u64, descriptor: Option<BorrowedFd<'_>>);
}

/// What a registration delivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    /// The subject, by its [`id`](Subject::id).
    pub(crate) source: u64,
    /// The handle that the registration was made with, or 0.
    pub(crate) handle: u32,
    pub(crate) key: u64,
    pub(crate) wanted: Signals,
    pub(crate) observed: Signals,
    /// When, in nanoseconds; 0 if nobody asked.
    pub(crate) timestamp: i64,
}

impl Registration {
    fn deliver(&self, handle: u32, wanted: Signals, observed: Signals) {
        self.inbox.deliver(Notice {
            source: self.source,
            handle,
            key: self.key,
            wanted,
            observed,
            timestamp: self.clock.map_or(0, deadline::now),
        });
    }
}

impl Observer {
    /// An observer with an identity of its own.
    pub(crate) fn new(handle: u32, wanted: Signals, edge: bool, outlet: Outlet) -> Self {
        Self {
            id: new_id(),
            handle,
            wanted,
            edge,
            outlet,
        }
    }

    fn is_due(&self, on: Signals, risen: Signals) -> bool {
        on.intersects(self.wanted) && (!self.edge || !risen.is_empty())
    }

    /// Tells it; says whether a thread has to be woken by the subject's futex.
    fn serve(&self, observed: Signals) -> bool {
        match &self.outlet {
            Outlet::Thread(sleeper) => sleeper.finish(Outcome::Met(observed)),
            Outlet::Port(registration) => {
                registration.deliver(self.handle, self.wanted, observed);
                false
            }
        }
    }
}

/// A state that can be compared with an earlier one.
pub(crate) trait Compare: Copy {
    /// What a subject with such states announces to those outside of this process who may
    /// change them; the default is nothing.
    type Armed: fmt::Debug + Default;

    fn signals(&self) -> Signals;
    fn risen_since(&self, before: &Self) -> Signals;
}

/// The observers of one subject.
#[derive(Debug)]
pub(crate) struct Observers<S: Compare>(Mutex<List<S>>);

/// The observers, and the last look.
#[derive(Debug)]
pub(crate) struct List<S: Compare> {
    before: S,
    observers: Vec<Observer>,
    /// What was last announced. The subject's own, which changes under this lock.
    pub(crate) armed: S::Armed,
    /// Ports that watch the subject's descriptor, or did.
    inboxes: Vec<Weak<dyn Inbox>>,
    /// A thread was served that sleeps on the subject's futex.
    release: bool,
    /// The subject is closed, or lives on elsewhere: nobody is added any more.
    closed: bool,
}

/// How the observers of a subject want to be told, and of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    /// Some sleep on the subject's futex.
    pub(crate) futex: bool,
    /// Some poll the subject's descriptor.
    pub(crate) descriptor: bool,
    pub(crate) signals: Signals,
}

impl<S: Compare> Observers<S> {
    pub(crate) fn new(state: S) -> Self {
        Self(Mutex::new(List {
            before: state,
            observers: Vec::new(),
            armed: S::Armed::default(),
            inboxes: Vec::new(),
            release: false,
            closed: false,
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, List<S>> {
        // Nothing here panics halfway. The caller's own code may, which runs under the lock where
        // bytes are copied; it does not touch the list.
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl<S: Compare> List<S> {
    pub(crate) fn is_empty(&self) -> bool {
        self.observers.is_empty()
    }

    pub(crate) fn wishes(&self) -> Wishes {
        let mut wishes = Wishes {
            futex: false,
            descriptor: false,
            signals: Signals::empty(),
        };
        for observer in &self.observers {
            match &observer.outlet {
                Outlet::Thread(sleeper) if !sleeper.polls() => wishes.futex = true,
                Outlet::Thread(_) | Outlet::Port(_) => wishes.descriptor = true,
            }
            wishes.signals |= if observer.edge {
                Signals::all()
            } else {
                observer.wanted
            };
        }
        wishes
    }

    /// The last look.
    pub(crate) fn before(&self) -> &S {
        &self.before
    }

    /// Serves everybody whose condition was met since the last look.
    pub(crate) fn look(&mut self, now: S) {
        let risen = now.risen_since(&self.before);
        self.before = now;
        // Nearly always nobody is due.
        let on = now.signals() | risen;
        let mut release = false;
        self.observers.retain(|observer| {
            let due = observer.is_due(on, risen);
            if due {
                release |= observer.serve(on);
            }
            !due
        });
        self.release |= release;
    }

    /// Notes a state in which nobody needs to be told what went off.
    pub(crate) fn note(&mut self, now: S) {
        self.before = now;
    }

    /// # Errors
    /// [`Error::PeerClosed`] if the subject itself is closed, or lives on elsewhere.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed {
            Err(Error::PeerClosed)
        } else {
            Ok(())
        }
    }

    /// Adds an observer, after a look, or serves it at once. Only while the list
    /// [is open](Self::check_open).
    pub(crate) fn add(&mut self, observer: Observer) {
        debug_assert!(!self.closed);
        let on = self.before.signals();
        if !observer.edge && observer.is_due(on, on) {
            self.release |= observer.serve(on);
        } else {
            self.observers.push(observer);
        }
    }

    /// Removes observers; threads are told if that was not their own wish.
    pub(crate) fn withdraw(
        &mut self,
        which: &dyn Fn(&Observer) -> bool,
        why: Withdrawal,
        now: Signals,
    ) -> usize {
        let before = self.observers.len();
        let mut release = false;
        self.observers.retain(|observer| {
            let leaves = which(observer);
            if leaves
                && why == Withdrawal::Closed
                && let Outlet::Thread(sleeper) = &observer.outlet
            {
                release |= sleeper.finish(Outcome::Cancelled(now | Signals::HANDLE_CLOSED));
            }
            !leaves
        });
        self.release |= release;
        before - self.observers.len()
    }

    /// Tells every thread that it cannot be told any more. Registrations of ports stay, and are
    /// told nothing: the next look tries anew to announce them.
    pub(crate) fn fail(&mut self, error: Error) {
        let mut release = false;
        self.observers.retain(|observer| match &observer.outlet {
            Outlet::Thread(sleeper) => {
                release |= sleeper.finish(Outcome::Failed(error));
                false
            }
            Outlet::Port(_) => true,
        });
        self.release |= release;
    }

    /// Notes that a port watches the subject, which has to be told when it is closed.
    pub(crate) fn remember(&mut self, inbox: &Arc<dyn Inbox>) {
        let inbox = Arc::downgrade(inbox);
        if !self.inboxes.iter().any(|known| known.ptr_eq(&inbox)) {
            self.inboxes.retain(|known| known.strong_count() > 0);
            self.inboxes.push(inbox);
        }
    }

    /// Whether nobody is added any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Nobody is added any more. Returns the ports that may watch the descriptor.
    pub(crate) fn close(&mut self) -> Vec<Weak<dyn Inbox>> {
        self.closed = true;
        std::mem::take(&mut self.inboxes)
    }

    /// Undoes [`close`](Self::close).
    pub(crate) fn reopen(&mut self) {
        self.closed = false;
    }

    /// Whether the subject's futex must be woken, asked once.
    pub(crate) fn take_release(&mut self) -> bool {
        std::mem::take(&mut self.release)
    }
}
