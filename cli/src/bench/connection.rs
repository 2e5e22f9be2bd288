//! How bytes are sent and received over each transport.

use std::fs::File;
use std::hint;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use zocket::{Error, Stream};

/// One end of a way in both directions.
pub(super) trait Connection {
    /// Sends all of it.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// Receives what there is, at least a byte; 0 is the end.
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Nothing more will be sent.
    fn end(&mut self) -> io::Result<()>;

    /// Receives until the buffer is full.
    fn receive_exactly(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.receive(&mut buf[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => done += len,
            }
        }
        Ok(())
    }
}

/// A zocket, by calls that do not wait, again and again.
pub(super) struct Spinning(pub(super) Stream);

impl Connection for Spinning {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut rest = message;
        while !rest.is_empty() {
            match self.0.try_write(rest) {
                Ok(len) => rest = &rest[len..],
                Err(Error::WouldBlock) => hint::spin_loop(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.try_read(buf) {
                Err(Error::WouldBlock) => hint::spin_loop(),
                result => return Ok(result?),
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(self.0.shutdown(Shutdown::Write)?)
    }
}

/// A zocket, by calls that wait.
pub(super) struct Blocking(pub(super) Stream);

impl Connection for Blocking {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.0.write_all(message)
    }

    #[inline]
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(self.0.shutdown(Shutdown::Write)?)
    }
}

/// Two pipes.
pub(super) struct Pipes {
    pub(super) from: File,
    /// None once there is nothing more to send.
    pub(super) to: Option<File>,
}

impl Connection for Pipes {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match &mut self.to {
            Some(pipe) => pipe.write_all(message),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.from.read(buf)
    }

    fn end(&mut self) -> io::Result<()> {
        self.to = None;
        Ok(())
    }
}

impl Connection for UnixStream {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.write_all(message)
    }

    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
