//! What there is to know about an object.

use std::mem::offset_of;

use super::handle::{self, Handle};
use super::memory::Sink;
use super::socket::{self, Socket};
use super::status::{Result, Status};
use super::types::*;
use crate::layout::Kind;
use crate::rights::Rights;

/// Tells about an object: `ZX_INFO_HANDLE_BASIC`, `ZX_INFO_HANDLE_COUNT`,
/// `ZX_INFO_SOCKET`, or with `ZX_INFO_HANDLE_VALID` only whether there is one.
///
/// Exactly the record is copied, even into a larger buffer. `actual` becomes the number of records
/// copied, `avail` that of records there are. Like
/// [`zx_object_get_info`](https://fuchsia.dev/reference/syscalls/object_get_info).
///
/// # Errors
/// In this order: `NOT_SUPPORTED` for other topics; `BAD_HANDLE`; `WRONG_TYPE`; `ACCESS_DENIED`
/// without `INSPECT`, which the count and the socket need; `BUFFER_TOO_SMALL`, with
/// `actual` 0 and `avail` 1; `INVALID_ARGS` if the buffer cannot be written.
///
/// # Examples
/// ```
/// use zocket::zx::*;
///
/// let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
/// zx_socket_write(a, 0, b"hello")?;
/// let mut record = [0; size_of::<zx_info_socket_t>()];
/// zx_object_get_info(b, ZX_INFO_SOCKET, &mut record[..], None, None)?;
/// let at = std::mem::offset_of!(zx_info_socket_t, rx_buf_size);
/// assert_eq!(record[at..at + 8], 5_usize.to_ne_bytes());
/// # Ok::<(), Status>(())
/// ```
pub fn zx_object_get_info(
    handle: zx_handle_t,
    topic: u32,
    mut buffer: impl Sink,
    actual: Option<&mut usize>,
    avail: Option<&mut usize>,
) -> Result {
    let Some(record) = record(handle, topic)? else {
        return Ok(());
    };
    let fits = buffer.len() >= record.bytes().len();
    if fits && (buffer.is_null() || buffer.store(0, record.bytes()).is_err()) {
        return Err(Status::INVALID_ARGS);
    }
    if let Some(actual) = actual {
        *actual = usize::from(fits);
    }
    if let Some(avail) = avail {
        *avail = 1;
    }
    if fits {
        Ok(())
    } else {
        Err(Status::BUFFER_TOO_SMALL)
    }
}

/// A record with these fields; the others are 0, and so is padding.
macro_rules! record {
    ($type:ident { $($field:ident: $value:expr,)* }) => {{
        let mut record = Record::of::<$type>();
        // Of the type that the field has.
        let mut typed = $type::default();
        $(
            typed.$field = $value;
            record.put(offset_of!($type, $field), &typed.$field.to_ne_bytes());
        )*
        record
    }};
}

/// Looks the object up, and makes the record; there is none if only validity is asked for.
fn record(handle: zx_handle_t, topic: u32) -> Result<Option<Record>> {
    let make: fn(&Handle) -> Result<Option<Record>> = match topic {
        ZX_INFO_HANDLE_VALID => |_| Ok(None),
        ZX_INFO_HANDLE_BASIC => |handle| Ok(Some(basic(handle))),
        ZX_INFO_HANDLE_COUNT => |handle| {
            handle.check(Rights::INSPECT)?;
            Ok(Some(count(handle)))
        },
        ZX_INFO_SOCKET => |handle| self::socket(socket::socket(handle, Rights::INSPECT)?).map(Some),
        _ => return Err(Status::NOT_SUPPORTED),
    };
    handle::with(handle, |handle| make(handle))
}

fn basic(handle: &Handle) -> Record {
    let (koid, related_koid) = handle.object.koids();
    record!(zx_info_handle_basic_t {
        koid: koid,
        rights: handle.rights.bits(),
        r#type: handle.object.kind(),
        related_koid: related_koid,
    })
}

fn count(handle: &Handle) -> Record {
    record!(zx_info_handle_count_t {
        handle_count: handle.object.handles.get(),
    })
}

fn socket(socket: &Socket) -> Result<Record> {
    let link = socket.link();
    let state = link.state();
    let capacity = link.capacity();
    let (tx_max, tx_size) = if state.peer_closed {
        (0, 0)
    } else {
        (capacity, capacity - state.free)
    };
    let options = match socket.kind() {
        Kind::Stream => ZX_SOCKET_STREAM,
        Kind::Datagram => ZX_SOCKET_DATAGRAM,
    };
    // Others may have read since.
    let available = socket.next_len(state.queued)?.min(state.queued);
    Ok(record!(zx_info_socket_t {
        options: options,
        rx_buf_max: capacity as usize,
        rx_buf_size: state.queued as usize,
        rx_buf_available: available as usize,
        tx_buf_max: tx_max as usize,
        tx_buf_size: tx_size as usize,
    }))
}

/// The bytes of a record, in the layout of its C type.
struct Record {
    bytes: [u8; size_of::<zx_info_socket_t>()],
    len: usize,
}

impl Record {
    /// All 0.
    fn of<T>() -> Self {
        Self {
            bytes: [0; _],
            len: size_of::<T>(),
        }
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..][..value.len()].copy_from_slice(value);
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
