//! The crate `ipc-channel`: a channel of bytes for each direction, over sockets that keep messages
//! apart.

use ::ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};
use anyhow::{Context, Result};

use crate::channel::{ANY_SIZE, Channel, Class, Name, Parcel, Transport, Waiting};

/// The ends of two channels: what one process uses, or sends to the other.
type Ends = (IpcBytesSender, IpcBytesReceiver);

/// One end.
pub(crate) enum Channels {
    /// Where the other process is to send what this one uses.
    Expected(IpcOneShotServer<Ends>),
    Here(Ends),
}

impl Channels {
    fn here(&self) -> &Ends {
        match self {
            Self::Here(ends) => ends,
            Self::Expected(_) => panic!("not connected yet"),
        }
    }
}

impl Transport for Channels {
    type End = Self;
    const NAME: Name = Name {
        key: "ipc-channel",
        title: "ipc-channel",
        class: Class::Peer,
        waiting: Waiting::Block,
        most: ANY_SIZE,
    };

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        let (server, name) = IpcOneShotServer::new()?;
        parcel.put_word(name);
        Ok(Self::Expected(server))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        let (their_sender, receiver) = ipc::bytes_channel()?;
        let (sender, their_receiver) = ipc::bytes_channel()?;
        let server = IpcSender::connect(parcel.take_word()?)?;
        server.send((their_sender, their_receiver))?;
        Ok(Self::Here((sender, receiver)))
    }

    fn complete(end: Self) -> Result<Self> {
        let Self::Expected(server) = end else {
            return Ok(end);
        };
        let (_, ends) = server.accept().context("nothing from the other side")?;
        Ok(Self::Here(ends))
    }
}

impl Channel for Channels {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let sent = self.here().0.send(message);
        sent.expect("the other side receives");
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        let message = self.here().1.recv().expect("the other side sends");
        buf.copy_from_slice(&message);
    }
}
