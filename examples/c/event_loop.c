// A program with an event loop of its own, here epoll, has one more descriptor in it: a port's, for all
// of its sockets together.
//
// The recipe, for any loop that can watch a descriptor for readability (libuv's uv_poll_t, glib's
// GSource, asyncio's add_reader, poll, select):
//
//   1. zx_port_create, and zocket_port_fd for the descriptor; watch that.
//   2. zx_object_wait_async for each socket, with a key that says which it is. That is for once: the
//      port gets a packet when the signal is on, which it may be already.
//   3. When the descriptor is readable, take packets with zx_port_wait and a deadline that is over, until
//      there are none. (One for each turn of the loop does too: the descriptor stays readable.)
//   4. For each packet read, or write, until the call says SHOULD_WAIT; then go to 2.
//
// A child process turns what it gets into capitals, and has an event loop too; the parent feeds it from a
// pipe and prints what comes back.
//
// How to compile it: README.md.

#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zocket.h>

extern char **environ;

// What an event of the loop is about.
enum { PORT, INPUT };
// What a packet of the port is about: here there is one socket.
enum { SOCKET };

static void check(const char *what, zx_status_t status) {
    if (status == ZX_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, zocket_status_string(status));
    exit(EXIT_FAILURE);
}

static int check_os(const char *what, int result) {
    if (result >= 0)
        return result;
    perror(what);
    exit(EXIT_FAILURE);
}

// A loop, and a socket in it.
struct loop {
    int epoll;
    zx_handle_t port;
    zx_handle_t socket;
    // What is still to be written.
    char pending[256];
    size_t length;
    // Whether nothing more will be added to that.
    bool is_last;
};

static void watch(struct loop *loop, int fd, uint32_t what) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    check_os("epoll_ctl", epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event));
}

// Asks for one packet: when there is something to read, or its end, or space if that is wanted.
static void await_socket(struct loop *loop) {
    zx_signals_t signals =
        ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED | ZX_SOCKET_PEER_CLOSED;
    if (loop->length > 0)
        signals |= ZX_SOCKET_WRITABLE;
    check("wait_async", zx_object_wait_async(loop->socket, loop->port, SOCKET, signals, 0));
}

static void open_loop(struct loop *loop, zx_handle_t socket) {
    memset(loop, 0, sizeof *loop);
    loop->socket = socket;
    loop->epoll = check_os("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
    check("create a port", zx_port_create(0, &loop->port));
    int fd;
    check("get its descriptor", zocket_port_fd(loop->port, &fd));
    watch(loop, fd, PORT);
    await_socket(loop);
}

// Writes what there is space for, and says that it was the last when it is.
static void write_pending(struct loop *loop) {
    while (loop->length > 0) {
        size_t written;
        zx_status_t status = zx_socket_write(loop->socket, 0, loop->pending, loop->length, &written);
        if (status == ZX_ERR_SHOULD_WAIT)
            return;
        check("write", status);
        loop->length -= written;
        memmove(loop->pending, loop->pending + written, loop->length);
    }
    if (loop->is_last)
        check("half-close", zx_socket_set_disposition(
                                loop->socket, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
}

// Reads what is there. Says how much, or -1 when no more will come.
static ssize_t read_some(struct loop *loop, char *buffer, size_t size) {
    size_t length;
    zx_status_t status = zx_socket_read(loop->socket, 0, buffer, size, &length);
    switch (status) {
    case ZX_OK:
        return (ssize_t)length;
    case ZX_ERR_SHOULD_WAIT:
        return 0;
    case ZX_ERR_BAD_STATE:   // the peer writes no more, and all is read
    case ZX_ERR_PEER_CLOSED: // the peer is gone, and all is read
        return -1;
    default:
        check("read", status);
        return -1;
    }
}

// Takes all packets. They say which socket; what is so of it the calls say.
static void take_packets(struct loop *loop) {
    zx_port_packet_t packet;
    while (zx_port_wait(loop->port, 0, &packet) == ZX_OK)
        ;
}

static int child(int fd) {
    zx_handle_t socket;
    check("make a handle of the descriptor", zocket_handle_from_fd(fd, &socket));
    struct loop loop;
    open_loop(&loop, socket);
    for (;;) {
        struct epoll_event event;
        check_os("epoll_wait", epoll_wait(loop.epoll, &event, 1, -1));
        take_packets(&loop);
        write_pending(&loop);
        // Backpressure: as long as there are answers to be written, no more is read.
        while (loop.length == 0) {
            ssize_t length = read_some(&loop, loop.pending, sizeof loop.pending);
            if (length < 0)
                return EXIT_SUCCESS;
            if (length == 0)
                break;
            for (ssize_t i = 0; i < length; i++)
                loop.pending[i] = (char)toupper((unsigned char)loop.pending[i]);
            loop.length = (size_t)length;
            write_pending(&loop);
        }
        await_socket(&loop);
    }
}

// Starts this program once more, with the descriptor's number as its argument.
static pid_t start_child(const char *program, int fd) {
    check_os("fcntl", fcntl(fd, F_SETFD, 0));
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    char *arguments[] = {(char *)program, number, NULL};
    pid_t pid;
    if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0) {
        fprintf(stderr, "cannot start %s\n", program);
        exit(EXIT_FAILURE);
    }
    return pid;
}

// Something else that the loop watches: lines that come through a pipe.
static int input(void) {
    static const char text[] = "one line\nand another\n";
    int ends[2];
    check_os("pipe", pipe(ends));
    check_os("write", (int)write(ends[1], text, sizeof text - 1));
    close(ends[1]);
    return ends[0];
}

static int parent(const char *program) {
    zx_handle_t ours, theirs;
    check("create", zx_socket_create(ZX_SOCKET_STREAM, &ours, &theirs));
    int fd;
    check("make a descriptor of the handle", zocket_handle_to_fd(theirs, &fd));
    pid_t pid = start_child(program, fd);
    // As long as we keep our copy, the child's death would not close its endpoint.
    close(fd);

    struct loop loop;
    open_loop(&loop, ours);
    int lines = input();
    watch(&loop, lines, INPUT);
    for (bool is_over = false; !is_over;) {
        struct epoll_event event;
        check_os("epoll_wait", epoll_wait(loop.epoll, &event, 1, -1));
        if (event.data.u32 == INPUT) {
            size_t space = sizeof loop.pending - loop.length;
            ssize_t length = read(lines, loop.pending + loop.length, space);
            check_os("read", (int)length);
            loop.length += (size_t)length;
            loop.is_last = length == 0;
            if (loop.is_last)
                check_os("epoll_ctl", epoll_ctl(loop.epoll, EPOLL_CTL_DEL, lines, NULL));
            write_pending(&loop);
            continue;
        }
        take_packets(&loop);
        if (loop.length > 0)
            write_pending(&loop);
        char buffer[256];
        ssize_t length;
        while ((length = read_some(&loop, buffer, sizeof buffer)) > 0)
            fwrite(buffer, 1, (size_t)length, stdout);
        is_over = length < 0;
        if (!is_over)
            await_socket(&loop);
    }

    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return EXIT_FAILURE;
    zx_handle_close(ours);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    return argc == 2 ? child(atoi(argv[1])) : parent(argv[0]);
}
