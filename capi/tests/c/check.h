// What all these programs share: checks that go on after a failure, and sockets in a given state.
//
// A program is one table of the specification or several. It says which row it is at (ROW), so
// that a failure names it; its exit status tells whether all was as expected.

#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE // gettid's number, as glibc and musl both have it

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <zocket.h>

// ---- Checks

static char check_row[160];
static atomic_int check_failures;

#define ROW(...) snprintf(check_row, sizeof check_row, __VA_ARGS__)

static inline void check_failed(const char *file, int line, const char *what, const char *expected,
                                const char *actual) {
    fprintf(stderr, "%s:%d: [%s] %s\n    expected %s\n    actual   %s\n", file, line, check_row,
            what, expected, actual);
    check_failures++;
}

static inline void check_status(const char *file, int line, const char *what, zx_status_t actual,
                                zx_status_t expected) {
    if (actual != expected)
        check_failed(file, line, what, zocket_status_string(expected), zocket_status_string(actual));
}

static inline void check_number(const char *file, int line, const char *what, uint64_t actual,
                                uint64_t expected) {
    if (actual == expected)
        return;
    char left[64], right[64];
    snprintf(left, sizeof left, "%" PRIu64 " (0x%" PRIx64 ")", expected, expected);
    snprintf(right, sizeof right, "%" PRIu64 " (0x%" PRIx64 ")", actual, actual);
    check_failed(file, line, what, left, right);
}

#define STATUS(actual, expected) check_status(__FILE__, __LINE__, #actual, actual, expected)
#define OK(actual) STATUS(actual, ZX_OK)
#define EQUAL(actual, expected) \
    check_number(__FILE__, __LINE__, #actual, (uint64_t)(actual), (uint64_t)(expected))
#define TRUE(condition) check_number(__FILE__, __LINE__, #condition, !!(condition), 1)

// For what the rest of a program makes no sense without.
#define NEED(call)                                                                     \
    do {                                                                               \
        zx_status_t need_status = (call);                                              \
        if (need_status != ZX_OK) {                                                    \
            fprintf(stderr, "%s:%d: [%s] cannot go on: %s gave %s\n", __FILE__, __LINE__, \
                    check_row, #call, zocket_status_string(need_status));              \
            exit(2);                                                                   \
        }                                                                              \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof *(array))

// What a result holds that was not written.
#define UNTOUCHED 0xABCDu

static inline void check_hangs(int signal) {
    (void)signal;
    static const char text[] = "hangs at: ";
    // A failure to say so changes nothing about it.
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0 ||
        write(STDERR_FILENO, check_row, strlen(check_row)) < 0)
        _exit(4);
    _exit(3);
}

// A program that hangs ends; none of them takes many seconds.
static inline void check_begin(void) {
    signal(SIGALRM, check_hangs);
    alarm(60);
}

static inline int check_end(void) {
    if (check_failures)
        fprintf(stderr, "%d failed\n", check_failures);
    return check_failures ? 1 : 0;
}

// ---- Sockets

// The endpoint that is looked at, and its peer.
struct pair {
    zx_handle_t x, y;
    size_t capacity;
};

// Enough for any capacity here, and some.
static unsigned char big[1 << 20];

static inline zx_info_socket_t socket_info(zx_handle_t handle) {
    zx_info_socket_t info;
    memset(&info, 0xA5, sizeof info);
    OK(zx_object_get_info(handle, ZX_INFO_SOCKET, &info, sizeof info, NULL, NULL));
    return info;
}

static inline zx_info_handle_basic_t basic_info(zx_handle_t handle) {
    zx_info_handle_basic_t info;
    memset(&info, 0xA5, sizeof info);
    OK(zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    return info;
}

static inline struct pair make_pair(uint32_t options) {
    struct pair pair;
    NEED(zx_socket_create(options, &pair.x, &pair.y));
    pair.capacity = socket_info(pair.x).rx_buf_max;
    return pair;
}

// Whatever is left of it: both may be closed already.
static inline void close_pair(struct pair pair) {
    zx_handle_close(pair.x);
    zx_handle_close(pair.y);
}

// All signals of an object, at this moment.
static inline zx_signals_t signals_of(zx_handle_t handle) {
    zx_signals_t observed = UNTOUCHED;
    STATUS(zx_object_wait_one(handle, 0, 0, &observed), ZX_ERR_TIMED_OUT);
    return observed;
}

// Writes that many bytes, in one call: a datagram, or a part of a stream.
static inline void put(zx_handle_t handle, size_t size) {
    size_t actual = UNTOUCHED;
    OK(zx_socket_write(handle, 0, big, size, &actual));
    EQUAL(actual, size);
}

// Reads, expecting that many bytes.
static inline void take(zx_handle_t handle, size_t size) {
    size_t actual = UNTOUCHED;
    OK(zx_socket_read(handle, 0, big, size, &actual));
    EQUAL(actual, size);
}

static inline void set_threshold(zx_handle_t handle, uint32_t property, size_t value) {
    OK(zx_object_set_property(handle, property, &value, sizeof value));
}

static inline size_t get_threshold(zx_handle_t handle, uint32_t property) {
    size_t value = UNTOUCHED;
    OK(zx_object_get_property(handle, property, &value, sizeof value));
    return value;
}

// Another handle, with fewer rights.
static inline zx_handle_t with_rights(zx_handle_t handle, zx_rights_t rights) {
    zx_handle_t out;
    NEED(zx_handle_duplicate(handle, rights, &out));
    return out;
}

static inline zx_handle_t without_right(zx_handle_t handle, zx_rights_t right) {
    return with_rights(handle, basic_info(handle).rights & ~right);
}

static inline zx_handle_t make_event(void) {
    zx_handle_t event;
    NEED(zx_event_create(0, &event));
    return event;
}

static inline zx_handle_t make_port(void) {
    zx_handle_t port;
    NEED(zx_port_create(0, &port));
    return port;
}

// A number that is not a handle, though it looks like one.
static inline zx_handle_t closed_handle(void) {
    zx_handle_t event = make_event();
    OK(zx_handle_close(event));
    return event;
}

// States that an endpoint X and its peer Y can be brought to, together.
enum {
    DATA_FOR_X = 1,      // ten bytes, one datagram
    Y_IS_FULL = 2,       // nothing more fits into Y's buffer
    X_DISABLED = 4,      // X may not write
    Y_DISABLED = 8,      // Y may not write
    Y_IS_CLOSED = 16,
};

static inline struct pair make_pair_in_state(uint32_t options, unsigned state) {
    struct pair pair = make_pair(options);
    if (state & DATA_FOR_X)
        put(pair.y, 10);
    if (state & Y_IS_FULL)
        put(pair.x, pair.capacity);
    if (state & X_DISABLED)
        OK(zx_socket_set_disposition(pair.x, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
    if (state & Y_DISABLED)
        OK(zx_socket_set_disposition(pair.x, 0, ZX_SOCKET_DISPOSITION_WRITE_DISABLED));
    if (state & Y_IS_CLOSED)
        OK(zx_handle_close(pair.y));
    return pair;
}

// Handles that a call on a socket is tried with.
enum who {
    X,             // the endpoint, with all rights
    X_LACKING,     // without the right that the row names
    AN_EVENT,      // not a socket
    AN_EVENT_LACKING,
    A_PORT,        // not even waitable
    NO_HANDLE,     // 0
    NOT_A_HANDLE,  // lowest bits wrong
    CLOSED_HANDLE,
};

// The handle, to be closed.
static inline zx_handle_t handle_of(enum who who, struct pair pair, zx_rights_t lacking) {
    zx_handle_t event, handle;
    switch (who) {
    case X:
        return with_rights(pair.x, ZX_RIGHT_SAME_RIGHTS);
    case X_LACKING:
        return without_right(pair.x, lacking);
    case AN_EVENT:
        return make_event();
    case AN_EVENT_LACKING:
        event = make_event();
        handle = with_rights(event, 0);
        OK(zx_handle_close(event));
        return handle;
    case A_PORT:
        return make_port();
    case NO_HANDLE:
        return ZX_HANDLE_INVALID;
    case NOT_A_HANDLE:
        return 0x12345678u;
    case CLOSED_HANDLE:
        return closed_handle();
    }
    return ZX_HANDLE_INVALID;
}

// ---- Time and threads

static inline zx_time_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (zx_time_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline zx_time_t after_ms(int64_t ms) {
    return now() + ms * 1000000;
}

// A thread that makes one call that blocks.
struct waiter {
    pthread_t thread;
    atomic_int tid; // 0 until it is about to make the call
    void (*call)(struct waiter *);
    zx_handle_t handle;
    zx_signals_t signals;
    zx_time_t deadline;
    zx_wait_item_t items[4];
    size_t count;
    // Results.
    zx_status_t status;
    zx_signals_t observed;
    zx_port_packet_t packet;
};

static inline void call_wait_one(struct waiter *w) {
    w->status = zx_object_wait_one(w->handle, w->signals, w->deadline, &w->observed);
}

static inline void call_wait_many(struct waiter *w) {
    w->status = zx_object_wait_many(w->items, w->count, w->deadline);
}

static inline void call_port_wait(struct waiter *w) {
    w->status = zx_port_wait(w->handle, w->deadline, &w->packet);
}

static inline void *waiter_main(void *argument) {
    struct waiter *waiter = argument;
    atomic_store(&waiter->tid, (int)syscall(SYS_gettid));
    waiter->call(waiter);
    return NULL;
}

static inline bool is_asleep(int tid) {
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true; // gone: it did not wait at all, which the caller will notice
    if (fscanf(file, "%*d %*[^)]) %c", &state) != 1)
        state = '?';
    fclose(file);
    return state == 'S';
}

// Starts the call, and returns when the thread sleeps in it: what is done next is done to
// a call that waits. (It has nothing else to sleep for.)
static inline void start_waiting(struct waiter *waiter) {
    atomic_init(&waiter->tid, 0);
    waiter->status = -1000;
    if (pthread_create(&waiter->thread, NULL, waiter_main, waiter)) {
        fprintf(stderr, "cannot start a thread\n");
        exit(2);
    }
    int tid;
    while (!(tid = atomic_load(&waiter->tid)) || !is_asleep(tid))
        sched_yield();
}

static inline void wait_for_end(struct waiter *waiter) {
    pthread_join(waiter->thread, NULL);
}

#endif
