// Section 13: ports. Registrations are in section 12.

#include "check.h"

enum { R = ZX_SOCKET_READABLE, W = ZX_SOCKET_WRITABLE };

static zx_port_packet_t user_packet(uint64_t key) {
    zx_port_packet_t packet = {.key = key, .type = 77, .status = -5};
    for (int i = 0; i < 32; i++)
        packet.user.c8[i] = (uint8_t)(key + i);
    return packet;
}

static void queue(zx_handle_t port, uint64_t key) {
    zx_port_packet_t packet = user_packet(key);
    OK(zx_port_queue(port, &packet));
}

static void expect_key(zx_handle_t port, uint64_t key) {
    zx_port_packet_t packet;
    memset(&packet, 0x77, sizeof packet);
    OK(zx_port_wait(port, 0, &packet));
    EQUAL(packet.key, key);
}

static void expect_empty(zx_handle_t port) {
    zx_port_packet_t packet;
    memset(&packet, 0x77, sizeof packet);
    STATUS(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
    EQUAL(packet.key, 0x7777777777777777u);
}

static void create_options(void) {
    zx_handle_t port = UNTOUCHED;
    static const struct {
        uint32_t options;
        zx_status_t status;
    } rows[] = {{0, ZX_OK},
                {ZX_PORT_BIND_TO_INTERRUPT, ZX_OK},
                {2, ZX_ERR_INVALID_ARGS},
                {3, ZX_ERR_INVALID_ARGS},
                {0x80000000u, ZX_ERR_INVALID_ARGS}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        ROW("create with %u", rows[i].options);
        STATUS(zx_port_create(rows[i].options, &port), rows[i].status);
        if (rows[i].status == ZX_OK)
            OK(zx_handle_close(port));
    }
}

// Errors that a bad port gives, of each call. Bad packets and sources are in section 3.
static const struct row {
    const char *name;
    zx_rights_t rights;     // of the port handle; SAME_RIGHTS, or these only
    enum who who;           // X is the port
    zx_status_t queue, wait, cancel, cancel_key;
} rows[] = {
    {"all is well", ZX_RIGHT_SAME_RIGHTS, X, ZX_OK, ZX_OK, ZX_ERR_NOT_FOUND, ZX_ERR_NOT_FOUND},
    {"READ only", ZX_RIGHT_READ, X, ZX_ERR_ACCESS_DENIED, ZX_ERR_TIMED_OUT, ZX_ERR_ACCESS_DENIED,
     ZX_ERR_ACCESS_DENIED},
    {"WRITE only", ZX_RIGHT_WRITE, X, ZX_OK, ZX_ERR_ACCESS_DENIED, ZX_ERR_NOT_FOUND,
     ZX_ERR_NOT_FOUND},
    {"event", ZX_RIGHT_SAME_RIGHTS, AN_EVENT, ZX_ERR_WRONG_TYPE, ZX_ERR_WRONG_TYPE,
     ZX_ERR_WRONG_TYPE, ZX_ERR_WRONG_TYPE},
    {"no handle", ZX_RIGHT_SAME_RIGHTS, NO_HANDLE, ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_HANDLE,
     ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_HANDLE},
    {"closed", ZX_RIGHT_SAME_RIGHTS, CLOSED_HANDLE, ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_HANDLE,
     ZX_ERR_BAD_HANDLE, ZX_ERR_BAD_HANDLE},
};

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    zx_handle_t port = make_port(), event = make_event();
    zx_handle_t handle = row->who == X ? with_rights(port, row->rights)
                                       : handle_of(row->who, (struct pair){0, 0, 0}, 0);
    zx_port_packet_t packet = user_packet(1);
    STATUS(zx_port_queue(handle, &packet), row->queue);
    STATUS(zx_port_wait(handle, 0, &packet), row->wait);
    STATUS(zx_port_cancel(handle, event, 2), row->cancel);
    STATUS(zx_port_cancel_key(handle, 0, 2), row->cancel_key);
    STATUS(zx_port_cancel_key(handle, 1, 2), ZX_ERR_INVALID_ARGS);
    zx_handle_close(handle);
    OK(zx_handle_close(event));
    OK(zx_handle_close(port));
}

static void packets_pass_through(void) {
    ROW("user packet: type is forced, the rest passes");
    zx_handle_t port = make_port();
    zx_port_packet_t in = user_packet(0xFEDCBA9876543210u), out;
    OK(zx_port_queue(port, &in));
    OK(zx_port_wait(port, ZX_TIME_INFINITE, &out));
    EQUAL(out.key, in.key);
    EQUAL(out.type, ZX_PKT_TYPE_USER);
    EQUAL(out.status, in.status);
    EQUAL(memcmp(&out.user, &in.user, 32), 0);
    OK(zx_handle_close(port));
}

static void first_in_first_out(void) {
    ROW("the oldest first, user and signal packets alike");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port();
    queue(port, 1);
    OK(zx_object_wait_async(pair.x, port, 2, W, 0));
    queue(port, 3);
    expect_key(port, 1);
    expect_key(port, 2);
    expect_key(port, 3);
    expect_empty(port);
    OK(zx_handle_close(port));
    close_pair(pair);
}

static void packet_wins_over_deadline(void) {
    ROW("a packet wins over a deadline that is past");
    zx_handle_t port = make_port();
    zx_port_packet_t packet;
    queue(port, 1);
    OK(zx_port_wait(port, ZX_TIME_INFINITE_PAST, &packet));
    ROW("does not time out early");
    zx_time_t deadline = after_ms(30);
    STATUS(zx_port_wait(port, deadline, &packet), ZX_ERR_TIMED_OUT);
    TRUE(now() >= deadline);
    ROW("bad packet pointer: the packet is lost");
    queue(port, 1);
    STATUS(zx_port_wait(port, 0, NULL), ZX_ERR_INVALID_ARGS);
    expect_empty(port);
    OK(zx_handle_close(port));
}

static void cancel(void) {
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port(), second_port = make_port();
    zx_handle_t other = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    ROW("cancel takes back registrations");
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_port_cancel(port, pair.x, 1));
    STATUS(zx_port_cancel(port, pair.x, 1), ZX_ERR_NOT_FOUND);
    put(pair.y, 1);
    expect_empty(port);
    ROW("cancel takes back packets");
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_port_cancel(port, pair.x, 1));
    expect_empty(port);
    // The first is queued at once, the second waits.
    static const zx_signals_t wanted[] = {R, ZX_USER_SIGNAL_0};
    for (int i = 0; i < 2; i++) {
        ROW("cancel matches key, source handle and port, case %d", i);
        OK(zx_object_wait_async(pair.x, port, 1, wanted[i], 0));
        STATUS(zx_port_cancel(port, pair.x, 2), ZX_ERR_NOT_FOUND);
        STATUS(zx_port_cancel(port, other, 1), ZX_ERR_NOT_FOUND);
        STATUS(zx_port_cancel(port, pair.y, 1), ZX_ERR_NOT_FOUND);
        STATUS(zx_port_cancel(second_port, pair.x, 1), ZX_ERR_NOT_FOUND);
        OK(zx_object_signal(pair.x, 0, ZX_USER_SIGNAL_0));
        expect_key(port, 1);
        expect_empty(port);
        OK(zx_object_signal(pair.x, ZX_USER_SIGNAL_0, 0));
    }
    ROW("cancel leaves user packets and others alone");
    queue(port, 1);
    OK(zx_object_wait_async(other, port, 1, R, 0));
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_object_wait_async(pair.x, port, 2, R, 0));
    OK(zx_port_cancel(port, pair.x, 1));
    expect_key(port, 1);
    expect_key(port, 1);
    expect_key(port, 2);
    expect_empty(port);
    ROW("cancel needs WAIT on the source, and nothing else");
    zx_handle_t wait_only = with_rights(pair.x, ZX_RIGHT_WAIT);
    zx_handle_t no_wait = without_right(pair.x, ZX_RIGHT_WAIT);
    STATUS(zx_port_cancel(port, wait_only, 1), ZX_ERR_NOT_FOUND);
    STATUS(zx_port_cancel(port, no_wait, 1), ZX_ERR_ACCESS_DENIED);
    zx_handle_t all[] = {port, second_port, other, wait_only, no_wait};
    OK(zx_handle_close_many(all, COUNT(all)));
    close_pair(pair);
}

static void cancel_key(void) {
    ROW("cancel_key: any source, user packets included");
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, DATA_FOR_X);
    zx_handle_t port = make_port();
    queue(port, 1);
    queue(port, 2);
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_object_wait_async(pair.y, port, 1, R, 0));
    OK(zx_port_cancel_key(port, 0, 1));
    STATUS(zx_port_cancel_key(port, 0, 1), ZX_ERR_NOT_FOUND);
    put(pair.x, 1);
    expect_key(port, 2);
    expect_empty(port);
    ROW("cancel_key: a registration alone");
    OK(zx_object_wait_async(pair.x, port, 3, ZX_USER_SIGNAL_0, 0));
    OK(zx_port_cancel_key(port, 0, 3));
    OK(zx_handle_close(port));
    close_pair(pair);
}

static struct waiter waiting_at(zx_handle_t port, zx_time_t deadline) {
    return (struct waiter){.call = call_port_wait, .handle = port, .deadline = deadline};
}

static void woken_by_packets(void) {
    ROW("woken by a user packet");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port();
    struct waiter waiter = waiting_at(port, ZX_TIME_INFINITE);
    start_waiting(&waiter);
    queue(port, 7);
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.packet.key, 7);
    ROW("woken by a signal");
    OK(zx_object_wait_async(pair.x, port, 8, R, 0));
    waiter = waiting_at(port, ZX_TIME_INFINITE);
    start_waiting(&waiter);
    put(pair.y, 1);
    wait_for_end(&waiter);
    OK(waiter.status);
    EQUAL(waiter.packet.key, 8);
    ROW("each packet wakes one");
    struct waiter two[] = {waiting_at(port, ZX_TIME_INFINITE), waiting_at(port, ZX_TIME_INFINITE)};
    start_waiting(&two[0]);
    start_waiting(&two[1]);
    queue(port, 1);
    queue(port, 2);
    wait_for_end(&two[0]);
    wait_for_end(&two[1]);
    OK(two[0].status);
    OK(two[1].status);
    EQUAL(two[0].packet.key + two[1].packet.key, 3);
    expect_empty(port);
    OK(zx_handle_close(port));
    close_pair(pair);
}

static void closing_the_last_handle(void) {
    ROW("a wait is not woken by the closing, and keeps its deadline");
    zx_handle_t port = make_port();
    struct waiter waiter = waiting_at(port, after_ms(100));
    start_waiting(&waiter);
    OK(zx_handle_close(port));
    zx_port_packet_t packet = user_packet(1);
    STATUS(zx_port_queue(port, &packet), ZX_ERR_BAD_HANDLE);
    wait_for_end(&waiter);
    STATUS(waiter.status, ZX_ERR_TIMED_OUT);
    TRUE(now() >= waiter.deadline);

    ROW("registrations end with it");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    port = make_port();
    OK(zx_object_wait_async(pair.x, port, 1, R, 0));
    OK(zx_handle_close(port));
    put(pair.y, 1);
    take(pair.x, 1);
    close_pair(pair);

    ROW("a port lives while it has a handle");
    port = make_port();
    zx_handle_t other = with_rights(port, ZX_RIGHT_SAME_RIGHTS);
    queue(port, 4);
    OK(zx_handle_close(port));
    expect_key(other, 4);
    OK(zx_handle_close(other));
}

int main(void) {
    check_begin();
    create_options();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    packets_pass_through();
    first_in_first_out();
    packet_wins_over_deadline();
    cancel();
    cancel_key();
    woken_by_packets();
    closing_the_last_handle();
    return check_end();
}
