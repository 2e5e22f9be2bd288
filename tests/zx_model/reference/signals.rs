//! Section 8: the signals of an object, who is told of changes, and those of users.

use zocket::zx::{self, Status};

use super::{Body, Endpoint, Id, Note, Reference};
use crate::answers::{Answer, Out};
use crate::calls::Call;

impl Reference {
    pub(super) fn answer_signal(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Signal { handle, clear, set } => self.signal(handle.value(), clear, set).into(),
            Call::SignalPeer { handle, clear, set } => {
                self.signal_peer(handle.value(), clear, set).into()
            }
            Call::EventCreate { options } => self.event_create(options).into(),
            _ => unreachable!("{call:?} is for others"),
        }
    }

    /// All signals of an object, as they follow from its state.
    pub(super) fn signals_of(&self, object: Id) -> u32 {
        match &self.objects[object].body {
            Body::Endpoint(endpoint) => self.socket_signals(endpoint),
            Body::Event { signals } => *signals,
            Body::Port(_) | Body::Gone => 0,
        }
    }

    fn socket_signals(&self, endpoint: &Endpoint) -> u32 {
        let queued = endpoint.queue.len();
        let reached = |threshold: usize, now: usize| threshold > 0 && now >= threshold;
        let (writable, write_threshold) = match self.room(endpoint) {
            Some(room) => (
                room > 0 && !endpoint.write_disabled,
                reached(endpoint.write_threshold, room),
            ),
            None => (endpoint.orphan_writable, endpoint.orphan_write_threshold),
        };
        let on = [
            (zx::ZX_SOCKET_READABLE, queued > 0),
            (zx::ZX_SOCKET_WRITABLE, writable),
            (zx::ZX_SOCKET_PEER_CLOSED, endpoint.peer.is_none()),
            (
                zx::ZX_SOCKET_PEER_WRITE_DISABLED,
                endpoint.peer_write_disabled,
            ),
            (zx::ZX_SOCKET_WRITE_DISABLED, endpoint.write_disabled),
            (
                zx::ZX_SOCKET_READ_THRESHOLD,
                reached(endpoint.read_threshold, queued),
            ),
            (zx::ZX_SOCKET_WRITE_THRESHOLD, write_threshold),
        ];
        let bits = on.iter().filter(|(_, on)| *on).map(|(bit, _)| bit);
        bits.fold(endpoint.user_signals, |all, bit| all | bit)
    }

    /// Lets the registrations of an object see what a call has changed: all of it at once.
    pub(super) fn update(&mut self, object: Id) {
        let now = self.signals_of(object);
        let before = std::mem::replace(&mut self.objects[object].shown, now);
        let risen = now & !before;
        let mut pending = std::mem::take(&mut self.objects[object].registrations);
        pending.retain(|registration| {
            let fires = registration.fires(now, risen);
            if fires {
                self.fire(registration, now, risen);
            }
            !fires
        });
        self.objects[object].registrations = pending;
    }

    fn signal(&mut self, handle: u32, clear: u32, set: u32) -> zx::Result {
        let object = self.lookup_with(handle, zx::ZX_RIGHT_SIGNAL)?;
        let event = matches!(self.objects[object].body, Body::Event { .. });
        let own = if event { zx::ZX_EVENT_SIGNALED } else { 0 };
        permit(clear | set, zx::ZX_USER_SIGNAL_ALL | own)?;
        let signals = match &mut self.objects[object].body {
            Body::Event { signals } => signals,
            Body::Endpoint(endpoint) => &mut endpoint.user_signals,
            body => panic!("{body:?} has no signals"),
        };
        *signals = (*signals & !clear) | set;
        self.update(object);
        Ok(())
    }

    fn signal_peer(&mut self, handle: u32, clear: u32, set: u32) -> zx::Result {
        let object = self.lookup_with(handle, zx::ZX_RIGHT_SIGNAL_PEER)?;
        let Body::Endpoint(endpoint) = &self.objects[object].body else {
            return Err(Status::NOT_SUPPORTED);
        };
        permit(clear | set, zx::ZX_USER_SIGNAL_ALL)?;
        let peer = endpoint.peer.ok_or(Status::PEER_CLOSED)?;
        let signals = &mut self.endpoint_mut(peer).user_signals;
        *signals = (*signals & !clear) | set;
        self.update(peer);
        Ok(())
    }

    fn event_create(&mut self, options: u32) -> zx::Result<Out> {
        if options != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let event = self.make_object(Body::Event { signals: 0 });
        let handle = self.make_handle(event, zx::ZX_DEFAULT_EVENT_RIGHTS);
        Ok(Out::Handles(vec![handle]))
    }

    /// Notes whether a registration is one of those that only fire because of EDGE's rule.
    pub(super) fn note_fired(&mut self, edge: bool, unrelated: bool) {
        self.note(match (edge, unrelated) {
            (true, true) => Note::EdgeFiredForUnrelated,
            (true, false) => Note::EdgeFired,
            _ => Note::LevelFiredLater,
        });
    }
}

fn permit(mask: u32, permitted: u32) -> zx::Result {
    match mask & !permitted {
        0 => Ok(()),
        _ => Err(Status::INVALID_ARGS),
    }
}
