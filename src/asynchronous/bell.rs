//! How tasks wait at a doorbell.
//!
//! A wait looks for a while first, as those of threads do and for as long (`wait::spin`), but lets other tasks
//! have their turns in between: the task has itself woken at once. Then it arms the doorbell, and is
//! woken by the reactor.

use std::sync::Arc;
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

/// The doorbell of an endpoint, for the tasks at both of its halves.
#[derive(Debug)]
pub(super) struct Bell<R> {
    reactor: R,
    link: Arc<Link>,
    tasks: Arc<Tasks>,
    /// Wakes both.
    waker: Waker,
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

/// What a task waits with: one half of an endpoint.
pub(super) trait Waiting {
    const ROLE: Role;

    /// Arms the doorbell, unless what is waited for is there already. Says whether it armed.
    fn arm(&mut self, want: usize) -> Result<bool>;

    /// How long a wait that begins may look.
    fn begin_wait(&mut self) -> Limit;

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
}

impl Wait {
    fn begin(half: &mut impl Waiting) -> Self {
        let limit = half.begin_wait();
        Self {
            start: Instant::now(),
            limit,
            sleeps: limit.look.is_zero(),
        }
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
        if self.sleeps || took < self.limit.usual {
            half.end_wait(took, self.sleeps);
        }
    }
}

impl<R: Reactor> Bell<R> {
    pub(super) fn new(link: Arc<Link>) -> io::Result<Self> {
        let tasks = Arc::<Tasks>::default();
        Ok(Self {
            reactor: R::watch(Watched::Doorbell(Arc::clone(&link)))?,
            link,
            waker: Waker::from(Arc::clone(&tasks)),
            tasks,
        })
    }

    /// Polls `attempt` at this half: done, unless it would block; then the task is woken when `want` bytes
    /// are there, or free, or never will be.
    #[inline]
    pub(super) fn poll<H: Waiting, T>(
        &self,
        cx: &mut Context<'_>,
        half: &mut H,
        wait: &mut Option<Wait>,
        want: usize,
        mut attempt: impl FnMut(&mut H) -> Result<T>,
    ) -> Poll<io::Result<T>> {
        R::poll_in_turn(cx, |cx| {
            let mut result = attempt(half);
            if let Err(Error::WouldBlock) = result {
                result = ready!(self.wait(cx, half, wait, want, attempt))?;
            }
            if let Some(wait) = wait.take() {
                wait.end(half);
            }
            Poll::Ready(Ok(result?))
        })
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
        let wait = wait.get_or_insert_with(|| Wait::begin(half));
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
        self.sleep(cx, half, want, attempt)
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
                .poll_readable(&mut both, || self.link.take_rings());
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
