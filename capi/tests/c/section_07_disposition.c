// Section 7: zx_socket_set_disposition and zx_socket_shutdown.

#include "check.h"

enum {
    OFF = ZX_SOCKET_DISPOSITION_WRITE_DISABLED,
    ON = ZX_SOCKET_DISPOSITION_WRITE_ENABLED,
    R = ZX_SOCKET_READABLE,
    W = ZX_SOCKET_WRITABLE,
    CLOSED = ZX_SOCKET_PEER_CLOSED,
    PEER_WD = ZX_SOCKET_PEER_WRITE_DISABLED,
    WD = ZX_SOCKET_WRITE_DISABLED,
};

enum { GONE = -1 };

static const struct row {
    const char *name;
    unsigned state;
    bool data_for_y;    // ten bytes, written before anything is disabled
    enum who who;
    uint32_t disposition, disposition_peer;
    zx_status_t status;
    int64_t x, y;       // signals afterwards
} rows[] = {
    // Values.
    {"both bits", 0, 0, X, 3, 0, ZX_ERR_INVALID_ARGS, W, W},
    {"both bits, peer", 0, 0, X, 0, 3, ZX_ERR_INVALID_ARGS, W, W},
    {"other bit", 0, 0, X, 4, 0, ZX_ERR_INVALID_ARGS, W, W},
    {"other bit, peer, the rest right", 0, 0, X, OFF, 0x80000000u, ZX_ERR_INVALID_ARGS, W, W},
    {"no handle", 0, 0, NO_HANDLE, OFF, 0, ZX_ERR_BAD_HANDLE, W, W},
    {"closed handle", 0, 0, CLOSED_HANDLE, OFF, 0, ZX_ERR_BAD_HANDLE, W, W},
    {"event", 0, 0, AN_EVENT, OFF, 0, ZX_ERR_WRONG_TYPE, W, W},
    {"no right", 0, 0, X_LACKING, OFF, 0, ZX_ERR_ACCESS_DENIED, W, W},
    {"nothing", 0, 0, X, 0, 0, ZX_OK, W, W},
    // Effects.
    {"off", 0, 0, X, OFF, 0, ZX_OK, WD, W | PEER_WD},
    {"peer off", 0, 0, X, 0, OFF, ZX_OK, W | PEER_WD, WD},
    {"both off", 0, 0, X, OFF, OFF, ZX_OK, WD | PEER_WD, WD | PEER_WD},
    {"off again", X_DISABLED, 0, X, OFF, 0, ZX_OK, WD, W | PEER_WD},
    {"on", X_DISABLED, 0, X, ON, 0, ZX_OK, W, W},
    {"peer on", Y_DISABLED, 0, X, 0, ON, ZX_OK, W, W},
    {"both on", X_DISABLED | Y_DISABLED, 0, X, ON, ON, ZX_OK, W, W},
    {"on that was on", 0, 0, X, ON, ON, ZX_OK, W, W},
    {"one off, other on", Y_DISABLED, 0, X, OFF, ON, ZX_OK, WD, W | PEER_WD},
    {"nothing, when off", X_DISABLED, 0, X, 0, 0, ZX_OK, WD, W | PEER_WD},
    // Refusals.
    {"on, not drained", X_DISABLED, true, X, ON, 0, ZX_ERR_BAD_STATE, WD, R | W | PEER_WD},
    {"peer on, not drained", Y_DISABLED | DATA_FOR_X, 0, X, 0, ON, ZX_ERR_BAD_STATE,
     R | W | PEER_WD, WD},
    {"one refused, the other is not done", Y_DISABLED | DATA_FOR_X, 0, X, OFF, ON,
     ZX_ERR_BAD_STATE, R | W | PEER_WD, WD},
    {"both on, one refused", X_DISABLED | Y_DISABLED, true, X, ON, ON, ZX_ERR_BAD_STATE,
     WD | PEER_WD, R | WD | PEER_WD},
    {"on that was on, data queued", DATA_FOR_X, true, X, ON, ON, ZX_OK, R | W, R | W},
    {"off, data queued", 0, true, X, OFF, 0, ZX_OK, WD, R | W | PEER_WD},
    // The peer is gone.
    {"closed, off", Y_IS_CLOSED, 0, X, OFF, 0, ZX_OK, CLOSED | WD, GONE},
    {"closed, on", Y_IS_CLOSED, 0, X, ON, 0, ZX_OK, CLOSED | W, GONE},
    {"closed, off before, on", Y_IS_CLOSED | X_DISABLED, 0, X, ON, 0, ZX_OK, CLOSED | W, GONE},
    {"closed, peer off", Y_IS_CLOSED, 0, X, 0, OFF, ZX_OK, CLOSED, GONE},
    {"closed, peer on", Y_IS_CLOSED | Y_DISABLED, 0, X, 0, ON, ZX_OK, CLOSED | PEER_WD, GONE},
    {"closed, peer on, not drained", Y_IS_CLOSED | Y_DISABLED | DATA_FOR_X, 0, X, 0, ON,
     ZX_ERR_BAD_STATE, CLOSED | R | PEER_WD, GONE},
};

static struct pair pair_for(const struct row *row) {
    unsigned before = row->state & (DATA_FOR_X | Y_IS_FULL);
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, before);
    if (row->data_for_y)
        put(pair.x, 10);
    if (row->state & X_DISABLED)
        OK(zx_socket_set_disposition(pair.y, 0, OFF));
    if (row->state & Y_DISABLED)
        OK(zx_socket_set_disposition(pair.y, OFF, 0));
    if (row->state & Y_IS_CLOSED)
        OK(zx_handle_close(pair.y));
    return pair;
}

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    struct pair pair = pair_for(row);
    zx_handle_t handle = handle_of(row->who, pair, ZX_RIGHT_MANAGE_SOCKET);
    STATUS(zx_socket_set_disposition(handle, row->disposition, row->disposition_peer),
           row->status);
    EQUAL(signals_of(pair.x), row->x);
    if (row->y != GONE)
        EQUAL(signals_of(pair.y), row->y);
    zx_handle_close(handle);
    close_pair(pair);
}

static void what_it_means_for_the_calls(void) {
    ROW("reader drains, then BAD_STATE; the other direction goes on");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    put(pair.x, 10);
    OK(zx_socket_set_disposition(pair.x, OFF, 0));
    STATUS(zx_socket_write(pair.x, 0, big, 1, NULL), ZX_ERR_BAD_STATE);
    take(pair.y, 10);
    STATUS(zx_socket_read(pair.y, 0, big, 1, NULL), ZX_ERR_BAD_STATE);
    put(pair.y, 3);
    take(pair.x, 3);
    ROW("enabled again, once drained");
    OK(zx_socket_set_disposition(pair.y, 0, ON));
    STATUS(zx_socket_read(pair.y, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
    put(pair.x, 1);
    take(pair.y, 1);
    close_pair(pair);
}

static void enabling_a_full_socket(void) {
    // Zircon shows WRITABLE here, by accident (section 16, item 5). Here it means that there is room.
    ROW("enabled while full: not WRITABLE");
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, Y_IS_FULL);
    OK(zx_socket_set_disposition(pair.x, ON, 0));
    EQUAL(signals_of(pair.x), 0);
    STATUS(zx_socket_write(pair.x, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
    close_pair(pair);
}

static const struct shutdown_row {
    const char *name;
    unsigned state;
    enum who who;
    uint32_t options;
    zx_status_t status;
    int64_t x, y;
} shutdown_rows[] = {
    {"unknown option", 0, X, 4, ZX_ERR_INVALID_ARGS, W, W},
    {"event", 0, AN_EVENT, 1, ZX_ERR_WRONG_TYPE, W, W},
    {"no right", 0, X_LACKING, 1, ZX_ERR_ACCESS_DENIED, W, W},
    {"nothing", 0, X, 0, ZX_OK, W, W},
    {"write", 0, X, ZX_SOCKET_SHUTDOWN_WRITE, ZX_OK, WD, W | PEER_WD},
    {"read", 0, X, ZX_SOCKET_SHUTDOWN_READ, ZX_OK, W | PEER_WD, WD},
    {"both", 0, X, 3, ZX_OK, WD | PEER_WD, WD | PEER_WD},
    {"write again", X_DISABLED, X, ZX_SOCKET_SHUTDOWN_WRITE, ZX_OK, WD, W | PEER_WD},
    {"read with data", DATA_FOR_X, X, ZX_SOCKET_SHUTDOWN_READ, ZX_OK, R | W | PEER_WD, WD},
    {"read, not undone", Y_DISABLED | DATA_FOR_X, X, 0, ZX_OK, R | W | PEER_WD, WD},
    {"closed, write", Y_IS_CLOSED, X, ZX_SOCKET_SHUTDOWN_WRITE, ZX_OK, CLOSED | WD, GONE},
    {"closed, read: unlike set_disposition", Y_IS_CLOSED, X, ZX_SOCKET_SHUTDOWN_READ, ZX_OK,
     CLOSED | PEER_WD, GONE},
};

static void try_shutdown_row(const struct shutdown_row *row) {
    ROW("shutdown: %s", row->name);
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, row->state);
    zx_handle_t handle = handle_of(row->who, pair, ZX_RIGHT_WRITE);
    STATUS(zx_socket_shutdown(handle, row->options), row->status);
    EQUAL(signals_of(pair.x), row->x);
    if (row->y != GONE)
        EQUAL(signals_of(pair.y), row->y);
    zx_handle_close(handle);
    close_pair(pair);
}

static void shutdown_needs_write_only(void) {
    ROW("shutdown does not need MANAGE_SOCKET");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t handle = with_rights(pair.x, ZX_RIGHT_WRITE);
    OK(zx_socket_shutdown(handle, ZX_SOCKET_SHUTDOWN_WRITE));
    STATUS(zx_socket_set_disposition(handle, ON, 0), ZX_ERR_ACCESS_DENIED);
    OK(zx_handle_close(handle));
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    what_it_means_for_the_calls();
    enabling_a_full_socket();
    for (size_t i = 0; i < COUNT(shutdown_rows); i++)
        try_shutdown_row(&shutdown_rows[i]);
    shutdown_needs_write_only();
    return check_end();
}
