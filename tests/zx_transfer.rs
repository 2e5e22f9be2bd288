//! Endpoints that move while something of them is still held where they were.

use std::sync::mpsc;
use std::thread;

use zocket::zx::*;

/// As long as any thread of the process is pinned, nothing is freed: what is left of an endpoint that
/// has moved stays, and must not be taken for it.
#[test]
fn endpoint_that_moved_is_woken_though_its_remains_are_still_here() {
    let _pinned = crossbeam_epoch::pin();
    let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).expect("a pair");
    let b = handle_from_fd(handle_to_fd(b).expect("it can move")).expect("it has arrived");
    let (begin, began) = mpsc::channel();
    let waiter = thread::spawn(move || {
        begin.send(()).expect("the test waits");
        let mut observed = 0;
        zx_object_wait_one(b, ZX_SOCKET_READABLE, ZX_TIME_INFINITE, Some(&mut observed))?;
        Ok::<_, Status>(observed)
    });
    began.recv().expect("the waiter begins");
    zx_socket_write(a, 0, b"x").expect("there is space");
    let observed = waiter.join().expect("no panic").expect("the wait ends");
    assert_eq!(observed, ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
    // The same by way of a port.
    let port = zx_port_create(0).expect("a port");
    zx_object_wait_async(b, port, 1, ZX_USER_SIGNAL_0, 0).expect("it can be waited on");
    zx_object_signal_peer(a, 0, ZX_USER_SIGNAL_0).expect("the peer is there");
    let packet = zx_port_wait(port, ZX_TIME_INFINITE).expect("a packet");
    assert_eq!(packet.signal().trigger, ZX_USER_SIGNAL_0);
    zx_handle_close_many(&[a, b, port]).expect("they are open");
}

/// The peer sees a hang-up when the endpoint's new owner is gone, not when the old one has
/// forgotten it.
#[test]
fn hang_up_of_a_moved_endpoint_does_not_wait_for_its_remains() {
    let _pinned = crossbeam_epoch::pin();
    let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).expect("a pair");
    // Unclaimed, and dropped: nobody sets a closed bit, the kernel tells.
    drop(handle_to_fd(b).expect("it can move"));
    let mut observed = 0;
    zx_object_wait_one(
        a,
        ZX_SOCKET_PEER_CLOSED,
        ZX_TIME_INFINITE,
        Some(&mut observed),
    )
    .expect("the peer is gone");
    assert_eq!(observed & ZX_SOCKET_PEER_CLOSED, ZX_SOCKET_PEER_CLOSED);
    zx_handle_close(a).expect("it is open");
}
