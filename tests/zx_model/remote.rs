//! A system in a child process: calls go there and answers come back, as text.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use zocket::zx::{self, Status};

use crate::answers::{Answer, Out};
use crate::calls::Call;
use crate::engine::{Engine, arrive};
use crate::reference::Reference;
use crate::support_processes::control::{Control, Process, Role};
use crate::system::System;
use crate::text::{Word, word};

pub(crate) const ROLES: &[Role] = &[
    ("zx_engine", |control| {
        serve(control.socket(), Engine::default())
    }),
    ("zx_reference", |control| {
        serve(control.socket(), Reference::new(0x0BAD_5EED))
    }),
];

/// Sends a message.
fn tell(mut socket: &UnixStream, text: &str) {
    let mut message = (text.len() as u32).to_le_bytes().to_vec();
    message.extend(text.as_bytes());
    socket
        .write_all(&message)
        .expect("the other process is there");
}

/// Waits for a message, or `None` when the other process has ended.
fn hear(mut socket: &UnixStream) -> Option<String> {
    let mut len = [0; 4];
    socket.read_exact(&mut len).ok()?;
    let mut text = vec![0; u32::from_le_bytes(len) as usize];
    socket.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// Sends a descriptor with a byte.
fn tell_fd(socket: &UnixStream, fd: OwnedFd) {
    let number = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&number)];
    let byte = [IoSlice::new(b"d")];
    sendmsg::<()>(socket.as_raw_fd(), &byte, &rights, MsgFlags::empty(), None)
        .expect("the other process is there");
}

#[allow(unsafe_code, reason = "takes possession of a descriptor")]
fn hear_fd(socket: &UnixStream) -> OwnedFd {
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)
        .expect("the other process sends it");
    let mut controls = message.cmsgs().expect("there was space for it");
    match controls.next() {
        Some(ControlMessageOwned::ScmRights(fds)) if fds.len() == 1 => {
            // SAFETY: the kernel has just made this descriptor for this message, and
            // nobody else has seen it.
            unsafe { OwnedFd::from_raw_fd(fds[0]) }
        }
        other => panic!("one descriptor was expected, and this came: {other:?}"),
    }
}

/// The child: answers until it is told to end.
fn serve(socket: &UnixStream, mut system: impl System) {
    while let Some(request) = hear(socket) {
        let (kind, rest) = request
            .split_once(' ')
            .expect("every request has two parts");
        match kind {
            "call" => tell(socket, &answer(&mut system, rest)),
            "signals" => tell(socket, &signals(&mut system, rest)),
            "take" => give_away(socket, take(rest)),
            "give" => tell(socket, &word(&arrive(hear_fd(socket)))),
            "end" => break,
            _ => panic!("an unknown request: {request}"),
        }
    }
    system.end();
    assert_eq!(zx::handle_count(), 0, "handles left when all are closed");
}

fn take<T: Word>(word: &str) -> T {
    T::take(word).unwrap_or_else(|| panic!("not understood: {word}"))
}

fn answer(system: &mut impl System, text: &str) -> String {
    let call = Call::take(&mut text.split(' ')).unwrap_or_else(|| panic!("not a call: {text}"));
    let mut reply = String::new();
    system.call(0, &call).put(&mut reply);
    reply
}

fn signals(system: &mut impl System, text: &str) -> String {
    let handles: Vec<u32> = take(text);
    let handles: Vec<_> = handles.into_iter().map(|handle| (0, handle)).collect();
    word(&system.signals(&handles))
}

/// Sends an endpoint to the other process.
fn give_away(socket: &UnixStream, handle: u32) {
    match zx::handle_to_fd(handle) {
        Ok(fd) => {
            tell(socket, &word(&zx::ZX_OK));
            tell_fd(socket, fd);
        }
        Err(status) => tell(socket, &word(&status.into_raw())),
    }
}

/// The parent's end of the conversation.
#[derive(Debug)]
pub(crate) struct Remote(Process);

impl Remote {
    pub(crate) fn start(role: &str) -> Self {
        Self(Process::start(role, []))
    }

    fn socket(&self) -> &UnixStream {
        let control: &Control = &self.0;
        control.socket()
    }

    fn ask(&self, request: &str) -> String {
        tell(self.socket(), request);
        hear(self.socket()).expect("the child lives; it has said above why not")
    }

    pub(crate) fn call(&self, call: &Call) -> Answer {
        let mut request = "call ".to_owned();
        call.put(&mut request);
        let reply = self.ask(&request);
        Answer::take(&reply).unwrap_or_else(|| panic!("not an answer: {reply}"))
    }

    pub(crate) fn signals(&self, handles: Vec<u32>) -> Vec<u32> {
        match handles.is_empty() {
            true => Vec::new(),
            false => take(&self.ask(&format!("signals {}", word(&handles)))),
        }
    }

    /// Takes an endpoint out of the child, into a descriptor.
    pub(crate) fn take(&self, handle: u32) -> zx::Result<OwnedFd> {
        let status: i32 = take(&self.ask(&format!("take {}", word(&handle))));
        Status::ok(status).map(|()| hear_fd(self.socket()))
    }

    /// Gives the child an endpoint.
    pub(crate) fn give(&self, fd: OwnedFd) -> Out {
        tell(self.socket(), "give it");
        tell_fd(self.socket(), fd);
        let handle = hear(self.socket()).expect("the child lives");
        Out::Handles(vec![take(&handle)])
    }

    /// Ends the child, which must have closed everything.
    pub(crate) fn end(self) {
        tell(self.socket(), "end now");
        self.0.finish();
    }
}

#[test]
fn descriptor_arrives_between_messages() {
    let (a, b) = UnixStream::pair().expect("descriptors are left");
    let (kept, sent) = UnixStream::pair().expect("descriptors are left");
    tell(&a, "before");
    tell_fd(&a, sent.into());
    tell(&a, "after");
    assert_eq!(hear(&b).as_deref(), Some("before"));
    let arrived = UnixStream::from(hear_fd(&b));
    assert_eq!(hear(&b).as_deref(), Some("after"));
    tell(&arrived, "through it");
    assert_eq!(hear(&kept).as_deref(), Some("through it"));
}
