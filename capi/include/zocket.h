// zocket.h: Zircon's sockets, ports and handles in user space, for 64-bit Linux.
//
// Names, numbers and layouts are those of Zircon's <zircon/types.h> and <zircon/syscalls.h>; what
// starts with zocket_ is an addition. Link with -lzocket (see `pkg-config zocket`).
//
// All calls may be made from any thread. A call returns ZX_OK or a negative status; where it says
// "Errors: BAD_HANDLE", that is ZX_ERR_BAD_HANDLE. When it fails, what its pointers point to is
// as it was, but for the exceptions named with it.
//
// Pointers may be unaligned. A null pointer where one is needed is ZX_ERR_INVALID_ARGS; for a
// result this is noticed after the operation, but in zx_socket_create, zx_object_get_property and
// what starts with zocket_ before it. Other bad pointers are the same error if the library was
// built with checked pointers, for a result always after the operation; and a crash or worse if
// not.


#ifndef ZOCKET_H
#define ZOCKET_H

// Made by cbindgen; `ZOCKET_BLESS=1 cargo test -p zocket-capi header` makes it again.

#include <stddef.h>
#include <stdint.h>

// A result that must be looked at.
#if defined(__cplusplus) && __cplusplus >= 201703L
#define ZX_MUST_USE [[nodiscard]]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define ZX_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define ZX_MUST_USE __attribute__((__warn_unused_result__))
#else
#define ZX_MUST_USE
#endif

// Stands for nothing.
#define ZX_HANDLE_INVALID 0u
// The bits that are 1 in every handle.
#define ZX_HANDLE_FIXED_BITS_MASK 3u

// The deadline that never comes.
#define ZX_TIME_INFINITE INT64_MAX
// The deadline that was always over.
#define ZX_TIME_INFINITE_PAST INT64_MIN

// Success.
#define ZX_OK 0
// A fault of the implementation.
#define ZX_ERR_INTERNAL (-1)
// Not possible with this object, or here.
#define ZX_ERR_NOT_SUPPORTED (-2)
// Out of something other than memory.
#define ZX_ERR_NO_RESOURCES (-3)
// Out of memory.
#define ZX_ERR_NO_MEMORY (-4)
// An argument that is wrong whatever the state.
#define ZX_ERR_INVALID_ARGS (-10)
// No handle.
#define ZX_ERR_BAD_HANDLE (-11)
// A handle to an object of another type.
#define ZX_ERR_WRONG_TYPE (-12)
// No such call.
#define ZX_ERR_BAD_SYSCALL (-13)
// Too large, or otherwise out of range.
#define ZX_ERR_OUT_OF_RANGE (-14)
// The caller's buffer is too small.
#define ZX_ERR_BUFFER_TOO_SMALL (-15)
// Not in this state.
#define ZX_ERR_BAD_STATE (-20)
// The deadline passed.
#define ZX_ERR_TIMED_OUT (-21)
// Would block.
#define ZX_ERR_SHOULD_WAIT (-22)
// The handle was closed under a wait.
#define ZX_ERR_CANCELED (-23)
// The other endpoint is closed.
#define ZX_ERR_PEER_CLOSED (-24)
// Nothing of that kind is there.
#define ZX_ERR_NOT_FOUND (-25)
// It is there already.
#define ZX_ERR_ALREADY_EXISTS (-26)
// Cannot be had now.
#define ZX_ERR_UNAVAILABLE (-28)
// A right is missing.
#define ZX_ERR_ACCESS_DENIED (-30)

// No rights.
#define ZX_RIGHT_NONE 0x0u
// `zx_handle_duplicate`.
#define ZX_RIGHT_DUPLICATE 0x1u
// Sending the handle to another process.
#define ZX_RIGHT_TRANSFER 0x2u
// `zx_socket_read`, `zx_port_wait`.
#define ZX_RIGHT_READ 0x4u
// `zx_socket_write`, and what is done to a port.
#define ZX_RIGHT_WRITE 0x8u
// `zx_object_get_property`.
#define ZX_RIGHT_GET_PROPERTY 0x40u
// `zx_object_set_property`.
#define ZX_RIGHT_SET_PROPERTY 0x80u
// `zx_object_signal`.
#define ZX_RIGHT_SIGNAL 0x1000u
// `zx_object_signal_peer`.
#define ZX_RIGHT_SIGNAL_PEER 0x2000u
// All waits.
#define ZX_RIGHT_WAIT 0x4000u
// `ZX_INFO_SOCKET`, `ZX_INFO_HANDLE_COUNT`.
#define ZX_RIGHT_INSPECT 0x8000u
// `zx_socket_set_disposition`.
#define ZX_RIGHT_MANAGE_SOCKET 0x100000u
// Not a right: "as the source has".
#define ZX_RIGHT_SAME_RIGHTS 0x80000000u
// What nearly every handle can do.
#define ZX_RIGHTS_BASIC 0xc003u
// Reading and writing.
#define ZX_RIGHTS_IO 0xcu
// Properties.
#define ZX_RIGHTS_PROPERTY 0xc0u
// Rights of a fresh handle to a socket.
#define ZX_DEFAULT_SOCKET_RIGHTS 0x10f0cfu
// Rights of a fresh handle to a port.
#define ZX_DEFAULT_PORT_RIGHTS 0x800fu
// Rights of a fresh handle to an event.
#define ZX_DEFAULT_EVENT_RIGHTS 0xd003u

// No signals.
#define ZX_SIGNAL_NONE 0x0u
// There is something to read.
#define ZX_SOCKET_READABLE 0x1u
// There is space to write.
#define ZX_SOCKET_WRITABLE 0x2u
// The other endpoint is closed.
#define ZX_SOCKET_PEER_CLOSED 0x4u
// An event is signalled.
#define ZX_EVENT_SIGNALED 0x8u
// The peer may not write.
#define ZX_SOCKET_PEER_WRITE_DISABLED 0x10u
// This endpoint may not write.
#define ZX_SOCKET_WRITE_DISABLED 0x20u
// At least the read threshold is queued.
#define ZX_SOCKET_READ_THRESHOLD 0x400u
// At least the write threshold is free.
#define ZX_SOCKET_WRITE_THRESHOLD 0x800u
// The handle was closed under the wait.
#define ZX_SIGNAL_HANDLE_CLOSED 0x800000u
// The first signal that means what users agree on.
#define ZX_USER_SIGNAL_0 0x1000000u
// A user signal.
#define ZX_USER_SIGNAL_1 0x2000000u
// A user signal.
#define ZX_USER_SIGNAL_2 0x4000000u
// A user signal.
#define ZX_USER_SIGNAL_3 0x8000000u
// A user signal.
#define ZX_USER_SIGNAL_4 0x10000000u
// A user signal.
#define ZX_USER_SIGNAL_5 0x20000000u
// A user signal.
#define ZX_USER_SIGNAL_6 0x40000000u
// A user signal.
#define ZX_USER_SIGNAL_7 0x80000000u
// All user signals.
#define ZX_USER_SIGNAL_ALL 0xff000000u

// `zx_socket_create`: bytes without boundaries.
#define ZX_SOCKET_STREAM 0u
// `zx_socket_create`: whole messages.
#define ZX_SOCKET_DATAGRAM 1u
// All options of `zx_socket_create`.
#define ZX_SOCKET_CREATE_MASK 1u
// `zx_socket_read`: leave what is read queued.
#define ZX_SOCKET_PEEK 8u
// `zx_socket_set_disposition`: writing is over.
#define ZX_SOCKET_DISPOSITION_WRITE_DISABLED 1u
// `zx_socket_set_disposition`: writing goes on.
#define ZX_SOCKET_DISPOSITION_WRITE_ENABLED 2u
// `zx_socket_shutdown`: this endpoint writes no more.
#define ZX_SOCKET_SHUTDOWN_WRITE 1u
// `zx_socket_shutdown`: the peer writes no more.
#define ZX_SOCKET_SHUTDOWN_READ 2u
// All options of `zx_socket_shutdown`.
#define ZX_SOCKET_SHUTDOWN_MASK 3u
// `zx_object_wait_async`: as every registration is, once.
#define ZX_WAIT_ASYNC_ONCE 0u
// `zx_object_wait_async`: the packet says when, on the monotonic clock.
#define ZX_WAIT_ASYNC_TIMESTAMP 1u
// `zx_object_wait_async`: only what happens from now on counts.
#define ZX_WAIT_ASYNC_EDGE 2u
// `zx_object_wait_async`: the packet says when, on the boot clock.
#define ZX_WAIT_ASYNC_BOOT_TIMESTAMP 4u
// `zx_port_create`: accepted, means nothing here.
#define ZX_PORT_BIND_TO_INTERRUPT 1u
// `zx_object_get_info`: no topic.
#define ZX_INFO_NONE 0u
// `zx_object_get_info`: is it a handle at all?
#define ZX_INFO_HANDLE_VALID 1u
// `zx_object_get_info`: `zx_info_handle_basic_t`.
#define ZX_INFO_HANDLE_BASIC 2u
// `zx_object_get_info`: `zx_info_handle_count_t`.
#define ZX_INFO_HANDLE_COUNT 19u
// `zx_object_get_info`: `zx_info_socket_t`.
#define ZX_INFO_SOCKET 22u
// A name, which no object here has.
#define ZX_PROP_NAME 3u
// The read threshold of a socket, a `size_t`.
#define ZX_PROP_SOCKET_RX_THRESHOLD 12u
// The write threshold of a socket, a `size_t`.
#define ZX_PROP_SOCKET_TX_THRESHOLD 13u
// A packet of `zx_port_queue`.
#define ZX_PKT_TYPE_USER 0u
// A packet of `zx_object_wait_async`.
#define ZX_PKT_TYPE_SIGNAL_ONE 1u

// Most items of `zx_object_wait_many`.
#define ZX_WAIT_MANY_MAX_ITEMS 64u
// Bytes of a name, with its NUL.
#define ZX_MAX_NAME_LEN 32u

// No object.
#define ZX_OBJ_TYPE_NONE 0u
// Not made here.
#define ZX_OBJ_TYPE_VMO 3u
// Not made here.
#define ZX_OBJ_TYPE_CHANNEL 4u
// An event.
#define ZX_OBJ_TYPE_EVENT 5u
// A port.
#define ZX_OBJ_TYPE_PORT 6u
// A socket.
#define ZX_OBJ_TYPE_SOCKET 14u
// Not made here.
#define ZX_OBJ_TYPE_EVENTPAIR 16u
// Not made here.
#define ZX_OBJ_TYPE_FIFO 19u

// No object.
#define ZX_KOID_INVALID 0ull
// The kernel.
#define ZX_KOID_KERNEL 1ull
// Smallest identity of an ordinary object.
#define ZX_KOID_FIRST 1024ull



// 0 for success, else a negative error.
typedef int32_t zx_status_t;

// A number that stands, in this process, for an object and rights to it. 0 is never one.
typedef uint32_t zx_handle_t;

// A set of rights.
typedef uint32_t zx_rights_t;

// A set of signals.
typedef uint32_t zx_signals_t;

// Nanoseconds on the monotonic clock.
typedef int64_t zx_time_t;

// What `zx_object_wait_many` waits for, and what it found.
typedef struct zx_wait_item {
    // A handle to the object.
    zx_handle_t handle;
    // The signals of which one is enough.
    zx_signals_t waitfor;
    // The signals that were found.
    zx_signals_t pending;
} zx_wait_item_t;

// The payload of a user's packet: 32 bytes, seen in several ways.
typedef union zx_packet_user {
    // As 64-bit numbers.
    uint64_t u64[4];
    // As 32-bit numbers.
    uint32_t u32[8];
    // As 16-bit numbers.
    uint16_t u16[16];
    // As bytes.
    uint8_t c8[32];
} zx_packet_user_t;

// The payload of a packet of `zx_object_wait_async`.
typedef struct zx_packet_signal {
    // What was waited for.
    zx_signals_t trigger;
    // All signals of the object at the match.
    zx_signals_t observed;
    // 1.
    uint64_t count;
    // When, or 0.
    zx_time_t timestamp;
    // 0.
    uint64_t reserved1;
} zx_packet_signal_t;

// A packet of a port.
typedef struct zx_port_packet {
    // As given to whoever made the packet.
    uint64_t key;
    // Which of the payloads it is.
    uint32_t type;
    // As given to `zx_port_queue`, else `ZX_OK`.
    zx_status_t status;
    // The rest.
    union {
        // Of a packet of type `ZX_PKT_TYPE_USER`.
        zx_packet_user_t user;
        // Of a packet of type `ZX_PKT_TYPE_SIGNAL_ONE`.
        zx_packet_signal_t signal;
    };
} zx_port_packet_t;

// The identity of an object: rising, and for all practical purposes never used again.
typedef uint64_t zx_koid_t;

// The type of an object.
typedef uint32_t zx_obj_type_t;

// What `ZX_INFO_HANDLE_BASIC` tells.
typedef struct zx_info_handle_basic {
    // Identity of the object.
    zx_koid_t koid;
    // Rights of the handle.
    zx_rights_t rights;
    // Type of the object.
    zx_obj_type_t type;
    // Identity of the peer, if the object has one.
    zx_koid_t related_koid;
    // 0.
    uint32_t reserved;
    // 0.
    uint8_t padding1[4];
} zx_info_handle_basic_t;

// What `ZX_INFO_HANDLE_COUNT` tells.
typedef struct zx_info_handle_count {
    // Number of handles to the object.
    uint32_t handle_count;
} zx_info_handle_count_t;

// What `ZX_INFO_SOCKET` tells.
typedef struct zx_info_socket {
    // As given to `zx_socket_create`.
    uint32_t options;
    // 0.
    uint8_t padding1[4];
    // Capacity of the direction towards this endpoint.
    size_t rx_buf_max;
    // Bytes queued there.
    size_t rx_buf_size;
    // Bytes that one read can get.
    size_t rx_buf_available;
    // Capacity of the other direction.
    size_t tx_buf_max;
    // Bytes queued there.
    size_t tx_buf_size;
} zx_info_socket_t;

// Another name of `zx_time_t`.
typedef zx_time_t zx_instant_mono_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes a socket: two endpoints connected with each other.
//
// options: ZX_SOCKET_STREAM or ZX_SOCKET_DATAGRAM.
// The capacity is 256 KiB in each direction; see zocket_socket_create.
// Errors: INVALID_ARGS (options, a null or bad pointer), NO_MEMORY (or no handles),
// NO_RESOURCES (no descriptors), NOT_SUPPORTED (a sandbox forbids what it takes). Does not block.
// https://fuchsia.dev/reference/syscalls/socket_create
ZX_MUST_USE zx_status_t zx_socket_create(uint32_t options, zx_handle_t *out0, zx_handle_t *out1);

// Writes to a socket: of a stream as many bytes as fit, of a datagram all or none.
//
// actual (may be null): how many bytes were written.
// options: 0.
// Errors: INVALID_ARGS (options, a null or bad pointer, a size beyond 32 bits), BAD_HANDLE,
// WRONG_TYPE, ACCESS_DENIED (needs WRITE), PEER_CLOSED, BAD_STATE (writing is disabled),
// SHOULD_WAIT (no room), OUT_OF_RANGE (a datagram larger than the capacity). Does not block:
// wait for ZX_SOCKET_WRITABLE or, for a large datagram, ZX_SOCKET_WRITE_THRESHOLD.
// https://fuchsia.dev/reference/syscalls/socket_write
ZX_MUST_USE
zx_status_t zx_socket_write(zx_handle_t handle,
                            uint32_t options,
                            const void *buffer,
                            size_t buffer_size,
                            size_t *actual);

// Reads from a socket: of a stream as many bytes as are there, or the next datagram.
//
// A datagram larger than the buffer loses the rest. With size 0 nothing is consumed.
// actual (may be null): how many bytes were read.
// options: 0, or ZX_SOCKET_PEEK to leave queued what is read.
// Errors: INVALID_ARGS (options, a null or bad pointer, a size beyond 32 bits), BAD_HANDLE,
// WRONG_TYPE, ACCESS_DENIED (needs READ), and with nothing to read PEER_CLOSED, BAD_STATE (the
// peer's writing is disabled), or SHOULD_WAIT. Does not block: wait for ZX_SOCKET_READABLE or ZX_SOCKET_PEER_CLOSED.
// https://fuchsia.dev/reference/syscalls/socket_read
ZX_MUST_USE
zx_status_t zx_socket_read(zx_handle_t handle,
                           uint32_t options,
                           void *buffer,
                           size_t buffer_size,
                           size_t *actual);

// Stops or resumes writing, at this endpoint and at the peer.
//
// disposition, disposition_peer: 0 (as it is), ZX_SOCKET_DISPOSITION_WRITE_DISABLED or
// ZX_SOCKET_DISPOSITION_WRITE_ENABLED.
// Errors: INVALID_ARGS (a disposition), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs
// MANAGE_SOCKET), BAD_STATE (to be enabled, but what was written before is not read yet). Does
// not block.
// https://fuchsia.dev/reference/syscalls/socket_set_disposition
ZX_MUST_USE
zx_status_t zx_socket_set_disposition(zx_handle_t handle,
                                      uint32_t disposition,
                                      uint32_t disposition_peer);

// Stops writing, as older versions of Zircon had it. Here zx_socket_set_disposition can resume it.
//
// options: ZX_SOCKET_SHUTDOWN_WRITE (at this endpoint), ZX_SOCKET_SHUTDOWN_READ (at the peer),
// both or 0.
// Errors: INVALID_ARGS (options), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE). Does not
// block.
// Zircon: zx_socket_shutdown, removed there in favour of zx_socket_set_disposition.
ZX_MUST_USE zx_status_t zx_socket_shutdown(zx_handle_t handle, uint32_t options);

// Closes a handle; an endpoint or port dies with its last one.
//
// Waits that were started with this very handle end with CANCELED. ZX_HANDLE_INVALID is
// allowed and nothing happens.
// Errors: BAD_HANDLE. Does not block.
// https://fuchsia.dev/reference/syscalls/handle_close
zx_status_t zx_handle_close(zx_handle_t handle);

// Closes all handles of an array that are valid.
//
// handles may be null if num_handles is 0.
// Errors: BAD_HANDLE (one was neither valid nor ZX_HANDLE_INVALID, or was there twice; the
// others are closed all the same), INVALID_ARGS (a null or bad pointer). Does not block.
// https://fuchsia.dev/reference/syscalls/handle_close_many
zx_status_t zx_handle_close_many(const zx_handle_t *handles, size_t num_handles);

// Makes another handle to the same object, with the same or fewer rights.
//
// rights: a subset of those of handle, or ZX_RIGHT_SAME_RIGHTS.
// Errors: BAD_HANDLE, ACCESS_DENIED (needs DUPLICATE), INVALID_ARGS (more rights, a null or bad
// pointer), NO_MEMORY. Does not block.
// https://fuchsia.dev/reference/syscalls/handle_duplicate
ZX_MUST_USE
zx_status_t zx_handle_duplicate(zx_handle_t handle,
                                zx_rights_t rights,
                                zx_handle_t *out);

// Replaces a handle by another one with the same or fewer rights.
//
// handle is closed, also by INVALID_ARGS and NO_MEMORY. Waits on it end with CANCELED.
// rights: a subset of those of handle, or ZX_RIGHT_SAME_RIGHTS.
// Errors: BAD_HANDLE, INVALID_ARGS (more rights, a null or bad pointer), NO_MEMORY. Does not
// block.
// https://fuchsia.dev/reference/syscalls/handle_replace
ZX_MUST_USE zx_status_t zx_handle_replace(zx_handle_t handle, zx_rights_t rights, zx_handle_t *out);

// Tells whether a number is a valid handle.
//
// Errors: INVALID_ARGS (0), OUT_OF_RANGE (never a handle: the two lowest bits are not both 1),
// NOT_FOUND. Does not block.
// Zircon: zx_handle_check_valid.
ZX_MUST_USE zx_status_t zx_handle_check_valid(zx_handle_t handle);

// Clears and sets signals of an object.
//
// Of a socket ZX_USER_SIGNAL_ALL, of an event also ZX_EVENT_SIGNALED.
// Errors: BAD_HANDLE, ACCESS_DENIED (needs SIGNAL), INVALID_ARGS (another signal). Does not
// block.
// https://fuchsia.dev/reference/syscalls/object_signal
ZX_MUST_USE
zx_status_t zx_object_signal(zx_handle_t handle,
                             uint32_t clear_mask,
                             uint32_t set_mask);

// Clears and sets signals of the other endpoint of a socket.
//
// Errors: BAD_HANDLE, ACCESS_DENIED (needs SIGNAL_PEER), NOT_SUPPORTED (no socket), INVALID_ARGS
// (signals not in ZX_USER_SIGNAL_ALL), PEER_CLOSED. Does not block.
// https://fuchsia.dev/reference/syscalls/object_signal_peer
ZX_MUST_USE
zx_status_t zx_object_signal_peer(zx_handle_t handle,
                                  uint32_t clear_mask,
                                  uint32_t set_mask);

// Waits until an object has at least one of some signals.
//
// deadline: on CLOCK_MONOTONIC, in nanoseconds; one that is over makes this a look.
// observed (may be null): all signals of the object when the wait ended; written with OK,
// TIMED_OUT and CANCELED.
// Errors: BAD_HANDLE, ACCESS_DENIED (needs WAIT), NOT_SUPPORTED (a port), TIMED_OUT, CANCELED
// (handle was closed meanwhile), INVALID_ARGS (a bad pointer, after the wait).
// Blocks until the deadline.
// https://fuchsia.dev/reference/syscalls/object_wait_one
ZX_MUST_USE
zx_status_t zx_object_wait_one(zx_handle_t handle,
                               zx_signals_t signals,
                               zx_time_t deadline,
                               zx_signals_t *observed);

// Waits until at least one of several objects has one of the signals named for it.
//
// pending of every item: all signals of its object; written with OK, TIMED_OUT and CANCELED.
// num_items: at most ZX_WAIT_MANY_MAX_ITEMS; with 0, items may be null.
// Errors: OUT_OF_RANGE (too many), INVALID_ARGS (a null or bad pointer), of the first item
// that has one BAD_HANDLE, ACCESS_DENIED (needs WAIT) or NOT_SUPPORTED (a port); TIMED_OUT,
// CANCELED (one of the handles was closed meanwhile).
// Blocks until the deadline (see zx_object_wait_one).
// https://fuchsia.dev/reference/syscalls/object_wait_many
ZX_MUST_USE
zx_status_t zx_object_wait_many(zx_wait_item_t *items,
                                size_t num_items,
                                zx_time_t deadline);

// Has a port told, once, when an object has at least one of some signals.
//
// options: 0, ZX_WAIT_ASYNC_EDGE, and one of ZX_WAIT_ASYNC_TIMESTAMP and
// ZX_WAIT_ASYNC_BOOT_TIMESTAMP.
// Errors: INVALID_ARGS (options), BAD_HANDLE, WRONG_TYPE (port is none), ACCESS_DENIED (needs
// WRITE on port, WAIT on handle), NOT_SUPPORTED (handle is a port), NO_MEMORY.
// Does not block.
// https://fuchsia.dev/reference/syscalls/object_wait_async
ZX_MUST_USE
zx_status_t zx_object_wait_async(zx_handle_t handle,
                                 zx_handle_t port,
                                 uint64_t key,
                                 zx_signals_t signals,
                                 uint32_t options);

// Tells about an object: copies the record of a topic.
//
// topic: ZX_INFO_HANDLE_VALID (no record), ZX_INFO_HANDLE_BASIC, ZX_INFO_HANDLE_COUNT or
// ZX_INFO_SOCKET.
// actual, avail (may be null): number of records copied, and of those there are; written with
// OK (if the topic has a record) and BUFFER_TOO_SMALL.
// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (HANDLE_COUNT and SOCKET need INSPECT),
// NOT_SUPPORTED (topic), BUFFER_TOO_SMALL, INVALID_ARGS (a null or bad pointer). Does not
// block.
// https://fuchsia.dev/reference/syscalls/object_get_info
ZX_MUST_USE
zx_status_t zx_object_get_info(zx_handle_t handle,
                               uint32_t topic,
                               void *buffer,
                               size_t buffer_size,
                               size_t *actual,
                               size_t *avail);

// Reads a property of an object.
//
// property: ZX_PROP_SOCKET_RX_THRESHOLD or ZX_PROP_SOCKET_TX_THRESHOLD, each a size_t.
// Errors: INVALID_ARGS (a null or bad pointer), BAD_HANDLE, ACCESS_DENIED (needs GET_PROPERTY),
// NOT_SUPPORTED (property), WRONG_TYPE, BUFFER_TOO_SMALL. Does not block.
// https://fuchsia.dev/reference/syscalls/object_get_property
ZX_MUST_USE
zx_status_t zx_object_get_property(zx_handle_t handle,
                                   uint32_t property,
                                   void *value,
                                   size_t value_size);

// Changes a property of an object.
//
// property: ZX_PROP_SOCKET_RX_THRESHOLD or ZX_PROP_SOCKET_TX_THRESHOLD, each a size_t.
// Errors: INVALID_ARGS (a null or bad pointer, a value larger than the capacity), BAD_HANDLE,
// ACCESS_DENIED (needs SET_PROPERTY), NOT_SUPPORTED (property), WRONG_TYPE, BUFFER_TOO_SMALL,
// PEER_CLOSED (the write threshold only). Does not block.
// https://fuchsia.dev/reference/syscalls/object_set_property
ZX_MUST_USE
zx_status_t zx_object_set_property(zx_handle_t handle,
                                   uint32_t property,
                                   const void *value,
                                   size_t value_size);

// Makes an event: an object that has signals and nothing else.
//
// options: 0.
// Errors: INVALID_ARGS (options, a null or bad pointer), NO_MEMORY. Does not block.
// https://fuchsia.dev/reference/syscalls/event_create
ZX_MUST_USE zx_status_t zx_event_create(uint32_t options, zx_handle_t *out);

// Makes a port: a queue of packets.
//
// options: 0 or ZX_PORT_BIND_TO_INTERRUPT, which means nothing here.
// Errors: INVALID_ARGS (options, a null or bad pointer), NO_MEMORY, NO_RESOURCES. Does not block.
// https://fuchsia.dev/reference/syscalls/port_create
ZX_MUST_USE zx_status_t zx_port_create(uint32_t options, zx_handle_t *out);

// Queues a packet of the caller's own; its type becomes ZX_PKT_TYPE_USER.
//
// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE), INVALID_ARGS (a null or bad
// pointer), SHOULD_WAIT (too many packets). Does not block.
// https://fuchsia.dev/reference/syscalls/port_queue
ZX_MUST_USE zx_status_t zx_port_queue(zx_handle_t port, const zx_port_packet_t *packet);

// Takes the oldest packet out of a port, waiting for one if there is none.
//
// deadline: on CLOCK_MONOTONIC, in nanoseconds; one that is over makes this a look.
// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs READ), TIMED_OUT, INVALID_ARGS (a null or
// bad pointer; noticed after the wait, and the packet is lost).
// Blocks until the deadline.
// https://fuchsia.dev/reference/syscalls/port_wait
ZX_MUST_USE
zx_status_t zx_port_wait(zx_handle_t port,
                         zx_time_t deadline,
                         zx_port_packet_t *packet);

// Takes back what zx_object_wait_async was asked with this very handle, port and key, and the
// packets that it has led to.
//
// Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE on port, WAIT on source),
// NOT_SUPPORTED (source is a port), NOT_FOUND. Does not block.
// https://fuchsia.dev/reference/syscalls/port_cancel
ZX_MUST_USE zx_status_t zx_port_cancel(zx_handle_t port, zx_handle_t source, uint64_t key);

// Takes everything with this key out of a port: what is waited for, by whichever handle, and
// packets, the caller's own included.
//
// options: 0.
// Errors: INVALID_ARGS (options), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs WRITE),
// NOT_FOUND. Does not block.
// Zircon: zx_port_cancel_key.
ZX_MUST_USE zx_status_t zx_port_cancel_key(zx_handle_t port, uint32_t options, uint64_t key);

// Makes a socket as zx_socket_create does, with a capacity of the caller's choice.
//
// capacity: bytes in each direction, 4 KiB to 1 GiB, rounded up to whole pages.
// Errors: those of zx_socket_create, and OUT_OF_RANGE (capacity). Does not block.
// Zircon: the capacity cannot be chosen.
ZX_MUST_USE
zx_status_t zocket_socket_create(uint32_t options,
                                 size_t capacity,
                                 zx_handle_t *out0,
                                 zx_handle_t *out1);

// Turns a handle to an endpoint into a file descriptor, to be sent to another process.
//
// The descriptor is the caller's to close, and close-on-exec. It can be passed over a Unix
// socket or inherited; whoever has it last makes a handle of it with zocket_handle_from_fd,
// once. Until then the endpoint lives, with its rights; closing the descriptor instead
// closes the endpoint. handle is closed on success and stays valid on errors, but
// for INVALID_ARGS from a bad (not null) pointer.
// Errors: INVALID_ARGS (a null or bad pointer), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs
// TRANSFER), BAD_STATE (there is another handle to the endpoint; this one stays open and can be
// used as before), PEER_CLOSED (the peer has broken the protocol), NO_RESOURCES. Does not block.
// Zircon: zx_channel_write, which moves a handle into a message.
ZX_MUST_USE zx_status_t zocket_handle_to_fd(zx_handle_t handle, int *out_fd);

// Turns a descriptor made by zocket_handle_to_fd, here or in another process, into a handle.
//
// On success fd is closed; no other thread may close it, or use its number again, meanwhile. On
// every error fd stays open and the caller's to close, though
// after some there is nothing in it any more and trying again fails too.
// Errors: INVALID_ARGS (a null or bad pointer, fd is not a descriptor), WRONG_TYPE (not one of
// those), NOT_FOUND (it is empty), NO_MEMORY, NO_RESOURCES, and others if what came with it is
// not as it should be. Does not block.
// Zircon: zx_channel_read, which moves a handle out of a message.
ZX_MUST_USE zx_status_t zocket_handle_from_fd(int fd, zx_handle_t *out);

// Gives a descriptor to poll: readable while zx_port_wait would find a packet.
//
// It is a duplicate, the caller's to close, and close-on-exec. Only poll, select or epoll it.
// Errors: INVALID_ARGS (a null or bad pointer), BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED (needs
// READ), NO_RESOURCES. Does not block.
// Zircon: nothing like it; there the port is the place where everything is waited for.
ZX_MUST_USE zx_status_t zocket_port_fd(zx_handle_t port, int *out_fd);

// Names a status: "ZX_OK", "ZX_ERR_TIMED_OUT".
//
// Never null, also for numbers that are no status; the text is static.
// Does not block. Zircon: zx_status_get_string, in a library.
ZX_MUST_USE const char *zocket_status_string(zx_status_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ZOCKET_H */
