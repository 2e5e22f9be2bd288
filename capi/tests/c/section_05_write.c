// Section 5: zx_socket_write.

#include "check.h"

enum { S = ZX_SOCKET_STREAM, D = ZX_SOCKET_DATAGRAM };

// A size of so many bytes more than the capacity.
#define CAPACITY_AND(n) .capacities = 1, .size = (n)
#define ANY_SIZE_TOO_LARGE ((int64_t)1 << 32)

static const struct row {
    const char *name;
    uint32_t mode;
    unsigned state;
    int64_t queued;     // bytes in Y's buffer before; negative: that much less than the capacity
    enum who who;
    bool null_buffer;
    uint32_t options;
    int64_t capacities, size;
    zx_status_t status;
    int64_t short_by;   // how much less than asked is written
} rows[] = {
    {"1: null buffer", S, .null_buffer = true, .size = 1, .status = ZX_ERR_INVALID_ARGS},
    {"1 not: null buffer of size 0", S, .null_buffer = true, .size = 0, .status = ZX_OK},
    {"2: option", S, .options = 1, .size = 1, .status = ZX_ERR_INVALID_ARGS},
    {"2: option of read", S, .options = ZX_SOCKET_PEEK, .size = 1, .status = ZX_ERR_INVALID_ARGS},
    {"2: option, once CONTROL", D, .options = 4, .size = 1, .status = ZX_ERR_INVALID_ARGS},
    {"2: option, size 0", D, .options = 1, .size = 0, .status = ZX_ERR_INVALID_ARGS},
    {"3: no handle", S, .who = NO_HANDLE, .size = 1, .status = ZX_ERR_BAD_HANDLE},
    {"3: not a handle", S, .who = NOT_A_HANDLE, .size = 1, .status = ZX_ERR_BAD_HANDLE},
    {"3: closed handle", S, .who = CLOSED_HANDLE, .size = 1, .status = ZX_ERR_BAD_HANDLE},
    {"3: event", S, .who = AN_EVENT, .size = 1, .status = ZX_ERR_WRONG_TYPE},
    {"3: port", S, .who = A_PORT, .size = 1, .status = ZX_ERR_WRONG_TYPE},
    {"3: no right", S, .who = X_LACKING, .size = 1, .status = ZX_ERR_ACCESS_DENIED},
    {"3: no right, size 0", S, .who = X_LACKING, .size = 0, .status = ZX_ERR_ACCESS_DENIED},
    {"4: peer closed", S, Y_IS_CLOSED, .size = 1, .status = ZX_ERR_PEER_CLOSED},
    {"4: peer closed, size 0", S, Y_IS_CLOSED, .size = 0, .status = ZX_ERR_PEER_CLOSED},
    {"4: peer closed, datagram", D, Y_IS_CLOSED, .size = 1, .status = ZX_ERR_PEER_CLOSED},
    {"4: peer closed and disabled", S, Y_IS_CLOSED | X_DISABLED, .size = 1,
     .status = ZX_ERR_PEER_CLOSED},
    {"4: peer closed, huge", S, Y_IS_CLOSED, .size = ANY_SIZE_TOO_LARGE,
     .status = ZX_ERR_PEER_CLOSED},
    {"5: disabled", S, X_DISABLED, .size = 1, .status = ZX_ERR_BAD_STATE},
    {"5: disabled, size 0", S, X_DISABLED, .size = 0, .status = ZX_ERR_BAD_STATE},
    {"5: disabled and full", S, X_DISABLED | Y_IS_FULL, .size = 1, .status = ZX_ERR_BAD_STATE},
    {"5: disabled, huge", D, X_DISABLED, .size = ANY_SIZE_TOO_LARGE, .status = ZX_ERR_BAD_STATE},
    {"5 not: the peer is disabled", S, Y_DISABLED, .size = 1, .status = ZX_OK},
    {"6: size 0", S, .size = 0, .status = ZX_OK},
    {"6: size 0, datagram", D, .size = 0, .status = ZX_OK},
    {"6: size 0, full", S, Y_IS_FULL, .size = 0, .status = ZX_OK},
    {"6: size 0, full, datagram", D, Y_IS_FULL, .size = 0, .status = ZX_OK},
    {"7: huge", S, .size = ANY_SIZE_TOO_LARGE, .status = ZX_ERR_INVALID_ARGS},
    {"7: huge, datagram", D, .size = ANY_SIZE_TOO_LARGE, .status = ZX_ERR_INVALID_ARGS},
    {"7: huge and full", S, Y_IS_FULL, .size = ANY_SIZE_TOO_LARGE, .status = ZX_ERR_INVALID_ARGS},
    {"8: full", S, Y_IS_FULL, .size = 1, .status = ZX_ERR_SHOULD_WAIT},
    {"8: full, datagram", D, Y_IS_FULL, .size = 1, .status = ZX_ERR_SHOULD_WAIT},
    {"8: full, oversized datagram", D, Y_IS_FULL, CAPACITY_AND(1), .status = ZX_ERR_SHOULD_WAIT},
    {"9: oversized datagram", D, CAPACITY_AND(1), .status = ZX_ERR_OUT_OF_RANGE},
    {"9: oversized datagram, something queued", D, .queued = 1, CAPACITY_AND(1),
     .status = ZX_ERR_OUT_OF_RANGE},
    {"10: datagram larger than what is left", D, .queued = 1, CAPACITY_AND(0),
     .status = ZX_ERR_SHOULD_WAIT},
    {"10: datagram of one more than what is left", D, .queued = -5, .size = 6,
     .status = ZX_ERR_SHOULD_WAIT},
    {"12: one byte", S, .size = 1, .status = ZX_OK},
    {"12: one byte, datagram", D, .size = 1, .status = ZX_OK},
    {"12: the last byte", S, .queued = -1, .size = 1, .status = ZX_OK},
    {"12: exactly what is left, datagram", D, .queued = -5, .size = 5, .status = ZX_OK},
    {"12: the whole capacity", S, CAPACITY_AND(0), .status = ZX_OK},
    {"12: the whole capacity, datagram", D, CAPACITY_AND(0), .status = ZX_OK},
    {"12: more than the capacity, stream", S, CAPACITY_AND(1000), .status = ZX_OK,
     .short_by = 1000},
    {"12: more than what is left, stream", S, .queued = -5, .size = 8, .status = ZX_OK,
     .short_by = 3},
};

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    struct pair pair = make_pair_in_state(row->mode, row->state);
    if (row->queued)
        put(pair.x, (row->queued < 0 ? pair.capacity : 0) + (size_t)row->queued);
    zx_handle_t handle = handle_of(row->who, pair, ZX_RIGHT_WRITE);
    zx_signals_t before = signals_of(pair.x);
    size_t size = (size_t)row->capacities * pair.capacity + (size_t)row->size;
    size_t actual = UNTOUCHED;

    STATUS(zx_socket_write(handle, row->options, row->null_buffer ? NULL : big, size, &actual),
           row->status);
    EQUAL(actual, row->status == ZX_OK ? size - (size_t)row->short_by : UNTOUCHED);
    if (row->status != ZX_OK || size == 0) {
        ROW("%s: changes no signal", row->name);
        EQUAL(signals_of(pair.x), before);
    }
    zx_handle_close(handle);
    close_pair(pair);
}

static void zero_length_write_queues_nothing(void) {
    for (uint32_t mode = S; mode <= D; mode++) {
        ROW("size 0 creates nothing, mode %u", mode);
        struct pair pair = make_pair(mode);
        OK(zx_socket_write(pair.x, 0, NULL, 0, NULL));
        EQUAL(signals_of(pair.y), ZX_SOCKET_WRITABLE);
        STATUS(zx_socket_read(pair.y, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
        close_pair(pair);
    }
}

static void actual_may_be_null(void) {
    ROW("actual null");
    struct pair pair = make_pair(S);
    OK(zx_socket_write(pair.x, 0, "abc", 3, NULL));
    EQUAL(socket_info(pair.y).rx_buf_size, 3);
    close_pair(pair);
}

static void only_payload_counts(void) {
    ROW("as many one-byte datagrams as there are bytes");
    struct pair pair;
    NEED(zocket_socket_create(D, 4096, &pair.x, &pair.y));
    pair.capacity = socket_info(pair.x).tx_buf_max;
    for (size_t i = 0; i < pair.capacity; i++)
        put(pair.x, 1);
    STATUS(zx_socket_write(pair.x, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
    EQUAL(signals_of(pair.x), 0);
    for (size_t i = 0; i < pair.capacity; i++)
        take(pair.y, 1);
    STATUS(zx_socket_read(pair.y, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
    close_pair(pair);
}

static void bytes_arrive_in_order(void) {
    ROW("bytes in order, round the end of the buffer");
    struct pair pair = make_pair(S);
    unsigned char out[1000], in[1000];
    unsigned next_out = 0, next_in = 0;
    for (int turn = 0; turn < 1000; turn++) {
        for (size_t i = 0; i < sizeof out; i++)
            out[i] = (unsigned char)(next_out++ * 31);
        OK(zx_socket_write(pair.x, 0, out, sizeof out, NULL));
        OK(zx_socket_read(pair.y, 0, in, sizeof in, NULL));
        for (size_t i = 0; i < sizeof in; i++)
            if (in[i] != (unsigned char)(next_in++ * 31)) {
                EQUAL(in[i], (unsigned char)((next_in - 1) * 31));
                turn = 1000;
                break;
            }
    }
    close_pair(pair);
}

static void signals_after_the_copy(void) {
    ROW("READABLE with the first byte");
    struct pair pair = make_pair(S);
    put(pair.x, 1);
    EQUAL(signals_of(pair.y), ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE);
    ROW("READ_THRESHOLD when enough is there");
    set_threshold(pair.y, ZX_PROP_SOCKET_RX_THRESHOLD, 3);
    put(pair.x, 1);
    EQUAL(signals_of(pair.y), ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
    put(pair.x, 1);
    EQUAL(signals_of(pair.y), ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE | ZX_SOCKET_READ_THRESHOLD);
    ROW("WRITE_THRESHOLD goes when too little room is left");
    set_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, pair.capacity - 4);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE | ZX_SOCKET_WRITE_THRESHOLD);
    put(pair.x, 1);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE | ZX_SOCKET_WRITE_THRESHOLD);
    put(pair.x, 1);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE);
    ROW("WRITABLE goes with the last room");
    put(pair.x, pair.capacity - 5);
    EQUAL(signals_of(pair.x), 0);
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    zero_length_write_queues_nothing();
    actual_may_be_null();
    only_payload_counts();
    bytes_arrive_in_order();
    signals_after_the_copy();
    return check_end();
}
