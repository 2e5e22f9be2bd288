// Section 8: zx_object_signal and zx_object_signal_peer, and the table of transitions.

#include "check.h"

enum { R = ZX_SOCKET_READABLE, W = ZX_SOCKET_WRITABLE, CLOSED = ZX_SOCKET_PEER_CLOSED };
enum { PEER_WD = ZX_SOCKET_PEER_WRITE_DISABLED, WD = ZX_SOCKET_WRITE_DISABLED };
enum { RT = ZX_SOCKET_READ_THRESHOLD, WT = ZX_SOCKET_WRITE_THRESHOLD };

#define U0 ZX_USER_SIGNAL_0
#define U7 ZX_USER_SIGNAL_7
#define ALL ZX_USER_SIGNAL_ALL

static const struct row {
    const char *name;
    bool peer;              // zx_object_signal_peer
    unsigned state;
    enum who who;
    zx_signals_t before;    // user signals of the object that is changed
    uint32_t clear, set;
    zx_status_t status;
    zx_signals_t after;     // user signals of that object
} rows[] = {
    {"set", 0, 0, X, 0, 0, U0, ZX_OK, U0},
    {"clear", 0, 0, X, U0 | U7, U0, 0, ZX_OK, U7},
    {"set wins over clear", 0, 0, X, 0, U0, U0, ZX_OK, U0},
    {"clear what is off, set what is on", 0, 0, X, U0, U7, U0, ZX_OK, U0},
    {"all on", 0, 0, X, 0, 0, ALL, ZX_OK, ALL},
    {"all off", 0, 0, X, ALL, ALL, 0, ZX_OK, 0},
    {"nothing", 0, 0, X, U0, 0, 0, ZX_OK, U0},
    {"peer closed does not matter", 0, Y_IS_CLOSED, X, 0, 0, U0, ZX_OK, U0},
    {"no handle", 0, 0, NO_HANDLE, 0, 0, U0, ZX_ERR_BAD_HANDLE, 0},
    {"closed handle", 0, 0, CLOSED_HANDLE, 0, 0, U0, ZX_ERR_BAD_HANDLE, 0},
    {"no right", 0, 0, X_LACKING, 0, 0, U0, ZX_ERR_ACCESS_DENIED, 0},
    {"socket's own signal", 0, 0, X, 0, 0, R, ZX_ERR_INVALID_ARGS, 0},
    {"clear a socket's own signal", 0, 0, X, 0, W, 0, ZX_ERR_INVALID_ARGS, 0},
    {"an event's signal on a socket", 0, 0, X, 0, 0, ZX_EVENT_SIGNALED, ZX_ERR_INVALID_ARGS, 0},
    {"HANDLE_CLOSED", 0, 0, X, 0, 0, ZX_SIGNAL_HANDLE_CLOSED, ZX_ERR_INVALID_ARGS, 0},
    {"permitted and not: nothing is done", 0, 0, X, 0, 0, U0 | R, ZX_ERR_INVALID_ARGS, 0},

    {"peer: set", 1, 0, X, 0, 0, U0, ZX_OK, U0},
    {"peer: clear", 1, 0, X, U0 | U7, U0, 0, ZX_OK, U7},
    {"peer: nothing", 1, 0, X, U0, 0, 0, ZX_OK, U0},
    {"peer: no handle", 1, 0, NO_HANDLE, 0, 0, U0, ZX_ERR_BAD_HANDLE, 0},
    {"peer: no right", 1, 0, X_LACKING, 0, 0, U0, ZX_ERR_ACCESS_DENIED, 0},
    {"peer: event, which has not even the right", 1, 0, AN_EVENT, 0, 0, U0, ZX_ERR_ACCESS_DENIED,
     0},
    {"peer: socket's own signal", 1, 0, X, 0, 0, R, ZX_ERR_INVALID_ARGS, 0},
    {"peer: closed", 1, Y_IS_CLOSED, X, 0, 0, U0, ZX_ERR_PEER_CLOSED, 0},
    {"peer: closed, nothing asked", 1, Y_IS_CLOSED, X, 0, 0, 0, ZX_ERR_PEER_CLOSED, 0},
    {"peer: bad mask wins over closed", 1, Y_IS_CLOSED, X, 0, R, 0, ZX_ERR_INVALID_ARGS, 0},
};

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t object = row->peer ? pair.y : pair.x;
    OK(zx_object_signal(object, 0, row->before));
    if (row->state & Y_IS_CLOSED)
        OK(zx_handle_close(pair.y));
    zx_rights_t right = row->peer ? ZX_RIGHT_SIGNAL_PEER : ZX_RIGHT_SIGNAL;
    zx_handle_t handle = handle_of(row->who, pair, right);
    zx_status_t status = row->peer ? zx_object_signal_peer(handle, row->clear, row->set)
                                   : zx_object_signal(handle, row->clear, row->set);
    STATUS(status, row->status);
    if (!(row->peer && row->state & Y_IS_CLOSED))
        EQUAL(signals_of(object) & ALL, row->after);
    zx_handle_close(handle);
    close_pair(pair);
}

static void events_and_ports(void) {
    zx_handle_t event = make_event(), port = make_port();
    ROW("event: its own signal and user signals");
    OK(zx_object_signal(event, 0, ZX_EVENT_SIGNALED | U7));
    EQUAL(signals_of(event), ZX_EVENT_SIGNALED | U7);
    OK(zx_object_signal(event, ZX_EVENT_SIGNALED, 0));
    EQUAL(signals_of(event), U7);
    ROW("event: a socket's signal");
    STATUS(zx_object_signal(event, 0, R), ZX_ERR_INVALID_ARGS);
    ROW("port: lacks the right");
    STATUS(zx_object_signal(port, 0, 0), ZX_ERR_ACCESS_DENIED);
    STATUS(zx_object_signal_peer(port, 0, 0), ZX_ERR_ACCESS_DENIED);
    OK(zx_handle_close(event));
    OK(zx_handle_close(port));
}

static void each_side_has_its_own(void) {
    ROW("user signals belong to one endpoint");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    OK(zx_object_signal(pair.x, 0, U0));
    OK(zx_object_signal_peer(pair.x, 0, U7));
    EQUAL(signals_of(pair.x), W | U0);
    EQUAL(signals_of(pair.y), W | U7);
    close_pair(pair);
}

// 8.1, by its rows: on, off, and what the peer's closing does.
static void transitions(void) {
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    ROW("at creation");
    EQUAL(signals_of(pair.x), W);
    ROW("READABLE");
    put(pair.y, 2);
    EQUAL(signals_of(pair.x), W | R);
    take(pair.x, 2);
    EQUAL(signals_of(pair.x), W);
    ROW("WRITABLE");
    put(pair.x, pair.capacity);
    EQUAL(signals_of(pair.x), 0);
    take(pair.y, pair.capacity);
    EQUAL(signals_of(pair.x), W);
    ROW("WRITE_DISABLED and PEER_WRITE_DISABLED, by the writer");
    OK(zx_socket_set_disposition(pair.x, 1, 0));
    EQUAL(signals_of(pair.x), WD);
    EQUAL(signals_of(pair.y), W | PEER_WD);
    OK(zx_socket_set_disposition(pair.x, 2, 0));
    ROW("WRITE_DISABLED and PEER_WRITE_DISABLED, by the reader");
    OK(zx_socket_set_disposition(pair.y, 0, 1));
    EQUAL(signals_of(pair.x), WD);
    EQUAL(signals_of(pair.y), W | PEER_WD);
    OK(zx_socket_set_disposition(pair.y, 0, 2));
    EQUAL(signals_of(pair.x), W);
    EQUAL(signals_of(pair.y), W);
    ROW("READ_THRESHOLD");
    set_threshold(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD, 2);
    put(pair.y, 2);
    EQUAL(signals_of(pair.x), W | R | RT);
    take(pair.x, 2);
    EQUAL(signals_of(pair.x), W);
    ROW("WRITE_THRESHOLD");
    set_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, 1);
    EQUAL(signals_of(pair.x), W | WT);
    put(pair.x, pair.capacity);
    EQUAL(signals_of(pair.x), 0);
    take(pair.y, pair.capacity);
    EQUAL(signals_of(pair.x), W | WT);
    ROW("when the peer closes");
    put(pair.y, 2);
    OK(zx_object_signal(pair.x, 0, U0));
    OK(zx_socket_set_disposition(pair.x, 0, 1));
    EQUAL(signals_of(pair.x), W | R | RT | WT | PEER_WD | U0);
    OK(zx_handle_close(pair.y));
    EQUAL(signals_of(pair.x), CLOSED | R | RT | WT | PEER_WD | U0);
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    events_and_ports();
    each_side_has_its_own();
    transitions();
    return check_end();
}
