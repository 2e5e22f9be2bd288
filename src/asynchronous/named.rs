//! Endpoints by name.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll, ready};

use super::{Datagram, Runtime, Stream, Watched};
use crate::Builder;
use crate::error::{Error, Result};
use crate::named::{self, ByName, Connector, Credentials, Look};

/// A name that clients connect to, for tasks: a [`named::Listener`] whose `accept` lets other tasks run while
/// it waits.
///
/// One task accepts at a time. What a client is sent is made when it is accepted; nothing is read
/// of it, so that no client holds up others.
///
/// # Examples
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use zocket::tokio::{Stream, StreamListener};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("socket");
/// let mut listener = StreamListener::bind(&path)?;
/// let server = tokio::spawn(async move {
///     let (mut stream, _client) = listener.accept().await?;
///     stream.write_all(b"welcome").await
/// });
///
/// let mut stream = Stream::connect(&path).await?;
/// let mut said = String::new();
/// stream.read_to_string(&mut said).await?;
/// assert_eq!(said, "welcome");
/// # server.await?
/// # }
/// ```
#[derive(Debug)]
pub struct Listener<E, R: Runtime> {
    // Goes first: what it watches is the listener's.
    reactor: R,
    listener: named::Listener<E>,
}

/// An endpoint without a runtime that can become one for tasks: [`zocket::Stream`](crate::Stream) and
/// [`zocket::Datagram`](crate::Datagram), and nothing else.
pub trait ForTasks<R: Runtime>: ByName {
    /// What it becomes.
    type Endpoint;

    /// Makes it that.
    ///
    /// # Errors
    /// As [`Stream::from_blocking`].
    ///
    /// # Panics
    /// As [`Stream::from_blocking`].
    fn for_tasks(self) -> io::Result<Self::Endpoint>;
}

impl<R: Runtime> ForTasks<R> for crate::Stream {
    type Endpoint = Stream<R>;

    fn for_tasks(self) -> io::Result<Stream<R>> {
        Stream::from_blocking(self)
    }
}

impl<R: Runtime> ForTasks<R> for crate::Datagram {
    type Endpoint = Datagram<R>;

    fn for_tasks(self) -> io::Result<Datagram<R>> {
        Datagram::from_blocking(self)
    }
}

impl<E: ByName, R: Runtime> Listener<E, R> {
    /// Listens at `path`, which only processes of this user can connect to; see [`named::Listener::bind`], and
    /// [`named::BindOptions`] for what else there is to be chosen before it becomes one [for
    /// tasks](Self::from_blocking).
    ///
    /// # Errors
    /// Those of [`named::Listener::bind`] and [`from_blocking`](Self::from_blocking).
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_blocking(named::Listener::bind(path)?)
    }

    /// Listens at an address, be it a path or an abstract name.
    ///
    /// # Errors
    /// Those of [`named::Listener::bind_addr`] and [`from_blocking`](Self::from_blocking).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::from_blocking(named::Listener::bind_addr(address)?)
    }

    /// Makes a listener one for this runtime.
    ///
    /// # Errors
    /// What the runtime reports if it cannot watch one more descriptor; no descriptors.
    ///
    /// # Panics
    /// Where the runtime wants to be there for it, as tokio does, and is not.
    pub fn from_blocking(listener: named::Listener<E>) -> io::Result<Self> {
        let socket = listener.as_fd().try_clone_to_owned()?;
        Ok(Self {
            reactor: R::watch(Watched::Socket(socket))?,
            listener,
        })
    }

    /// Makes it one without a runtime.
    pub fn into_blocking(self) -> named::Listener<E> {
        self.listener
    }

    /// Sets whom to accept, as [`named::Listener::set_policy`].
    pub fn set_policy(&mut self, allows: impl Fn(&Credentials) -> bool + Send + Sync + 'static) {
        self.listener.set_policy(allows);
    }

    /// Sets how pairs are made for those who are accepted from now on, as [`named::Listener::set_pairs`].
    pub fn set_pairs(&mut self, builder: Builder) {
        self.listener.set_pairs(builder);
    }

    /// The address that is listened at.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<E: ForTasks<R>, R: Runtime> Listener<E, R> {
    /// Waits for the next client that the policy allows, and gives it one end of a new pair and the
    /// caller the other, with what the kernel knows of the client.
    ///
    /// # Errors
    /// As [`named::Listener::accept`], but for `WouldBlock`; what the runtime reports if it cannot watch one
    /// more descriptor, and then too the client stays where it is. After an error the next call may fail in
    /// the same way at once.
    ///
    /// # Panics
    /// If the policy does. Where the runtime wants to be there, as tokio does, and is not.
    ///
    /// # Cancel safety
    /// May be dropped at any `await`: nobody was accepted then.
    pub async fn accept(&mut self) -> io::Result<(E::Endpoint, Credentials)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Polls for a client, as [`accept`](Self::accept).
    ///
    /// # Errors
    /// The same.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(E::Endpoint, Credentials)>> {
        R::poll_in_turn(cx, |cx| {
            loop {
                match self.listener.look(E::for_tasks)? {
                    // Who came before this was looked at is found by the next try.
                    Look::Nobody => ready!(self.reactor.poll_readable(cx, || ()))?,
                    // Of those who are left in the queue the reactor may tell no more.
                    Look::Enough => {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Look::Accepted(endpoint, client) => {
                        return Poll::Ready(Ok((endpoint, client)));
                    }
                }
            }
        })
    }
}

impl<E, R: Runtime> AsFd for Listener<E, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Connects, and waits for the answer.
async fn connect<E: ForTasks<R>, R: Runtime>(
    connector: &Connector,
    request: Result<named::Request>,
) -> io::Result<E::Endpoint> {
    let request = request?;
    let reactor = R::watch(Watched::Socket(request.as_fd().try_clone_to_owned()?))?;
    let envelope = poll_fn(|cx| {
        loop {
            match request.answer() {
                Err(Error::WouldBlock) => ready!(reactor.poll_readable(cx, || ()))?,
                answer => return Poll::Ready(io::Result::Ok(answer?)),
            }
        }
    });
    let endpoint: E = connector.claim(envelope.await?)?;
    endpoint.for_tasks()
}

/// What connects by name, the same for both kinds.
macro_rules! connects {
    ($Endpoint:ident) => {
        /// By name.
        impl<R: Runtime> $Endpoint<R> {
            #[doc = concat!("Connects to the [`Listener`] at `path`, as [`zocket::", stringify!($Endpoint), "::connect`](crate::", stringify!($Endpoint), "::connect).")]
            ///
            /// # Errors
            /// The same, and [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room in the listener's
            /// queue, which the kernel lets nobody wait for but threads; what the runtime reports.
            ///
            /// # Cancel safety
            /// May be dropped at any `await`: then nothing was connected, or the listener finds its peer
            /// closed.
            pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
                Self::connect_with(&Connector::new(), path).await
            }

            /// Connects by the policy of a [`Connector`], which may trust the listener. Its deadline means nothing
            /// here: runtimes have timeouts.
            ///
            /// # Errors
            /// As [`connect`](Self::connect), and [`Error::Distrusted`].
            ///
            /// # Cancel safety
            /// As [`connect`](Self::connect).
            pub async fn connect_with(
                connector: &Connector,
                path: impl AsRef<Path>,
            ) -> io::Result<Self> {
                let request = connector.begin(path.as_ref());
                connect::<crate::$Endpoint, R>(connector, request).await
            }

            /// Connects to the listener at an address, be it a path or an abstract name.
            ///
            /// # Errors
            /// As [`connect_with`](Self::connect_with).
            ///
            /// # Cancel safety
            /// As [`connect`](Self::connect).
            pub async fn connect_addr(
                connector: &Connector,
                address: &SocketAddr,
            ) -> io::Result<Self> {
                let request = connector.begin_addr(address);
                connect::<crate::$Endpoint, R>(connector, request).await
            }
        }
    };
}

connects!(Stream);
connects!(Datagram);
