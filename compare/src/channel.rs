//! What is compared: ways to carry messages between two processes, behind one trait.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One end of a connection.
///
/// A benchmark has no use for an error but to stop: what fails panics, and says what it was.
pub(crate) trait Channel: Send + 'static {
    /// Sends one message, waiting for space.
    fn send(&mut self, message: &[u8]);

    /// Receives one message, which has as many bytes as `buf`, waiting for it.
    fn receive(&mut self, buf: &mut [u8]);

    /// Makes a message of as many bytes as `scratch`, each of them `byte`, and sends it. A way
    /// that lends its own memory makes it there.
    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        scratch.fill(byte);
        self.send(scratch);
    }
}

/// What a connection is in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// What the machine can do at best: no transport.
    Limit,
    /// This project.
    Zocket,
    /// Another way from process to process.
    Peer,
    /// Between threads only: a reference, no alternative.
    InProcess,
}

/// What an end does while there is nothing to receive, or no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Waiting {
    /// It looks again and again.
    Spin,
    /// It blocks in a call, however that waits.
    Block,
}

/// How a contestant is called and told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Name {
    /// Unique, for the command line and the results.
    pub(crate) key: &'static str,
    /// In tables.
    pub(crate) title: &'static str,
    pub(crate) class: Class,
    pub(crate) waiting: Waiting,
    /// Bytes of the largest message that it carries.
    pub(crate) most: usize,
}

/// No limit to the size of a message.
pub(crate) const ANY_SIZE: usize = usize::MAX;

/// A way from one process to another.
pub(crate) trait Transport: 'static {
    type End: Channel;
    const NAME: Name;

    /// Makes a connection, and hands over what the other process needs for its end.
    fn connect(parcel: &mut Parcel) -> Result<Self::End>;

    /// Takes the other end.
    fn accept(parcel: &mut Parcel) -> Result<Self::End>;

    /// Completes an end when the other process has its own.
    fn complete(end: Self::End) -> Result<Self::End> {
        Ok(end)
    }
}

/// A way from one thread to another.
pub(crate) trait ThreadTransport: 'static {
    type End: Channel;
    const NAME: Name;

    /// Makes a connection.
    fn pair() -> (Self::End, Self::End);
}

/// What one process hands to the other, to be taken in the order in which it was put in.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    pub(crate) descriptors: VecDeque<OwnedFd>,
    pub(crate) words: VecDeque<String>,
}

impl Parcel {
    pub(crate) fn put(&mut self, descriptor: impl Into<OwnedFd>) {
        self.descriptors.push_back(descriptor.into());
    }

    #[cfg(feature = "peers")]
    pub(crate) fn put_word(&mut self, word: impl Into<String>) {
        self.words.push_back(word.into());
    }

    pub(crate) fn take(&mut self) -> Result<OwnedFd> {
        self.descriptors
            .pop_front()
            .context("a descriptor is missing")
    }

    #[cfg(feature = "peers")]
    pub(crate) fn take_word(&mut self) -> Result<String> {
        self.words.pop_front().context("a word is missing")
    }
}
