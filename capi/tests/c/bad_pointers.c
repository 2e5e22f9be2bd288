// Bad pointers, for a library built with `checked-pointers`: ZX_ERR_INVALID_ARGS and no crash, with
// the effects that sections 3, 5 and 6 say.

#include "check.h"

#include <sys/mman.h>

enum { PAGE = 4096, R = ZX_SOCKET_READABLE, W = ZX_SOCKET_WRITABLE };

static unsigned char *forbidden; // a page that cannot be touched
static unsigned char *unmapped;  // an address where nothing is
static unsigned char *read_only; // a page that can be read only
static unsigned char *edge;      // ten bytes, and then the forbidden page

static unsigned char *map(size_t pages, int protection) {
    void *start = mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return start;
}

static void set_up(void) {
    unsigned char *two = map(2, PROT_READ | PROT_WRITE);
    forbidden = two + PAGE;
    edge = forbidden - 10;
    memset(edge, 'e', 10);
    mprotect(forbidden, PAGE, PROT_NONE);
    read_only = map(1, PROT_READ);
    unmapped = map(1, PROT_NONE);
    munmap(unmapped, PAGE);
}

// Places that cannot be read. The last begins well.
static void *const *bad_sources(void) {
    static void *all[4];
    all[0] = forbidden;
    all[1] = unmapped;
    all[2] = (void *)8;
    all[3] = edge;
    return all;
}

// Places that cannot be written. The last begins well.
static void *const *bad_targets(void) {
    static void *all[5];
    all[0] = forbidden;
    all[1] = unmapped;
    all[2] = (void *)8;
    all[3] = read_only;
    all[4] = edge;
    return all;
}

enum { SOURCES = 4, TARGETS = 5 };

static void writes(uint32_t mode) {
    for (int i = 0; i < SOURCES; i++) {
        ROW("write from bad memory, mode %u, case %d", mode, i);
        struct pair pair = make_pair(mode);
        size_t actual = UNTOUCHED;
        STATUS(zx_socket_write(pair.x, 0, bad_sources()[i], 20, &actual), ZX_ERR_INVALID_ARGS);
        EQUAL(actual, UNTOUCHED);
        // A stream may have kept a part. The signals tell the truth about it.
        size_t queued = socket_info(pair.y).rx_buf_size;
        if (mode == ZX_SOCKET_DATAGRAM)
            EQUAL(queued, 0);
        EQUAL(signals_of(pair.y), W | (queued ? R : 0));
        close_pair(pair);
    }
    ROW("write up to the edge, mode %u", mode);
    struct pair pair = make_pair(mode);
    OK(zx_socket_write(pair.x, 0, edge, 10, NULL));
    take(pair.y, 10);
    ROW("write whose result cannot be delivered, mode %u", mode);
    STATUS(zx_socket_write(pair.x, 0, "abc", 3, (size_t *)(void *)forbidden), ZX_ERR_INVALID_ARGS);
    take(pair.y, 3);
    close_pair(pair);
}

static void reads(uint32_t mode) {
    for (int i = 0; i < TARGETS; i++) {
        struct pair pair = make_pair(mode);
        put(pair.y, 20);
        put(pair.y, 20);
        size_t actual = UNTOUCHED;
        ROW("peek into bad memory, mode %u, case %d", mode, i);
        STATUS(zx_socket_read(pair.x, ZX_SOCKET_PEEK, bad_targets()[i], 20, &actual),
               ZX_ERR_INVALID_ARGS);
        EQUAL(socket_info(pair.x).rx_buf_size, 40);
        ROW("read into bad memory, mode %u, case %d", mode, i);
        STATUS(zx_socket_read(pair.x, 0, bad_targets()[i], 20, &actual), ZX_ERR_INVALID_ARGS);
        EQUAL(actual, UNTOUCHED);
        size_t left = socket_info(pair.x).rx_buf_size;
        if (mode == ZX_SOCKET_DATAGRAM)
            EQUAL(left, 20); // the datagram is dropped
        EQUAL(signals_of(pair.x), W | (left ? R : 0));
        close_pair(pair);
    }
    ROW("read whose result cannot be delivered, mode %u", mode);
    struct pair pair = make_pair(mode);
    put(pair.y, 5);
    STATUS(zx_socket_read(pair.x, 0, big, 5, (size_t *)(void *)forbidden), ZX_ERR_INVALID_ARGS);
    EQUAL(socket_info(pair.x).rx_buf_size, 0);
    ROW("read of nothing does not look at the buffer, mode %u", mode);
    put(pair.y, 5);
    OK(zx_socket_read(pair.x, 0, forbidden, 0, NULL));
    ROW("buffer larger than what is there is not touched beyond, mode %u", mode);
    OK(zx_socket_read(pair.x, 0, edge, 4000, NULL));
    close_pair(pair);
}

static void large_copies(void) {
    ROW("large copies, which the kernel makes in steps");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    for (size_t i = 0; i < pair.capacity; i++)
        big[i] = (unsigned char)(i * 31 + i / 256);
    put(pair.x, pair.capacity);
    memset(big, 0, sizeof big);
    take(pair.y, pair.capacity);
    for (size_t i = 0; i < pair.capacity; i++)
        if (big[i] != (unsigned char)(i * 31 + i / 256)) {
            EQUAL(big[i], (unsigned char)(i * 31 + i / 256));
            break;
        }
    close_pair(pair);
}

static void handles(void) {
    zx_handle_t *nowhere = (zx_handle_t *)(void *)forbidden, x = UNTOUCHED;
    ROW("create");
    STATUS(zx_socket_create(0, nowhere, &x), ZX_ERR_INVALID_ARGS);
    STATUS(zx_socket_create(0, &x, nowhere), ZX_ERR_INVALID_ARGS);
    STATUS(zx_handle_close(x), ZX_ERR_BAD_HANDLE);
    STATUS(zx_event_create(0, nowhere), ZX_ERR_INVALID_ARGS);
    STATUS(zx_port_create(0, nowhere), ZX_ERR_INVALID_ARGS);
    ROW("duplicate leaves nothing behind");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    STATUS(zx_handle_duplicate(pair.x, ZX_RIGHT_SAME_RIGHTS, nowhere), ZX_ERR_INVALID_ARGS);
    zx_info_handle_count_t count;
    OK(zx_object_get_info(pair.x, ZX_INFO_HANDLE_COUNT, &count, sizeof count, NULL, NULL));
    EQUAL(count.handle_count, 1);
    ROW("replace closes the handle");
    STATUS(zx_handle_replace(pair.x, ZX_RIGHT_SAME_RIGHTS, nowhere), ZX_ERR_INVALID_ARGS);
    EQUAL(signals_of(pair.y), ZX_SOCKET_PEER_CLOSED);
    ROW("close_many");
    STATUS(zx_handle_close_many(nowhere, 1), ZX_ERR_INVALID_ARGS);
    close_pair(pair);
}

static void infos_and_properties(void) {
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    size_t actual = UNTOUCHED, avail = UNTOUCHED;
    zx_info_socket_t info;
    ROW("get_info into bad memory");
    for (int i = 0; i < TARGETS; i++)
        STATUS(zx_object_get_info(pair.x, ZX_INFO_SOCKET, bad_targets()[i], sizeof info, &actual,
                                  &avail),
               ZX_ERR_INVALID_ARGS);
    EQUAL(actual, UNTOUCHED);
    EQUAL(avail, UNTOUCHED);
    ROW("get_info with bad results");
    size_t *nowhere = (size_t *)(void *)forbidden;
    STATUS(zx_object_get_info(pair.x, ZX_INFO_SOCKET, &info, sizeof info, nowhere, NULL),
           ZX_ERR_INVALID_ARGS);
    STATUS(zx_object_get_info(pair.x, ZX_INFO_SOCKET, &info, sizeof info, NULL, nowhere),
           ZX_ERR_INVALID_ARGS);
    ROW("properties");
    STATUS(zx_object_get_property(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD, nowhere, 8),
           ZX_ERR_INVALID_ARGS);
    STATUS(zx_object_set_property(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD, nowhere, 8),
           ZX_ERR_INVALID_ARGS);
    EQUAL(get_threshold(pair.x, ZX_PROP_SOCKET_RX_THRESHOLD), 0);
    close_pair(pair);
}

static void waits(void) {
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_handle_t port = make_port();
    zx_port_packet_t *nowhere = (zx_port_packet_t *)(void *)forbidden, packet = {.key = 1};
    ROW("wait_one: noticed after the wait");
    STATUS(zx_object_wait_one(pair.x, W, 0, (zx_signals_t *)(void *)forbidden),
           ZX_ERR_INVALID_ARGS);
    ROW("wait_many: unreadable and unwritable items");
    STATUS(zx_object_wait_many((zx_wait_item_t *)(void *)forbidden, 1, 0), ZX_ERR_INVALID_ARGS);
    STATUS(zx_object_wait_many((zx_wait_item_t *)(void *)edge, 1, 0), ZX_ERR_INVALID_ARGS);
    ROW("port_queue");
    STATUS(zx_port_queue(port, nowhere), ZX_ERR_INVALID_ARGS);
    ROW("port_wait: the packet is lost");
    OK(zx_port_queue(port, &packet));
    STATUS(zx_port_wait(port, 0, nowhere), ZX_ERR_INVALID_ARGS);
    STATUS(zx_port_wait(port, 0, &packet), ZX_ERR_TIMED_OUT);
    ROW("descriptors");
    STATUS(zocket_port_fd(port, (int *)(void *)forbidden), ZX_ERR_INVALID_ARGS);
    STATUS(zocket_handle_to_fd(pair.x, (int *)(void *)forbidden), ZX_ERR_INVALID_ARGS);
    OK(zx_object_wait_one(pair.y, ZX_SOCKET_PEER_CLOSED, ZX_TIME_INFINITE, NULL));
    OK(zx_handle_close(port));
    close_pair(pair);
}

int main(void) {
    check_begin();
    set_up();
    writes(ZX_SOCKET_STREAM);
    writes(ZX_SOCKET_DATAGRAM);
    reads(ZX_SOCKET_STREAM);
    reads(ZX_SOCKET_DATAGRAM);
    large_copies();
    handles();
    infos_and_properties();
    waits();
    return check_end();
}
