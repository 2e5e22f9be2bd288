//! What an endpoint owns: its mapping, its end of the doorbell, its settings.

use std::net::Shutdown;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::endpoint::{self, Fill};
use crate::error::{Error, Result, Violation};
use crate::layout::{Header, Side};
use crate::mem::mapped::Mapped;
use crate::mem::{Role, Word32};
use crate::sys::doorbell::Doorbell;
use crate::sys::hangup::{OnHangUp, Watch};
use crate::sys::region::Region;
use crate::sys::{fork, futex, hangup};
use crate::wait::{Deadline, Notify, Park, Wake};

/// An endpoint in use. Shared by its two halves; the last one closes it.
#[derive(Debug)]
pub(super) struct Link {
    side: Side,
    outgoing: Mapped,
    incoming: Mapped,
    doorbell: Doorbell,
    /// The process that owns the endpoint, by its fork generation; or, from a violation
    /// of the peer's on, what [`dead`] says. Ours alone: the closed bits, which both
    /// sides can write, the peer could take back.
    owner: AtomicU32,
    /// Set when the kernel has shown that the peer is gone. Private, unlike the closed
    /// bits, which whoever still has the memory could take back.
    gone: Arc<AtomicBool>,
    /// Set when the endpoint lives on in an envelope.
    moved: AtomicBool,
    /// Present from the first wait that sleeps.
    watch: Mutex<Option<Watch>>,
    watched: AtomicBool,
    pub(super) settings: Settings,
}

/// What std's sockets keep in the file description: one set for both halves.
#[derive(Debug)]
pub(super) struct Settings {
    nonblocking: AtomicBool,
    busy_wait: AtomicBool,
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

// All settings are Relaxed: each is a value of its own that orders nothing.
impl Settings {
    fn new() -> Self {
        Self {
            nonblocking: AtomicBool::new(false),
            busy_wait: AtomicBool::new(several_cpus()),
            read_timeout: AtomicU64::new(0),
            write_timeout: AtomicU64::new(0),
        }
    }

    pub(super) fn nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    pub(super) fn set_nonblocking(&self, on: bool) {
        self.nonblocking.store(on, Ordering::Relaxed);
    }

    pub(super) fn busy_wait(&self) -> bool {
        self.busy_wait.load(Ordering::Relaxed)
    }

    pub(super) fn set_busy_wait(&self, on: bool) {
        self.busy_wait.store(on, Ordering::Relaxed);
    }

    pub(super) fn timeout(&self, of: Role) -> Option<Duration> {
        match self.timeout_word(of).load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn set_timeout(&self, of: Role, timeout: Option<Duration>) -> Result<()> {
        let nanos = match timeout {
            None => 0,
            Some(Duration::ZERO) => return Err(Error::ZeroTimeout),
            // Beyond 584 years, as good as that.
            Some(timeout) => u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
        };
        self.timeout_word(of).store(nanos, Ordering::Relaxed);
        Ok(())
    }

    fn timeout_word(&self, of: Role) -> &AtomicU64 {
        match of {
            Role::Consumer => &self.read_timeout,
            Role::Producer => &self.write_timeout,
        }
    }

    /// The deadline of a call that begins now and has none of its own.
    pub(super) fn deadline(&self, of: Role) -> Deadline {
        self.timeout(of).map_or(Deadline::NEVER, Deadline::after)
    }
}

/// What stands for the owner of an endpoint whose peer has done this: a number that no
/// count of forks reaches.
fn dead(violation: Violation) -> u32 {
    u32::MAX - violation as u32
}

/// Why an endpoint with this owner does not work here.
#[cold]
fn why_not(owner: u32) -> Error {
    Violation::ALL
        .into_iter()
        .find(|violation| owner == dead(*violation))
        .map_or(Error::Forked, Error::Protocol)
}

/// Whether a peer could be running while we look: if not, looking is for nothing.
fn several_cpus() -> bool {
    static SEVERAL: OnceLock<bool> = OnceLock::new();
    *SEVERAL.get_or_init(|| std::thread::available_parallelism().map_or(true, |n| n.get() > 1))
}

impl Link {
    /// An endpoint over a region and one end of a doorbell.
    pub(super) fn new(side: Side, region: Arc<Region>, doorbell: Doorbell) -> Self {
        Self {
            side,
            outgoing: Mapped::new(Arc::clone(&region), side),
            incoming: Mapped::new(region, side.peer()),
            doorbell,
            owner: AtomicU32::new(fork::generation()),
            gone: Arc::new(AtomicBool::new(false)),
            moved: AtomicBool::new(false),
            watch: Mutex::new(None),
            watched: AtomicBool::new(false),
            settings: Settings::new(),
        }
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    pub(super) fn header(&self) -> &Header {
        self.region().header()
    }

    pub(super) fn region(&self) -> &Arc<Region> {
        self.outgoing.region()
    }

    pub(super) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// The direction in which this endpoint has `role`.
    fn direction(&self, role: Role) -> &Mapped {
        match role {
            Role::Producer => &self.outgoing,
            Role::Consumer => &self.incoming,
        }
    }

    /// What is queued in the direction in which this endpoint has `role`.
    pub(super) fn fill(&self, role: Role) -> Fill {
        endpoint::fill(self.direction(role), self.header().capacity as u64)
    }

    /// Whether the peer is known to be closed.
    pub(super) fn peer_closed(&self) -> bool {
        matches!(self.check_owner(), Err(Error::Protocol(_)))
            || self.is_gone()
            || endpoint::is_closed(&self.incoming, Role::Producer)
    }

    /// Refuses to work in a process that was forked from the owner, and with a peer
    /// that has broken the protocol.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Protocol`].
    #[inline(always)]
    pub(super) fn check_owner(&self) -> Result<()> {
        // Relaxed: a value of its own that orders nothing. The other half of a split
        // endpoint may learn of a violation a moment later.
        match self.owner.load(Ordering::Relaxed) {
            owner if owner == fork::generation() => Ok(()),
            owner => Err(why_not(owner)),
        }
    }

    /// Disables writing in the direction in which this endpoint has `role`.
    pub(super) fn disable(&self, role: Role) {
        endpoint::disable(&self.closing(role), role);
    }

    /// `Stream::shutdown`, for both kinds.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub(super) fn shut_down(&self, how: Shutdown) -> Result<()> {
        self.check_owner()?;
        if how != Shutdown::Read {
            self.disable(Role::Producer);
        }
        if how != Shutdown::Write {
            self.disable(Role::Consumer);
        }
        Ok(())
    }

    /// Marks the peer as gone and wakes whoever sleeps in this process.
    pub(super) fn hang_up(&self) {
        // ORDERING(gone): Release; pairs with the Acquire in `is_gone`.
        self.gone.store(true, Ordering::Release);
        endpoint::hang_up(&self.outgoing, &self.incoming);
    }

    /// Whether the kernel has shown that the peer is gone.
    pub(super) fn is_gone(&self) -> bool {
        // ORDERING(gone): Acquire; pairs with the Release of whoever learned it: the tail
        // that is read next is the last one.
        self.gone.load(Ordering::Acquire)
    }

    /// Whether a hang-up marks the endpoint without anybody's asking.
    pub(super) fn is_watched(&self) -> bool {
        // Relaxed: orders nothing; an old value costs one question to the kernel.
        self.watched.load(Ordering::Relaxed)
    }

    /// Asks the kernel whether the peer is gone and marks the endpoint if it is.
    pub(super) fn look_for_hang_up(&self) -> bool {
        let gone = self.doorbell.is_hung_up();
        if gone {
            self.hang_up();
        }
        gone
    }

    /// Takes the rings of the doorbell, and notices the peer's end.
    pub(super) fn acknowledge(&self) {
        // A forked copy must not take the rings that are meant for the parent.
        if self.check_owner().is_ok() && self.doorbell.drain() {
            self.hang_up();
        }
    }

    /// Cuts the connection because the peer broke the protocol: it sees us closed,
    /// and both our halves refuse to work from here on.
    pub(super) fn disconnect(&self, violation: Violation) {
        self.owner.store(dead(violation), Ordering::Relaxed);
        self.close();
        self.hang_up();
    }

    fn close(&self) {
        let (outgoing, incoming) = (self.closing(Role::Producer), self.closing(Role::Consumer));
        endpoint::close(&outgoing, &incoming);
    }

    fn closing(&self, role: Role) -> Belled<'_> {
        Belled {
            mapped: self.direction(role),
            doorbell: &self.doorbell,
        }
    }

    /// Has the watcher wake our sleepers when the peer is gone.
    fn start_watch(&self) -> Result<()> {
        // Relaxed: set under the lock below, by this or another half's first sleep;
        // an old value leads to the lock.
        if self.watched.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut watch = self.watch.lock().unwrap_or_else(|e| e.into_inner());
        if watch.is_none() {
            let survivor = Survivor {
                outgoing: self.outgoing.clone(),
                incoming: self.incoming.clone(),
                gone: Arc::clone(&self.gone),
            };
            *watch = Some(Watch::start(self.doorbell.as_fd(), survivor)?);
            self.watched.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn stop_watch(&mut self) {
        let watch = self.watch.get_mut().unwrap_or_else(|e| e.into_inner());
        if let Some(watch) = watch.take() {
            watch.cancel(self.doorbell.as_fd());
        }
    }

    /// Begins to own an endpoint that another owner has packed.
    pub(super) fn take_over(&self) {
        endpoint::take_over(&self.outgoing, &self.incoming);
    }

    /// From here on dropping closes nothing: the endpoint lives on elsewhere.
    pub(super) fn set_moved(&self) {
        // Relaxed: whoever drops the last half has synchronised with all others.
        self.moved.store(true, Ordering::Relaxed);
    }
}

/// The last half closes the endpoint; the peer sees it before the drop returns.
impl Drop for Link {
    fn drop(&mut self) {
        self.stop_watch();
        if self.check_owner().is_ok() && !*self.moved.get_mut() {
            self.close();
        }
    }
}

/// What the watcher holds of an endpoint.
struct Survivor {
    outgoing: Mapped,
    incoming: Mapped,
    gone: Arc<AtomicBool>,
}

impl OnHangUp for Survivor {
    fn hang_up(&self) {
        // Before the bits and the wake-up: a sleeper that they wake must see it.
        // ORDERING(gone): Release; pairs with the Acquire in `Link::is_gone`.
        self.gone.store(true, Ordering::Release);
        endpoint::hang_up(&self.outgoing, &self.incoming);
    }
}

/// One direction, with the doorbell, of an endpoint that is not to wait.
struct Belled<'a> {
    mapped: &'a Mapped,
    doorbell: &'a Doorbell,
}

impl Deref for Belled<'_> {
    type Target = Mapped;

    fn deref(&self) -> &Mapped {
        self.mapped
    }
}

impl Notify for Belled<'_> {
    fn ring(&self) {
        self.doorbell.ring();
    }
}

/// One direction of an endpoint in use: what the halves read, write and wait on.
#[derive(Debug)]
pub(super) struct Lane {
    mapped: Mapped,
    link: Arc<Link>,
}

impl Lane {
    /// The direction of `link` in which it has `role`.
    pub(super) fn new(link: Arc<Link>, role: Role) -> Self {
        Self {
            mapped: link.direction(role).clone(),
            link,
        }
    }

    #[inline(always)]
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Deref for Lane {
    type Target = Mapped;

    #[inline(always)]
    fn deref(&self) -> &Mapped {
        &self.mapped
    }
}

impl Notify for Lane {
    fn ring(&self) {
        self.link.doorbell.ring();
    }
}

impl Park for Lane {
    fn sleep(&self, word: Word32, expected: u32, deadline: Deadline) -> Result<Wake> {
        // The other half may have disconnected; the peer can take back its wake-up.
        self.link.check_owner()?;
        self.link.start_watch()?;
        hangup::check()?;
        if self.link.is_gone() {
            // The bits are about to be set; or somebody who still has the memory has taken
            // them back. Either way there is nothing to sleep for.
            self.link.hang_up();
            return Err(Error::PeerClosed);
        }
        Ok(futex::wait(self.mapped.futex(word), expected, deadline))
    }

    #[inline(always)]
    fn relax(&self) {
        std::hint::spin_loop();
    }
}
