// Section 9: the two thresholds of a socket.

#include "check.h"

enum { RX = ZX_PROP_SOCKET_RX_THRESHOLD, TX = ZX_PROP_SOCKET_TX_THRESHOLD };
enum { RT = ZX_SOCKET_READ_THRESHOLD, WT = ZX_SOCKET_WRITE_THRESHOLD };

static const struct row {
    const char *name;
    unsigned state;
    uint32_t property;
    int capacities;         // the value: so many times the capacity,
    int64_t value;          // and so many bytes
    zx_status_t status;
} rows[] = {
    {"0, RX", 0, RX, 0, 0, ZX_OK},
    {"0, TX", 0, TX, 0, 0, ZX_OK},
    {"some, RX", 0, RX, 0, 100, ZX_OK},
    {"some, TX", 0, TX, 0, 100, ZX_OK},
    {"capacity, RX", 0, RX, 1, 0, ZX_OK},
    {"capacity, TX", 0, TX, 1, 0, ZX_OK},
    {"more than the capacity, RX", 0, RX, 1, 1, ZX_ERR_INVALID_ARGS},
    {"more than the capacity, TX", 0, TX, 1, 1, ZX_ERR_INVALID_ARGS},
    {"all bits, RX", 0, RX, 0, -1, ZX_ERR_INVALID_ARGS},
    {"all bits, TX", 0, TX, 0, -1, ZX_ERR_INVALID_ARGS},
    {"peer closed, RX", Y_IS_CLOSED, RX, 0, 100, ZX_OK},
    {"peer closed, RX, capacity", Y_IS_CLOSED, RX, 1, 0, ZX_OK},
    {"peer closed, RX, too large", Y_IS_CLOSED, RX, 1, 1, ZX_ERR_INVALID_ARGS},
    {"peer closed, TX", Y_IS_CLOSED, TX, 0, 100, ZX_ERR_PEER_CLOSED},
    {"peer closed, TX, even 0", Y_IS_CLOSED, TX, 0, 0, ZX_ERR_PEER_CLOSED},
    {"peer closed, TX, too large", Y_IS_CLOSED, TX, 1, 1, ZX_ERR_INVALID_ARGS},
    {"writes disabled, TX", X_DISABLED, TX, 0, 100, ZX_OK},
};

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    set_threshold(pair.x, row->property, 7);
    if (row->state & X_DISABLED)
        OK(zx_socket_set_disposition(pair.x, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
    if (row->state & Y_IS_CLOSED)
        OK(zx_handle_close(pair.y));
    size_t value = (size_t)row->capacities * pair.capacity + (size_t)row->value;
    STATUS(zx_object_set_property(pair.x, row->property, &value, sizeof value), row->status);
    ROW("%s: the value then", row->name);
    EQUAL(get_threshold(pair.x, row->property), row->status == ZX_OK ? value : 7);
    close_pair(pair);
}

// Which of its signals a threshold gives with so much queued, in either mode.
static const struct moment {
    const char *name;
    size_t read_threshold, write_room; // of X; the room is what is to be free, 0 for off
    size_t queued_at_x, free_at_y;
    zx_signals_t signals;
} moments[] = {
    {"both off", 0, 0, 10, 10, 0},
    {"RX: less", 11, 0, 10, 10, 0},
    {"RX: as much", 10, 0, 10, 10, RT},
    {"RX: more", 9, 0, 10, 10, RT},
    {"RX: empty", 1, 0, 0, 10, 0},
    {"TX: less", 0, 11, 10, 10, 0},
    {"TX: as much", 0, 10, 10, 10, WT},
    {"TX: more", 0, 9, 10, 10, WT},
    {"TX: full", 0, 1, 10, 0, 0},
    {"both", 10, 10, 10, 10, RT | WT},
};

static void fill_to(const struct moment *moment, struct pair pair) {
    if (moment->queued_at_x) {
        // In two, so that in datagram mode neither is as large as the threshold.
        put(pair.y, moment->queued_at_x / 2);
        put(pair.y, moment->queued_at_x - moment->queued_at_x / 2);
    }
    put(pair.x, pair.capacity - moment->free_at_y);
}

static zx_signals_t thresholds(zx_handle_t handle) {
    return signals_of(handle) & (RT | WT);
}

static void try_moment(const struct moment *moment, uint32_t mode) {
    struct pair pair = make_pair(mode);
    ROW("mode %u, %s: set, then filled", mode, moment->name);
    set_threshold(pair.x, RX, moment->read_threshold);
    set_threshold(pair.x, TX, moment->write_room);
    fill_to(moment, pair);
    EQUAL(thresholds(pair.x), moment->signals);
    ROW("mode %u, %s: off", mode, moment->name);
    set_threshold(pair.x, RX, 0);
    set_threshold(pair.x, TX, 0);
    EQUAL(thresholds(pair.x), 0);
    ROW("mode %u, %s: filled, then set", mode, moment->name);
    set_threshold(pair.x, RX, moment->read_threshold);
    set_threshold(pair.x, TX, moment->write_room);
    EQUAL(thresholds(pair.x), moment->signals);
    EQUAL(signals_of(pair.y) & (RT | WT), 0);
    close_pair(pair);
}

static void changed_upwards(void) {
    ROW("a higher value than what there is turns the signal off at once");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    put(pair.y, 10);
    set_threshold(pair.x, RX, 10);
    set_threshold(pair.x, TX, pair.capacity);
    EQUAL(thresholds(pair.x), RT | WT);
    set_threshold(pair.x, RX, 11);
    EQUAL(thresholds(pair.x), WT);
    put(pair.x, 1);
    EQUAL(thresholds(pair.x), 0);
    set_threshold(pair.x, TX, pair.capacity - 1);
    EQUAL(thresholds(pair.x), WT);
    close_pair(pair);
}

static void write_threshold_outlives_the_peer(void) {
    ROW("WRITE_THRESHOLD stays for ever once the peer is gone");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    set_threshold(pair.x, TX, 1);
    OK(zx_handle_close(pair.y));
    EQUAL(signals_of(pair.x), ZX_SOCKET_PEER_CLOSED | WT);
    size_t zero = 0;
    STATUS(zx_object_set_property(pair.x, TX, &zero, sizeof zero), ZX_ERR_PEER_CLOSED);
    EQUAL(signals_of(pair.x), ZX_SOCKET_PEER_CLOSED | WT);
    EQUAL(get_threshold(pair.x, TX), 1);
    close_pair(pair);

    ROW("READ_THRESHOLD can still be set");
    pair = make_pair_in_state(ZX_SOCKET_STREAM, DATA_FOR_X | Y_IS_CLOSED);
    set_threshold(pair.x, RX, 10);
    EQUAL(thresholds(pair.x), RT);
    take(pair.x, 10);
    EQUAL(thresholds(pair.x), 0);
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    for (uint32_t mode = ZX_SOCKET_STREAM; mode <= ZX_SOCKET_DATAGRAM; mode++)
        for (size_t i = 0; i < COUNT(moments); i++)
            try_moment(&moments[i], mode);
    changed_upwards();
    write_threshold_outlives_the_peer();
    return check_end();
}
