//! Sections 9 to 11: what is told about an object, and the thresholds.

use zocket::zx::{self, Status};

use super::{Body, Endpoint, Handle, Id, Note, Reference};
use crate::answers::{Answer, Out, Record, UNTOUCHED_SIZE};
use crate::calls::{Buffer, Call, Memory};

/// Bytes of a threshold.
const THRESHOLD: usize = size_of::<usize>();

impl Reference {
    pub(super) fn answer_info(&mut self, call: &Call) -> Answer {
        match *call {
            Call::GetInfo {
                handle,
                topic,
                buffer,
                actual,
                avail,
            } => {
                let answer = self.get_info(handle.value(), topic, buffer);
                only_asked(answer, actual, avail)
            }
            Call::GetProperty {
                handle,
                property,
                buffer,
            } => self.get_property(handle.value(), property, buffer).into(),
            Call::SetProperty {
                handle,
                property,
                buffer,
                value,
            } => self
                .set_property(handle.value(), property, buffer, value as usize)
                .into(),
            _ => unreachable!("{call:?} is for others"),
        }
    }

    fn get_info(&mut self, handle: u32, topic: u32, buffer: Buffer) -> Answer {
        match self.record(handle, topic) {
            Ok(Some(record)) => self.copy_record(record, buffer),
            Ok(None) => Answer::with(Ok(()), info(None, UNTOUCHED_SIZE)),
            Err(status) => Answer::with(Err(status), info(None, UNTOUCHED_SIZE)),
        }
    }

    fn copy_record(&mut self, record: Record, buffer: Buffer) -> Answer {
        if buffer.size < record.size() {
            let out = Out::Info {
                record: None,
                actual: 0,
                avail: 1,
            };
            return Answer::with(Err(Status::BUFFER_TOO_SMALL), out);
        }
        match buffer.memory {
            Memory::Good => Answer::with(Ok(()), info(Some(record), 1)),
            _ => Answer::with(Err(Status::INVALID_ARGS), info(None, UNTOUCHED_SIZE)),
        }
    }

    /// What a topic says of an object, once the handle, its type and its rights are checked.
    fn record(&self, handle: u32, topic: u32) -> zx::Result<Option<Record>> {
        match topic {
            zx::ZX_INFO_HANDLE_VALID => self.lookup(handle).map(|_| None),
            zx::ZX_INFO_HANDLE_BASIC => self.lookup(handle).map(|found| Some(self.basic(found))),
            zx::ZX_INFO_HANDLE_COUNT => {
                let object = self.lookup_with(handle, zx::ZX_RIGHT_INSPECT)?;
                Ok(Some(Record::Count(self.objects[object].handles)))
            }
            zx::ZX_INFO_SOCKET => {
                let object = self.lookup_socket(handle, zx::ZX_RIGHT_INSPECT)?;
                Ok(Some(self.socket_record(self.endpoint(object))))
            }
            _ => Err(Status::NOT_SUPPORTED),
        }
    }

    pub(super) fn type_of(&self, object: Id) -> u32 {
        match self.objects[object].body {
            Body::Endpoint(_) => zx::ZX_OBJ_TYPE_SOCKET,
            Body::Port(_) => zx::ZX_OBJ_TYPE_PORT,
            Body::Event { .. } => zx::ZX_OBJ_TYPE_EVENT,
            Body::Gone => zx::ZX_OBJ_TYPE_NONE,
        }
    }

    fn basic(&self, handle: Handle) -> Record {
        let related = match &self.objects[handle.object].body {
            Body::Endpoint(endpoint) => self.koid(endpoint.related),
            _ => 0,
        };
        Record::Basic {
            koid: self.koid(handle.object),
            rights: handle.rights,
            r#type: self.type_of(handle.object),
            related,
        }
    }

    fn socket_record(&self, endpoint: &Endpoint) -> Record {
        let room = self.room(endpoint);
        Record::Socket {
            options: endpoint.options,
            rx_max: endpoint.capacity,
            rx_size: endpoint.queue.len(),
            rx_available: endpoint.queue.available(),
            tx_max: room.map_or(0, |_| endpoint.capacity),
            tx_size: room.map_or(0, |room| endpoint.capacity - room),
        }
    }

    fn get_property(&mut self, handle: u32, property: u32, buffer: Buffer) -> zx::Result<Out> {
        if buffer.is_null() {
            return Err(Status::INVALID_ARGS);
        }
        let object = self.lookup_with(handle, zx::ZX_RIGHT_GET_PROPERTY)?;
        if property == zx::ZX_PROP_NAME && buffer.size < zx::ZX_MAX_NAME_LEN {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        let endpoint = self.with_threshold(object, property, buffer)?;
        Ok(Out::Property(match property {
            zx::ZX_PROP_SOCKET_RX_THRESHOLD => endpoint.read_threshold as u64,
            _ => endpoint.write_threshold as u64,
        }))
    }

    /// What both property calls check after the rights.
    fn with_threshold(&self, object: Id, property: u32, buffer: Buffer) -> zx::Result<&Endpoint> {
        match property {
            // Nothing here has a name.
            zx::ZX_PROP_NAME => return Err(Status::WRONG_TYPE),
            zx::ZX_PROP_SOCKET_RX_THRESHOLD | zx::ZX_PROP_SOCKET_TX_THRESHOLD => (),
            _ => return Err(Status::NOT_SUPPORTED),
        }
        let Body::Endpoint(endpoint) = &self.objects[object].body else {
            return Err(Status::WRONG_TYPE);
        };
        if buffer.size < THRESHOLD {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        match buffer.memory {
            Memory::Good => Ok(endpoint),
            _ => Err(Status::INVALID_ARGS),
        }
    }

    fn set_property(
        &mut self,
        handle: u32,
        property: u32,
        buffer: Buffer,
        value: usize,
    ) -> zx::Result {
        if buffer.is_null() {
            return Err(Status::INVALID_ARGS);
        }
        let object = self.lookup_with(handle, zx::ZX_RIGHT_SET_PROPERTY)?;
        let endpoint = self.with_threshold(object, property, buffer)?;
        if value > endpoint.capacity {
            return Err(Status::INVALID_ARGS);
        }
        match property {
            zx::ZX_PROP_SOCKET_RX_THRESHOLD => self.endpoint_mut(object).read_threshold = value,
            _ if endpoint.peer.is_none() => return Err(Status::PEER_CLOSED),
            _ => self.endpoint_mut(object).write_threshold = value,
        }
        self.note_threshold(object, value);
        self.update(object);
        Ok(())
    }

    fn note_threshold(&mut self, object: Id, value: usize) {
        let full = self.endpoint(object).capacity;
        self.note(match value {
            0 => Note::ThresholdOff,
            value if value == full => Note::ThresholdOfCapacity,
            _ => Note::ThresholdSet,
        });
    }
}

impl Record {
    fn size(&self) -> usize {
        match self {
            Self::Basic { .. } => 32,
            Self::Count(_) => 4,
            Self::Socket { .. } => 48,
        }
    }
}

fn info(record: Option<Record>, counts: usize) -> Out {
    Out::Info {
        record,
        actual: counts,
        avail: counts,
    }
}

/// Counts that the caller gave no pointers for stay as they were.
fn only_asked(mut answer: Answer, want_actual: bool, want_avail: bool) -> Answer {
    if let Out::Info { actual, avail, .. } = &mut answer.out {
        if !want_actual {
            *actual = UNTOUCHED_SIZE;
        }
        if !want_avail {
            *avail = UNTOUCHED_SIZE;
        }
    }
    answer
}
