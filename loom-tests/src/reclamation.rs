//! Freeing what others may be looking at, modelled after what `crossbeam-epoch`
//! promises.
//!
//! Pinning, unpinning and retiring are put into one order. A value is freed when
//! nobody is pinned any longer who was when it was retired. Whoever pins later sees
//! that it was taken away before, so cannot find it: the pin acquires what
//! retirements before it released. The one who frees acquires what all whom it waited
//! for released when they unpinned. Nothing else synchronises: a pin does not
//! see what was done under an earlier one.
//!
//! Nothing is really freed before the execution ends, so that a use after it is a
//! report and not a crash. A [`Life`] goes with each value: whoever finds the
//! value reads a cell in it, whoever frees it writes that cell, and a pin checks at its
//! end that what was found under it was still alive.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::mem;
use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use zocket::protocol::local::Step;

use crate::claim;
use crate::fences::atomically;
use crate::rules::Rules;
use crate::trace::{self, Local, unwinding};

/// Whether a value is alive, and who made, found and freed it.
#[derive(Debug)]
pub(crate) struct Life {
    touched: UnsafeCell<()>,
    freed: Cell<bool>,
}

impl Life {
    /// Begins here.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            touched: UnsafeCell::new(()),
            freed: Cell::new(false),
        })
    }

    /// Somebody uses the value.
    pub(crate) fn touch(&self) {
        claim!(!self.freed.get(), "used when it was freed");
        self.touched.with(|_| ());
    }

    fn end(&self) {
        claim!(!self.freed.replace(true), "freed twice");
        self.touched.with_mut(|_| ());
        trace::record(Local::Free);
    }
}

/// Who is pinned, and what waits for whom.
#[derive(Debug)]
pub(crate) struct Reclamation {
    rules: Rules,
    /// Its modification order is the order of pins, unpins and retirements.
    order: AtomicUsize,
    /// Carries what was done under each pin to the one who frees.
    left: AtomicUsize,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    freed: usize,
    pins: usize,
    pinned: BTreeSet<usize>,
    retired: Vec<Retired>,
}

#[derive(Debug)]
struct Retired {
    life: Rc<Life>,
    awaits: BTreeSet<usize>,
}

impl Reclamation {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            order: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            state: RefCell::default(),
        }
    }

    /// How many values were freed.
    pub(crate) fn freed(&self) -> usize {
        self.state.borrow().freed
    }

    /// Pins; returns the pin's number.
    fn pin(&self) -> usize {
        self.order.fetch_add(0, Ordering::Acquire);
        trace::record(Local::Pin);
        let mut state = self.state.borrow_mut();
        state.pins += 1;
        let number = state.pins;
        state.pinned.insert(number);
        number
    }

    fn unpin(&self, number: usize) {
        self.order.fetch_add(0, Ordering::Relaxed);
        atomically(|| self.left.fetch_add(0, Ordering::Release));
        trace::record(Local::Unpin);
        let ended = self.state.borrow_mut().unpin(number);
        if !ended.is_empty() {
            atomically(|| self.order.fetch_add(0, Ordering::Acquire));
            atomically(|| self.left.fetch_add(0, Ordering::Acquire));
        }
        ended.iter().for_each(|life| life.end());
    }

    /// Frees what was just taken away under pin `own`, when nobody can be looking at it.
    fn retire(&self, life: &Rc<Life>, own: usize) {
        self.order.fetch_add(0, Ordering::Release);
        let mut state = self.state.borrow_mut();
        let awaits = if self.rules.performs(Step::AwaitPinned) {
            state.pinned.clone()
        } else {
            BTreeSet::from([own])
        };
        let life = Rc::clone(life);
        state.retired.push(Retired { life, awaits });
    }
}

impl State {
    /// Returns what nobody is waited for any longer.
    fn unpin(&mut self, number: usize) -> Vec<Rc<Life>> {
        self.pinned.remove(&number);
        let mut ended = Vec::new();
        for mut retired in mem::take(&mut self.retired) {
            retired.awaits.remove(&number);
            if retired.awaits.is_empty() {
                ended.push(retired.life);
            } else {
                self.retired.push(retired);
            }
        }
        self.freed += ended.len();
        ended
    }
}

/// Being pinned.
#[derive(Debug)]
pub struct LoomPin {
    reclamation: Rc<Reclamation>,
    number: usize,
    found: RefCell<Vec<Rc<Life>>>,
}

impl LoomPin {
    pub(crate) fn new(reclamation: Rc<Reclamation>) -> Self {
        let number = reclamation.pin();
        Self {
            reclamation,
            number,
            found: RefCell::default(),
        }
    }

    /// A value was found, and may be used until the pin's end.
    pub(crate) fn find(&self, life: &Rc<Life>) {
        life.touch();
        self.found.borrow_mut().push(Rc::clone(life));
    }

    /// A value was taken away, and is to be freed.
    pub(crate) fn retire(&self, life: &Rc<Life>) {
        self.reclamation.retire(life, self.number);
    }
}

impl Drop for LoomPin {
    fn drop(&mut self) {
        if !unwinding() {
            self.found.borrow().iter().for_each(|life| life.touch());
            self.reclamation.unpin(self.number);
        }
    }
}
