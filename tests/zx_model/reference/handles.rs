//! Sections 2 and 14: handles, and the ends of objects.

use zocket::zx::{self, Status};

use super::{Body, Handle, Id, Note, Reference};
use crate::answers::{Answer, Out};
use crate::calls::{Call, H};

impl Reference {
    pub(super) fn answer_handle(&mut self, call: &Call) -> Answer {
        match call {
            Call::Close { handle } => self.close(handle.value()).into(),
            Call::CloseMany { handles } => self.close_many(handles).into(),
            Call::Duplicate { handle, rights } => self.duplicate(handle.value(), *rights).into(),
            Call::Replace { handle, rights } => self.replace(handle.value(), *rights).into(),
            Call::CheckValid { handle } => self.check_valid(handle.value()).into(),
            Call::Pass { handle, .. } => self.pass(handle.value()).into(),
            _ => unreachable!("{call:?} is for others"),
        }
    }

    pub(super) fn make_handle(&mut self, object: Id, rights: u32) -> u32 {
        self.handles_made += 1;
        // Multiplying by an odd number permutes: 2^30 different values before one returns.
        let number = self
            .handles_made
            .wrapping_mul(0x2545_F491)
            .wrapping_add(self.seed);
        let value = number << 2 | zx::ZX_HANDLE_FIXED_BITS_MASK;
        self.objects[object].handles += 1;
        self.handles.insert(value, Handle { object, rights });
        value
    }

    fn close(&mut self, handle: u32) -> zx::Result {
        if handle == zx::ZX_HANDLE_INVALID {
            return Ok(());
        }
        let found = self.lookup(handle)?;
        self.forget(handle);
        self.objects[found.object].handles -= 1;
        if self.objects[found.object].handles == 0 {
            self.end_object(found.object);
        }
        Ok(())
    }

    /// Takes a handle out of the table, and drops what was registered through it.
    fn forget(&mut self, handle: u32) {
        self.handles.remove(&handle);
        if self.drop_registrations(|r| r.handle == handle) > 0 {
            self.note(Note::RegistrationDroppedWithHandle);
        }
    }

    fn end_object(&mut self, object: Id) {
        match self.objects[object].body {
            Body::Endpoint(_) => self.close_socket(object),
            Body::Port(_) => self.close_port(object),
            Body::Event { .. } | Body::Gone => (),
        }
        self.objects[object].body = Body::Gone;
    }

    /// In the order of the array. A value that appears twice is invalid the second time.
    fn close_many(&mut self, handles: &[H]) -> zx::Result {
        let results: Vec<_> = handles.iter().map(|h| self.close(h.value())).collect();
        results.into_iter().collect()
    }

    fn duplicate(&mut self, handle: u32, rights: u32) -> zx::Result<Out> {
        let found = self.lookup(handle)?;
        super::require(found.rights, zx::ZX_RIGHT_DUPLICATE)?;
        let rights = reduce(found.rights, rights)?;
        let made = self.make_handle(found.object, rights);
        Ok(Out::Handles(vec![made]))
    }

    fn replace(&mut self, handle: u32, rights: u32) -> zx::Result<Out> {
        let found = self.lookup(handle)?;
        match reduce(found.rights, rights) {
            Ok(rights) => Ok(self.exchange(handle, found.object, rights)),
            Err(status) => {
                self.note(Note::ReplaceDestroyed);
                self.close(handle)?;
                Err(status)
            }
        }
    }

    /// A new handle in place of another one.
    fn exchange(&mut self, handle: u32, object: Id, rights: u32) -> Out {
        self.forget(handle);
        let made = self.make_handle(object, rights);
        self.objects[object].handles -= 1;
        Out::Handles(vec![made])
    }

    fn check_valid(&self, handle: u32) -> zx::Result {
        const FIXED: u32 = zx::ZX_HANDLE_FIXED_BITS_MASK;
        match handle {
            zx::ZX_HANDLE_INVALID => Err(Status::INVALID_ARGS),
            value if value & FIXED != FIXED => Err(Status::OUT_OF_RANGE),
            value => self
                .lookup(value)
                .map(|_| ())
                .map_err(|_| Status::NOT_FOUND),
        }
    }

    /// Out into a descriptor, and in again from it: there is no such call on Zircon, but it
    /// is what sending a handle does.
    fn pass(&mut self, handle: u32) -> zx::Result<Out> {
        let object = self.lookup_socket(handle, zx::ZX_RIGHT_TRANSFER)?;
        if self.objects[object].handles > 1 {
            return Err(Status::BAD_STATE);
        }
        let rights = self.lookup(handle)?.rights;
        self.note_pass(object);
        Ok(self.exchange(handle, object, rights))
    }

    fn note_pass(&mut self, object: Id) {
        let endpoint = self.endpoint(object);
        let notes = [
            (Note::PassedWithData, endpoint.queue.len() > 0),
            (Note::PassedOrphan, endpoint.peer.is_none()),
            (Note::PassedDisabled, endpoint.write_disabled),
            (
                Note::PassedWithThreshold,
                endpoint.read_threshold + endpoint.write_threshold > 0,
            ),
            (Note::PassedWithUserSignals, endpoint.user_signals != 0),
        ];
        for (note, _) in notes.into_iter().filter(|(_, holds)| *holds) {
            self.note(note);
        }
    }
}

/// The rights of a new handle, if those of the old one have them all.
fn reduce(has: u32, wanted: u32) -> zx::Result<u32> {
    match wanted {
        zx::ZX_RIGHT_SAME_RIGHTS => Ok(has),
        wanted if wanted & !has == 0 => Ok(wanted),
        _ => Err(Status::INVALID_ARGS),
    }
}
