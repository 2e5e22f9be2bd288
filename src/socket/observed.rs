//! An endpoint as a subject: what its observers see, and what they have announced to
//! the peer.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::AtomicU32;
use std::sync::{MutexGuard, Weak};

use super::link::Link;
use super::postponed;
use crate::endpoint::events::{self, Interest};
use crate::endpoint::signals::{self, State};
use crate::error::Result;
use crate::mem::{Role, Word32, waiter};
use crate::observe::{Compare, Inbox, List, Observer, Outlet, Subject, Withdrawal};
use crate::signals::Signals;
use crate::sys::hangup;

/// How often what is announced may change in one look. If the state changes as fast as that
/// again and again, any change is announced.
const MOST_ARMINGS: u32 = 4;

impl Compare for State {
    type Armed = Interest;

    fn signals(&self) -> Signals {
        self.signals()
    }

    fn risen_since(&self, before: &Self) -> Signals {
        self.risen_since(before)
    }
}

impl Link {
    /// Does something under the observers' lock, and then tells who has to be told.
    pub(crate) fn with_observers<T>(&self, f: impl FnOnce(&mut List<State>) -> T) -> T {
        postponed::after(|| {
            let mut locked = Locked {
                link: self,
                list: Some(self.observers.lock()),
            };
            f(locked.list.as_mut().expect("until it drops"))
        })
    }

    /// Serves the observers. Not while this thread holds a lock of observers.
    pub(crate) fn look_now(&self) {
        // Threads that cannot be told of what is to come have been told that.
        let _ = self.with_observers(|list| self.look_and_arm(list));
    }

    /// Serves the observers, and has the peer announce what those want that stay.
    ///
    /// # Errors
    /// If the system refuses the fence; threads are told, and are no observers any more.
    pub(crate) fn look_and_arm(&self, list: &mut List<State>) -> Result<()> {
        self.look_once(list);
        for attempt in 1..=MOST_ARMINGS {
            let interest = self.interest(list, attempt == MOST_ARMINGS);
            if interest.how == 0 {
                self.rest(list);
                return Ok(());
            }
            if interest == list.armed && self.is_armed(interest) {
                break;
            }
            let (outgoing, incoming) = (self.belled(Role::Producer), self.belled(Role::Consumer));
            if let Err(error) = events::arm(&outgoing, &incoming, interest) {
                list.armed = Interest::NONE;
                list.fail(error);
                return Err(error);
            }
            list.armed = interest;
            self.look_once(list);
        }
        let incoming = self.belled(Role::Consumer);
        events::before_sleep(&incoming, list.armed, list.before(), self.capacity());
        Ok(())
    }

    /// Serves the observers, and leaves what is announced.
    pub(crate) fn look_once(&self, list: &mut List<State>) {
        if list.is_closed() {
            // Nobody waits here, and the traces of an endpoint that has moved are its next owner's.
            return;
        }
        let now = self.state();
        signals::take_traces(self.direction(Role::Consumer), now.traces());
        list.look(now);
    }

    fn interest(&self, list: &List<State>, any: bool) -> Interest {
        let wishes = list.wishes();
        let bit = |wish, bit| if wish { bit } else { 0 };
        let how = bit(wishes.futex, waiter::EVENT) | bit(wishes.descriptor, waiter::EVENT_BELL);
        match Interest::new(how, wishes.signals, list.before()) {
            interest if any => Interest {
                data: 0,
                space: 0,
                ..interest
            },
            interest => interest,
        }
    }

    fn is_armed(&self, interest: Interest) -> bool {
        events::is_armed(
            self.direction(Role::Producer),
            self.direction(Role::Consumer),
            interest,
        )
    }

    /// Nobody waits any more.
    fn rest(&self, list: &mut List<State>) {
        if list.armed != Interest::NONE {
            list.armed = Interest::NONE;
            events::disarm(
                self.direction(Role::Producer),
                self.direction(Role::Consumer),
            );
        }
        self.set_observed(false);
    }

    /// Removes all observers, for good: the endpoint is closed or lives on elsewhere. Ports must
    /// not go on watching a descriptor that is about to be somebody else's.
    pub(crate) fn leave_observers(&self) {
        let inboxes = self.with_observers(|list| {
            // What came in time is delivered.
            self.look_once(list);
            list.withdraw(&|_| true, Withdrawal::Closed, list.before().signals());
            self.rest(list);
            list.close()
        });
        for inbox in inboxes.iter().filter_map(Weak::upgrade) {
            inbox.forget(self.id(), Some(self.doorbell().as_fd()));
        }
    }
}

impl Link {
    /// Has a port watch the doorbell, unless that will never ring. Under the lock: whoever takes the
    /// endpoint away finds all ports that watch.
    fn have_watched(&self, inbox: &dyn Inbox) -> Result<()> {
        // Closed is what the peer says, and may take back; the hang-up is the kernel's word.
        let silent = self.peer_closed() && self.doorbell().is_hung_up();
        let descriptor = (!silent).then(|| self.doorbell().as_fd());
        let subject: Weak<dyn Subject> = self.weak();
        inbox.watch(self.id, subject, descriptor)
    }
}

/// The lock of the observers. When it is released, be it by a panic of the caller's own code,
/// threads that were served are woken.
struct Locked<'a> {
    link: &'a Link,
    list: Option<MutexGuard<'a, List<State>>>,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let release = self.list.take().is_some_and(|mut list| list.take_release());
        if release {
            events::alert_own(self.link.direction(Role::Consumer));
        }
    }
}

impl Subject for Link {
    fn id(&self) -> u64 {
        self.id
    }

    fn signals(&self) -> Result<Signals> {
        self.check_forked()?;
        // Whoever looks at a change sees to it that the observers have seen it too.
        self.look();
        Ok(self.state().signals())
    }

    fn look(&self) {
        Link::look(self);
    }

    fn enroll(&self, observer: Observer) -> Result<()> {
        self.check_forked()?;
        self.with_observers(|list| {
            list.check_open()?;
            if let Outlet::Port(registration) = &observer.outlet {
                // First, so that it is told to forget also what it failed to watch.
                list.remember(&registration.inbox);
                self.have_watched(&*registration.inbox)?;
            }
            // From here on nobody turns anything off without our noticing.
            self.set_observed(true);
            // What went on before, nobody who comes now waits for.
            self.look_once(list);
            let id = observer.id;
            list.add(observer);
            let armed = self.look_and_arm(list);
            if armed.is_err() {
                // Nobody would be told of what is to come.
                let own = |observer: &Observer| observer.id == id;
                list.withdraw(&own, Withdrawal::GaveUp, Signals::empty());
            }
            armed
        })
    }

    fn withdraw(&self, which: &dyn Fn(&Observer) -> bool, why: Withdrawal) -> usize {
        if self.check_forked().is_err() {
            // They are the parent's, and so is what they have announced.
            return 0;
        }
        self.with_observers(|list| {
            if list.check_open().is_err() {
                // They are gone already, and what is looked at here is seen by no other owner.
                return 0;
            }
            // What came in time is delivered.
            self.look_once(list);
            let now = list.before().signals();
            let count = list.withdraw(which, why, now);
            // Threads that stay have been told if they cannot be told of what is to come.
            let _ = self.look_and_arm(list);
            count
        })
    }

    fn events(&self) -> &AtomicU32 {
        self.direction(Role::Consumer).futex(Word32::Events)
    }

    fn count(&self) -> u32 {
        events::count(self.direction(Role::Consumer))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.doorbell().as_fd())
    }

    fn acknowledge(&self) -> bool {
        Link::acknowledge(self)
    }

    fn prepare_sleep(&self) -> Result<()> {
        self.check_forked()?;
        self.start_watch()?;
        hangup::check()
    }

    fn check_peer(&self) {
        if !self.is_watched() && self.peer_here().is_none() {
            self.look_for_hang_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::error::Error;
    use crate::layout::Kind;
    use crate::mem::{Memory, Site, Word64, stored};
    use crate::observe::{Outlet, Sleeper};
    use crate::signals::Disposition;
    use crate::socket::{Sending, envelope};

    fn observer(wanted: Signals) -> (Arc<Sleeper>, Observer) {
        let waiter = Arc::new(Sleeper::new());
        let outlet = Outlet::Thread(Arc::clone(&waiter));
        (waiter, Observer::new(0, wanted, false, outlet))
    }

    /// Both ends, and what is left of the second at the place that it has moved from.
    fn moved() -> (Arc<Link>, Arc<Link>, Arc<Link>) {
        let [a, old] = crate::Builder::new().links(Kind::Stream).unwrap();
        let envelope = envelope::pack(&old, old.rights()).unwrap();
        old.set_moved();
        let new = envelope::claim_any(envelope).unwrap();
        (a, old, new)
    }

    #[test]
    fn write_alerts_the_place_that_the_peer_has_moved_to() {
        let (a, _old, new) = moved();
        let (_waiter, observer) = observer(Signals::READABLE);
        new.enroll(observer).unwrap();
        let before = new.events().load(Ordering::Relaxed);
        let mut half = Sending::new(a).unwrap();
        half.attempt(|writer| writer.write(b"x")).unwrap();
        assert_ne!(new.events().load(Ordering::Relaxed), before, "not alerted");
    }

    /// Whoever receives an endpoint may use it before the sender's call has returned.
    #[test]
    fn endpoint_that_is_used_the_moment_it_is_delivered_hears_of_everything() {
        let [a, old] = crate::Builder::new().links(Kind::Stream).unwrap();
        let port = crate::port::Mailbox::new().unwrap();
        let subject: Arc<dyn Subject> = Arc::clone(&old) as _;
        port.register(&subject, 0, 1, Signals::READABLE, false, None)
            .unwrap();
        let (waiter, observer) = observer(Signals::READABLE | Signals::USER_0);
        let new = old.depart_with(|envelope| {
            let new = envelope::claim_any(envelope).unwrap();
            new.enroll(observer)?;
            Ok(new)
        });
        let new = new.unwrap();
        let before = new.events().load(Ordering::Relaxed);
        a.signal_peer(Signals::empty(), Signals::USER_0).unwrap();
        assert_ne!(new.events().load(Ordering::Relaxed), before, "not alerted");
        new.look_now();
        assert!(waiter.outcome().is_some());
    }

    /// A thread that is in the middle of a call through a handle.
    #[test]
    fn endpoint_that_has_left_is_changed_no_more() {
        let (a, old, new) = moved();
        let unchanged = Disposition::Unchanged;
        let refused = Err(Error::Forked);
        assert_eq!(old.signal(Signals::empty(), Signals::USER_0), refused);
        assert_eq!(old.signal_peer(Signals::empty(), Signals::USER_0), refused);
        assert_eq!(old.set_threshold(Role::Consumer, 7), refused);
        assert_eq!(
            old.set_disposition(Disposition::WriteDisabled, unchanged),
            refused
        );
        assert_eq!(
            old.shut_down(Disposition::WriteDisabled, unchanged),
            refused
        );
        assert_eq!(a.state().signals(), Signals::WRITABLE);
        assert_eq!(new.state().signals(), Signals::WRITABLE);
        assert_eq!(new.threshold(Role::Consumer), 0);
    }

    /// Its new owner has taken nothing out.
    #[test]
    fn endpoint_that_could_not_be_delivered_is_back() {
        let [a, b] = crate::Builder::new().links(Kind::Stream).unwrap();
        b.start_watch().unwrap();
        let refused = Error::TimedOut;
        let result = b.depart_with(|_| Err::<(), _>(refused));
        assert_eq!(result.unwrap_err(), refused);
        assert!(!b.acknowledge(), "its peer is there");
        let (waiter, observer) = observer(Signals::USER_0);
        b.enroll(observer).unwrap();
        a.signal_peer(Signals::empty(), Signals::USER_0).unwrap();
        assert!(waiter.outcome().is_some(), "looked at in its place");
        // The next sleep is watched over, without anybody's asking.
        b.start_watch().unwrap();
        drop(a);
        while !b.is_gone() {
            std::thread::yield_now();
        }
    }

    /// Or a port would never come to rest.
    #[test]
    fn peer_that_broke_the_protocol_is_not_listened_to() {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

        let [a, b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let port = crate::port::Mailbox::new().unwrap();
        let subject: Arc<dyn Subject> = Arc::clone(&a) as _;
        let register = || port.register(&subject, 0, 1, Signals::USER_0, false, None);
        let is_at_rest = || {
            let looked = port.wait(crate::sys::deadline::Deadline::after(
                std::time::Duration::ZERO,
            ));
            assert_eq!(looked.unwrap_err(), Error::TimedOut);
            let mut fds = [PollFd::new(port.descriptor(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::ZERO) == Ok(0)
        };
        register().unwrap();
        a.disconnect(crate::Violation::TailOutOfRange);
        b.doorbell().ring();
        assert!(is_at_rest());
        register().unwrap();
        assert!(is_at_rest());
    }

    #[test]
    fn look_at_a_place_that_was_left_takes_no_trace() {
        let (a, old, new) = moved();
        let (waiter, observer) = observer(Signals::USER_0);
        new.enroll(observer).unwrap();
        // A pulse, of which only the trace is left.
        a.signal_peer(Signals::empty(), Signals::USER_0).unwrap();
        a.signal_peer(Signals::USER_0, Signals::empty()).unwrap();
        old.look_now();
        old.withdraw(&|_| true, Withdrawal::GaveUp);
        let word = new
            .direction(Role::Consumer)
            .load64(Word64::Signals, Site::ObserveSignals);
        assert_ne!(word >> stored::RISEN_SHIFT, 0, "the trace is gone");
        new.look_now();
        assert!(waiter.outcome().is_some());
    }

    /// The watcher would go on watching a descriptor that is somebody else's by then.
    #[test]
    fn sleeper_does_not_have_a_place_watched_that_was_left() {
        let (_a, old, new) = moved();
        for (link, watched) in [(old, false), (new, true)] {
            link.prepare_sleep().unwrap();
            assert_eq!(link.is_watched(), watched);
        }
    }

    /// Between the look and the taking there is time for another pulse.
    #[test]
    fn only_traces_that_were_seen_are_taken() {
        let [a, b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let none = Signals::empty();
        let pulse = |signal| {
            a.signal_peer(none, signal).unwrap();
            a.signal_peer(signal, none).unwrap();
        };
        pulse(Signals::USER_0);
        let seen = b.state();
        pulse(Signals::USER_1);
        let incoming = b.direction(Role::Consumer);
        signals::take_traces(incoming, seen.traces());
        let word = incoming.load64(Word64::Signals, Site::ObserveSignals);
        let left = word >> stored::RISEN_SHIFT;
        assert_eq!(left, u64::from(Signals::USER_1.bits()));
    }
}
