//! Two endpoints, as the socket layer would put them together.
//!
//! What threads share is counted by `Rc`: loom runs all threads of a model on one,
//! and who drops what when is no part of the protocol.

use std::ops::Deref;
use std::rc::Rc;

use zocket::protocol::events::{self, Interest};
use zocket::protocol::signals::{self, State};
use zocket::protocol::{
    self, Deadline, Memory, Notify, Park, Reader, Role, Spinner, Step, Wake, Word32, Writer, waiter,
};
use zocket::{Disposition, Kind, Result, Signals};

use crate::doorbell::Doorbell;
use crate::fences::Fences;
use crate::memory::LoomMemory;
use crate::rules::Rules;
use crate::trace::{self, Event};

/// One direction as one endpoint holds it: the memory and the peer's doorbell.
#[derive(Clone, Debug)]
pub struct Lane {
    memory: Rc<LoomMemory>,
    /// The direction that the peer consumes, where its count of events is.
    peers: Rc<LoomMemory>,
    peer: Rc<Doorbell>,
    kind: Kind,
    capacity: usize,
}

impl Lane {
    /// The producing end.
    pub fn writer(&self) -> Writer<Self> {
        Writer::attach(self.clone(), self.kind, self.capacity).expect("the positions are sound")
    }

    /// The consuming end.
    pub fn reader(&self) -> Reader<Self> {
        Reader::attach(self.clone(), self.kind, self.capacity).expect("the positions are sound")
    }

    /// Disables writing, called by the endpoint that has `role` here.
    pub fn disable(&self, role: Role) {
        protocol::disable(self, role);
    }
}

impl Deref for Lane {
    type Target = LoomMemory;

    fn deref(&self) -> &LoomMemory {
        &self.memory
    }
}

impl Notify for Lane {
    fn ring(&self) {
        if !std::thread::panicking() {
            self.peer.ring();
            trace::record(Event::Ring);
        }
    }

    fn alert(&self, bits: u32) {
        if bits & waiter::EVENT != 0 {
            events::alert_own(&*self.peers);
        }
        if bits & waiter::EVENT_BELL != 0 {
            self.ring();
        }
    }
}

impl Park for Lane {
    /// A deadline, whichever it is, passes at once: time is another thing that
    /// may happen at any moment, and this is the earliest.
    fn sleep(&self, word: Word32, expected: u32, deadline: Deadline) -> Result<Wake> {
        if deadline != Deadline::NEVER {
            return Ok(Wake::TimedOut);
        }
        self.memory.sleep(word, expected);
        Ok(Wake::Woken)
    }

    fn relax(&self) {
        loom::thread::yield_now();
    }
}

/// One of two endpoints.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The direction that this endpoint writes.
    pub outgoing: Lane,
    /// The direction that this endpoint reads.
    pub incoming: Lane,
    /// The descriptor that this endpoint polls.
    pub doorbell: Rc<Doorbell>,
}

impl Endpoint {
    /// Two endpoints, with directions that hold `capacity` bytes, and whose
    /// positions begin at `start`.
    pub fn pair(rules: Rules, kind: Kind, capacity: usize, start: u64) -> (Self, Self) {
        let fences = Rc::new(Fences::new(rules.fencing));
        let memory = || {
            let fences = Rc::clone(&fences);
            Rc::new(LoomMemory::new(rules, fences, kind, capacity, start))
        };
        let memories = [memory(), memory()];
        let doorbells = [Rc::new(Doorbell::new()), Rc::new(Doorbell::new())];
        let endpoint = |own: usize| {
            let lane = |direction: usize| Lane {
                memory: Rc::clone(&memories[direction]),
                peers: Rc::clone(&memories[own]),
                peer: Rc::clone(&doorbells[1 - own]),
                kind,
                capacity,
            };
            Self {
                outgoing: lane(own),
                incoming: lane(1 - own),
                doorbell: Rc::clone(&doorbells[own]),
            }
        };
        (endpoint(0), endpoint(1))
    }

    /// The two ends of a single direction: who writes, who reads.
    pub fn one_way(rules: Rules, kind: Kind, capacity: usize, start: u64) -> (Lane, Lane) {
        let fences = Rc::new(Fences::new(rules.fencing));
        let memory = Rc::new(LoomMemory::new(rules, fences, kind, capacity, start));
        let lane = || Lane {
            memory: Rc::clone(&memory),
            // Nobody waits for signals of half an endpoint.
            peers: Rc::clone(&memory),
            peer: Rc::new(Doorbell::new()),
            kind,
            capacity,
        };
        (lane(), lane())
    }

    /// Closes this endpoint.
    pub fn close(&self) {
        protocol::close(&self.outgoing, &self.incoming);
    }

    /// What its signals are made of.
    pub fn state(&self) -> State {
        let capacity = self.incoming.capacity as u64;
        State::load(&self.outgoing, &self.incoming, capacity)
    }

    /// Says of both ends' writes whether they are let in.
    ///
    /// # Errors
    /// If that is refused.
    pub fn set_disposition(&self, own: Disposition, peer: Disposition) -> Result<()> {
        protocol::set_disposition(&self.outgoing, &self.incoming, own, peer)
    }

    /// Clears and sets user signals of the peer.
    pub fn signal_peer(&self, clear: Signals, set: Signals) {
        events::signal_peer(&self.outgoing, clear, set);
    }

    /// From when on a wait counts what goes on and off again.
    pub fn begin(&self) -> State {
        let state = self.state();
        signals::take_traces(&*self.incoming, state.traces());
        state
    }

    /// Sleeps until any of `wanted` is on, or was on for a moment since `before`; returns
    /// all that were.
    ///
    /// What a thread does that is the only observer of its endpoint, without the lock that
    /// several would need.
    pub fn wait(&self, before: State, wanted: Signals) -> Signals {
        self.watch(before, wanted, waiter::EVENT, |count| {
            self.incoming.memory.sleep(Word32::Events, count);
        })
    }

    /// Polls the doorbell until any of `wanted` is on, or was on for a moment since `before`.
    pub fn poll(&self, before: State, wanted: Signals) -> Signals {
        self.watch(before, wanted, waiter::EVENT_BELL, |_| {
            self.doorbell.poll();
        })
    }

    fn watch(&self, mut before: State, wanted: Signals, how: u32, sleep: impl Fn(u32)) -> Signals {
        let capacity = self.incoming.capacity as u64;
        loop {
            let count = events::count(&*self.incoming);
            let interest = Interest::new(how, wanted, &before);
            events::arm(&self.outgoing, &self.incoming, interest).expect("fences are allowed");
            if self.incoming.performs(Step::CheckAfterArm)
                && let Some(on) = self.look(&mut before, wanted)
            {
                return on;
            }
            events::before_sleep(&self.incoming, interest, &before, capacity);
            sleep(count);
            if let Some(on) = self.look(&mut before, wanted) {
                return on;
            }
        }
    }

    /// Looks once; all signals, if one is among them that is wanted.
    fn look(&self, before: &mut State, wanted: Signals) -> Option<Signals> {
        let now = self.begin();
        let on = now.signals() | now.risen_since(before);
        *before = now;
        on.intersects(wanted).then(|| {
            events::disarm(&*self.outgoing, &*self.incoming);
            on
        })
    }

    /// What the watcher does in this endpoint's process when the kernel says
    /// that the peer is gone.
    pub fn hang_up(&self) {
        protocol::hang_up(&*self.outgoing, &*self.incoming);
    }
}

/// Waiting as the models do it: without looking first, which would only repeat
/// states, and without end.
pub(crate) fn sleeping() -> (Spinner, Deadline) {
    (Spinner::disabled(), Deadline::NEVER)
}

/// The waits of a writer in a model.
pub trait WriterExt {
    /// Sleeps until `least` bytes are free or writing is over.
    fn sleep(&mut self, least: usize);
    /// Sleeps until a useful part of `len` bytes is free or writing is over.
    fn sleep_softly(&mut self, len: usize);
    /// Writes as the socket layer does, which tries first what costs little.
    ///
    /// # Errors
    /// As [`Writer::write`].
    fn put(&mut self, bytes: &[u8]) -> Result<usize>;
}

impl<M: Park> WriterExt for Writer<M> {
    fn sleep(&mut self, least: usize) {
        let (mut spinner, never) = sleeping();
        self.wait(least, &mut spinner, never)
            .expect("nothing ends a wait but its condition");
    }

    fn sleep_softly(&mut self, len: usize) {
        let (mut spinner, never) = sleeping();
        self.wait_some(len, &mut spinner, never)
            .expect("nothing ends a wait but its condition");
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.write_at_once(bytes) {
            return Ok(bytes.len());
        }
        self.write(bytes)
    }
}

/// The waits of a reader in a model.
pub trait ReaderExt {
    /// Sleeps until `least` bytes are queued or no more will be.
    fn sleep(&mut self, least: usize);
    /// Reads as the socket layer does, which tries first what costs little.
    ///
    /// # Errors
    /// As [`Reader::read`].
    fn get(&mut self, buf: &mut [u8]) -> Result<usize>;
}

impl<M: Park> ReaderExt for Reader<M> {
    fn sleep(&mut self, least: usize) {
        let (mut spinner, never) = sleeping();
        self.wait(least, &mut spinner, never)
            .expect("nothing ends a wait but its condition");
    }

    fn get(&mut self, buf: &mut [u8]) -> Result<usize> {
        match self.read_cheaply(buf) {
            Some(len) => Ok(len),
            None => self.read(buf),
        }
    }
}
