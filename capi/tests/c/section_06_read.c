// Section 6: zx_socket_read.

#include "check.h"

enum { S = ZX_SOCKET_STREAM, D = ZX_SOCKET_DATAGRAM, PEEK = ZX_SOCKET_PEEK };

#define ANY_SIZE_TOO_LARGE ((size_t)1 << 32)

static const struct row {
    const char *name;
    uint32_t mode;
    unsigned state;     // DATA_FOR_X is ten bytes, one datagram
    enum who who;
    bool null_buffer;
    uint32_t options;
    size_t size;
    zx_status_t status;
    size_t actual;
    size_t left;        // bytes queued afterwards
} rows[] = {
    {"1: null buffer", S, DATA_FOR_X, .null_buffer = true, .size = 1,
     .status = ZX_ERR_INVALID_ARGS, .left = 10},
    {"2: option", S, DATA_FOR_X, .options = 1, .size = 1, .status = ZX_ERR_INVALID_ARGS,
     .left = 10},
    {"2: option beside PEEK", S, DATA_FOR_X, .options = PEEK | 4, .size = 1,
     .status = ZX_ERR_INVALID_ARGS, .left = 10},
    {"3: no handle", S, DATA_FOR_X, NO_HANDLE, .size = 1, .status = ZX_ERR_BAD_HANDLE, .left = 10},
    {"3: not a handle", S, DATA_FOR_X, NOT_A_HANDLE, .size = 1, .status = ZX_ERR_BAD_HANDLE,
     .left = 10},
    {"3: closed handle", S, DATA_FOR_X, CLOSED_HANDLE, .size = 1, .status = ZX_ERR_BAD_HANDLE,
     .left = 10},
    {"3: event", S, DATA_FOR_X, AN_EVENT, .size = 1, .status = ZX_ERR_WRONG_TYPE, .left = 10},
    {"3: port", S, DATA_FOR_X, A_PORT, .size = 1, .status = ZX_ERR_WRONG_TYPE, .left = 10},
    {"3: no right", S, DATA_FOR_X, X_LACKING, .size = 1, .status = ZX_ERR_ACCESS_DENIED,
     .left = 10},
    {"4: huge", S, DATA_FOR_X, .size = ANY_SIZE_TOO_LARGE, .status = ZX_ERR_INVALID_ARGS,
     .left = 10},
    {"4: huge and empty", S, 0, .size = ANY_SIZE_TOO_LARGE, .status = ZX_ERR_INVALID_ARGS},
    {"4: huge, empty, peer closed", S, Y_IS_CLOSED, .size = ANY_SIZE_TOO_LARGE,
     .status = ZX_ERR_INVALID_ARGS},
    {"5: empty, peer closed", S, Y_IS_CLOSED, .size = 1, .status = ZX_ERR_PEER_CLOSED},
    {"5: empty, peer closed, size 0", S, Y_IS_CLOSED, .size = 0, .status = ZX_ERR_PEER_CLOSED},
    {"5: empty, peer closed, peek", D, Y_IS_CLOSED, .options = PEEK, .size = 1,
     .status = ZX_ERR_PEER_CLOSED},
    {"5: empty, peer closed and disabled", S, Y_IS_CLOSED | Y_DISABLED, .size = 1,
     .status = ZX_ERR_PEER_CLOSED},
    {"6: empty, peer disabled", S, Y_DISABLED, .size = 1, .status = ZX_ERR_BAD_STATE},
    {"6: empty, peer disabled, size 0", D, Y_DISABLED, .size = 0, .status = ZX_ERR_BAD_STATE},
    {"6: empty, peer disabled, peek", S, Y_DISABLED, .options = PEEK, .size = 1,
     .status = ZX_ERR_BAD_STATE},
    {"6 not: empty, this side disabled", S, X_DISABLED, .size = 1, .status = ZX_ERR_SHOULD_WAIT},
    {"7: empty", S, 0, .size = 1, .status = ZX_ERR_SHOULD_WAIT},
    {"7: empty, datagram", D, 0, .size = 1, .status = ZX_ERR_SHOULD_WAIT},
    {"7: empty, size 0", S, 0, .size = 0, .status = ZX_ERR_SHOULD_WAIT},
    {"7: empty, size 0, null buffer", D, 0, .null_buffer = true, .size = 0,
     .status = ZX_ERR_SHOULD_WAIT},
    {"7: empty, peek", S, 0, .options = PEEK, .size = 1, .status = ZX_ERR_SHOULD_WAIT},
    {"9: size 0 consumes nothing", S, DATA_FOR_X, .size = 0, .status = ZX_OK, .left = 10},
    {"9: size 0 does not drop the datagram", D, DATA_FOR_X, .null_buffer = true, .size = 0,
     .status = ZX_OK, .left = 10},
    {"9: part", S, DATA_FOR_X, .size = 4, .status = ZX_OK, .actual = 4, .left = 6},
    {"9: all", S, DATA_FOR_X, .size = 10, .status = ZX_OK, .actual = 10},
    {"9: more than there is", S, DATA_FOR_X, .size = 11, .status = ZX_OK, .actual = 10},
    {"9: whole datagram", D, DATA_FOR_X, .size = 11, .status = ZX_OK, .actual = 10},
    {"9: short buffer loses the rest of the datagram", D, DATA_FOR_X, .size = 4, .status = ZX_OK,
     .actual = 4},
    {"9: data wins over closed peer", S, DATA_FOR_X | Y_IS_CLOSED, .size = 4, .status = ZX_OK,
     .actual = 4, .left = 6},
    {"9: data wins over disabled peer", S, DATA_FOR_X | Y_DISABLED, .size = 4, .status = ZX_OK,
     .actual = 4, .left = 6},
    {"9: data wins over both, datagram", D, DATA_FOR_X | Y_DISABLED | Y_IS_CLOSED, .size = 10,
     .status = ZX_OK, .actual = 10},
    {"9: peek", S, DATA_FOR_X, .options = PEEK, .size = 4, .status = ZX_OK, .actual = 4,
     .left = 10},
    {"9: peek at a datagram", D, DATA_FOR_X, .options = PEEK, .size = 4, .status = ZX_OK,
     .actual = 4, .left = 10},
    {"9: peek at more than there is", S, DATA_FOR_X, .options = PEEK, .size = 99, .status = ZX_OK,
     .actual = 10, .left = 10},
};

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    struct pair pair = make_pair_in_state(row->mode, row->state);
    zx_handle_t handle = handle_of(row->who, pair, ZX_RIGHT_READ);
    zx_signals_t before = signals_of(pair.x);
    size_t actual = UNTOUCHED;

    STATUS(zx_socket_read(handle, row->options, row->null_buffer ? NULL : big, row->size, &actual),
           row->status);
    EQUAL(actual, row->status == ZX_OK ? row->actual : UNTOUCHED);
    EQUAL(socket_info(pair.x).rx_buf_size, row->left);
    zx_signals_t readable = row->left ? ZX_SOCKET_READABLE : 0;
    EQUAL(signals_of(pair.x), (before & ~ZX_SOCKET_READABLE) | readable);
    zx_handle_close(handle);
    close_pair(pair);
}

static void datagrams_keep_their_boundaries(void) {
    ROW("never bytes of two datagrams");
    struct pair pair = make_pair(D);
    unsigned char in[16];
    size_t actual;
    OK(zx_socket_write(pair.x, 0, "one", 3, NULL));
    OK(zx_socket_write(pair.x, 0, "second", 6, NULL));
    OK(zx_socket_write(pair.x, 0, "3", 1, NULL));
    OK(zx_socket_read(pair.y, ZX_SOCKET_PEEK, in, sizeof in, &actual));
    EQUAL(actual, 3);
    OK(zx_socket_read(pair.y, 0, in, sizeof in, &actual));
    EQUAL(actual, 3);
    EQUAL(memcmp(in, "one", 3), 0);
    OK(zx_socket_read(pair.y, 0, in, 2, &actual));
    EQUAL(actual, 2);
    EQUAL(memcmp(in, "se", 2), 0);
    OK(zx_socket_read(pair.y, 0, in, sizeof in, &actual));
    EQUAL(actual, 1);
    EQUAL(in[0], '3');
    close_pair(pair);
}

static void stream_joins_writes(void) {
    ROW("stream has no boundaries, and peeking is repeatable");
    struct pair pair = make_pair(S);
    char in[16] = "";
    size_t actual;
    OK(zx_socket_write(pair.x, 0, "abc", 3, NULL));
    OK(zx_socket_write(pair.x, 0, "defg", 4, NULL));
    for (int i = 0; i < 2; i++) {
        OK(zx_socket_read(pair.y, ZX_SOCKET_PEEK, in, 5, &actual));
        EQUAL(actual, 5);
        EQUAL(memcmp(in, "abcde", 5), 0);
    }
    OK(zx_socket_read(pair.y, 0, in, sizeof in, NULL));
    EQUAL(memcmp(in, "abcdefg", 7), 0);
    close_pair(pair);
}

static void only_what_was_read_is_written(void) {
    ROW("the buffer beyond actual is untouched");
    struct pair pair = make_pair_in_state(S, DATA_FOR_X);
    unsigned char in[12];
    memset(in, 0x77, sizeof in);
    OK(zx_socket_read(pair.x, 0, in, sizeof in, NULL));
    EQUAL(in[10], 0x77);
    EQUAL(in[11], 0x77);
    close_pair(pair);
}

static void signals_after_a_read(void) {
    ROW("READ_THRESHOLD goes below it");
    struct pair pair = make_pair_in_state(S, DATA_FOR_X);
    set_threshold(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD, 5);
    EQUAL(signals_of(pair.x), ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE | ZX_SOCKET_READ_THRESHOLD);
    take(pair.x, 5);
    EQUAL(signals_of(pair.x), ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE | ZX_SOCKET_READ_THRESHOLD);
    take(pair.x, 1);
    EQUAL(signals_of(pair.x), ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
    ROW("READABLE goes with the last byte");
    take(pair.x, 4);
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE);
    close_pair(pair);

    ROW("the writer's WRITE_THRESHOLD comes with room");
    pair = make_pair_in_state(S, Y_IS_FULL);
    set_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, 3);
    EQUAL(signals_of(pair.x), 0);
    ROW("the writer's WRITABLE comes with the first byte of room");
    take(pair.y, pair.capacity);
    put(pair.x, pair.capacity);
    unsigned char in[4];
    OK(zx_socket_read(pair.y, 0, in, 1, NULL));
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE);
    OK(zx_socket_read(pair.y, 0, in, 2, NULL));
    EQUAL(signals_of(pair.x), ZX_SOCKET_WRITABLE | ZX_SOCKET_WRITE_THRESHOLD);
    close_pair(pair);

    ROW("peeking and reading nothing make no room");
    pair = make_pair_in_state(S, Y_IS_FULL);
    OK(zx_socket_read(pair.y, ZX_SOCKET_PEEK, in, 4, NULL));
    OK(zx_socket_read(pair.y, 0, in, 0, NULL));
    EQUAL(signals_of(pair.x), 0);
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    datagrams_keep_their_boundaries();
    stream_joins_writes();
    only_what_was_read_is_written();
    signals_after_a_read();
    return check_end();
}
