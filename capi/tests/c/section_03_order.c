// Section 3: which of several errors is reported. Every row has at least two at once; the first
// in the order of checks decides.

#include "check.h"

static struct pair live;    // writable, data for x
static struct pair orphan;  // the peer of x is closed
static zx_handle_t event, event_lacking, port, port_lacking, closed, x_lacking, orphan_lacking;
static unsigned char buffer[64];
static const size_t HUGE_SIZE = (size_t)1 << 32;

static void set_up(void) {
    live = make_pair_in_state(ZX_SOCKET_STREAM, DATA_FOR_X);
    orphan = make_pair_in_state(ZX_SOCKET_STREAM, Y_IS_CLOSED);
    event = make_event();
    event_lacking = with_rights(event, ZX_RIGHT_NONE);
    port = make_port();
    port_lacking = with_rights(port, ZX_RIGHT_NONE);
    closed = closed_handle();
    x_lacking = with_rights(live.x, ZX_RIGHT_NONE);
    orphan_lacking = with_rights(orphan.x, ZX_RIGHT_NONE);
}

static void tear_down(void) {
    zx_handle_t all[] = {live.x, live.y,       orphan.x,  event,         event_lacking,
                         port,   port_lacking, x_lacking, orphan_lacking};
    OK(zx_handle_close_many(all, COUNT(all)));
}

static void write_and_read(void) {
    size_t actual = UNTOUCHED;
    ROW("write: null buffer before bad handle");
    STATUS(zx_socket_write(closed, 0, NULL, 1, &actual), ZX_ERR_INVALID_ARGS);
    ROW("write: options before bad handle");
    STATUS(zx_socket_write(closed, 1, buffer, 1, &actual), ZX_ERR_INVALID_ARGS);
    ROW("write: bad handle before too large");
    STATUS(zx_socket_write(closed, 0, buffer, HUGE_SIZE, &actual), ZX_ERR_BAD_HANDLE);
    ROW("write: type before right");
    STATUS(zx_socket_write(event_lacking, 0, buffer, 1, &actual), ZX_ERR_WRONG_TYPE);
    ROW("write: type before right, port");
    STATUS(zx_socket_write(port_lacking, 0, buffer, 1, &actual), ZX_ERR_WRONG_TYPE);
    ROW("write: right before closed peer");
    STATUS(zx_socket_write(orphan_lacking, 0, buffer, 1, &actual), ZX_ERR_ACCESS_DENIED);
    ROW("write: closed peer before too large");
    STATUS(zx_socket_write(orphan.x, 0, buffer, HUGE_SIZE, &actual), ZX_ERR_PEER_CLOSED);

    ROW("read: null buffer before bad handle");
    STATUS(zx_socket_read(closed, 0, NULL, 1, &actual), ZX_ERR_INVALID_ARGS);
    ROW("read: options before bad handle");
    STATUS(zx_socket_read(closed, 1, buffer, 1, &actual), ZX_ERR_INVALID_ARGS);
    ROW("read: unknown option beside PEEK before bad handle");
    STATUS(zx_socket_read(closed, ZX_SOCKET_PEEK | 1, buffer, 1, &actual), ZX_ERR_INVALID_ARGS);
    ROW("read: bad handle before too large");
    STATUS(zx_socket_read(closed, 0, buffer, HUGE_SIZE, &actual), ZX_ERR_BAD_HANDLE);
    ROW("read: type before right");
    STATUS(zx_socket_read(event_lacking, 0, buffer, 1, &actual), ZX_ERR_WRONG_TYPE);
    ROW("read: right before too large");
    STATUS(zx_socket_read(x_lacking, 0, buffer, HUGE_SIZE, &actual), ZX_ERR_ACCESS_DENIED);
    ROW("read: right before closed peer");
    STATUS(zx_socket_read(orphan_lacking, 0, buffer, 1, &actual), ZX_ERR_ACCESS_DENIED);
    ROW("read: too large before closed peer");
    STATUS(zx_socket_read(orphan.x, 0, buffer, HUGE_SIZE, &actual), ZX_ERR_INVALID_ARGS);
    ROW("read and write: actual is untouched");
    EQUAL(actual, UNTOUCHED);
}

static void disposition_and_shutdown(void) {
    ROW("disposition: value before bad handle");
    STATUS(zx_socket_set_disposition(closed, 3, 0), ZX_ERR_INVALID_ARGS);
    ROW("disposition: peer's value before bad handle");
    STATUS(zx_socket_set_disposition(closed, 0, 4), ZX_ERR_INVALID_ARGS);
    ROW("disposition: bad handle, though nothing is asked");
    STATUS(zx_socket_set_disposition(closed, 0, 0), ZX_ERR_BAD_HANDLE);
    ROW("disposition: type before right");
    STATUS(zx_socket_set_disposition(event_lacking, 1, 0), ZX_ERR_WRONG_TYPE);
    ROW("disposition: right, though nothing is asked");
    STATUS(zx_socket_set_disposition(x_lacking, 0, 0), ZX_ERR_ACCESS_DENIED);

    ROW("shutdown: options before bad handle");
    STATUS(zx_socket_shutdown(closed, 4), ZX_ERR_INVALID_ARGS);
    ROW("shutdown: bad handle, though nothing is asked");
    STATUS(zx_socket_shutdown(closed, 0), ZX_ERR_BAD_HANDLE);
    ROW("shutdown: type before right");
    STATUS(zx_socket_shutdown(event_lacking, 1), ZX_ERR_WRONG_TYPE);
    ROW("shutdown: right, though nothing is asked");
    STATUS(zx_socket_shutdown(x_lacking, 0), ZX_ERR_ACCESS_DENIED);
}

static void handles(void) {
    zx_handle_t out = UNTOUCHED;
    ROW("duplicate: bad handle before bad rights");
    STATUS(zx_handle_duplicate(closed, 0x40000000u, &out), ZX_ERR_BAD_HANDLE);
    ROW("duplicate: bad handle before null pointer");
    STATUS(zx_handle_duplicate(closed, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_BAD_HANDLE);
    ROW("duplicate: right before bad rights");
    STATUS(zx_handle_duplicate(x_lacking, 0x40000000u, &out), ZX_ERR_ACCESS_DENIED);
    ROW("duplicate: right before null pointer");
    STATUS(zx_handle_duplicate(x_lacking, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_ACCESS_DENIED);
    ROW("replace: bad handle before bad rights and null pointer");
    STATUS(zx_handle_replace(closed, 0x40000000u, NULL), ZX_ERR_BAD_HANDLE);
    EQUAL(out, UNTOUCHED);
}

static void signals(void) {
    ROW("signal: bad handle before mask");
    STATUS(zx_object_signal(closed, 1, 0), ZX_ERR_BAD_HANDLE);
    ROW("signal: right before mask");
    STATUS(zx_object_signal(x_lacking, 1, 0), ZX_ERR_ACCESS_DENIED);
    ROW("signal: right before mask, port");
    STATUS(zx_object_signal(port, 1, 0), ZX_ERR_ACCESS_DENIED);
    ROW("signal_peer: bad handle before mask");
    STATUS(zx_object_signal_peer(closed, 1, 0), ZX_ERR_BAD_HANDLE);
    ROW("signal_peer: right before not supported");
    STATUS(zx_object_signal_peer(event, 1, 0), ZX_ERR_ACCESS_DENIED);
    ROW("signal_peer: right before mask");
    STATUS(zx_object_signal_peer(x_lacking, 1, 0), ZX_ERR_ACCESS_DENIED);
    ROW("signal_peer: right before closed peer");
    STATUS(zx_object_signal_peer(orphan_lacking, 0, 0), ZX_ERR_ACCESS_DENIED);
    ROW("signal_peer: mask before closed peer");
    STATUS(zx_object_signal_peer(orphan.x, 0, 1), ZX_ERR_INVALID_ARGS);
}

static void waits(void) {
    zx_signals_t observed = UNTOUCHED;
    ROW("wait_one: right before not supported");
    STATUS(zx_object_wait_one(port, 1, 0, &observed), ZX_ERR_ACCESS_DENIED);
    ROW("wait_one: bad handle before everything, at once");
    STATUS(zx_object_wait_one(closed, 0, ZX_TIME_INFINITE, &observed), ZX_ERR_BAD_HANDLE);
    EQUAL(observed, UNTOUCHED);

    static zx_wait_item_t items[65];
    ROW("wait_many: too many before null pointer");
    STATUS(zx_object_wait_many(NULL, 65, 0), ZX_ERR_OUT_OF_RANGE);
    ROW("wait_many: too many before bad handles");
    STATUS(zx_object_wait_many(items, 65, 0), ZX_ERR_OUT_OF_RANGE);
    ROW("wait_many: null pointer");
    STATUS(zx_object_wait_many(NULL, 1, 0), ZX_ERR_INVALID_ARGS);
    ROW("wait_many: the first bad item decides: handle");
    items[0] = (zx_wait_item_t){live.x, ZX_SOCKET_READABLE, UNTOUCHED};
    items[1] = (zx_wait_item_t){closed, 1, UNTOUCHED};
    items[2] = (zx_wait_item_t){x_lacking, 1, UNTOUCHED};
    STATUS(zx_object_wait_many(items, 3, ZX_TIME_INFINITE), ZX_ERR_BAD_HANDLE);
    ROW("wait_many: the first bad item decides: right");
    items[1].handle = x_lacking;
    items[2].handle = closed;
    STATUS(zx_object_wait_many(items, 3, ZX_TIME_INFINITE), ZX_ERR_ACCESS_DENIED);
    for (int i = 0; i < 3; i++)
        EQUAL(items[i].pending, UNTOUCHED);

    ROW("wait_async: options before bad port and handle");
    STATUS(zx_object_wait_async(closed, closed, 0, 1, 8), ZX_ERR_INVALID_ARGS);
    ROW("wait_async: both timestamps before bad port");
    STATUS(zx_object_wait_async(live.x, closed, 0, 1, 1 | 4), ZX_ERR_INVALID_ARGS);
    ROW("wait_async: port's handle before port's type");
    STATUS(zx_object_wait_async(closed, closed, 0, 1, 0), ZX_ERR_BAD_HANDLE);
    ROW("wait_async: port's type before port's right");
    STATUS(zx_object_wait_async(live.x, event_lacking, 0, 1, 0), ZX_ERR_WRONG_TYPE);
    ROW("wait_async: port's type before bad handle");
    STATUS(zx_object_wait_async(closed, event, 0, 1, 0), ZX_ERR_WRONG_TYPE);
    ROW("wait_async: port's right before bad handle");
    STATUS(zx_object_wait_async(closed, port_lacking, 0, 1, 0), ZX_ERR_ACCESS_DENIED);
    ROW("wait_async: bad handle");
    STATUS(zx_object_wait_async(closed, port, 0, 1, 0), ZX_ERR_BAD_HANDLE);
    ROW("wait_async: handle's right before not waitable");
    STATUS(zx_object_wait_async(port, port, 0, 1, 0), ZX_ERR_ACCESS_DENIED);
}

static void info(void) {
    size_t actual = UNTOUCHED, avail = UNTOUCHED;
    ROW("get_info: bad handle before small buffer");
    STATUS(zx_object_get_info(closed, ZX_INFO_SOCKET, buffer, 1, &actual, &avail),
           ZX_ERR_BAD_HANDLE);
    ROW("get_info: type before right");
    STATUS(zx_object_get_info(event_lacking, ZX_INFO_SOCKET, buffer, 64, &actual, &avail),
           ZX_ERR_WRONG_TYPE);
    ROW("get_info: type before small buffer");
    STATUS(zx_object_get_info(event, ZX_INFO_SOCKET, buffer, 1, &actual, &avail),
           ZX_ERR_WRONG_TYPE);
    ROW("get_info: right before null buffer");
    STATUS(zx_object_get_info(x_lacking, ZX_INFO_SOCKET, NULL, 48, &actual, &avail),
           ZX_ERR_ACCESS_DENIED);
    ROW("get_info: right before small buffer, handle count");
    STATUS(zx_object_get_info(x_lacking, ZX_INFO_HANDLE_COUNT, buffer, 1, &actual, &avail),
           ZX_ERR_ACCESS_DENIED);
    EQUAL(actual, UNTOUCHED);
    EQUAL(avail, UNTOUCHED);
    ROW("get_info: small buffer before null buffer");
    STATUS(zx_object_get_info(live.x, ZX_INFO_SOCKET, NULL, 47, &actual, &avail),
           ZX_ERR_BUFFER_TOO_SMALL);
}

static void properties(void) {
    size_t value = 0;
    const uint32_t RX = ZX_PROP_SOCKET_RX_THRESHOLD, TX = ZX_PROP_SOCKET_TX_THRESHOLD;
    ROW("get_property: null value before bad handle");
    STATUS(zx_object_get_property(closed, RX, NULL, 8), ZX_ERR_INVALID_ARGS);
    ROW("get_property: null value before bad handle, even of size 0");
    STATUS(zx_object_get_property(closed, RX, NULL, 0), ZX_ERR_INVALID_ARGS);
    ROW("get_property: bad handle before unknown property");
    STATUS(zx_object_get_property(closed, 99, &value, 8), ZX_ERR_BAD_HANDLE);
    ROW("get_property: right before unknown property");
    STATUS(zx_object_get_property(x_lacking, 99, &value, 8), ZX_ERR_ACCESS_DENIED);
    ROW("get_property: right before type");
    STATUS(zx_object_get_property(event, RX, &value, 8), ZX_ERR_ACCESS_DENIED);
    ROW("get_property: right before size");
    STATUS(zx_object_get_property(x_lacking, RX, &value, 4), ZX_ERR_ACCESS_DENIED);
    ROW("get_property: unknown property before size");
    STATUS(zx_object_get_property(live.x, 99, &value, 1), ZX_ERR_NOT_SUPPORTED);

    ROW("set_property: null value before bad handle");
    STATUS(zx_object_set_property(closed, RX, NULL, 8), ZX_ERR_INVALID_ARGS);
    ROW("set_property: bad handle before unknown property");
    STATUS(zx_object_set_property(closed, 99, &value, 8), ZX_ERR_BAD_HANDLE);
    ROW("set_property: right before unknown property");
    STATUS(zx_object_set_property(x_lacking, 99, &value, 8), ZX_ERR_ACCESS_DENIED);
    ROW("set_property: right before type");
    STATUS(zx_object_set_property(event, RX, &value, 8), ZX_ERR_ACCESS_DENIED);
    ROW("set_property: size before closed peer");
    STATUS(zx_object_set_property(orphan.x, TX, &value, 4), ZX_ERR_BUFFER_TOO_SMALL);
    ROW("set_property: too large before closed peer");
    value = SIZE_MAX;
    STATUS(zx_object_set_property(orphan.x, TX, &value, 8), ZX_ERR_INVALID_ARGS);
}

static void ports(void) {
    zx_port_packet_t packet;
    memset(&packet, 0, sizeof packet);
    ROW("port_queue: bad handle before null packet");
    STATUS(zx_port_queue(closed, NULL), ZX_ERR_BAD_HANDLE);
    ROW("port_queue: type before right and null packet");
    STATUS(zx_port_queue(event_lacking, NULL), ZX_ERR_WRONG_TYPE);
    ROW("port_queue: right before null packet");
    STATUS(zx_port_queue(port_lacking, NULL), ZX_ERR_ACCESS_DENIED);
    ROW("port_queue: null packet");
    STATUS(zx_port_queue(port, NULL), ZX_ERR_INVALID_ARGS);

    ROW("port_wait: bad handle, at once");
    STATUS(zx_port_wait(closed, ZX_TIME_INFINITE, &packet), ZX_ERR_BAD_HANDLE);
    ROW("port_wait: type before right");
    STATUS(zx_port_wait(event_lacking, ZX_TIME_INFINITE, &packet), ZX_ERR_WRONG_TYPE);
    ROW("port_wait: right before null packet");
    STATUS(zx_port_wait(port_lacking, 0, NULL), ZX_ERR_ACCESS_DENIED);
    ROW("port_wait: nothing there before null packet");
    STATUS(zx_port_wait(port, 0, NULL), ZX_ERR_TIMED_OUT);

    ROW("port_cancel: port's handle before port's type");
    STATUS(zx_port_cancel(closed, closed, 0), ZX_ERR_BAD_HANDLE);
    ROW("port_cancel: port's type before port's right");
    STATUS(zx_port_cancel(event_lacking, live.x, 0), ZX_ERR_WRONG_TYPE);
    ROW("port_cancel: port's type before bad source");
    STATUS(zx_port_cancel(event, closed, 0), ZX_ERR_WRONG_TYPE);
    ROW("port_cancel: port's right before bad source");
    STATUS(zx_port_cancel(port_lacking, closed, 0), ZX_ERR_ACCESS_DENIED);
    ROW("port_cancel: bad source before not found");
    STATUS(zx_port_cancel(port, closed, 0), ZX_ERR_BAD_HANDLE);
    ROW("port_cancel: source's right before not waitable");
    STATUS(zx_port_cancel(port, port, 0), ZX_ERR_ACCESS_DENIED);
    ROW("port_cancel: source's right before not found");
    STATUS(zx_port_cancel(port, x_lacking, 0), ZX_ERR_ACCESS_DENIED);

    ROW("port_cancel_key: options before bad port");
    STATUS(zx_port_cancel_key(closed, 1, 0), ZX_ERR_INVALID_ARGS);
    ROW("port_cancel_key: type before right");
    STATUS(zx_port_cancel_key(event_lacking, 0, 0), ZX_ERR_WRONG_TYPE);
    ROW("port_cancel_key: right before not found");
    STATUS(zx_port_cancel_key(port_lacking, 0, 0), ZX_ERR_ACCESS_DENIED);
}

int main(void) {
    check_begin();
    set_up();
    write_and_read();
    disposition_and_shutdown();
    handles();
    signals();
    waits();
    info();
    properties();
    ports();
    tear_down();
    return check_end();
}
