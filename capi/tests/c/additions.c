// What Linux programs get beyond Zircon's calls: zocket_*.

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

enum { R = ZX_SOCKET_READABLE, W = ZX_SOCKET_WRITABLE, CLOSED = ZX_SOCKET_PEER_CLOSED };

static const struct capacity_row {
    const char *name;
    uint32_t options;
    size_t capacity;
    zx_status_t status;
    size_t actual;
} capacity_rows[] = {
    {"smallest", ZX_SOCKET_STREAM, 4096, ZX_OK, 4096},
    {"rounded up", ZX_SOCKET_STREAM, 4097, ZX_OK, 8192},
    {"datagram", ZX_SOCKET_DATAGRAM, 65536, ZX_OK, 65536},
    {"a megabyte", ZX_SOCKET_STREAM, 1 << 20, ZX_OK, 1 << 20},
    {"too small", ZX_SOCKET_STREAM, 4095, ZX_ERR_OUT_OF_RANGE, 0},
    {"none", ZX_SOCKET_STREAM, 0, ZX_ERR_OUT_OF_RANGE, 0},
    {"too large", ZX_SOCKET_STREAM, ((size_t)1 << 30) + 1, ZX_ERR_OUT_OF_RANGE, 0},
    {"enormous", ZX_SOCKET_STREAM, SIZE_MAX, ZX_ERR_OUT_OF_RANGE, 0},
    {"option", 2, 4096, ZX_ERR_INVALID_ARGS, 0},
};

static void capacities(void) {
    for (size_t i = 0; i < COUNT(capacity_rows); i++) {
        const struct capacity_row *row = &capacity_rows[i];
        ROW("capacity: %s", row->name);
        zx_handle_t x = UNTOUCHED, y = UNTOUCHED;
        STATUS(zocket_socket_create(row->options, row->capacity, &x, &y), row->status);
        if (row->status == ZX_OK) {
            EQUAL(socket_info(x).rx_buf_max, row->actual);
            EQUAL(socket_info(y).tx_buf_max, row->actual);
            EQUAL(zx_handle_close(x) | zx_handle_close(y), ZX_OK);
        } else {
            EQUAL(x, UNTOUCHED);
            EQUAL(y, UNTOUCHED);
        }
    }
    ROW("capacity: null pointer");
    zx_handle_t x;
    STATUS(zocket_socket_create(0, 4096, &x, NULL), ZX_ERR_INVALID_ARGS);
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void there_and_back(void) {
    ROW("an endpoint survives as a descriptor, with data, signals and rights");
    struct pair pair = make_pair(ZX_SOCKET_DATAGRAM);
    zx_info_handle_basic_t before = basic_info(pair.x);
    zx_rights_t rights = before.rights & ~ZX_RIGHT_INSPECT;
    OK(zx_handle_replace(pair.x, rights, &pair.x));
    put(pair.y, 10);
    put(pair.x, 20);
    OK(zx_object_signal(pair.x, 0, ZX_USER_SIGNAL_5));

    int fd = -1;
    OK(zocket_handle_to_fd(pair.x, &fd));
    STATUS(zx_handle_check_valid(pair.x), ZX_ERR_NOT_FOUND);
    TRUE(is_open(fd));
    EQUAL(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EQUAL(signals_of(pair.y), R | W);

    zx_handle_t back = UNTOUCHED;
    OK(zocket_handle_from_fd(fd, &back));
    TRUE(!is_open(fd));
    EQUAL(basic_info(back).rights, rights);
    EQUAL(basic_info(back).koid, before.koid);
    EQUAL(basic_info(back).related_koid, before.related_koid);
    EQUAL(signals_of(back), R | W | ZX_USER_SIGNAL_5);
    take(back, 10);
    take(pair.y, 20);
    OK(zx_handle_close(back));
    EQUAL(signals_of(pair.y), CLOSED);
    close_pair(pair);
}

static void descriptor_dropped(void) {
    ROW("closing the descriptor closes the endpoint");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    int fd = -1;
    OK(zocket_handle_to_fd(pair.x, &fd));
    close(fd);
    OK(zx_object_wait_one(pair.y, CLOSED, ZX_TIME_INFINITE, NULL));
    close_pair(pair);
}

static void errors_of_to_fd(void) {
    int fd = -7;
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t event = make_event(), port = make_port();
    ROW("to_fd: null pointer, the handle stays");
    STATUS(zocket_handle_to_fd(pair.x, NULL), ZX_ERR_INVALID_ARGS);
    OK(zx_handle_check_valid(pair.x));
    ROW("to_fd: bad handles");
    STATUS(zocket_handle_to_fd(0, &fd), ZX_ERR_BAD_HANDLE);
    STATUS(zocket_handle_to_fd(closed_handle(), &fd), ZX_ERR_BAD_HANDLE);
    STATUS(zocket_handle_to_fd(event, &fd), ZX_ERR_WRONG_TYPE);
    STATUS(zocket_handle_to_fd(port, &fd), ZX_ERR_WRONG_TYPE);
    ROW("to_fd: other handles exist");
    zx_handle_t other = with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    STATUS(zocket_handle_to_fd(pair.x, &fd), ZX_ERR_BAD_STATE);
    OK(zx_handle_close(other));
    ROW("to_fd: no TRANSFER");
    zx_handle_t kept;
    OK(zx_handle_replace(pair.x, ZX_DEFAULT_SOCKET_RIGHTS & ~ZX_RIGHT_TRANSFER, &kept));
    STATUS(zocket_handle_to_fd(kept, &fd), ZX_ERR_ACCESS_DENIED);
    OK(zx_handle_check_valid(kept));
    EQUAL(fd, -7);
    put(pair.y, 1);
    take(kept, 1);
    zx_handle_t all[] = {event, port, kept, pair.y};
    OK(zx_handle_close_many(all, COUNT(all)));
}

static void errors_of_from_fd(void) {
    zx_handle_t out = UNTOUCHED;
    ROW("from_fd: not a descriptor");
    STATUS(zocket_handle_from_fd(-1, &out), ZX_ERR_INVALID_ARGS);
    STATUS(zocket_handle_from_fd(1000000, &out), ZX_ERR_INVALID_ARGS);
    ROW("from_fd: a descriptor of something else stays open");
    int ends[2];
    TRUE(pipe(ends) == 0);
    TRUE(zocket_handle_from_fd(ends[0], &out) != ZX_OK);
    TRUE(is_open(ends[0]));
    EQUAL(out, UNTOUCHED);
    close(ends[0]);
    close(ends[1]);
    ROW("from_fd: null pointer, the descriptor is as it was");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    int fd = -1;
    OK(zocket_handle_to_fd(pair.x, &fd));
    STATUS(zocket_handle_from_fd(fd, NULL), ZX_ERR_INVALID_ARGS);
    OK(zocket_handle_from_fd(fd, &pair.x));
    put(pair.y, 1);
    take(pair.x, 1);
    close_pair(pair);
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd poll_fd = {fd, POLLIN, 0};
    return poll(&poll_fd, 1, timeout_ms) == 1 && (poll_fd.revents & POLLIN);
}

static void port_as_descriptor(void) {
    ROW("port_fd: readable while there is a packet");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port();
    zx_port_packet_t packet = {.key = 1};
    int fd = -1;
    OK(zocket_port_fd(port, &fd));
    EQUAL(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    TRUE(!is_readable(fd, 0));
    OK(zx_port_queue(port, &packet));
    TRUE(is_readable(fd, -1));
    OK(zx_port_wait(port, 0, &packet));
    TRUE(!is_readable(fd, 0));
    ROW("port_fd: readable for a signal");
    OK(zx_object_wait_async(pair.x, port, 2, R, 0));
    put(pair.y, 1);
    TRUE(is_readable(fd, -1));
    OK(zx_port_wait(port, 0, &packet));
    EQUAL(packet.key, 2);
    TRUE(!is_readable(fd, 0));
    ROW("port_fd: a duplicate, which the caller closes");
    close(fd);
    OK(zocket_port_fd(port, &fd));
    close(fd);
    ROW("port_fd: errors");
    int none = -7;
    zx_handle_t write_only = with_rights(port, ZX_RIGHT_WRITE);
    STATUS(zocket_port_fd(port, NULL), ZX_ERR_INVALID_ARGS);
    STATUS(zocket_port_fd(0, NULL), ZX_ERR_INVALID_ARGS);
    STATUS(zocket_port_fd(0, &none), ZX_ERR_BAD_HANDLE);
    STATUS(zocket_port_fd(pair.x, &none), ZX_ERR_WRONG_TYPE);
    STATUS(zocket_port_fd(write_only, &none), ZX_ERR_ACCESS_DENIED);
    EQUAL(none, -7);
    OK(zx_handle_close(write_only));
    OK(zx_handle_close(port));
    close_pair(pair);
}

int main(void) {
    check_begin();
    capacities();
    there_and_back();
    descriptor_dropped();
    errors_of_to_fd();
    errors_of_from_fd();
    port_as_descriptor();
    return check_end();
}
