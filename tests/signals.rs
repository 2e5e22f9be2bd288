//! Signals of endpoints, and waits for them, both ends in one process.

mod support;
mod support_processes;

use std::cell::RefCell;
use std::io::Read;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::descriptors::{Parts, Shared};
use support_processes::observe::{self, manner, sleeper};
use zocket::protocol::{Side, Word32, Word64, waiter};
use zocket::{
    Builder, Datagram, Disposition, Error, FenceMode, FencePolicy, MIN_CAPACITY, Packet, Port,
    Readiness, Signals, Stream, Trigger, WaitItem, wait_many,
};

use Disposition::{Unchanged, WriteDisabled, WriteEnabled};

const CAPACITY: usize = MIN_CAPACITY;
/// Rounds of what races.
const ROUNDS: u32 = 3000;

const FENCES: [FenceMode; 2] = [FenceMode::Asymmetric, FenceMode::Symmetric];

fn builder() -> Builder {
    Builder::new().capacity(CAPACITY)
}

fn pair() -> (Stream, Stream) {
    builder().stream_pair().unwrap()
}

fn pair_with(fence: FenceMode) -> (Stream, Stream) {
    let builder = builder().fence(FencePolicy::Exactly(fence));
    builder.stream_pair().unwrap()
}

fn datagram_pair() -> (Datagram, Datagram) {
    builder().datagram_pair().unwrap()
}

fn past() -> Option<Instant> {
    Some(Instant::now())
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(5))
}

// Signals in every state.

/// What either kind of endpoint does in these tests.
trait End {
    fn put(&mut self, len: usize) -> zocket::Result<usize>;
    fn take(&mut self, len: usize) -> zocket::Result<usize>;
    fn now(&self) -> Signals;
    fn dispose(&self, own: Disposition, peer: Disposition) -> zocket::Result<()>;
    fn thresholds(&self, read: usize, write: usize);
}

macro_rules! end {
    ($type:ident, $write:ident, $read:ident) => {
        impl End for $type {
            fn put(&mut self, len: usize) -> zocket::Result<usize> {
                self.$write(&vec![7; len])
            }

            fn take(&mut self, len: usize) -> zocket::Result<usize> {
                self.$read(&mut vec![0; len])
            }

            /// By both ways to ask, which must agree.
            fn now(&self) -> Signals {
                let now = self.signals();
                let waited = self.wait(Signals::all(), past());
                assert_eq!(waited.unwrap_or_default(), now);
                now
            }

            fn dispose(&self, own: Disposition, peer: Disposition) -> zocket::Result<()> {
                self.set_disposition(own, peer)
            }

            fn thresholds(&self, read: usize, write: usize) {
                self.set_read_threshold(read).unwrap();
                self.set_write_threshold(write).unwrap();
            }
        }
    };
}

end!(Stream, try_write, try_read);
end!(Datagram, try_send, try_recv);

/// The states, which both kinds have in common.
fn signals_follow_the_state(mut a: impl End, mut b: impl End) {
    const R: Signals = Signals::READABLE;
    const W: Signals = Signals::WRITABLE;
    let full = CAPACITY;

    assert_eq!((a.now(), b.now()), (W, W));
    a.put(1).unwrap();
    assert_eq!((a.now(), b.now()), (W, W | R));
    b.take(1).unwrap();
    assert_eq!((a.now(), b.now()), (W, W));

    a.thresholds(0, 1000);
    b.thresholds(100, 0);
    assert_eq!((a.now(), b.now()), (W | Signals::WRITE_THRESHOLD, W));
    a.put(99).unwrap();
    assert_eq!(b.now(), W | R);
    a.put(1).unwrap();
    assert_eq!(b.now(), W | R | Signals::READ_THRESHOLD);
    b.thresholds(101, 0);
    assert_eq!(b.now(), W | R);
    b.thresholds(100, 0);
    b.take(99).unwrap();
    assert_eq!(b.now(), W | R);
    b.take(1).unwrap();
    assert_eq!(b.now(), W);

    a.put(full).unwrap();
    assert_eq!(
        (a.now(), b.now()),
        (Signals::empty(), W | R | Signals::READ_THRESHOLD)
    );
    b.take(full).unwrap();
    assert_eq!((a.now(), b.now()), (W | Signals::WRITE_THRESHOLD, W));

    // Writing of `a` is disabled by itself, then by the other.
    for by_a in [true, false] {
        let set = |a: &dyn Fn() -> zocket::Result<()>, b: &dyn Fn() -> zocket::Result<()>| {
            if by_a { a() } else { b() }.unwrap();
        };
        set(&|| a.dispose(WriteDisabled, Unchanged), &|| {
            b.dispose(Unchanged, WriteDisabled)
        });
        let disabled = Signals::WRITE_DISABLED | Signals::WRITE_THRESHOLD;
        assert_eq!(
            (a.now(), b.now()),
            (disabled, W | Signals::PEER_WRITE_DISABLED)
        );
        set(&|| a.dispose(WriteEnabled, Unchanged), &|| {
            b.dispose(Unchanged, WriteEnabled)
        });
        assert_eq!((a.now(), b.now()), (W | Signals::WRITE_THRESHOLD, W));
    }

    // What was written before the end stays; so does a threshold that was reached.
    b.put(5).unwrap();
    drop(b);
    let orphan = R | Signals::PEER_CLOSED | Signals::WRITE_THRESHOLD;
    assert_eq!(a.now(), orphan);
    a.dispose(WriteDisabled, Unchanged).unwrap();
    assert_eq!(a.now(), orphan | Signals::WRITE_DISABLED);
    a.dispose(WriteEnabled, Unchanged).unwrap();
    assert_eq!(a.now(), orphan | W);
    assert_eq!(a.put(1), Err(Error::PeerClosed));
    a.take(5).unwrap();
    assert_eq!(a.now(), (orphan | W) - R);
}

#[test]
fn signals_of_a_stream_follow_its_state() {
    let (a, b) = pair();
    signals_follow_the_state(a, b);
}

#[test]
fn signals_of_a_datagram_endpoint_follow_its_state() {
    let (a, b) = datagram_pair();
    signals_follow_the_state(a, b);
}

// Dispositions.

/// What was cached of an end must not outlive it.
fn reads_go_on_after_enabling(mut a: impl End, mut b: impl End) {
    let disable = |end: &dyn Fn(Disposition) -> zocket::Result<()>| end(WriteDisabled).unwrap();
    for by_a in [true, false] {
        let end_of_a = |a: &dyn End, b: &dyn End, how| match by_a {
            true => a.dispose(how, Unchanged),
            false => b.dispose(Unchanged, how),
        };
        disable(&|how| end_of_a(&a, &b, how));
        assert_eq!(b.take(8), Ok(0));
        assert_eq!(b.take(8), Ok(0));
        assert_eq!(a.put(1), Err(Error::WriteDisabled));
        end_of_a(&a, &b, WriteEnabled).unwrap();
        assert_eq!(b.take(8), Err(Error::WouldBlock));
        assert_eq!(a.put(3), Ok(3));
        assert_eq!(b.take(8), Ok(3));
        assert_eq!(b.take(8), Err(Error::WouldBlock));

        // Between two looks of the reader: an end, and another one.
        disable(&|how| end_of_a(&a, &b, how));
        assert_eq!(b.take(8), Ok(0));
        end_of_a(&a, &b, WriteEnabled).unwrap();
        disable(&|how| end_of_a(&a, &b, how));
        assert_eq!(b.take(8), Ok(0));
        end_of_a(&a, &b, WriteEnabled).unwrap();
        assert_eq!(a.put(2), Ok(2));
        disable(&|how| end_of_a(&a, &b, how));
        assert_eq!((b.take(8), b.take(8)), (Ok(2), Ok(0)));
        end_of_a(&a, &b, WriteEnabled).unwrap();
    }
}

#[test]
fn reader_that_has_seen_the_end_reads_on_after_writing_was_enabled() {
    let (a, b) = pair();
    reads_go_on_after_enabling(a, b);
    let (a, b) = datagram_pair();
    reads_go_on_after_enabling(a, b);
}

fn enabling_waits_for_the_reader(mut a: impl End, mut b: impl End) {
    // Never disabled: never refused.
    a.put(1).unwrap();
    a.dispose(WriteEnabled, WriteEnabled).unwrap();
    b.dispose(WriteEnabled, WriteEnabled).unwrap();

    a.dispose(WriteDisabled, Unchanged).unwrap();
    assert_eq!(a.dispose(WriteEnabled, Unchanged), Err(Error::UnreadData));
    assert_eq!(b.dispose(Unchanged, WriteEnabled), Err(Error::UnreadData));
    // All or nothing.
    assert_eq!(
        a.dispose(WriteEnabled, WriteDisabled),
        Err(Error::UnreadData)
    );
    assert_eq!(
        b.dispose(WriteDisabled, WriteEnabled),
        Err(Error::UnreadData)
    );
    assert!(!b.now().contains(Signals::WRITE_DISABLED));
    assert_eq!(b.put(1), Ok(1));
    b.take(1).unwrap();
    b.dispose(WriteDisabled, WriteEnabled).unwrap();
    assert!(!a.now().contains(Signals::WRITE_DISABLED));
    assert!(b.now().contains(Signals::WRITE_DISABLED));
    // What is left for `a` to read is no matter of the peer's that is gone.
    drop(b);
    assert_eq!(a.dispose(Unchanged, WriteEnabled), Err(Error::UnreadData));
    a.dispose(WriteEnabled, Unchanged).unwrap();
}

#[test]
fn enabling_is_refused_from_either_end_while_something_is_unread() {
    let (a, b) = pair();
    enabling_waits_for_the_reader(a, b);
    let (a, b) = datagram_pair();
    enabling_waits_for_the_reader(a, b);
}

#[test]
fn shutdown_is_a_disposition() {
    for (how, own, peer) in [
        (Shutdown::Write, WriteDisabled, Unchanged),
        (Shutdown::Read, Unchanged, WriteDisabled),
        (Shutdown::Both, WriteDisabled, WriteDisabled),
    ] {
        let (a, b) = pair();
        let (c, d) = pair();
        a.shutdown(how).unwrap();
        c.set_disposition(own, peer).unwrap();
        assert_eq!(
            (a.signals(), b.signals()),
            (c.signals(), d.signals()),
            "{how:?}"
        );
        a.set_disposition(WriteEnabled, WriteEnabled).unwrap();
        assert_eq!(
            (a.signals(), b.signals()),
            (Signals::WRITABLE, Signals::WRITABLE)
        );
    }
}

/// The one difference: nobody is left whose writing could be disabled.
#[test]
fn shutdown_of_reading_shows_after_the_peer_closed_and_a_disposition_does_not() {
    let (a, b) = pair();
    drop(b);
    a.set_disposition(Unchanged, WriteDisabled).unwrap();
    assert_eq!(a.signals(), Signals::PEER_CLOSED);
    a.shutdown(Shutdown::Read).unwrap();
    assert_eq!(
        a.signals(),
        Signals::PEER_CLOSED | Signals::PEER_WRITE_DISABLED
    );
}

/// Enabled again it blocks as before, and bytes wake it.
#[test]
fn blocked_reader_ends_when_writing_is_disabled_and_blocks_again_when_enabled() {
    for fence in FENCES {
        let (mut a, mut b) = pair_with(fence);
        thread::scope(|scope| {
            let reader = sleeper(scope, || {
                b.set_busy_wait(false);
                let first = b.read(&mut [0; 8]).unwrap();
                b.set_disposition(Unchanged, WriteEnabled).unwrap();
                (first, b.read(&mut [0; 8]).unwrap())
            })
            .until(manner::FUTEX);
            a.set_disposition(WriteDisabled, Unchanged).unwrap();
            a.wait(Signals::WRITABLE, None).unwrap();
            let reader = reader.until(manner::FUTEX);
            a.try_write(b"more").unwrap();
            assert_eq!(reader.result(), (0, 4));
        });
    }
}

// Thresholds and user signals.

#[test]
fn thresholds_are_checked_against_the_capacity_and_the_peer() {
    let (a, b) = pair();
    assert_eq!((a.read_threshold(), a.write_threshold()), (0, 0));
    let capacity = CAPACITY as u64;
    for requested in [CAPACITY + 1, usize::MAX] {
        let error = Error::TooLarge {
            requested: requested as u64,
            capacity,
        };
        assert_eq!(a.set_read_threshold(requested), Err(error));
        assert_eq!(a.set_write_threshold(requested), Err(error));
    }
    assert_eq!((a.read_threshold(), a.write_threshold()), (0, 0));
    a.set_read_threshold(CAPACITY).unwrap();
    a.set_write_threshold(CAPACITY).unwrap();
    assert_eq!(a.signals(), Signals::WRITABLE | Signals::WRITE_THRESHOLD);
    // They are the endpoint's own.
    assert_eq!((b.read_threshold(), b.write_threshold()), (0, 0));

    drop(b);
    for bytes in [0, 1, CAPACITY] {
        assert_eq!(a.set_write_threshold(bytes), Err(Error::PeerClosed));
        a.set_read_threshold(bytes).unwrap();
        assert_eq!((a.read_threshold(), a.write_threshold()), (bytes, CAPACITY));
    }
    let error = Error::TooLarge {
        requested: capacity + 1,
        capacity,
    };
    assert_eq!(a.set_write_threshold(CAPACITY + 1), Err(error));
    assert!(a.signals().contains(Signals::WRITE_THRESHOLD));
}

#[test]
fn only_user_signals_can_be_set() {
    let (a, b) = pair();
    for signal in Signals::all().iter() {
        let allowed = Signals::USER_ALL.contains(signal);
        let expected = if allowed {
            Ok(())
        } else {
            Err(Error::NotUserSignals)
        };
        let none = Signals::empty();
        assert_eq!(a.signal(none, signal), expected, "{signal:?}");
        assert_eq!(a.signal(signal, none), expected, "{signal:?}");
        assert_eq!(a.signal_peer(none, signal), expected, "{signal:?}");
        assert_eq!(a.signals().contains(signal), signal == Signals::WRITABLE);
        assert_eq!(
            b.signals().contains(signal),
            allowed || signal == Signals::WRITABLE
        );
    }
    // Cleared first, then set.
    a.signal_peer(Signals::USER_ALL, Signals::USER_3).unwrap();
    assert_eq!(b.signals(), Signals::WRITABLE | Signals::USER_3);
    drop(b);
    let bad = Signals::READABLE;
    assert_eq!(a.signal_peer(bad, bad), Err(Error::NotUserSignals));
    let nothing = Signals::empty();
    assert_eq!(a.signal_peer(nothing, nothing), Err(Error::PeerClosed));
}

// Waiting.

#[test]
fn wait_for_what_is_so_returns_at_once_whatever_the_deadline() {
    let (mut a, b) = pair();
    a.try_write(b"x").unwrap();
    a.signal_peer(Signals::empty(), Signals::USER_5).unwrap();
    let all = Signals::READABLE | Signals::WRITABLE | Signals::USER_5;
    for wanted in [Signals::READABLE, Signals::USER_ALL, Signals::all()] {
        assert_eq!(b.wait(wanted, None), Ok(all));
        assert_eq!(b.wait(wanted, past()), Ok(all));
    }
    assert_eq!(b.wait(Signals::PEER_CLOSED, past()), Err(Error::TimedOut));
    assert_eq!(b.wait(Signals::empty(), past()), Err(Error::TimedOut));
}

#[test]
fn wait_lasts_until_its_deadline() {
    let (a, _b) = pair();
    for wanted in [
        Signals::empty(),
        Signals::READABLE,
        Signals::all() - Signals::WRITABLE,
    ] {
        let deadline = Instant::now() + Duration::from_millis(5);
        assert_eq!(a.wait(wanted, Some(deadline)), Err(Error::TimedOut));
        assert!(Instant::now() >= deadline);
    }
}

/// What a peer sees of an endpoint that waits, or does not.
fn announced(shared: &Shared) -> (u32, u32) {
    // Relaxed: nobody else is at it.
    let word = |side, word| shared.word32(side, word).load(Ordering::Relaxed);
    (
        word(Side::B, Word32::ConsumerWaiter),
        word(Side::A, Word32::ProducerWaiter),
    )
}

#[test]
fn wait_that_timed_out_leaves_nothing_behind() {
    let (mut a, b) = pair();
    a.try_write(&[0; CAPACITY]).unwrap();
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    let wanted = Signals::READABLE | Signals::WRITABLE | Signals::USER_0;
    thread::scope(|scope| {
        let soon = Instant::now() + Duration::from_millis(50);
        let a = &a;
        let waiter = sleeper(scope, move || a.wait(wanted, Some(soon))).until(manner::FUTEX);
        assert_ne!(announced(&shared).0, 0);
        assert_ne!(announced(&shared).1, 0);
        assert_eq!(waiter.result(), Err(Error::TimedOut));
    });
    assert_eq!(announced(&shared), (0, 0));
    // Of several waiters, the announcement is the last one's to take back.
    thread::scope(|scope| {
        let a = &a;
        let first = sleeper(scope, move || a.wait(wanted, None)).until(manner::FUTEX);
        assert_eq!(a.wait(wanted, soon()), Err(Error::TimedOut));
        assert_ne!(announced(&shared).0, 0);
        a.signal(Signals::empty(), Signals::USER_0).unwrap();
        assert_eq!(first.result(), Ok(Signals::USER_0));
    });
    assert_eq!(announced(&shared), (0, 0));
}

/// A peer that rings for a port which wants no more makes a system call for nothing.
#[test]
fn manner_of_waiting_that_is_over_is_announced_no_more() {
    let (a, b) = pair();
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    let port = Port::new().unwrap();
    let none = Signals::empty();
    thread::scope(|scope| {
        let a = &a;
        let waiter = sleeper(scope, || a.wait(Signals::USER_0, None)).until(manner::FUTEX);
        let level = Trigger::Level;
        port.register(a, 1, Signals::USER_1, level).unwrap();
        let before = announced(&shared);
        let cancelled = port.cancel(a, 1);
        let after = announced(&shared);
        a.signal(none, Signals::USER_0).unwrap();
        assert_eq!(waiter.result(), Ok(Signals::WRITABLE | Signals::USER_0));
        assert!(cancelled);
        assert_eq!(before, (waiter::EVENT | waiter::EVENT_BELL, 0));
        assert_eq!(after, (waiter::EVENT, 0));
    });
    assert_eq!(announced(&shared), (0, 0));
}

/// No number of bytes makes it writable: a reader need not wake it.
#[test]
fn waiter_for_space_whose_writing_is_disabled_announces_no_want_of_bytes() {
    let (mut a, b) = pair();
    a.try_write(&[0; CAPACITY]).unwrap();
    a.set_disposition(WriteDisabled, Unchanged).unwrap();
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    let wanted = Signals::WRITABLE | Signals::USER_0;
    thread::scope(|scope| {
        let a = &a;
        let waiter = sleeper(scope, move || a.wait(wanted, None)).until(manner::FUTEX);
        let announced = announced(&shared);
        a.signal(Signals::empty(), Signals::USER_0).unwrap();
        assert!(waiter.result().is_ok());
        assert_eq!(announced, (waiter::EVENT, 0));
    });
}

/// The next owner has not waited yet: a peer that rings for it makes a system call for nothing.
#[test]
fn endpoint_that_moved_announces_nothing_of_its_last_owner() {
    let (mut a, b) = pair();
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    assert_eq!(a.arm_read(1), Ok(Readiness::Armed));
    assert_ne!(announced(&shared).0, 0);
    let _a = Stream::try_from(a.into_fd().unwrap()).unwrap();
    assert_eq!(announced(&shared), (0, 0));
}

#[test]
fn own_signal_wakes_own_waiters_all_of_them() {
    let (a, _b) = pair();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|_| sleeper(scope, || a.wait(Signals::USER_1, None)).until(manner::FUTEX))
            .collect();
        a.signal(Signals::empty(), Signals::USER_1).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.result(), Ok(Signals::WRITABLE | Signals::USER_1));
        }
    });
}

#[test]
fn halves_wait_for_the_whole_endpoint() {
    let (mut a, b) = pair();
    let (mut read, write) = b.into_split();
    let wanted = Signals::READABLE | Signals::PEER_CLOSED;
    thread::scope(|scope| {
        let read_waiter = sleeper(scope, || {
            let met = read.wait(wanted, None);
            (met, read.try_read(&mut [0; 8]))
        })
        .until(manner::FUTEX);
        let write_waiter = sleeper(scope, || write.wait(wanted, None)).until(manner::FUTEX);
        a.try_write(b"x").unwrap();
        let on = Signals::READABLE | Signals::WRITABLE;
        assert_eq!(read_waiter.result(), (Ok(on), Ok(1)));
        assert_eq!(write_waiter.result(), Ok(on));
    });
    // A half that is dropped disables its direction.
    thread::scope(|scope| {
        let waiter =
            sleeper(scope, || read.wait(Signals::WRITE_DISABLED, None)).until(manner::FUTEX);
        drop(write);
        assert_eq!(waiter.result(), Ok(Signals::WRITE_DISABLED));
    });
    assert!(a.signals().contains(Signals::PEER_WRITE_DISABLED));
}

#[test]
fn peer_that_broke_the_protocol_shows_as_closed_and_wakes() {
    let (a, b) = pair();
    // Its end of the doorbell stays open.
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    let (mut read, write) = a.into_split();
    thread::scope(|scope| {
        let waiter = sleeper(scope, || write.wait(Signals::PEER_CLOSED, None));
        let waiter = waiter.until(manner::FUTEX);
        // Relaxed: nobody else is at it.
        let tail = shared.word64(Side::B, Word64::Tail);
        tail.store(u64::MAX / 2, Ordering::Relaxed);
        let error = read.try_read(&mut [0; 8]).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{error}");
        assert!(waiter.result().unwrap().contains(Signals::PEER_CLOSED));
        // What it takes back changes nothing.
        for word in [Word32::ConsumerFlags, Word32::ProducerFlags] {
            for side in [Side::A, Side::B] {
                shared.word32(side, word).store(0, Ordering::Relaxed);
            }
        }
    });
    assert!(write.signals().contains(Signals::PEER_CLOSED));
    assert!(!write.signals().contains(Signals::WRITABLE));
    let none = Signals::empty();
    assert_eq!(write.signal_peer(none, none), Err(Error::PeerClosed));
    assert_eq!(write.set_write_threshold(0), Err(Error::PeerClosed));
    assert!(write.wait(Signals::PEER_CLOSED, None).is_ok());
}

#[test]
fn peer_whose_end_the_kernel_has_shown_stays_closed_whatever_it_writes() {
    let (a, b) = pair();
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    // Its end of the doorbell is closed with them, the memory is still in its hands.
    drop(parts);
    assert!(a.wait(Signals::PEER_CLOSED, past()).is_ok());
    for word in [Word32::ConsumerFlags, Word32::ProducerFlags] {
        for side in [Side::A, Side::B] {
            // Relaxed: nobody else is at it.
            shared.word32(side, word).store(0, Ordering::Relaxed);
        }
    }
    assert_eq!(a.signals(), Signals::PEER_CLOSED);
    let none = Signals::empty();
    assert_eq!(a.signal_peer(none, none), Err(Error::PeerClosed));
    assert_eq!(a.set_write_threshold(0), Err(Error::PeerClosed));
}

thread_local! {
    static KEPT: RefCell<Option<Stream>> = const { RefCell::new(None) };
}

/// The crate's own thread-local variables are gone by then.
#[test]
fn regression_endpoint_in_a_thread_local_variable_is_dropped_with_the_thread() {
    let (a, b) = pair();
    let keep = move || {
        KEPT.with(|kept| *kept.borrow_mut() = Some(b));
        let (c, _d) = pair();
        assert_eq!(c.wait(Signals::READABLE, soon()), Err(Error::TimedOut));
    };
    thread::spawn(keep).join().unwrap();
    assert_eq!(a.signals(), Signals::PEER_CLOSED);
}

// Thresholds: asleep until there is enough.

const FAR: usize = 64 << 10;
const PIECE: usize = 64;

#[test]
fn sleeper_on_the_read_threshold_is_not_woken_before_it() {
    for fence in FENCES {
        let fence = FencePolicy::Exactly(fence);
        let (mut a, b) = Builder::new().fence(fence).stream_pair().unwrap();
        b.set_read_threshold(FAR).unwrap();
        thread::scope(|scope| {
            let waiter = sleeper(scope, || b.wait(Signals::READ_THRESHOLD, None));
            let waiter = waiter.until(manner::FUTEX);
            let before = waiter.thread.sleeps();
            for _ in 1..FAR / PIECE {
                a.try_write(&[0; PIECE]).unwrap();
            }
            // If it was woken it goes to sleep once more.
            let waiter = waiter.until(manner::FUTEX);
            assert_eq!(waiter.thread.sleeps(), before);
            a.try_write(&[0; PIECE]).unwrap();
            let on = waiter.result().unwrap();
            assert!(on.contains(Signals::READ_THRESHOLD | Signals::READABLE));
        });
    }
}

#[test]
fn sleeper_on_the_write_threshold_is_not_woken_before_it() {
    for fence in FENCES {
        let fence = FencePolicy::Exactly(fence);
        let (mut a, mut b) = Builder::new().fence(fence).stream_pair().unwrap();
        while a.try_write(&[0; FAR]).is_ok() {}
        a.set_write_threshold(FAR).unwrap();
        thread::scope(|scope| {
            let waiter = sleeper(scope, || a.wait(Signals::WRITE_THRESHOLD, None));
            let waiter = waiter.until(manner::FUTEX);
            let before = waiter.thread.sleeps();
            for _ in 1..FAR / PIECE {
                b.try_read(&mut [0; PIECE]).unwrap();
            }
            let waiter = waiter.until(manner::FUTEX);
            assert_eq!(waiter.thread.sleeps(), before);
            b.try_read(&mut [0; PIECE]).unwrap();
            assert!(waiter.result().unwrap().contains(Signals::WRITE_THRESHOLD));
        });
    }
}

/// A blocked writer would rather have more space than there is, and the reader waits until the
/// ring is full: one of the two must give way.
#[test]
fn blocked_writer_and_waiter_for_a_threshold_do_not_both_sleep() {
    for fence in FENCES {
        for reads in [1, 100] {
            let (mut a, mut b) = pair_with(fence);
            b.set_read_threshold(CAPACITY).unwrap();
            a.try_write(&[0; CAPACITY]).unwrap();
            thread::scope(|scope| {
                let writer = sleeper(scope, || {
                    a.set_busy_wait(false);
                    std::io::Write::write_all(&mut a, &[0; CAPACITY]).unwrap();
                })
                .until(manner::FUTEX);
                for _ in 0..CAPACITY / reads {
                    b.try_read(&mut vec![0; reads]).unwrap();
                    b.wait(Signals::READ_THRESHOLD, None).unwrap();
                }
                b.read_exact(&mut vec![0; 2 * CAPACITY - CAPACITY / reads * reads])
                    .unwrap();
                writer.result();
            });
        }
    }
}

// Several endpoints.

const EDGES: [usize; 6] = [1, 2, 3, 127, 128, 129];

fn manner_for(items: usize) -> &'static [i64] {
    match items {
        1 => manner::FUTEX,
        2..=128 => manner::FUTEXES,
        _ => manner::POLL,
    }
}

#[test]
fn wait_for_many_ends_with_any_of_them() {
    let none = Signals::empty();
    for count in EDGES {
        let (peers, ends): (Vec<_>, Vec<_>) = (0..count).map(|_| pair()).unzip();
        for met in [0, count / 2, count - 1] {
            let found = thread::scope(|scope| {
                let waiter = sleeper(scope, || {
                    let item = |end| WaitItem::new(end, Signals::USER_0 | Signals::READABLE);
                    let mut items: Vec<_> = ends.iter().map(item).collect();
                    wait_many(&mut items, None).unwrap();
                    let found = |item: &WaitItem<'_>| (item.is_met(), item.pending());
                    items.iter().map(found).collect::<Vec<_>>()
                })
                .until(manner_for(count));
                peers[met].signal_peer(none, Signals::USER_0).unwrap();
                waiter.result()
            });
            for (i, found) in found.into_iter().enumerate() {
                let expected = match i == met {
                    true => (true, Signals::WRITABLE | Signals::USER_0),
                    false => (false, Signals::WRITABLE),
                };
                assert_eq!(found, expected, "{i} of {count}");
            }
            peers[met].signal_peer(Signals::USER_0, none).unwrap();
        }
    }
}

/// What was not waited for shows with what was, as it is at the end.
#[test]
fn wait_for_many_says_of_the_others_what_is_on_at_its_end() {
    for count in EDGES.into_iter().filter(|count| *count > 1) {
        let (mut peers, ends): (Vec<_>, Vec<_>) = (0..count).map(|_| pair()).unzip();
        let pending = thread::scope(|scope| {
            let waiter = sleeper(scope, || {
                let item = |end| WaitItem::new(end, Signals::USER_0);
                let mut items: Vec<_> = ends.iter().map(item).collect();
                wait_many(&mut items, None).unwrap();
                [items[0].pending(), items[1].pending()]
            })
            .until(manner_for(count));
            peers[0].try_write(b"x").unwrap();
            peers[1]
                .signal_peer(Signals::empty(), Signals::USER_0)
                .unwrap();
            waiter.result()
        });
        let others = Signals::READABLE | Signals::WRITABLE;
        assert_eq!(pending, [others, Signals::WRITABLE | Signals::USER_0]);
    }
}

#[test]
fn wait_for_many_ends_when_a_peer_closes() {
    for count in EDGES {
        let (mut peers, ends): (Vec<_>, Vec<_>) = (0..count).map(|_| pair()).unzip();
        thread::scope(|scope| {
            let waiter = sleeper(scope, || {
                let item = |end| WaitItem::new(end, Signals::PEER_CLOSED);
                let mut items: Vec<_> = ends.iter().map(item).collect();
                wait_many(&mut items, None).unwrap();
                items.iter().filter(|item| item.is_met()).count()
            })
            .until(manner_for(count));
            drop(peers.pop());
            assert_eq!(waiter.result(), 1);
        });
    }
}

#[test]
fn wait_for_many_finds_what_is_so_at_once() {
    let (mut a, b) = pair();
    let (c, d) = pair();
    a.try_write(b"x").unwrap();
    drop(c);
    for deadline in [None, past()] {
        let mut items = [
            WaitItem::new(&b, Signals::USER_0),
            WaitItem::new(&b, Signals::READABLE),
            WaitItem::new(&d, Signals::USER_0 | Signals::PEER_CLOSED),
            WaitItem::new(&b, Signals::empty()),
        ];
        wait_many(&mut items, deadline).unwrap();
        let met = items.each_ref().map(WaitItem::is_met);
        assert_eq!(met, [false, true, true, false]);
        let on = Signals::READABLE | Signals::WRITABLE;
        let pending = items.each_ref().map(WaitItem::pending);
        assert_eq!(pending, [on, on, Signals::PEER_CLOSED, on]);
    }
}

#[test]
fn same_endpoint_may_be_waited_for_several_times() {
    let none = Signals::empty();
    for count in [2, 129, 1000] {
        let (a, b) = pair();
        let (_c, d) = pair();
        thread::scope(|scope| {
            let waiter = sleeper(scope, || {
                let item = |i: usize| match i {
                    0 => WaitItem::new(&b, Signals::USER_0),
                    1 => WaitItem::new(&d, Signals::USER_0),
                    _ => WaitItem::new(&b, Signals::USER_1),
                };
                let mut items: Vec<_> = (0..count).map(item).collect();
                wait_many(&mut items, None).unwrap();
                items.iter().filter(|item| item.is_met()).count()
            })
            .until(manner_for(count));
            a.signal_peer(none, Signals::USER_0).unwrap();
            assert_eq!(waiter.result(), 1);
        });
    }
}

#[test]
fn wait_for_many_lasts_until_its_deadline() {
    let pairs: Vec<_> = (0..129).map(|_| pair()).collect();
    for count in [0, 1, 2, 128, 129] {
        let wait = |deadline| {
            let ends = pairs[..count].iter().map(|(end, _)| end);
            let item = |end| WaitItem::new(end, Signals::READABLE);
            let mut items: Vec<_> = ends.map(item).collect();
            assert_eq!(wait_many(&mut items, Some(deadline)), Err(Error::TimedOut));
            assert!(Instant::now() >= deadline, "{count}");
            for item in &items {
                assert!(!item.is_met());
                assert_eq!(item.pending(), Signals::WRITABLE);
            }
        };
        wait(Instant::now());
        wait(Instant::now() + Duration::from_micros(1500));
        wait(Instant::now() + Duration::from_millis(5));
    }
}

/// No pulse of `wanted` is missed by who waits for so many items.
fn never_missed(
    items: usize,
    wait: impl Fn() -> zocket::Result<Signals> + Send,
    wanted: Signals,
    pulse: impl Fn(u32),
) {
    // Many items take long, and race no better.
    let rounds = ROUNDS / items.min(12) as u32;
    observe::never_missed(rounds, manner_for(items), wait, pulse, |on, round| {
        let on = on.unwrap();
        assert!(on.contains(wanted), "{on:?} in round {round}");
    });
}

/// One wait for many, of which the last is met.
fn last_of(ends: &[Stream], wanted: Signals) -> zocket::Result<Signals> {
    let item = move |end| WaitItem::new(end, wanted);
    let mut items: Vec<_> = ends.iter().map(item).collect();
    wait_many(&mut items, None)?;
    assert!(items.iter().rev().skip(1).all(|item| !item.is_met()));
    Ok(items[ends.len() - 1].pending())
}

#[test]
fn user_signal_that_is_set_and_cleared_at_once_is_not_missed() {
    let none = Signals::empty();
    for fence in FENCES {
        for count in [1, 2, 129] {
            let (peers, ends): (Vec<_>, Vec<_>) = (0..count).map(|_| pair_with(fence)).unzip();
            let peer = peers.last().unwrap();
            let wait = || match &ends[..] {
                [end] => end.wait(Signals::USER_7, None),
                ends => last_of(ends, Signals::USER_7),
            };
            never_missed(count, wait, Signals::USER_7, |round| {
                // By either end.
                let change = |clear, set| match round % 2 {
                    0 => peer.signal_peer(clear, set),
                    _ => ends[count - 1].signal(clear, set),
                };
                change(none, Signals::USER_7).unwrap();
                change(Signals::USER_7, none).unwrap();
            });
        }
    }
}

#[test]
fn disposition_that_is_changed_and_changed_back_is_not_missed() {
    for count in [1, 2, 129] {
        let (peers, ends): (Vec<_>, Vec<_>) = (0..count).map(|_| pair()).unzip();
        let peer = peers.last().unwrap();
        let wanted = Signals::PEER_WRITE_DISABLED;
        let wait = || match &ends[..] {
            [end] => end.wait(wanted, None),
            ends => last_of(ends, wanted),
        };
        never_missed(count, wait, wanted, |_| {
            peer.set_disposition(WriteDisabled, Unchanged).unwrap();
            peer.set_disposition(WriteEnabled, Unchanged).unwrap();
        });
    }
}

/// What stays on is not reported twice, and what was there before the wait is no pulse.
#[test]
fn pulse_before_the_wait_is_not_seen() {
    let none = Signals::empty();
    let (a, b) = pair();
    for _ in 0..10 {
        a.signal_peer(none, Signals::USER_2).unwrap();
        a.signal_peer(Signals::USER_2, none).unwrap();
        a.set_disposition(WriteDisabled, Unchanged).unwrap();
        a.set_disposition(WriteEnabled, Unchanged).unwrap();
        let wanted = Signals::USER_2 | Signals::PEER_WRITE_DISABLED;
        assert_eq!(b.wait(wanted, past()), Err(Error::TimedOut));
        assert_eq!(
            b.wait(wanted, Some(Instant::now() + Duration::from_millis(1))),
            Err(Error::TimedOut)
        );
    }
}

/// The peer of an endpoint that others wait for may go at any moment, also under the
/// feet of a thread that is telling it something.
#[test]
fn dropping_an_endpoint_races_with_operations_of_its_observed_peer() {
    let port = zocket::Port::new().unwrap();
    let turns = AtomicU32::new(0);
    for round in 0..ROUNDS {
        let (mut a, b) = pair();
        let level = zocket::Trigger::Level;
        port.register(&a, 1, Signals::USER_0, level).unwrap();
        port.register(&b, 2, Signals::READABLE, level).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                drop(b);
            });
            while a.try_write(b"x").is_ok() {
                turns.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    assert!(turns.into_inner() > 0);
}

/// Observers are not locked out while a call waits for a descriptor.
#[test]
fn write_from_a_descriptor_that_blocks_blocks_nobody_else() {
    let (mut a, b) = pair();
    let port = Port::new().unwrap();
    port.register(&a, 1, Signals::USER_0, Trigger::Level)
        .unwrap();
    let (out, mut into) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        let writer = sleeper(scope, || a.try_write_from_fd(&out, 8)).until(&[libc::SYS_readv]);
        b.signal_peer(Signals::empty(), Signals::USER_0).unwrap();
        let packet = port.wait(Some(Instant::now())).unwrap();
        assert!(matches!(packet, Packet::Signals { key: 1, .. }));
        std::io::Write::write_all(&mut into, b"later").unwrap();
        assert_eq!(writer.result(), Ok(5));
    });
    assert_eq!(b.info().readable, 5);
}
