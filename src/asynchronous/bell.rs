//! How tasks wait at a doorbell.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;

use super::Reactor;
use crate::error::{Error, Result};
use crate::mem::Role;
use crate::socket::Link;

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
}

impl<R: Reactor> Bell<R> {
    pub(super) fn new(link: Arc<Link>) -> io::Result<Self> {
        let tasks = Arc::<Tasks>::default();
        Ok(Self {
            reactor: R::watch(Arc::clone(&link))?,
            link,
            waker: Waker::from(Arc::clone(&tasks)),
            tasks,
        })
    }

    /// Polls `attempt` at this half: done, unless it would block; then the task is woken when `want` bytes
    /// are there, or free, or never will be.
    pub(super) fn poll<H: Waiting, T>(
        &self,
        cx: &mut Context<'_>,
        half: &mut H,
        want: usize,
        mut attempt: impl FnMut(&mut H) -> Result<T>,
    ) -> Poll<io::Result<T>> {
        R::poll_in_turn(cx, |cx| match attempt(half) {
            Err(Error::WouldBlock) => self.wait(cx, half, want, attempt),
            result => Poll::Ready(Ok(result?)),
        })
    }

    /// Out of line, so that an attempt that does not block is compiled into its caller.
    #[cold]
    fn wait<H: Waiting, T>(
        &self,
        cx: &mut Context<'_>,
        half: &mut H,
        want: usize,
        mut attempt: impl FnMut(&mut H) -> Result<T>,
    ) -> Poll<io::Result<T>> {
        self.tasks.at(H::ROLE).register(cx.waker());
        for _ in 0..MOST_ROUNDS {
            if half.arm(want)? {
                let mut both = Context::from_waker(&self.waker);
                if self
                    .reactor
                    .poll_ring(&mut both, || self.link.take_rings())?
                    .is_pending()
                {
                    return Poll::Pending;
                }
                // It may have been for the other half.
                self.tasks.at(H::ROLE.peer()).wake();
            }
            match attempt(half) {
                Err(Error::WouldBlock) => {}
                result => return Poll::Ready(Ok(result?)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
