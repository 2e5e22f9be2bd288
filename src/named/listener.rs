//! The server's side.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, mem};

use nix::errno::Errno;
use nix::sys::socket::{Backlog, MsgFlags, SockType, bind, getsockopt, listen, send, sockopt};

use super::answer::Answer;
use super::credentials::{Credentials, Policy};
use super::place::Place;
use super::{ByName, address, new_socket};
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::doorbell::is_unix_socket;
use crate::sys::fdpass;
use crate::sys::poll::wait_readable;
use crate::{Builder, Datagram, Stream};

/// As many clients as may wait to be accepted if nobody says otherwise; as std has had it.
const DEFAULT_BACKLOG: u32 = 128;
/// As many as may at the most.
const MOST_BACKLOG: u32 = libc::SOMAXCONN as u32;
/// Only the owner connects, as the policy has it.
const DEFAULT_MODE: u32 = 0o600;

/// How to bind a [`Listener`], where [`Listener::bind`] does not suit.
///
/// # Examples
/// ```
/// use std::os::unix::fs::PermissionsExt;
/// use zocket::named::{BindOptions, StreamListener};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("socket");
/// // For all members of the file's group, who are asked about one by one.
/// let mut listener: StreamListener = BindOptions::new().mode(0o660).backlog(16).bind(&path)?;
/// listener.set_policy(|client| client.is_same_user() || client.gid == 1000);
/// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o660);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "options do nothing until something is bound with them"]
pub struct BindOptions {
    mode: u32,
    backlog: u32,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl BindOptions {
    /// The options of [`Listener::bind`].
    pub fn new() -> Self {
        Self {
            mode: DEFAULT_MODE,
            backlog: DEFAULT_BACKLOG,
        }
    }

    /// Sets the permission bits that the path gets: exactly these, whatever the process's umask is. To
    /// connect takes the permission to write. 0600 at first. At no moment is the path more
    /// open than that.
    ///
    /// The [policy](Listener::set_policy) goes on refusing other users until it is told otherwise.
    /// An abstract name has no mode.
    pub fn mode(mut self, permissions: u32) -> Self {
        self.mode = permissions;
        self
    }

    /// Sets how many clients may wait to be accepted; others then wait for room. 128 at first; no more than
    /// 4,096 and than the system allows (`net.core.somaxconn`).
    pub fn backlog(mut self, clients: u32) -> Self {
        self.backlog = clients.min(MOST_BACKLOG);
        self
    }

    /// Binds a listener to `path`; see [`Listener::bind`].
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind<E: ByName>(self, path: impl AsRef<Path>) -> Result<Listener<E>> {
        self.bind_addr(&address::of_path(path.as_ref())?)
    }

    /// Binds a listener to an address, be it a path or an abstract name; see [`Listener::bind`].
    ///
    /// # Errors
    /// As [`Listener::bind_addr`].
    pub fn bind_addr<E: ByName>(self, address: &SocketAddr) -> Result<Listener<E>> {
        let kernels = address::to_kernel(address)?;
        let socket = new_socket()?;
        let begin = || {
            let backlog = Backlog::new(self.backlog as i32);
            backlog
                .and_then(|backlog| listen(&socket, backlog))
                .map_err(|e| Error::os("listen", e))
        };
        let place = match address.as_pathname() {
            Some(path) => Some(Place::take(path, &kernels, self.mode, &socket, begin)?),
            None => {
                bind(socket.as_raw_fd(), &kernels).map_err(|e| Error::os("bind", e))?;
                begin()?;
                None
            }
        };
        Ok(Listener::new(place, socket, self.backlog))
    }
}

/// A name that clients connect to, each of which gets one end of a new pair.
///
/// The kind of endpoint is the listener's: [`StreamListener`] or [`DatagramListener`]. A client that
/// asks for the other one gets an error, [`Error::WrongKind`]; here its endpoint was accepted, and finds
/// its peer closed.
///
/// Any number of threads may accept from one listener. It is at its end with [`Drop`], which removes
/// the path if that is still the listener's own; clients that were not accepted yet are told.
/// Endpoints that were accepted go on. A process that is killed leaves the path behind, as does one that
/// has no descriptor left or meets another that wants to bind the same path; the next one
/// replaces it. Nothing else is ever left. In a forked child, dropping its copy of a listener leaves the path alone.
///
/// See the [module](super) for who makes what, and whom a listener trusts.
///
/// # Polling
/// The descriptor ([`AsFd`]) is readable while clients wait. Edge-triggered pollers call
/// [`try_accept`](Self::try_accept) until [`Error::WouldBlock`], also after other errors.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use zocket::Stream;
/// use zocket::named::StreamListener;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("socket");
/// let listener = StreamListener::bind(&path)?;
/// let client = std::thread::spawn(move || Stream::connect(path));
///
/// let (mut ours, client_is) = listener.accept()?;
/// println!("serving process {:?} of user {}", client_is.pid, client_is.uid);
/// let mut theirs = client.join().unwrap()?;
/// ours.write_all(b"hello")?;
/// let mut buf = [0; 5];
/// theirs.read_exact(&mut buf)?;
/// assert_eq!(&buf, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener<E> {
    // Goes before the socket does: as long as somebody listens there, nobody replaces the path.
    place: Option<Place>,
    /// `SOCK_SEQPACKET`, which is all the same to those calls of std's that are used. Does not
    /// block, so that of two threads that saw one client none waits for the next one.
    socket: UnixListener,
    pairs: Builder,
    policy: Policy,
    /// As many clients as can be in the queue at a time.
    most_queued: usize,
    nonblocking: AtomicBool,
    kind: PhantomData<fn() -> E>,
}

/// What comes of a look into the queue.
pub(crate) enum Look<T> {
    /// A client was accepted.
    Accepted(T, Credentials),
    /// Nobody is there any more.
    Nobody,
    /// So many were passed over that others should have their turn; more may be there.
    Enough,
}

/// A [`Listener`] that hands out [`Stream`]s.
pub type StreamListener = Listener<Stream>;
/// A [`Listener`] that hands out [`Datagram`]s.
pub type DatagramListener = Listener<Datagram>;

/// Making listeners.
impl<E: ByName> Listener<E> {
    /// Listens at `path`, which only processes of this user can connect to.
    ///
    /// A socket at this path that no process has any more is replaced. Of several that bind one
    /// path at the same time one succeeds.
    ///
    /// Never waits. A process that was forked while another thread of its parent bound a path that was
    /// there, and executes nothing, may keep others from replacing a dead socket at that path, until it ends.
    /// Processes that share the directory but not the network namespace, as some
    /// containers do, must not begin at the same moment where a dead socket stands.
    ///
    /// # Errors
    /// - [`Error::InvalidName`] if no socket can have that path.
    /// - [`Error::Os`] with `EADDRINUSE` (to `std::io`, `AddrInUse`) if somebody listens there, is
    ///   just about to, or there is something else than a socket, or the path leads to another
    ///   directory than it did a moment ago; with `ENOENT` (`NotFound`) if
    ///   there is no such directory; with `EACCES` (`PermissionDenied`) if nothing may be made in
    ///   it, or, of the call `connect`, if there is a socket that this process may not write to,
    ///   dead or not.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self> {
        BindOptions::new().bind(path)
    }

    /// Listens at an address, be it a path or an abstract name.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`Error::InvalidName`] for an address without a name, or with an empty
    /// one.
    pub fn bind_addr(address: &SocketAddr) -> Result<Self> {
        BindOptions::new().bind_addr(address)
    }

    fn new(place: Option<Place>, socket: OwnedFd, backlog: u32) -> Self {
        Self {
            place,
            socket: socket.into(),
            pairs: Builder::new(),
            policy: Policy::new(Credentials::is_same_user),
            // The kernel lets one more in than it is told.
            most_queued: backlog as usize + 1,
            nonblocking: AtomicBool::new(false),
            kind: PhantomData,
        }
    }
}

/// Properties.
impl<E> Listener<E> {
    /// Sets whom to accept: those of whom `allows` says so. Others are told that they are refused
    /// ([`Error::Refused`]).
    ///
    /// At first, clients of the effective user of this process at that moment: root too is refused
    /// by others' listeners.
    ///
    /// # Examples
    /// ```
    /// # use zocket::named::StreamListener;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("socket");
    /// let mut listener = StreamListener::bind(path)?;
    /// listener.set_policy(|client| client.uid == 0 || client.is_same_user());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_policy(&mut self, allows: impl Fn(&Credentials) -> bool + Send + Sync + 'static) {
        self.policy = Policy::new(allows);
    }

    /// Sets how pairs are made for those who are accepted from now on. At first as by
    /// [`Stream::pair`].
    ///
    /// Clients take an endpoint on [huge pages](Builder::huge_pages) only if they
    /// [trust](super::Connector::trusted) the listener.
    pub fn set_pairs(&mut self, builder: Builder) {
        self.pairs = builder;
    }

    /// Sets whether calls that would wait for a client fail with [`Error::WouldBlock`] instead.
    /// Off at first.
    ///
    /// # Errors
    /// None; a result as std's listeners have it.
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        // Relaxed: nothing else goes with it.
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    /// The address that is listened at.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn local_addr(&self) -> Result<SocketAddr> {
        let address = self.socket.local_addr();
        address.map_err(|e| Error::io("getsockname", &e))
    }
}

/// Accepting.
impl<E: ByName> Listener<E> {
    /// Waits for the next client that the policy allows, and gives it one end of a new pair and the
    /// caller the other, with what the kernel knows of the client.
    ///
    /// Waits for nothing else. Clients that are refused or have gone are passed over.
    ///
    /// # Errors
    /// - [`Error::WouldBlock`] on a non-blocking listener.
    /// - What there is no pair for: [`Error::Os`], as with `EMFILE`, [`Error::NoMemory`],
    ///   [`Error::FenceRefused`], [`Error::InvalidCapacity`]. The client stays where it is, and the
    ///   next call fails in the same way at once, unless something was closed meanwhile.
    /// - [`Error::Os`] with `ETOOMANYREFS` if so many descriptors that this user has sent have not been
    ///   received yet (`RLIMIT_NOFILE`), as with many clients that have stopped. It may be noticed so
    ///   late that the client is told ([`Error::ListenerExhausted`]) and gone.
    ///
    /// # Panics
    /// If the policy does.
    pub fn accept(&self) -> Result<(E, Credentials)> {
        self.accept_until(Deadline::NEVER)
    }

    /// Accepts like [`accept`](Self::accept), but waits no longer than until `deadline`; with one
    /// in the past this is a look.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; as [`accept`](Self::accept) else.
    ///
    /// # Panics
    /// As [`accept`](Self::accept).
    pub fn accept_deadline(&self, deadline: Instant) -> Result<(E, Credentials)> {
        self.accept_until(Some(deadline).into())
    }

    fn accept_until(&self, deadline: Deadline) -> Result<(E, Credentials)> {
        loop {
            match self.try_accept() {
                // Relaxed: see `set_nonblocking`.
                Err(Error::WouldBlock) if !self.nonblocking.load(Ordering::Relaxed) => {}
                accepted => return accepted,
            }
            // Here too, so that those who are refused without end do not keep us beyond it.
            if deadline.has_passed() {
                return Err(Error::TimedOut);
            }
            wait_readable(self.as_fd(), deadline)?;
        }
    }

    /// Accepts like [`accept`](Self::accept), but only clients that wait already.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if no client was waiting that the policy allows; as
    /// [`accept`](Self::accept) else.
    ///
    /// # Panics
    /// As [`accept`](Self::accept).
    pub fn try_accept(&self) -> Result<(E, Credentials)> {
        match self.look(Ok::<E, Error>)? {
            Look::Accepted(endpoint, client) => Ok((endpoint, client)),
            Look::Nobody | Look::Enough => Err(Error::WouldBlock),
        }
    }

    /// Accepts as [`try_accept`](Self::try_accept), has `prepare` done to the endpoint before a client gets the
    /// other one, and says why nobody was accepted.
    ///
    /// # Errors
    /// As [`try_accept`](Self::try_accept), but for `WouldBlock`; those of `prepare`. The client stays in the
    /// queue.
    pub(crate) fn look<T, Failure: From<Error>>(
        &self,
        prepare: impl FnOnce(E) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<Look<T>, Failure> {
        let now = Deadline::after(Duration::ZERO);
        match wait_readable(self.as_fd(), now) {
            Err(Error::TimedOut) => return Ok(Look::Nobody),
            looked => looked?,
        }
        // Before a client is taken, so that it stays in the queue if this fails.
        let (ours, envelope) = E::make(self.pairs)?;
        let ours = prepare(ours)?;
        // Everybody who was there at the beginning, and not those who come meanwhile: clients that
        // are refused come back as fast as we are. (A poller learns of them by themselves.)
        for _ in 0..self.most_queued {
            let connection = match self.socket.accept() {
                Ok((connection, _)) => connection,
                // There are no more, or another thread was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Look::Nobody),
                Err(error) => return Err(Error::io("accept4", &error).into()),
            };
            let credentials = Credentials::of_peer(&connection)?;
            if !self.policy.allows(&credentials) {
                tell(&connection, Answer::Refused);
            } else if hand_over(&connection, &envelope)? {
                return Ok(Look::Accepted(ours, credentials));
            }
        }
        Ok(Look::Enough)
    }

    /// An iterator over those who are accepted, which never ends: [`accept`](Self::accept), again and
    /// again.
    ///
    /// An error does not end it, and most errors come again at once: whoever goes on regardless keeps
    /// a CPU busy.
    pub fn incoming(&self) -> Incoming<'_, E> {
        Incoming { listener: self }
    }
}

/// Tells a client how it is.
fn tell(connection: &UnixStream, answer: Answer) {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    // Nothing to be done if it does not listen.
    let _ = send(connection.as_raw_fd(), &answer.to_bytes(), flags);
}

/// Gives a client its endpoint. Says whether it was there to take it; if not the endpoint was not
/// sent.
fn hand_over(connection: &UnixStream, envelope: &OwnedFd) -> Result<bool> {
    let bytes = Answer::Endpoint.to_bytes();
    let contents = [envelope.as_fd()];
    match fdpass::send(
        connection.as_fd(),
        &bytes,
        &contents,
        MsgFlags::MSG_DONTWAIT,
    ) {
        Ok(()) => Ok(true),
        // What is wrong on our side.
        Err(errno @ (Errno::ETOOMANYREFS | Errno::ENOMEM | Errno::ENOBUFS)) => {
            tell(connection, Answer::Exhausted);
            Err(Error::os("sendmsg", errno))
        }
        // All else is the client's doing: it has gone, or takes no descriptors (EPERM, with
        // SO_PASSRIGHTS off), or may not have them (EACCES). No client is to bring us an error.
        Err(_) => Ok(false),
    }
}

impl<E> AsFd for Listener<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<E> AsRawFd for Listener<E> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Makes a listener of a socket that was inherited or received: a Unix socket of type
/// `SOCK_SEQPACKET` that listens.
///
/// It is made non-blocking, also for others who have it, and closes on exec. The path, if it has one,
/// stays when the listener is dropped.
///
/// # Errors
/// [`Error::NotAListener`] if it is something else; [`Error::Os`].
impl<E: ByName> TryFrom<OwnedFd> for Listener<E> {
    type Error = Error;

    fn try_from(socket: OwnedFd) -> Result<Self> {
        check(socket.as_fd())?;
        super::activation::set_close_on_exec(&socket)?;
        // Its backlog is not to be found out.
        let listener = Self::new(None, socket, MOST_BACKLOG);
        let set = listener.socket.set_nonblocking(true);
        set.map_err(|e| Error::io("ioctl", &e))?;
        Ok(listener)
    }
}

/// Whether a descriptor is a socket that a listener can be made of.
pub(super) fn check(socket: BorrowedFd<'_>) -> Result<()> {
    let listens = is_unix_socket(socket, SockType::SeqPacket)
        && getsockopt(&socket, sockopt::AcceptConn) == Ok(true);
    match listens {
        true => Ok(()),
        false => Err(Error::NotAListener),
    }
}

/// Takes the socket out of a listener, to be handed to another process. The path stays, for good.
impl<E> From<Listener<E>> for OwnedFd {
    fn from(mut listener: Listener<E>) -> Self {
        if let Some(place) = mem::take(&mut listener.place) {
            place.keep();
        }
        listener.socket.into()
    }
}

/// Those whom a [`Listener`] accepts, one after the other; see [`Listener::incoming`].
#[must_use = "iterators do nothing until they are asked"]
pub struct Incoming<'a, E> {
    listener: &'a Listener<E>,
}

impl<E> fmt::Debug for Incoming<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl<E: ByName> Iterator for Incoming<'_, E> {
    type Item = Result<(E, Credentials)>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept())
    }
}

impl<E: ByName> FusedIterator for Incoming<'_, E> {}

impl<'a, E: ByName> IntoIterator for &'a Listener<E> {
    type Item = Result<(E, Credentials)>;
    type IntoIter = Incoming<'a, E>;

    fn into_iter(self) -> Incoming<'a, E> {
        self.incoming()
    }
}
