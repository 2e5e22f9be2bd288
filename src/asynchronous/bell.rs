//! How tasks wait at a doorbell.
//!
//! A wait looks for a while first, as those of threads do and for as long (`wait::spin`), but lets other tasks
//! have their turns in between: the task has itself woken at once. Then it arms the doorbell, and is
//! woken by the reactor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};
use std::{hint, io, thread};

use atomic_waker::AtomicWaker;

use super::{Reactor, Watched};
use crate::error::{Error, Result};
use crate::mem::Role;
use crate::socket::Link;
use crate::wait::{LOOKS, Limit};

/// Times that a task finds its doorbell rung for nothing before it lets others have their turn. A
/// correct peer rings once for each time that it was asked to.
const MOST_ROUNDS: usize = 4;

/// Times that a wait for an answer begins anew as something was written meanwhile: a question, and the rest of it.
const MOST_ANEW: u8 = 2;

/// The doorbell of an endpoint, for the tasks at both of its halves.
#[derive(Debug)]
pub(super) struct Bell<R> {
    reactor: R,
    link: Arc<Link>,
    tasks: Arc<Tasks>,
    /// Wakes both.
    waker: Waker,
    hopeful: Hopeful,
}

/// The task that waits at each half, if one does.
#[derive(Debug, Default)]
struct Tasks([AtomicWaker; 2]);

impl Tasks {
    fn at(&self, role: Role) -> &AtomicWaker {
        match role {
            Role::Producer => &self.0[0],
            Role::Consumer => &self.0[1],
        }
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// A ring does not say whom it is for.
    fn wake_by_ref(self: &Arc<Self>) {
        for task in &self.0 {
            task.wake();
        }
    }
}

/// Whether the task that reads sleeps and would rather look, if only it knew that the peer is awake; then, how
/// often the peer had been woken when it went to sleep.
///
/// A server reads on before it answers, so it waits for the next question when it does not know yet whether
/// whoever asked looks for the answer. What is written then shows that.
///
/// Relaxed throughout: it orders nothing, and whoever does not see it only sleeps on.
#[derive(Debug, Default)]
struct Hopeful(AtomicU64);

impl Hopeful {
    const SOMEBODY: u64 = 1 << 32;

    fn set(&self, wake_ups: u32) {
        let state = Self::SOMEBODY | u64::from(wake_ups);
        self.0.store(state, Ordering::Relaxed);
    }

    #[inline(always)]
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether somebody is, and has reason to be.
    fn take(&self, wake_ups: u32) -> bool {
        let state = Self::SOMEBODY | u64::from(wake_ups);
        self.0.swap(0, Ordering::Relaxed) == state
    }
}

/// What a task waits with: one half of an endpoint.
pub(super) trait Waiting {
    const ROLE: Role;

    /// Arms the doorbell, unless what is waited for is there already. Says whether it armed.
    fn arm(&mut self, want: usize) -> Result<bool>;

    /// How long a wait that begins may look.
    fn begin_wait(&mut self) -> Limit;

    /// Whether one that begins when the peer is known to be awake looks.
    fn would_look(&self) -> bool;

    /// It has ended after so long, in a sleep or while it looked.
    fn end_wait(&mut self, took: Duration, slept: bool);
}

/// A wait under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    start: Instant,
    limit: Limit,
    /// Whether it looks no more.
    sleeps: bool,
    /// Whether it has left the task to the reactor.
    has_slept: bool,
    /// What the endpoint had written.
    written: u64,
    /// How often it began anew when the endpoint had written more.
    times_anew: u8,
}

impl Wait {
    fn begin(half: &mut impl Waiting, written: u64) -> Self {
        let limit = half.begin_wait();
        Self {
            start: Instant::now(),
            limit,
            sleeps: limit.look.is_zero(),
            has_slept: false,
            written,
            times_anew: 0,
        }
    }

    /// Whether it begins anew if the endpoint writes. One who writes on and on would look on and on.
    fn may_begin_anew(&self) -> bool {
        self.times_anew < MOST_ANEW
    }

    /// The endpoint has written since it began: what is waited for may be the answer to that.
    #[cold]
    fn begin_anew(&mut self, half: &mut impl Waiting, written: u64) {
        if !self.may_begin_anew() {
            return;
        }
        self.times_anew += 1;
        self.written = written;
        if self.limit.look.is_zero() {
            self.limit = half.begin_wait();
        }
        self.sleeps = self.limit.look.is_zero();
        self.has_slept = false;
        self.start = Instant::now();
    }

    /// Whether to look once more, after others have had their turn.
    fn looks_on(&mut self) -> bool {
        if self.sleeps {
            return false;
        }
        let elapsed = self.start.elapsed();
        if elapsed >= self.limit.usual {
            // Overdue: the peer may wait for this CPU.
            thread::yield_now();
        }
        self.sleeps = elapsed >= self.limit.look;
        !self.sleeps
    }

    fn end(self, half: &mut impl Waiting) {
        let took = self.start.elapsed();
        // What came overdue, without a sleep, says nothing.
        if self.has_slept || took < self.limit.usual {
            half.end_wait(took, self.has_slept);
        }
    }
}

impl<R: Reactor> Bell<R> {
    pub(super) fn new(link: Arc<Link>) -> io::Result<Self> {
        let tasks = Arc::<Tasks>::default();
        let waker = Waker::from(Arc::clone(&tasks));
        let reactor = R::watch(Watched::Doorbell(Arc::clone(&link)))?;
        link.set_tasks(Some(waker.clone()));
        Ok(Self {
            reactor,
            link,
            waker,
            tasks,
            hopeful: Hopeful::default(),
        })
    }

    /// Polls `attempt` at this half: done, unless it would block; then the task is woken when `want` bytes
    /// are there, or free, or never will be. `gone` is what an attempt comes to that would block at a peer
    /// that is gone.
    #[inline]
    pub(super) fn poll<H: Waiting, T>(
        &self,
        cx: &mut Context<'_>,
        half: &mut H,
        wait: &mut Option<Wait>,
        want: usize,
        gone: Result<T>,
        mut attempt: impl FnMut(&mut H) -> Result<T>,
    ) -> Poll<io::Result<T>> {
        R::poll_in_turn(cx, |cx| {
            let mut result = attempt(half);
            if let Err(Error::WouldBlock) = result {
                result = match self.link.is_gone() {
                    true => last_attempt(half, gone, attempt),
                    false => ready!(self.wait(cx, half, wait, want, attempt))?,
                };
            }
            if let Some(wait) = wait.take() {
                wait.end(half);
            }
            if H::ROLE == Role::Producer && self.hopeful.is_set() {
                self.encourage();
            }
            Poll::Ready(Ok(result?))
        })
    }

    /// After a write: the task that reads looks for the answer, if that woke nobody.
    #[cold]
    fn encourage(&self) {
        if self.hopeful.take(self.link.wake_ups()) {
            self.tasks.at(Role::Consumer).wake();
        }
    }

    /// Out of line, so that an attempt that does not block is compiled into its caller.
    #[cold]
    fn wait<H: Waiting, T>(
        &self,
        cx: &mut Context<'_>,
        half: &mut H,
        wait: &mut Option<Wait>,
        want: usize,
        mut attempt: impl FnMut(&mut H) -> Result<T>,
    ) -> Poll<io::Result<Result<T>>> {
        let written = match H::ROLE {
            Role::Consumer => self.link.written(),
            // Nobody answers to space.
            Role::Producer => 0,
        };
        let wait = wait.get_or_insert_with(|| Wait::begin(half, written));
        if wait.written != written {
            wait.begin_anew(half, written);
        }
        if wait.looks_on() {
            for _ in 0..LOOKS {
                hint::spin_loop();
                match attempt(half) {
                    Err(Error::WouldBlock) => {}
                    result => return Poll::Ready(Ok(result)),
                }
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.sleep(cx, half, want, attempt);
        if polled.is_pending() {
            wait.has_slept = true;
            if H::ROLE == Role::Consumer && wait.may_begin_anew() && half.would_look() {
                self.hopeful.set(self.link.wake_ups());
            }
        }
        polled
    }

    fn sleep<H: Waiting, T>(
        &self,
        cx: &mut Context<'_>,
        half: &mut H,
        want: usize,
        mut attempt: impl FnMut(&mut H) -> Result<T>,
    ) -> Poll<io::Result<Result<T>>> {
        self.tasks.at(H::ROLE).register(cx.waker());
        // Rings from before, until the reactor will tell of the next one.
        for _ in 0..MOST_ROUNDS {
            let mut both = Context::from_waker(&self.waker);
            let ring = self
                .reactor
                .poll_readable(&mut both, || self.link.take_rings_of_reactor());
            if ring?.is_pending() {
                if half.arm(want)? {
                    return Poll::Pending;
                }
            } else {
                // It may have been for the other half.
                self.tasks.at(H::ROLE.peer()).wake();
            }
            match attempt(half) {
                Err(Error::WouldBlock) => {}
                result => return Poll::Ready(Ok(result)),
            }
        }
        // Somebody rings for nothing.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Once the kernel has shown that the peer is gone, what it wrote before is there. An attempt that would block
/// even so waits for somebody who takes our closed bits back, and might do so for ever.
#[cold]
fn last_attempt<H, T>(
    half: &mut H,
    gone: Result<T>,
    mut attempt: impl FnMut(&mut H) -> Result<T>,
) -> Result<T> {
    match attempt(half) {
        Err(Error::WouldBlock) => gone,
        result => result,
    }
}

/// The endpoint may become a blocking one again.
impl<R> Drop for Bell<R> {
    fn drop(&mut self) {
        self.link.set_tasks(None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::Builder;
    use crate::layout::Kind;

    /// A half that says how long to look, for one wait after the other.
    struct Fake(Vec<Duration>);

    impl Waiting for Fake {
        const ROLE: Role = Role::Consumer;

        fn arm(&mut self, _: usize) -> Result<bool> {
            Ok(true)
        }

        fn begin_wait(&mut self) -> Limit {
            let look = self.0.remove(0);
            Limit { look, usual: look }
        }

        fn would_look(&self) -> bool {
            true
        }

        fn end_wait(&mut self, _: Duration, _: bool) {}
    }

    #[test]
    fn wait_begins_anew_when_more_was_written_but_not_without_end() {
        let long = Duration::from_secs(1000);
        let mut half = Fake(vec![Duration::ZERO, long]);
        let mut wait = Wait::begin(&mut half, 0);
        assert!(!wait.looks_on());
        wait.has_slept = true;
        wait.begin_anew(&mut half, 1);
        assert!(wait.looks_on() && !wait.has_slept);
        let start = wait.start;
        // What it may look is not asked for again.
        wait.begin_anew(&mut half, 2);
        assert!(wait.start > start && wait.limit.look == long);
        let start = wait.start;
        wait.begin_anew(&mut half, 3);
        assert!(wait.start == start && !wait.may_begin_anew());
    }

    /// The reactor of a doorbell whose peer rings without end; counts the rings.
    #[derive(Default)]
    struct Flooded(AtomicUsize);

    impl Reactor for Flooded {
        fn watch(_: Watched) -> io::Result<Self> {
            Ok(Self::default())
        }

        fn poll_readable(&self, _: &mut Context<'_>, _: impl FnOnce()) -> Poll<io::Result<()>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Ok(()))
        }

        fn poll_in_turn<T>(
            cx: &mut Context<'_>,
            poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
        ) -> Poll<T> {
            poll(cx)
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn rings_for_nothing_keep_no_other_task_from_its_turn() {
        let [link, _peer] = Builder::new().links(Kind::Stream).unwrap();
        let bell = Bell::<Flooded>::new(link).unwrap();
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut half = Fake(vec![Duration::ZERO]);
        let nothing = |_: &mut Fake| Err::<(), _>(Error::WouldBlock);
        let polled = bell.poll(&mut cx, &mut half, &mut None, 1, Ok(()), nothing);
        assert!(polled.is_pending());
        assert_eq!(bell.reactor.0.load(Ordering::Relaxed), MOST_ROUNDS);
        // So it comes to its next turn.
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn attempt_at_a_peer_that_is_gone_is_the_last_one() {
        let [link, _peer] = Builder::new().links(Kind::Stream).unwrap();
        let bell = Bell::<Flooded>::new(Arc::clone(&link)).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut half = Fake(vec![Duration::ZERO]);
        link.hang_up();
        // As of a peer that takes back that it is closed.
        let nothing = |_: &mut Fake| Err(Error::WouldBlock);
        let polled = bell.poll(&mut cx, &mut half, &mut None, 1, Ok(0), nothing);
        assert!(matches!(polled, Poll::Ready(Ok(0))));
        // What it wrote after the first attempt, and before it went, is there.
        let mut attempts = 0;
        let late = |_: &mut Fake| {
            attempts += 1;
            match attempts {
                1 => Err(Error::WouldBlock),
                _ => Ok(5),
            }
        };
        let polled = bell.poll(&mut cx, &mut half, &mut None, 1, Ok(0), late);
        assert!(matches!(polled, Poll::Ready(Ok(5))));
    }
}
