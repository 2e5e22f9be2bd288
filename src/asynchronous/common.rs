//! What streams and datagram endpoints, and their halves, have in common, written once.

/// What can be asked and said of any of them.
macro_rules! common_calls {
    ($type:ident, $link:ident => $($get:tt)+) => {
        /// Asking and setting. Of a half, these concern the whole endpoint.
        impl<R: Runtime> $type<R> {
            /// The state of the endpoint.
            pub fn info(&self) -> Info {
                self.$($get)+.info()
            }

            /// The signals of this end at this moment.
            pub fn signals(&self) -> Signals {
                self.$($get)+.signals()
            }

            #[doc = concat!("As [`zocket::", stringify!($link), "::set_disposition`](crate::", stringify!($link), "::set_disposition).")]
            ///
            /// # Errors
            /// The same.
            pub fn set_disposition(&self, own: Disposition, peer: Disposition) -> Result<()> {
                self.$($get)+.set_disposition(own, peer)
            }

            /// Sets whether a task that has to wait looks again for a while (at most 50 us as a rule, and only as
            /// long as that proves worth while), with other tasks having their turns in between, before it
            /// waits for the doorbell. On at first, unless there is only one CPU. Concerns both halves.
            pub fn set_busy_wait(&self, on: bool) {
                self.$($get)+.set_busy_wait(on);
            }

            #[doc = concat!("As [`zocket::", stringify!($link), "::signal_peer`](crate::", stringify!($link), "::signal_peer).")]
            ///
            /// # Errors
            /// The same.
            pub fn signal_peer(&self, clear: Signals, set: Signals) -> Result<()> {
                self.$($get)+.signal_peer(clear, set)
            }
        }
    };
}

/// Everything about an endpoint that does not move data.
macro_rules! endpoint_calls {
    ($Endpoint:ident, $read:ident: $Read:ident, $write:ident: $Write:ident) => {
        common_calls!($Endpoint, $Endpoint => $read.half);

        impl<R: Runtime> $Endpoint<R> {
            /// Makes an endpoint one for this runtime. Whether it was non-blocking does not matter, here or
            /// when it is made a blocking one again. If it is registered with a [`Port`](crate::Port),
            /// that ends: one doorbell wakes either a port or tasks.
            ///
            /// # Errors
            /// What the runtime reports if it cannot watch one more descriptor.
            ///
            /// # Panics
            /// Where the runtime wants to be there for it, as tokio does, and is not.
            pub fn from_blocking(endpoint: crate::$Endpoint) -> io::Result<Self> {
                endpoint.link().end_registrations();
                let bell = Arc::new(Bell::new(Arc::clone(endpoint.link()))?);
                let ($read, $write) = endpoint.into_split();
                Ok(Self {
                    $read: $Read { half: $read, bell: Arc::clone(&bell), wait: None },
                    $write: $Write { half: $write, bell, wait: None },
                })
            }

            /// Makes it one without a runtime, for threads, or to be packed for another process
            /// (`OwnedFd::from`).
            pub fn into_blocking(self) -> crate::$Endpoint {
                let halves = self.$read.half.reunite(self.$write.half);
                halves.expect("they are of one endpoint")
            }

            /// Splits the endpoint into halves that may go to different tasks.
            pub fn into_split(self) -> ($Read<R>, $Write<R>) {
                (self.$read, self.$write)
            }

            /// Waits until there is something to read or no more will be; a try may still find nothing.
            ///
            /// # Errors
            /// [`Error::Protocol`], [`Error::FenceRefused`], or what the runtime reports.
            ///
            /// # Cancel safety
            /// May be dropped at any `await`.
            pub async fn readable(&mut self) -> io::Result<()> {
                self.$read.readable().await
            }

            /// Waits until there is space or writing is over; a try may still find too little.
            ///
            /// # Errors
            /// As [`readable`](Self::readable).
            ///
            /// # Cancel safety
            /// May be dropped at any `await`.
            pub async fn writable(&mut self) -> io::Result<()> {
                self.$write.writable().await
            }

            /// Waits until one of the two is so: [`READABLE`](Signals::READABLE) or
            /// [`WRITABLE`](Signals::WRITABLE), of those that are in `interest`, or there will be no more of
            /// it. Returns the [signals](Self::signals) of that moment. With neither in `interest` it
            /// returns at once.
            ///
            /// # Errors
            /// As [`readable`](Self::readable).
            ///
            /// # Cancel safety
            /// May be dropped at any `await`.
            pub async fn ready(&mut self, interest: Signals) -> io::Result<Signals> {
                poll_fn(|cx| {
                    let mut is_ready = !interest.intersects(Signals::READABLE | Signals::WRITABLE);
                    if interest.contains(Signals::READABLE) {
                        is_ready |= self.$read.poll_readable(cx)?.is_ready();
                    }
                    if interest.contains(Signals::WRITABLE) {
                        is_ready |= self.$write.poll_writable(cx)?.is_ready();
                    }
                    match is_ready {
                        true => Poll::Ready(Ok(self.signals())),
                        false => Poll::Pending,
                    }
                })
                .await
            }
        }

        impl<R: Runtime> $Read<R> {
            /// Puts the endpoint together again.
            ///
            /// # Errors
            /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
            pub fn reunite(
                self,
                $write: $Write<R>,
            ) -> Result<$Endpoint<R>, ReuniteError<Self, $Write<R>>> {
                match Arc::ptr_eq(&self.bell, &$write.bell) {
                    true => Ok($Endpoint { $read: self, $write }),
                    false => Err(ReuniteError(self, $write)),
                }
            }
        }

        impl<R: Runtime> $Write<R> {
            /// Puts the endpoint together again.
            ///
            /// # Errors
            /// [`ReuniteError`], with both halves, if they are not of the same endpoint.
            pub fn reunite(
                self,
                $read: $Read<R>,
            ) -> Result<$Endpoint<R>, ReuniteError<$Read<R>, Self>> {
                $read.reunite(self)
            }
        }

        impl<R: Runtime> fmt::Debug for $Endpoint<R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($Endpoint))
                    .field(&self.info())
                    .finish()
            }
        }
    };
}

/// Everything about a half that does not move data. `$ready` and `$poll` are the names of its wait.
macro_rules! half_calls {
    ($Half:ident, $role:expr, $Endpoint:ident, $ready:ident, $poll:ident) => {
        common_calls!($Half, $Half => half);

        impl Waiting for crate::$Half {
            const ROLE: Role = $role;

            fn arm(&mut self, want: usize) -> Result<bool> {
                self.arm(want)
            }

            fn begin_wait(&mut self) -> Limit {
                self.begin_wait()
            }

            fn would_look(&self) -> bool {
                self.would_look()
            }

            fn end_wait(&mut self, took: Duration, slept: bool) {
                self.end_wait(took, slept);
            }
        }

        impl<R: Runtime> $Half<R> {
            #[doc = concat!("As [`", stringify!($Endpoint), "::", stringify!($ready), "`].")]
            ///
            /// # Errors
            /// The same.
            ///
            /// # Cancel safety
            /// May be dropped at any `await`.
            pub async fn $ready(&mut self) -> io::Result<()> {
                poll_fn(|cx| self.$poll(cx)).await
            }

            #[doc = concat!("Polls for what [`", stringify!($ready), "`](Self::", stringify!($ready), ") waits for.")]
            ///
            /// # Errors
            /// The same.
            pub fn $poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.bell.poll(cx, &mut self.half, &mut self.wait, 1, Ok(()), |half| match half.check() {
                    Err(Error::WouldBlock) => Err(Error::WouldBlock),
                    // A try tells.
                    _ => Ok(()),
                })
            }
        }
    };
}

pub(super) use {common_calls, endpoint_calls, half_calls};
