//! Endpoints by name: a [`Listener`] that anybody can connect to who knows its path or its abstract
//! name, and [`Stream::connect`] and [`Datagram::connect`].
//!
//! The name is a Unix socket's (`SOCK_SEQPACKET`), used for nothing but this: whoever connects is sent
//! one message with one end of a pair in it, and the connection is closed. From then on all data
//! goes through memory, and the listener may go.
//!
//! - **The listener makes the pair**, at the moment when it accepts, and waits for nothing: a client
//!   that is slow, silent or stopped costs what any peer costs, and holds up nobody. What the
//!   pair is like is the listener's choice ([`set_pairs`](Listener::set_pairs)), and so its memory is
//!   too. Of a client nothing is read at all.
//! - **Who may connect** is up to the mode of the path (0600 at first), and then to a
//!   [policy](Listener::set_policy) that is asked about the user, group and process of each client,
//!   as the kernel knows them. At first it allows the user of the listener's own process and
//!   nobody else, not root either. Who is refused is told so.
//! - **Accepting loses nobody.** Everything that a client is to get is made before its connection is
//!   taken. If there is nothing left to make it of, that is an error, and the client stays in
//!   the queue.
//! - **Paths**: a path that a dead listener has left behind is replaced, one that somebody has is
//!   not, and of two servers that begin at once one gets it. A listener that is dropped removes its
//!   path, if it is still its own. In a directory that others can write to, all of this is up to
//!   them.
//! - **Abstract names** have no mode and no owner: everybody in the network namespace can connect
//!   to one, and take it first. Both sides have the policy alone ([`Connector::policy`]).
//!
//! What it does not do: ask clients for anything before they are served, or pass on what they say. That
//! is said through the endpoint.
//!
//! # Examples
//! ```
//! use std::io::{Read, Write};
//! use zocket::Stream;
//! use zocket::named::StreamListener;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("socket");
//! let listener = StreamListener::bind(&path)?;
//! let client = std::thread::spawn(move || -> std::io::Result<String> {
//!     let mut endpoint = Stream::connect(path)?;
//!     let mut said = String::new();
//!     endpoint.read_to_string(&mut said)?;
//!     Ok(said)
//! });
//! let (mut endpoint, client_is) = listener.accept()?;
//! assert_eq!(client_is.pid, Some(std::process::id()));
//! endpoint.write_all(b"welcome")?;
//! drop(endpoint);
//! assert_eq!(client.join().unwrap()?, "welcome");
//! # Ok::<(), std::io::Error>(())
//! ```

mod activation;
mod address;
mod answer;
mod connect;
mod credentials;
mod listener;
mod place;

pub use connect::Connector;
#[cfg(feature = "_async")]
pub(crate) use connect::Request;
pub use credentials::Credentials;
#[cfg(feature = "_async")]
pub(crate) use listener::Look;
pub use listener::{BindOptions, DatagramListener, Incoming, Listener, StreamListener};

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::error::{Error, Result};
use crate::{Datagram, Stream};

/// An endpoint that can be had by name: [`Stream`] or [`Datagram`].
pub trait ByName: sealed::Handed {}

impl ByName for Stream {}
impl ByName for Datagram {}

mod sealed {
    use std::os::fd::OwnedFd;

    use crate::error::Result;
    use crate::{Builder, Datagram, Stream};

    /// What a listener and a client do with an endpoint.
    pub trait Handed: Sized {
        /// A pair, of which one end is packed.
        fn make(builder: Builder) -> Result<(Self, OwnedFd)>;
        /// Takes the endpoint out of what a listener has sent.
        fn claim(envelope: OwnedFd, trusted: bool) -> Result<Self>;
    }

    /// The same for both kinds.
    macro_rules! handed {
        ($endpoint:ident, $pair:ident) => {
            impl Handed for $endpoint {
                fn make(builder: Builder) -> Result<(Self, OwnedFd)> {
                    let (ours, theirs) = builder.$pair()?;
                    Ok((ours, theirs.into_fd()?))
                }

                fn claim(envelope: OwnedFd, trusted: bool) -> Result<Self> {
                    let claimed = match trusted {
                        true => Self::claim_trusted(envelope),
                        false => Self::try_from(envelope),
                    };
                    Ok(claimed?)
                }
            }
        };
    }

    handed!(Stream, stream_pair);
    handed!(Datagram, datagram_pair);
}

/// A socket to bind or to connect; its calls do not wait.
fn new_socket() -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
        .map_err(|e| Error::os("socket", e))
}
