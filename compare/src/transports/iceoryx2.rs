//! The crate `iceoryx2`: messages written into memory that it lends, published to one subscriber.
//! One service for each direction, and another one for its events.

#![allow(
    unsafe_code,
    reason = "what counts its references without locks moves between threads"
)]

use std::env;
use std::fs;
use std::hint;
use std::mem::MaybeUninit;
use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use ::iceoryx2::port::{
    listener::Listener, notifier::Notifier, publisher::Publisher, subscriber::Subscriber,
};
use ::iceoryx2::prelude::{
    AllocationStrategy, BackpressureStrategy, Config, FileName, LogLevel, Node, NodeBuilder, Path,
    SemanticString, SignalHandlingMode, ipc, set_log_level,
};
use ::iceoryx2::sample_mut::SampleMut;
use ::iceoryx2::sample_mut_uninit::SampleMutUninit;
use ::iceoryx2::service::port_factory::{event, publish_subscribe};
use ::iceoryx2::testing::remove_global_mgmt_segment;
use anyhow::{Context, Result};

use crate::channel::{Channel, Class, Name, Parcel, Transport, Waiting};

/// Bytes of the largest message, so that a connection has a bound to its memory.
const MOST: usize = 1 << 20;

/// Messages under way in one direction. Nothing is lost: who finds so many waits.
const DEPTH: usize = 16;

type Lent = SampleMutUninit<ipc::Service, [MaybeUninit<u8>], ()>;
type Message = SampleMut<ipc::Service, [u8], ()>;

/// One end. It never leaves anything of itself behind where it moves to another thread.
pub(crate) struct Ports<const EVENTS: bool> {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    /// Where the end sleeps, and where it wakes the other one.
    events: Option<(Listener<ipc::Service>, Notifier<ipc::Service>)>,
    _node: Node<ipc::Service>,
    /// Last, as fields are dropped in order.
    _home: Home,
}

/// Polls its subscriber.
pub(crate) type PollingPorts = Ports<false>;

/// Sleeps until it is notified, and notifies after each message.
pub(crate) type ListeningPorts = Ports<true>;

// SAFETY: a port is bound to its thread only as it shares its node and its service with others by
// counts that are not atomic. All that share them, the node, the ports and the samples, are in the
// same end, which no other has a part of, and move with it.
unsafe impl<const EVENTS: bool> Send for Ports<EVENTS> {}

/// Where what iceoryx2 keeps on this machine is: a directory, and names in shared memory.
///
/// It is the same in every run: what one that was killed has left is found and removed by the next.
struct Home(Config);

impl Home {
    fn new() -> Result<Self> {
        let mut config = Config::default();
        let path = env::temp_dir().join("zocket-compare-iceoryx2");
        let path = path.to_str().context("a path that is no text")?;
        config.global.set_root_path(&Path::new(path.as_bytes())?);
        config.global.prefix = FileName::new(b"zocket_compare_")?;
        // A program would have one node for all its connections, and so few to look after. As here
        // each has its own, dead ones are looked for once, and not whenever there is a new one.
        config.global.node.cleanup_dead_nodes_on_creation = false;
        config.global.node.cleanup_dead_nodes_on_destruction = false;
        config.global.service.cleanup_dead_nodes_on_open = false;
        Ok(Self(config))
    }
}

impl Drop for Home {
    /// Removes what iceoryx2 leaves when all of its nodes are gone: the directory, and a count in
    /// shared memory.
    fn drop(&mut self) {
        let global = &self.0.global;
        if fs::remove_dir(global.node_dir().to_string()).is_err() {
            // There is another end in it.
            return;
        }
        // SAFETY: nobody uses the count, as every node has something in the directory of nodes
        // while it is there, and that was empty.
        let _ = unsafe { remove_global_mgmt_segment::<ipc::Service>(&self.0) };
        let _ = fs::remove_dir(global.service_dir().to_string());
        let _ = fs::remove_dir(global.root_path().to_string());
    }
}

/// The side that made a connection sends by the first of its names, the other by the second.
fn names(connection: &str) -> [String; 2] {
    ["there", "back"].map(|way| format!("zocket-compare/{connection}/{way}"))
}

type Payloads = publish_subscribe::PortFactory<ipc::Service, [u8], ()>;

/// The service for the messages of one direction, with one publisher and one subscriber.
fn payloads(node: &Node<ipc::Service>, name: &str) -> Result<Payloads> {
    let service = node
        .service_builder(&name.try_into()?)
        .publish_subscribe::<[u8]>()
        .max_publishers(1)
        .max_subscribers(1)
        .max_nodes(2)
        .history_size(0)
        .subscriber_max_buffer_size(DEPTH)
        .subscriber_max_borrowed_samples(1)
        .enable_safe_overflow(false);
    Ok(service.open_or_create()?)
}

/// The service for the events of one direction.
fn events(node: &Node<ipc::Service>, name: &str) -> Result<event::PortFactory<ipc::Service>> {
    let service = node
        .service_builder(&name.try_into()?)
        .event()
        .max_notifiers(1)
        .max_listeners(1)
        .max_nodes(2)
        .event_id_max_value(1);
    Ok(service.open_or_create()?)
}

impl<const EVENTS: bool> Ports<EVENTS> {
    fn new([outgoing, incoming]: [String; 2]) -> Result<Self> {
        set_log_level(LogLevel::Fatal);
        let home = Home::new()?;
        let node = NodeBuilder::new()
            .config(&home.0)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()?;
        static CLEAN_UP: Once = Once::new();
        CLEAN_UP.call_once(|| {
            node.try_cleanup_dead_nodes();
        });
        let listener_and_notifier = || -> Result<_> {
            let listener = events(&node, &incoming)?.listener_builder().create()?;
            let notifier = events(&node, &outgoing)?.notifier_builder().create()?;
            Ok((listener, notifier))
        };
        Ok(Self {
            publisher: payloads(&node, &outgoing)?
                .publisher_builder()
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .max_loaned_samples(1)
                // It grows with the messages, so that small ones lie side by side.
                .initial_max_slice_len(64)
                .allocation_strategy(AllocationStrategy::PowerOfTwo)
                .create()?,
            subscriber: payloads(&node, &incoming)?.subscriber_builder().create()?,
            events: EVENTS.then(listener_and_notifier).transpose()?,
            _node: node,
            _home: home,
        })
    }

    /// Sends a message of `len` bytes, which `put` puts into lent memory.
    #[inline(always)]
    fn send_with(&mut self, len: usize, put: impl FnOnce(Lent) -> Message) {
        let lent = self.publisher.loan_slice_uninit(len);
        let message = put(lent.expect("memory for all messages under way"));
        let receivers = message.send().expect("a connection in order");
        assert_eq!(receivers, 1);
        if let Some((_, notifier)) = &self.events {
            notifier.notify().expect("a connection in order");
        }
    }
}

impl<const EVENTS: bool> Transport for Ports<EVENTS> {
    type End = Self;
    const NAME: Name = Name {
        key: if EVENTS {
            "iceoryx2-event"
        } else {
            "iceoryx2-spin"
        },
        title: if EVENTS {
            "iceoryx2, events"
        } else {
            "iceoryx2, polling"
        },
        class: Class::Peer,
        waiting: if EVENTS {
            Waiting::Block
        } else {
            Waiting::Spin
        },
        most: MOST,
    };

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        static CONNECTIONS: AtomicU32 = AtomicU32::new(0);
        let index = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let connection = format!("{}/{index}", process::id());
        let [there, back] = names(&connection);
        parcel.put_word(connection);
        Self::new([there, back])
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        let [there, back] = names(&parcel.take_word()?);
        Self::new([back, there])
    }
}

impl<const EVENTS: bool> Channel for Ports<EVENTS> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.send_with(message.len(), |lent| lent.write_from_slice(message));
    }

    #[inline(always)]
    fn make_and_send(&mut self, scratch: &mut [u8], byte: u8) {
        self.send_with(scratch.len(), |lent| lent.write_from_fn(|_| byte));
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        loop {
            let message = self.subscriber.receive().expect("a connection in order");
            match (message, &self.events) {
                (Some(message), _) => return buf.copy_from_slice(&message),
                (None, None) => hint::spin_loop(),
                (None, Some((listener, _))) => {
                    let woken = listener.blocking_wait(|_| {});
                    woken.expect("a connection in order");
                }
            }
        }
    }
}
