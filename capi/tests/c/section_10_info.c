// Section 10: zx_object_get_info, zx_handle_check_valid.

#include "check.h"

enum { VALID = ZX_INFO_HANDLE_VALID, BASIC = ZX_INFO_HANDLE_BASIC };
enum { HANDLES = ZX_INFO_HANDLE_COUNT, SOCKET = ZX_INFO_SOCKET };

// Whether there is a buffer, and what is written of actual and avail.
enum { SOME = true, NONE = false };
enum { NEITHER, COUNTS_0_1, COUNTS_1_1 };

static const struct row {
    const char *name;
    enum who who;           // X_LACKING lacks INSPECT
    uint32_t topic;
    bool buffer;
    size_t size;
    zx_status_t status;
    int counts;
    size_t copied;
} rows[] = {
    {"valid", X, VALID, SOME, 0, ZX_OK, NEITHER, 0},
    {"valid, no buffer", X, VALID, NONE, 0, ZX_OK, NEITHER, 0},
    {"valid, buffer ignored", X, VALID, SOME, 100, ZX_OK, NEITHER, 0},
    {"valid, without a right", X_LACKING, VALID, NONE, 0, ZX_OK, NEITHER, 0},
    {"valid, port", A_PORT, VALID, NONE, 0, ZX_OK, NEITHER, 0},
    {"valid, no handle", NO_HANDLE, VALID, NONE, 0, ZX_ERR_BAD_HANDLE, NEITHER, 0},
    {"valid, closed", CLOSED_HANDLE, VALID, NONE, 0, ZX_ERR_BAD_HANDLE, NEITHER, 0},

    {"basic", X, BASIC, SOME, 32, ZX_OK, COUNTS_1_1, 32},
    {"basic, larger buffer", X, BASIC, SOME, 100, ZX_OK, COUNTS_1_1, 32},
    {"basic, small buffer", X, BASIC, SOME, 31, ZX_ERR_BUFFER_TOO_SMALL, COUNTS_0_1, 0},
    {"basic, size 0", X, BASIC, SOME, 0, ZX_ERR_BUFFER_TOO_SMALL, COUNTS_0_1, 0},
    {"basic, null of sufficient size", X, BASIC, NONE, 32, ZX_ERR_INVALID_ARGS, NEITHER, 0},
    {"basic, null of insufficient size", X, BASIC, NONE, 31, ZX_ERR_BUFFER_TOO_SMALL, COUNTS_0_1,
     0},
    {"basic, without a right", AN_EVENT_LACKING, BASIC, SOME, 32, ZX_OK, COUNTS_1_1, 32},
    {"basic, port", A_PORT, BASIC, SOME, 32, ZX_OK, COUNTS_1_1, 32},
    {"basic, closed", CLOSED_HANDLE, BASIC, SOME, 32, ZX_ERR_BAD_HANDLE, NEITHER, 0},

    {"count", X, HANDLES, SOME, 4, ZX_OK, COUNTS_1_1, 4},
    {"count, larger buffer", X, HANDLES, SOME, 9, ZX_OK, COUNTS_1_1, 4},
    {"count, event", AN_EVENT, HANDLES, SOME, 4, ZX_OK, COUNTS_1_1, 4},
    {"count, small buffer", X, HANDLES, SOME, 3, ZX_ERR_BUFFER_TOO_SMALL, COUNTS_0_1, 0},
    {"count, null", X, HANDLES, NONE, 4, ZX_ERR_INVALID_ARGS, NEITHER, 0},
    {"count, no right", X_LACKING, HANDLES, SOME, 4, ZX_ERR_ACCESS_DENIED, NEITHER, 0},

    {"socket", X, SOCKET, SOME, 48, ZX_OK, COUNTS_1_1, 48},
    {"socket, larger buffer", X, SOCKET, SOME, 49, ZX_OK, COUNTS_1_1, 48},
    {"socket, small buffer", X, SOCKET, SOME, 47, ZX_ERR_BUFFER_TOO_SMALL, COUNTS_0_1, 0},
    {"socket, null", X, SOCKET, NONE, 48, ZX_ERR_INVALID_ARGS, NEITHER, 0},
    {"socket, event", AN_EVENT, SOCKET, SOME, 48, ZX_ERR_WRONG_TYPE, NEITHER, 0},
    {"socket, port", A_PORT, SOCKET, SOME, 48, ZX_ERR_WRONG_TYPE, NEITHER, 0},
    {"socket, no right", X_LACKING, SOCKET, SOME, 48, ZX_ERR_ACCESS_DENIED, NEITHER, 0},

    {"no topic", X, ZX_INFO_NONE, SOME, 100, ZX_ERR_NOT_SUPPORTED, NEITHER, 0},
    {"unknown topic", X, 9999, SOME, 100, ZX_ERR_NOT_SUPPORTED, NEITHER, 0},
};

static void try_row(const struct row *row, bool with_actual, bool with_avail) {
    ROW("%s", row->name);
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t handle = handle_of(row->who, pair, ZX_RIGHT_INSPECT);
    size_t actual = UNTOUCHED, avail = UNTOUCHED;
    unsigned char buffer[128];
    memset(buffer, 0x77, sizeof buffer);

    STATUS(zx_object_get_info(handle, row->topic, row->buffer ? buffer : NULL, row->size,
                              with_actual ? &actual : NULL, with_avail ? &avail : NULL),
           row->status);
    bool counted = row->counts != NEITHER;
    EQUAL(actual, counted && with_actual ? row->counts == COUNTS_1_1 : UNTOUCHED);
    EQUAL(avail, counted && with_avail ? 1 : UNTOUCHED);
    ROW("%s: exactly the record", row->name);
    if (row->copied)
        TRUE(memchr(buffer, 0x77, row->copied) == NULL || row->topic == BASIC);
    for (size_t i = row->copied; i < sizeof buffer; i++)
        EQUAL(buffer[i], 0x77);
    zx_handle_close(handle);
    close_pair(pair);
}

static uint32_t handle_count(zx_handle_t handle) {
    zx_info_handle_count_t info = {UNTOUCHED};
    OK(zx_object_get_info(handle, HANDLES, &info, sizeof info, NULL, NULL));
    return info.handle_count;
}

static void counts(void) {
    ROW("handle count");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    EQUAL(handle_count(pair.x), 1);
    zx_handle_t second = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    EQUAL(handle_count(pair.x), 2);
    EQUAL(handle_count(pair.y), 1);
    OK(zx_handle_close(pair.x));
    EQUAL(handle_count(second), 1);
    OK(zx_handle_close(second));
    close_pair(pair);
}

static void expect_info(zx_handle_t handle, zx_info_socket_t expected) {
    zx_info_socket_t info = socket_info(handle);
    EQUAL(info.options, expected.options);
    EQUAL(memcmp(info.padding1, "\0\0\0\0", 4), 0);
    EQUAL(info.rx_buf_max, expected.rx_buf_max);
    EQUAL(info.rx_buf_size, expected.rx_buf_size);
    EQUAL(info.rx_buf_available, expected.rx_buf_available);
    EQUAL(info.tx_buf_max, expected.tx_buf_max);
    EQUAL(info.tx_buf_size, expected.tx_buf_size);
}

static void sockets(uint32_t mode) {
    struct pair pair = make_pair(mode);
    size_t max = pair.capacity;
    TRUE(max > 0);
    ROW("mode %u: empty", mode);
    expect_info(pair.x, (zx_info_socket_t){mode, {0}, max, 0, 0, max, 0});
    ROW("mode %u: queued both ways", mode);
    put(pair.y, 10);
    put(pair.y, 20);
    put(pair.x, 5);
    size_t next = mode == ZX_SOCKET_DATAGRAM ? 10 : 30;
    expect_info(pair.x, (zx_info_socket_t){mode, {0}, max, 30, next, max, 5});
    expect_info(pair.y, (zx_info_socket_t){mode, {0}, max, 5, 5, max, 30});
    ROW("mode %u: some read", mode);
    unsigned char in[10];
    OK(zx_socket_read(pair.x, 0, in, sizeof in, NULL));
    expect_info(pair.x, (zx_info_socket_t){mode, {0}, max, 20, 20, max, 5});
    expect_info(pair.y, (zx_info_socket_t){mode, {0}, max, 5, 5, max, 20});
    ROW("mode %u: peer closed", mode);
    OK(zx_handle_close(pair.y));
    expect_info(pair.x, (zx_info_socket_t){mode, {0}, max, 20, 20, 0, 0});
    close_pair(pair);
}

static void check_valid(void) {
    zx_handle_t event = make_event();
    ROW("check_valid");
    OK(zx_handle_check_valid(event));
    STATUS(zx_handle_check_valid(0), ZX_ERR_INVALID_ARGS);
    STATUS(zx_handle_check_valid(event & ~1u), ZX_ERR_OUT_OF_RANGE);
    STATUS(zx_handle_check_valid(event & ~2u), ZX_ERR_OUT_OF_RANGE);
    STATUS(zx_handle_check_valid(4), ZX_ERR_OUT_OF_RANGE);
    OK(zx_handle_close(event));
    STATUS(zx_handle_check_valid(event), ZX_ERR_NOT_FOUND);
    STATUS(zx_handle_check_valid(UINT32_MAX), ZX_ERR_NOT_FOUND);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int null = 0; null < 4; null++)
            try_row(&rows[i], !(null & 1), !(null & 2));
    counts();
    sockets(ZX_SOCKET_STREAM);
    sockets(ZX_SOCKET_DATAGRAM);
    check_valid();
    return check_end();
}
