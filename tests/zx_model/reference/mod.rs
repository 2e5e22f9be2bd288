//! The specification as a program: one lock (nobody else is there), plain queues, plain
//! structs, every rule where the text has it. Nothing here is shared with the crate but the
//! numbers of its interface.
//!
//! Where it follows the implementation and not Zircon:
//! - `ZX_SOCKET_WRITABLE` of an endpoint with a living peer is on exactly when its writes
//!   are enabled and its peer's buffer has room; Zircon stores the bit, and the bit can be wrong.
//! - The capacity is whatever the system under test says.
//! - Among the packets that one call puts into one port, the order is the other system's
//!   ([`Hint::packet`]): Zircon promises none.

mod handles;
mod info;
mod notes;
mod ports;
mod queue;
mod signals;
mod socket;
mod waits;

use std::collections::HashMap;

use zocket::zx::{self, Status};

use crate::answers::{Answer, Packet};
use crate::calls::Call;
use crate::system::System;

pub(crate) use notes::{NOTES, Note, Notes};
use ports::Port;
pub(crate) use ports::user_bytes;
use queue::Queue;
use waits::Registration;

/// Capacity of sockets made without saying one, unless a hint says another.
pub(crate) const CAPACITY: usize = 264_160;

/// What the other system did where it is free to choose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint {
    /// Of the socket just created.
    pub capacity: Option<usize>,
    /// Taken out of the port just waited for.
    pub packet: Option<Packet>,
}

/// Names an object: never used again.
type Id = usize;

/// A handle: an object and rights.
#[derive(Clone, Copy, Debug)]
struct Handle {
    object: Id,
    rights: u32,
}

#[derive(Debug)]
struct Object {
    handles: u32,
    /// The signals when somebody last looked for changes.
    shown: u32,
    registrations: Vec<Registration>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Endpoint(Endpoint),
    Port(Port),
    Event {
        signals: u32,
    },
    /// Without handles.
    Gone,
}

#[derive(Debug)]
struct Endpoint {
    options: u32,
    capacity: usize,
    /// What the peer has written and this endpoint has not read.
    queue: Queue,
    /// `None` once it is closed.
    peer: Option<Id>,
    /// Whose koid is the related one, for ever.
    related: Id,
    user_signals: u32,
    write_disabled: bool,
    /// Also the flag that chooses the error of empty reads.
    peer_write_disabled: bool,
    read_threshold: usize,
    write_threshold: usize,
    /// Writes were enabled after the peer had closed.
    orphan_writable: bool,
    /// The signal was on when the peer closed.
    orphan_write_threshold: bool,
}

/// Objects and handles of both processes: values are unique in all of the reference, so it
/// need not know in which process a handle is.
#[derive(Debug)]
pub(crate) struct Reference {
    objects: Vec<Object>,
    handles: HashMap<u32, Handle>,
    /// Scrambles handle values and koids, so that no two references have the same.
    seed: u32,
    handles_made: u32,
    /// Number of the present call.
    step: u64,
    notes: Notes,
}

impl Reference {
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            objects: Vec::new(),
            handles: HashMap::new(),
            seed,
            handles_made: 0,
            step: 0,
            notes: Notes::default(),
        }
    }

    /// What happened so far that is worth counting.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    fn note(&mut self, note: Note) {
        self.notes.count(note);
    }

    /// Makes a call.
    pub(crate) fn answer(&mut self, call: &Call, hint: Hint) -> Answer {
        self.step += 1;
        match call {
            Call::Create { .. }
            | Call::Write { .. }
            | Call::Read { .. }
            | Call::SetDisposition { .. }
            | Call::Shutdown { .. } => self.answer_socket(call, hint),
            Call::WaitOne { .. } | Call::WaitMany { .. } | Call::WaitAsync { .. } => {
                self.answer_wait(call)
            }
            Call::PortCreate { .. }
            | Call::PortQueue { .. }
            | Call::PortWait { .. }
            | Call::PortCancel { .. }
            | Call::PortCancelKey { .. } => self.answer_port(call, hint),
            Call::GetInfo { .. } | Call::GetProperty { .. } | Call::SetProperty { .. } => {
                self.answer_info(call)
            }
            Call::Signal { .. } | Call::SignalPeer { .. } | Call::EventCreate { .. } => {
                self.answer_signal(call)
            }
            _ => self.answer_handle(call),
        }
    }

    fn lookup(&self, handle: u32) -> zx::Result<Handle> {
        let found = self.handles.get(&handle);
        found.copied().ok_or(Status::BAD_HANDLE)
    }

    /// Steps 2 and 4 of section 3.
    fn lookup_with(&self, handle: u32, rights: u32) -> zx::Result<Id> {
        let found = self.lookup(handle)?;
        require(found.rights, rights)?;
        Ok(found.object)
    }

    /// Steps 2 to 4 of section 3, for a socket.
    fn lookup_socket(&self, handle: u32, rights: u32) -> zx::Result<Id> {
        let found = self.lookup(handle)?;
        match self.objects[found.object].body {
            Body::Endpoint(_) => require(found.rights, rights)?,
            _ => return Err(Status::WRONG_TYPE),
        }
        Ok(found.object)
    }

    /// Steps 2 to 4 of section 3, for a port.
    fn lookup_port(&self, handle: u32, rights: u32) -> zx::Result<Id> {
        let found = self.lookup(handle)?;
        match self.objects[found.object].body {
            Body::Port(_) => require(found.rights, rights)?,
            _ => return Err(Status::WRONG_TYPE),
        }
        Ok(found.object)
    }

    /// For the waits and cancelling: any object but a port.
    fn lookup_waitable(&self, handle: u32) -> zx::Result<Id> {
        let object = self.lookup_with(handle, zx::ZX_RIGHT_WAIT)?;
        match self.objects[object].body {
            Body::Port(_) => Err(Status::NOT_SUPPORTED),
            _ => Ok(object),
        }
    }

    fn endpoint(&self, object: Id) -> &Endpoint {
        match &self.objects[object].body {
            Body::Endpoint(endpoint) => endpoint,
            body => panic!("object {object} is no endpoint but {body:?}"),
        }
    }

    fn endpoint_mut(&mut self, object: Id) -> &mut Endpoint {
        match &mut self.objects[object].body {
            Body::Endpoint(endpoint) => endpoint,
            body => panic!("object {object} is no endpoint but {body:?}"),
        }
    }

    fn port_mut(&mut self, object: Id) -> &mut Port {
        match &mut self.objects[object].body {
            Body::Port(port) => port,
            body => panic!("object {object} is no port but {body:?}"),
        }
    }

    fn make_object(&mut self, body: Body) -> Id {
        self.objects.push(Object {
            handles: 0,
            shown: 0,
            registrations: Vec::new(),
            body,
        });
        self.objects.len() - 1
    }

    fn koid(&self, object: Id) -> u64 {
        zx::ZX_KOID_FIRST + u64::from(self.seed) + object as u64
    }
}

fn require(has: u32, rights: u32) -> zx::Result {
    match has & rights == rights {
        true => Ok(()),
        false => Err(Status::ACCESS_DENIED),
    }
}

/// What a handle stands for, for whoever chooses the next call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub object: usize,
    pub rights: u32,
    pub r#type: u32,
    pub socket: Option<SocketView>,
}

impl View {
    pub(crate) fn is_waitable(&self) -> bool {
        self.rights & zx::ZX_RIGHT_WAIT != 0 && self.r#type != zx::ZX_OBJ_TYPE_PORT
    }
}

/// The state of an endpoint, as far as it matters for choosing sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketView {
    /// The object at the other end, while it lives.
    pub peer: Option<usize>,
    pub capacity: usize,
    pub queued: usize,
    /// What one read gets.
    pub available: usize,
    /// What the peer has room for.
    pub free: usize,
    pub disabled: bool,
    pub peer_disabled: bool,
}

impl Reference {
    /// What a handle stands for, if it is one.
    pub(crate) fn view(&self, handle: u32) -> Option<View> {
        let Handle { object, rights } = *self.handles.get(&handle)?;
        let socket = match &self.objects[object].body {
            Body::Endpoint(endpoint) => Some(self.view_socket(endpoint)),
            _ => None,
        };
        Some(View {
            object,
            rights,
            r#type: self.type_of(object),
            socket,
        })
    }

    fn view_socket(&self, endpoint: &Endpoint) -> SocketView {
        SocketView {
            peer: endpoint.peer,
            capacity: endpoint.capacity,
            queued: endpoint.queue.len(),
            available: endpoint.queue.available(),
            free: self.room(endpoint).unwrap_or(0),
            disabled: endpoint.write_disabled,
            peer_disabled: endpoint.peer_write_disabled,
        }
    }
}

/// As the system under test: it has no example to follow.
impl System for Reference {
    fn call(&mut self, _: u8, call: &Call) -> Answer {
        let mut answer = self.answer(call, Hint::default());
        if let crate::answers::Out::Packet(packet) = &mut answer.out {
            *packet = self.with_real_time(*packet);
        }
        answer
    }

    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32> {
        let of = |&(_, handle): &(u8, u32)| {
            let object = self.lookup_waitable(handle).expect("it can be waited on");
            self.signals_of(object)
        };
        handles.iter().map(of).collect()
    }

    fn abandon(&mut self, _: &[(u8, u32)]) {}

    fn end(self) {}
}
