//! Every call as data: to be generated, made, printed, replayed, and sent to another process.

use crate::text::{Word, put_field, take_field};

/// Where a call takes a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum H {
    /// The one of this number among those that a sequence makes, or a value it had once.
    Named(u32),
    /// This very value.
    Value(u32),
}

impl H {
    /// # Panics
    /// If it is still a name.
    pub(crate) fn value(self) -> u32 {
        match self {
            Self::Value(value) => value,
            Self::Named(name) => panic!("h{name} was not looked up"),
        }
    }
}

/// What a pointer of the caller is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Good,
    Null,
    /// Every access fails.
    Bad,
}

/// Memory of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub memory: Memory,
    pub size: usize,
}

impl Buffer {
    pub(crate) fn good(size: usize) -> Self {
        Self {
            memory: Memory::Good,
            size,
        }
    }

    pub(crate) fn is_null(self) -> bool {
        self.memory == Memory::Null
    }
}

/// A packet for `zx_port_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserPacket {
    pub key: u64,
    pub r#type: u32,
    pub status: i32,
    /// Stands for the 32 bytes.
    pub content: u64,
}

/// One of the items of `zx_object_wait_many`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub handle: H,
    pub signals: u32,
}

/// Whatever may hold handles.
trait Handles {
    fn visit(&mut self, visitor: &mut dyn FnMut(&mut H)) {
        let _ = visitor;
    }
}

macro_rules! no_handles {
    ($($type:ty)*) => {$(impl Handles for $type {})*};
}

no_handles! { u8 u32 u64 i64 usize bool Buffer Option<usize> Option<UserPacket> }

impl Handles for H {
    fn visit(&mut self, visitor: &mut dyn FnMut(&mut H)) {
        visitor(self);
    }
}

impl Handles for Vec<H> {
    fn visit(&mut self, visitor: &mut dyn FnMut(&mut H)) {
        self.iter_mut().for_each(visitor);
    }
}

impl Handles for Vec<Item> {
    fn visit(&mut self, visitor: &mut dyn FnMut(&mut H)) {
        self.iter_mut().for_each(|item| visitor(&mut item.handle));
    }
}

macro_rules! calls {
    ($($variant:ident $name:literal { $($field:ident: $type:ty),* $(,)? })*) => {
        /// One call with its parameters.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Call {
            $($variant { $($field: $type),* }),*
        }

        impl Call {
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),* }
            }

            /// Shows every handle that it takes, in the order of its parameters.
            pub(crate) fn visit_handles(&mut self, visitor: &mut dyn FnMut(&mut H)) {
                match self {
                    $(Self::$variant { $($field),* } => { $($field.visit(visitor);)* })*
                }
            }

            pub(crate) fn put(&self, text: &mut String) {
                text.push_str(self.name());
                match self {
                    $(Self::$variant { $($field),* } => {
                        $(put_field(text, stringify!($field), $field);)*
                    })*
                }
            }

            pub(crate) fn take<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
                match words.next()? {
                    $($name => Some(Self::$variant { $($field: take_field(words)?),* }),)*
                    _ => None,
                }
            }
        }
    };
}

calls! {
    Create "create" { options: u32, capacity: Option<usize> }
    Write "write" { handle: H, options: u32, buffer: Buffer, content: u64 }
    Read "read" { handle: H, options: u32, buffer: Buffer }
    SetDisposition "set_disposition" { handle: H, own: u32, peer: u32 }
    Shutdown "shutdown" { handle: H, options: u32 }
    Close "close" { handle: H }
    CloseMany "close_many" { handles: Vec<H> }
    Duplicate "duplicate" { handle: H, rights: u32 }
    Replace "replace" { handle: H, rights: u32 }
    CheckValid "check_valid" { handle: H }
    Signal "signal" { handle: H, clear: u32, set: u32 }
    SignalPeer "signal_peer" { handle: H, clear: u32, set: u32 }
    WaitOne "wait_one" { handle: H, signals: u32, deadline: i64, observed: bool }
    WaitMany "wait_many" { items: Vec<Item>, deadline: i64 }
    WaitAsync "wait_async" { handle: H, port: H, key: u64, signals: u32, options: u32 }
    GetInfo "get_info" { handle: H, topic: u32, buffer: Buffer, actual: bool, avail: bool }
    GetProperty "get_property" { handle: H, property: u32, buffer: Buffer }
    SetProperty "set_property" { handle: H, property: u32, buffer: Buffer, value: u64 }
    PortCreate "port_create" { options: u32 }
    PortQueue "port_queue" { port: H, packet: Option<UserPacket> }
    PortWait "port_wait" { port: H, deadline: i64 }
    PortCancel "port_cancel" { port: H, source: H, key: u64 }
    PortCancelKey "port_cancel_key" { port: H, options: u32, key: u64 }
    EventCreate "event_create" { options: u32 }
    Pass "pass" { handle: H, to: u8 }
}

impl Call {
    /// How many handles it makes if it succeeds.
    pub(crate) fn makes(&self) -> u32 {
        match self {
            Self::Create { .. } => 2,
            Self::PortCreate { .. } | Self::EventCreate { .. } => 1,
            Self::Duplicate { .. } | Self::Replace { .. } | Self::Pass { .. } => 1,
            _ => 0,
        }
    }

    /// The same call with less of what it has much of, if there is such a one.
    pub(crate) fn smaller(&self) -> Option<Self> {
        let mut call = self.clone();
        match &mut call {
            Self::Write { buffer, .. } | Self::Read { buffer, .. } if buffer.size > 1 => {
                buffer.size /= 2;
            }
            Self::CloseMany { handles } if handles.len() > 1 => {
                handles.pop();
            }
            Self::WaitMany { items, .. } if items.len() > 1 => {
                items.pop();
            }
            _ => return None,
        }
        Some(call)
    }
}

impl Word for H {
    fn put(&self, text: &mut String) {
        match self {
            Self::Named(name) => text.push_str(&format!("h{name}")),
            Self::Value(value) => value.put(text),
        }
    }

    fn take(word: &str) -> Option<Self> {
        match word.strip_prefix('h') {
            Some(name) => name.parse().ok().map(Self::Named),
            None => u32::take(word).map(Self::Value),
        }
    }
}

const MEMORIES: [(Memory, &str); 3] = [
    (Memory::Good, "good"),
    (Memory::Null, "null"),
    (Memory::Bad, "bad"),
];

impl Word for Buffer {
    fn put(&self, text: &mut String) {
        let name = MEMORIES.iter().find(|(memory, _)| *memory == self.memory);
        text.push_str(name.expect("all are listed").1);
        text.push(':');
        self.size.put(text);
    }

    fn take(word: &str) -> Option<Self> {
        let (name, size) = word.split_once(':')?;
        let (memory, _) = *MEMORIES.iter().find(|(_, known)| *known == name)?;
        let size = size.parse().ok()?;
        Some(Self { memory, size })
    }
}

impl Word for Item {
    fn put(&self, text: &mut String) {
        self.handle.put(text);
        text.push(':');
        self.signals.put(text);
    }

    fn take(word: &str) -> Option<Self> {
        let (handle, signals) = word.split_once(':')?;
        Some(Self {
            handle: H::take(handle)?,
            signals: u32::take(signals)?,
        })
    }
}

impl Word for UserPacket {
    fn put(&self, text: &mut String) {
        let Self {
            key,
            r#type,
            status,
            content,
        } = self;
        text.push_str(&format!("{key}:{type}:{status}:{content}"));
    }

    fn take(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        Some(Self {
            key: parts.next()?.parse().ok()?,
            r#type: parts.next()?.parse().ok()?,
            status: parts.next()?.parse().ok()?,
            content: parts.next()?.parse().ok()?,
        })
    }
}
