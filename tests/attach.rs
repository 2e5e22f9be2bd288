//! Endpoints from hostile hands, over real descriptors and through the public
//! interface: envelopes that are none, that hold something else, or memory that
//! lies; and a peer that scribbles in the memory of a pair in use.
//!
//! Each bad thing has its own clear error, and nothing of it stays open or
//! mapped. Counting that needs the process for itself, so every test here
//! runs inside [`alone`].

#![allow(
    unsafe_code,
    reason = "asks about descriptors by number, and sets options that nix does not know"
)]

mod support;

use std::fs::File;
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};
use support::descriptors::{Open, Parts, Shared, envelope, post, seqpacket_pair, wake_futex};
use zocket::protocol::{HEADER_SIZE, Header, Side, Word32, Word64, flags, waiter};
use zocket::zx::{self, Status};
use zocket::{
    Builder, Datagram, Disposition, Error, Kind, Packet, Port, Readiness, Signals, Stream, Trigger,
    Violation, WaitItem, wait_many,
};

const CAPACITY: usize = 4096;

/// Runs `test` with the process for itself, and checks that it leaves nothing behind.
fn alone(test: impl FnOnce()) {
    static GATE: Mutex<()> = Mutex::new(());
    static WARM_UP: Once = Once::new();
    let _gate = GATE.lock().unwrap_or_else(|e| e.into_inner());
    // What a process keeps for good, once: the watcher's thread and descriptor.
    WARM_UP.call_once(sleep_once);
    let before = Open::now();
    test();
    // A mapping that was watched is freed when the watcher is known not to look at it any
    // more, which the next watched endpoints find out.
    for _ in 0..1000 {
        if Open::now() == before {
            return;
        }
        sleep_once();
    }
    assert_eq!(Open::now(), before, "left behind");
}

fn sleep_once() {
    let (mut a, _b) = pair();
    a.set_busy_wait(false);
    let soon = Instant::now() + Duration::from_micros(100);
    assert_eq!(a.read_deadline(&mut [0], soon), Err(Error::TimedOut));
}

fn pair() -> (Stream, Stream) {
    Builder::new().capacity(CAPACITY).stream_pair().unwrap()
}

fn datagram_pair() -> (Datagram, Datagram) {
    Builder::new().capacity(CAPACITY).datagram_pair().unwrap()
}

/// One endpoint, and the parts of the other.
fn opened() -> (Stream, Parts) {
    let (a, b) = pair();
    (a, Parts::of(b))
}

/// Puts the parts into an envelope again, with these descriptors instead of theirs.
fn packed(parts: &Parts, memfd: BorrowedFd<'_>, bell: BorrowedFd<'_>) -> OwnedFd {
    envelope(&parts.message, &[memfd, bell])
}

/// The parts, altered or not, in an envelope.
fn repacked(parts: &Parts) -> OwnedFd {
    packed(parts, parts.memfd.as_fd(), parts.bell.as_fd())
}

/// The error of a claim that must fail, and whether the descriptor came back.
#[track_caller]
fn refused(envelope: impl Into<OwnedFd>) -> (Error, bool) {
    let error = Stream::try_from(envelope.into()).expect_err("claimed");
    (error.error(), error.into_fd().is_some())
}

#[test]
fn claim_of_a_genuine_envelope_put_together_by_hand_works() {
    alone(|| {
        let (mut a, parts) = opened();
        let mut b = Stream::try_from(repacked(&parts)).unwrap();
        a.write_all(b"there").unwrap();
        b.write_all(b"back").unwrap();
        let mut buf = [0; 8];
        assert_eq!(b.try_read(&mut buf), Ok(5));
        assert_eq!(a.try_read(&mut buf), Ok(4));
        // The other tests alter one thing of this.
        assert_eq!(parts.header().kind, Kind::Stream);
        assert_eq!(parts.message.len(), 24);
        assert_eq!(&parts.message[..8], b"zocket\xE7\x01");
    });
}

#[test]
fn second_claim_is_refused_as_claimed_already() {
    alone(|| {
        let (a, b) = pair();
        let first = OwnedFd::from(b);
        let second = first.try_clone().unwrap();
        let b = Stream::try_from(first).unwrap();
        assert_eq!(refused(second), (Error::AlreadyClaimed, true));
        assert!(!a.info().peer_closed);
        drop(b);
    });
}

#[test]
fn claim_as_the_wrong_kind_gives_the_envelope_back() {
    alone(|| {
        let (mut a, b) = pair();
        let error = Datagram::try_from(OwnedFd::from(b)).unwrap_err();
        let found = Kind::Stream;
        assert_eq!(error.error(), Error::WrongKind { found });
        let mut b = Stream::try_from(error.into_fd().unwrap()).unwrap();
        a.write_all(b"x").unwrap();
        assert_eq!(b.try_read(&mut [0]), Ok(1));

        let (mut a, b) = datagram_pair();
        let error = Stream::try_from(OwnedFd::from(b)).unwrap_err();
        let found = Kind::Datagram;
        assert_eq!(error.error(), Error::WrongKind { found });
        let mut b = Datagram::try_from(error.into_fd().unwrap()).unwrap();
        a.send(b"x").unwrap();
        assert_eq!(b.try_recv(&mut [0]), Ok(1));
    });
}

#[test]
fn descriptor_that_is_no_envelope_is_refused_and_given_back() {
    alone(|| {
        let (unix_a, unix_b) = UnixStream::pair().unwrap();
        let (_pipe_out, pipe_in) = nix::unistd::pipe().unwrap();
        let (_datagram_a, datagram_b) = UnixDatagram::pair().unwrap();
        let (open_end, with_open_end) = seqpacket_pair();
        let alone = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::SeqPacket,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
            None,
        );
        let (_a, parts) = opened();
        let cases: [(&str, OwnedFd); 12] = [
            ("file", File::open("/dev/null").unwrap().into()),
            ("regular file", tempfile::tempfile().unwrap().into()),
            ("directory", File::open("/").unwrap().into()),
            ("pipe", pipe_in),
            ("UDP socket", UdpSocket::bind("127.0.0.1:0").unwrap().into()),
            (
                "TCP socket",
                std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
            ),
            ("connected stream", unix_a.into()),
            (
                "unconnected datagram",
                UnixDatagram::unbound().unwrap().into(),
            ),
            ("connected datagram", datagram_b.into()),
            ("unconnected seqpacket", alone.unwrap()),
            ("seqpacket with an open end", with_open_end),
            ("memory of an endpoint", parts.memfd.try_clone().unwrap()),
        ];
        for (name, fd) in cases {
            assert_eq!(refused(fd), (Error::NotAnEndpoint, true), "{name}");
        }
        drop((unix_b, open_end));
        // Nothing tells this from an envelope that somebody has emptied.
        let (closed_end, empty) = seqpacket_pair();
        drop(closed_end);
        assert_eq!(refused(empty), (Error::AlreadyClaimed, true));
    });
}

#[test]
fn message_that_is_no_endpoints_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let fds = [parts.memfd.as_fd(), parts.bell.as_fd()];
        let altered = |at: usize, value: u8| {
            let mut message = parts.message.clone();
            message[at] = value;
            refused(envelope(&message, &fds))
        };
        for at in 0..8 {
            assert_eq!(altered(at, 0xFF), (Error::NotAnEndpoint, true), "byte {at}");
        }
        let found = 9;
        assert_eq!(altered(8, 9), (Error::UnsupportedVersion { found }, true));
        assert_eq!(altered(12, 2), (Error::BadHeader("kind"), true));
        assert_eq!(altered(15, 1), (Error::BadHeader("kind"), true));
        assert_eq!(altered(16, 2), (Error::BadHeader("side"), true));
        // A bit that is no right; and rights that exclude what every Rust endpoint can do.
        assert_eq!(altered(21, 0xFF), (Error::BadHeader("rights"), true));
        assert_eq!(altered(20, 0), (Error::MissingRights, true));

        for len in 1..parts.message.len() {
            let short = envelope(&parts.message[..len], &fds);
            assert_eq!(refused(short), (Error::NotAnEndpoint, true), "{len} bytes");
        }
        for more in [1, 8, 1000] {
            let long = [parts.message.clone(), vec![0; more]].concat();
            let long = envelope(&long, &fds);
            assert_eq!(refused(long), (Error::NotAnEndpoint, true), "{more} more");
        }
        let garbage: Vec<u8> = (0..=255).cycle().take(3000).collect();
        assert_eq!(
            refused(envelope(&garbage, &fds)),
            (Error::NotAnEndpoint, true)
        );
        // A newer version may have longer messages; its number comes first.
        let mut newer = [parts.message.clone(), vec![0; 40]].concat();
        newer[8] += 1;
        let found = newer[8].into();
        assert_eq!(
            refused(envelope(&newer, &fds)),
            (Error::UnsupportedVersion { found }, true)
        );
    });
}

#[test]
fn kind_in_the_message_that_is_not_the_memorys_is_refused() {
    alone(|| {
        let (_a, mut parts) = opened();
        parts.message[12] = 1;
        let error = Datagram::try_from(repacked(&parts)).unwrap_err();
        let found = Kind::Stream;
        assert_eq!(error.error(), Error::WrongKind { found });
        assert!(error.into_fd().is_none(), "the endpoint is out, and lost");
    });
}

#[test]
fn wrong_number_of_descriptors_is_refused_and_all_are_closed() {
    alone(|| {
        let (_a, parts) = opened();
        let (memfd, bell) = (parts.memfd.as_fd(), parts.bell.as_fd());
        let expected = 2;
        for found in [0, 1, 3, 8] {
            let fds: Vec<_> = [memfd, bell].into_iter().cycle().take(found).collect();
            let error = Error::DescriptorCount { expected, found };
            assert_eq!(refused(envelope(&parts.message, &fds)), (error, false));
        }
        // The kernel cuts the list off; what it has installed by then is closed too.
        let fds: Vec<_> = [memfd, bell].into_iter().cycle().take(200).collect();
        let (error, back) = refused(envelope(&parts.message, &fds));
        let Error::DescriptorCount { expected: 2, found } = error else {
            panic!("{error:?}");
        };
        assert!((3..200).contains(&found) && !back, "{found}");
    });
}

/// With a nearly full table the kernel cuts off even a short list: what is left may look
/// like an endpoint, but was more.
#[test]
fn list_cut_off_by_a_full_table_is_refused_and_all_are_closed() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    alone(|| {
        let (_a, parts) = opened();
        let (memfd, bell) = (parts.memfd.as_fd(), parts.bell.as_fd());
        let expected = 2;
        for (sent, room) in [(3, 2), (2, 1), (2, 0)] {
            let fds: Vec<_> = [memfd, bell].into_iter().cycle().take(sent).collect();
            let envelope = envelope(&parts.message, &fds);
            let free = |fd: &i32| fcntl_get_fd(*fd).is_err();
            let limit = (0..).filter(free).nth(room).unwrap();
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
            setrlimit(Resource::RLIMIT_NOFILE, limit as u64, hard).unwrap();
            let result = refused(envelope);
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
            let found = room;
            let error = Error::DescriptorCount { expected, found };
            assert_eq!(result, (error, false), "{sent} sent");
        }
    });
}

/// Whether a number is a descriptor's.
fn fcntl_get_fd(number: i32) -> nix::Result<i32> {
    // SAFETY: asks about a number, whoever's it is, and changes nothing.
    nix::errno::Errno::result(unsafe { libc::fcntl(number, libc::F_GETFD) })
}

/// A peer that sets options on the envelope can have the kernel put more into our
/// table than descriptors that were sent.
#[test]
fn envelope_that_asks_for_credentials_leaves_nothing_behind() {
    const SO_PASSPIDFD: libc::c_int = 76;
    alone(|| {
        for option in [libc::SO_PASSCRED, SO_PASSPIDFD, libc::SO_PASSSEC] {
            let (_a, parts) = opened();
            let (keep, sender) = seqpacket_pair();
            let on: libc::c_int = 1;
            // SAFETY: the option's value is an int, and lives during the call.
            let result = unsafe {
                libc::setsockopt(
                    keep.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    (&raw const on).cast(),
                    size_of_val(&on) as libc::socklen_t,
                )
            };
            if result != 0 {
                // An older kernel that cannot do this to us.
                continue;
            }
            let fds = [parts.memfd.as_fd(), parts.bell.as_fd()];
            post(&sender, &parts.message, &fds);
            drop(sender);
            let before = Open::now();
            let (count, held) = (before.fds.len(), keep.as_raw_fd());
            let endpoint = Stream::try_from(keep).unwrap();
            let after = Open::now();
            // The memory and the doorbell for the envelope.
            assert_eq!(
                after.fds.len(),
                count + 1,
                "option {option}: {held} {after:#?}"
            );
            drop(endpoint);
        }
    });
}

#[test]
fn descriptors_in_the_wrong_order_are_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let swapped = packed(&parts, parts.bell.as_fd(), parts.memfd.as_fd());
        assert_eq!(refused(swapped), (Error::NotAnEndpoint, false));
    });
}

#[test]
fn doorbell_that_is_no_unix_stream_socket_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let (datagram, _other) = UnixDatagram::pair().unwrap();
        let (seqpacket, _other) = seqpacket_pair();
        let (_out, pipe) = nix::unistd::pipe().unwrap();
        let cases: [(&str, OwnedFd); 7] = [
            ("file", File::open("/dev/null").unwrap().into()),
            ("pipe", pipe),
            ("UDP socket", UdpSocket::bind("127.0.0.1:0").unwrap().into()),
            (
                "TCP socket",
                std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
            ),
            ("datagram socket", datagram.into()),
            ("seqpacket socket", seqpacket),
            ("memory", parts.memfd.try_clone().unwrap()),
        ];
        for (name, bell) in cases {
            let forged = packed(&parts, parts.memfd.as_fd(), bell.as_fd());
            assert_eq!(refused(forged), (Error::NotAnEndpoint, false), "{name}");
        }
    });
}

/// These are Unix stream sockets, so they pass; they must do no harm as doorbells.
#[test]
fn doorbell_that_is_connected_to_nothing_means_that_the_peer_is_gone() {
    alone(|| {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let unconnected = nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::Stream,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        let (half_shut, _far) = UnixStream::pair().unwrap();
        half_shut.shutdown(std::net::Shutdown::Both).unwrap();
        let cases: [(&str, OwnedFd, bool); 3] = [
            ("unconnected", unconnected, true),
            ("shut down", half_shut.into(), true),
            ("listening", listener.into(), false),
        ];
        for (name, bell, gone) in cases {
            let (a, parts) = opened();
            let forged = packed(&parts, parts.memfd.as_fd(), bell.as_fd());
            let mut b = Stream::try_from(forged).unwrap();
            assert_eq!(b.try_read(&mut [0]), Err(Error::WouldBlock), "{name}");
            let soon = Instant::now() + Duration::from_millis(1);
            let expected = if gone { Ok(0) } else { Err(Error::TimedOut) };
            assert_eq!(b.read_deadline(&mut [0], soon), expected, "{name}");
            b.acknowledge();
            drop((a, b));
        }
    });
}

/// A memfd with this content and these seals.
fn memfd(content: &[u8], seals: SealFlag) -> OwnedFd {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let memfd = memfd_create(c"zocket", flags).unwrap();
    let mut file = File::from(memfd);
    file.write_all(content).unwrap();
    let memfd = OwnedFd::from(file);
    fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    memfd
}

fn all_seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

/// The memory of `parts`, as bytes.
fn content(parts: &Parts) -> Vec<u8> {
    let mut bytes = vec![0; parts.header().total_size()];
    assert_eq!(
        nix::sys::uio::pread(&parts.memfd, &mut bytes, 0),
        Ok(bytes.len())
    );
    bytes
}

#[test]
fn memory_that_can_be_resized_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let bytes = content(&parts);
        let (shrink, grow) = (SealFlag::F_SEAL_SHRINK, SealFlag::F_SEAL_GROW);
        let seal = SealFlag::F_SEAL_SEAL;
        for seals in [
            SealFlag::empty(),
            shrink,
            grow,
            seal,
            shrink | grow,
            shrink | seal,
            grow | seal,
        ] {
            let forged = packed(&parts, memfd(&bytes, seals).as_fd(), parts.bell.as_fd());
            assert_eq!(refused(forged), (Error::MissingSeals, false), "{seals:?}");
        }
        // The same bytes with all seals pass: it was the seals.
        let copy = memfd(&bytes, all_seals());
        let b = Stream::try_from(packed(&parts, copy.as_fd(), parts.bell.as_fd()));
        assert!(b.is_ok(), "{b:?}");
    });
}

#[test]
fn memory_that_cannot_be_sealed_at_all_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content(&parts)).unwrap();
        let (pipe, _in) = nix::unistd::pipe().unwrap();
        let (socket, _other) = UnixStream::pair().unwrap();
        let cases: [(&str, OwnedFd); 4] = [
            ("null device", File::open("/dev/null").unwrap().into()),
            ("pipe", pipe),
            ("socket", socket.into()),
            ("directory", File::open("/").unwrap().into()),
        ];
        for (name, fd) in cases {
            let forged = packed(&parts, fd.as_fd(), parts.bell.as_fd());
            assert_eq!(refused(forged), (Error::MissingSeals, false), "{name}");
        }
        // A regular file: only on a tmpfs does it know of seals, and then has none but
        // F_SEAL_SEAL.
        let forged = packed(&parts, file.as_fd(), parts.bell.as_fd());
        assert_eq!(refused(forged), (Error::MissingSeals, false));
    });
}

#[test]
fn memory_that_cannot_be_written_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let seals = all_seals() | SealFlag::F_SEAL_WRITE;
        let sealed = memfd(&content(&parts), seals);
        let path = format!("/proc/self/fd/{}", parts.memfd.as_raw_fd());
        let read_only = OwnedFd::from(File::open(path).unwrap());
        for (fd, errno) in [(sealed, libc::EPERM), (read_only, libc::EACCES)] {
            let forged = packed(&parts, fd.as_fd(), parts.bell.as_fd());
            let call = "mmap";
            assert_eq!(refused(forged), (Error::Os { call, errno }, false));
        }
    });
}

#[test]
fn memory_of_another_length_than_its_headers_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let bytes = content(&parts);
        let total = bytes.len();
        for len in [0, 1, HEADER_SIZE - 1] {
            let forged = memfd(&bytes[..len], all_seals());
            let forged = packed(&parts, forged.as_fd(), parts.bell.as_fd());
            let (expected, found) = (HEADER_SIZE as u64, len as u64);
            let error = Error::WrongMemorySize { expected, found };
            assert_eq!(refused(forged), (error, false), "{len} bytes");
        }
        for len in [
            HEADER_SIZE,
            4096,
            total - 4096,
            total - 1,
            total + 1,
            total + 4096,
        ] {
            let mut altered = bytes.clone();
            altered.resize(len, 0);
            let forged = memfd(&altered, all_seals());
            let forged = packed(&parts, forged.as_fd(), parts.bell.as_fd());
            let (expected, found) = (total as u64, len as u64);
            let error = Error::WrongMemorySize { expected, found };
            assert_eq!(refused(forged), (error, false), "{len} bytes");
        }
    });
}

#[test]
fn memory_with_one_header_field_altered_is_refused() {
    alone(|| {
        let (_a, parts) = opened();
        let genuine = parts.header().to_bytes();
        let total = parts.header().total_size() as u64;
        let found = total;
        let bad = Error::BadHeader;
        let cases: [(usize, &[u8], Error); 15] = [
            (0, &[0], Error::NotAnEndpoint),
            (7, &[0], Error::NotAnEndpoint),
            (8, &[1], Error::UnsupportedVersion { found: 1 }),
            (8, &[0], Error::UnsupportedVersion { found: 0 }),
            (12, &[2], bad("kind")),
            (16, &0u64.to_le_bytes(), bad("capacity")),
            (16, &4097u64.to_le_bytes(), bad("capacity")),
            (16, &(2u64 << 30).to_le_bytes(), bad("capacity")),
            (16, &(1u64 << 63).to_le_bytes(), bad("capacity")),
            (16, &u64::MAX.to_le_bytes(), bad("capacity")),
            (16, &8192u64.to_le_bytes(), bad("total size")),
            (40, &[2], bad("fence mode")),
            (44, &[0], bad("page size")),
            (44, &[255, 255, 255, 255], bad("page size")),
            (48, &u64::MAX.to_le_bytes(), bad("total size")),
        ];
        for (at, value, error) in cases {
            parts.poke(at, value);
            assert_eq!(
                refused(repacked(&parts)),
                (error, false),
                "{value:?} at {at}"
            );
            parts.poke(0, &genuine);
        }
        // A consistent header for much more memory than there is.
        let greedy = Header {
            capacity: 1 << 30,
            ..parts.header()
        };
        parts.poke(0, &greedy.to_bytes());
        let expected = greedy.total_size() as u64;
        let error = Error::WrongMemorySize { expected, found };
        assert_eq!(refused(repacked(&parts)), (error, false));
        // And the other kind, though the message says stream.
        let other = Header {
            kind: Kind::Datagram,
            ..parts.header()
        };
        parts.poke(0, &other.to_bytes());
        assert!(refused(repacked(&parts)).0 != Error::NotAnEndpoint);
        parts.poke(0, &genuine);
        assert!(Stream::try_from(repacked(&parts)).is_ok());
    });
}

#[test]
fn impossible_positions_in_the_memory_are_refused() {
    alone(|| {
        for side in [Side::A, Side::B] {
            let (_a, parts) = opened();
            let at = |word: Word64| Header::direction_offset(side) + word.offset();
            let set = |word: Word64, value: u64| parts.poke(at(word), &value.to_le_bytes());
            let capacity = CAPACITY as u64;
            for (tail, head) in [
                (capacity + 1, 0),
                (0, 1),
                (5, 6),
                (u64::MAX, 0),
                (1 << 63, 0),
                (0, capacity),
                (capacity, u64::MAX),
                (u64::MAX, u64::MAX - capacity - 1),
            ] {
                set(Word64::Tail, tail);
                set(Word64::Head, head);
                let error = Error::Protocol(Violation::TailOutOfRange);
                assert_eq!(refused(repacked(&parts)), (error, false), "{tail} {head}");
            }
            // Full, at the very end of the count: possible, if unlikely.
            set(Word64::Tail, capacity - 10);
            set(Word64::Head, u64::MAX - 9);
            assert!(Stream::try_from(repacked(&parts)).is_ok());
        }
    });
}

#[test]
fn any_cursor_in_the_memory_yields_an_error_or_bounded_data() {
    alone(|| {
        let (a, b) = datagram_pair();
        drop(a);
        let parts = Parts::of(b);
        for cursor in [0, 1, 8191, 8192, 8193, 1 << 32, 1 << 63, u64::MAX] {
            for side in [Side::A, Side::B] {
                for (word, value) in [
                    (Word64::Tail, 100),
                    (Word64::Head, 40),
                    (Word64::TailCursor, cursor),
                    (Word64::HeadCursor, cursor),
                ] {
                    let at = Header::direction_offset(side) + word.offset();
                    parts.poke(at, &u64::to_le_bytes(value));
                }
            }
            let mut b = Datagram::try_from(repacked(&parts)).unwrap();
            let mut buf = [0; 200];
            // Not one prefix in the area is written: every length is zero.
            let error = Error::Protocol(Violation::RecordLength);
            assert_eq!(b.try_recv(&mut buf), Err(error), "cursor {cursor}");
            assert_eq!(b.try_recv(&mut buf), Err(error));
        }
    });
}

/// A pair in use whose memory somebody else has mapped: what a hostile process
/// does that holds the other end.
struct Victim {
    /// `A`.
    ours: Stream,
    /// `B`, for what a peer that keeps to the rules would see.
    theirs: Stream,
    shared: Shared,
}

impl Victim {
    fn new() -> Self {
        let (ours, parts) = opened();
        let shared = Shared::map(&parts);
        let theirs = Stream::try_from(repacked(&parts)).unwrap();
        Self {
            ours,
            theirs,
            shared,
        }
    }
}

#[test]
fn impossible_tail_disconnects_the_peer() {
    alone(|| {
        let capacity = CAPACITY as u64;
        for tail in [capacity + 11, 9, 0, 1 << 63, u64::MAX] {
            let mut v = Victim::new();
            v.theirs.write_all(&[1; 10]).unwrap();
            v.ours.try_read(&mut [0; 10]).unwrap();
            v.shared.word64(Side::B, Word64::Tail).store(tail, SeqCst);
            let error = Error::Protocol(Violation::TailOutOfRange);
            for _ in 0..3 {
                assert_eq!(v.ours.try_read(&mut [0; 10]), Err(error), "{tail}");
            }
            assert_disconnected(&mut v);
        }
    });
}

#[test]
fn impossible_head_disconnects_the_peer() {
    alone(|| {
        let capacity = CAPACITY as u64;
        // 10 of a full ring are read, then the head goes back, or beyond the tail.
        for head in [0, 9, capacity + 1, 1 << 63, u64::MAX] {
            let mut v = Victim::new();
            v.ours.write_all(&[1; CAPACITY]).unwrap();
            v.theirs.try_read(&mut [0; 10]).unwrap();
            assert_eq!(v.ours.try_write(&[1; 10]), Ok(10));
            let last = if head == capacity + 1 {
                capacity + 11
            } else {
                head
            };
            v.shared.word64(Side::A, Word64::Head).store(last, SeqCst);
            let error = Error::Protocol(Violation::HeadOutOfRange);
            for _ in 0..3 {
                assert_eq!(v.ours.try_write(&[1; 10]), Err(error), "{head}");
            }
            assert_disconnected(&mut v);
        }
    });
}

/// The peer has been told, and nothing that it writes brings the endpoint back.
fn assert_disconnected(v: &mut Victim) {
    assert!(v.theirs.info().peer_closed);
    assert_eq!(v.theirs.try_write(b"x"), Err(Error::PeerClosed));
    for side in [Side::A, Side::B] {
        for word in [Word32::ConsumerFlags, Word32::ProducerFlags] {
            let bits = v.shared.word32(side, word).swap(0, SeqCst);
            assert_ne!(bits & flags::CLOSED, 0, "{side:?} {word:?}");
        }
        for word in [Word64::Tail, Word64::Head] {
            v.shared.word64(side, word).store(20, SeqCst);
        }
    }
    assert!(v.ours.info().peer_closed);
    let read = v.ours.try_read(&mut [0; 10]);
    assert!(matches!(read, Err(Error::Protocol(_))), "{read:?}");
    let write = v.ours.try_write(&[1; 10]);
    assert!(matches!(write, Err(Error::Protocol(_))), "{write:?}");
    let soon = Instant::now() + Duration::from_millis(1);
    let wait = v.ours.wait_readable(1, Some(soon));
    assert!(matches!(wait, Err(Error::Protocol(_))), "{wait:?}");
    let arm = v.ours.arm_write(1);
    assert!(matches!(arm, Err(Error::Protocol(_))), "{arm:?}");
}

#[test]
fn impossible_datagram_length_disconnects_the_peer() {
    alone(|| {
        for (prefix, queued) in [
            (&[0u8, 0, 0, 0, 0][..], 10),
            (&[11, 0, 0, 0, 0], 10),
            (&[255, 254, 0, 0, 0], 1000),
            (&[255, 0xE9, 3, 0, 0], 1000),
            (&[255, 255, 255, 255, 255], 1000),
        ] {
            let (mut a, b) = datagram_pair();
            let parts = Parts::of(b);
            let shared = Shared::map(&parts);
            let mut b = Datagram::try_from(repacked(&parts)).unwrap();
            b.send(&vec![1; queued]).unwrap();
            for (byte, bad) in shared.data(Side::B).iter().zip(prefix) {
                byte.store(*bad, SeqCst);
            }
            let error = Error::Protocol(Violation::RecordLength);
            assert_eq!(a.try_next_len(), Err(error), "{prefix:?}");
            assert_eq!(a.try_recv(&mut [0; 2000]), Err(error));
            assert_eq!(a.try_chunk().err(), Some(error));
            assert_eq!(a.recv(&mut [0; 2000]), Err(error));
            assert_eq!(b.try_send(b"x"), Err(Error::PeerClosed));
        }
    });
}

/// The peer dies, and what it has left is bad: an error is not followed by a clean end.
#[test]
fn bad_datagram_of_a_peer_known_to_be_gone_stays_an_error() {
    alone(|| {
        let (mut a, b) = datagram_pair();
        let parts = Parts::of(b);
        let shared = Shared::map(&parts);
        let mut b = Datagram::try_from(repacked(&parts)).unwrap();
        b.send(b"xyz").unwrap();
        drop(b);
        // Notices that no more will come.
        a.wait_readable(100, None).unwrap();
        shared.data(Side::B)[0].store(200, SeqCst);
        let error = Error::Protocol(Violation::RecordLength);
        for _ in 0..3 {
            assert_eq!(a.try_recv(&mut [0; 10]), Err(error));
        }
    });
}

/// A small generator, so that a run can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Writes one random thing into the memory: often nearly right, sometimes wild.
fn scribble(shared: &Shared, random: &mut Random) {
    const WORDS64: [Word64; 11] = [
        Word64::Tail,
        Word64::Head,
        Word64::ConsumerWant,
        Word64::ProducerWant,
        Word64::ConsumerEventWant,
        Word64::ProducerEventWant,
        Word64::ReadThreshold,
        Word64::WriteThreshold,
        Word64::Signals,
        Word64::TailCursor,
        Word64::HeadCursor,
    ];
    const WORDS32: [Word32; 8] = [
        Word32::ConsumerWaiter,
        Word32::ProducerWaiter,
        Word32::Events,
        Word32::Writing,
        Word32::ConsumerAnnounced,
        Word32::ProducerAnnounced,
        Word32::ConsumerFlags,
        Word32::ProducerFlags,
    ];
    let side = [Side::A, Side::B][random.below(2) as usize];
    match random.below(1000) {
        0..200 => {
            // Data, as much as there is space for, or less.
            let (tail, head) = (
                shared.word64(Side::B, Word64::Tail),
                shared.word64(Side::B, Word64::Head),
            );
            let end = head.load(SeqCst).wrapping_add(CAPACITY as u64);
            let space = end.wrapping_sub(tail.load(SeqCst)).min(CAPACITY as u64);
            tail.fetch_add(random.below(space + 1) / 4, SeqCst);
        }
        200..400 => {
            // Space, as much as there is data, or less.
            let (tail, head) = (
                shared.word64(Side::A, Word64::Tail),
                shared.word64(Side::A, Word64::Head),
            );
            let queued = tail.load(SeqCst).wrapping_sub(head.load(SeqCst));
            head.fetch_add(random.below(queued.min(CAPACITY as u64) + 1), SeqCst);
        }
        400 => {
            let word = shared.word64(side, WORDS64[random.below(11) as usize]);
            word.store(random.next() >> random.below(64), SeqCst);
        }
        401..550 => {
            let word = shared.word32(side, WORDS32[random.below(6) as usize]);
            word.store(random.below(32) as u32, SeqCst);
        }
        550 => {
            let word = shared.word32(side, WORDS32[random.below(8) as usize]);
            word.store(random.next() as u32, SeqCst);
        }
        551..560 => {
            // Disabled, enabled, and as if it had been so many times more.
            let word = shared.word32(side, Word32::ConsumerFlags);
            let more = (random.next() as u32) >> random.below(32);
            word.fetch_add(more & !flags::CLOSED, SeqCst);
        }
        560..600 => {
            let word = shared.word64(side, WORDS64[2 + random.below(6) as usize]);
            word.store(random.below(2 * CAPACITY as u64), SeqCst);
        }
        600..700 => wake_futex(shared.word32(side, WORDS32[random.below(3) as usize])),
        700..720 => {
            let word = shared.word64(side, Word64::Signals);
            word.fetch_xor(1 << random.below(64), SeqCst);
        }
        // Closed is taken back more often than said, or every life would be over soon.
        745..755 => {
            for word in [Word32::ConsumerFlags, Word32::ProducerFlags] {
                shared.word32(side, word).fetch_and(!flags::CLOSED, SeqCst);
            }
        }
        720..740 => _ = shared.word32(side, Word32::Events).fetch_add(1, SeqCst),
        _ => {
            let data = shared.data(side);
            let at = random.below(data.len() as u64) as usize;
            let wild = random.below(500) == 0;
            let value = if wild {
                random.next()
            } else {
                1 + random.below(3)
            };
            data[at].store(value as u8, SeqCst);
        }
    }
}

/// One random call; whether the endpoint is still in use after it.
fn use_stream(v: &mut Stream, random: &mut Random) -> bool {
    let mut buf = [0; 700];
    let n = random.below(700) as usize;
    let soon = || Some(Instant::now() + Duration::from_micros(20));
    let result = match random.below(12) {
        0..3 => v.try_read(&mut buf[..n]),
        3 => v.try_peek(&mut buf[..n]),
        4..7 => v.try_write(&buf[..n]),
        7 => v.try_chunk().map(|chunk| {
            let len = chunk.len();
            assert_eq!(
                chunk.spans().map(|span| span.len()).iter().sum::<usize>(),
                len
            );
            chunk.consume(len.min(n));
            len
        }),
        8 => v.try_reserve(n).map(|mut space| {
            let len = space.len();
            assert_eq!(
                space.spans().map(|span| span.len()).iter().sum::<usize>(),
                len
            );
            space.commit(len / 2);
            len
        }),
        9 => v.wait_readable(n, soon()).map(|()| 0),
        10 => v.wait_writable(n, soon()).map(|()| 0),
        _ => v.arm_read(n).map(|_| 0),
    };
    let info = v.info();
    assert!(info.readable <= CAPACITY && info.unread_by_peer <= CAPACITY);
    assert!(result.unwrap_or(0) <= CAPACITY, "{result:?}");
    goes_on(result)
}

fn use_datagram(v: &mut Datagram, random: &mut Random) -> bool {
    let mut buf = [0; 700];
    let n = random.below(700) as usize;
    let soon = || Some(Instant::now() + Duration::from_micros(20));
    let result = match random.below(12) {
        0..3 => v.try_recv(&mut buf[..n]),
        3 => v.try_peek(&mut buf[..n]),
        4..7 => v.try_send(&buf[..n]),
        7 => v.try_chunk().map(|chunk| {
            let len = chunk.len();
            assert_eq!(
                chunk.spans().map(|span| span.len()).iter().sum::<usize>(),
                len
            );
            chunk.consume(len);
            len
        }),
        8 => v.try_reserve(n).map(|space| {
            let len = space.len();
            space.commit(len / 2);
            len
        }),
        9 => v.wait_readable(n, soon()).map(|()| 0),
        10 => v.wait_writable(n, soon()).map(|()| 0),
        _ => v.try_next_len(),
    };
    assert!(result.unwrap_or(0) <= CAPACITY, "{result:?}");
    goes_on(result)
}

/// Whether an answer is one that a peer may cause, and leaves the endpoint in use.
fn goes_on(result: Result<usize, Error>) -> bool {
    match result {
        Ok(_) | Err(Error::WouldBlock | Error::TimedOut | Error::WriteDisabled) => true,
        Err(Error::PeerClosed | Error::Protocol(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Has random things written into the memory of pairs in use, while `call` uses our
/// end of each, until both sides have done enough of it.
fn scribbled<E: Send>(
    seed: u64,
    pair: impl Fn() -> (E, Shared, OwnedFd),
    call: impl Fn(&mut E, &mut Random) -> bool,
) {
    let mut random = Random(seed);
    let (mut lives, mut scribbles, mut calls, mut violations) = (0, 0, 0, 0);
    while scribbles < 100_000 || calls < 50_000 {
        let (mut ours, shared, bell) = pair();
        // So that a random place in a ring of datagrams is a possible length.
        for byte in shared.data(Side::B) {
            byte.store(2, SeqCst);
        }
        let over = AtomicBool::new(false);
        let scribbler_seed = random.next();
        lives += 1;
        scribbles += thread::scope(|scope| {
            let scribbler = scope.spawn(|| {
                let mut random = Random(scribbler_seed);
                let mut count = 0;
                while !over.load(SeqCst) {
                    scribble(&shared, &mut random);
                    if count % 64 == 0 {
                        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                        let _ = send(bell.as_raw_fd(), &[1], flags);
                    }
                    count += 1;
                }
                count
            });
            // So many that a life of misses only ends as well.
            let broken = (0..5_000).any(|_| {
                calls += 1;
                !call(&mut ours, &mut random)
            });
            violations += u32::from(broken);
            over.store(true, SeqCst);
            scribbler.join().unwrap()
        });
    }
    eprintln!(
        "seed {seed:#x}: {lives} lives, {scribbles} scribbles, {calls} calls, {violations} violations"
    );
    assert!(violations > 0, "the scribbles never met the calls");
}

#[test]
fn stream_whose_peer_scribbles_stays_within_bounds() {
    alone(|| {
        let victim = || {
            let (a, parts) = opened();
            (a, Shared::map(&parts), parts.bell)
        };
        scribbled(0x5EED_0001, victim, use_stream);
    });
}

#[test]
fn datagrams_whose_peer_scribbles_stay_within_bounds() {
    alone(|| {
        let victim = || {
            let (a, b) = datagram_pair();
            let parts = Parts::of(b);
            (a, Shared::map(&parts), parts.bell)
        };
        scribbled(0x5EED_0002, victim, use_datagram);
    });
}

/// An endpoint that is waited for in every way there is in Rust.
struct Watched {
    stream: Stream,
    /// Another one, on which nothing happens.
    quiet: (Stream, Stream),
    port: Port,
}

/// Signals that an endpoint can have.
fn possible() -> Signals {
    Signals::all() - Signals::EVENT_SIGNALED - Signals::HANDLE_CLOSED
}

fn some_disposition(random: &mut Random) -> Disposition {
    [
        Disposition::Unchanged,
        Disposition::WriteDisabled,
        Disposition::WriteEnabled,
    ][random.below(3) as usize]
}

fn use_signals(v: &mut Watched, random: &mut Random) -> bool {
    let stream = &mut v.stream;
    let mask = Signals::from_bits_retain(random.next() as u32 & random.next() as u32);
    let user = mask & Signals::USER_ALL;
    let soon = || Some(Instant::now() + Duration::from_micros(50));
    let bytes = random.below(CAPACITY as u64 + 1) as usize;
    let mut observed = Signals::empty();
    let result = match random.below(12) {
        0..2 => stream.wait(mask, soon()).map(|on| observed = on),
        2..4 => {
            let mut items = [WaitItem::new(&v.quiet.0, user), WaitItem::new(stream, mask)];
            let result = wait_many(&mut items, soon());
            observed = items[1].pending();
            result
        }
        4..6 => {
            let trigger = [Trigger::Level, Trigger::Edge][random.below(2) as usize];
            v.port.register(stream, random.below(4), mask, trigger)
        }
        6..8 => v.port.wait(soon()).map(|packet| match packet {
            Packet::Signals { observed: on, .. } => observed = on,
            packet => panic!("{packet:?}"),
        }),
        8 => {
            let (own, peer) = (some_disposition(random), some_disposition(random));
            stream.set_disposition(own, peer)
        }
        9 => stream.signal(user, Signals::USER_ALL - user),
        10 => stream.signal_peer(user, Signals::USER_ALL - user),
        _ => {
            v.port.cancel(stream, random.below(4));
            let set = stream.set_read_threshold(bytes);
            set.and_then(|()| stream.set_write_threshold(bytes))
        }
    };
    assert!(
        possible().contains(observed | stream.signals()),
        "{observed:?}"
    );
    assert!(stream.read_threshold() <= CAPACITY && stream.write_threshold() <= CAPACITY);
    match result {
        Ok(()) | Err(Error::TimedOut | Error::UnreadData | Error::PeerClosed) => {}
        Err(error) => panic!("{error:?}"),
    }
    // Bytes move under the eyes of those who wait.
    random.below(4) > 0 || use_stream(stream, random)
}

#[test]
fn stream_that_is_waited_for_while_its_peer_scribbles_stays_within_bounds() {
    alone(|| {
        let victim = || {
            let (stream, parts) = opened();
            let watched = Watched {
                stream,
                quiet: pair(),
                port: Port::new().unwrap(),
            };
            (watched, Shared::map(&parts), parts.bell)
        };
        scribbled(0x5EED_0003, victim, use_signals);
    });
}

/// A handle to an endpoint, and to a port.
struct Handles(zx::zx_handle_t, zx::zx_handle_t);

impl Drop for Handles {
    fn drop(&mut self) {
        zx::zx_handle_close_many(&[self.0, self.1]).unwrap();
    }
}

/// A point in time that is near, on the clock of handles.
fn zx_soon(after: Duration) -> zx::zx_time_t {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    let now = Duration::new(now.tv_sec() as u64, now.tv_nsec() as u32);
    i64::try_from((now + after).as_nanos()).unwrap()
}

fn use_handles(v: &mut Handles, random: &mut Random) -> bool {
    let Handles(socket, port) = *v;
    let mut buf = [0; 700];
    let n = random.below(700) as usize;
    let mask = random.next() as u32 & random.next() as u32;
    let user = mask & Signals::USER_ALL.bits();
    let soon = zx_soon(Duration::from_micros(50));
    let mut observed = 0;
    let result = match random.below(12) {
        0..2 => zx::zx_socket_read(socket, 0, &mut buf[..n]).map(|n| assert!(n <= CAPACITY)),
        2..4 => zx::zx_socket_write(socket, 0, &buf[..n]).map(|n| assert!(n <= CAPACITY)),
        4..6 => zx::zx_object_wait_one(socket, mask, soon, Some(&mut observed)),
        6 => {
            let item = |waitfor| zx::zx_wait_item_t {
                handle: socket,
                waitfor,
                pending: 0,
            };
            zx::zx_object_wait_many(&mut [item(mask), item(user)], soon)
        }
        7 => zx::zx_object_wait_async(socket, port, 1, mask, (mask >> 3) & zx::ZX_WAIT_ASYNC_EDGE),
        8 => zx::zx_port_wait(port, soon).map(drop),
        9 => zx::zx_object_signal_peer(socket, user, !mask & Signals::USER_ALL.bits()),
        10 => zx::zx_socket_set_disposition(
            socket,
            random.below(2) as u32 + 1,
            random.below(3) as u32,
        ),
        _ => zx::zx_object_signal(socket, user, !mask & Signals::USER_ALL.bits()),
    };
    let observed = Signals::from_bits_retain(observed);
    assert!(possible().contains(observed), "{observed:?}");
    match result {
        Ok(()) => true,
        Err(Status::SHOULD_WAIT | Status::TIMED_OUT | Status::BAD_STATE) => true,
        Err(Status::PEER_CLOSED) => random.below(8) > 0,
        Err(status) => panic!("{status:?}"),
    }
}

#[test]
fn handles_whose_peer_scribbles_stay_within_bounds() {
    alone(|| {
        let victim = || {
            let (a, parts) = opened();
            let socket = zx::handle_from_fd(a.into_fd().unwrap()).unwrap();
            let handles = Handles(socket, zx::zx_port_create(0).unwrap());
            (handles, Shared::map(&parts), parts.bell)
        };
        scribbled(0x5EED_0004, victim, use_handles);
    });
}

/// What a handle may do is what its envelope says, and no bit more; in Rust an endpoint has
/// all rights or is not made.
#[test]
fn any_rights_in_an_envelope_are_granted_or_refused() {
    alone(|| {
        let all = zx::ZX_DEFAULT_SOCKET_RIGHTS;
        let owned = all & !zx::ZX_RIGHT_DUPLICATE;
        let mut random = Random(0x5EED_0005);
        let some = (0..100).map(|_| random.next() as u32 & all).collect();
        let single = (0..32).map(|n| 1 << n).collect();
        let but_one = (0..32).map(|n| all & !(1 << n)).collect();
        let beyond = (0..32).map(|n| all | 1 << n).collect();
        let values: [Vec<u32>; 5] = [vec![0, all, u32::MAX], some, single, but_one, beyond];
        for rights in values.concat() {
            let (_a, mut parts) = opened();
            parts.message[20..24].copy_from_slice(&rights.to_le_bytes());
            let (known, enough) = (rights & !all == 0, rights & owned == owned);
            let expected = match (known, enough) {
                (false, _) => Some(Error::BadHeader("rights")),
                (true, false) => Some(Error::MissingRights),
                (true, true) => None,
            };
            let result = Stream::try_from(repacked(&parts));
            match (result, expected) {
                (Ok(_), None) => continue,
                (Err(error), Some(expected)) => {
                    assert_eq!(error.error(), expected, "{rights:#x}");
                    assert!(error.into_fd().is_some(), "{rights:#x}");
                }
                (result, expected) => panic!("{rights:#x}: {result:?}, not {expected:?}"),
            }
            let handle = match zx::handle_from_fd(repacked(&parts)) {
                Ok(handle) if known => handle,
                Err(error) if !known => {
                    assert_eq!(error.status(), Status::INVALID_ARGS, "{rights:#x}");
                    assert!(error.into_fd().is_some(), "{rights:#x}");
                    continue;
                }
                result => panic!("{rights:#x}: {result:?}"),
            };
            let allowed = |right: u32, result: Result<(), Status>| {
                let denied = result == Err(Status::ACCESS_DENIED);
                assert_eq!(
                    denied,
                    rights & right == 0,
                    "{rights:#x} {right:#x} {result:?}"
                );
            };
            let read = zx::zx_socket_read(handle, 0, &mut [0u8; 1][..]);
            allowed(zx::ZX_RIGHT_READ, read.map(drop));
            let write = zx::zx_socket_write(handle, 0, &[1u8][..]);
            allowed(zx::ZX_RIGHT_WRITE, write.map(drop));
            let wait = zx::zx_object_wait_one(handle, 0, 0, None);
            allowed(zx::ZX_RIGHT_WAIT, wait);
            let signal = zx::zx_object_signal(handle, 0, 0);
            allowed(zx::ZX_RIGHT_SIGNAL, signal);
            let signal = zx::zx_object_signal_peer(handle, 0, 0);
            allowed(zx::ZX_RIGHT_SIGNAL_PEER, signal);
            let manage = zx::zx_socket_set_disposition(handle, 0, 0);
            allowed(zx::ZX_RIGHT_MANAGE_SOCKET, manage);
            let copy = zx::zx_handle_duplicate(handle, zx::ZX_RIGHT_SAME_RIGHTS);
            let copied = copy.map(|copy| zx::zx_handle_close(copy).unwrap());
            allowed(zx::ZX_RIGHT_DUPLICATE, copied);
            match zx::handle_to_fd(handle) {
                Ok(envelope) => {
                    // They travel on as they are.
                    assert_ne!(rights & zx::ZX_RIGHT_TRANSFER, 0);
                    assert_eq!(Parts::of(envelope).message, parts.message);
                }
                Err(status) => {
                    allowed(zx::ZX_RIGHT_TRANSFER, Err(status));
                    zx::zx_handle_close(handle).unwrap();
                }
            }
        }
    });
}

/// Runs `flood` over and over on another thread while `call` blocks, for a while at
/// most; whether the call had to be freed by the end of the flood.
fn flooded<T>(flood: impl Fn() + Sync, call: impl FnOnce() -> T) -> (T, bool) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let flooder = scope.spawn(|| {
            let begin = Instant::now();
            while !over.load(SeqCst) {
                // Not asked each time: the flood must be dense.
                for _ in 0..1000 {
                    flood();
                }
                if begin.elapsed() > Duration::from_secs(10) {
                    return true;
                }
            }
            false
        });
        let result = call();
        over.store(true, SeqCst);
        (result, flooder.join().unwrap())
    })
}

const TIMEOUT: Duration = Duration::from_millis(50);

/// A peer that keeps changing the word that we sleep on, or keeps waking us, does not
/// keep us beyond our deadline.
#[test]
fn blocked_reader_whose_futex_is_flooded_ends_at_its_deadline() {
    alone(|| {
        for (how, wakes) in [("changed", false), ("woken", true)] {
            let mut v = Victim::new();
            v.ours.set_busy_wait(false);
            let word = v.shared.word32(Side::B, Word32::ConsumerWaiter);
            let flood = || {
                if wakes {
                    wake_futex(word);
                } else {
                    word.store(0, SeqCst);
                }
            };
            let start = Instant::now();
            let ours = &mut v.ours;
            let (result, freed) = flooded(flood, || ours.read_deadline(&mut [0], start + TIMEOUT));
            assert_eq!((result, freed), (Err(Error::TimedOut), false), "{how}");
            assert!(start.elapsed() >= TIMEOUT, "{how}");
            // And it still works.
            v.theirs.write_all(b"x").unwrap();
            assert_eq!(v.ours.try_read(&mut [0]), Ok(1));
        }
    });
}

#[test]
fn blocked_writer_whose_futex_is_flooded_ends_at_its_deadline() {
    alone(|| {
        let mut v = Victim::new();
        v.ours.set_busy_wait(false);
        v.ours.write_all(&[0; CAPACITY]).unwrap();
        let word = v.shared.word32(Side::A, Word32::ProducerWaiter);
        let start = Instant::now();
        let ours = &mut v.ours;
        let (result, freed) = flooded(
            || word.store(waiter::DOORBELL, SeqCst),
            || ours.write_deadline(&[0], start + TIMEOUT),
        );
        assert_eq!((result, freed), (Err(Error::TimedOut), false));
        assert!(start.elapsed() >= TIMEOUT);
    });
}

/// What a peer does over and over, and its name.
type Flood<'a> = (&'static str, Box<dyn Fn() + Sync + 'a>);

/// Everything that a peer can do over and over to those who wait for our signals.
fn floods<'a>(shared: &'a Shared, bell: &'a OwnedFd) -> [Flood<'a>; 8] {
    let events = shared.word32(Side::B, Word32::Events);
    let consumer = shared.word32(Side::B, Word32::ConsumerWaiter);
    let producer = shared.word32(Side::A, Word32::ProducerWaiter);
    let signals = shared.word64(Side::B, Word64::Signals);
    // Signals that nobody waits for, here; and traces of what is no signal.
    let noise = 0x0055_0000_0000_00F0 | u64::from(Signals::USER_3.bits()) << 32;
    let flags = shared.word32(Side::B, Word32::ConsumerFlags);
    [
        (
            "events are counted",
            Box::new(move || _ = events.fetch_add(1, SeqCst)),
        ),
        (
            "events are counted and woken",
            Box::new(move || {
                events.fetch_add(1, SeqCst);
                wake_futex(events);
            }),
        ),
        ("they are woken only", Box::new(move || wake_futex(events))),
        (
            "their bits are taken",
            Box::new(move || {
                consumer.store(0, SeqCst);
                producer.store(0, SeqCst);
            }),
        ),
        (
            "bits come and go",
            Box::new(move || {
                consumer.fetch_xor(u32::MAX, SeqCst);
                producer.fetch_xor(waiter::EVENTS, SeqCst);
            }),
        ),
        (
            "traces of signals come again",
            Box::new(move || _ = signals.fetch_or(noise, SeqCst)),
        ),
        (
            "writing is disabled and enabled",
            Box::new(move || {
                flags.fetch_add(flags::WRITE_DISABLED, SeqCst);
                events.fetch_add(1, SeqCst);
            }),
        ),
        (
            "the doorbell rings",
            Box::new(move || {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                let _ = send(bell.as_raw_fd(), &[7; 512], flags);
            }),
        ),
    ]
}

/// Whatever a peer does over and over, a wait for what does not come ends at its deadline.
#[test]
fn wait_for_signals_that_is_flooded_ends_at_its_deadline() {
    const WANTED: Signals = Signals::USER_1;
    alone(|| {
        let (ours, parts) = opened();
        let shared = Shared::map(&parts);
        let (quiet, _quiet_peer) = pair();
        let item = |stream| WaitItem::new(stream, WANTED);
        for (name, flood) in floods(&shared, &parts.bell) {
            let check = |how: &str, wait: &mut dyn FnMut(Instant) -> Result<(), Error>| {
                let start = Instant::now();
                let (result, freed) = flooded(&flood, || wait(start + TIMEOUT));
                let expected = (Err(Error::TimedOut), false);
                assert_eq!((result, freed), expected, "{how} while {name}");
                assert!(start.elapsed() >= TIMEOUT, "{how} while {name}");
            };
            check("one", &mut |d| ours.wait(WANTED, Some(d)).map(drop));
            check("two", &mut |d| {
                wait_many(&mut [item(&ours), item(&quiet)], Some(d))
            });
            // So many that it polls.
            check("many", &mut |d| {
                let mut items: Vec<_> = (0..130).map(|_| item(&ours)).collect();
                wait_many(&mut items, Some(d))
            });
            let port = Port::new().unwrap();
            for trigger in [Trigger::Level, Trigger::Edge] {
                port.register(&ours, 1, WANTED, trigger).unwrap();
            }
            check("port", &mut |d| port.wait(Some(d)).map(drop));
        }
    });
}

#[test]
fn wait_through_handles_that_is_flooded_ends_at_its_deadline() {
    alone(|| {
        let (a, parts) = opened();
        let shared = Shared::map(&parts);
        let socket = zx::handle_from_fd(a.into_fd().unwrap()).unwrap();
        let handles = Handles(socket, zx::zx_port_create(0).unwrap());
        let Handles(socket, port) = handles;
        let wanted = zx::ZX_USER_SIGNAL_1;
        zx::zx_object_wait_async(socket, port, 1, wanted, 0).unwrap();
        let item = zx::zx_wait_item_t {
            handle: socket,
            waitfor: wanted,
            pending: 0,
        };
        for (name, flood) in floods(&shared, &parts.bell) {
            let check = |how: &str, wait: &mut dyn FnMut(zx::zx_time_t) -> zx::Result| {
                let start = Instant::now();
                let deadline = zx_soon(TIMEOUT);
                let (result, freed) = flooded(&flood, || wait(deadline));
                let expected = (Err(Status::TIMED_OUT), false);
                assert_eq!((result, freed), expected, "{how} while {name}");
                assert!(start.elapsed() >= TIMEOUT, "{how} while {name}");
            };
            check("one", &mut |d| {
                zx::zx_object_wait_one(socket, wanted, d, None)
            });
            check("many", &mut |d| {
                zx::zx_object_wait_many(&mut [item, item], d)
            });
            check("port", &mut |d| zx::zx_port_wait(port, d).map(drop));
        }
        // Another thread closes the handle under the wait.
        let (result, freed) = thread::scope(|scope| {
            let closer = scope.spawn(|| {
                thread::sleep(TIMEOUT);
                drop(handles);
            });
            let never = zx::ZX_TIME_INFINITE;
            let events = shared.word32(Side::B, Word32::Events);
            let flood = || _ = events.fetch_add(1, SeqCst);
            let result = flooded(flood, || {
                zx::zx_object_wait_one(socket, wanted, never, None)
            });
            closer.join().unwrap();
            result
        });
        assert_eq!((result, freed), (Err(Status::CANCELED), false));
    });
}

/// A peer that says that writing is disabled and goes on for ever has a reader ask again and
/// again; not beyond its deadline.
#[test]
fn reader_whose_end_never_comes_ends_at_its_deadline() {
    alone(|| {
        for busy in [false, true] {
            let mut v = Victim::new();
            v.ours.set_busy_wait(busy);
            v.shared
                .word32(Side::B, Word32::ConsumerFlags)
                .store(flags::WRITE_DISABLED, SeqCst);
            v.shared.word32(Side::B, Word32::Writing).store(1, SeqCst);
            let start = Instant::now();
            let result = v.ours.read_deadline(&mut [0], start + TIMEOUT);
            assert_eq!(result, Err(Error::TimedOut), "busy: {busy}");
            assert!(start.elapsed() >= TIMEOUT);
            eprintln!("busy {busy}: {:?} late", start.elapsed() - TIMEOUT);
        }
    });
}

/// Rings out of band, with descriptors, or to no purpose: a port is told of none for ever.
#[test]
fn rings_of_any_kind_leave_a_port_quiet() {
    alone(|| {
        let (ours, parts) = opened();
        let port = Port::new().unwrap();
        port.register(&ours, 1, Signals::USER_0, Trigger::Level)
            .unwrap();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let oob = flags | MsgFlags::MSG_OOB;
        let bell = parts.bell.as_raw_fd();
        for ring in 0..20 {
            let _ = match ring % 4 {
                0 => send(bell, &[1], oob),
                1 => send(bell, &[1; 3000], flags),
                2 => {
                    post(&parts.bell, &[1], &[parts.memfd.as_fd()]);
                    Ok(1)
                }
                _ => send(bell, &[1, 2, 3], oob),
            };
            let idle = port.wait(Some(Instant::now() + Duration::from_millis(2)));
            assert_eq!(idle, Err(Error::TimedOut));
            assert!(!is_readable(&port), "ring {ring}");
        }
    });
}

/// A peer that says "closed" and takes it back, over and over, gets an answer out of
/// us, and does not have us go round in circles.
#[test]
fn blocked_calls_whose_flags_flicker_end() {
    alone(|| {
        let mut v = Victim::new();
        let outgoing = v.shared.word32(Side::A, Word32::ConsumerFlags);
        let incoming = v.shared.word32(Side::B, Word32::ConsumerFlags);
        v.ours.write_all(&[0; CAPACITY]).unwrap();
        for busy in [false, true] {
            v.ours.set_busy_wait(busy);
            for _ in 0..20 {
                let ours = &mut v.ours;
                let deadline = Instant::now() + Duration::from_millis(2);
                let flicker = || {
                    for flags in [outgoing, incoming] {
                        flags.fetch_xor(flags::WRITE_DISABLED, SeqCst);
                    }
                };
                let ((read, written), freed) = flooded(flicker, || {
                    let read = ours.read_deadline(&mut [0], deadline);
                    (read, ours.write_deadline(&[0], deadline))
                });
                assert!(!freed);
                assert!(matches!(read, Ok(0) | Err(Error::TimedOut)), "{read:?}");
                let refused = matches!(written, Err(Error::WriteDisabled | Error::TimedOut));
                assert!(refused, "{written:?}");
            }
        }
    });
}

#[test]
fn flooded_doorbell_wakes_a_poller_for_nothing_and_no_more() {
    alone(|| {
        let (mut ours, parts) = opened();
        // As many bytes as the socket takes.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        setsockopt(&parts.bell, sockopt::SndBuf, &(1 << 20)).unwrap();
        let mut rung = 0;
        while send(parts.bell.as_raw_fd(), &[7; 4096], flags).is_ok() {
            rung += 1;
        }
        assert!(rung > 4);
        let mut rounds = 0;
        while is_readable(&ours) {
            assert_eq!(ours.arm_read(1), Ok(Readiness::Armed));
            ours.acknowledge();
            assert_eq!(ours.try_read(&mut [0]), Err(Error::WouldBlock));
            rounds += 1;
            assert!(rounds < 10_000, "never quiet");
        }
        // Each look takes a part: a peer that rings faster than we take would keep us
        // at it for ever otherwise.
        assert!(
            rounds > rung / 4,
            "{rung} pages of rings in {rounds} rounds"
        );
        let start = Instant::now();
        let bell = parts.bell.as_raw_fd();
        let (result, freed) = flooded(
            || _ = send(bell, &[7; 512], flags),
            || ours.read_deadline(&mut [0], start + TIMEOUT),
        );
        assert_eq!((result, freed), (Err(Error::TimedOut), false));
        assert!(start.elapsed() >= TIMEOUT);
        let mut theirs = Stream::try_from(repacked(&parts)).unwrap();
        theirs.write_all(b"x").unwrap();
        ours.acknowledge();
        assert_eq!(ours.try_read(&mut [0]), Ok(1));
    });
}

fn is_readable(endpoint: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(endpoint.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) == Ok(1)
}

/// Identities stand in the memory, where whoever made it can write any: an endpoint with
/// another one's, or with none, must not get in the way of another in a port.
#[test]
fn endpoints_whose_identities_collide_are_told_apart_by_a_port() {
    alone(|| {
        for koid in [0u64, 7, u64::MAX] {
            let port = Port::new().unwrap();
            let forged = || {
                let (peer, parts) = opened();
                for at in [24, 32] {
                    parts.poke(at, &koid.to_le_bytes());
                }
                (peer, Stream::try_from(repacked(&parts)).unwrap())
            };
            let (mut first_peer, first) = forged();
            let (mut second_peer, second) = forged();
            for (key, endpoint) in [(1, &first), (2, &second)] {
                port.register(endpoint, key, Signals::READABLE, Trigger::Level)
                    .unwrap();
            }
            let deadline = || Some(Instant::now() + Duration::from_secs(10));
            let key = || match port.wait(deadline()) {
                Ok(Packet::Signals { key, .. }) => key,
                other => panic!("koid {koid}: {other:?}"),
            };
            second_peer.write_all(b"x").unwrap();
            assert_eq!(key(), 2);
            // What one takes with it when it goes is its own.
            port.register(&second, 3, Signals::USER_0, Trigger::Level)
                .unwrap();
            assert!(port.cancel(&second, 3) && !port.cancel(&second, 1));
            drop(second);
            first_peer.write_all(b"x").unwrap();
            assert_eq!(key(), 1);
            // The end of either is noticed.
            port.register(&first, 4, Signals::PEER_CLOSED, Trigger::Level)
                .unwrap();
            drop(first_peer);
            assert_eq!(key(), 4);
            let idle = port.wait(Some(Instant::now() + Duration::from_millis(5)));
            assert_eq!(idle, Err(Error::TimedOut));
            assert!(!is_readable(&port), "it would spin");
        }
    });
}

/// A peer that says "closed" while it is being registered, and takes that back, is heard of when
/// its end really comes.
#[test]
fn peer_that_takes_its_closing_back_is_watched_by_a_port() {
    alone(|| {
        let (ours, parts) = opened();
        let shared = Shared::map(&parts);
        let bits = [
            shared.word32(Side::A, Word32::ConsumerFlags),
            shared.word32(Side::B, Word32::ProducerFlags),
        ];
        let port = Port::new().unwrap();
        bits.iter()
            .for_each(|word| _ = word.fetch_or(flags::CLOSED, SeqCst));
        port.register(&ours, 1, Signals::PEER_CLOSED, Trigger::Edge)
            .unwrap();
        bits.iter()
            .for_each(|word| _ = word.fetch_and(!flags::CLOSED, SeqCst));
        assert!(!ours.signals().contains(Signals::PEER_CLOSED));
        drop(parts);
        let packet = port.wait(Some(Instant::now() + Duration::from_secs(10)));
        assert!(
            matches!(packet, Ok(Packet::Signals { key: 1, .. })),
            "{packet:?}"
        );
    });
}
