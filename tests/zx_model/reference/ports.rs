//! Section 13.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use zocket::zx::{self, Status};

use super::waits::Registration;
use super::{Body, Hint, Id, Note, Reference};
use crate::answers::{Answer, Out, Packet, Payload};
use crate::calls::{Call, UserPacket};

/// Packets, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Port {
    packets: VecDeque<Queued>,
}

#[derive(Debug)]
struct Queued {
    /// The call that put it here.
    step: u64,
    /// The handle that the registration was made with; `None` of a user's packet.
    source: Option<u32>,
    packet: Packet,
}

impl Port {
    /// Removes the oldest packet; among those of one call, the one that `hint` says, or else
    /// the last.
    fn pop(&mut self, hint: Option<Packet>) -> Option<Packet> {
        let step = self.packets.front()?.step;
        let candidates = self.packets.iter().take_while(|queued| queued.step == step);
        let said = |queued: &Queued| hint.is_some_and(|hint| hint.may_be(&queued.packet));
        let last = candidates.clone().count() - 1;
        let index = candidates.clone().position(said).unwrap_or(last);
        self.packets.remove(index).map(|queued| queued.packet)
    }

    /// Removes the packets that `doomed` names, and says how many those were.
    fn drop_packets(&mut self, doomed: impl Fn(&Queued) -> bool) -> usize {
        let before = self.packets.len();
        self.packets.retain(|queued| !doomed(queued));
        before - self.packets.len()
    }
}

impl Reference {
    pub(super) fn answer_port(&mut self, call: &Call, hint: Hint) -> Answer {
        match *call {
            Call::PortCreate { options } => self.port_create(options).into(),
            Call::PortQueue { port, packet } => self.port_queue(port.value(), packet).into(),
            Call::PortWait { port, .. } => self.port_wait(port.value(), hint.packet).into(),
            Call::PortCancel { port, source, key } => {
                self.port_cancel(port.value(), source.value(), key).into()
            }
            Call::PortCancelKey { port, options, key } => {
                self.port_cancel_key(port.value(), options, key).into()
            }
            _ => unreachable!("{call:?} is for others"),
        }
    }

    fn port_create(&mut self, options: u32) -> zx::Result<Out> {
        if options & !zx::ZX_PORT_BIND_TO_INTERRUPT != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let port = self.make_object(Body::Port(Port::default()));
        let handle = self.make_handle(port, zx::ZX_DEFAULT_PORT_RIGHTS);
        Ok(Out::Handles(vec![handle]))
    }

    fn port_queue(&mut self, port: u32, packet: Option<UserPacket>) -> zx::Result {
        let port = self.lookup_port(port, zx::ZX_RIGHT_WRITE)?;
        let packet = packet.ok_or(Status::INVALID_ARGS)?;
        let queued = Queued {
            step: self.step,
            source: None,
            packet: Packet {
                key: packet.key,
                r#type: zx::ZX_PKT_TYPE_USER,
                status: packet.status,
                payload: Payload::User(user_bytes(packet.content)),
            },
        };
        self.port_mut(port).packets.push_back(queued);
        Ok(())
    }

    fn port_wait(&mut self, port: u32, hint: Option<Packet>) -> zx::Result<Out> {
        let port = self.lookup_port(port, zx::ZX_RIGHT_READ)?;
        let packet = self.port_mut(port).pop(hint);
        packet.map(Out::Packet).ok_or(Status::TIMED_OUT)
    }

    fn port_cancel(&mut self, port: u32, source: u32, key: u64) -> zx::Result {
        let port = self.lookup_port(port, zx::ZX_RIGHT_WRITE)?;
        self.lookup_waitable(source)?;
        let registrations =
            self.drop_registrations(|r| r.port == port && r.handle == source && r.key == key);
        let packets = self
            .port_mut(port)
            .drop_packets(|q| q.source == Some(source) && q.packet.key == key);
        self.cancelled(registrations, packets)
    }

    fn port_cancel_key(&mut self, port: u32, options: u32, key: u64) -> zx::Result {
        if options != 0 {
            return Err(Status::INVALID_ARGS);
        }
        let port = self.lookup_port(port, zx::ZX_RIGHT_WRITE)?;
        let registrations = self.drop_registrations(|r| r.port == port && r.key == key);
        let packets = self.port_mut(port).drop_packets(|q| q.packet.key == key);
        self.cancelled(registrations, packets)
    }

    fn cancelled(&mut self, registrations: usize, packets: usize) -> zx::Result {
        if registrations > 0 {
            self.note(Note::CancelledRegistration);
        }
        if packets > 0 {
            self.note(Note::CancelledPacket);
        }
        match registrations + packets {
            0 => Err(Status::NOT_FOUND),
            _ => Ok(()),
        }
    }

    pub(super) fn queue_signals(&mut self, registration: &Registration, observed: u32) {
        let queued = Queued {
            step: self.step,
            source: Some(registration.handle),
            packet: Packet {
                key: registration.key,
                r#type: zx::ZX_PKT_TYPE_SIGNAL_ONE,
                status: zx::ZX_OK,
                payload: Payload::Signal {
                    trigger: registration.wanted,
                    observed,
                    count: 1,
                    timestamp: clock(registration.options),
                    reserved: 0,
                },
            },
        };
        self.port_mut(registration.port).packets.push_back(queued);
    }

    /// The last handle of a port is gone.
    pub(super) fn close_port(&mut self, port: Id) {
        if self.drop_registrations(|r| r.port == port) > 0 {
            self.note(Note::RegistrationDroppedWithPort);
        }
    }

    /// A packet with a time in place of the name of a clock.
    pub(super) fn with_real_time(&self, mut packet: Packet) -> Packet {
        if let Payload::Signal { timestamp, .. } = &mut packet.payload
            && *timestamp != 0
        {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            *timestamp = now.expect("the clock is past 1970").as_nanos() as i64;
        }
        packet
    }
}

/// The 32 bytes that a number stands for.
pub(crate) fn user_bytes(content: u64) -> [u64; 4] {
    [content, !content, content.rotate_left(17), 0]
}

/// 0 for no time, 1 for the monotonic clock, 2 for that since the boot.
fn clock(options: u32) -> i64 {
    match options & (zx::ZX_WAIT_ASYNC_TIMESTAMP | zx::ZX_WAIT_ASYNC_BOOT_TIMESTAMP) {
        0 => 0,
        zx::ZX_WAIT_ASYNC_TIMESTAMP => 1,
        _ => 2,
    }
}
