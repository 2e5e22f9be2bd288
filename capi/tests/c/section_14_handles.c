// Section 14: closing, duplicating, replacing.

#include "check.h"

static const struct row {
    const char *name;
    zx_rights_t source;     // rights of the source
    zx_rights_t rights;     // asked for
    zx_status_t duplicate;
    zx_status_t replace;    // the source is closed in either case
    zx_rights_t result;
} rows[] = {
    {"same rights", ZX_DEFAULT_SOCKET_RIGHTS, ZX_RIGHT_SAME_RIGHTS, ZX_OK, ZX_OK,
     ZX_DEFAULT_SOCKET_RIGHTS},
    {"all rights by name", ZX_DEFAULT_SOCKET_RIGHTS, ZX_DEFAULT_SOCKET_RIGHTS, ZX_OK, ZX_OK,
     ZX_DEFAULT_SOCKET_RIGHTS},
    {"fewer", ZX_DEFAULT_SOCKET_RIGHTS, ZX_RIGHT_READ | ZX_RIGHT_WAIT, ZX_OK, ZX_OK,
     ZX_RIGHT_READ | ZX_RIGHT_WAIT},
    {"none", ZX_DEFAULT_SOCKET_RIGHTS, ZX_RIGHT_NONE, ZX_OK, ZX_OK, ZX_RIGHT_NONE},
    {"same rights of few", ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ, ZX_RIGHT_SAME_RIGHTS, ZX_OK, ZX_OK,
     ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ},
    {"one more", ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ, ZX_RIGHT_READ | ZX_RIGHT_WRITE,
     ZX_ERR_INVALID_ARGS, ZX_ERR_INVALID_ARGS, 0},
    {"not a right", ZX_DEFAULT_SOCKET_RIGHTS, 0x40000000u, ZX_ERR_INVALID_ARGS,
     ZX_ERR_INVALID_ARGS, 0},
    {"same rights and another", ZX_DEFAULT_SOCKET_RIGHTS, ZX_RIGHT_SAME_RIGHTS | ZX_RIGHT_READ,
     ZX_ERR_INVALID_ARGS, ZX_ERR_INVALID_ARGS, 0},
    {"source without DUPLICATE", ZX_RIGHT_READ, ZX_RIGHT_SAME_RIGHTS, ZX_ERR_ACCESS_DENIED, ZX_OK,
     ZX_RIGHT_READ},
    {"source without any right", ZX_RIGHT_NONE, ZX_RIGHT_NONE, ZX_ERR_ACCESS_DENIED, ZX_OK,
     ZX_RIGHT_NONE},
    {"source without DUPLICATE, more rights", ZX_RIGHT_READ, ZX_RIGHT_WRITE, ZX_ERR_ACCESS_DENIED,
     ZX_ERR_INVALID_ARGS, 0},
};

static void expect_handle(zx_handle_t handle, zx_koid_t koid, zx_rights_t rights) {
    zx_info_handle_basic_t info = basic_info(handle);
    EQUAL(info.koid, koid);
    EQUAL(info.rights, rights);
    EQUAL(handle & ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_FIXED_BITS_MASK);
}

static void try_duplicate(const struct row *row, struct pair pair) {
    ROW("duplicate: %s", row->name);
    zx_koid_t koid = basic_info(pair.x).koid;
    zx_handle_t source = with_rights(pair.x, row->source), out = UNTOUCHED;
    STATUS(zx_handle_duplicate(source, row->rights, &out), row->duplicate);
    if (row->duplicate == ZX_OK) {
        TRUE(out != source);
        expect_handle(out, koid, row->result);
        OK(zx_handle_close(out));
    } else {
        EQUAL(out, UNTOUCHED);
    }
    expect_handle(source, koid, row->source);
    OK(zx_handle_close(source));
}

static void try_replace(const struct row *row, struct pair pair) {
    ROW("replace: %s", row->name);
    zx_koid_t koid = basic_info(pair.x).koid;
    zx_handle_t source = with_rights(pair.x, row->source), out = UNTOUCHED;
    STATUS(zx_handle_replace(source, row->rights, &out), row->replace);
    if (row->replace == ZX_OK) {
        TRUE(out != source);
        expect_handle(out, koid, row->result);
        OK(zx_handle_close(out));
    } else {
        EQUAL(out, UNTOUCHED);
    }
    ROW("replace: %s: the source is gone", row->name);
    STATUS(zx_handle_close(source), ZX_ERR_BAD_HANDLE);
}

static void close_handle(void) {
    ROW("close 0");
    OK(zx_handle_close(ZX_HANDLE_INVALID));
    ROW("close");
    zx_handle_t event = make_event();
    OK(zx_handle_close(event));
    ROW("close again");
    STATUS(zx_handle_close(event), ZX_ERR_BAD_HANDLE);
    ROW("close what cannot be a handle");
    STATUS(zx_handle_close(4), ZX_ERR_BAD_HANDLE);
    STATUS(zx_handle_close(UINT32_MAX), ZX_ERR_BAD_HANDLE);
    ROW("close needs no right");
    event = make_event();
    zx_handle_t bare = with_rights(event, ZX_RIGHT_NONE);
    OK(zx_handle_close(bare));
    OK(zx_handle_close(event));
    ROW("a value does not come back soon");
    zx_handle_t old = make_event();
    OK(zx_handle_close(old));
    for (int i = 0; i < 100; i++) {
        zx_handle_t new = make_event();
        TRUE(new != old);
        OK(zx_handle_close(new));
    }
}

static void close_many(void) {
    ROW("close_many: nothing");
    OK(zx_handle_close_many(NULL, 0));
    ROW("close_many: null");
    STATUS(zx_handle_close_many(NULL, 1), ZX_ERR_INVALID_ARGS);
    ROW("close_many: all valid, and 0 among them");
    zx_handle_t handles[] = {make_event(), 0, make_event(), 0};
    OK(zx_handle_close_many(handles, 4));
    STATUS(zx_handle_check_valid(handles[0]), ZX_ERR_NOT_FOUND);
    STATUS(zx_handle_check_valid(handles[2]), ZX_ERR_NOT_FOUND);
    ROW("close_many: an invalid one does not keep the others");
    handles[0] = make_event();
    handles[1] = closed_handle();
    handles[2] = make_event();
    STATUS(zx_handle_close_many(handles, 3), ZX_ERR_BAD_HANDLE);
    STATUS(zx_handle_check_valid(handles[0]), ZX_ERR_NOT_FOUND);
    STATUS(zx_handle_check_valid(handles[2]), ZX_ERR_NOT_FOUND);
    ROW("close_many: one twice");
    handles[0] = handles[1] = make_event();
    STATUS(zx_handle_close_many(handles, 2), ZX_ERR_BAD_HANDLE);
    STATUS(zx_handle_check_valid(handles[0]), ZX_ERR_NOT_FOUND);
}

static void close_very_many(void) {
    enum { MANY = 1000 };
    static zx_handle_t handles[MANY + 1];
    ROW("close_many: no limit");
    for (int i = 0; i < MANY; i++)
        handles[i] = make_event();
    OK(zx_handle_close_many(handles, MANY));
    for (int i = 0; i < MANY; i++)
        STATUS(zx_handle_check_valid(handles[i]), ZX_ERR_NOT_FOUND);
    ROW("close_many: an invalid one long before the end");
    handles[0] = closed_handle();
    for (int i = 1; i < MANY; i++)
        handles[i] = make_event();
    STATUS(zx_handle_close_many(handles, MANY), ZX_ERR_BAD_HANDLE);
    for (int i = 0; i < MANY; i++)
        STATUS(zx_handle_check_valid(handles[i]), ZX_ERR_NOT_FOUND);
    ROW("close_many: one twice, far apart");
    for (int i = 0; i < MANY; i++)
        handles[i] = make_event();
    handles[MANY] = handles[0];
    STATUS(zx_handle_close_many(handles, MANY + 1), ZX_ERR_BAD_HANDLE);
    for (int i = 0; i < MANY; i++)
        STATUS(zx_handle_check_valid(handles[i]), ZX_ERR_NOT_FOUND);
}

static void bad_out_pointers(void) {
    ROW("duplicate without a pointer leaves no handle behind");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    STATUS(zx_handle_duplicate(pair.x, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_INVALID_ARGS);
    EQUAL(signals_of(pair.y), ZX_SOCKET_WRITABLE);
    OK(zx_handle_close(pair.x));
    EQUAL(signals_of(pair.y), ZX_SOCKET_PEER_CLOSED);
    close_pair(pair);
    ROW("replace without a pointer closes the handle for good");
    pair = make_pair(ZX_SOCKET_STREAM);
    STATUS(zx_handle_replace(pair.x, ZX_RIGHT_SAME_RIGHTS, NULL), ZX_ERR_INVALID_ARGS);
    STATUS(zx_handle_check_valid(pair.x), ZX_ERR_NOT_FOUND);
    EQUAL(signals_of(pair.y), ZX_SOCKET_PEER_CLOSED);
    close_pair(pair);
}

static void replace_keeps_the_object(void) {
    ROW("replace: the peer sees nothing");
    struct pair pair = make_pair_in_state(ZX_SOCKET_STREAM, DATA_FOR_X);
    zx_handle_t old = pair.x;
    OK(zx_handle_replace(old, ZX_RIGHT_SAME_RIGHTS, &pair.x));
    EQUAL(signals_of(pair.y), ZX_SOCKET_WRITABLE);
    take(pair.x, 10);
    STATUS(zx_socket_read(old, 0, big, 1, NULL), ZX_ERR_BAD_HANDLE);
    close_pair(pair);
    ROW("replace with too many rights closes a last handle");
    pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t out = UNTOUCHED;
    STATUS(zx_handle_replace(pair.x, 0x40000000u, &out), ZX_ERR_INVALID_ARGS);
    EQUAL(signals_of(pair.y), ZX_SOCKET_PEER_CLOSED);
    close_pair(pair);
}

int main(void) {
    check_begin();
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    for (size_t i = 0; i < COUNT(rows); i++) {
        try_duplicate(&rows[i], pair);
        try_replace(&rows[i], pair);
    }
    close_pair(pair);
    close_handle();
    close_many();
    close_very_many();
    bad_out_pointers();
    replace_keeps_the_object();
    return check_end();
}
