//! A system in a child process: calls go there and answers come back, as text.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use zocket::zx::{self, Status};

use crate::answers::{Answer, Out};
use crate::calls::Call;
use crate::engine::{Engine, arrive};
use crate::reference::Reference;
use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::fds::{receive_fd, send_fd};
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
            "give" => tell(socket, &word(&arrive(receive_fd(socket)))),
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
            send_fd(socket, fd);
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
        Status::ok(status).map(|()| receive_fd(self.socket()))
    }

    /// Gives the child an endpoint.
    pub(crate) fn give(&self, fd: OwnedFd) -> Out {
        tell(self.socket(), "give it");
        send_fd(self.socket(), fd);
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
    send_fd(&a, sent);
    tell(&a, "after");
    assert_eq!(hear(&b).as_deref(), Some("before"));
    let arrived = UnixStream::from(receive_fd(&b));
    assert_eq!(hear(&b).as_deref(), Some("after"));
    tell(&arrived, "through it");
    assert_eq!(hear(&kept).as_deref(), Some("through it"));
}
