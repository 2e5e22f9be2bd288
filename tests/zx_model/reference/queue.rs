//! What is written and not yet read.

use std::collections::VecDeque;

/// Bytes, or messages of bytes.
#[derive(Debug)]
pub(super) enum Queue {
    Stream(VecDeque<u8>),
    Datagrams {
        messages: VecDeque<Vec<u8>>,
        bytes: usize,
    },
}

impl Queue {
    pub(super) fn new(datagrams: bool) -> Self {
        match datagrams {
            false => Self::Stream(VecDeque::new()),
            true => Self::Datagrams {
                messages: VecDeque::new(),
                bytes: 0,
            },
        }
    }

    /// All bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Stream(bytes) => bytes.len(),
            Self::Datagrams { bytes, .. } => *bytes,
        }
    }

    /// The bytes that one read can get.
    pub(super) fn available(&self) -> usize {
        match self {
            Self::Stream(bytes) => bytes.len(),
            Self::Datagrams { messages, .. } => messages.front().map_or(0, Vec::len),
        }
    }

    pub(super) fn push(&mut self, content: &[u8]) {
        match self {
            Self::Stream(bytes) => bytes.extend(content),
            Self::Datagrams { messages, bytes } => {
                messages.push_back(content.to_vec());
                *bytes += content.len();
            }
        }
    }

    /// At most `size` of the bytes that one read can get; they stay.
    pub(super) fn peek(&self, size: usize) -> Vec<u8> {
        let size = size.min(self.available());
        match self {
            Self::Stream(bytes) => bytes.range(..size).copied().collect(),
            Self::Datagrams { messages, .. } => messages[0][..size].to_vec(),
        }
    }

    /// Removes what a read of `size` bytes removes.
    pub(super) fn consume(&mut self, size: usize) {
        match self {
            Self::Stream(bytes) => drop(bytes.drain(..size.min(bytes.len()))),
            Self::Datagrams { messages, bytes } => {
                let message = messages.pop_front().expect("somebody looked");
                *bytes -= message.len();
            }
        }
    }
}
