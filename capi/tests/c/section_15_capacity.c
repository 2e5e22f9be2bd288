// Section 15: the capacity, which callers read instead of knowing it.

#include "check.h"

static void payload_only(uint32_t mode) {
    ROW("mode %u: exactly the capacity fits, in whatever pieces", mode);
    struct pair pair = make_pair(mode);
    size_t left = pair.capacity;
    for (size_t size = 1; left > 0; size = size * 2 + 1) {
        size_t piece = size < left ? size : left;
        put(pair.x, piece);
        left -= piece;
    }
    EQUAL(socket_info(pair.y).rx_buf_size, pair.capacity);
    STATUS(zx_socket_write(pair.x, 0, big, 1, NULL), ZX_ERR_SHOULD_WAIT);
    ROW("mode %u: the other direction has its own", mode);
    put(pair.y, pair.capacity);
    close_pair(pair);
}

static void both_directions_and_ends_agree(void) {
    ROW("one number for all");
    struct pair pair = make_pair(ZX_SOCKET_STREAM);
    zx_info_socket_t x = socket_info(pair.x), y = socket_info(pair.y);
    EQUAL(x.rx_buf_max, x.tx_buf_max);
    EQUAL(x.rx_buf_max, y.rx_buf_max);
    EQUAL(x.rx_buf_max, y.tx_buf_max);
    close_pair(pair);
}

int main(void) {
    check_begin();
    both_directions_and_ends_agree();
    payload_only(ZX_SOCKET_STREAM);
    payload_only(ZX_SOCKET_DATAGRAM);
    return check_end();
}
