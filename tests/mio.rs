//! Endpoints as event sources of mio.
//!
//! Both ends are in this process, and whoever rings has done so when its call returns: a poll that does
//! not wait shows what there is, and one that should find something waits for ever.

use std::io::ErrorKind;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use zocket::{Builder, Error, Readiness};

const CAPACITY: usize = 4096;
const ROUNDS: usize = 100;

/// A poll, and room for its events.
struct Loop {
    poll: Poll,
    events: Events,
}

impl Loop {
    fn new() -> Self {
        Self {
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(8),
        }
    }

    /// Waits for events; whose they are.
    fn wait(&mut self) -> Vec<Token> {
        self.poll.poll(&mut self.events, None).unwrap();
        // They are for readability, whatever was asked for.
        assert!(self.events.iter().all(Event::is_readable));
        self.events.iter().map(Event::token).collect()
    }

    #[track_caller]
    fn expect_nothing(&mut self) {
        self.poll
            .poll(&mut self.events, Some(Duration::ZERO))
            .unwrap();
        assert!(self.events.is_empty(), "{:?}", self.events);
    }
}

macro_rules! tests {
    ($Endpoint:ident, $pair:ident, $read:ident, $write:ident) => {
        use super::*;
        use zocket::$Endpoint;

        fn pair() -> ($Endpoint, $Endpoint) {
            Builder::new().capacity(CAPACITY).$pair().unwrap()
        }

        fn fill(endpoint: &mut $Endpoint) {
            while endpoint.$write(&[1; 256]).is_ok() {}
            assert_eq!(endpoint.$write(&[1; 256]), Err(Error::WouldBlock));
        }

        /// Reads all that is there.
        fn empty(endpoint: &mut $Endpoint) {
            while endpoint.$read(&mut [0; 512]).is_ok() {}
            assert_eq!(endpoint.$read(&mut [0; 512]), Err(Error::WouldBlock));
        }

        #[test]
        fn reader_gets_an_event_if_it_has_armed() {
            let (mut a, mut b) = pair();
            let mut main = Loop::new();
            let registry = main.poll.registry();
            registry
                .register(&mut a, Token(7), Interest::READABLE)
                .unwrap();
            b.$write(b"nobody asked").unwrap();
            main.expect_nothing();
            assert_eq!(a.arm_read(1), Ok(Readiness::Ready));
            empty(&mut a);

            assert_eq!(a.arm_read(1), Ok(Readiness::Armed));
            main.expect_nothing();
            b.$write(b"hello").unwrap();
            assert_eq!(main.wait(), [Token(7)]);
            a.acknowledge();
            let mut buf = [0; 16];
            assert_eq!(a.$read(&mut buf), Ok(5));
            assert_eq!(&buf[..5], b"hello");
        }

        #[test]
        fn writer_gets_an_event_for_space() {
            let (mut a, mut b) = pair();
            let mut main = Loop::new();
            let registry = main.poll.registry();
            registry
                .register(&mut a, Token(0), Interest::WRITABLE)
                .unwrap();
            fill(&mut a);
            assert_eq!(a.arm_write(256), Ok(Readiness::Armed));
            main.expect_nothing();
            empty(&mut b);
            assert_eq!(main.wait(), [Token(0)]);
            a.acknowledge();
            assert_eq!(a.$write(&[2; 256]), Ok(256));
        }

        /// The event does not say for which direction it is.
        #[test]
        fn both_directions_can_be_armed() {
            let (mut a, mut b) = pair();
            let mut main = Loop::new();
            let both = Interest::READABLE | Interest::WRITABLE;
            let registry = main.poll.registry();
            registry.register(&mut a, Token(0), both).unwrap();
            fill(&mut a);
            for is_for_space in [true, false] {
                assert_eq!(a.arm_read(1), Ok(Readiness::Armed));
                assert_eq!(a.arm_write(256), Ok(Readiness::Armed));
                main.expect_nothing();
                match is_for_space {
                    true => empty(&mut b),
                    false => drop(b.$write(b"data").unwrap()),
                }
                assert_eq!(main.wait(), [Token(0)]);
                a.acknowledge();
                assert_eq!(a.$write(&[1; 256]).is_ok(), is_for_space);
                assert_eq!(a.$read(&mut [0; 16]).is_ok(), !is_for_space);
                fill(&mut a);
            }
        }

        /// As mio's registrations are edge triggered: no event is lost, and none comes for nothing.
        #[test]
        fn each_arming_gets_an_event() {
            let (mut a, mut b) = pair();
            let mut main = Loop::new();
            let registry = main.poll.registry();
            registry
                .register(&mut a, Token(0), Interest::READABLE)
                .unwrap();
            for _ in 0..ROUNDS {
                assert_eq!(a.arm_read(1), Ok(Readiness::Armed));
                b.$write(b"one").unwrap();
                assert_eq!(main.wait(), [Token(0)]);
                // What comes now was not asked for.
                b.$write(b"two").unwrap();
                main.expect_nothing();
                a.acknowledge();
                empty(&mut a);
                main.expect_nothing();
            }
        }

        #[test]
        fn one_poll_tells_endpoints_apart() {
            let (mut a, mut peer_of_a) = pair();
            let (mut b, mut peer_of_b) = pair();
            let mut main = Loop::new();
            for (endpoint, token) in [(&mut a, Token(1)), (&mut b, Token(2))] {
                let registry = main.poll.registry();
                registry
                    .register(endpoint, token, Interest::READABLE)
                    .unwrap();
                assert_eq!(endpoint.arm_read(1), Ok(Readiness::Armed));
            }
            peer_of_b.$write(b"b").unwrap();
            assert_eq!(main.wait(), [Token(2)]);
            peer_of_a.$write(b"a").unwrap();
            assert_eq!(main.wait(), [Token(1)]);

            for endpoint in [&mut a, &mut b] {
                endpoint.acknowledge();
                empty(endpoint);
                assert_eq!(endpoint.arm_read(1), Ok(Readiness::Armed));
            }
            peer_of_a.$write(b"a").unwrap();
            peer_of_b.$write(b"b").unwrap();
            let mut tokens = main.wait();
            tokens.sort();
            assert_eq!(tokens, [Token(1), Token(2)]);
        }

        #[test]
        fn peer_that_goes_is_an_event_for_either_direction() {
            for interest in [Interest::READABLE, Interest::WRITABLE] {
                let (mut a, mut b) = pair();
                let mut main = Loop::new();
                let registry = main.poll.registry();
                registry.register(&mut a, Token(3), interest).unwrap();
                fill(&mut a);
                b.$write(b"the last").unwrap();
                match interest {
                    Interest::READABLE => assert_eq!(a.arm_read(1), Ok(Readiness::Ready)),
                    _ => assert_eq!(a.arm_write(1), Ok(Readiness::Armed)),
                }
                drop(b);
                assert_eq!(main.wait(), [Token(3)]);
                assert!(main.events.iter().all(Event::is_read_closed));
                a.acknowledge();
                // What the peer had written is still there.
                assert_eq!(a.$read(&mut [0; 16]), Ok(8));
                assert_eq!(a.$read(&mut [0; 16]), Ok(0));
                assert_eq!(a.$write(b"x"), Err(Error::PeerClosed));
                main.poll.registry().deregister(&mut a).unwrap();
            }
        }

        #[test]
        fn registration_can_be_changed_and_ended() {
            let (mut a, mut b) = pair();
            let mut main = Loop::new();
            let registry = main.poll.registry();
            let error = registry
                .reregister(&mut a, Token(1), Interest::READABLE)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            registry
                .register(&mut a, Token(1), Interest::READABLE)
                .unwrap();
            let error = registry
                .register(&mut a, Token(1), Interest::READABLE)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);

            registry
                .reregister(&mut a, Token(2), Interest::WRITABLE)
                .unwrap();
            assert_eq!(a.arm_read(1), Ok(Readiness::Armed));
            b.$write(b"x").unwrap();
            assert_eq!(main.wait(), [Token(2)]);
            a.acknowledge();
            empty(&mut a);

            main.poll.registry().deregister(&mut a).unwrap();
            assert_eq!(a.arm_read(1), Ok(Readiness::Armed));
            b.$write(b"y").unwrap();
            main.expect_nothing();
            // It has rung already, which a new registration finds.
            let registry = main.poll.registry();
            registry
                .register(&mut a, Token(3), Interest::READABLE)
                .unwrap();
            assert_eq!(main.wait(), [Token(3)]);
        }
    };
}

mod stream {
    tests!(Stream, stream_pair, try_read, try_write);
}

mod datagram {
    tests!(Datagram, datagram_pair, try_recv, try_send);
}
