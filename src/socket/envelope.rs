//! An endpoint as one descriptor: the *envelope*.
//!
//! An envelope is one end of a `SOCK_SEQPACKET` socket pair whose other end is
//! closed, with a single message queued: a header that says which end of which
//! kind this is, and two descriptors, the memory and the end of the doorbell. It
//! can be sent, inherited and kept like any descriptor. Receiving the message
//! is taking the endpoint out, and the kernel lets only one do that. While it is
//! on its way the doorbell is open, so the peer sees no hang-up; if the envelope
//! is dropped, the kernel closes what is inside, and the peer sees it at once.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair};

use super::link::Link;
use super::{Datagram, Stream};
use crate::error::{Error, Result};
use crate::layout::{FenceMode, Kind, Side, VERSION};
use crate::rights::Rights;
use crate::sys::doorbell::{self, Doorbell};
use crate::sys::region::{Region, Sender};
use crate::sys::{fdpass, fork, membarrier};

/// First eight bytes of the message.
const MAGIC: u64 = u64::from_le_bytes(*b"zocket\xE7\x01");

/// The message in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    kind: Kind,
    side: Side,
    rights: Rights,
}

/// Bytes of a message.
const MESSAGE_SIZE: usize = 24;

impl Message {
    fn to_bytes(self) -> [u8; MESSAGE_SIZE] {
        let mut bytes = [0; MESSAGE_SIZE];
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.kind.to_wire().to_le_bytes());
        bytes[16..20].copy_from_slice(&(self.side as u32).to_le_bytes());
        bytes[20..].copy_from_slice(&self.rights.bits().to_le_bytes());
        bytes
    }

    /// Reads a message that anybody may have written.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let u32_at = |at: usize| {
            let bytes = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        if bytes.get(..8) != Some(&MAGIC.to_le_bytes()) {
            return Err(Error::NotAnEndpoint);
        }
        match u32_at(8) {
            Some(VERSION) => {}
            Some(found) => return Err(Error::UnsupportedVersion { found }),
            None => return Err(Error::NotAnEndpoint),
        }
        if bytes.len() != MESSAGE_SIZE {
            return Err(Error::NotAnEndpoint);
        }
        let field = |at, name| u32_at(at).ok_or(Error::BadHeader(name));
        let kind = Kind::from_wire(field(12, "kind")?).ok_or(Error::BadHeader("kind"))?;
        let side = Side::from_wire(field(16, "side")?).ok_or(Error::BadHeader("side"))?;
        let rights = Rights::from_bits(field(20, "rights")?).ok_or(Error::BadHeader("rights"))?;
        Ok(Self { kind, side, rights })
    }
}

/// Puts an endpoint into an envelope. It has not moved until the caller says so
/// ([`Link::complete_move`]): dropping the envelope before takes everything back.
///
/// # Errors
/// [`Error::Forked`], [`Error::Protocol`], [`Error::Os`].
pub(crate) fn pack(link: &Link, rights: Rights) -> Result<OwnedFd> {
    link.check_owner()?;
    let (keep, send) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(|e| Error::os("socketpair", e))?;
    let message = Message {
        kind: link.header().kind,
        side: link.side(),
        rights,
    };
    let contents = [link.region().memfd(), link.doorbell().as_fd()];
    let flags = MsgFlags::empty();
    fdpass::send(send.as_fd(), &message.to_bytes(), &contents, flags)
        .map_err(|e| Error::os("sendmsg", e))?;
    Ok(keep)
}

/// Looks at what an envelope holds, and takes nothing.
fn inspect(envelope: BorrowedFd<'_>) -> Result<Message> {
    if !doorbell::is_unix_socket(envelope, SockType::SeqPacket) {
        return Err(Error::NotAnEndpoint);
    }
    let mut bytes = [0; MESSAGE_SIZE];
    match fdpass::peek(envelope, &mut bytes) {
        // The other end is closed and no message is there: somebody took it.
        Ok(0) => Err(Error::AlreadyClaimed),
        Ok(MESSAGE_SIZE) => Message::parse(&bytes),
        Ok(n) => Message::parse(&bytes[..n.min(MESSAGE_SIZE - 1)]),
        // EAGAIN: the other end is open, so this is somebody's socket.
        Err(_) => Err(Error::NotAnEndpoint),
    }
}

/// Whether an envelope holds an endpoint of this kind, with all rights that one has in Rust.
fn fits(message: &Message, kind: Kind) -> Result<()> {
    if message.kind != kind {
        return Err(Error::WrongKind {
            found: message.kind,
        });
    }
    if !message.rights.contains(Rights::OWNED) {
        return Err(Error::MissingRights);
    }
    Ok(())
}

/// Whether a descriptor is an envelope that still holds an endpoint of this kind.
pub(super) fn check(envelope: BorrowedFd<'_>, kind: Kind) -> Result<()> {
    fits(&inspect(envelope)?, kind)
}

/// Takes an endpoint of this kind out of its envelope.
fn claim(envelope: OwnedFd, kind: Kind, sender: Sender) -> Result<Arc<Link>, ClaimError> {
    take(envelope, sender, |message| fits(message, kind))
}

/// Takes an endpoint of either kind, with whatever rights, out of its envelope.
///
/// # Errors
/// As `Stream::try_from`.
pub(crate) fn claim_any(envelope: OwnedFd) -> Result<Arc<Link>, ClaimError> {
    take(envelope, Sender::Stranger, |_| Ok(()))
}

/// Takes out what the envelope holds, if that passes the check: once before anything is
/// taken, and once for what was taken, which need not be the same if others have the envelope.
fn take(
    envelope: OwnedFd,
    sender: Sender,
    check: impl Fn(&Message) -> Result<()>,
) -> Result<Arc<Link>, ClaimError> {
    if let Err(error) = inspect(envelope.as_fd()).and_then(|message| check(&message)) {
        return Err(ClaimError::untouched(error, envelope));
    }
    open(&envelope, sender, check).map_err(|error| ClaimError {
        error,
        envelope: None,
    })
}

fn open(
    envelope: &OwnedFd,
    sender: Sender,
    check: impl Fn(&Message) -> Result<()>,
) -> Result<Arc<Link>> {
    let mut bytes = [0; MESSAGE_SIZE];
    let received = fdpass::receive(envelope.as_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT)
        .map_err(|e| Error::os("recvmsg", e))?;
    if received.len == 0 {
        // Somebody else was faster, after our look.
        return Err(Error::AlreadyClaimed);
    }
    let message = Message::parse(&bytes[..received.len])?;
    check(&message)?;
    let [memfd, bell] = received.into_fds()?;
    let doorbell = Doorbell::attach(bell)?;
    fork::install();
    let region = Region::attach(memfd, sender)?;
    let header = *region.header();
    if header.kind != message.kind {
        return Err(Error::WrongKind { found: header.kind });
    }
    if header.fence_mode == FenceMode::Asymmetric {
        membarrier::register()?;
    }
    let link = Link::new(message.side, Arc::new(region), doorbell, message.rights);
    link.take_over();
    Ok(link)
}

/// Why no endpoint could be taken out of a descriptor.
///
/// As long as nothing was taken out, the descriptor is given back: nothing is lost
/// by asking for a stream where a datagram endpoint is. Once it was opened, whatever
/// fails then (no memory, no descriptors, fences refused) closes the endpoint.
#[derive(Debug)]
pub struct ClaimError {
    error: Error,
    envelope: Option<OwnedFd>,
}

impl ClaimError {
    fn untouched(error: Error, envelope: OwnedFd) -> Self {
        Self {
            error,
            envelope: Some(envelope),
        }
    }

    /// What was wrong.
    pub fn error(&self) -> Error {
        self.error
    }

    /// The descriptor, if it is as it was.
    pub fn into_fd(self) -> Option<OwnedFd> {
        self.envelope
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<ClaimError> for Error {
    fn from(error: ClaimError) -> Self {
        error.error
    }
}

impl From<ClaimError> for std::io::Error {
    fn from(error: ClaimError) -> Self {
        error.error.into()
    }
}

/// Why an endpoint could not be packed or sent, and the endpoint.
#[derive(Debug)]
pub struct TransferError<E> {
    error: Error,
    endpoint: E,
}

impl<E> TransferError<E> {
    pub(super) fn new(error: Error, endpoint: E) -> Self {
        Self { error, endpoint }
    }

    /// What was wrong.
    pub fn error(&self) -> Error {
        self.error
    }

    /// The endpoint.
    pub fn into_endpoint(self) -> E {
        self.endpoint
    }
}

impl<E> fmt::Display for TransferError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: fmt::Debug> std::error::Error for TransferError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<E> From<TransferError<E>> for Error {
    fn from(error: TransferError<E>) -> Self {
        error.error
    }
}

impl<E> From<TransferError<E>> for std::io::Error {
    fn from(error: TransferError<E>) -> Self {
        error.error.into()
    }
}

/// What makes and unmakes envelopes, the same for both kinds.
macro_rules! envelope_conversions {
    ($endpoint:ident, $kind:expr) => {
        impl $endpoint {
            /// Packs the endpoint into a single descriptor, which can be sent through any
            /// Unix socket, inherited, or kept, and from which
            #[doc = concat!("`", stringify!($endpoint), "::try_from`")]
            /// makes an endpoint again, once, in whatever process. What is queued stays
            /// queued; the peer notices nothing, unless the descriptor is dropped.
            ///
            /// # Errors
            /// [`TransferError`] with the endpoint, unharmed: [`Error::Os`], as when there are
            /// no descriptors left; [`Error::Forked`]; [`Error::Protocol`].
            pub fn into_fd(self) -> Result<OwnedFd, TransferError<Self>> {
                let packed = self.link().depart();
                packed.map_err(|error| TransferError::new(error, self))
            }
        }

        impl $endpoint {
            /// Takes an endpoint out of a descriptor as `try_from` does, but from a sender that
            /// is trusted not to take the memory away again, and so on huge pages too.
            ///
            /// # Errors
            /// As `try_from`, but for [`Error::HugePages`].
            pub fn claim_trusted(envelope: OwnedFd) -> Result<Self, ClaimError> {
                Self::claim(envelope, Sender::Trusted)
            }

            fn claim(envelope: OwnedFd, sender: Sender) -> Result<Self, ClaimError> {
                let link = claim(envelope, $kind, sender)?;
                Self::from_link(link).map_err(|error| ClaimError {
                    error,
                    envelope: None,
                })
            }
        }

        /// Packs an endpoint into a descriptor; see `into_fd`.
        ///
        /// # Panics
        /// Where `into_fd` returns an error: without descriptors left, or with so many
        /// envelopes unclaimed that the kernel takes no more (half of `RLIMIT_NOFILE`).
        impl From<$endpoint> for OwnedFd {
            fn from(endpoint: $endpoint) -> Self {
                match endpoint.into_fd() {
                    Ok(fd) => fd,
                    Err(error) => panic!("cannot pack an endpoint: {error}"),
                }
            }
        }

        /// Takes an endpoint out of a descriptor.
        ///
        /// # Errors
        /// [`ClaimError`], which says what was wrong: [`Error::NotAnEndpoint`],
        /// [`Error::AlreadyClaimed`], [`Error::WrongKind`],
        /// [`Error::MissingRights`] if it was sent with fewer than all, as through a handle
        /// ([`zx`](crate::zx)); [`Error::UnsupportedVersion`], [`Error::DescriptorCount`],
        /// [`Error::MissingSeals`], [`Error::WrongMemorySize`], [`Error::HugePages`],
        /// [`Error::BadHeader`],
        /// [`Error::Protocol`], [`Error::FenceRefused`], [`Error::Os`]. Nothing stays
        /// open or mapped then.
        impl TryFrom<OwnedFd> for $endpoint {
            type Error = ClaimError;

            fn try_from(envelope: OwnedFd) -> Result<Self, ClaimError> {
                Self::claim(envelope, Sender::Stranger)
            }
        }
    };
}

envelope_conversions!(Stream, Kind::Stream);
envelope_conversions!(Datagram, Kind::Datagram);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Whoever else has the envelope can take out what was looked at, and leave something else.
    #[test]
    fn what_is_taken_out_is_checked_though_it_was_looked_at() {
        let [_a, b] = crate::Builder::new().links(Kind::Stream).unwrap();
        let envelope = pack(&b, b.rights()).unwrap();
        b.set_moved();
        let looks = Cell::new(0);
        let passes_once = |_: &Message| match looks.replace(looks.get() + 1) {
            0 => Ok(()),
            _ => Err(Error::MissingRights),
        };
        let refused = take(envelope, Sender::Stranger, passes_once).unwrap_err();
        assert_eq!(refused.error(), Error::MissingRights);
        assert!(refused.into_fd().is_none());
        assert_eq!(looks.get(), 2);
    }
}
