//! The client's side.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{MsgFlags, UnixAddr, connect, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::answer::{self, Answer};
use super::credentials::{Credentials, Policy};
use super::{ByName, address, new_socket};
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::fdpass;
use crate::sys::poll::wait_readable;
use crate::{Datagram, Stream};

/// Connects to a [`Listener`](super::Listener) with other properties than [`Stream::connect`] does.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// use zocket::Datagram;
/// use zocket::named::{Connector, DatagramListener};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("socket");
/// let listener = DatagramListener::bind(&path)?;
/// let client = std::thread::spawn(move || {
///     Connector::new()
///         .deadline(Instant::now() + Duration::from_secs(5))
///         .policy(|server| server.is_same_user())
///         .connect::<Datagram>(path)
/// });
/// let (mut endpoint, _) = listener.accept()?;
/// endpoint.send(b"welcome")?;
/// let mut buf = [0; 8];
/// assert_eq!(client.join().unwrap()?.recv(&mut buf)?, 7);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a connector does nothing until it is told where to connect to"]
pub struct Connector {
    deadline: Option<Instant>,
    policy: Option<Policy>,
    trusted: bool,
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector {
    /// A connector that connects as [`Stream::connect`] does: to anybody, who is not trusted,
    /// and without a deadline.
    pub fn new() -> Self {
        Self {
            deadline: None,
            policy: None,
            trusted: false,
        }
    }

    /// Sets until when to wait. With a deadline in the past, connecting is a look whether the listener
    /// answers at once.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets by whom to be served: only if `allows` says so of who listens there. At first by anybody
    /// who has got hold of the name, which in the abstract namespace can be everybody.
    pub fn policy(mut self, allows: impl Fn(&Credentials) -> bool + Send + Sync + 'static) -> Self {
        self.policy = Some(Policy::new(allows));
        self
    }

    /// Sets whether the listener is trusted not to take the memory away again, so that endpoints
    /// on huge pages are taken from it, as by [`Stream::claim_trusted`]. Not, at first.
    pub fn trusted(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }

    /// Connects to the listener at `path`.
    ///
    /// Waits, until the deadline if there is one, for room in the listener's queue and then for it
    /// to accept.
    ///
    /// # Errors
    /// As [`Stream::connect`]; [`Error::TimedOut`]; [`Error::Distrusted`].
    ///
    /// # Panics
    /// If the policy does.
    pub fn connect<E: ByName>(&self, path: impl AsRef<Path>) -> Result<E> {
        self.connect_addr(&address::of_path(path.as_ref())?)
    }

    /// Connects like [`connect`](Self::connect) to the listener at an address, be it a path or
    /// an abstract name.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    /// As [`connect`](Self::connect).
    pub fn connect_addr<E: ByName>(&self, address: &SocketAddr) -> Result<E> {
        let deadline = Deadline::from(self.deadline);
        let request = self.ask(address, deadline)?;
        let envelope = loop {
            match request.answer() {
                Err(Error::WouldBlock) => wait_readable(request.as_fd(), deadline)?,
                answer => break answer?,
            }
        };
        self.claim(envelope)
    }

    /// Asks whoever listens at an address for an endpoint, if the policy allows.
    fn ask(&self, address: &SocketAddr, deadline: Deadline) -> Result<Request> {
        let request = Request::begin(&address::to_kernel(address)?, deadline)?;
        match &self.policy {
            Some(policy) if !policy.allows(&Credentials::of_peer(&request)?) => {
                Err(Error::Distrusted)
            }
            _ => Ok(request),
        }
    }

    /// Takes the endpoint out of an answer.
    pub(crate) fn claim<E: ByName>(&self, envelope: OwnedFd) -> Result<E> {
        E::claim(envelope, self.trusted)
    }
}

/// For tasks, which wait for the answer in a way of their own.
#[cfg(feature = "_async")]
impl Connector {
    /// Asks the listener at `path`, without waiting for anything.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`Error::WouldBlock`] if there is no room in the listener's queue.
    pub(crate) fn begin(&self, path: &Path) -> Result<Request> {
        self.begin_addr(&address::of_path(path)?)
    }

    /// The same with an address.
    pub(crate) fn begin_addr(&self, address: &SocketAddr) -> Result<Request> {
        let now = Deadline::after(std::time::Duration::ZERO);
        self.ask(address, now).map_err(|error| match error {
            Error::TimedOut => Error::WouldBlock,
            error => error,
        })
    }
}

/// A connection on which the listener has not answered yet.
#[derive(Debug)]
pub(crate) struct Request(OwnedFd);

impl Request {
    /// Waits for room in the listener's queue.
    fn begin(address: &UnixAddr, deadline: Deadline) -> Result<Self> {
        let socket = new_socket()?;
        loop {
            set_patience(&socket, deadline)?;
            match connect(socket.as_raw_fd(), address) {
                Ok(()) => return Ok(Self(socket)),
                // The kernel's own timeout, or no waiting at all; possibly a little early.
                Err(Errno::EAGAIN) if deadline.has_passed() => return Err(Error::TimedOut),
                // A signal leaves the socket as it was.
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::EPROTOTYPE) => return Err(Error::NotAListener),
                Err(errno) => return Err(Error::os("connect", errno)),
            }
        }
    }

    /// Takes the answer, without waiting for it.
    pub(crate) fn answer(&self) -> Result<OwnedFd> {
        // One more than an answer has, so that a longer one shows.
        let mut bytes = [0; answer::SIZE + 1];
        let received = match fdpass::receive(self.as_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(received) if received.len > 0 => received,
            Err(Errno::EAGAIN) => return Err(Error::WouldBlock),
            Err(errno) if errno != Errno::ECONNRESET => return Err(Error::os("recvmsg", errno)),
            // Closed with no answer, before or after it was accepted. (Or an empty message, from
            // something that is no listener.)
            _ => return Err(Error::os("recvmsg", Errno::ECONNRESET)),
        };
        match Answer::parse(&bytes[..received.len])? {
            Answer::Endpoint => {
                let [envelope] = received.into_fds()?;
                Ok(envelope)
            }
            Answer::Refused => Err(Error::Refused),
            Answer::Exhausted => Err(Error::ListenerExhausted),
        }
    }
}

impl AsFd for Request {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The longest time that a `connect` is told to wait.
const MOST_MICROS: i64 = i64::MAX / 2;

/// Has the next `connect` wait until the deadline. There is no polling for room in a listener's
/// queue: either the call itself waits for it, or it fails.
fn set_patience(socket: &OwnedFd, deadline: Deadline) -> Result<()> {
    let remaining = deadline.remaining();
    // For the kernel zero is without end.
    let waits = remaining.is_none_or(|remaining| !remaining.is_zero());
    let mode = match waits {
        true => OFlag::empty(),
        false => OFlag::O_NONBLOCK,
    };
    fcntl(socket, FcntlArg::F_SETFL(mode)).map_err(|e| Error::os("fcntl", e))?;
    if let Some(remaining) = remaining.filter(|_| waits) {
        // Rounded up, and at most 146,000 years: not every number of microseconds makes a `TimeVal`.
        let micros = remaining.as_nanos().div_ceil(1000);
        let micros = i64::try_from(micros)
            .unwrap_or(MOST_MICROS)
            .min(MOST_MICROS);
        setsockopt(socket, sockopt::SendTimeout, &TimeVal::microseconds(micros))
            .map_err(|e| Error::os("setsockopt", e))?;
    }
    Ok(())
}

/// What connects by name, the same for both kinds.
macro_rules! connects {
    ($endpoint:ident) => {
        /// By name.
        impl $endpoint {
            /// Connects to the [`Listener`](crate::named::Listener) at `path`.
            ///
            /// Waits until the listener accepts, for as long as that takes: also when something else
            /// listens there that never says anything. With [`Connector`] there is a
            /// deadline.
            ///
            /// # Errors
            /// - [`Error::InvalidName`] if no socket can have that path.
            /// - [`Error::Os`] with `ENOENT` if there is no such path (to `std::io`,
            ///   `NotFound`), with `ECONNREFUSED` if nobody listens there
            ///   (`ConnectionRefused`), with `EACCES` if its mode keeps this process out
            ///   (`PermissionDenied`), with `ECONNRESET` if the listener goes before it has accepted
            ///   (`ConnectionReset`).
            /// - [`Error::Refused`] if the listener's policy refuses this process
            ///   (`PermissionDenied`), [`Error::ListenerExhausted`] if it has nothing left to make
            ///   a pair of.
            /// - [`Error::NotAListener`] if something else listens there.
            /// - [`Error::WrongKind`] if it hands out endpoints of the other kind; all that
            ///   `try_from` may find wrong with an endpoint.
            ///
            /// # Examples
            /// See [`Listener`](crate::named::Listener).
            pub fn connect(path: impl AsRef<Path>) -> Result<Self> {
                Connector::new().connect(path)
            }

            /// Connects like [`connect`](Self::connect) to the listener at an address, be it
            /// a path or an abstract name.
            ///
            /// # Errors
            /// As [`connect`](Self::connect); [`Error::InvalidName`] for an address without a name, or
            /// with an empty one.
            pub fn connect_addr(address: &SocketAddr) -> Result<Self> {
                Connector::new().connect_addr(address)
            }
        }
    };
}

connects!(Stream);
connects!(Datagram);
