//! Ten thousand pairs, made and dropped in every way: nothing stays open or mapped.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use zocket::{Builder, Datagram, Error, Stream};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::observe::{endpoint_mappings, open_descriptors};

pub(crate) const ROLES: &[Role] = &[("leak_counter", leak_counter)];

const PAIRS: usize = 10_000;

/// Endpoints that the watcher has not let go of yet, and frees with the next one that
/// it forgets: a few, however many there were.
const IN_RECLAMATION: usize = 4;

/// So short that it sleeps, and wakes, at once.
fn soon() -> Instant {
    Instant::now() + Duration::from_micros(20)
}

fn pair() -> (Stream, Stream) {
    let builder = Builder::new().capacity(4 << 10);
    builder.stream_pair().expect("nothing has leaked so far")
}

/// Sleeps in the kernel, so that the watcher knows the endpoint.
fn slept((a, b): (Stream, Stream)) -> (Stream, Stream) {
    let (mut a, mut b) = (a, b);
    for end in [&mut a, &mut b] {
        end.set_busy_wait(false);
        let error = end.read_deadline(&mut [0], soon()).unwrap_err();
        assert_eq!(error, Error::TimedOut);
    }
    (a, b)
}

/// One of the ways in which an endpoint comes and goes.
fn live_and_die(way: usize) {
    match way {
        0 => drop(pair()),
        1 => drop(slept(pair())),
        2 => {
            // Packed and claimed, after a sleep here and before one there.
            let (a, b) = slept(pair());
            let b = Stream::try_from(OwnedFd::from(b)).expect("it is inside");
            drop(slept((a, b)));
        }
        3 => {
            let (a, b) = pair();
            drop((OwnedFd::from(a), OwnedFd::from(b)));
        }
        4 => {
            let (a, b) = slept(pair());
            let (read, write) = a.into_split();
            drop(read);
            drop(b);
            drop(write);
        }
        5 => {
            let (a, b) = pair();
            let (read, write) = a.into_split();
            let (other_read, other_write) = b.into_split();
            let error = read.reunite(other_write).unwrap_err();
            let a = error.0.reunite(write).expect("halves of one endpoint");
            let b = error.1.reunite(other_read).expect("halves of one endpoint");
            drop(slept((a, b)));
        }
        6 => {
            let (a, b) = UnixStream::pair().expect("nothing has leaked so far");
            let (mut one, other) = pair();
            other.send_to(&a).expect("there is room");
            let error = Datagram::receive_from(&b).unwrap_err();
            assert!(matches!(error, Error::WrongKind { .. }), "{error}");
            // Received as the wrong kind it is gone, and the peer knows.
            assert_eq!(one.wait_readable(1, None), Ok(()));
            assert_eq!(one.try_read(&mut [0]), Ok(0));
        }
        7 => {
            let (_kept, other) = pair();
            let envelope = OwnedFd::from(other);
            let copy = envelope.try_clone().expect("nothing has leaked so far");
            drop(Stream::try_from(envelope).expect("it is inside"));
            let error = Stream::try_from(copy).unwrap_err();
            assert_eq!(error.error(), Error::AlreadyClaimed);
        }
        8 => {
            let (a, b) = UnixStream::pair().expect("nothing has leaked so far");
            drop(b);
            let (one, other) = pair();
            let error = other.send_to(&a).unwrap_err();
            assert!(matches!(error.error(), Error::Os { .. }), "{error}");
            // Unharmed, and so is its peer.
            drop(slept((one, error.into_endpoint())));
        }
        _ => {
            let builder = Builder::new().capacity(4 << 10);
            let (mut a, b) = builder.datagram_pair().expect("nothing has leaked so far");
            let error = a.try_send(&[0; 5000]).unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
            let error = a.recv_deadline(&mut [0], soon()).unwrap_err();
            assert_eq!(error, Error::TimedOut);
            let error = Stream::try_from(b.into_fd().expect("packed")).unwrap_err();
            assert!(matches!(error.error(), Error::WrongKind { .. }), "{error}");
            drop(Datagram::try_from(error.into_fd().expect("given back")).expect("it is inside"));
        }
    }
}

fn leak_counter(control: &Control) {
    // The first sleep starts the watcher, which stays.
    drop(slept(pair()));
    let (descriptors, mappings) = (open_descriptors(), endpoint_mappings());
    for i in 0..PAIRS {
        live_and_die(i % 10);
    }
    let (open, mapped) = (open_descriptors(), endpoint_mappings());
    control.tell(format!(
        "{open} descriptors and {mapped} mappings, {descriptors} and {mappings} before"
    ));
    assert!(open <= descriptors + IN_RECLAMATION, "{open} descriptors");
    assert!(mapped <= mappings + IN_RECLAMATION, "{mapped} mappings");
}

#[test]
fn ten_thousand_pairs_leave_no_descriptor_and_no_mapping() {
    let child = Process::start("leak_counter", []);
    eprintln!("{}", child.hear());
    child.finish();
}
