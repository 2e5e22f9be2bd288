//! Events: signals without anything else.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use super::handle;
use super::object::{Content, Object};
use super::status::{Result, Status};
use super::types::*;
use crate::error;
use crate::observe::{self, Compare, List, Observer, Observers, Outlet, Subject, Withdrawal};
use crate::rights::Rights;
use crate::signals::Signals;
use crate::sys::{fork, futex, koid};

/// An object of type `ZX_OBJ_TYPE_EVENT`.
#[derive(Debug)]
pub(super) struct Event(Arc<Core>);

impl Event {
    fn new() -> Self {
        Self(Arc::new_cyclic(|this: &Weak<Core>| Core {
            this: this.clone(),
            id: observe::new_id(),
            koid: koid::new(),
            signals: AtomicU32::new(0),
            events: AtomicU32::new(0),
            observers: Observers::new(State::default()),
            generation: fork::generation(),
        }))
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.0
    }
}

#[derive(Debug)]
pub(super) struct Core {
    this: Weak<Core>,
    id: u64,
    koid: u64,
    /// Changes under the observers' lock.
    signals: AtomicU32,
    /// The futex of threads that wait.
    events: AtomicU32,
    observers: Observers<State>,
    generation: u32,
}

/// The signals of an event. Nothing goes on without a look.
#[derive(Clone, Copy, Debug, Default)]
struct State(Signals);

impl Compare for State {
    type Armed = ();

    fn signals(&self) -> Signals {
        self.0
    }

    fn risen_since(&self, before: &Self) -> Signals {
        self.0 - before.0
    }
}

impl Core {
    /// The identity of the object.
    pub(super) fn koid(&self) -> u64 {
        self.koid
    }

    fn state(&self) -> State {
        // ORDERING(event-signals): Acquire; pairs with the Release in `signal`: who sees a signal
        // sees what was done before it was set.
        State(Signals::from_bits_retain(
            self.signals.load(Ordering::Acquire),
        ))
    }

    /// Does something under the observers' lock, and wakes whom that concerns.
    fn with_observers<T>(&self, f: impl FnOnce(&mut List<State>) -> T) -> T {
        let mut list = self.observers.lock();
        let result = f(&mut list);
        let release = list.take_release();
        drop(list);
        if release {
            // ORDERING(waiters-taken): Release; pairs with the Acquire of who goes to sleep and then
            // looks, without the lock, whether it was told.
            self.events.fetch_add(1, Ordering::Release);
            futex::wake_all(&self.events);
        }
        result
    }

    /// # Errors
    /// [`Error::Forked`](error::Error::Forked): the event and its observers are the parent's.
    fn check_forked(&self) -> error::Result<()> {
        if self.generation == fork::generation() {
            Ok(())
        } else {
            Err(error::Error::Forked)
        }
    }

    /// Clears and sets signals, at once.
    ///
    /// # Errors
    /// [`Error::Forked`](error::Error::Forked).
    pub(super) fn signal(&self, clear: Signals, set: Signals) -> error::Result<()> {
        self.check_forked()?;
        self.with_observers(|list| {
            let now = (self.state().0 - clear) | set;
            // ORDERING(event-signals): Release; pairs with the Acquire in `state`.
            self.signals.store(now.bits(), Ordering::Release);
            list.look(State(now));
        });
        Ok(())
    }

    /// The last handle is gone.
    pub(super) fn close(&self) {
        if self.check_forked().is_err() {
            return;
        }
        let inboxes = self.with_observers(|list| {
            let now = self.state().0;
            list.withdraw(&|_| true, Withdrawal::Closed, now);
            list.close()
        });
        for inbox in inboxes.iter().filter_map(Weak::upgrade) {
            inbox.forget(self.id, None);
        }
    }
}

impl Subject for Core {
    fn id(&self) -> u64 {
        self.id
    }

    fn signals(&self) -> error::Result<Signals> {
        self.check_forked()?;
        Ok(self.state().0)
    }

    fn look(&self) {}

    fn enroll(&self, observer: Observer) -> error::Result<()> {
        self.check_forked()?;
        self.with_observers(|list| {
            list.check_open()?;
            if let Outlet::Port(registration) = &observer.outlet {
                registration.inbox.watch(self.id, self.this.clone(), None)?;
                list.remember(&registration.inbox);
            }
            list.add(observer);
            Ok(())
        })
    }

    fn withdraw(&self, which: &dyn Fn(&Observer) -> bool, why: Withdrawal) -> usize {
        if self.check_forked().is_err() {
            return 0;
        }
        let now = self.state().0;
        self.with_observers(|list| list.withdraw(which, why, now))
    }

    fn events(&self) -> &AtomicU32 {
        &self.events
    }

    fn count(&self) -> u32 {
        // ORDERING(waiters-taken): Acquire; pairs with the Release in `with_observers`.
        self.events.load(Ordering::Acquire)
    }

    /// Nobody outside of this process can signal an event.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn acknowledge(&self) -> bool {
        false
    }

    fn prepare_sleep(&self) -> error::Result<()> {
        Ok(())
    }

    fn check_peer(&self) {}
}

/// Makes an event, which has no signals on, and a handle to it.
///
/// Like [`zx_event_create`](https://fuchsia.dev/reference/syscalls/event_create).
///
/// # Errors
/// `INVALID_ARGS` for any options; `NO_MEMORY` if there are too many handles.
pub fn zx_event_create(options: u32) -> Result<zx_handle_t> {
    if options != 0 {
        return Err(Status::INVALID_ARGS);
    }
    fork::install();
    let rights = Rights::from_bits_retain(ZX_DEFAULT_EVENT_RIGHTS);
    handle::insert(Object::new(Content::Event(Event::new())), rights)
}
