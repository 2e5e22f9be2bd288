// Section 11: zx_object_get_property, zx_object_set_property: the order of their checks.

#include "check.h"

enum { GET, SET };
enum { RX = ZX_PROP_SOCKET_RX_THRESHOLD, TX = ZX_PROP_SOCKET_TX_THRESHOLD };
enum { UNKNOWN = 99, NAME = ZX_PROP_NAME };

static const struct row {
    const char *name;
    int call;
    enum who who;
    uint32_t property;
    bool null;
    size_t size;
    zx_status_t status;
} rows[] = {
    {"get: null", GET, X, RX, true, 8, ZX_ERR_INVALID_ARGS},
    {"get: closed handle", GET, CLOSED_HANDLE, RX, false, 8, ZX_ERR_BAD_HANDLE},
    {"get: no handle", GET, NO_HANDLE, RX, false, 8, ZX_ERR_BAD_HANDLE},
    {"get: no right", GET, X_LACKING, RX, false, 8, ZX_ERR_ACCESS_DENIED},
    {"get: event, which has not the right", GET, AN_EVENT, RX, false, 8, ZX_ERR_ACCESS_DENIED},
    {"get: port, which has not the right", GET, A_PORT, TX, false, 8, ZX_ERR_ACCESS_DENIED},
    {"get: unknown", GET, X, UNKNOWN, false, 8, ZX_ERR_NOT_SUPPORTED},
    {"get: RX, small", GET, X, RX, false, 7, ZX_ERR_BUFFER_TOO_SMALL},
    {"get: TX, size 0", GET, X, TX, false, 0, ZX_ERR_BUFFER_TOO_SMALL},
    {"get: RX", GET, X, RX, false, 8, ZX_OK},
    {"get: TX, larger", GET, X, TX, false, 16, ZX_OK},
    {"get: name, small", GET, X, NAME, false, 31, ZX_ERR_BUFFER_TOO_SMALL},
    {"get: name", GET, X, NAME, false, 32, ZX_ERR_WRONG_TYPE},
    {"set: null", SET, X, RX, true, 8, ZX_ERR_INVALID_ARGS},
    {"set: closed handle", SET, CLOSED_HANDLE, RX, false, 8, ZX_ERR_BAD_HANDLE},
    {"set: no right", SET, X_LACKING, RX, false, 8, ZX_ERR_ACCESS_DENIED},
    {"set: event, which has not the right", SET, AN_EVENT, RX, false, 8, ZX_ERR_ACCESS_DENIED},
    {"set: unknown", SET, X, UNKNOWN, false, 8, ZX_ERR_NOT_SUPPORTED},
    {"set: RX, small", SET, X, RX, false, 7, ZX_ERR_BUFFER_TOO_SMALL},
    {"set: TX, small", SET, X, TX, false, 4, ZX_ERR_BUFFER_TOO_SMALL},
    {"set: RX", SET, X, RX, false, 8, ZX_OK},
    {"set: TX, larger", SET, X, TX, false, 16, ZX_OK},
    {"set: name", SET, X, NAME, false, 32, ZX_ERR_WRONG_TYPE},
};

static void try_row(const struct row *row) {
    ROW("%s", row->name);
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    set_threshold(pair.x, RX, 5);
    set_threshold(pair.x, TX, 5);
    zx_rights_t right = row->call == GET ? ZX_RIGHT_GET_PROPERTY : ZX_RIGHT_SET_PROPERTY;
    zx_handle_t handle = handle_of(row->who, pair, right);
    // Its first eight bytes are the number 9; a size above eight must not change that.
    union {
        unsigned char bytes[32];
        size_t number;
    } value = {.bytes = {0}};
    memset(value.bytes, 0x77, sizeof value.bytes);
    value.number = 9;
    void *pointer = row->null ? NULL : &value;

    STATUS(row->call == GET ? zx_object_get_property(handle, row->property, pointer, row->size)
                            : zx_object_set_property(handle, row->property, pointer, row->size),
           row->status);
    bool got = row->call == GET && row->status == ZX_OK;
    EQUAL(value.number, got ? 5 : 9);
    for (size_t i = sizeof value.number; i < sizeof value.bytes; i++)
        EQUAL(value.bytes[i], 0x77);
    if (row->property == RX || row->property == TX)
        EQUAL(get_threshold(pair.x, row->property),
              row->call == SET && row->status == ZX_OK ? 9 : 5);
    zx_handle_close(handle);
    close_pair(pair);
}

int main(void) {
    check_begin();
    for (size_t i = 0; i < COUNT(rows); i++)
        try_row(&rows[i]);
    return check_end();
}
