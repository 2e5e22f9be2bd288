//! Waiting for signals of endpoints.

use std::sync::Arc;
use std::time::Instant;

use super::link::Link;
use crate::error::{Error, Result};
use crate::observe::{self, Ended, Item};
use crate::signals::Signals;
use crate::sys::deadline::Deadline;

/// What can be waited for: an endpoint, also through one of its halves.
///
/// Implemented by [`Stream`](crate::Stream), [`Datagram`](crate::Datagram) and their halves,
/// and by nothing else.
#[allow(private_bounds, reason = "sealed")]
pub trait Waitable: AsLink {}

impl<T: AsLink> Waitable for T {}

pub(crate) trait AsLink {
    fn as_link(&self) -> &Arc<Link>;
}

/// An endpoint and what is wanted of it, for [`wait_many`].
#[derive(Debug)]
pub struct WaitItem<'a> {
    link: &'a Arc<Link>,
    wanted: Signals,
    pending: Signals,
}

impl<'a> WaitItem<'a> {
    /// Any of `wanted`, of a [`Stream`](crate::Stream), a [`Datagram`](crate::Datagram)
    /// or one of their halves.
    pub fn new(endpoint: &'a impl Waitable, wanted: Signals) -> Self {
        Self {
            link: endpoint.as_link(),
            wanted,
            pending: Signals::empty(),
        }
    }

    /// All signals of the endpoint: at the moment when one that was wanted was on, else
    /// when the wait ended. Empty before.
    pub fn pending(&self) -> Signals {
        self.pending
    }

    /// Whether it was this endpoint, or this too, that ended the wait.
    pub fn is_met(&self) -> bool {
        self.pending.intersects(self.wanted)
    }
}

/// Waits until of any of the endpoints any of the signals that are wanted of it is on, or was on for
/// a moment.
///
/// Any number of endpoints, any of them several times. Up to 128 wait on all futexes at
/// once, where the kernel has `futex_waitv(2)` (Linux 5.16); more, or without it, poll
/// descriptors, for which the process needs one more while it waits. `None` waits without
/// end; with a deadline in the past this is a look. With no items it waits for the deadline.
/// Allocates when it has to sleep.
///
/// Like `zx_object_wait_many`.
///
/// # Errors
/// [`Error::TimedOut`], with the signals at that moment in every item. As
/// [`Stream::wait`](crate::Stream::wait) else.
///
/// # Examples
/// ```
/// use zocket::{Signals, Stream, WaitItem, wait_many};
///
/// let (a, mut peer_of_a) = Stream::pair()?;
/// let (b, _peer_of_b) = Stream::pair()?;
/// peer_of_a.try_write(b"x")?;
///
/// let mut items = [&a, &b].map(|end| WaitItem::new(end, Signals::READABLE));
/// wait_many(&mut items, None)?;
/// assert!(items[0].is_met() && !items[1].is_met());
/// # Ok::<(), zocket::Error>(())
/// ```
pub fn wait_many(items: &mut [WaitItem<'_>], deadline: Option<Instant>) -> Result<()> {
    let mut inner: Vec<_> = items
        .iter()
        .map(|item| Item::new(&**item.link, 0, item.wanted))
        .collect();
    let end = observe::wait_any(&mut inner, deadline.into(), |_| true)?;
    for (item, inner) in items.iter_mut().zip(inner) {
        item.pending = inner.pending;
    }
    met(end)
}

pub(super) fn wait_one(
    link: &Arc<Link>,
    signals: Signals,
    deadline: Option<Instant>,
) -> Result<Signals> {
    let mut items = [Item::new(&**link, 0, signals)];
    met(observe::wait_any(
        &mut items,
        Deadline::from(deadline),
        |_| true,
    )?)?;
    Ok(items[0].pending)
}

fn met(end: Ended) -> Result<()> {
    match end {
        Ended::Met => Ok(()),
        Ended::TimedOut => Err(Error::TimedOut),
        // Without handles nothing is closed under a wait: the endpoint is borrowed.
        Ended::Cancelled => Err(Error::PeerClosed),
    }
}

/// Refuses signals that follow from the state.
pub(super) fn check_user_signals(signals: Signals) -> Result<()> {
    if Signals::USER_ALL.contains(signals) {
        Ok(())
    } else {
        Err(Error::NotUserSignals)
    }
}
