//! Sections 4 to 7: creating, writing, reading, and stopping writes.

use zocket::zx::{self, Status};

use super::{Body, CAPACITY, Endpoint, Hint, Id, Note, Queue, Reference};
use crate::answers::{Answer, Out};
use crate::calls::{Buffer, Call, Memory};
use crate::content::content;

/// Longer reads and writes are refused.
const LONGEST: usize = 0xFFFF_FFFF;

/// 7.2 can be read both ways for an endpoint whose peer has closed: a compatible shutdown of
/// reading shows `PEER_WRITE_DISABLED` there, as the old call did, or does not, as the
/// disposition does not.
const SHUTDOWN_READ_SHOWS_ON_ORPHANS: bool = true;

/// What is to become of somebody's writes.
#[derive(Clone, Copy, PartialEq)]
enum Disposition {
    Unchanged,
    Disabled,
    Enabled,
}

impl Reference {
    pub(super) fn answer_socket(&mut self, call: &Call, hint: Hint) -> Answer {
        match *call {
            Call::Create { options, capacity } => {
                let capacity = hint.capacity.or(capacity).unwrap_or(CAPACITY);
                self.create(options, capacity).into()
            }
            Call::Write {
                handle,
                options,
                buffer,
                content,
            } => self.write(handle.value(), options, buffer, content).into(),
            Call::Read {
                handle,
                options,
                buffer,
            } => self.read(handle.value(), options, buffer).into(),
            Call::SetDisposition { handle, own, peer } => {
                self.set_disposition(handle.value(), own, peer).into()
            }
            Call::Shutdown { handle, options } => self.shutdown(handle.value(), options).into(),
            _ => unreachable!("{call:?} is for others"),
        }
    }

    fn create(&mut self, options: u32, capacity: usize) -> zx::Result<Out> {
        if options & !zx::ZX_SOCKET_CREATE_MASK != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let first = self.objects.len();
        let ends = [(first, first + 1), (first + 1, first)];
        for (_, peer) in ends {
            self.make_object(Body::Endpoint(Endpoint::new(options, capacity, peer)));
        }
        let handles = ends.map(|(end, _)| {
            self.objects[end].shown = self.signals_of(end);
            self.make_handle(end, zx::ZX_DEFAULT_SOCKET_RIGHTS)
        });
        Ok(Out::Handles(handles.to_vec()))
    }

    /// How much the peer can still take; `None` if it is closed.
    pub(super) fn room(&self, endpoint: &Endpoint) -> Option<usize> {
        let peer = self.endpoint(endpoint.peer?);
        Some(peer.capacity - peer.queue.len())
    }

    fn write(
        &mut self,
        handle: u32,
        options: u32,
        buffer: Buffer,
        position: u64,
    ) -> zx::Result<Out> {
        if buffer.size > 0 && buffer.is_null() || options != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let writer = self.lookup_socket(handle, zx::ZX_RIGHT_WRITE)?;
        let fits = self.judge_write(writer, buffer.size)?;
        if fits == 0 {
            self.note(Note::EmptyWrite);
            return Ok(Out::Actual(0));
        }
        if buffer.memory == Memory::Bad {
            return Err(Status::INVALID_ARGS);
        }
        self.note(Note::short(fits < buffer.size));
        let peer = self.endpoint(writer).peer.expect("it was judged");
        self.endpoint_mut(peer).queue.push(content(position, fits));
        self.update_pair(peer, writer);
        Ok(Out::Actual(fits))
    }

    /// Rows 4 to 10 of section 5. How many bytes are written.
    fn judge_write(&self, writer: Id, size: usize) -> zx::Result<usize> {
        let endpoint = self.endpoint(writer);
        let room = self.room(endpoint).ok_or(Status::PEER_CLOSED)?;
        let datagram = endpoint.options == zx::ZX_SOCKET_DATAGRAM;
        if endpoint.write_disabled {
            return Err(Status::BAD_STATE);
        }
        match size {
            0 => Ok(0),
            size if size > LONGEST => Err(Status::INVALID_ARGS),
            _ if room == 0 => Err(Status::SHOULD_WAIT),
            size if datagram && size > endpoint.capacity => Err(Status::OUT_OF_RANGE),
            size if datagram && size > room => Err(Status::SHOULD_WAIT),
            size => Ok(size.min(room)),
        }
    }

    fn read(&mut self, handle: u32, options: u32, buffer: Buffer) -> zx::Result<Out> {
        if buffer.size > 0 && buffer.is_null() || options & !zx::ZX_SOCKET_PEEK != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let reader = self.lookup_socket(handle, zx::ZX_RIGHT_READ)?;
        self.judge_read(reader, buffer.size)?;
        if buffer.size == 0 {
            self.note(Note::EmptyRead);
            return Ok(Out::Bytes(Vec::new()));
        }
        let peek = options == zx::ZX_SOCKET_PEEK;
        match buffer.memory {
            Memory::Bad => self.read_to_nowhere(reader, peek),
            _ => Ok(self.read_bytes(reader, buffer.size, peek)),
        }
    }

    /// Rows 4 to 7 of section 6.
    fn judge_read(&self, reader: Id, size: usize) -> zx::Result {
        let endpoint = self.endpoint(reader);
        if size > LONGEST {
            return Err(Status::INVALID_ARGS);
        }
        if endpoint.queue.len() > 0 {
            return Ok(());
        }
        match (endpoint.peer, endpoint.peer_write_disabled) {
            (None, _) => Err(Status::PEER_CLOSED),
            (_, true) => Err(Status::BAD_STATE),
            _ => Err(Status::SHOULD_WAIT),
        }
    }

    fn read_bytes(&mut self, reader: Id, size: usize, peek: bool) -> Out {
        let queue = &self.endpoint(reader).queue;
        let bytes = queue.peek(size);
        let truncated = matches!(queue, Queue::Datagrams { .. }) && size < queue.available();
        self.note(Note::read(peek, truncated));
        if !peek {
            self.consume(reader, size);
        }
        Out::Bytes(bytes)
    }

    /// The destination cannot be written: of a stream nothing is lost, as the first piece
    /// fails already; of datagrams the first one is.
    fn read_to_nowhere(&mut self, reader: Id, peek: bool) -> zx::Result<Out> {
        let datagrams = matches!(self.endpoint(reader).queue, Queue::Datagrams { .. });
        if datagrams && !peek {
            self.note(Note::LostDatagram);
            self.consume(reader, 0);
        }
        Err(Status::INVALID_ARGS)
    }

    fn consume(&mut self, reader: Id, size: usize) {
        self.endpoint_mut(reader).queue.consume(size);
        self.update_with_peer(reader);
    }

    fn set_disposition(&mut self, handle: u32, own: u32, peer: u32) -> zx::Result {
        let (own, peer) = (Disposition::from(own)?, Disposition::from(peer)?);
        let socket = self.lookup_socket(handle, zx::ZX_RIGHT_MANAGE_SOCKET)?;
        self.judge_disposition(socket, own, peer)?;
        self.dispose_own(socket, own);
        self.dispose_peer(socket, peer);
        self.update_with_peer(socket);
        Ok(())
    }

    /// The refusals of section 7.1.
    fn judge_disposition(&self, socket: Id, own: Disposition, peer: Disposition) -> zx::Result {
        let undrained = |end: Id| {
            let end = self.endpoint(end);
            end.queue.len() > 0 && end.peer_write_disabled
        };
        let by_peer = self.endpoint(socket).peer;
        let refused = peer == Disposition::Enabled && undrained(socket)
            || own == Disposition::Enabled && by_peer.is_some_and(undrained);
        match refused {
            true => Err(Status::BAD_STATE),
            false => Ok(()),
        }
    }

    /// The writes of `socket` itself.
    fn dispose_own(&mut self, socket: Id, own: Disposition) {
        let Some(disabled) = own.disabled() else {
            return;
        };
        let endpoint = self.endpoint_mut(socket);
        let peer = endpoint.peer;
        let before = std::mem::replace(&mut endpoint.write_disabled, disabled);
        endpoint.orphan_writable = peer.is_none() && !disabled;
        if let Some(peer) = peer {
            self.endpoint_mut(peer).peer_write_disabled = disabled;
        }
        self.note_disposition(before, disabled, peer.is_none());
    }

    /// The writes of the other end, by way of `socket`.
    fn dispose_peer(&mut self, socket: Id, disposition: Disposition) {
        let (Some(disabled), Some(peer)) = (disposition.disabled(), self.endpoint(socket).peer)
        else {
            return;
        };
        self.endpoint_mut(socket).peer_write_disabled = disabled;
        let before = std::mem::replace(&mut self.endpoint_mut(peer).write_disabled, disabled);
        self.note_disposition(before, disabled, false);
    }

    fn note_disposition(&mut self, before: bool, disabled: bool, orphan: bool) {
        let note = match (before, disabled, orphan) {
            (_, true, true) => Note::OrphanDisabled,
            (_, false, true) => Note::OrphanEnabled,
            (false, true, _) => Note::Disabled,
            (true, false, _) => Note::EnabledAgain,
            _ => Note::DispositionRepeated,
        };
        self.note(note);
    }

    /// Section 7.2. No refusal is possible: nothing is enabled.
    fn shutdown(&mut self, handle: u32, options: u32) -> zx::Result {
        if options & !zx::ZX_SOCKET_SHUTDOWN_MASK != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let socket = self.lookup_socket(handle, zx::ZX_RIGHT_WRITE)?;
        if options & zx::ZX_SOCKET_SHUTDOWN_WRITE != 0 {
            self.dispose_own(socket, Disposition::Disabled);
        }
        if options & zx::ZX_SOCKET_SHUTDOWN_READ != 0 {
            self.dispose_peer(socket, Disposition::Disabled);
            let endpoint = self.endpoint_mut(socket);
            endpoint.peer_write_disabled |= SHUTDOWN_READ_SHOWS_ON_ORPHANS;
        }
        self.update_with_peer(socket);
        Ok(())
    }

    fn update_with_peer(&mut self, socket: Id) {
        match self.endpoint(socket).peer {
            Some(peer) => self.update_pair(peer, socket),
            None => self.update(socket),
        }
    }

    fn update_pair(&mut self, first: Id, second: Id) {
        self.update(first);
        self.update(second);
    }

    /// The last handle of `socket` is gone: section 2.
    pub(super) fn close_socket(&mut self, socket: Id) {
        let Some(peer) = self.endpoint(socket).peer else {
            return;
        };
        let threshold = self.signals_of(peer) & zx::ZX_SOCKET_WRITE_THRESHOLD != 0;
        let orphan = self.endpoint_mut(peer);
        orphan.peer = None;
        orphan.orphan_write_threshold = threshold;
        orphan.orphan_writable = false;
        if threshold {
            self.note(Note::ThresholdForEver);
        }
        self.update(peer);
    }
}

impl Disposition {
    fn from(number: u32) -> zx::Result<Self> {
        match number {
            0 => Ok(Self::Unchanged),
            zx::ZX_SOCKET_DISPOSITION_WRITE_DISABLED => Ok(Self::Disabled),
            zx::ZX_SOCKET_DISPOSITION_WRITE_ENABLED => Ok(Self::Enabled),
            _ => Err(Status::INVALID_ARGS),
        }
    }

    fn disabled(self) -> Option<bool> {
        match self {
            Self::Unchanged => None,
            Self::Disabled => Some(true),
            Self::Enabled => Some(false),
        }
    }
}

impl Endpoint {
    fn new(options: u32, capacity: usize, peer: Id) -> Self {
        Self {
            options,
            capacity,
            queue: Queue::new(options == zx::ZX_SOCKET_DATAGRAM),
            peer: Some(peer),
            related: peer,
            user_signals: 0,
            write_disabled: false,
            peer_write_disabled: false,
            read_threshold: 0,
            write_threshold: 0,
            orphan_writable: false,
            orphan_write_threshold: false,
        }
    }
}
