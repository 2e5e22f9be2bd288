//! Endpoints as event sources of [mio](https://docs.rs/mio).
//!
//! What mio watches is the doorbell of the endpoint, for readability whatever the interests: its events do not
//! say which direction they are for. So, on an event, [`acknowledge`](crate::Stream::acknowledge), and
//! then try **both** directions that wait, until they would block, and arm them:
//! [`arm_read`](crate::Stream::arm_read), [`arm_write`](crate::Stream::arm_write). Where arming says
//! [`Ready`](crate::Readiness::Ready), go on trying. There is an event only for what was armed.
//!
//! # Examples
//! ```
//! use mio::{Events, Interest, Poll, Token};
//! use zocket::{Error, Readiness, Stream};
//!
//! let (mut a, mut b) = Stream::pair()?;
//! let peer = std::thread::spawn(move || b.try_write(b"hello"));
//!
//! let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
//! poll.registry().register(&mut a, Token(0), Interest::READABLE)?;
//! let mut buf = [0; 8];
//! let len = loop {
//!     match a.try_read(&mut buf) {
//!         Err(Error::WouldBlock) if a.arm_read(1)? == Readiness::Armed => {
//!             poll.poll(&mut events, None)?;
//!             a.acknowledge();
//!         }
//!         Err(Error::WouldBlock) => {}
//!         result => break result?,
//!     }
//! };
//! assert_eq!(&buf[..len], b"hello");
//! # peer.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use ::mio::event::Source;
use ::mio::unix::SourceFd;
use ::mio::{Interest, Registry, Token};

use crate::{Datagram, Stream};

macro_rules! source {
    ($Endpoint:ident) => {
        /// The doorbell, for readability; see [`mio`](crate::mio).
        impl Source for $Endpoint {
            fn register(
                &mut self,
                registry: &Registry,
                token: Token,
                _: Interest,
            ) -> io::Result<()> {
                let fd = self.as_fd().as_raw_fd();
                SourceFd(&fd).register(registry, token, Interest::READABLE)
            }

            fn reregister(
                &mut self,
                registry: &Registry,
                token: Token,
                _: Interest,
            ) -> io::Result<()> {
                let fd = self.as_fd().as_raw_fd();
                SourceFd(&fd).reregister(registry, token, Interest::READABLE)
            }

            fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
                let fd = self.as_fd().as_raw_fd();
                SourceFd(&fd).deregister(registry)
            }
        }
    };
}

source!(Stream);
source!(Datagram);
