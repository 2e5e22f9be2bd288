// Section 12: the three waits, and what closing a handle does to them.

#include "check.h"

enum { R = ZX_SOCKET_READABLE, W = ZX_SOCKET_WRITABLE, CLOSED = ZX_SOCKET_PEER_CLOSED };
#define HANDLE_CLOSED ZX_SIGNAL_HANDLE_CLOSED
#define U0 ZX_USER_SIGNAL_0

// ---- 12.1 and 12.2: looks, which do not block

static const struct row {
    const char *name;
    unsigned state;
    enum who who;       // X_LACKING lacks WAIT
    zx_signals_t signals;
    zx_time_t deadline;
    zx_status_t status;
    zx_signals_t observed;
} rows[] = {
    {"condition holds", 0, X, W, ZX_TIME_INFINITE, ZX_OK, W},
    {"condition holds, deadline 0", 0, X, W, 0, ZX_OK, W},
    {"condition holds, deadline before time", 0, X, W, ZX_TIME_INFINITE_PAST, ZX_OK, W},
    {"condition holds, deadline -1", 0, X, W, -1, ZX_OK, W},
    {"all signals are observed", DATA_FOR_X, X, W, 0, ZX_OK, R | W},
    {"one of several is enough", 0, X, R | W | CLOSED, 0, ZX_OK, W},
    {"not met, deadline 0", 0, X, R, 0, ZX_ERR_TIMED_OUT, W},
    {"not met, deadline before time", 0, X, R, ZX_TIME_INFINITE_PAST, ZX_ERR_TIMED_OUT, W},
    {"no signals: a look", DATA_FOR_X, X, 0, 0, ZX_ERR_TIMED_OUT, R | W},
    {"HANDLE_CLOSED asks for nothing", 0, X, HANDLE_CLOSED, 0, ZX_ERR_TIMED_OUT, W},
    {"peer closed", Y_IS_CLOSED, X, CLOSED, ZX_TIME_INFINITE, ZX_OK, CLOSED},
    {"no handle", 0, NO_HANDLE, W, 0, ZX_ERR_BAD_HANDLE, UNTOUCHED},
    {"closed handle", 0, CLOSED_HANDLE, W, 0, ZX_ERR_BAD_HANDLE, UNTOUCHED},
    {"no right", 0, X_LACKING, W, 0, ZX_ERR_ACCESS_DENIED, UNTOUCHED},
    {"port, which has not the right", 0, A_PORT, W, 0, ZX_ERR_ACCESS_DENIED, UNTOUCHED},
    {"event", 0, AN_EVENT, ZX_EVENT_SIGNALED, 0, ZX_ERR_TIMED_OUT, 0},
};

static void try_row(const struct row *row) {
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, row->state);
    zx_handle_t handle = handle_of(row->who, pair, ZX_RIGHT_WAIT);
    ROW("%s", row->name);
    zx_signals_t observed = UNTOUCHED;
    STATUS(zx_object_wait_one(handle, row->signals, row->deadline, &observed), row->status);
    EQUAL(observed, row->observed);
    ROW("%s, observed null", row->name);
    STATUS(zx_object_wait_one(handle, row->signals, row->deadline, NULL), row->status);

    // The same as an item of wait_many.
    ROW("%s, in wait_many", row->name);
    zx_wait_item_t item = {handle, row->signals, UNTOUCHED};
    STATUS(zx_object_wait_many(&item, 1, row->deadline), row->status);
    EQUAL(item.pending, row->observed);
    EQUAL(item.handle, handle);
    EQUAL(item.waitfor, row->signals);
    zx_handle_close(handle);
    close_pair(pair);
}

static void deadline_is_kept(void) {
    ROW("does not time out early");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_signals_t observed = UNTOUCHED;
    zx_time_t deadline = after_ms(30);
    STATUS(zx_object_wait_one(pair.x, R, deadline, &observed), ZX_ERR_TIMED_OUT);
    TRUE(now() >= deadline);
    EQUAL(observed, W);
    zx_wait_item_t item = {pair.x, R, UNTOUCHED};
    deadline = after_ms(30);
    STATUS(zx_object_wait_many(&item, 1, deadline), ZX_ERR_TIMED_OUT);
    TRUE(now() >= deadline);
    EQUAL(item.pending, W);
    ROW("wait_many of nothing sleeps");
    deadline = after_ms(30);
    STATUS(zx_object_wait_many(NULL, 0, deadline), ZX_ERR_TIMED_OUT);
    TRUE(now() >= deadline);
    close_pair(pair);
}

// ---- wait_many

static void wait_many_fills_every_item(void) {
    ROW("pending of every item, the satisfied and the others");
    struct pair a = make_pair_in_state(ZX_SOCKET_STREAM, DATA_FOR_X);
    struct pair b = make_pair(ZX_SOCKET_STREAM);
    zx_wait_item_t items[] = {
        {b.x, R, UNTOUCHED}, {a.x, R, UNTOUCHED}, {b.y, 0, UNTOUCHED}, {a.x, CLOSED, UNTOUCHED}};
    OK(zx_object_wait_many(items, COUNT(items), ZX_TIME_INFINITE));
    EQUAL(items[0].pending, W);
    EQUAL(items[1].pending, R | W);
    EQUAL(items[2].pending, W);
    EQUAL(items[3].pending, R | W);
    close_pair(a);
    close_pair(b);
}

static void wait_many_takes_64(void) {
    ROW("64 items, the last of which is satisfied");
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, DATA_FOR_X);
    zx_wait_item_t items[65];
    for (size_t i = 0; i < COUNT(items); i++)
        items[i] = (zx_wait_item_t){pair.y, R, UNTOUCHED};
    items[63].handle = pair.x;
    OK(zx_object_wait_many(items, 64, ZX_TIME_INFINITE));
    EQUAL(items[0].pending, W);
    EQUAL(items[63].pending, R | W);
    EQUAL(items[64].pending, UNTOUCHED);
    ROW("65 items");
    STATUS(zx_object_wait_many(items, 65, 0), ZX_ERR_OUT_OF_RANGE);
    close_pair(pair);
}

// ---- Blocking: another thread sleeps in the call

static struct waiter waiting_for(zx_handle_t handle, zx_signals_t signals) {
    return (struct waiter){.call = call_wait_one,
                           .handle = handle,
                           .signals = signals,
                           .deadline = ZX_TIME_INFINITE,
                           .observed = UNTOUCHED};
}

static void woken_by_data(void) {
    ROW("woken by data");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiter = waiting_for(pair.x, R);
    start_waiting(&waiter);
    put(pair.y, 1);
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, R | W);
    close_pair(pair);
}

static void woken_by_room(void) {
    ROW("woken by room");
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, Y_IS_FULL);
    struct waiter waiter = waiting_for(pair.x, W);
    start_waiting(&waiter);
    OK(zx_socket_read(pair.y, 0, big, 1, NULL));
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, W);
    close_pair(pair);
}

static void woken_by_the_peers_closing(void) {
    ROW("woken by the peer's closing");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiter = waiting_for(pair.x, R | CLOSED);
    start_waiting(&waiter);
    OK(zx_handle_close(pair.y));
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, CLOSED);
    close_pair(pair);
}

static void woken_by_other_signals(void) {
    ROW("woken by a threshold");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    set_threshold(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD, 2);
    struct waiter waiter = waiting_for(pair.x, ZX_SOCKET_READ_THRESHOLD);
    start_waiting(&waiter);
    put(pair.y, 1);
    put(pair.y, 1);
    wait_for_end(&waiter);
    OK(waiter.status);
    ROW("woken by the peer's signal");
    waiter = waiting_for(pair.x, U0);
    start_waiting(&waiter);
    OK(zx_object_signal_peer(pair.y, 0, U0));
    wait_for_end(&waiter);
    OK(waiter.status);
    ROW("woken by a disposition");
    waiter = waiting_for(pair.x, ZX_SOCKET_PEER_WRITE_DISABLED);
    start_waiting(&waiter);
    OK(zx_socket_set_disposition(pair.y, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
    wait_for_end(&waiter);
    OK(waiter.status);
    ROW("woken on an event");
    zx_handle_t event = make_event();
    waiter = waiting_for(event, ZX_EVENT_SIGNALED);
    start_waiting(&waiter);
    OK(zx_object_signal(event, 0, ZX_EVENT_SIGNALED));
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, ZX_EVENT_SIGNALED);
    OK(zx_handle_close(event));
    close_pair(pair);
}

static void not_woken_by_what_was_not_asked_for(void) {
    ROW("not woken by another signal, which is observed all the same");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiter = waiting_for(pair.x, CLOSED);
    start_waiting(&waiter);
    put(pair.y, 1);
    OK(zx_object_signal(pair.x, 0, U0));
    OK(zx_handle_close(pair.y));
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.observed, CLOSED | R | U0);
    close_pair(pair);
}

static void pulse_ends_a_wait(void) {
    ROW("on and off at once");
    zx_handle_t event = make_event();
    struct waiter waiter = waiting_for(event, ZX_EVENT_SIGNALED);
    start_waiting(&waiter);
    OK(zx_object_signal(event, 0, ZX_EVENT_SIGNALED));
    OK(zx_object_signal(event, ZX_EVENT_SIGNALED, U0));
    wait_for_end(&waiter);
    OK(waiter.status);
    ROW("observed is the state at the match, not at the return");
    EQUAL(waiter.observed, ZX_EVENT_SIGNALED);
    OK(zx_handle_close(event));
}

static void everybody_is_woken(void) {
    ROW("all who wait for it are released");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiters[4];
    for (size_t i = 0; i < COUNT(waiters); i++) {
        waiters[i] = waiting_for(pair.x, R);
        start_waiting(&waiters[i]);
    }
    put(pair.y, 1);
    for (size_t i = 0; i < COUNT(waiters); i++) {
        wait_for_end(&waiters[i]);
        OK(waiters[i].status);
    }
    close_pair(pair);
}

static void wait_many_is_woken_by_any(void) {
    ROW("wait_many woken by its second item");
    struct pair a = make_pair(ZX_SOCKET_STREAM), b = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiter = {.call = call_wait_many,
                            .deadline = ZX_TIME_INFINITE,
                            .count = 2,
                            .items = {{a.x, R, UNTOUCHED}, {b.x, R, UNTOUCHED}}};
    start_waiting(&waiter);
    put(b.y, 1);
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.items[0].pending, W);
    EQUAL(waiter.items[1].pending, R | W);
    close_pair(a);
    close_pair(b);
}

// ---- 12.4

static void close_under_wait_one(void) {
    ROW("handle closed: CANCELED");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t other = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    struct waiter closed = waiting_for(pair.x, R), goes_on = waiting_for(other, R);
    start_waiting(&closed);
    start_waiting(&goes_on);
    OK(zx_handle_close(pair.x));
    wait_for_end(&closed);
    STATUS(closed.status, ZX_ERR_CANCELED);
    EQUAL(closed.observed, W | HANDLE_CLOSED);
    ROW("a wait through a duplicate goes on");
    put(pair.y, 1);
    wait_for_end(&goes_on);
    OK(goes_on.status);
    EQUAL(goes_on.observed, R | W);
    OK(zx_handle_close(other));
    close_pair(pair);
}

static void close_of_the_last_handle_under_wait_one(void) {
    ROW("last handle closed: CANCELED, and the peer sees it");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    struct waiter closed = waiting_for(pair.x, R), peer = waiting_for(pair.y, CLOSED);
    start_waiting(&closed);
    start_waiting(&peer);
    OK(zx_handle_close(pair.x));
    wait_for_end(&closed);
    wait_for_end(&peer);
    STATUS(closed.status, ZX_ERR_CANCELED);
    EQUAL(closed.observed, W | HANDLE_CLOSED);
    OK(peer.status);
    EQUAL(peer.observed, CLOSED);
    close_pair(pair);
}

static void replace_under_wait_one(void) {
    ROW("handle replaced: CANCELED, and the peer sees nothing");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiter = waiting_for(pair.x, R);
    start_waiting(&waiter);
    OK(zx_handle_replace(pair.x, ZX_RIGHT_SAME_RIGHTS, &pair.x));
    wait_for_end(&waiter);
    STATUS(waiter.status, ZX_ERR_CANCELED);
    EQUAL(waiter.observed, W | HANDLE_CLOSED);
    EQUAL(signals_of(pair.y), W);
    close_pair(pair);
}

static void close_under_wait_many(void) {
    ROW("one handle of wait_many closed");
    struct pair a = make_pair(ZX_SOCKET_STREAM), b = make_pair(ZX_SOCKET_STREAM);
    struct waiter waiter = {.call = call_wait_many,
                            .deadline = ZX_TIME_INFINITE,
                            .count = 3,
                            .items = {{a.x, R, UNTOUCHED}, {b.x, R, UNTOUCHED}, {a.y, 0, UNTOUCHED}}};
    start_waiting(&waiter);
    OK(zx_handle_close(b.x));
    wait_for_end(&waiter);
    STATUS(waiter.status, ZX_ERR_CANCELED);
    EQUAL(waiter.items[0].pending, W);
    EQUAL(waiter.items[1].pending, W | HANDLE_CLOSED);
    EQUAL(waiter.items[2].pending, W);
    close_pair(a);
    close_pair(b);
}

// ---- 12.5

static zx_status_t next_packet(zx_handle_t port, zx_port_packet_t *packet) {
    memset(packet, 0x77, sizeof *packet);
    return zx_port_wait(port, 0, packet);
}

static void expect_packet(zx_handle_t port, uint64_t key, zx_signals_t trigger,
                          zx_signals_t observed) {
    zx_port_packet_t packet;
    OK(next_packet(port, &packet));
    EQUAL(packet.key, key);
    EQUAL(packet.type, ZX_PKT_TYPE_SIGNAL_ONE);
    OK(packet.status);
    EQUAL(packet.signal.trigger, trigger);
    EQUAL(packet.signal.observed, observed);
    EQUAL(packet.signal.count, 1);
    EQUAL(packet.signal.timestamp, 0);
    EQUAL(packet.signal.reserved1, 0);
}

static void expect_no_packet(zx_handle_t port) {
    zx_port_packet_t packet;
    STATUS(next_packet(port, &packet), ZX_ERR_TIMED_OUT);
}

// Registrations: whether they fire at once, and after a signal goes on.
static const struct async_row {
    const char *name;
    uint32_t options;
    zx_signals_t wanted;
    bool at_once, on_data, on_user_signal; // the latter two one after the other, if not before
} async_rows[] = {
    {"wanted is on", 0, W, true, false, false},
    {"wanted is off", 0, R, false, true, false},
    {"wanted is off for long", 0, U0, false, false, true},
    {"one of several is on", 0, R | W, true, false, false},
    {"nothing wanted", 0, 0, false, false, false},
    {"edge: wanted goes on", ZX_WAIT_ASYNC_EDGE, R, false, true, false},
    {"edge: wanted was on all along, an unrelated signal goes on", ZX_WAIT_ASYNC_EDGE, W, false,
     true, false},
    {"edge: not what went on", ZX_WAIT_ASYNC_EDGE, U0, false, false, true},
    {"edge: nothing wanted", ZX_WAIT_ASYNC_EDGE, 0, false, false, false},
};

static void try_async_row(const struct async_row *row) {
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port();
    ROW("%s: at once", row->name);
    OK(zx_object_wait_async(pair.x, port, 5, row->wanted, row->options));
    if (row->at_once)
        expect_packet(port, 5, row->wanted, W);
    expect_no_packet(port);
    ROW("%s: on data", row->name);
    put(pair.y, 1);
    if (row->on_data)
        expect_packet(port, 5, row->wanted, R | W);
    expect_no_packet(port);
    ROW("%s: on a user signal", row->name);
    OK(zx_object_signal(pair.x, 0, U0));
    if (row->on_user_signal)
        expect_packet(port, 5, row->wanted, R | W | U0);
    expect_no_packet(port);
    ROW("%s: once only", row->name);
    take(pair.x, 1);
    put(pair.y, 1);
    expect_no_packet(port);
    OK(zx_handle_close(port));
    close_pair(pair);
}

static void async_errors(void) {
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port(), no_write = without_right(port, ZX_RIGHT_WRITE);
    zx_handle_t no_wait = without_right(pair.x, ZX_RIGHT_WAIT);
    ROW("errors of wait_async");
    STATUS(zx_object_wait_async(pair.x, port, 0, R, 8), ZX_ERR_INVALID_ARGS);
    STATUS(zx_object_wait_async(pair.x, port, 0, R, 1 | 4), ZX_ERR_INVALID_ARGS);
    STATUS(zx_object_wait_async(pair.x, 0, 0, R, 0), ZX_ERR_BAD_HANDLE);
    STATUS(zx_object_wait_async(pair.x, pair.y, 0, R, 0), ZX_ERR_WRONG_TYPE);
    STATUS(zx_object_wait_async(pair.x, no_write, 0, R, 0), ZX_ERR_ACCESS_DENIED);
    STATUS(zx_object_wait_async(0, port, 0, R, 0), ZX_ERR_BAD_HANDLE);
    STATUS(zx_object_wait_async(no_wait, port, 0, R, 0), ZX_ERR_ACCESS_DENIED);
    STATUS(zx_object_wait_async(port, port, 0, R, 0), ZX_ERR_ACCESS_DENIED);
    expect_no_packet(port);
    zx_handle_t all[] = {port, no_write, no_wait};
    OK(zx_handle_close_many(all, COUNT(all)));
    close_pair(pair);
}

static void timestamps(void) {
    static const uint32_t options[] = {ZX_WAIT_ASYNC_TIMESTAMP, ZX_WAIT_ASYNC_BOOT_TIMESTAMP};
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    for (int i = 0; i < 2; i++) {
        ROW("timestamp on clock %d", i);
        zx_handle_t event = make_event(), port = make_port();
        struct timespec time;
        OK(zx_object_wait_async(event, port, 0, ZX_EVENT_SIGNALED, options[i]));
        clock_gettime(clocks[i], &time);
        int64_t before = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
        OK(zx_object_signal(event, 0, ZX_EVENT_SIGNALED));
        clock_gettime(clocks[i], &time);
        int64_t after = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
        zx_port_packet_t packet;
        OK(next_packet(port, &packet));
        TRUE(packet.signal.timestamp >= before);
        TRUE(packet.signal.timestamp <= after);
        OK(zx_handle_close(event));
        OK(zx_handle_close(port));
    }
}

static void twice_gives_two(void) {
    ROW("registered twice: two packets, and ports do not merge");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port();
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    put(pair.y, 1);
    expect_packet(port, 1, R, R | W);
    expect_packet(port, 1, R, R | W);
    expect_no_packet(port);
    OK(zx_handle_close(port));
    close_pair(pair);
}

static void pulse_fires(void) {
    ROW("on and off at once fires, with the state at the match");
    zx_handle_t event = make_event(), port = make_port();
    OK(zx_object_wait_async(event, port, 1, ZX_EVENT_SIGNALED, 0));
    OK(zx_object_signal(event, 0, ZX_EVENT_SIGNALED));
    OK(zx_object_signal(event, ZX_EVENT_SIGNALED, 0));
    expect_packet(port, 1, ZX_EVENT_SIGNALED, ZX_EVENT_SIGNALED);
    OK(zx_handle_close(event));
    OK(zx_handle_close(port));
}

static void closing_the_source(void) {
    ROW("closing the handle drops what waits");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port(), other = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    OK(zx_object_wait_async(other, port, 1, R, 0));
    OK(zx_object_wait_async(pair.x, port, 2, R, 0));
    OK(zx_handle_close(other));
    expect_no_packet(port);
    ROW("what waits through a duplicate goes on");
    put(pair.y, 1);
    expect_packet(port, 2, R, R | W);
    expect_no_packet(port);
    ROW("packets that are queued survive");
    OK(zx_object_wait_async(pair.x, port, 3, R, 0));
    OK(zx_handle_close(pair.x));
    expect_packet(port, 3, R, R | W);
    OK(zx_handle_close(port));
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    deadline_is_kept();
    wait_many_fills_every_item();
    wait_many_takes_64();
    woken_by_data();
    woken_by_room();
    woken_by_the_peers_closing();
    woken_by_other_signals();
    not_woken_by_what_was_not_asked_for();
    pulse_ends_a_wait();
    everybody_is_woken();
    wait_many_is_woken_by_any();
    close_under_wait_one();
    close_of_the_last_handle_under_wait_one();
    replace_under_wait_one();
    close_under_wait_many();
    for (size_t i = 0; i < COUNT(async_rows); i++)
        try_async_row(&async_rows[i]);
    async_errors();
    timestamps();
    twice_gives_two();
    pulse_fires();
    closing_the_source();
    return check_end();
}
