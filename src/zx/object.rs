//! What handles stand for.

use std::sync::Arc;

use super::count::HandleCount;
use super::event::Event;
use super::socket::Socket;
use super::status::{Result, Status};
use super::types::*;
use crate::observe::Subject;
use crate::port::Mailbox;

/// An object: it lives as long as there are handles to it. What is left of it after that
/// only finishes the calls that are under way.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) handles: HandleCount,
    pub(super) content: Content,
}

/// The kinds of objects.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all objects are sockets, which should be one step away from their handles"
)]
pub(super) enum Content {
    Socket(Socket),
    Event(Event),
    Port(Arc<Mailbox>, zx_koid_t),
}

impl Object {
    /// An object with one handle, which is about to be made.
    pub(super) fn new(content: Content) -> Arc<Self> {
        Arc::new(Self {
            handles: HandleCount::default(),
            content,
        })
    }

    /// # Errors
    /// `WRONG_TYPE`.
    #[inline]
    pub(super) fn socket(&self) -> Result<&Socket> {
        match &self.content {
            Content::Socket(socket) => Ok(socket),
            _ => Err(Status::WRONG_TYPE),
        }
    }

    /// # Errors
    /// `WRONG_TYPE`.
    pub(super) fn port(&self) -> Result<&Arc<Mailbox>> {
        match &self.content {
            Content::Port(mailbox, _) => Ok(mailbox),
            _ => Err(Status::WRONG_TYPE),
        }
    }

    /// # Errors
    /// `NOT_SUPPORTED` if it cannot be waited on.
    pub(super) fn subject(&self) -> Result<&dyn Subject> {
        match &self.content {
            Content::Socket(socket) => Ok(&**socket.link()),
            Content::Event(event) => Ok(&**event.core()),
            Content::Port(..) => Err(Status::NOT_SUPPORTED),
        }
    }

    /// The same, to be kept.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` if it cannot be waited on.
    pub(super) fn shared_subject(&self) -> Result<Arc<dyn Subject>> {
        match &self.content {
            Content::Socket(socket) => Ok(Arc::clone(socket.link()) as _),
            Content::Event(event) => Ok(Arc::clone(event.core()) as _),
            Content::Port(..) => Err(Status::NOT_SUPPORTED),
        }
    }

    pub(super) fn kind(&self) -> zx_obj_type_t {
        match &self.content {
            Content::Socket(_) => ZX_OBJ_TYPE_SOCKET,
            Content::Event(_) => ZX_OBJ_TYPE_EVENT,
            Content::Port(..) => ZX_OBJ_TYPE_PORT,
        }
    }

    /// The identities of the object and of its peer, 0 without one.
    pub(super) fn koids(&self) -> (zx_koid_t, zx_koid_t) {
        match &self.content {
            Content::Socket(socket) => socket.link().koids(),
            Content::Event(event) => (event.core().koid(), ZX_KOID_INVALID),
            Content::Port(_, koid) => (*koid, ZX_KOID_INVALID),
        }
    }

    /// The last handle is gone.
    pub(super) fn close(&self) {
        match &self.content {
            Content::Socket(socket) => socket.close(),
            Content::Event(event) => event.core().close(),
            Content::Port(mailbox, _) => mailbox.close(),
        }
    }
}
