//! What a port is made of: a queue, and an epoll over what may bring it more.
//!
//! What happens in this process is queued by whoever brings it about. What a peer in
//! another process does shows as a ring of the endpoint's doorbell; whoever waits for
//! packets has the endpoint looked at, and that queues what is due. So waiting is
//! waiting for the epoll, which watches the doorbells of what was registered, and a
//! descriptor of the queue's own that is readable while something is in it.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::time::ClockId;

use crate::error::{Error, Result};
use crate::observe::{Inbox, Notice, Observer, Outlet, Registration, Subject, Withdrawal};
use crate::signals::Signals;
use crate::sys::deadline::Deadline;
use crate::sys::eventfd::EventFd;
use crate::sys::fork;

/// Most packets that were queued by hand and not taken.
const MOST_USER_PACKETS: usize = 4096;

/// Events fetched at once: one thread should not take the work of all others.
const BATCH: usize = 16;

/// The queue's own descriptor among those that are watched: no subject has this identity.
const QUEUE: u64 = 0;

/// What a packet holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Signals(Notice),
    User {
        key: u64,
        status: i32,
        payload: [u8; 32],
    },
}

impl Content {
    fn key(&self) -> u64 {
        match self {
            Self::Signals(notice) => notice.key,
            Self::User { key, .. } => *key,
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<Content>,
    by_hand: usize,
    closed: bool,
}

/// Something of which registrations were made.
#[derive(Debug)]
struct Source {
    subject: Weak<dyn Subject>,
    watched: bool,
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    this: Weak<Self>,
    queue: Mutex<Queue>,
    /// Readable while the queue is not empty.
    filled: EventFd,
    epoll: Epoll,
    sources: Mutex<HashMap<u64, Source>>,
    /// The process, by its fork generation, that made it.
    generation: u32,
}

impl Mailbox {
    /// An empty one.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn new() -> Result<Arc<Self>> {
        fork::install();
        let filled = EventFd::new()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|e| Error::os("epoll_create1", e))?;
        epoll
            .add(&filled, EpollEvent::new(EpollFlags::EPOLLIN, QUEUE))
            .map_err(|e| Error::os("epoll_ctl", e))?;
        Ok(Arc::new_cyclic(|this| Self {
            this: this.clone(),
            queue: Mutex::default(),
            filled,
            epoll,
            sources: Mutex::default(),
            generation: fork::generation(),
        }))
    }

    /// The descriptor to poll.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that is done under the lock panics halfway.
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn lock_sources(&self) -> MutexGuard<'_, HashMap<u64, Source>> {
        self.sources.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// # Errors
    /// [`Error::Forked`]: the queue and the epoll are the parent's.
    pub(crate) fn check_owner(&self) -> Result<()> {
        if self.generation == fork::generation() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Has a notice queued when any of `wanted` is met, once. Returns the observer's identity.
    ///
    /// # Errors
    /// [`Error::Os`]; [`Error::FenceRefused`]; [`Error::Forked`]; [`Error::PeerClosed`] if the
    /// subject itself is closed.
    pub(crate) fn register(
        &self,
        subject: &Arc<dyn Subject>,
        handle: u32,
        key: u64,
        wanted: Signals,
        edge: bool,
        clock: Option<ClockId>,
    ) -> Result<u64> {
        self.check_owner()?;
        let registration = Registration {
            inbox: self.this.upgrade().expect("whoever calls holds it"),
            source: subject.id(),
            key,
            clock,
        };
        let outlet = Outlet::Port(registration);
        let observer = Observer::new(handle, wanted, edge, outlet);
        let id = observer.id;
        subject.enroll(observer).map(|()| id)
    }

    /// Queues a packet by hand.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if too many have not been taken; [`Error::Forked`].
    pub(crate) fn queue(&self, key: u64, status: i32, payload: [u8; 32]) -> Result<()> {
        self.check_owner()?;
        let mut queue = self.lock_queue();
        if queue.by_hand >= MOST_USER_PACKETS {
            return Err(Error::WouldBlock);
        }
        queue.by_hand += 1;
        self.push(
            &mut queue,
            Content::User {
                key,
                status,
                payload,
            },
        );
        Ok(())
    }

    fn push(&self, queue: &mut Queue, content: Content) {
        queue.packets.push_back(content);
        if queue.packets.len() == 1 {
            self.filled.set();
        }
    }

    fn pop(&self) -> Option<Content> {
        let mut queue = self.lock_queue();
        let content = queue.packets.pop_front()?;
        if matches!(content, Content::User { .. }) {
            queue.by_hand -= 1;
        }
        self.settle(&queue);
        Some(content)
    }

    /// After packets were taken: the descriptor is readable only while there are more.
    fn settle(&self, queue: &Queue) {
        if queue.packets.is_empty() {
            self.filled.clear();
        }
    }

    /// Waits for a packet and takes it.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Os`]; [`Error::Forked`].
    pub(crate) fn wait(&self, deadline: Deadline) -> Result<Content> {
        self.check_owner()?;
        loop {
            if let Some(content) = self.pop() {
                return Ok(content);
            }
            // Asked before the look: a deadline that passes meanwhile gets another one.
            if deadline.has_passed() {
                return self.take_due();
            }
            self.attend(timeout(deadline))?;
        }
    }

    /// Takes a packet that is due without waiting for one: whatever stands in front of it has
    /// rung for something else.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Os`].
    fn take_due(&self) -> Result<Content> {
        // So many fetch everything once, the queue included: what was fetched is fetched
        // again only after all else. Whoever goes on ringing gets no more looks by that.
        let batches = self.lock_sources().len() / BATCH + 1;
        for _ in 0..batches {
            let rung = self.attend(EpollTimeout::ZERO)?;
            if let Some(content) = self.pop() {
                return Ok(content);
            }
            if rung < BATCH {
                break;
            }
        }
        Err(Error::TimedOut)
    }

    /// Waits for a doorbell or the queue, and has everything looked at that has rung, up to
    /// [`BATCH`]. Returns how many that were.
    fn attend(&self, timeout: EpollTimeout) -> Result<usize> {
        let mut events = [EpollEvent::empty(); BATCH];
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(Error::os("epoll_wait", errno)),
        };
        for event in &events[..count] {
            if event.data() != QUEUE {
                self.answer(event.data());
            }
        }
        Ok(count)
    }

    /// A doorbell has rung.
    fn answer(&self, id: u64) {
        let subject = self
            .lock_sources()
            .get(&id)
            .and_then(|source| source.subject.upgrade());
        let Some(subject) = subject else { return };
        if subject.acknowledge() {
            // It would be readable for ever.
            self.unwatch(id, subject.descriptor());
        }
        subject.look();
    }

    fn unwatch(&self, id: u64, descriptor: Option<BorrowedFd<'_>>) {
        let mut sources = self.lock_sources();
        let Some(source) = sources.get_mut(&id) else {
            return;
        };
        if let Some(descriptor) = descriptor
            && source.watched
        {
            source.watched = false;
            let removed = self.epoll.delete(descriptor);
            debug_assert_eq!(removed, Ok(()));
        }
    }

    /// Removes registrations of one subject, made with this handle and key, and what they
    /// queued; says whether there were any.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn cancel(&self, subject: &dyn Subject, handle: u32, key: u64) -> Result<bool> {
        self.check_owner()?;
        let source = subject.id();
        let registered = self.withdraw(subject, |observer, registration| {
            observer.handle == handle && registration.key == key
        });
        let queued = self.discard(|content| match content {
            Content::Signals(n) => n.source == source && n.handle == handle && n.key == key,
            Content::User { .. } => false,
        });
        Ok(registered || queued)
    }

    /// Removes everything with this key; says whether there was anything.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub(crate) fn cancel_key(&self, key: u64) -> Result<bool> {
        self.check_owner()?;
        let registered = self.subjects().iter().fold(false, |found, subject| {
            found | self.withdraw(&**subject, |_, registration| registration.key == key)
        });
        let queued = self.discard(|content| content.key() == key);
        Ok(registered || queued)
    }

    fn subjects(&self) -> Vec<Arc<dyn Subject>> {
        let sources = self.lock_sources();
        sources
            .values()
            .filter_map(|source| source.subject.upgrade())
            .collect()
    }

    fn withdraw(
        &self,
        subject: &dyn Subject,
        which: impl Fn(&Observer, &Registration) -> bool,
    ) -> bool {
        let own = |observer: &Observer| match &observer.outlet {
            Outlet::Port(registration) => {
                let inbox = Arc::as_ptr(&registration.inbox);
                std::ptr::addr_eq(inbox, self) && which(observer, registration)
            }
            Outlet::Thread(_) => false,
        };
        subject.withdraw(&own, Withdrawal::GaveUp) > 0
    }

    fn discard(&self, which: impl Fn(&Content) -> bool) -> bool {
        let mut queue = self.lock_queue();
        let before = queue.packets.len();
        queue.packets.retain(|content| !which(content));
        let by_hand = |content: &&Content| matches!(content, Content::User { .. });
        queue.by_hand = queue.packets.iter().filter(by_hand).count();
        if before != queue.packets.len() {
            self.settle(&queue);
        }
        before != queue.packets.len()
    }

    /// Discards packets and registrations, for good. Who waits here goes on waiting.
    pub(crate) fn close(&self) {
        if self.check_owner().is_err() {
            // The epoll is the parent's too.
            return;
        }
        self.lock_queue().closed = true;
        self.discard(|_| true);
        for subject in self.subjects() {
            self.withdraw(&*subject, |_, _| true);
            self.unwatch(subject.id(), subject.descriptor());
        }
    }
}

impl Inbox for Mailbox {
    fn deliver(&self, notice: Notice) {
        let mut queue = self.lock_queue();
        if !queue.closed {
            self.push(&mut queue, Content::Signals(notice));
        }
    }

    fn watch(
        &self,
        id: u64,
        subject: Weak<dyn Subject>,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let mut sources = self.lock_sources();
        // Closing comes before, and then nobody is added; or after, and finds this one.
        if self.lock_queue().closed {
            return Err(Error::PeerClosed);
        }
        let source = sources.entry(id).or_insert_with(|| Source {
            subject,
            watched: false,
        });
        let Some(descriptor) = descriptor.filter(|_| !source.watched) else {
            return Ok(());
        };
        match self
            .epoll
            .add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, id))
        {
            Ok(()) | Err(Errno::EEXIST) => source.watched = true,
            Err(errno) => return Err(Error::os("epoll_ctl", errno)),
        }
        Ok(())
    }

    fn forget(&self, id: u64, descriptor: Option<BorrowedFd<'_>>) {
        self.unwatch(id, descriptor);
        self.lock_sources().remove(&id);
    }
}

/// At most until the deadline, in the milliseconds that the system call takes: late rather
/// than early.
fn timeout(deadline: Deadline) -> EpollTimeout {
    let Some(remaining) = deadline.remaining() else {
        return EpollTimeout::NONE;
    };
    let millis = remaining
        .saturating_add(Duration::from_nanos(999_999))
        .as_millis();
    // More than that are waited for in parts.
    EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(EpollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Violation;
    use crate::layout::Kind;

    /// A server that outlives many peers must not remember them, however they ended.
    #[test]
    fn endpoint_that_is_dropped_is_forgotten_even_after_a_violation() {
        let mailbox = Mailbox::new().unwrap();
        for violation in [None, Some(Violation::TailOutOfRange)] {
            let [a, _b] = crate::Builder::new().links(Kind::Stream).unwrap();
            let subject: Arc<dyn Subject> = Arc::clone(&a) as _;
            mailbox
                .register(&subject, 0, 1, Signals::USER_0, false, None)
                .unwrap();
            if let Some(violation) = violation {
                a.disconnect(violation);
            }
            drop((a, subject));
            assert!(mailbox.lock_sources().is_empty(), "{violation:?}");
        }
    }

    /// Whoever registers while another thread closes the last handle may come just after it.
    #[test]
    fn closed_mailbox_takes_no_registration_and_no_notice() {
        let mailbox = Mailbox::new().unwrap();
        let [a, _b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let subject: Arc<dyn Subject> = Arc::clone(&a) as _;
        let register = |wanted| mailbox.register(&subject, 0, 1, wanted, false, None);
        register(Signals::USER_1).unwrap();
        mailbox.close();
        for wanted in [Signals::USER_0, Signals::WRITABLE] {
            assert_eq!(register(wanted), Err(Error::PeerClosed));
        }
        mailbox.deliver(Notice {
            source: a.id(),
            handle: 0,
            key: 1,
            wanted: Signals::USER_1,
            observed: Signals::USER_1,
            timestamp: 0,
        });
        assert!(mailbox.pop().is_none());
        // No registration holds on to it.
        assert_eq!(Arc::strong_count(&mailbox), 1);
    }

    /// Early, it would be asked for again and again, for what is left of a millisecond.
    #[test]
    fn timeout_is_never_early() {
        for micros in 0..2000 {
            let deadline = Deadline::after(Duration::from_micros(micros));
            let waits = timeout(deadline).as_millis().expect("it has an end");
            let left = deadline.remaining().expect("it has an end");
            assert!(Duration::from_millis(waits.into()) >= left, "{micros} us");
        }
        assert_eq!(timeout(Deadline::NEVER), EpollTimeout::NONE);
    }

    /// Its descriptor rings while it is looked at.
    #[derive(Debug)]
    struct Ringing {
        bell: EventFd,
        looks: AtomicU32,
    }

    impl Subject for Ringing {
        fn id(&self) -> u64 {
            u64::MAX
        }

        fn signals(&self) -> Result<Signals> {
            Ok(Signals::empty())
        }

        fn look(&self) {
            // Relaxed: one thread.
            if self.looks.fetch_add(1, Ordering::Relaxed) == 0 {
                self.bell.set();
            }
        }

        fn enroll(&self, _: Observer) -> Result<()> {
            Ok(())
        }

        fn withdraw(&self, _: &dyn Fn(&Observer) -> bool, _: Withdrawal) -> usize {
            0
        }

        fn events(&self) -> &AtomicU32 {
            &self.looks
        }

        fn count(&self) -> u32 {
            0
        }

        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            Some(self.bell.as_fd())
        }

        fn acknowledge(&self) -> bool {
            self.bell.clear();
            false
        }

        fn prepare_sleep(&self) -> Result<()> {
            Ok(())
        }

        fn check_peer(&self) {}
    }

    /// What happens after the look is worth another one.
    #[test]
    fn ring_that_comes_while_a_subject_is_looked_at_is_not_taken_unseen() {
        let mailbox = Mailbox::new().unwrap();
        let subject = Arc::new(Ringing {
            bell: EventFd::new().unwrap(),
            looks: AtomicU32::new(0),
        });
        let known: Weak<dyn Subject> = Arc::<Ringing>::downgrade(&subject);
        mailbox
            .watch(u64::MAX, known, subject.descriptor())
            .unwrap();
        subject.bell.set();
        for looks in 1..=2 {
            mailbox.attend(EpollTimeout::ZERO).unwrap();
            assert_eq!(subject.looks.load(Ordering::Relaxed), looks);
        }
    }
}
