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
//
// A socket that is full is full for a while, and so is whatever waits before it: the loop takes no more from
// where that comes, until there is space again. Only what it can do something about may wake it.
//
// A child process turns what it gets into capitals, and has an event loop too; the parent feeds it from its
// standard input, a pipe (epoll watches no files), and prints what comes back.
//
//     printf 'one line\nand another\n' | ./event_loop
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
// What a packet of the port is about. Here there is one socket.
enum { DATA, SPACE };

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
    // Whether the port was asked for a packet that has not come yet.
    bool is_awaited[2];
    // What is still to be written.
    char pending[4096];
    size_t length;
    // Whether nothing more will be added to that, and whether the peer was told.
    bool is_last, is_ended;
    // Whether the loop watches its input.
    bool is_watched;
};

static void watch(struct loop *loop, int fd, uint32_t what) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    check_os("epoll_ctl", epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event));
}

// Asks for one packet, unless one is under way.
static void await(struct loop *loop, uint64_t key, zx_signals_t signals) {
    if (loop->is_awaited[key])
        return;
    signals |= ZX_SOCKET_PEER_CLOSED;
    check("wait_async", zx_object_wait_async(loop->socket, loop->port, key, signals, 0));
    loop->is_awaited[key] = true;
}

// Something to read, or its end.
static void await_data(struct loop *loop) {
    await(loop, DATA, ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED);
}

static void open_loop(struct loop *loop, zx_handle_t socket) {
    memset(loop, 0, sizeof *loop);
    loop->socket = socket;
    loop->epoll = check_os("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
    check("create a port", zx_port_create(0, &loop->port));
    int fd;
    check("get its descriptor", zocket_port_fd(loop->port, &fd));
    watch(loop, fd, PORT);
    await_data(loop);
}

// Writes what there is space for, and asks for more space if some is left; says that it was the last when
// it is.
static void write_pending(struct loop *loop) {
    while (loop->length > 0) {
        size_t written;
        zx_status_t status = zx_socket_write(loop->socket, 0, loop->pending, loop->length, &written);
        if (status == ZX_ERR_SHOULD_WAIT) {
            await(loop, SPACE, ZX_SOCKET_WRITABLE);
            return;
        }
        check("write", status);
        loop->length -= written;
        memmove(loop->pending, loop->pending + written, loop->length);
    }
    if (loop->is_last && !loop->is_ended) {
        check("half-close", zx_socket_set_disposition(
                                loop->socket, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
        loop->is_ended = true;
    }
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

// Takes all packets, which are for once. What is so of the socket the calls say.
static void take_packets(struct loop *loop) {
    zx_port_packet_t packet;
    while (zx_port_wait(loop->port, 0, &packet) == ZX_OK)
        loop->is_awaited[packet.key] = false;
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
        // Backpressure: as long as there are answers to be written, no more is read, nor asked for.
        while (loop.length == 0) {
            ssize_t length = read_some(&loop, loop.pending, sizeof loop.pending);
            if (length < 0)
                return EXIT_SUCCESS;
            if (length == 0) {
                await_data(&loop);
                break;
            }
            for (ssize_t i = 0; i < length; i++)
                loop.pending[i] = (char)toupper((unsigned char)loop.pending[i]);
            loop.length = (size_t)length;
            write_pending(&loop);
        }
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

// Something else that the loop watches, as long as there is room for what comes from it. It is taken out
// meanwhile, since epoll tells of its end (EPOLLHUP) also who asks for nothing.
static void watch_input(struct loop *loop) {
    bool is_wanted = !loop->is_last && loop->length < sizeof loop->pending;
    if (is_wanted && !loop->is_watched)
        watch(loop, STDIN_FILENO, INPUT);
    if (!is_wanted && loop->is_watched)
        check_os("epoll_ctl", epoll_ctl(loop->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL));
    loop->is_watched = is_wanted;
}

// Takes what there is room for: some, as else it is not watched. So nothing is the end.
static void take_input(struct loop *loop) {
    size_t room = sizeof loop->pending - loop->length;
    ssize_t length = read(STDIN_FILENO, loop->pending + loop->length, room);
    check_os("read", (int)length);
    loop->length += (size_t)length;
    loop->is_last = length == 0;
}

// Prints what has come back, and says whether more may come.
static bool print_answers(struct loop *loop) {
    char buffer[4096];
    ssize_t length;
    while ((length = read_some(loop, buffer, sizeof buffer)) > 0)
        check_os("print", fwrite(buffer, (size_t)length, 1, stdout) == 1 ? 0 : -1);
    return length == 0;
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
    while (print_answers(&loop)) {
        await_data(&loop);
        watch_input(&loop);
        struct epoll_event event;
        check_os("epoll_wait", epoll_wait(loop.epoll, &event, 1, -1));
        if (event.data.u32 == INPUT)
            take_input(&loop);
        else
            take_packets(&loop);
        write_pending(&loop);
    }
    check_os("print", fflush(stdout));

    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return EXIT_FAILURE;
    zx_handle_close(ours);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    return argc == 2 ? child(atoi(argv[1])) : parent(argv[0]);
}
