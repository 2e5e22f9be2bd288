// The same as two_processes.c in C++: a handle that closes itself, errors as exceptions.
//
// A parent starts a child, hands it one end of a socket, asks it to square numbers, and says
// when it has asked enough. How to compile it: README.md.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zocket.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

void check(const char *what, zx_status_t status) {
    if (status != ZX_OK)
        throw std::runtime_error(std::string(what) + ": " + zocket_status_string(status));
}

// Owns a handle, as zx::handle of Fuchsia's libzx does: moves, does not copy, closes.
class Handle {
public:
    Handle() = default;
    explicit Handle(zx_handle_t value) : value_(value) {}
    Handle(Handle &&other) noexcept : value_(other.release()) {}
    Handle &operator=(Handle &&other) noexcept {
        std::swap(value_, other.value_); // what we had is closed with `other`
        return *this;
    }
    // 0 is closed without complaint.
    ~Handle() { zx_handle_close(value_); }

    zx_handle_t get() const { return value_; }
    zx_handle_t release() { return std::exchange(value_, ZX_HANDLE_INVALID); }

private:
    zx_handle_t value_ = ZX_HANDLE_INVALID;
};

// Messages of one number each, over one end of a datagram socket.
class Numbers {
public:
    static std::pair<Numbers, Numbers> create() {
        zx_handle_t first, second;
        check("create", zx_socket_create(ZX_SOCKET_DATAGRAM, &first, &second));
        return {Numbers(Handle(first)), Numbers(Handle(second))};
    }

    static Numbers from_fd(int fd) {
        zx_handle_t handle;
        check("make a handle of the descriptor", zocket_handle_from_fd(fd, &handle));
        return Numbers(Handle(handle));
    }

    // A descriptor to pass on. The handle is gone then.
    int into_fd() && {
        int fd;
        check("make a descriptor of the handle", zocket_handle_to_fd(handle_.get(), &fd));
        handle_.release();
        return fd;
    }

    void send(std::uint64_t number) {
        zx_status_t status;
        while ((status = zx_socket_write(handle_.get(), 0, &number, sizeof number, nullptr)) ==
               ZX_ERR_SHOULD_WAIT)
            wait(ZX_SOCKET_WRITABLE | ZX_SOCKET_PEER_CLOSED);
        check("write", status);
    }

    // The next number; none when the peer has closed, or said that it writes no more.
    std::optional<std::uint64_t> receive() {
        std::uint64_t number;
        zx_status_t status;
        while ((status = zx_socket_read(handle_.get(), 0, &number, sizeof number, nullptr)) ==
               ZX_ERR_SHOULD_WAIT)
            wait(ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED | ZX_SOCKET_PEER_CLOSED);
        if (status == ZX_ERR_BAD_STATE || status == ZX_ERR_PEER_CLOSED)
            return std::nullopt;
        check("read", status);
        return number;
    }

    // Half-close: the peer reads what is left, and then the end.
    void finish() {
        check("half-close", zx_socket_set_disposition(
                                handle_.get(), ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
    }

    // Returns all signals at the moment that ended the wait.
    zx_signals_t wait(zx_signals_t signals) {
        zx_signals_t observed;
        check("wait", zx_object_wait_one(handle_.get(), signals, ZX_TIME_INFINITE, &observed));
        return observed;
    }

private:
    explicit Numbers(Handle handle) : handle_(std::move(handle)) {}

    Handle handle_;
};

int child(int fd) {
    Numbers numbers = Numbers::from_fd(fd);
    while (auto question = numbers.receive())
        numbers.send(*question * *question);
    return EXIT_SUCCESS; // and the endpoint closes
}

// Starts this program once more, with the descriptor's number as its argument.
pid_t start_child(char *program, int fd) {
    // Descriptors from zocket are closed on exec; this one is meant to be inherited.
    if (fcntl(fd, F_SETFD, 0) < 0)
        throw std::runtime_error("fcntl");
    std::string number = std::to_string(fd);
    char *arguments[] = {program, number.data(), nullptr};
    pid_t pid;
    if (posix_spawn(&pid, program, nullptr, nullptr, arguments, environ) != 0)
        throw std::runtime_error("cannot start the child");
    return pid;
}

int parent(char *program) {
    auto [ours, theirs] = Numbers::create();
    int fd = std::move(theirs).into_fd();
    pid_t pid = start_child(program, fd);
    close(fd); // the child has its own; ours would keep the endpoint alive

    for (std::uint64_t number = 1; number <= 5; number++)
        ours.send(number);
    ours.finish();

    std::cout << "the child answered:";
    while (auto answer = ours.receive())
        std::cout << ' ' << *answer;
    std::cout << '\n';

    zx_signals_t observed = ours.wait(ZX_SOCKET_PEER_CLOSED);
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return EXIT_FAILURE;
    if (!(observed & ZX_SOCKET_READABLE))
        std::cout << "the child is done, and has closed its endpoint\n";
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char **argv) {
    try {
        return argc == 2 ? child(std::atoi(argv[1])) : parent(argv[0]);
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
