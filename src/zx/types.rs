//! Types and numbers of the interface, with Zircon's names, layouts and values.

#![allow(unsafe_code, reason = "unions, whose bytes are all plain data")]
#![allow(
    non_camel_case_types,
    reason = "the names are those of Zircon's own headers"
)]

use std::mem::offset_of;

use crate::rights::Rights;
use crate::signals::Signals;

/// A number that stands, in this process, for an object and rights to it. 0 is never one.
pub type zx_handle_t = u32;
/// 0 for success, else a negative error.
pub type zx_status_t = i32;
/// A set of signals.
pub type zx_signals_t = u32;
/// A set of rights.
pub type zx_rights_t = u32;
/// The type of an object.
pub type zx_obj_type_t = u32;
/// The identity of an object: rising, and for all practical purposes never used again.
pub type zx_koid_t = u64;
/// Nanoseconds on the monotonic clock.
pub type zx_time_t = i64;
/// Another name of [`zx_time_t`].
pub type zx_instant_mono_t = zx_time_t;

/// Constants of one type.
macro_rules! constants {
    ($type:ty: $($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*
    };
}

constants! { zx_handle_t:
    /// Stands for nothing.
    ZX_HANDLE_INVALID = 0;
    /// The bits that are 1 in every handle.
    ZX_HANDLE_FIXED_BITS_MASK = 3;
}

constants! { zx_time_t:
    /// The deadline that never comes.
    ZX_TIME_INFINITE = i64::MAX;
    /// The deadline that was always over.
    ZX_TIME_INFINITE_PAST = i64::MIN;
}

constants! { zx_status_t:
    /// Success.
    ZX_OK = 0;
    /// A fault of the implementation.
    ZX_ERR_INTERNAL = -1;
    /// Not possible with this object, or here.
    ZX_ERR_NOT_SUPPORTED = -2;
    /// Out of something other than memory.
    ZX_ERR_NO_RESOURCES = -3;
    /// Out of memory.
    ZX_ERR_NO_MEMORY = -4;
    /// An argument that is wrong whatever the state.
    ZX_ERR_INVALID_ARGS = -10;
    /// No handle.
    ZX_ERR_BAD_HANDLE = -11;
    /// A handle to an object of another type.
    ZX_ERR_WRONG_TYPE = -12;
    /// No such call.
    ZX_ERR_BAD_SYSCALL = -13;
    /// Too large, or otherwise out of range.
    ZX_ERR_OUT_OF_RANGE = -14;
    /// The caller's buffer is too small.
    ZX_ERR_BUFFER_TOO_SMALL = -15;
    /// Not in this state.
    ZX_ERR_BAD_STATE = -20;
    /// The deadline passed.
    ZX_ERR_TIMED_OUT = -21;
    /// Would block.
    ZX_ERR_SHOULD_WAIT = -22;
    /// The handle was closed under a wait.
    ZX_ERR_CANCELED = -23;
    /// The other endpoint is closed.
    ZX_ERR_PEER_CLOSED = -24;
    /// Nothing of that kind is there.
    ZX_ERR_NOT_FOUND = -25;
    /// It is there already.
    ZX_ERR_ALREADY_EXISTS = -26;
    /// Cannot be had now.
    ZX_ERR_UNAVAILABLE = -28;
    /// A right is missing.
    ZX_ERR_ACCESS_DENIED = -30;
}

constants! { zx_rights_t:
    /// No rights.
    ZX_RIGHT_NONE = 0;
    /// `zx_handle_duplicate`.
    ZX_RIGHT_DUPLICATE = 1;
    /// Sending the handle to another process.
    ZX_RIGHT_TRANSFER = 1 << 1;
    /// `zx_socket_read`, `zx_port_wait`.
    ZX_RIGHT_READ = 1 << 2;
    /// `zx_socket_write`, and what is done to a port.
    ZX_RIGHT_WRITE = 1 << 3;
    /// `zx_object_get_property`.
    ZX_RIGHT_GET_PROPERTY = 1 << 6;
    /// `zx_object_set_property`.
    ZX_RIGHT_SET_PROPERTY = 1 << 7;
    /// `zx_object_signal`.
    ZX_RIGHT_SIGNAL = 1 << 12;
    /// `zx_object_signal_peer`.
    ZX_RIGHT_SIGNAL_PEER = 1 << 13;
    /// All waits.
    ZX_RIGHT_WAIT = 1 << 14;
    /// `ZX_INFO_SOCKET`, `ZX_INFO_HANDLE_COUNT`.
    ZX_RIGHT_INSPECT = 1 << 15;
    /// `zx_socket_set_disposition`.
    ZX_RIGHT_MANAGE_SOCKET = 1 << 20;
    /// Not a right: "as the source has".
    ZX_RIGHT_SAME_RIGHTS = 1 << 31;
    /// What nearly every handle can do.
    ZX_RIGHTS_BASIC = ZX_RIGHT_TRANSFER | ZX_RIGHT_DUPLICATE | ZX_RIGHT_WAIT | ZX_RIGHT_INSPECT;
    /// Reading and writing.
    ZX_RIGHTS_IO = ZX_RIGHT_READ | ZX_RIGHT_WRITE;
    /// Properties.
    ZX_RIGHTS_PROPERTY = ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY;
    /// Rights of a fresh handle to a socket.
    ZX_DEFAULT_SOCKET_RIGHTS = ZX_RIGHTS_BASIC
        | ZX_RIGHTS_IO
        | ZX_RIGHTS_PROPERTY
        | ZX_RIGHT_SIGNAL
        | ZX_RIGHT_SIGNAL_PEER
        | ZX_RIGHT_MANAGE_SOCKET;
    /// Rights of a fresh handle to a port.
    ZX_DEFAULT_PORT_RIGHTS = (ZX_RIGHTS_BASIC & !ZX_RIGHT_WAIT) | ZX_RIGHTS_IO;
    /// Rights of a fresh handle to an event.
    ZX_DEFAULT_EVENT_RIGHTS = ZX_RIGHTS_BASIC | ZX_RIGHT_SIGNAL;
}

constants! { zx_signals_t:
    /// No signals.
    ZX_SIGNAL_NONE = 0;
    /// There is something to read.
    ZX_SOCKET_READABLE = 1;
    /// There is space to write.
    ZX_SOCKET_WRITABLE = 1 << 1;
    /// The other endpoint is closed.
    ZX_SOCKET_PEER_CLOSED = 1 << 2;
    /// An event is signalled.
    ZX_EVENT_SIGNALED = 1 << 3;
    /// The peer may not write.
    ZX_SOCKET_PEER_WRITE_DISABLED = 1 << 4;
    /// This endpoint may not write.
    ZX_SOCKET_WRITE_DISABLED = 1 << 5;
    /// At least the read threshold is queued.
    ZX_SOCKET_READ_THRESHOLD = 1 << 10;
    /// At least the write threshold is free.
    ZX_SOCKET_WRITE_THRESHOLD = 1 << 11;
    /// The handle was closed under the wait.
    ZX_SIGNAL_HANDLE_CLOSED = 1 << 23;
    /// The first signal that means what users agree on.
    ZX_USER_SIGNAL_0 = 1 << 24;
    /// A user signal.
    ZX_USER_SIGNAL_1 = 1 << 25;
    /// A user signal.
    ZX_USER_SIGNAL_2 = 1 << 26;
    /// A user signal.
    ZX_USER_SIGNAL_3 = 1 << 27;
    /// A user signal.
    ZX_USER_SIGNAL_4 = 1 << 28;
    /// A user signal.
    ZX_USER_SIGNAL_5 = 1 << 29;
    /// A user signal.
    ZX_USER_SIGNAL_6 = 1 << 30;
    /// A user signal.
    ZX_USER_SIGNAL_7 = 1 << 31;
    /// All user signals.
    ZX_USER_SIGNAL_ALL = 0xFF << 24;
}

constants! { u32:
    /// `zx_socket_create`: bytes without boundaries.
    ZX_SOCKET_STREAM = 0;
    /// `zx_socket_create`: whole messages.
    ZX_SOCKET_DATAGRAM = 1;
    /// All options of `zx_socket_create`.
    ZX_SOCKET_CREATE_MASK = 1;
    /// `zx_socket_read`: leave what is read queued.
    ZX_SOCKET_PEEK = 1 << 3;
    /// `zx_socket_set_disposition`: writing is over.
    ZX_SOCKET_DISPOSITION_WRITE_DISABLED = 1;
    /// `zx_socket_set_disposition`: writing goes on.
    ZX_SOCKET_DISPOSITION_WRITE_ENABLED = 2;
    /// `zx_socket_shutdown`: this endpoint writes no more.
    ZX_SOCKET_SHUTDOWN_WRITE = 1;
    /// `zx_socket_shutdown`: the peer writes no more.
    ZX_SOCKET_SHUTDOWN_READ = 2;
    /// All options of `zx_socket_shutdown`.
    ZX_SOCKET_SHUTDOWN_MASK = 3;
    /// `zx_object_wait_async`: as every registration is, once.
    ZX_WAIT_ASYNC_ONCE = 0;
    /// `zx_object_wait_async`: the packet says when, on the monotonic clock.
    ZX_WAIT_ASYNC_TIMESTAMP = 1;
    /// `zx_object_wait_async`: only what happens from now on counts.
    ZX_WAIT_ASYNC_EDGE = 2;
    /// `zx_object_wait_async`: the packet says when, on the boot clock.
    ZX_WAIT_ASYNC_BOOT_TIMESTAMP = 4;
    /// `zx_port_create`: accepted, means nothing here.
    ZX_PORT_BIND_TO_INTERRUPT = 1;
    /// `zx_object_get_info`: no topic.
    ZX_INFO_NONE = 0;
    /// `zx_object_get_info`: is it a handle at all?
    ZX_INFO_HANDLE_VALID = 1;
    /// `zx_object_get_info`: [`zx_info_handle_basic_t`].
    ZX_INFO_HANDLE_BASIC = 2;
    /// `zx_object_get_info`: [`zx_info_handle_count_t`].
    ZX_INFO_HANDLE_COUNT = 19;
    /// `zx_object_get_info`: [`zx_info_socket_t`].
    ZX_INFO_SOCKET = 22;
    /// A name, which no object here has.
    ZX_PROP_NAME = 3;
    /// The read threshold of a socket, a `size_t`.
    ZX_PROP_SOCKET_RX_THRESHOLD = 12;
    /// The write threshold of a socket, a `size_t`.
    ZX_PROP_SOCKET_TX_THRESHOLD = 13;
    /// A packet of `zx_port_queue`.
    ZX_PKT_TYPE_USER = 0;
    /// A packet of `zx_object_wait_async`.
    ZX_PKT_TYPE_SIGNAL_ONE = 1;
}

constants! { usize:
    /// Most items of `zx_object_wait_many`.
    ZX_WAIT_MANY_MAX_ITEMS = 64;
    /// Bytes of a name, with its NUL.
    ZX_MAX_NAME_LEN = 32;
}

constants! { zx_obj_type_t:
    /// No object.
    ZX_OBJ_TYPE_NONE = 0;
    /// Not made here.
    ZX_OBJ_TYPE_VMO = 3;
    /// Not made here.
    ZX_OBJ_TYPE_CHANNEL = 4;
    /// An event.
    ZX_OBJ_TYPE_EVENT = 5;
    /// A port.
    ZX_OBJ_TYPE_PORT = 6;
    /// A socket.
    ZX_OBJ_TYPE_SOCKET = 14;
    /// Not made here.
    ZX_OBJ_TYPE_EVENTPAIR = 16;
    /// Not made here.
    ZX_OBJ_TYPE_FIFO = 19;
}

constants! { zx_koid_t:
    /// No object.
    ZX_KOID_INVALID = 0;
    /// The kernel.
    ZX_KOID_KERNEL = 1;
    /// Smallest identity of an ordinary object.
    ZX_KOID_FIRST = 1024;
}

/// What `ZX_INFO_HANDLE_BASIC` tells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct zx_info_handle_basic_t {
    /// Identity of the object.
    pub koid: zx_koid_t,
    /// Rights of the handle.
    pub rights: zx_rights_t,
    /// Type of the object.
    pub r#type: zx_obj_type_t,
    /// Identity of the peer, if the object has one.
    pub related_koid: zx_koid_t,
    /// 0.
    pub reserved: u32,
    /// 0.
    pub padding1: [u8; 4],
}

/// What `ZX_INFO_HANDLE_COUNT` tells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct zx_info_handle_count_t {
    /// Number of handles to the object.
    pub handle_count: u32,
}

/// What `ZX_INFO_SOCKET` tells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct zx_info_socket_t {
    /// As given to `zx_socket_create`.
    pub options: u32,
    /// 0.
    pub padding1: [u8; 4],
    /// Capacity of the direction towards this endpoint.
    pub rx_buf_max: usize,
    /// Bytes queued there.
    pub rx_buf_size: usize,
    /// Bytes that one read can get.
    pub rx_buf_available: usize,
    /// Capacity of the other direction.
    pub tx_buf_max: usize,
    /// Bytes queued there.
    pub tx_buf_size: usize,
}

/// What `zx_object_wait_many` waits for, and what it found.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct zx_wait_item_t {
    /// A handle to the object.
    pub handle: zx_handle_t,
    /// The signals of which one is enough.
    pub waitfor: zx_signals_t,
    /// The signals that were found.
    pub pending: zx_signals_t,
}

/// The payload of a user's packet: 32 bytes, seen in several ways.
#[repr(C)]
#[derive(Clone, Copy)]
pub union zx_packet_user_t {
    /// As 64-bit numbers.
    pub u64: [u64; 4],
    /// As 32-bit numbers.
    pub u32: [u32; 8],
    /// As 16-bit numbers.
    pub u16: [u16; 16],
    /// As bytes.
    pub c8: [u8; 32],
}

/// The payload of a packet of `zx_object_wait_async`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct zx_packet_signal_t {
    /// What was waited for.
    pub trigger: zx_signals_t,
    /// All signals of the object at the match.
    pub observed: zx_signals_t,
    /// 1.
    pub count: u64,
    /// When, or 0.
    pub timestamp: zx_time_t,
    /// 0.
    pub reserved1: u64,
}

impl std::fmt::Debug for zx_packet_user_t {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("zx_packet_user_t").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for zx_packet_payload_t {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("zx_packet_payload_t")
            .finish_non_exhaustive()
    }
}

/// The payload of a packet. In C an anonymous union.
#[repr(C)]
#[derive(Clone, Copy)]
pub union zx_packet_payload_t {
    /// Of a packet of type `ZX_PKT_TYPE_USER`.
    pub user: zx_packet_user_t,
    /// Of a packet of type `ZX_PKT_TYPE_SIGNAL_ONE`.
    pub signal: zx_packet_signal_t,
}

/// A packet of a port.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct zx_port_packet_t {
    /// As given to whoever made the packet.
    pub key: u64,
    /// Which of the payloads it is.
    pub r#type: u32,
    /// As given to `zx_port_queue`, else `ZX_OK`.
    pub status: zx_status_t,
    /// The rest.
    pub payload: zx_packet_payload_t,
}

impl zx_port_packet_t {
    /// The payload of a user's packet.
    pub fn user(&self) -> zx_packet_user_t {
        // SAFETY: every member has the full 32 bytes, without padding, and takes any
        // bytes; whoever made the packet has initialised one of them.
        unsafe { self.payload.user }
    }

    /// The payload of a packet of `zx_object_wait_async`.
    pub fn signal(&self) -> zx_packet_signal_t {
        // SAFETY: as in `user`.
        unsafe { self.payload.signal }
    }

    /// The payload as bytes.
    pub fn bytes(&self) -> [u8; 32] {
        // SAFETY: as in `user`.
        unsafe { self.user().c8 }
    }
}

/// Sizes and offsets are those of Zircon's headers.
macro_rules! layouts {
    ($($type:ident $size:literal { $($field:ident $offset:literal)* })*) => {
        const _: () = {
            $(
                assert!(size_of::<$type>() == $size);
                $(assert!(offset_of!($type, $field) == $offset);)*
            )*
        };
    };
}

layouts! {
    zx_info_handle_basic_t 32 {
        koid 0 rights 8 r#type 12 related_koid 16 reserved 24 padding1 28
    }
    zx_info_handle_count_t 4 { handle_count 0 }
    zx_info_socket_t 48 {
        options 0 padding1 4 rx_buf_max 8 rx_buf_size 16 rx_buf_available 24 tx_buf_max 32
        tx_buf_size 40
    }
    zx_wait_item_t 12 { handle 0 waitfor 4 pending 8 }
    zx_port_packet_t 48 { key 0 r#type 8 status 12 payload 16 }
    zx_packet_payload_t 32 { user 0 signal 0 }
    zx_packet_user_t 32 { u64 0 u32 0 u16 0 c8 0 }
    zx_packet_signal_t 32 { trigger 0 observed 4 count 8 timestamp 16 reserved1 24 }
}

/// Rust's names stand for the same bits.
macro_rules! bits {
    ($($name:ident $bits:expr;)*) => {
        const _: () = { $(assert!($name == $bits.bits());)* };
    };
}

bits! {
    ZX_SOCKET_READABLE Signals::READABLE;
    ZX_SOCKET_WRITABLE Signals::WRITABLE;
    ZX_SOCKET_PEER_CLOSED Signals::PEER_CLOSED;
    ZX_SOCKET_PEER_WRITE_DISABLED Signals::PEER_WRITE_DISABLED;
    ZX_SOCKET_WRITE_DISABLED Signals::WRITE_DISABLED;
    ZX_SOCKET_READ_THRESHOLD Signals::READ_THRESHOLD;
    ZX_SOCKET_WRITE_THRESHOLD Signals::WRITE_THRESHOLD;
    ZX_EVENT_SIGNALED Signals::EVENT_SIGNALED;
    ZX_SIGNAL_HANDLE_CLOSED Signals::HANDLE_CLOSED;
    ZX_USER_SIGNAL_0 Signals::USER_0;
    ZX_USER_SIGNAL_1 Signals::USER_1;
    ZX_USER_SIGNAL_2 Signals::USER_2;
    ZX_USER_SIGNAL_3 Signals::USER_3;
    ZX_USER_SIGNAL_4 Signals::USER_4;
    ZX_USER_SIGNAL_5 Signals::USER_5;
    ZX_USER_SIGNAL_6 Signals::USER_6;
    ZX_USER_SIGNAL_7 Signals::USER_7;
    ZX_USER_SIGNAL_ALL Signals::USER_ALL;
    ZX_RIGHT_DUPLICATE Rights::DUPLICATE;
    ZX_RIGHT_TRANSFER Rights::TRANSFER;
    ZX_RIGHT_READ Rights::READ;
    ZX_RIGHT_WRITE Rights::WRITE;
    ZX_RIGHT_GET_PROPERTY Rights::GET_PROPERTY;
    ZX_RIGHT_SET_PROPERTY Rights::SET_PROPERTY;
    ZX_RIGHT_SIGNAL Rights::SIGNAL;
    ZX_RIGHT_SIGNAL_PEER Rights::SIGNAL_PEER;
    ZX_RIGHT_WAIT Rights::WAIT;
    ZX_RIGHT_INSPECT Rights::INSPECT;
    ZX_RIGHT_MANAGE_SOCKET Rights::MANAGE_SOCKET;
    ZX_DEFAULT_SOCKET_RIGHTS Rights::SOCKET;
}
