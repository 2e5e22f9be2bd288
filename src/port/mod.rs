//! Ports: one place to wait for many endpoints, and for what other threads queue there.

mod mailbox;

pub(crate) use mailbox::{Content, Mailbox};

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::time::ClockId;

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::observe::Subject;
use crate::signals::Signals;
use crate::socket::Waitable;
use crate::sys::deadline::Deadline;
use crate::{Datagram, Stream};

/// A queue of packets: one for each registration that is met, and one for each that is queued
/// by hand.
///
/// A registration names an endpoint, signals and a key; it is met once, by a packet with that
/// key, and then gone. Packets come out in the order in which they were queued, each to one of the
/// threads that wait. Nothing is merged or dropped. Thousands of endpoints may be registered; a
/// port on which nothing happens costs nothing.
///
/// What a peer in another process does is noticed by whoever waits; so the signals in
/// the packet may be those of a little later, and a registration that nobody waits for is met when
/// somebody does.
///
/// Like a Zircon port (`zx_port_create`).
///
/// # Examples
/// ```
/// use zocket::{Packet, Port, Signals, Stream, Trigger};
///
/// let port = Port::new()?;
/// let (mut a, b) = Stream::pair()?;
/// port.register(&b, 7, Signals::READABLE, Trigger::Level)?;
/// a.try_write(b"x")?;
/// let Packet::Signals { key, observed, .. } = port.wait(None)? else {
///     unreachable!("nobody queued one by hand");
/// };
/// assert_eq!(key, 7);
/// assert!(observed.contains(Signals::READABLE));
/// # Ok::<(), zocket::Error>(())
/// ```
#[derive(Debug)]
pub struct Port {
    mailbox: Arc<Mailbox>,
}

/// When a registration is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// When one of its signals is on, be it at once.
    #[default]
    Level,
    /// When, from now on, any signal of the endpoint goes on and at that moment one of its
    /// signals is on.
    Edge,
}

/// What comes out of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet {
    /// A registration was met.
    #[non_exhaustive]
    Signals {
        /// As registered.
        key: u64,
        /// The signals that were registered.
        wanted: Signals,
        /// All signals of the endpoint at that moment.
        observed: Signals,
        /// That moment, in nanoseconds on the monotonic clock (`CLOCK_MONOTONIC`).
        timestamp: i64,
    },
    /// Somebody queued it.
    #[non_exhaustive]
    User {
        /// As queued.
        key: u64,
        /// As queued.
        payload: [u8; 32],
    },
}

/// A whole endpoint: one whose halves are not used by two threads at once, so that
/// no change of its signals can be missed.
pub trait Endpoint: Waitable {}

impl Endpoint for Stream {}
impl Endpoint for Datagram {}

impl Port {
    /// Makes a port, which takes two descriptors.
    ///
    /// # Errors
    /// [`Error::Os`], as when there are no descriptors left.
    pub fn new() -> Result<Self> {
        Ok(Self {
            mailbox: Mailbox::new()?,
        })
    }

    /// Has a packet with `key` queued when any of `signals` of the endpoint is met, once.
    ///
    /// The same endpoint may be registered many times, with any keys. Its registrations end when it
    /// is dropped, packed for sending, or made one for tasks (`from_blocking`). While it is registered its descriptor must not be
    /// [armed](Stream::arm_read) for another poller. Does not block. Like `zx_object_wait_async`.
    ///
    /// # Errors
    /// [`Error::Os`] if the descriptor cannot be watched; [`Error::FenceRefused`];
    /// [`Error::Forked`].
    ///
    /// # Examples
    /// ```
    /// use zocket::{Packet, Port, Signals, Stream, Trigger};
    ///
    /// let port = Port::new()?;
    /// let (mut a, b) = Stream::pair()?;
    /// // WRITABLE is on already. An edge fires when any signal goes on after this.
    /// port.register(&b, 1, Signals::WRITABLE, Trigger::Edge)?;
    /// a.try_write(b"x")?;
    /// let Packet::Signals { observed, .. } = port.wait(None)? else {
    ///     unreachable!("nobody queued one by hand");
    /// };
    /// assert_eq!(observed, Signals::READABLE | Signals::WRITABLE);
    /// # Ok::<(), zocket::Error>(())
    /// ```
    pub fn register(
        &self,
        endpoint: &impl Endpoint,
        key: u64,
        signals: Signals,
        trigger: Trigger,
    ) -> Result<()> {
        let subject: Arc<dyn Subject> = Arc::<crate::socket::Link>::clone(endpoint.as_link());
        let edge = trigger == Trigger::Edge;
        let clock = Some(ClockId::CLOCK_MONOTONIC);
        self.mailbox
            .register(&subject, 0, key, signals, edge, clock)
            .map(drop)
    }

    /// Queues a packet. Does not block. Like `zx_port_queue`.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if 4,096 packets that were queued by hand have not been taken;
    /// [`Error::Forked`].
    ///
    /// # Examples
    /// ```
    /// use zocket::{Packet, Port};
    ///
    /// let port = Port::new()?;
    /// port.queue(5, [1; 32])?;
    /// let Packet::User { key, payload, .. } = port.wait(None)? else {
    ///     panic!("nothing else was queued");
    /// };
    /// assert_eq!((key, payload), (5, [1; 32]));
    /// # Ok::<(), zocket::Error>(())
    /// ```
    pub fn queue(&self, key: u64, payload: [u8; 32]) -> Result<()> {
        self.mailbox.queue(key, 0, payload)
    }

    /// Waits for a packet and takes it. `None` waits without end; a packet that is there is taken
    /// even if the deadline has passed. Deadlines are met to the millisecond, never early. Like
    /// `zx_port_wait`.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Os`] if the system refuses to wait; [`Error::Forked`].
    pub fn wait(&self, deadline: Option<Instant>) -> Result<Packet> {
        Ok(match self.mailbox.wait(Deadline::from(deadline))? {
            Content::Signals(notice) => Packet::Signals {
                key: notice.key,
                wanted: notice.wanted,
                observed: notice.observed,
                timestamp: notice.timestamp,
            },
            Content::User { key, payload, .. } => Packet::User { key, payload },
        })
    }

    /// Removes the registrations of an endpoint that have this key, and the packets that they
    /// queued. Says whether there were any. Does not block. Like `zx_port_cancel`.
    pub fn cancel(&self, endpoint: &impl Endpoint, key: u64) -> bool {
        // In a fork everything is the parent's: there is nothing.
        let cancelled = self.mailbox.cancel(&**endpoint.as_link(), 0, key);
        cancelled.unwrap_or(false)
    }

    /// Removes all registrations with this key, and all packets, those queued by hand too. Says
    /// whether there were any. Does not block. Like `zx_port_cancel_key`.
    pub fn cancel_key(&self, key: u64) -> bool {
        // As in `cancel`.
        self.mailbox.cancel_key(key).unwrap_or(false)
    }
}

/// Discards all packets and registrations.
impl Drop for Port {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// A descriptor for other event loops: readable when [`wait`](Port::wait) might have something
/// to do. It is an epoll's; nothing else may be done with it.
impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mailbox.descriptor()
    }
}
