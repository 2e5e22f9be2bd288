//! What streams and datagram endpoints have in common, written once.
//!
//! Macros, because the kinds are two types, as in std, and not one with a parameter:
//! `endpoint_calls` for [`Stream`](super::Stream) and [`Datagram`](super::Datagram),
//! `half_calls` for their halves, `setting_calls` for all, `split_calls` for the way
//! from one to the other.

/// What concerns an endpoint as a whole and can be said to either half as well.
macro_rules! setting_calls {
    ($type:ident) => {
        /// Asking and setting. Of a half, these concern the whole endpoint.
        impl $type {
            /// The state of the endpoint.
            pub fn info(&self) -> Info {
                Info::new(self.link())
            }

            /// Shuts one direction or both down.
            ///
            /// [`Shutdown::Write`]: this end writes no more. The peer reads what was written
            /// and then sees the end; the other direction goes on. [`Shutdown::Read`]: the
            /// peer may write no more; what it has written can still be read here. Blocked
            /// calls that this concerns return, here as well: a thread that has the writing half
            /// ends a read of the other half's with `shutdown(Shutdown::Read)`. A poller of this
            /// endpoint's own descriptor is not disturbed by its own shutdown.
            ///
            /// To enable writing again there is
            /// [`set_disposition`](Self::set_disposition), of which this is a part.
            ///
            /// # Errors
            /// [`Error::Forked`](crate::Error::Forked).
            pub fn shutdown(&self, how: Shutdown) -> Result<()> {
                let disable = |concerned| match concerned {
                    true => Disposition::WriteDisabled,
                    false => Disposition::Unchanged,
                };
                let own = disable(how != Shutdown::Read);
                let peer = disable(how != Shutdown::Write);
                self.link().shut_down(own, peer)
            }

            /// Disables or enables writing by this end (`own`) and by the peer (`peer`), both or
            /// neither.
            ///
            /// What was written before writing is disabled can still be read; then comes the end.
            /// Enabled again it can be only when all of that was read; enabling what was not
            /// disabled is no error. Either end may do so for either, whoever disabled. Once the
            /// peer is closed, nothing is to be written any more, whatever is set here.
            ///
            /// Does not block. Like `zx_socket_set_disposition`.
            ///
            /// # Errors
            /// [`Error::UnreadData`](crate::Error::UnreadData) if writing should be enabled before
            /// what was written was read; nothing was changed then.
            /// [`Error::Forked`](crate::Error::Forked).
            ///
            /// # Examples
            /// ```
            /// use zocket::{Disposition, Error, Stream};
            ///
            /// let (mut a, mut b) = Stream::pair()?;
            /// a.try_write(b"last")?;
            /// a.set_disposition(Disposition::WriteDisabled, Disposition::Unchanged)?;
            /// let enable = || a.set_disposition(Disposition::WriteEnabled, Disposition::Unchanged);
            /// assert_eq!(enable(), Err(Error::UnreadData));
            /// assert_eq!(b.try_read(&mut [0; 8])?, 4);
            /// enable()?;
            /// assert_eq!(a.try_write(b"more")?, 4);
            /// # Ok::<(), zocket::Error>(())
            /// ```
            pub fn set_disposition(&self, own: Disposition, peer: Disposition) -> Result<()> {
                self.link().set_disposition(own, peer)
            }

            /// The signals of this end at this moment; any of them may change at any moment, but
            /// for [`PEER_CLOSED`](Signals::PEER_CLOSED), which stays.
            ///
            /// Makes no system call. A peer that was killed shows as soon as this process knows;
            /// see the [crate's documentation](crate).
            ///
            /// # Errors
            /// None; an endpoint of a forked parent has no signals.
            pub fn signals(&self) -> Signals {
                Subject::signals(&**self.link()).unwrap_or_default()
            }

            /// Waits until any of `signals` is on, or was on for a moment, and returns all signals
            /// of that moment. `None` waits without end; with a deadline in the past this is a look that
            /// may ask the kernel whether the peer lives.
            ///
            /// A signal that the peer sets and clears at once is not missed, nor is a
            /// threshold's sleeper woken before the threshold is reached. What the other half of a
            /// split endpoint reads or writes at the same moment may turn a signal off unseen.
            /// Waiting for no signals waits for the deadline.
            ///
            /// Like `zx_object_wait_one`.
            ///
            /// # Errors
            /// [`Error::TimedOut`](crate::Error::TimedOut);
            /// [`Error::FenceRefused`](crate::Error::FenceRefused);
            /// [`Error::Os`](crate::Error::Os) if the watch over the peer's life cannot be set
            /// up; [`Error::Forked`](crate::Error::Forked).
            ///
            /// # Examples
            /// ```
            /// use zocket::{Signals, Stream};
            ///
            /// let (a, b) = Stream::pair()?;
            /// let waiter = std::thread::spawn(move || b.wait(Signals::USER_0, None));
            /// a.signal_peer(Signals::empty(), Signals::USER_0)?;
            /// let signals = waiter.join().unwrap()?;
            /// assert!(signals.contains(Signals::USER_0));
            /// # Ok::<(), zocket::Error>(())
            /// ```
            pub fn wait(&self, signals: Signals, deadline: Option<Instant>) -> Result<Signals> {
                wait::wait_one(self.link(), signals, deadline)
            }

            /// Clears and then sets user signals of this end. Both ends know what they mean.
            ///
            /// What was written before is there for whoever sees a signal that is set afterwards.
            /// Does not block. Like `zx_object_signal`.
            ///
            /// # Errors
            /// [`Error::NotUserSignals`](crate::Error::NotUserSignals) if there are others among
            /// them; [`Error::Forked`](crate::Error::Forked).
            pub fn signal(&self, clear: Signals, set: Signals) -> Result<()> {
                wait::check_user_signals(clear | set)?;
                self.link().signal(clear, set)
            }

            /// Clears and then sets user signals of the other end; as [`signal`](Self::signal).
            /// Like `zx_object_signal_peer`.
            ///
            /// # Errors
            /// As [`signal`](Self::signal), and then
            /// [`Error::PeerClosed`](crate::Error::PeerClosed).
            pub fn signal_peer(&self, clear: Signals, set: Signals) -> Result<()> {
                wait::check_user_signals(clear | set)?;
                self.link().signal_peer(clear, set)
            }

            /// Sets how many bytes must be queued, in all, for
            /// [`READ_THRESHOLD`](Signals::READ_THRESHOLD) to be on. 0, as at first, is never.
            /// Datagrams count with their payload, all together. Travels with the endpoint. Does
            /// not block. Like the property `ZX_PROP_SOCKET_RX_THRESHOLD`.
            ///
            /// # Errors
            /// [`Error::TooLarge`](crate::Error::TooLarge) beyond the capacity;
            /// [`Error::Forked`](crate::Error::Forked).
            ///
            /// # Examples
            /// ```
            /// use zocket::{Signals, Stream};
            ///
            /// let (mut a, b) = Stream::pair()?;
            /// b.set_read_threshold(4)?;
            /// a.try_write(b"123")?;
            /// assert!(!b.signals().contains(Signals::READ_THRESHOLD));
            /// a.try_write(b"4")?;
            /// assert!(b.signals().contains(Signals::READ_THRESHOLD));
            /// # Ok::<(), zocket::Error>(())
            /// ```
            pub fn set_read_threshold(&self, bytes: usize) -> Result<()> {
                self.link().set_threshold(Role::Consumer, bytes as u64)
            }

            /// Sets how many bytes must be free, in all, for
            /// [`WRITE_THRESHOLD`](Signals::WRITE_THRESHOLD) to be on. 0, as at first, is never.
            /// The way to wait until a datagram fits. Travels with the endpoint. Does not block.
            /// Like the property `ZX_PROP_SOCKET_TX_THRESHOLD`.
            ///
            /// # Errors
            /// [`Error::TooLarge`](crate::Error::TooLarge) beyond the capacity; then
            /// [`Error::PeerClosed`](crate::Error::PeerClosed), even for 0;
            /// [`Error::Forked`](crate::Error::Forked).
            ///
            /// # Examples
            /// ```
            /// use zocket::{Datagram, Error, Signals};
            ///
            /// let (mut a, mut b) = Datagram::pair()?;
            /// let message = vec![0; 200_000];
            /// a.try_send(&message)?;
            /// // WRITABLE says that something fits, not that this does.
            /// assert!(a.signals().contains(Signals::WRITABLE));
            /// assert_eq!(a.try_send(&message), Err(Error::WouldBlock));
            /// a.set_write_threshold(message.len())?;
            /// b.try_recv(&mut [0; 1])?;
            /// a.wait(Signals::WRITE_THRESHOLD, None)?;
            /// a.try_send(&message)?;
            /// # Ok::<(), zocket::Error>(())
            /// ```
            pub fn set_write_threshold(&self, bytes: usize) -> Result<()> {
                self.link().set_threshold(Role::Producer, bytes as u64)
            }

            /// The read threshold, in bytes.
            pub fn read_threshold(&self) -> usize {
                self.link().threshold(Role::Consumer) as usize
            }

            /// The write threshold, in bytes.
            pub fn write_threshold(&self) -> usize {
                self.link().threshold(Role::Producer) as usize
            }

            /// Sets whether calls that would block fail with
            /// [`Error::WouldBlock`](crate::Error::WouldBlock) instead. Concerns both
            /// halves. Off at first.
            ///
            /// # Errors
            /// None; a result as std's sockets have it.
            pub fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
                self.link().settings.set_nonblocking(nonblocking);
                Ok(())
            }

            /// Sets how long a read waits that has no deadline of its own; `None`, as at
            /// first, is without end. A read that waited as long fails with
            /// [`Error::TimedOut`](crate::Error::TimedOut).
            ///
            /// # Errors
            /// [`Error::ZeroTimeout`](crate::Error::ZeroTimeout).
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> Result<()> {
                self.link().settings.set_timeout(Role::Consumer, timeout)
            }

            /// Sets how long a write waits; as [`set_read_timeout`](Self::set_read_timeout).
            ///
            /// # Errors
            /// [`Error::ZeroTimeout`](crate::Error::ZeroTimeout).
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<()> {
                self.link().settings.set_timeout(Role::Producer, timeout)
            }

            /// How long a read waits that has no deadline of its own.
            pub fn read_timeout(&self) -> Option<Duration> {
                self.link().settings.timeout(Role::Consumer)
            }

            /// How long a write waits that has no deadline of its own.
            pub fn write_timeout(&self) -> Option<Duration> {
                self.link().settings.timeout(Role::Producer)
            }

            /// Sets whether a call that has to wait looks a while (at most some tens of
            /// microseconds, and only as long as that proves worth while) before it
            /// sleeps. On at first, unless there is only one CPU. Concerns both halves.
            pub fn set_busy_wait(&self, on: bool) {
                self.link().settings.set_busy_wait(on);
            }
        }
    };
}

/// Everything about an endpoint that does not move data.
macro_rules! endpoint_calls {
    ($endpoint:ident) => {
        impl $endpoint {
            pub(super) fn from_link(link: Arc<Link>) -> Result<Self> {
                Ok(Self {
                    receiving: Half::new(Arc::clone(&link))?,
                    sending: Half::new(link)?,
                })
            }

            pub(crate) fn link(&self) -> &Arc<Link> {
                self.receiving.link()
            }
        }

        setting_calls!($endpoint);

        /// Waiting and polling.
        impl $endpoint {
            /// Waits until at least `least` bytes are queued or no more will be, even on a
            /// non-blocking endpoint. `None` waits without end.
            ///
            /// The peer does not wake this thread before that many bytes are there. Unlike
            /// most waits this does not end with part of what was asked for: see that the
            /// peer writes as much, or ends. One that waits meanwhile for space for a datagram, with which there
            /// would be more than the capacity, does neither.
            ///
            /// # Errors
            /// [`Error::TooLarge`](crate::Error::TooLarge) if `least` exceeds the capacity;
            /// [`Error::TimedOut`](crate::Error::TimedOut);
            /// [`Error::Protocol`](crate::Error::Protocol);
            /// [`Error::FenceRefused`](crate::Error::FenceRefused);
            /// [`Error::Os`](crate::Error::Os) if the watch over the peer's life cannot be set
            /// up; [`Error::Forked`](crate::Error::Forked).
            pub fn wait_readable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
                self.receiving.wait(Want::All(least), deadline.into())
            }

            /// Waits until at least `least` bytes are free or writing is over, even on a
            /// non-blocking endpoint; as [`wait_readable`](Self::wait_readable).
            ///
            /// # Errors
            /// As [`wait_readable`](Self::wait_readable).
            pub fn wait_writable(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
                self.sending.wait(Want::All(least), deadline.into())
            }

            /// Prepares the descriptor for polling: unless at least `least` bytes are queued
            /// or no more will be, the peer will make it readable when that is so.
            ///
            /// The recipe for any event loop: arm; if [`Armed`](Readiness::Armed), poll the
            /// descriptor ([`AsFd`]) for readability; [`acknowledge`](Self::acknowledge);
            /// try again, **both directions** if both were armed, since one descriptor serves
            /// both and does not say which. It may become readable for nothing. One thread
            /// polls an endpoint, not two.
            ///
            /// # Errors
            /// As [`wait_readable`](Self::wait_readable), but for
            /// [`Error::TimedOut`](crate::Error::TimedOut).
            pub fn arm_read(&mut self, least: usize) -> Result<Readiness> {
                self.receiving
                    .arm(Want::All(least))
                    .map(Readiness::from_armed)
            }

            /// Prepares the descriptor for polling: unless at least `least` bytes are free or
            /// writing is over, the peer will make it **readable** when that is so; as
            /// [`arm_read`](Self::arm_read).
            ///
            /// # Errors
            /// As [`arm_read`](Self::arm_read).
            pub fn arm_write(&mut self, least: usize) -> Result<Readiness> {
                self.sending
                    .arm(Want::All(least))
                    .map(Readiness::from_armed)
            }

            /// Takes the rings of the doorbell, so that polling waits for new ones. To be
            /// called when the descriptor has become readable; see
            /// [`arm_read`](Self::arm_read).
            pub fn acknowledge(&self) {
                self.link().take_rings();
            }
        }

        impl AsLink for $endpoint {
            fn as_link(&self) -> &Arc<Link> {
                self.link()
            }
        }

        impl fmt::Debug for $endpoint {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($endpoint))
                    .field(&self.info())
                    .finish()
            }
        }

        /// The descriptor to poll: readable after [`arm_read`](Self::arm_read) or
        /// [`arm_write`](Self::arm_write) when there is something to do, and hung up when
        /// the peer is gone. It carries no data; nothing may be read from or written to it.
        impl AsFd for $endpoint {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.link().doorbell().as_fd()
            }
        }
    };
}

/// Everything about a half that does not move data. `$wait` is the name of its call,
/// `$Endpoint` is what it is a half of, `$Want` says how much of what is wanted a call waits for.
///
/// Halves are not polled: there is one doorbell for both directions, and of two
/// pollers one would take the ring that was for the other.
macro_rules! half_calls {
    ($Owned:ident, $Half:ident, $Endpoint:ident, $wait:ident, $Want:ident) => {
        impl $Owned {
            #[inline(always)]
            fn half(&mut self) -> &mut $Half {
                self.half.as_mut().expect("taken by reunite alone")
            }

            fn link(&self) -> &Arc<Link> {
                let half = self.half.as_ref().expect("taken by reunite alone");
                half.link()
            }

            #[doc = concat!("As [`", stringify!($Endpoint), "::", stringify!($wait), "`].")]
            ///
            /// # Errors
            /// The same.
            pub fn $wait(&mut self, least: usize, deadline: Option<Instant>) -> Result<()> {
                self.half().wait(Want::All(least), deadline.into())
            }
        }

        /// For tasks, which know how two of them poll one endpoint.
        #[cfg(feature = "_async")]
        impl $Owned {
            /// Arms the doorbell for what a call with so many bytes waits for. Says whether it did. Who polls
            /// the doorbell sees the hang-up of a peer that was killed.
            pub(crate) fn arm(&mut self, want: usize) -> Result<bool> {
                self.half().arm_unlooked(Want::$Want(want))
            }

            /// How long a task that begins to wait may look.
            pub(crate) fn begin_wait(&mut self) -> Limit {
                self.half().begin_wait()
            }

            /// Whether one that begins when the peer is known to be awake looks.
            pub(crate) fn would_look(&self) -> bool {
                let half = self.half.as_ref();
                half.is_some_and(|half| half.would_look())
            }

            /// The wait of a task has ended after so long, in a sleep or while it looked.
            pub(crate) fn end_wait(&mut self, took: Duration, slept: bool) {
                self.half().end_wait(took, slept);
            }

            /// Whether a call that wants a byte would not block.
            pub(crate) fn check(&mut self) -> Result<()> {
                self.half().check()
            }
        }

        setting_calls!($Owned);

        impl AsLink for $Owned {
            fn as_link(&self) -> &Arc<Link> {
                self.link()
            }
        }

        impl Drop for $Owned {
            fn drop(&mut self) {
                if let Some(half) = &self.half {
                    half.shut_down();
                }
            }
        }
    };
}

/// How the two halves come from an endpoint and become one again.
macro_rules! split_calls {
    ($Endpoint:ident, $Read:ident, $Write:ident) => {
        impl $Endpoint {
            /// Splits the endpoint into halves that may go to different threads.
            pub fn into_split(self) -> ($Read, $Write) {
                (
                    $Read {
                        half: Some(self.receiving),
                    },
                    $Write {
                        half: Some(self.sending),
                    },
                )
            }
        }

        impl $Read {
            /// Puts the endpoint together again.
            ///
            /// # Errors
            /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
            pub fn reunite(
                mut self,
                mut write: $Write,
            ) -> Result<$Endpoint, ReuniteError<Self, $Write>> {
                if !Arc::ptr_eq(self.link(), write.link()) {
                    return Err(ReuniteError(self, write));
                }
                Ok($Endpoint {
                    receiving: self.half.take().expect("taken here alone"),
                    sending: write.half.take().expect("taken here alone"),
                })
            }
        }

        impl $Write {
            /// Puts the endpoint together again.
            ///
            /// # Errors
            /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
            pub fn reunite(self, read: $Read) -> Result<$Endpoint, ReuniteError<$Read, Self>> {
                read.reunite(self)
            }
        }
    };
}

pub(super) use {endpoint_calls, half_calls, setting_calls, split_calls};
