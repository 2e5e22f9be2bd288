//! Zircon's sockets in user space.

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_has_atomic = "64"
)))]
compile_error!("zocket needs 64-bit Linux: it is built on memfd, futex and membarrier");

mod endpoint;
mod error;
mod layout;
mod mem;
mod ring;
mod socket;
mod sys;
mod wait;

pub use error::{Error, Result, Violation};
pub use layout::{FenceMode, Kind, MAX_CAPACITY, MIN_CAPACITY};
pub use mem::{SharedSlice, SharedSliceMut};
pub use socket::{
    Builder, ClaimError, Datagram, FencePolicy, Info, OwnedReadHalf, OwnedRecvHalf, OwnedSendHalf,
    OwnedWriteHalf, ReadChunk, Readiness, Reservation, ReuniteError, Stream, TransferError,
    process,
};

/// The protocol, generic over its memory: for this project's own model checks and
/// tests. Not part of the interface; changes without notice.
#[doc(hidden)]
pub mod protocol {
    pub use crate::endpoint::{
        End, Fill, Grant, Reader, Writer, close, disable, fill, hang_up, is_closed, take_over,
    };
    pub use crate::layout::{
        DIRECTION_SIZE, HEADER_SIZE, Header, MAGIC, PAGE_SHIFT, Side, VERSION,
    };
    pub use crate::mem::{Fence, Memory, Role, Site, Step, Word32, Word64, flags, waiter};
    pub use crate::ring::{Consumer, Producer, Record, record};
    pub use crate::wait::{Arming, Condition, Deadline, Notify, Park, Spinner, Wake, block};
}
