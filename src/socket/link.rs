//! What an endpoint owns: its mapping, its end of the doorbell; whose it is, and how it ends.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
#[cfg(feature = "_async")]
use std::task::Waker;

use super::envelope;
use super::lane::Belled;
use super::owner::Owner;
use super::postponed;
use super::settings::Settings;
use super::trace;
use crate::endpoint::signals::State;
use crate::endpoint::{self, Fill, events, signals};
use crate::error::{Error, Result, Violation};
use crate::layout::{Header, Side};
use crate::mem::mapped::Mapped;
use crate::mem::{Fence, Memory, Role, Site, Word64, waiter};
use crate::observe::{self, Observers};
use crate::rights::Rights;
use crate::signals::{Disposition, Signals};
use crate::sys::doorbell::Doorbell;
use crate::sys::hangup::{OnHangUp, Watch};
use crate::sys::region::Region;

/// An endpoint in use. Shared by its two halves; the last one closes it.
#[derive(Debug)]
pub(crate) struct Link {
    this: Weak<Link>,
    /// Tells it from other subjects.
    pub(super) id: u64,
    side: Side,
    outgoing: Mapped,
    incoming: Mapped,
    doorbell: Doorbell,
    /// Ours alone: the closed bits, which both sides can write, the peer could take back.
    owner: Owner,
    /// What may be done with the endpoint; travels with it.
    rights: Rights,
    /// Who waits for signals.
    pub(crate) observers: Observers<State>,
    /// The other endpoint, as long as it is in this process.
    peer: OnceLock<Weak<Link>>,
    /// Set when the kernel has shown that the peer is gone. Private, unlike the closed
    /// bits, which whoever still has the memory could take back.
    gone: Arc<AtomicBool>,
    /// Set when the endpoint lives on in an envelope, or is closed.
    moved: AtomicBool,
    /// How many halves there are. The last closes the endpoint, whoever else holds on to this
    /// for a moment.
    halves: AtomicU32,
    /// Present from the first wait that sleeps.
    watch: Mutex<Option<Watch>>,
    watched: AtomicBool,
    /// How often this endpoint has woken the peer.
    wake_ups: AtomicU32,
    /// Wakes the tasks that wait at either half.
    #[cfg(feature = "_async")]
    tasks: Mutex<Option<Waker>>,
    pub(crate) settings: Settings,
}

impl Link {
    /// An endpoint over a region and one end of a doorbell.
    pub(crate) fn new(
        side: Side,
        region: Arc<Region>,
        doorbell: Doorbell,
        rights: Rights,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            id: observe::new_id(),
            side,
            outgoing: Mapped::new(Arc::clone(&region), side),
            incoming: Mapped::new(region, side.peer()),
            doorbell,
            owner: Owner::new(),
            rights,
            observers: Observers::new(State::default()),
            peer: OnceLock::new(),
            gone: Arc::new(AtomicBool::new(false)),
            moved: AtomicBool::new(false),
            halves: AtomicU32::new(0),
            watch: Mutex::new(None),
            watched: AtomicBool::new(false),
            wake_ups: AtomicU32::new(0),
            #[cfg(feature = "_async")]
            tasks: Mutex::new(None),
            settings: Settings::new(),
        })
    }

    /// The two endpoints of a new pair.
    pub(crate) fn pair(region: Region, doorbells: (Doorbell, Doorbell)) -> [Arc<Self>; 2] {
        let region = Arc::new(region);
        let link = |side, doorbell| Self::new(side, Arc::clone(&region), doorbell, Rights::SOCKET);
        let (a, b) = (link(Side::A, doorbells.0), link(Side::B, doorbells.1));
        for (one, other) in [(&a, &b), (&b, &a)] {
            let first = one.peer.set(Arc::downgrade(other));
            debug_assert!(first.is_ok());
            trace::made(one.header(), one.side);
        }
        [a, b]
    }

    pub(crate) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.this)
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    pub(crate) fn rights(&self) -> Rights {
        self.rights
    }

    /// The identity of this endpoint and of its peer.
    pub(crate) fn koids(&self) -> (u64, u64) {
        let koids = self.header().koids;
        let side = self.side;
        (koids[side.index()], koids[side.peer().index()])
    }

    /// Payload bytes that each direction holds.
    pub(crate) fn capacity(&self) -> u64 {
        self.header().capacity as u64
    }

    /// The other endpoint, if it is in this process and has not left.
    pub(crate) fn peer_here(&self) -> Option<Arc<Link>> {
        let peer = self.peer.get()?.upgrade()?;
        // What is left of one that lives on elsewhere knows nobody who waits there.
        // ORDERING(moved): Acquire; pairs with the Release in `set_moved`. Who waits elsewhere has
        // armed after that, and looks again; see `wait`.
        (!peer.moved.load(Ordering::Acquire)).then_some(peer)
    }

    pub(crate) fn header(&self) -> &Header {
        self.region().header()
    }

    pub(crate) fn region(&self) -> &Arc<Region> {
        self.outgoing.region()
    }

    pub(crate) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// The direction in which this endpoint has `role`.
    pub(crate) fn direction(&self, role: Role) -> &Mapped {
        match role {
            Role::Producer => &self.outgoing,
            Role::Consumer => &self.incoming,
        }
    }

    /// Bytes that this endpoint has ever written; of an enemy's making, any number. A hint for how to wait.
    pub(crate) fn written(&self) -> u64 {
        // ORDERING: none is needed of a word of our own.
        self.outgoing.load64(Word64::Tail, Site::ObserveTail)
    }

    /// This endpoint has woken the peer.
    pub(super) fn note_wake_up(&self) {
        // Relaxed: a hint, like all that it is compared with.
        self.wake_ups.fetch_add(1, Ordering::Relaxed);
    }

    /// How often this endpoint has woken the peer.
    pub(crate) fn wake_ups(&self) -> u32 {
        self.wake_ups.load(Ordering::Relaxed)
    }

    /// What is queued in the direction in which this endpoint has `role`.
    pub(crate) fn fill(&self, role: Role) -> Fill {
        endpoint::fill(self.direction(role), self.header().capacity as u64)
    }

    /// Whether the peer is known to be closed.
    pub(crate) fn peer_closed(&self) -> bool {
        matches!(self.check_owner(), Err(Error::Protocol(_)))
            || self.is_gone()
            || endpoint::is_closed(&self.incoming, Role::Producer)
    }

    /// Refuses to work in a process that was forked from the owner, and with a peer
    /// that has broken the protocol.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Protocol`].
    pub(crate) fn check_owner(&self) -> Result<()> {
        self.owner.check()
    }

    /// Whether the endpoint works here, and nobody waits for its signals.
    #[inline(always)]
    pub(crate) fn is_unobserved(&self) -> bool {
        self.owner.is_unobserved()
    }

    /// Has operations take note that somebody waits for signals, or nobody any more.
    pub(crate) fn set_observed(&self, observed: bool) {
        self.owner.set_observed(observed);
    }

    /// Changes what the endpoint is set to, and shows observers the change. Under their lock, for two
    /// reasons: so many threads that changed the shared words at once would get in each
    /// other's way, which only the peer may do; and who was under way when the endpoint left finds
    /// out.
    ///
    /// # Errors
    /// [`Error::Forked`], also if the endpoint lives on elsewhere or is closed; those of `f`.
    fn change<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check_forked()?;
        self.with_observers(|list| {
            if list.is_closed() {
                return Err(Error::Forked);
            }
            let result = f();
            if !list.is_empty() {
                // Threads that cannot be told of what is to come have been told that.
                let _ = self.look_and_arm(list);
            }
            result
        })
    }

    /// Says of the writes of both ends whether they are let in.
    ///
    /// # Errors
    /// [`Error::UnreadData`]; [`Error::Forked`].
    pub(crate) fn set_disposition(&self, own: Disposition, peer: Disposition) -> Result<()> {
        let (outgoing, incoming) = (self.belled(Role::Producer), self.belled(Role::Consumer));
        self.change(|| endpoint::set_disposition(&outgoing, &incoming, own, peer))?;
        // The doorbell rings at the peer, and not here.
        #[cfg(feature = "_async")]
        self.wake_tasks();
        Ok(())
    }

    /// Disables the writes of either end or both, whether the peer is closed or not.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn shut_down(&self, own: Disposition, peer: Disposition) -> Result<()> {
        let (outgoing, incoming) = (self.belled(Role::Producer), self.belled(Role::Consumer));
        self.change(|| {
            endpoint::shut_down(&outgoing, &incoming, own, peer);
            Ok(())
        })
    }

    /// Clears and sets user signals of this endpoint.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn signal(&self, clear: Signals, set: Signals) -> Result<()> {
        self.change(|| {
            signals::change_stored(&self.incoming, clear, set);
            Ok(())
        })
    }

    /// Clears and sets user signals of the peer.
    ///
    /// # Errors
    /// [`Error::PeerClosed`]; [`Error::Forked`].
    pub(crate) fn signal_peer(&self, clear: Signals, set: Signals) -> Result<()> {
        self.change(|| {
            if self.peer_closed() {
                return Err(Error::PeerClosed);
            }
            events::signal_peer(&self.belled(Role::Producer), clear, set);
            Ok(())
        })
    }

    /// The threshold for queued bytes, or for free ones.
    pub(crate) fn threshold(&self, of: Role) -> u64 {
        match of {
            Role::Consumer => signals::read_threshold(&self.incoming, self.capacity()),
            Role::Producer => signals::write_threshold(&self.incoming, self.capacity()),
        }
    }

    /// Sets the threshold for queued bytes, or for free ones.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; for free ones [`Error::PeerClosed`]; [`Error::Forked`].
    pub(crate) fn set_threshold(&self, of: Role, bytes: u64) -> Result<()> {
        let capacity = self.capacity();
        self.change(|| match of {
            Role::Consumer => signals::set_read_threshold(&self.incoming, bytes, capacity),
            Role::Producer if bytes <= capacity && self.peer_closed() => Err(Error::PeerClosed),
            Role::Producer => {
                signals::set_write_threshold(&self.outgoing, &self.incoming, bytes, capacity)
            }
        })
    }

    /// What the signals are made of, at this moment.
    pub(crate) fn state(&self) -> State {
        let mut state = State::load(&self.outgoing, &self.incoming, self.capacity());
        // What we know for ourselves nobody can take back.
        state.peer_closed |= self.peer_closed();
        state
    }

    /// Refuses to work in a process that was forked from the owner; a peer that broke the
    /// protocol is a closed one to whoever does not ask for bytes.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn check_forked(&self) -> Result<()> {
        match self.check_owner() {
            Err(Error::Forked) => Err(Error::Forked),
            _ => Ok(()),
        }
    }

    /// Marks the peer as gone and wakes whoever sleeps in this process.
    pub(crate) fn hang_up(&self) {
        // ORDERING(gone): Release; pairs with the Acquire in `is_gone`.
        let was_gone = self.gone.swap(true, Ordering::Release);
        endpoint::hang_up(&self.outgoing, &self.incoming);
        self.look();
        if !was_gone {
            trace::peer_gone(self.header(), self.side);
        }
    }

    /// Whether the kernel has shown that the peer is gone.
    pub(crate) fn is_gone(&self) -> bool {
        // ORDERING(gone): Acquire; pairs with the Release of whoever learned it: the tail
        // that is read next is the last one.
        self.gone.load(Ordering::Acquire)
    }

    /// Whether a hang-up marks the endpoint without anybody's asking.
    pub(crate) fn is_watched(&self) -> bool {
        // Relaxed: orders nothing; an old value costs one question to the kernel.
        self.watched.load(Ordering::Relaxed)
    }

    /// Asks the kernel whether the peer is gone and marks the endpoint if it is.
    pub(crate) fn look_for_hang_up(&self) -> bool {
        let gone = self.doorbell.is_hung_up();
        if gone {
            self.hang_up();
        }
        gone
    }

    /// Takes the rings of the doorbell, on behalf of all who wait for them.
    pub(crate) fn take_rings(&self) {
        self.acknowledge();
        // They may have been meant for whoever waits for signals.
        self.look();
    }

    /// As [`take_rings`](Self::take_rings), for a reactor, to which a hang-up shows for ever: it is not asked for.
    #[cfg(feature = "_async")]
    pub(crate) fn take_rings_of_reactor(&self) {
        // A forked copy must not take the rings that are meant for the parent.
        if self.check_owner().is_ok() && self.doorbell.take() {
            self.hang_up();
        }
        self.look();
    }

    /// Takes the rings of the doorbell, and notices the peer's end. Says whether the doorbell is of no
    /// use any more.
    pub(crate) fn acknowledge(&self) -> bool {
        match self.check_owner() {
            // A forked copy must not take the rings that are meant for the parent.
            Err(Error::Forked) => false,
            // Nobody listens to a peer that broke the protocol, however often it rings.
            Err(_) => true,
            Ok(()) => {
                let hung_up = self.doorbell.drain();
                if hung_up {
                    self.hang_up();
                }
                hung_up
            }
        }
    }

    /// Cuts the connection because the peer broke the protocol: it sees us closed,
    /// and both our halves refuse to work from here on.
    pub(crate) fn disconnect(&self, violation: Violation) {
        self.owner.break_off(violation);
        trace::violated(self.header(), self.side, violation);
        self.close();
        self.hang_up();
        // The other half's too.
        #[cfg(feature = "_async")]
        self.wake_tasks();
    }

    /// Sets what wakes the tasks that wait here.
    #[cfg(feature = "_async")]
    pub(crate) fn set_tasks(&self, waker: Option<Waker>) {
        // A fork's parent may have held the lock, and nobody waits in a fork.
        if self.check_forked().is_ok() {
            *self.tasks.lock().unwrap_or_else(|e| e.into_inner()) = waker;
        }
    }

    /// Wakes the tasks that wait here, who look again.
    #[cfg(feature = "_async")]
    fn wake_tasks(&self) {
        // Woken without the lock: a task may run at once, or be dropped.
        let waker = self.tasks.lock().unwrap_or_else(|e| e.into_inner()).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self) {
        let (outgoing, incoming) = (self.belled(Role::Producer), self.belled(Role::Consumer));
        endpoint::close(&outgoing, &incoming);
    }

    /// Closes the endpoint before it is dropped: calls that are under way finish, and find the
    /// peer gone afterwards. The peer sees it before this returns.
    pub(crate) fn close_now(&self) {
        // Relaxed: of two that close, either may be the one.
        if self.moved.swap(true, Ordering::Relaxed) {
            return;
        }
        match self.check_owner() {
            Ok(()) => {
                self.leave_observers();
                self.close();
                trace::closed(self.header(), self.side);
            }
            // The parent's.
            Err(Error::Forked) => {}
            // Closed when the peer broke the protocol; but who waits does so to this day.
            Err(_) => self.leave_observers(),
        }
    }

    /// There is one half more.
    pub(crate) fn add_half(&self) {
        // Relaxed: whoever makes it holds the endpoint.
        self.halves.fetch_add(1, Ordering::Relaxed);
    }

    /// There is one half less; after the last the endpoint is closed, and the peer sees it
    /// before this returns.
    pub(crate) fn drop_half(&self) {
        // ORDERING(halves-dropped): AcqRel; pairs with itself: what was done through the other half
        // comes before the close.
        if self.halves.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close_now();
        }
    }

    /// The direction in which this endpoint has `role`, with a way to reach the peer.
    pub(crate) fn belled(&self, role: Role) -> Belled<'_> {
        Belled::new(self, role)
    }

    /// Has the peer's observers look: here, if it is in this process.
    pub(super) fn alert(&self, bits: u32) {
        match self.peer_here() {
            Some(peer) => postponed::look(peer),
            None => {
                if bits & waiter::EVENT != 0 {
                    // Its count is in the direction that it consumes.
                    events::alert_own(&self.outgoing);
                }
                if bits & waiter::EVENT_BELL != 0 {
                    self.doorbell.ring();
                }
            }
        }
    }

    /// Serves the observers of this endpoint, now or when the lock that this thread holds
    /// is released.
    pub(crate) fn look(&self) {
        // ORDERING(arm-then-check): full; pairs with the heavy fence in `events::arm`, before
        // which an observer has said that there is one: it sees what we have changed, or we see it.
        self.incoming.full_fence(Fence::ChangeThenLook);
        if !self.is_unobserved()
            && let Some(this) = self.this.upgrade()
        {
            postponed::look(this);
        }
    }

    /// Has the watcher wake our sleepers when the peer is gone.
    pub(crate) fn start_watch(&self) -> Result<()> {
        // Relaxed: set under the lock below, by this or another half's first sleep;
        // an old value leads to the lock.
        if self.watched.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut watch = self.watch.lock().unwrap_or_else(|e| e.into_inner());
        // Relaxed: it was set before the lock was taken that took the watch away. The descriptor is
        // about to be replaced, and an entry for it could not be taken off the list any more.
        if self.moved.load(Ordering::Relaxed) {
            return Ok(());
        }
        if watch.is_none() {
            let survivor = Survivor {
                side: self.side,
                outgoing: self.outgoing.clone(),
                incoming: self.incoming.clone(),
                gone: Arc::clone(&self.gone),
            };
            *watch = Some(Watch::start(self.doorbell.as_fd(), survivor)?);
            self.watched.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn stop_watch(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(watch) = watch.take() {
            watch.cancel(self.doorbell.as_fd());
        }
    }

    /// Packs the endpoint and leaves it.
    ///
    /// # Errors
    /// As [`envelope::pack`]; [`Error::Os`] without descriptors. Nothing has happened then.
    pub(crate) fn depart(&self) -> Result<OwnedFd> {
        let envelope = envelope::pack(self, self.rights)?;
        let inert = Doorbell::inert()?;
        self.complete_move(inert);
        Ok(envelope)
    }

    /// Packs the endpoint, leaves it, and then has its envelope delivered, as whoever gets that may
    /// take the endpoint out at once. If it cannot be delivered the endpoint is back, without its
    /// observers.
    ///
    /// # Errors
    /// As [`depart`](Self::depart); those of `deliver`.
    pub(crate) fn depart_with<T>(&self, deliver: impl FnOnce(OwnedFd) -> Result<T>) -> Result<T> {
        let way_back = self.doorbell.duplicate()?;
        deliver(self.depart()?).inspect_err(|_| self.come_back(way_back))
    }

    /// Undoes [`complete_move`](Self::complete_move), as the endpoint is in nobody else's hands.
    fn come_back(&self, doorbell: OwnedFd) {
        self.doorbell.replace(doorbell);
        // Relaxed: nobody sleeps who could have asked for it; the next to sleep asks anew.
        self.watched.store(false, Ordering::Relaxed);
        self.with_observers(|list| list.reopen());
        // ORDERING(moved): Release; pairs with the Acquire in `peer_here`.
        self.moved.store(false, Ordering::Release);
    }

    /// The endpoint lives on in an envelope, and what is left here may stay for a while, until
    /// nobody looks at it any more. The peer's hang-up must not wait for that, nor anything that
    /// happens to the endpoint be noticed here.
    pub(crate) fn complete_move(&self, inert: OwnedFd) {
        trace::packed(self.header(), self.side);
        self.set_moved();
        self.stop_watch();
        self.doorbell.replace(inert);
    }

    /// Begins to own an endpoint that another owner has packed.
    pub(crate) fn take_over(&self) {
        endpoint::take_over(&self.outgoing, &self.incoming);
        trace::claimed(self.header(), self.side);
    }

    /// Ends the registrations with ports, as somebody else is to have the rings. New ones can be made.
    #[cfg(feature = "_async")]
    pub(crate) fn end_registrations(&self) {
        // They are the parent's in a fork.
        if self.check_forked().is_ok() {
            self.leave_observers();
            self.with_observers(|list| list.reopen());
        }
    }

    /// From here on dropping closes nothing: the endpoint lives on elsewhere.
    pub(crate) fn set_moved(&self) {
        // ORDERING(moved): Release; pairs with the Acquire in `peer_here`. (Whoever drops the last half
        // has synchronised with all others.)
        self.moved.store(true, Ordering::Release);
        self.leave_observers();
    }
}

/// What has lost its halves is closed already; this is for what never had both.
impl Drop for Link {
    fn drop(&mut self) {
        // Not by the lock, which another thread of the parent may have held when this process was
        // forked.
        let watch = self.watch.get_mut().unwrap_or_else(|e| e.into_inner());
        if let Some(watch) = watch.take() {
            watch.cancel(self.doorbell.as_fd());
        }
        self.close_now();
    }
}

/// What the watcher holds of an endpoint.
struct Survivor {
    side: Side,
    outgoing: Mapped,
    incoming: Mapped,
    gone: Arc<AtomicBool>,
}

impl OnHangUp for Survivor {
    fn hang_up(&self) {
        // Before the bits and the wake-up: a sleeper that they wake must see it.
        // ORDERING(gone): Release; pairs with the Acquire in `Link::is_gone`.
        let was_gone = self.gone.swap(true, Ordering::Release);
        endpoint::hang_up(&self.outgoing, &self.incoming);
        if !was_gone {
            trace::peer_gone(self.outgoing.region().header(), self.side);
        }
    }
}
