// Section 17: calls are atomic with respect to each other, from whichever thread.

#include "check.h"

enum { WRITERS = 3, ROUNDS = 2000, PIECE = 97 };

// ---- Writers of a stream do not interleave within one write

struct writer {
    pthread_t thread;
    zx_handle_t handle;
    unsigned char mark;
};

static void *write_pieces(void *argument) {
    struct writer *writer = argument;
    unsigned char piece[PIECE];
    memset(piece, writer->mark, sizeof piece);
    for (int i = 0; i < ROUNDS; i++) {
        // All of a piece or nothing: only so is it clear what one write is.
        zx_status_t status;
        while ((status = zx_socket_write(writer->handle, 0, piece, sizeof piece, NULL)) ==
               ZX_ERR_SHOULD_WAIT)
            OK(zx_object_wait_one(writer->handle, ZX_SOCKET_WRITE_THRESHOLD, ZX_TIME_INFINITE,
                                  NULL));
        OK(status);
    }
    return NULL;
}

static void writers_do_not_interleave(uint32_t mode) {
    ROW("mode %u: bytes of one write stay together", mode);
    struct pair pair;
    // Datagrams are whole by nature; as a stream, the capacity is a multiple of no piece, so the
    // pieces must not be cut: there is room for all of them.
    size_t capacity = mode == ZX_SOCKET_STREAM ? (size_t)WRITERS * ROUNDS * PIECE : 4096;
    NEED(zocket_socket_create(mode, capacity, &pair.x, &pair.y));
    set_threshold(pair.x, ZX_PROP_SOCKET_TX_THRESHOLD, PIECE);
    struct writer writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.handle = pair.x, .mark = (unsigned char)('a' + i)};
        pthread_create(&writers[i].thread, NULL, write_pieces, &writers[i]);
    }
    unsigned counts[WRITERS] = {0};
    for (int n = 0; n < WRITERS * ROUNDS; n++) {
        unsigned char piece[PIECE];
        size_t got = 0;
        while (got < sizeof piece) {
            size_t actual = 0;
            zx_status_t status = zx_socket_read(pair.y, 0, piece + got, sizeof piece - got, &actual);
            if (status == ZX_ERR_SHOULD_WAIT)
                status = zx_object_wait_one(pair.y, ZX_SOCKET_READABLE, ZX_TIME_INFINITE, NULL);
            NEED(status);
            got += actual;
        }
        unsigned char mark = piece[0];
        TRUE(mark >= 'a' && mark < 'a' + WRITERS);
        for (size_t i = 0; i < sizeof piece; i++)
            if (piece[i] != mark) {
                EQUAL(piece[i], mark);
                exit(check_end());
            }
        counts[mark - 'a']++;
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        EQUAL(counts[i], ROUNDS);
    }
    STATUS(zx_socket_read(pair.y, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
    close_pair(pair);
}

// ---- READABLE and the content always agree

static atomic_bool stop;

static void *write_and_read(void *argument) {
    struct pair *pair = argument;
    while (!atomic_load(&stop)) {
        OK(zx_socket_write(pair->x, 0, "12345", 5, NULL));
        unsigned char in[5];
        OK(zx_socket_read(pair->y, 0, in, sizeof in, NULL));
    }
    return NULL;
}

static void readable_is_true(void) {
    ROW("a wait that says READABLE saw bytes; one look never sees half a write");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    pthread_t thread;
    pthread_create(&thread, NULL, write_and_read, &pair);
    for (int i = 0; i < 20000; i++) {
        size_t size = socket_info(pair.y).rx_buf_size;
        if (size != 0 && size != 5) {
            EQUAL(size, 5);
            break;
        }
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    close_pair(pair);
}

// ---- A handle that is closed while others call

static void *call_until_closed(void *argument) {
    struct waiter *w = argument;
    for (;;) {
        zx_status_t status = zx_socket_write(w->handle, 0, "x", 1, NULL);
        if (status == ZX_OK)
            status = zx_socket_read(w->items[0].handle, 0, (char[1]){0}, 1, NULL);
        if (status == ZX_OK)
            continue;
        w->status = status;
        return NULL;
    }
}

static void closing_under_calls(void) {
    ROW("calls on a handle that another thread closes end with BAD_HANDLE");
    for (int i = 0; i < 50; i++) {
        struct pair pair = make_pair(ZX_SOCKET_STREAM);
        struct waiter caller = {.handle = pair.x, .items = {{pair.y, 0, 0}}};
        pthread_create(&caller.thread, NULL, call_until_closed, &caller);
        while (socket_info(pair.y).rx_buf_size == 0)
            sched_yield();
        OK(zx_handle_close(pair.x));
        pthread_join(caller.thread, NULL);
        STATUS(caller.status, ZX_ERR_BAD_HANDLE);
        close_pair(pair);
    }
}

int main(void) {
    check_begin();
    writers_do_not_interleave(ZX_SOCKET_STREAM);
    writers_do_not_interleave(ZX_SOCKET_DATAGRAM);
    readable_is_true();
    closing_under_calls();
    return check_end();
}
