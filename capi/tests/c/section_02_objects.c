// Section 2: objects and handles, and how an endpoint dies.

#include "check.h"

// What a fresh object looks like through its handle.
static void fresh_object(zx_handle_t handle, zx_obj_type_t type, zx_rights_t rights) {
    zx_info_handle_basic_t info = basic_info(handle);
    EQUAL(info.type, type);
    EQUAL(info.rights, rights);
    EQUAL(info.reserved, 0);
    EQUAL(memcmp(info.padding1, "\0\0\0\0", 4), 0);
    TRUE(info.koid >= ZX_KOID_FIRST);
    TRUE(info.koid >> 63 == 0);
    EQUAL(handle & ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_FIXED_BITS_MASK);
}

static void fresh_objects(void) {
    ROW("socket");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    fresh_object(pair.x, ZX_OBJ_TYPE_SOCKET, 0x10F0CF);
    fresh_object(pair.y, ZX_OBJ_TYPE_SOCKET, 0x10F0CF);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE);
    EQUAL(signals_of(pair.y), ZX_SOCKET_WRITABLE);
    EQUAL(get_threshold(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD), 0);
    EQUAL(get_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD), 0);
    ROW("event");
    zx_handle_t event = make_event();
    fresh_object(event, ZX_OBJ_TYPE_EVENT, 0xD003);
    EQUAL(signals_of(event), 0);
    EQUAL(basic_info(event).related_koid, 0);
    ROW("port");
    zx_handle_t port = make_port();
    fresh_object(port, ZX_OBJ_TYPE_PORT, 0x800F);
    EQUAL(basic_info(port).related_koid, 0);
    ROW("koids rise");
    TRUE(basic_info(event).koid > basic_info(pair.x).koid);
    TRUE(basic_info(event).koid > basic_info(pair.y).koid);
    TRUE(basic_info(port).koid > basic_info(event).koid);
    OK(zx_handle_close_many((zx_handle_t[]){event, port}, 2));
    close_pair(pair);
}

static void endpoints_know_each_other(void) {
    ROW("related koid");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_info_handle_basic_t x = basic_info(pair.x), y = basic_info(pair.y);
    TRUE(x.koid != y.koid);
    EQUAL(x.related_koid, y.koid);
    EQUAL(y.related_koid, x.koid);
    ROW("related koid stays when the peer is gone");
    OK(zx_handle_close(pair.y));
    EQUAL(basic_info(pair.x).related_koid, y.koid);
    close_pair(pair);
}

static void state_belongs_to_the_object(void) {
    ROW("duplicates see the same");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t other = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    OK(zx_object_signal(other, 0, ZX_USER_SIGNAL_3));
    set_threshold(other, ZX_PROP_SOCKET_RX_THRESHOLD, 5);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE | ZX_USER_SIGNAL_3);
    EQUAL(get_threshold(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD), 5);
    put(pair.y, 7);
    take(other, 4);
    take(pair.x, 3);
    OK(zx_handle_close(other));
    close_pair(pair);
}

static void only_the_last_handle_counts(void) {
    ROW("an endpoint lives while it has a handle");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t other = with_rights(pair.x, ZX_RIGHT_NONE);
    OK(zx_handle_close(pair.x));
    EQUAL(signals_of(pair.y), ZX_SOCKET_WRITABLE);
    put(pair.y, 1);
    OK(zx_handle_close(other));
    EQUAL(signals_of(pair.y), ZX_SOCKET_PEER_CLOSED);
    close_pair(pair);
}

static void death_of_an_endpoint(void) {
    ROW("every bit stays but WRITABLE; PEER_CLOSED comes");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    set_threshold(pair.y, ZX_PROP_SOCKET_RX_THRESHOLD, 2);
    set_threshold(pair.y, ZX_PROP_SOCKET_TX_THRESHOLD, 2);
    put(pair.x, 10);
    put(pair.y, 20);
    OK(zx_object_signal(pair.y, 0, ZX_USER_SIGNAL_1));
    zx_signals_t before = signals_of(pair.y);
    EQUAL(before, ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE | ZX_SOCKET_READ_THRESHOLD |
                      ZX_SOCKET_WRITE_THRESHOLD | ZX_USER_SIGNAL_1);
    EQUAL(socket_info(pair.y).tx_buf_size, 20);
    OK(zx_handle_close(pair.x));
    EQUAL(signals_of(pair.y), (before & ~ZX_SOCKET_WRITABLE) | ZX_SOCKET_PEER_CLOSED);
    ROW("what the dead had not read is gone");
    EQUAL(socket_info(pair.y).tx_buf_size, 0);
    ROW("what the dead had written can be read");
    take(pair.y, 10);
    STATUS(zx_socket_read(pair.y, 0, big, 1, NULL), ZX_ERR_PEER_CLOSED);
    close_pair(pair);
}

int main(void) {
    check_begin();
    fresh_objects();
    endpoints_know_each_other();
    state_belongs_to_the_object();
    only_the_last_handle_counts();
    death_of_an_endpoint();
    return check_end();
}
