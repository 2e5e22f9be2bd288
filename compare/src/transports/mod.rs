//! All that is compared.

mod bare_ring;
mod futex;
#[cfg(feature = "peers")]
mod iceoryx2;
mod in_process;
#[cfg(feature = "peers")]
mod ipc_channel;
pub(crate) mod kernel;
mod lines;
mod memcpy;
mod memory;
mod shmem_ipc;
pub(crate) mod zocket;

use anyhow::{Context, Result, bail};

use crate::channel::{Name, Parcel, ThreadTransport, Transport};
use crate::contestant::{self, Contestant};
use crate::worker;

/// A contestant that can be made.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    /// With so many connections.
    pub(crate) start: fn(usize) -> Result<Box<dyn Contestant>>,
    /// What its worker does, if that is a process.
    serve: fn(usize, Parcel) -> Result<()>,
}

impl Entry {
    const fn processes<T: Transport>() -> Self {
        Self {
            name: T::NAME,
            start: contestant::processes::<T>,
            serve: worker::serve::<T>,
        }
    }

    /// Something that has no other side.
    const fn alone(name: Name, start: fn(usize) -> Result<Box<dyn Contestant>>) -> Self {
        Self {
            name,
            start,
            serve: |_, _| bail!("it has no worker"),
        }
    }

    const fn threads<T: ThreadTransport>() -> Self {
        Self {
            name: T::NAME,
            start: contestant::threads::<T>,
            serve: |_, _| bail!("its worker is a thread"),
        }
    }
}

/// Everything, in the order of the tables.
pub(crate) const ALL: &[Entry] = &[
    Entry::processes::<lines::CacheLine>(),
    Entry::processes::<futex::Futex>(),
    Entry::alone(memcpy::NAME, memcpy::start),
    Entry::processes::<bare_ring::BareRing>(),
    Entry::processes::<zocket::SpinningStream>(),
    Entry::processes::<zocket::BlockingStream>(),
    Entry::processes::<zocket::InPlaceStream>(),
    Entry::processes::<zocket::VectoredStream>(),
    Entry::processes::<zocket::SpinningDatagram>(),
    Entry::processes::<zocket::BlockingDatagram>(),
    Entry::processes::<zocket::InPlaceDatagram>(),
    Entry::processes::<shmem_ipc::SpinningRings>(),
    Entry::processes::<shmem_ipc::BlockingRings>(),
    #[cfg(feature = "peers")]
    Entry::processes::<iceoryx2::PollingPorts>(),
    #[cfg(feature = "peers")]
    Entry::processes::<iceoryx2::ListeningPorts>(),
    #[cfg(feature = "peers")]
    Entry::processes::<ipc_channel::Channels>(),
    Entry::processes::<kernel::Pipe>(),
    Entry::processes::<kernel::UnixStream>(),
    Entry::processes::<kernel::UnixSeqpacket>(),
    Entry::threads::<in_process::Rtrb>(),
    Entry::threads::<in_process::Crossbeam>(),
];

/// The contestant of this key.
pub(crate) fn find(key: &str) -> Result<&'static Entry> {
    let entry = ALL.iter().find(|entry| entry.name.key == key);
    entry.with_context(|| format!("there is no contestant {key}"))
}

/// What the worker process for `key` does.
pub(crate) fn serve(key: &str, connections: usize, parcel: Parcel) -> Result<()> {
    (find(key)?.serve)(connections, parcel)
}
