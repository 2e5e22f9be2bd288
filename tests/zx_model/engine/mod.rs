//! The real thing, in this process.

mod memory;

use crate::answers::{Answer, Out, Packet, Payload, Record, UNTOUCHED, UNTOUCHED_SIZE};
use crate::calls::{Buffer, Call, Item, Memory, UserPacket};
use crate::content::content;
use crate::reference::user_bytes;
use crate::system::System;
use memory::{Destination, Origin};
use zocket::zx::{
    self, Status, zx_handle_t, zx_packet_payload_t, zx_packet_user_t, zx_port_packet_t,
    zx_wait_item_t,
};

/// What a buffer holds before a call.
const FILL: u8 = 0xA5;
/// How much behind the result is looked at.
const LOOK: usize = 64;

/// This process's handles.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    /// Reused by every call that writes to memory.
    buffer: Vec<u8>,
}

impl System for Engine {
    fn call(&mut self, _: u8, call: &Call) -> Answer {
        match call {
            Call::Create { .. } | Call::PortCreate { .. } | Call::EventCreate { .. } => {
                create(call)
            }
            Call::Write { .. } | Call::Read { .. } => self.transfer(call),
            Call::GetInfo { .. } | Call::GetProperty { .. } | Call::SetProperty { .. } => {
                self.ask(call)
            }
            Call::WaitOne { .. } | Call::WaitMany { .. } => wait(call),
            Call::PortWait { port, deadline } => {
                let packet = zx::zx_port_wait(port.value(), *deadline);
                packet.map(|packet| Out::Packet(packet_of(&packet))).into()
            }
            Call::Duplicate { .. } | Call::Replace { .. } | Call::Pass { .. } => exchange(call),
            _ => plain(call).into(),
        }
    }

    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32> {
        handles
            .iter()
            .map(|&(_, handle)| signals_of(handle))
            .collect()
    }

    fn abandon(&mut self, handles: &[(u8, u32)]) {
        let handles: Vec<u32> = handles.iter().map(|(_, handle)| *handle).collect();
        // Some are closed already.
        let _ = zx::zx_handle_close_many(&handles);
    }

    fn end(self) {}
}

/// All signals, by a wait that asks for none.
fn signals_of(handle: zx_handle_t) -> u32 {
    let mut observed = UNTOUCHED;
    let deadline = zx::ZX_TIME_INFINITE_PAST;
    let result = zx::zx_object_wait_one(handle, 0, deadline, Some(&mut observed));
    assert_eq!(result, Err(Status::TIMED_OUT), "a wait for no signals");
    observed
}

fn create(call: &Call) -> Answer {
    let pair = |result: zx::Result<(u32, u32)>| result.map(|(a, b)| Out::Handles(vec![a, b]));
    match *call {
        Call::Create {
            options,
            capacity: None,
        } => pair(zx::zx_socket_create(options)),
        Call::Create {
            options,
            capacity: Some(capacity),
        } => pair(zx::socket_create_with_capacity(options, capacity)),
        Call::PortCreate { options } => zx::zx_port_create(options).map(one),
        Call::EventCreate { options } => zx::zx_event_create(options).map(one),
        _ => unreachable!("{call:?} creates nothing"),
    }
    .into()
}

fn one(handle: u32) -> Out {
    Out::Handles(vec![handle])
}

fn exchange(call: &Call) -> Answer {
    match call {
        Call::Duplicate { handle, rights } => zx::zx_handle_duplicate(handle.value(), *rights),
        Call::Replace { handle, rights } => zx::zx_handle_replace(handle.value(), *rights),
        Call::Pass { handle, .. } => zx::handle_to_fd(handle.value()).map(arrive),
        _ => unreachable!("{call:?} makes no handle of a handle"),
    }
    .map(one)
    .into()
}

/// Takes the endpoint out of a descriptor that `handle_to_fd` made.
pub(crate) fn arrive(fd: std::os::fd::OwnedFd) -> zx_handle_t {
    zx::handle_from_fd(fd).expect("what was packed can be taken out")
}

/// Calls without results.
fn plain(call: &Call) -> zx::Result {
    match call {
        Call::SetDisposition { handle, own, peer } => {
            zx::zx_socket_set_disposition(handle.value(), *own, *peer)
        }
        Call::Shutdown { handle, options } => zx::zx_socket_shutdown(handle.value(), *options),
        Call::Close { handle } => zx::zx_handle_close(handle.value()),
        Call::CloseMany { handles } => {
            let handles: Vec<u32> = handles.iter().map(|h| h.value()).collect();
            zx::zx_handle_close_many(&handles)
        }
        Call::CheckValid { handle } => zx::zx_handle_check_valid(handle.value()),
        Call::Signal { handle, clear, set } => zx::zx_object_signal(handle.value(), *clear, *set),
        Call::SignalPeer { handle, clear, set } => {
            zx::zx_object_signal_peer(handle.value(), *clear, *set)
        }
        Call::WaitAsync {
            handle,
            port,
            key,
            signals,
            options,
        } => zx::zx_object_wait_async(handle.value(), port.value(), *key, *signals, *options),
        Call::PortQueue { port, packet } => {
            let packet = packet.as_ref().map(user_packet);
            zx::zx_port_queue(port.value(), packet.as_ref())
        }
        Call::PortCancel { port, source, key } => {
            zx::zx_port_cancel(port.value(), source.value(), *key)
        }
        Call::PortCancelKey { port, options, key } => {
            zx::zx_port_cancel_key(port.value(), *options, *key)
        }
        _ => unreachable!("{call:?} has results"),
    }
}

fn wait(call: &Call) -> Answer {
    match call {
        Call::WaitOne {
            handle,
            signals,
            deadline,
            observed: false,
        } => zx::zx_object_wait_one(handle.value(), *signals, *deadline, None).into(),
        Call::WaitOne {
            handle,
            signals,
            deadline,
            observed: true,
        } => {
            let mut seen = UNTOUCHED;
            let seen_by_call = Some(&mut seen);
            let result = zx::zx_object_wait_one(handle.value(), *signals, *deadline, seen_by_call);
            Answer::with(result, Out::Observed(seen))
        }
        Call::WaitMany { items, deadline } => wait_many(items, *deadline),
        _ => unreachable!("{call:?} is no wait"),
    }
}

fn wait_many(items: &[Item], deadline: i64) -> Answer {
    let item = |item: &Item| zx_wait_item_t {
        handle: item.handle.value(),
        waitfor: item.signals,
        pending: UNTOUCHED,
    };
    let asked: Vec<_> = items.iter().map(item).collect();
    let mut items = asked.clone();
    let result = zx::zx_object_wait_many(&mut items, deadline);
    for (asked, answered) in asked.iter().zip(&items) {
        let question = |item: &zx_wait_item_t| (item.handle, item.waitfor);
        assert_eq!(
            question(asked),
            question(answered),
            "the question was changed"
        );
    }
    let pending = items.iter().map(|item| item.pending).collect();
    Answer::with(result, Out::Pending(pending))
}

impl Engine {
    /// Memory to be written: as much of it as there could really be.
    fn prepare(&mut self, buffer: Buffer) -> usize {
        let size = match buffer.memory {
            Memory::Good => buffer.size.min(1 << 20),
            _ => 0,
        };
        self.buffer.clear();
        self.buffer.resize(size, FILL);
        size
    }

    /// # Panics
    /// If a call wrote behind its result.
    fn check_tail(&self, used: usize) {
        let tail = self.buffer[used..].iter().take(LOOK);
        assert!(
            tail.copied().all(|byte| byte == FILL),
            "written behind the result"
        );
    }

    fn transfer(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Write {
                handle,
                options,
                buffer,
                content: position,
            } => {
                let bytes = match buffer.memory {
                    Memory::Good if buffer.size <= 1 << 20 => content(position, buffer.size),
                    _ => &[],
                };
                let source = Origin { bytes, buffer };
                zx::zx_socket_write(handle.value(), options, source)
                    .map(Out::Actual)
                    .into()
            }
            Call::Read {
                handle,
                options,
                buffer,
            } => self.read(handle.value(), options, buffer),
            _ => unreachable!("{call:?} moves no bytes"),
        }
    }

    fn read(&mut self, handle: u32, options: u32, buffer: Buffer) -> Answer {
        self.prepare(buffer);
        let bytes = &mut self.buffer[..];
        let result = zx::zx_socket_read(handle, options, Destination { bytes, buffer });
        let actual = *result.as_ref().unwrap_or(&0);
        self.check_tail(actual);
        result
            .map(|actual| Out::Bytes(self.buffer[..actual].to_vec()))
            .into()
    }

    fn ask(&mut self, call: &Call) -> Answer {
        match *call {
            Call::GetInfo { .. } => self.get_info(call),
            Call::GetProperty {
                handle,
                property,
                buffer,
            } => {
                self.prepare(buffer);
                let bytes = &mut self.buffer[..];
                let into = Destination { bytes, buffer };
                let result = zx::zx_object_get_property(handle.value(), property, into);
                self.check_tail(if result.is_ok() { 8 } else { 0 });
                result.map(|()| Out::Property(self.number(0))).into()
            }
            Call::SetProperty {
                handle,
                property,
                buffer,
                value,
            } => {
                let bytes = &value.to_le_bytes();
                zx::zx_object_set_property(handle.value(), property, Origin { bytes, buffer })
                    .into()
            }
            _ => unreachable!("{call:?} asks nothing"),
        }
    }

    fn get_info(&mut self, call: &Call) -> Answer {
        let Call::GetInfo {
            handle,
            topic,
            buffer,
            actual,
            avail,
        } = *call
        else {
            unreachable!("{call:?} asks for no information");
        };
        self.prepare(buffer);
        let (mut got, mut had) = (UNTOUCHED_SIZE, UNTOUCHED_SIZE);
        let into = Destination {
            bytes: &mut self.buffer,
            buffer,
        };
        let (got_asked, had_asked) = (actual.then_some(&mut got), avail.then_some(&mut had));
        let result = zx::zx_object_get_info(handle.value(), topic, into, got_asked, had_asked);
        let record = result.is_ok().then(|| self.record(topic)).flatten();
        if record.is_none() {
            self.check_tail(0);
        }
        let out = Out::Info {
            record,
            actual: got,
            avail: had,
        };
        Answer::with(result, out)
    }

    /// What a topic has written.
    fn record(&self, topic: u32) -> Option<Record> {
        let (record, size) = match topic {
            zx::ZX_INFO_HANDLE_BASIC => (self.basic(), 32),
            zx::ZX_INFO_HANDLE_COUNT => (Record::Count(self.half(0)), 4),
            zx::ZX_INFO_SOCKET => (self.socket(), 48),
            _ => return None,
        };
        self.check_tail(size);
        Some(record)
    }

    fn basic(&self) -> Record {
        assert_eq!(self.number(24), 0, "reserved fields");
        Record::Basic {
            koid: self.number(0),
            rights: self.half(8),
            r#type: self.half(12),
            related: self.number(16),
        }
    }

    fn socket(&self) -> Record {
        assert_eq!(self.half(4), 0, "padding");
        Record::Socket {
            options: self.half(0),
            rx_max: self.number(8) as usize,
            rx_size: self.number(16) as usize,
            rx_available: self.number(24) as usize,
            tx_max: self.number(32) as usize,
            tx_size: self.number(40) as usize,
        }
    }

    fn number(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.buffer[at..at + 8].try_into().expect("8 bytes"))
    }

    fn half(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.buffer[at..at + 4].try_into().expect("4 bytes"))
    }
}

fn user_packet(packet: &UserPacket) -> zx_port_packet_t {
    let user = zx_packet_user_t {
        u64: user_bytes(packet.content),
    };
    zx_port_packet_t {
        key: packet.key,
        r#type: packet.r#type,
        status: packet.status,
        payload: zx_packet_payload_t { user },
    }
}

#[allow(unsafe_code, reason = "the payload is a union, as in C")]
fn packet_of(packet: &zx_port_packet_t) -> Packet {
    let payload = if packet.r#type == zx::ZX_PKT_TYPE_SIGNAL_ONE {
        // SAFETY: every bit pattern is a value of either view, and all 32 bytes are set.
        let signal = unsafe { packet.payload.signal };
        Payload::Signal {
            trigger: signal.trigger,
            observed: signal.observed,
            count: signal.count,
            timestamp: signal.timestamp,
            reserved: signal.reserved1,
        }
    } else {
        // SAFETY: as above.
        Payload::User(unsafe { packet.payload.user.u64 })
    };
    Packet {
        key: packet.key,
        r#type: packet.r#type,
        status: packet.status,
        payload,
    }
}
