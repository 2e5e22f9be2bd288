"""zocket in an asyncio event loop, by way of its C interface and ctypes.

    ZOCKET_LIBRARY=/tmp/zocket/lib/libzocket.so python3 examples/python/event_loop.py

The recipe is that of examples/c/event_loop.c: one port for all sockets, its descriptor in the loop. A child
process turns what it gets into capitals; both are this program.
"""

import asyncio
import ctypes
import os
import subprocess
import sys

ZX_OK = 0
ZX_ERR_BAD_STATE, ZX_ERR_SHOULD_WAIT, ZX_ERR_PEER_CLOSED = -20, -22, -24
READABLE, WRITABLE, PEER_CLOSED, PEER_WRITE_DISABLED = 1, 2, 4, 16
WRITE_DISABLED = 1

# A library of the system, unless it is said which.
lib = ctypes.CDLL(os.environ.get("ZOCKET_LIBRARY", "libzocket.so.0"))
lib.zocket_status_string.restype = ctypes.c_char_p


class Packet(ctypes.Structure):
    """`zx_port_packet_t`; what follows the key is of no interest here."""

    _fields_ = [("key", ctypes.c_uint64), ("rest", ctypes.c_uint8 * 40)]


def check(status):
    if status != ZX_OK:
        raise OSError(lib.zocket_status_string(status).decode())


def handle_from(function, *arguments):
    handle = ctypes.c_uint32()
    check(function(*arguments, ctypes.byref(handle)))
    return handle


class Port:
    """All sockets of an event loop."""

    def __init__(self):
        self.handle = handle_from(lib.zx_port_create, 0)
        self.waiting = {}
        fd = ctypes.c_int()
        check(lib.zocket_port_fd(self.handle, ctypes.byref(fd)))
        asyncio.get_running_loop().add_reader(fd.value, self._take_packets)

    def _take_packets(self):
        packet = Packet()
        while lib.zx_port_wait(self.handle, ctypes.c_int64(0), ctypes.byref(packet)) == ZX_OK:
            future = self.waiting.pop(packet.key, None)
            if future is not None and not future.done():
                future.set_result(None)

    async def wait(self, socket, signals):
        """Until one of the signals is on."""
        future = asyncio.get_running_loop().create_future()
        key = id(future)
        self.waiting[key] = future
        check(
            lib.zx_object_wait_async(
                socket, self.handle, ctypes.c_uint64(key), ctypes.c_uint32(signals), 0
            )
        )
        await future


class Socket:
    """One end of a stream."""

    def __init__(self, port, handle):
        self.port, self.handle = port, handle

    async def read(self, size=65536):
        """Some bytes, or none at the end."""
        buffer, length = ctypes.create_string_buffer(size), ctypes.c_size_t()
        while True:
            status = lib.zx_socket_read(
                self.handle, 0, buffer, ctypes.c_size_t(size), ctypes.byref(length)
            )
            if status == ZX_ERR_SHOULD_WAIT:
                await self.port.wait(self.handle, READABLE | PEER_CLOSED | PEER_WRITE_DISABLED)
            elif status in (ZX_ERR_BAD_STATE, ZX_ERR_PEER_CLOSED):
                return b""
            else:
                check(status)
                return buffer.raw[: length.value]

    async def write(self, data):
        """All of it."""
        length = ctypes.c_size_t()
        while data:
            status = lib.zx_socket_write(
                self.handle, 0, data, ctypes.c_size_t(len(data)), ctypes.byref(length)
            )
            if status == ZX_ERR_SHOULD_WAIT:
                await self.port.wait(self.handle, WRITABLE | PEER_CLOSED)
            else:
                check(status)
                data = data[length.value :]

    def end(self):
        """Nothing more will be written; reading goes on."""
        check(lib.zx_socket_set_disposition(self.handle, WRITE_DISABLED, 0))


async def child(fd):
    socket = Socket(Port(), handle_from(lib.zocket_handle_from_fd, fd))
    while data := await socket.read():
        await socket.write(data.upper())
    socket.end()


async def parent():
    ours, theirs = ctypes.c_uint32(), ctypes.c_uint32()
    check(lib.zx_socket_create(0, ctypes.byref(ours), ctypes.byref(theirs)))
    fd = ctypes.c_int()
    check(lib.zocket_handle_to_fd(theirs, ctypes.byref(fd)))
    process = subprocess.Popen([sys.executable, __file__, str(fd.value)], pass_fds=[fd.value])
    # As long as we keep our copy, the child's death would not close its endpoint.
    os.close(fd.value)

    socket = Socket(Port(), ours)

    async def feed():
        # More than the socket holds: the loop waits for space, and reads meanwhile.
        for _ in range(1000):
            await socket.write(b"one line and another\n" * 50)
        socket.end()

    async def collect():
        answers = bytearray()
        while data := await socket.read():
            answers += data
        return bytes(answers)

    _, answers = await asyncio.gather(feed(), collect())
    assert answers == b"ONE LINE AND ANOTHER\n" * 50_000
    print(f"{len(answers)} bytes came back in capitals")
    assert process.wait() == 0


asyncio.run(child(int(sys.argv[1])) if len(sys.argv) > 1 else parent())
