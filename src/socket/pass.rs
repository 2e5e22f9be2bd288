//! Endpoints through a Unix stream socket: one byte that carries an envelope.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::MsgFlags;

use super::{Datagram, Stream, TransferError};
use crate::error::{Error, Result};
use crate::sys::fdpass;

/// The byte that an envelope travels with; its value means nothing.
const CARRIER: [u8; 1] = [b'z'];

fn send(socket: &UnixStream, envelope: &OwnedFd) -> Result<()> {
    let contents = [envelope.as_fd()];
    fdpass::send(socket.as_fd(), &CARRIER, &contents, MsgFlags::empty())
        .map_err(|e| Error::os("sendmsg", e))
}

fn receive(socket: &UnixStream) -> Result<OwnedFd> {
    let mut byte = [0];
    let received = fdpass::receive(socket.as_fd(), &mut byte, MsgFlags::empty())
        .map_err(|e| Error::os("recvmsg", e))?;
    if received.len == 0 {
        return Err(Error::PeerClosed);
    }
    let [envelope] = received.into_fds()?;
    Ok(envelope)
}

/// What sends and receives endpoints, the same for both kinds.
macro_rules! pass {
    ($endpoint:ident) => {
        impl $endpoint {
            /// Sends the endpoint to whoever receives from the other end of `socket`: one
            /// byte with one descriptor. Waits if the socket does.
            ///
            /// # Errors
            /// [`TransferError`] with the endpoint, which is as before but for its registrations
            /// with ports, as those end in any case: [`Error::Os`]; [`Error::Forked`];
            /// [`Error::Protocol`].
            pub fn send_to(self, socket: &UnixStream) -> Result<(), TransferError<Self>> {
                let sent = self.link().depart_with(|envelope| send(socket, &envelope));
                sent.map_err(|error| TransferError::new(error, self))
            }

            /// Receives an endpoint that the other end of `socket` has
            /// [sent](Self::send_to). Waits if the socket does.
            ///
            /// # Errors
            /// [`Error::PeerClosed`] if the socket is at its end;
            /// [`Error::DescriptorCount`] if something else than one descriptor arrived;
            /// [`Error::Os`]; and as `try_from`. Whatever arrived is closed then.
            pub fn receive_from(socket: &UnixStream) -> Result<Self> {
                Ok(Self::try_from(receive(socket)?)?)
            }
        }
    };
}

pass!(Stream);
pass!(Datagram);
