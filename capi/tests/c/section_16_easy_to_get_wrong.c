// Section 16, item by item. Of the accidents of Zircon's stored bits, items 5 and 6 are not
// copied: here WRITABLE is on exactly when the peer lives, writing is enabled and there is
// room. Item 7 is.

#include "check.h"

enum { R = ZX_SOCKET_READABLE, W = ZX_SOCKET_WRITABLE, CLOSED = ZX_SOCKET_PEER_CLOSED };
enum { PEER_WD = ZX_SOCKET_PEER_WRITE_DISABLED, WD = ZX_SOCKET_WRITE_DISABLED };
enum { WT = ZX_SOCKET_WRITE_THRESHOLD };
enum { OFF = ZX_SOCKET_DISPOSITION_WRITE_DISABLED, ON = ZX_SOCKET_DISPOSITION_WRITE_ENABLED };
enum { S = ZX_SOCKET_STREAM, D = ZX_SOCKET_DATAGRAM };

static zx_status_t try_write(zx_handle_t handle, size_t size) {
    return zx_socket_write(handle, 0, big, size, NULL);
}

static zx_status_t try_read(zx_handle_t handle, size_t size) {
    return zx_socket_read(handle, 0, big, size, NULL);
}

static void item_1(void) {
    ROW("1: zero-length write of a datagram");
    struct pair pair = make_pair(D);
    OK(try_write(pair.x, 0));
    EQUAL(socket_info(pair.y).rx_buf_size, 0);
    STATUS(try_read(pair.y, 1), ZX_ERR_SHOULD_WAIT);
    OK(zx_socket_set_disposition(pair.x, OFF, 0));
    STATUS(try_write(pair.x, 0), ZX_ERR_BAD_STATE);
    OK(zx_handle_close(pair.y));
    STATUS(try_write(pair.x, 0), ZX_ERR_PEER_CLOSED);
    close_pair(pair);
}

static void item_2(void) {
    ROW("2: zero-length read of nothing");
    struct pair pair = make_pair(S);
    STATUS(try_read(pair.x, 0), ZX_ERR_SHOULD_WAIT);
    OK(zx_socket_set_disposition(pair.x, 0, OFF));
    STATUS(try_read(pair.x, 0), ZX_ERR_BAD_STATE);
    OK(zx_handle_close(pair.y));
    STATUS(try_read(pair.x, 0), ZX_ERR_PEER_CLOSED);
    close_pair(pair);
}

static void item_3(void) {
    ROW("3: zero-length read of a datagram");
    struct pair pair = make_pair_in_state(D, DATA_FOR_X);
    OK(try_read(pair.x, 0));
    take(pair.x, 10);
    close_pair(pair);
}

static void item_4(void) {
    ROW("4: WRITABLE, though the datagram does not fit");
    struct pair pair = make_pair(D);
    put(pair.x, pair.capacity - 5);
    STATUS(try_write(pair.x, 10), ZX_ERR_SHOULD_WAIT);
    EQUAL(signals_of(pair.x), W);
    ROW("4: WRITE_THRESHOLD tells when it does");
    set_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, 10);
    EQUAL(signals_of(pair.x), W);
    take(pair.y, pair.capacity - 5);
    EQUAL(signals_of(pair.x), W | WT);
    put(pair.x, 10);
    close_pair(pair);
}

static void item_5(void) {
    ROW("5, not copied: enabling a full socket does not make it WRITABLE");
    struct pair pair = make_pair_in_state(S, Y_IS_FULL);
    OK(zx_socket_set_disposition(pair.x, ON, 0));
    EQUAL(signals_of(pair.x), 0);
    STATUS(try_write(pair.x, 1), ZX_ERR_SHOULD_WAIT);
    close_pair(pair);
}

static void item_6(void) {
    ROW("6, not copied: room does not make a disabled endpoint WRITABLE");
    struct pair pair = make_pair_in_state(S, Y_IS_FULL | X_DISABLED);
    EQUAL(signals_of(pair.x), WD);
    take(pair.y, pair.capacity);
    EQUAL(signals_of(pair.x), WD);
    STATUS(try_write(pair.x, 1), ZX_ERR_BAD_STATE);
    close_pair(pair);
}

static void item_7(void) {
    ROW("7: WRITABLE together with PEER_CLOSED");
    struct pair pair = make_pair_in_state(S, Y_IS_CLOSED);
    OK(zx_socket_set_disposition(pair.x, ON, 0));
    EQUAL(signals_of(pair.x), CLOSED | W);
    STATUS(try_write(pair.x, 1), ZX_ERR_PEER_CLOSED);
    close_pair(pair);
}

static void item_8(void) {
    ROW("8: WRITE_THRESHOLD survives, and cannot be cleared");
    struct pair pair = make_pair(S);
    set_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, 1);
    OK(zx_handle_close(pair.y));
    size_t zero = 0;
    STATUS(zx_object_set_property(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, &zero, 8),
           ZX_ERR_PEER_CLOSED);
    EQUAL(signals_of(pair.x), CLOSED | WT);
    close_pair(pair);
}

static void item_9(void) {
    ROW("9: one byte read from a full buffer frees the writer");
    struct pair pair = make_pair_in_state(S, Y_IS_FULL);
    EQUAL(signals_of(pair.x), 0);
    OK(try_read(pair.y, 1));
    EQUAL(signals_of(pair.x), W);
    ROW("9: the last byte does not fill what is read at once");
    put(pair.x, 1);
    EQUAL(signals_of(pair.x), 0);
    close_pair(pair);
}

static void item_10(void) {
    size_t huge = (size_t)1 << 32;
    struct pair pair = make_pair_in_state(S, Y_IS_CLOSED);
    ROW("10: a bad mask wins over a closed peer");
    STATUS(zx_object_signal_peer(pair.x, 0, R), ZX_ERR_INVALID_ARGS);
    ROW("10: write: a closed peer wins over a size above 32 bits");
    STATUS(try_write(pair.x, huge), ZX_ERR_PEER_CLOSED);
    ROW("10: read: a size above 32 bits wins over a closed peer");
    STATUS(try_read(pair.x, huge), ZX_ERR_INVALID_ARGS);
    close_pair(pair);
    ROW("10: write: disabled wins over a size above 32 bits");
    pair = make_pair_in_state(S, X_DISABLED | Y_DISABLED);
    STATUS(try_write(pair.x, huge), ZX_ERR_BAD_STATE);
    ROW("10: read: a size above 32 bits wins over a disabled peer");
    STATUS(try_read(pair.x, huge), ZX_ERR_INVALID_ARGS);
    close_pair(pair);
    zx_handle_t event = make_event(), bare = with_rights(event, ZX_RIGHT_NONE);
    ROW("10: a wrong type wins over a missing right");
    STATUS(try_read(bare, 1), ZX_ERR_WRONG_TYPE);
    ROW("10: a missing property right wins over a wrong type");
    size_t value;
    STATUS(zx_object_get_property(event, ZX_PROP_SOCKET_RX_THRESHOLD, &value, 8),
           ZX_ERR_ACCESS_DENIED);
    OK(zx_handle_close(bare));
    OK(zx_handle_close(event));
}

static void item_11(void) {
    ROW("11: replace with too many rights destroys the source");
    struct pair pair = make_pair(S);
    zx_handle_t out = UNTOUCHED;
    STATUS(zx_handle_replace(pair.x, ZX_RIGHT_SAME_RIGHTS | 1, &out), ZX_ERR_INVALID_ARGS);
    STATUS(zx_handle_check_valid(pair.x), ZX_ERR_NOT_FOUND);
    EQUAL(signals_of(pair.y), CLOSED);
    EQUAL(out, UNTOUCHED);
    close_pair(pair);
}

static void item_12(void) {
    ROW("12: a closed handle does not cancel waits through duplicates");
    struct pair pair = make_pair(S);
    zx_handle_t other = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    struct waiter waiter = {.call = call_wait_one,
                            .handle = other,
                            .signals = R,
                            .deadline = ZX_TIME_INFINITE};
    start_waiting(&waiter);
    OK(zx_handle_close(pair.x));
    put(pair.y, 1);
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, R | W);
    OK(zx_handle_close(other));
    close_pair(pair);
}

static void item_13(void) {
    ROW("13: observed is the state at the match");
    struct pair pair = make_pair(S);
    struct waiter waiter = {.call = call_wait_one,
                            .handle = pair.x,
                            .signals = ZX_USER_SIGNAL_0,
                            .deadline = ZX_TIME_INFINITE};
    start_waiting(&waiter);
    OK(zx_object_signal(pair.x, 0, ZX_USER_SIGNAL_0));
    OK(zx_object_signal(pair.x, ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_1));
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, W | ZX_USER_SIGNAL_0);
    close_pair(pair);
}

static void item_14(void) {
    ROW("14: EDGE fires for an unrelated signal");
    struct pair pair = make_pair(S);
    zx_handle_t port = make_port();
    zx_port_packet_t packet;
    OK(zx_object_wait_async(pair.x, port, 1, W, ZX_WAIT_ASYNC_EDGE));
    STATUS(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
    OK(zx_object_signal(pair.x, 0, ZX_USER_SIGNAL_0));
    OK(zx_port_wait(port, 0, &packet));
    EQUAL(packet.signal.trigger, W);
    EQUAL(packet.signal.observed, W | ZX_USER_SIGNAL_0);
    OK(zx_handle_close(port));
    close_pair(pair);
}

static void documents_and_code(void) {
    ROW("OUT_OF_RANGE is for more than the capacity, not for more than the room");
    struct pair pair = make_pair(D);
    put(pair.x, 1);
    STATUS(try_write(pair.x, pair.capacity), ZX_ERR_SHOULD_WAIT);
    STATUS(try_write(pair.x, pair.capacity + 1), ZX_ERR_OUT_OF_RANGE);
    ROW("disabling writes drains the other endpoint, not this one");
    put(pair.y, 5);
    OK(zx_socket_set_disposition(pair.x, OFF, 0));
    take(pair.x, 5);
    STATUS(try_read(pair.x, 1), ZX_ERR_SHOULD_WAIT);
    take(pair.y, 1);
    STATUS(try_read(pair.y, 1), ZX_ERR_BAD_STATE);
    EQUAL(signals_of(pair.y), W | PEER_WD);
    close_pair(pair);
}

int main(void) {
    check_begin();
    item_1();
    item_2();
    item_3();
    item_4();
    item_5();
    item_6();
    item_7();
    item_8();
    item_9();
    item_10();
    item_11();
    item_12();
    item_13();
    item_14();
    documents_and_code();
    return check_end();
}
