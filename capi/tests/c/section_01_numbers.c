// Section 1: every number and every layout. All of it is checked by the compiler.

#include "check.h"

#define IS(name, value) _Static_assert((name) == (value), #name)

// 1.1
_Static_assert(sizeof(zx_handle_t) == 4 && (zx_handle_t)-1 > 0, "zx_handle_t");
_Static_assert(sizeof(zx_status_t) == 4 && (zx_status_t)-1 < 0, "zx_status_t");
_Static_assert(sizeof(zx_signals_t) == 4 && (zx_signals_t)-1 > 0, "zx_signals_t");
_Static_assert(sizeof(zx_rights_t) == 4 && (zx_rights_t)-1 > 0, "zx_rights_t");
_Static_assert(sizeof(zx_obj_type_t) == 4 && (zx_obj_type_t)-1 > 0, "zx_obj_type_t");
_Static_assert(sizeof(zx_koid_t) == 8 && (zx_koid_t)-1 > 0, "zx_koid_t");
_Static_assert(sizeof(zx_time_t) == 8 && (zx_time_t)-1 < 0, "zx_time_t");
_Static_assert(sizeof(zx_instant_mono_t) == 8 && (zx_instant_mono_t)-1 < 0, "zx_instant_mono_t");
IS(ZX_HANDLE_INVALID, 0);
IS(ZX_TIME_INFINITE, INT64_MAX);
IS(ZX_TIME_INFINITE_PAST, INT64_MIN);

// 1.2
IS(ZX_OK, 0);
IS(ZX_ERR_INTERNAL, -1);
IS(ZX_ERR_NOT_SUPPORTED, -2);
IS(ZX_ERR_NO_RESOURCES, -3);
IS(ZX_ERR_NO_MEMORY, -4);
IS(ZX_ERR_INVALID_ARGS, -10);
IS(ZX_ERR_BAD_HANDLE, -11);
IS(ZX_ERR_WRONG_TYPE, -12);
IS(ZX_ERR_BAD_SYSCALL, -13);
IS(ZX_ERR_OUT_OF_RANGE, -14);
IS(ZX_ERR_BUFFER_TOO_SMALL, -15);
IS(ZX_ERR_BAD_STATE, -20);
IS(ZX_ERR_TIMED_OUT, -21);
IS(ZX_ERR_SHOULD_WAIT, -22);
IS(ZX_ERR_CANCELED, -23);
IS(ZX_ERR_PEER_CLOSED, -24);
IS(ZX_ERR_NOT_FOUND, -25);
IS(ZX_ERR_ALREADY_EXISTS, -26);
IS(ZX_ERR_UNAVAILABLE, -28);
IS(ZX_ERR_ACCESS_DENIED, -30);

// 1.3
IS(ZX_RIGHT_NONE, 0);
IS(ZX_RIGHT_DUPLICATE, 0x1);
IS(ZX_RIGHT_TRANSFER, 0x2);
IS(ZX_RIGHT_READ, 0x4);
IS(ZX_RIGHT_WRITE, 0x8);
IS(ZX_RIGHT_GET_PROPERTY, 0x40);
IS(ZX_RIGHT_SET_PROPERTY, 0x80);
IS(ZX_RIGHT_SIGNAL, 0x1000);
IS(ZX_RIGHT_SIGNAL_PEER, 0x2000);
IS(ZX_RIGHT_WAIT, 0x4000);
IS(ZX_RIGHT_INSPECT, 0x8000);
IS(ZX_RIGHT_MANAGE_SOCKET, 0x100000);
IS(ZX_RIGHT_SAME_RIGHTS, 0x80000000u);
IS(ZX_RIGHTS_BASIC, 0xC003);
IS(ZX_RIGHTS_IO, 0xC);
IS(ZX_RIGHTS_PROPERTY, 0xC0);
IS(ZX_DEFAULT_SOCKET_RIGHTS, 0x10F0CF);
IS(ZX_DEFAULT_PORT_RIGHTS, 0x800F);
IS(ZX_DEFAULT_EVENT_RIGHTS, 0xD003);

// 1.4
IS(ZX_SIGNAL_NONE, 0);
IS(ZX_SOCKET_READABLE, 0x1);
IS(ZX_SOCKET_WRITABLE, 0x2);
IS(ZX_SOCKET_PEER_CLOSED, 0x4);
IS(ZX_EVENT_SIGNALED, 0x8);
IS(ZX_SOCKET_PEER_WRITE_DISABLED, 0x10);
IS(ZX_SOCKET_WRITE_DISABLED, 0x20);
IS(ZX_SOCKET_READ_THRESHOLD, 0x400);
IS(ZX_SOCKET_WRITE_THRESHOLD, 0x800);
IS(ZX_SIGNAL_HANDLE_CLOSED, 0x800000);
IS(ZX_USER_SIGNAL_0, 0x1000000);
IS(ZX_USER_SIGNAL_1, 0x2000000);
IS(ZX_USER_SIGNAL_2, 0x4000000);
IS(ZX_USER_SIGNAL_3, 0x8000000);
IS(ZX_USER_SIGNAL_4, 0x10000000);
IS(ZX_USER_SIGNAL_5, 0x20000000);
IS(ZX_USER_SIGNAL_6, 0x40000000);
IS(ZX_USER_SIGNAL_7, 0x80000000u);
IS(ZX_USER_SIGNAL_ALL, 0xFF000000u);

// 1.5
IS(ZX_SOCKET_STREAM, 0);
IS(ZX_SOCKET_DATAGRAM, 1);
IS(ZX_SOCKET_CREATE_MASK, 1);
IS(ZX_SOCKET_PEEK, 8);
IS(ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 1);
IS(ZX_SOCKET_DISPOSITION_WRITE_ENABLED, 2);
IS(ZX_SOCKET_SHUTDOWN_WRITE, 1);
IS(ZX_SOCKET_SHUTDOWN_READ, 2);
IS(ZX_SOCKET_SHUTDOWN_MASK, 3);
IS(ZX_WAIT_ASYNC_ONCE, 0);
IS(ZX_WAIT_ASYNC_TIMESTAMP, 1);
IS(ZX_WAIT_ASYNC_EDGE, 2);
IS(ZX_WAIT_ASYNC_BOOT_TIMESTAMP, 4);
IS(ZX_PORT_BIND_TO_INTERRUPT, 1);

// 1.6
IS(ZX_OBJ_TYPE_NONE, 0);
IS(ZX_OBJ_TYPE_VMO, 3);
IS(ZX_OBJ_TYPE_CHANNEL, 4);
IS(ZX_OBJ_TYPE_EVENT, 5);
IS(ZX_OBJ_TYPE_PORT, 6);
IS(ZX_OBJ_TYPE_SOCKET, 14);
IS(ZX_OBJ_TYPE_EVENTPAIR, 16);
IS(ZX_OBJ_TYPE_FIFO, 19);
IS(ZX_INFO_NONE, 0);
IS(ZX_INFO_HANDLE_VALID, 1);
IS(ZX_INFO_HANDLE_BASIC, 2);
IS(ZX_INFO_HANDLE_COUNT, 19);
IS(ZX_INFO_SOCKET, 22);
IS(ZX_PROP_NAME, 3);
IS(ZX_PROP_SOCKET_RX_THRESHOLD, 12);
IS(ZX_PROP_SOCKET_TX_THRESHOLD, 13);
IS(ZX_PKT_TYPE_USER, 0);
IS(ZX_PKT_TYPE_SIGNAL_ONE, 1);
IS(ZX_WAIT_MANY_MAX_ITEMS, 64);
IS(ZX_HANDLE_FIXED_BITS_MASK, 3);
IS(ZX_MAX_NAME_LEN, 32);
IS(ZX_KOID_INVALID, 0);
IS(ZX_KOID_KERNEL, 1);
IS(ZX_KOID_FIRST, 1024);

// They are good for the preprocessor, too.
#if ZX_ERR_TIMED_OUT >= ZX_OK || ZX_RIGHT_SAME_RIGHTS != 0x80000000 || ZX_USER_SIGNAL_ALL < 0
#error "constants in #if"
#endif

// 1.7
#define FIELD(type, field, offset, size)                                            \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " offset"); \
    _Static_assert(sizeof(((type *)0)->field) == (size), #type "." #field " size")
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
// The tags, which C programs use to declare a type without the header.
#define TAG(tag, type) \
    _Static_assert(_Generic((tag *)0, type *: 1, default: 0), #tag " is " #type)

SIZE(zx_info_handle_basic_t, 32);
TAG(struct zx_info_handle_basic, zx_info_handle_basic_t);
FIELD(zx_info_handle_basic_t, koid, 0, 8);
FIELD(zx_info_handle_basic_t, rights, 8, 4);
FIELD(zx_info_handle_basic_t, type, 12, 4);
FIELD(zx_info_handle_basic_t, related_koid, 16, 8);
FIELD(zx_info_handle_basic_t, reserved, 24, 4);
FIELD(zx_info_handle_basic_t, padding1, 28, 4);

SIZE(zx_info_handle_count_t, 4);
TAG(struct zx_info_handle_count, zx_info_handle_count_t);
FIELD(zx_info_handle_count_t, handle_count, 0, 4);

SIZE(zx_info_socket_t, 48);
TAG(struct zx_info_socket, zx_info_socket_t);
FIELD(zx_info_socket_t, options, 0, 4);
FIELD(zx_info_socket_t, padding1, 4, 4);
FIELD(zx_info_socket_t, rx_buf_max, 8, 8);
FIELD(zx_info_socket_t, rx_buf_size, 16, 8);
FIELD(zx_info_socket_t, rx_buf_available, 24, 8);
FIELD(zx_info_socket_t, tx_buf_max, 32, 8);
FIELD(zx_info_socket_t, tx_buf_size, 40, 8);

SIZE(zx_wait_item_t, 12);
TAG(struct zx_wait_item, zx_wait_item_t);
FIELD(zx_wait_item_t, handle, 0, 4);
FIELD(zx_wait_item_t, waitfor, 4, 4);
FIELD(zx_wait_item_t, pending, 8, 4);

SIZE(zx_port_packet_t, 48);
TAG(struct zx_port_packet, zx_port_packet_t);
FIELD(zx_port_packet_t, key, 0, 8);
FIELD(zx_port_packet_t, type, 8, 4);
FIELD(zx_port_packet_t, status, 12, 4);
FIELD(zx_port_packet_t, user, 16, 32);
FIELD(zx_port_packet_t, signal, 16, 32);

SIZE(zx_packet_user_t, 32);
TAG(union zx_packet_user, zx_packet_user_t);
FIELD(zx_packet_user_t, u64, 0, 4 * 8);
FIELD(zx_packet_user_t, u32, 0, 8 * 4);
FIELD(zx_packet_user_t, u16, 0, 16 * 2);
FIELD(zx_packet_user_t, c8, 0, 32 * 1);

SIZE(zx_packet_signal_t, 32);
TAG(struct zx_packet_signal, zx_packet_signal_t);
FIELD(zx_packet_signal_t, trigger, 0, 4);
FIELD(zx_packet_signal_t, observed, 4, 4);
FIELD(zx_packet_signal_t, count, 8, 8);
FIELD(zx_packet_signal_t, timestamp, 16, 8);
FIELD(zx_packet_signal_t, reserved1, 24, 8);

// 1.8
#define CALL(name, ...) \
    _Static_assert(_Generic(&name, zx_status_t (*)(__VA_ARGS__): 1, default: 0), #name)

CALL(zx_socket_create, uint32_t, zx_handle_t *, zx_handle_t *);
CALL(zx_socket_write, zx_handle_t, uint32_t, const void *, size_t, size_t *);
CALL(zx_socket_read, zx_handle_t, uint32_t, void *, size_t, size_t *);
CALL(zx_socket_set_disposition, zx_handle_t, uint32_t, uint32_t);
CALL(zx_socket_shutdown, zx_handle_t, uint32_t);
CALL(zx_handle_close, zx_handle_t);
CALL(zx_handle_close_many, const zx_handle_t *, size_t);
CALL(zx_handle_duplicate, zx_handle_t, zx_rights_t, zx_handle_t *);
CALL(zx_handle_replace, zx_handle_t, zx_rights_t, zx_handle_t *);
CALL(zx_handle_check_valid, zx_handle_t);
CALL(zx_object_signal, zx_handle_t, uint32_t, uint32_t);
CALL(zx_object_signal_peer, zx_handle_t, uint32_t, uint32_t);
CALL(zx_object_wait_one, zx_handle_t, zx_signals_t, zx_time_t, zx_signals_t *);
CALL(zx_object_wait_many, zx_wait_item_t *, size_t, zx_time_t);
CALL(zx_object_wait_async, zx_handle_t, zx_handle_t, uint64_t, zx_signals_t, uint32_t);
CALL(zx_object_get_info, zx_handle_t, uint32_t, void *, size_t, size_t *, size_t *);
CALL(zx_object_get_property, zx_handle_t, uint32_t, void *, size_t);
CALL(zx_object_set_property, zx_handle_t, uint32_t, const void *, size_t);
CALL(zx_port_create, uint32_t, zx_handle_t *);
CALL(zx_port_queue, zx_handle_t, const zx_port_packet_t *);
CALL(zx_port_wait, zx_handle_t, zx_time_t, zx_port_packet_t *);
CALL(zx_port_cancel, zx_handle_t, zx_handle_t, uint64_t);
CALL(zx_port_cancel_key, zx_handle_t, uint32_t, uint64_t);
CALL(zx_event_create, uint32_t, zx_handle_t *);

static void packet_is_one_storage(void) {
    zx_port_packet_t packet = {.key = 1, .user = {.u64 = {0x1111111122222222u, 3, 4, 5}}};
    EQUAL(packet.signal.trigger, 0x22222222u);
    EQUAL(packet.signal.observed, 0x11111111u);
    EQUAL(packet.signal.count, 3);
    EQUAL(packet.user.c8[0], 0x22);
}

static void statuses_have_names(void) {
    TRUE(strcmp(zocket_status_string(ZX_OK), "ZX_OK") == 0);
    TRUE(strcmp(zocket_status_string(ZX_ERR_ACCESS_DENIED), "ZX_ERR_ACCESS_DENIED") == 0);
    TRUE(zocket_status_string(12345) != NULL);
    TRUE(zocket_status_string(INT32_MIN) != NULL);
}

int main(void) {
    check_begin();
    packet_is_one_storage();
    statuses_have_names();
    return check_end();
}
