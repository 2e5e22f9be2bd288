//! What may be done with an object through a handle.

use bitflags::bitflags;

bitflags! {
    /// What may be done with an endpoint through a handle.
    ///
    /// Rights travel in the descriptor that an endpoint is packed into. The numbers are
    /// Zircon's (`zx_rights_t`). They bind whoever holds a handle as far as this crate can
    /// tell; whoever has the memory can do anything to it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(crate) struct Rights: u32 {
        const DUPLICATE = 1;
        const TRANSFER = 1 << 1;
        const READ = 1 << 2;
        const WRITE = 1 << 3;
        const GET_PROPERTY = 1 << 6;
        const SET_PROPERTY = 1 << 7;
        const SIGNAL = 1 << 12;
        const SIGNAL_PEER = 1 << 13;
        const WAIT = 1 << 14;
        const INSPECT = 1 << 15;
        const MANAGE_SOCKET = 1 << 20;

        /// Those of a fresh handle to a socket.
        const SOCKET = Self::DUPLICATE.bits()
            | Self::TRANSFER.bits()
            | Self::READ.bits()
            | Self::WRITE.bits()
            | Self::GET_PROPERTY.bits()
            | Self::SET_PROPERTY.bits()
            | Self::SIGNAL.bits()
            | Self::SIGNAL_PEER.bits()
            | Self::WAIT.bits()
            | Self::INSPECT.bits()
            | Self::MANAGE_SOCKET.bits();
    }
}

impl Rights {
    /// Those that `Stream` and `Datagram` take for granted: all that have a call there.
    pub(crate) const OWNED: Self = Self::SOCKET.difference(Self::DUPLICATE);
}
