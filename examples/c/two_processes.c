// A parent starts a child, hands it one end of a socket, asks it to square numbers, and says
// when it has asked enough.
//
// On Zircon a handle travels to another process in a message on a channel. Linux processes
// pass file descriptors instead, so the handle becomes one for the journey: zocket_handle_to_fd
// here, zocket_handle_from_fd there. Everything else is Zircon's.
//
// Shows: zx_socket_create, both conversions, zx_socket_read and zx_socket_write with
// zx_object_wait_one, half-close with zx_socket_set_disposition, the end of a peer.
//
// How to compile it: README.md.

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zocket.h>

extern char **environ;

// Zircon's calls say what went wrong by their result, and nothing by errno.
static void check(const char *what, zx_status_t status) {
    if (status == ZX_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, zocket_status_string(status));
    exit(EXIT_FAILURE);
}

// Sends one number, waiting for room if there is none.
//
// The socket was made for datagrams: a message arrives whole or not at all, so there are no
// halves to care for. (Processes on one machine: the same byte order on both sides.)
static void send_number(zx_handle_t socket, uint64_t number) {
    for (;;) {
        zx_status_t status = zx_socket_write(socket, 0, &number, sizeof number, NULL);
        if (status != ZX_ERR_SHOULD_WAIT) {
            check("write", status);
            return;
        }
        // Calls on a socket never block; waiting is a call of its own. PEER_CLOSED is waited
        // for as well: a peer that dies makes no room any more.
        check("wait for room", zx_object_wait_one(socket, ZX_SOCKET_WRITABLE | ZX_SOCKET_PEER_CLOSED,
                                                  ZX_TIME_INFINITE, NULL));
    }
}

// Receives one number, waiting for it. Returns 0 when no more will come.
static int receive_number(zx_handle_t socket, uint64_t *number) {
    for (;;) {
        size_t actual;
        zx_status_t status = zx_socket_read(socket, 0, number, sizeof *number, &actual);
        switch (status) {
        case ZX_OK:
            return actual == sizeof *number;
        case ZX_ERR_BAD_STATE:   // the peer has said that it writes no more, and all is read
        case ZX_ERR_PEER_CLOSED: // the peer is gone, and all is read
            return 0;
        case ZX_ERR_SHOULD_WAIT:
            check("wait for data",
                  zx_object_wait_one(socket,
                                     ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED |
                                         ZX_SOCKET_PEER_CLOSED,
                                     ZX_TIME_INFINITE, NULL));
            break;
        default:
            check("read", status);
        }
    }
}

static int child(int fd) {
    zx_handle_t socket;
    check("make a handle of the descriptor", zocket_handle_from_fd(fd, &socket));

    uint64_t question;
    while (receive_number(socket, &question))
        send_number(socket, question * question);

    // The parent reads what we wrote even after we have closed.
    zx_handle_close(socket);
    return EXIT_SUCCESS;
}

// Starts this program once more, with the descriptor's number as its argument.
static pid_t start_child(const char *program, int fd) {
    // Descriptors from zocket are closed on exec, so that they do not leak into other
    // children. This one is meant to be inherited.
    if (fcntl(fd, F_SETFD, 0) < 0) {
        perror("fcntl");
        exit(EXIT_FAILURE);
    }
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

static int parent(const char *program) {
    zx_handle_t ours, theirs;
    check("create", zx_socket_create(ZX_SOCKET_DATAGRAM, &ours, &theirs));

    int fd;
    check("make a descriptor of the handle", zocket_handle_to_fd(theirs, &fd));
    pid_t pid = start_child(program, fd);
    // The child has its own copy. As long as we keep ours, the child's death would not
    // close the endpoint, and we would wait for ever.
    close(fd);

    for (uint64_t number = 1; number <= 5; number++)
        send_number(ours, number);
    // No more questions: the child's loop ends. Its answers still come.
    check("half-close", zx_socket_set_disposition(ours, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));

    printf("the child answered:");
    uint64_t answer;
    while (receive_number(ours, &answer))
        printf(" %llu", (unsigned long long)answer);
    printf("\n");

    // `observed` has all signals at the moment that ended the wait, not only those asked for.
    zx_signals_t observed;
    check("wait for the end",
          zx_object_wait_one(ours, ZX_SOCKET_PEER_CLOSED, ZX_TIME_INFINITE, &observed));
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return EXIT_FAILURE;
    if (!(observed & ZX_SOCKET_READABLE))
        printf("the child is done, and has closed its endpoint\n");
    zx_handle_close(ours);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    return argc == 2 ? child(atoi(argv[1])) : parent(argv[0]);
}
