//! What sender and receiver tell each other beside the data: lines of JSON through a
//! socket of the kernel's.
//!
//! It is the receiver's standard output, so that no descriptor number has to be agreed
//! on, and it ends when either process does.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::tally::Tally;

/// What the receiver says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromReceiver {
    /// It has opened everything; the clock may start.
    Ready,
    /// The data is at its end.
    Arrived {
        tally: Tally,
        /// When, in nanoseconds of [`super::sender::now`].
        at: u64,
    },
    /// It cannot go on, and why.
    Failed(String),
}

/// What the sender says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromSender {
    /// Everything was verified and is where it belongs.
    Verified,
}

/// One end.
#[derive(Debug)]
pub(super) struct Control {
    socket: BufReader<UnixStream>,
}

impl Control {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket: BufReader::new(socket),
        }
    }

    pub(super) fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.socket.get_mut().write_all(&line)
    }

    /// Waits for the next message; `None` if the other end is gone.
    pub(super) fn hear<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut line = String::new();
        match self.socket.read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => Ok(Some(serde_json::from_str(&line)?)),
            // The end, be it in the middle of a line.
            Ok(_) => Ok(None),
            // So says the kernel of a peer that died before it had read everything.
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_that_breaks_off_is_the_end() {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"\"ready\"\n\"rea").unwrap();
        drop(a);
        let mut control = Control::new(b);
        assert!(matches!(control.hear(), Ok(Some(FromReceiver::Ready))));
        assert!(matches!(control.hear::<FromReceiver>(), Ok(None)));
    }

    #[test]
    fn message_that_is_none_is_an_error() {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"steady\n").unwrap();
        assert!(Control::new(b).hear::<FromReceiver>().is_err());
    }
}
