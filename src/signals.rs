//! What can be said of an object at one moment, and of whether its ends may write.

use bitflags::bitflags;

bitflags! {
    /// A set of signals: what is so, at this moment, of an endpoint.
    ///
    /// Signals are computed from the state of the endpoint whenever somebody asks; only the
    /// user signals are stored. The numbers are Zircon's (`zx_signals_t`).
    ///
    /// # Examples
    /// ```
    /// use zocket::{Signals, Stream};
    ///
    /// let (mut a, b) = Stream::pair()?;
    /// assert_eq!(b.signals(), Signals::WRITABLE);
    /// a.try_write(b"x")?;
    /// assert_eq!(b.signals(), Signals::WRITABLE | Signals::READABLE);
    /// # Ok::<(), zocket::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Signals: u32 {
        /// Something is queued to be read.
        const READABLE = 1;
        /// Something can be written: the peer lives, writing is enabled, and there is space
        /// for at least one byte. A large datagram may still not fit; for that there is
        /// [`WRITE_THRESHOLD`](Self::WRITE_THRESHOLD).
        const WRITABLE = 1 << 1;
        /// The other endpoint is closed, or its process is gone. Once on, stays on.
        const PEER_CLOSED = 1 << 2;
        /// An event is signalled. No endpoint has this.
        const EVENT_SIGNALED = 1 << 3;
        /// The peer may not write. What it wrote before can still be read.
        const PEER_WRITE_DISABLED = 1 << 4;
        /// This endpoint may not write.
        const WRITE_DISABLED = 1 << 5;
        /// At least as many bytes are queued as the read threshold says, which is not 0.
        const READ_THRESHOLD = 1 << 10;
        /// At least as many bytes are free as the write threshold says, which is not 0.
        const WRITE_THRESHOLD = 1 << 11;
        /// The handle through which somebody waited was closed. Only in what such a wait
        /// reports; no object has it.
        const HANDLE_CLOSED = 1 << 23;
        /// The first of the signals that mean what both ends agree on.
        const USER_0 = 1 << 24;
        /// A user signal.
        const USER_1 = 1 << 25;
        /// A user signal.
        const USER_2 = 1 << 26;
        /// A user signal.
        const USER_3 = 1 << 27;
        /// A user signal.
        const USER_4 = 1 << 28;
        /// A user signal.
        const USER_5 = 1 << 29;
        /// A user signal.
        const USER_6 = 1 << 30;
        /// A user signal.
        const USER_7 = 1 << 31;
        /// All user signals.
        const USER_ALL = 0xFF << 24;
    }
}

/// What to do about the writes of one endpoint.
///
/// Like the arguments of `zx_socket_set_disposition`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Leave it as it is.
    #[default]
    Unchanged,
    /// It may not write: what it wrote before is read, then comes the end.
    WriteDisabled,
    /// It may write, again.
    WriteEnabled,
}
