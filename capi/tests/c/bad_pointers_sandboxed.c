// A library built with `checked-pointers`, where the system does not let it check: every call that is
// given pointers is refused, and none trusts them.

#include "check.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

// Has the kernel answer both system calls of this thread with an error; with EPERM, as the filters
// of some containers do.
static void answer(uint32_t error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("prctl");
        exit(2);
    }
}

static void forbid(void) {
    answer(EPERM);
}

static int forbidden_from_the_start(void) {
    zx_handle_t x = UNTOUCHED, y = UNTOUCHED;
    ROW("forbidden from the start");
    forbid();
    STATUS(zx_socket_create(0, &x, &y), ZX_ERR_NOT_SUPPORTED);
    STATUS(zx_port_create(0, &x), ZX_ERR_NOT_SUPPORTED);
    EQUAL(x, UNTOUCHED);
    EQUAL(y, UNTOUCHED);
    ROW("calls without pointers are not refused for that");
    STATUS(zx_handle_close(3), ZX_ERR_BAD_HANDLE);
    return check_end();
}

static void *call_without_memory(void *arg) {
    struct pair *pair = arg;
    size_t actual = UNTOUCHED;
    answer(ENOMEM);
    STATUS(zx_socket_write(pair->x, 0, big, 5, &actual), ZX_ERR_NO_MEMORY);
    STATUS(zx_socket_read(pair->x, 0, big, 5, &actual), ZX_ERR_NO_MEMORY);
    EQUAL(actual, UNTOUCHED);
    ROW("an error that is not the copy's stays what it is");
    STATUS(zx_socket_write(3, 0, big, 5, &actual), ZX_ERR_BAD_HANDLE);
    return NULL;
}

// As a kernel may answer once that is short of memory: only the calls that it happens to fail.
static void out_of_memory(void) {
    ROW("no memory for a copy");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    put(pair.y, 5);
    pthread_t thread;
    pthread_create(&thread, NULL, call_without_memory, &pair);
    pthread_join(thread, NULL);
    ROW("later copies are made");
    take(pair.x, 5);
    put(pair.x, 5);
    STATUS(zx_socket_write(pair.x, 0, (void *)8, 5, NULL), ZX_ERR_INVALID_ARGS);
    close_pair(pair);
}

static void forbidden_later(void) {
    ROW("forbidden after the first calls");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    size_t actual = UNTOUCHED;
    put(pair.y, 5);
    forbid();
    for (int i = 0; i < 2; i++) {
        STATUS(zx_socket_write(pair.x, 0, big, 5, &actual), ZX_ERR_NOT_SUPPORTED);
        STATUS(zx_socket_read(pair.x, 0, big, 5, &actual), ZX_ERR_NOT_SUPPORTED);
    }
    EQUAL(actual, UNTOUCHED);
    ROW("handles can still be closed");
    OK(zx_handle_close(pair.x));
    OK(zx_handle_close(pair.y));
}

int main(void) {
    check_begin();
    // In a process of its own, before the library is used in this one.
    pid_t pid = fork();
    if (pid == 0)
        _exit(forbidden_from_the_start());
    int status = -1;
    TRUE(waitpid(pid, &status, 0) == pid);
    EQUAL(status, 0);
    out_of_memory();
    forbidden_later();
    return check_end();
}
