// Section 4: zx_socket_create, and zx_event_create and zx_port_create alike.

#include "check.h"

static const struct {
    const char *name;
    uint32_t options;
    bool first, second; // whether there is a pointer
    zx_status_t status;
} rows[] = {
    {"stream", ZX_SOCKET_STREAM, true, true, ZX_OK},
    {"datagram", ZX_SOCKET_DATAGRAM, true, true, ZX_OK},
    {"bit 1, once HAS_CONTROL", 2, true, true, ZX_ERR_INVALID_ARGS},
    {"bit 2, once HAS_ACCEPT", 4, true, true, ZX_ERR_INVALID_ARGS},
    {"bit 31", 0x80000000u, true, true, ZX_ERR_INVALID_ARGS},
    {"known and unknown bit", ZX_SOCKET_DATAGRAM | 8, true, true, ZX_ERR_INVALID_ARGS},
    {"no first pointer", ZX_SOCKET_STREAM, false, true, ZX_ERR_INVALID_ARGS},
    {"no second pointer", ZX_SOCKET_STREAM, true, false, ZX_ERR_INVALID_ARGS},
    {"no pointers", ZX_SOCKET_DATAGRAM, false, false, ZX_ERR_INVALID_ARGS},
};

static void create(void) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        ROW("%s", rows[i].name);
        zx_handle_t x = UNTOUCHED, y = UNTOUCHED;
        STATUS(zx_socket_create(rows[i].options, rows[i].first ? &x : NULL,
                                rows[i].second ? &y : NULL),
               rows[i].status);
        if (rows[i].status != ZX_OK) {
            EQUAL(x, UNTOUCHED);
            EQUAL(y, UNTOUCHED);
            continue;
        }
        TRUE(x != y);
        EQUAL(socket_info(x).options, rows[i].options);
        EQUAL(socket_info(y).options, rows[i].options);
        TRUE(basic_info(x).koid != basic_info(y).koid);
        close_pair((struct pair){x, y, 0});
    }
}

static void create_event_and_port(void) {
    zx_handle_t handle = UNTOUCHED;
    ROW("event with an option");
    STATUS(zx_event_create(1, &handle), ZX_ERR_INVALID_ARGS);
    ROW("port with an unknown option");
    STATUS(zx_port_create(2, &handle), ZX_ERR_INVALID_ARGS);
    EQUAL(handle, UNTOUCHED);
    ROW("without a pointer");
    STATUS(zx_event_create(0, NULL), ZX_ERR_INVALID_ARGS);
    STATUS(zx_port_create(0, NULL), ZX_ERR_INVALID_ARGS);
    ROW("port bound to interrupts");
    OK(zx_port_create(ZX_PORT_BIND_TO_INTERRUPT, &handle));
    OK(zx_handle_close(handle));
}

int main(void) {
    check_begin();
    create();
    create_event_and_port();
    return check_end();
}
