//! What does a handle cost? Eight bytes written and read by one thread: through
//! [`Stream`], through the handle calls in Rust, and through the C interface of the
//! shared library; and what else a program calls often.
//!
//! `cargo bench -p zocket-capi --bench calls` first compares all of them in rounds that take turns, as
//! a noisy machine wants it, and prints medians, quartiles and the ratios to `Stream`; then criterion
//! measures each by itself.

#![allow(unsafe_code, reason = "calls functions that it finds by name")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[allow(dead_code, reason = "it is for tests, and builds the library for us")]
#[path = "../tests/c_interface/support.rs"]
mod support;

use std::env;
use std::ffi::{CString, c_void};
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use engine::Stream;
use engine::zx::{
    ZX_OK, ZX_RIGHT_SAME_RIGHTS, ZX_SOCKET_STREAM, ZX_SOCKET_WRITABLE, zx_handle_t, zx_rights_t,
    zx_signals_t, zx_socket_create, zx_socket_read, zx_socket_write, zx_status_t, zx_time_t,
};
use support::{Library, Variant};

const MESSAGE: [u8; 8] = *b"message!";

/// The shared library's functions, as its header declares them.
struct Shared {
    create: unsafe extern "C" fn(u32, *mut zx_handle_t, *mut zx_handle_t) -> zx_status_t,
    write: unsafe extern "C" fn(zx_handle_t, u32, *const c_void, usize, *mut usize) -> zx_status_t,
    read: unsafe extern "C" fn(zx_handle_t, u32, *mut c_void, usize, *mut usize) -> zx_status_t,
    wait_one: unsafe extern "C" fn(
        zx_handle_t,
        zx_signals_t,
        zx_time_t,
        *mut zx_signals_t,
    ) -> zx_status_t,
    duplicate: unsafe extern "C" fn(zx_handle_t, zx_rights_t, *mut zx_handle_t) -> zx_status_t,
    close: unsafe extern "C" fn(zx_handle_t) -> zx_status_t,
}

/// Finds a function; never forgets the library.
///
/// # Safety
/// `F` must be the type of a pointer to it.
unsafe fn find<F: Copy>(library: *mut c_void, name: &str) -> F {
    let name = CString::new(name).expect("no zero in it");
    // SAFETY: `library` is open, the name a C string.
    let function = unsafe { libc::dlsym(library, name.as_ptr()) };
    assert!(!function.is_null(), "{name:?} is missing");
    assert_eq!(size_of::<F>(), size_of_val(&function));
    // SAFETY: by this function's contract, and the sizes are the same.
    unsafe { std::mem::transmute_copy(&function) }
}

impl Shared {
    fn open(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).expect("no zero in it");
        // SAFETY: our own library, whose constructors do nothing; the path is a C string.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!library.is_null(), "{path:?} cannot be loaded");
        // SAFETY: the types are those of the functions in `capi/src`.
        unsafe {
            Self {
                create: find(library, "zx_socket_create"),
                write: find(library, "zx_socket_write"),
                read: find(library, "zx_socket_read"),
                wait_one: find(library, "zx_object_wait_one"),
                duplicate: find(library, "zx_handle_duplicate"),
                close: find(library, "zx_handle_close"),
            }
        }
    }

    fn create(&self) -> [zx_handle_t; 2] {
        let mut ends = [0; 2];
        let [a, b] = &mut ends;
        // SAFETY: pointers to handles.
        assert_eq!(unsafe { (self.create)(ZX_SOCKET_STREAM, a, b) }, ZX_OK);
        ends
    }
}

/// All contestants.
struct Calls {
    stream: (Stream, Stream),
    handles: (zx_handle_t, zx_handle_t),
    shared: Shared,
    shared_handles: [zx_handle_t; 2],
}

/// Does something so many times.
type Batch = fn(&mut Calls, u64);

const BATCHES: [(&str, Batch); 5] = [
    ("stream/write_read/8", Calls::stream),
    ("zx/write_read/8", Calls::zx),
    ("c/write_read/8", Calls::c),
    ("c/wait_one/signalled", Calls::wait_one),
    ("c/duplicate_close", Calls::duplicate_close),
];

/// Each loop is compiled once: `Stream` called from one place only is compiled into it, with the
/// size of the message, which makes it a third faster, and the comparison as hard as can be.
/// Results are not compared with `assert_eq`, which would put them in memory.
impl Calls {
    fn new() -> Self {
        let shared = Shared::open(&Library::get(Variant::Plain).shared);
        Self {
            stream: Stream::pair().expect("a pair"),
            handles: zx_socket_create(ZX_SOCKET_STREAM).expect("a pair"),
            shared_handles: shared.create(),
            shared,
        }
    }

    #[inline(never)]
    fn stream(&mut self, times: u64) {
        let (a, b) = &mut self.stream;
        let mut buf = [0; 8];
        for _ in 0..times {
            assert!(matches!(a.try_write(black_box(&MESSAGE)), Ok(8)));
            assert!(matches!(b.try_read(black_box(&mut buf)), Ok(8)));
        }
    }

    #[inline(never)]
    fn zx(&mut self, times: u64) {
        let mut buf = [0; 8];
        for _ in 0..times {
            let (a, b) = black_box(self.handles);
            let written = zx_socket_write(a, 0, black_box(&MESSAGE[..]));
            assert!(matches!(written, Ok(8)));
            let read = zx_socket_read(b, 0, black_box(&mut buf[..]));
            assert!(matches!(read, Ok(8)));
        }
    }

    #[inline(never)]
    fn c(&mut self, times: u64) {
        let (mut buf, mut actual) = ([0_u8; 8], 0);
        for _ in 0..times {
            let [a, b] = black_box(self.shared_handles);
            let message = black_box(&MESSAGE).as_ptr().cast();
            // SAFETY: 8 bytes that can be read, and a number.
            let status = unsafe { (self.shared.write)(a, 0, message, 8, &mut actual) };
            assert!(status == ZX_OK && actual == 8);
            let buf = black_box(&mut buf).as_mut_ptr().cast();
            // SAFETY: 8 bytes that can be written, and a number.
            let status = unsafe { (self.shared.read)(b, 0, buf, 8, &mut actual) };
            assert!(status == ZX_OK && actual == 8);
        }
    }

    #[inline(never)]
    fn wait_one(&mut self, times: u64) {
        let (signal, mut observed) = (ZX_SOCKET_WRITABLE, 0);
        for _ in 0..times {
            let [a, _] = black_box(self.shared_handles);
            // SAFETY: a pointer to signals.
            let status = unsafe { (self.shared.wait_one)(a, signal, 0, &mut observed) };
            assert!(status == ZX_OK && observed == signal);
        }
    }

    #[inline(never)]
    fn duplicate_close(&mut self, times: u64) {
        for _ in 0..times {
            let [a, _] = black_box(self.shared_handles);
            let mut copy = 0;
            // SAFETY: a pointer to a handle.
            let status = unsafe { (self.shared.duplicate)(a, ZX_RIGHT_SAME_RIGHTS, &mut copy) };
            assert!(status == ZX_OK);
            // SAFETY: takes no pointer.
            assert!(unsafe { (self.shared.close)(copy) } == ZX_OK);
        }
    }

    fn time(&mut self, batch: Batch, times: u64) -> Duration {
        let start = Instant::now();
        batch(self, times);
        start.elapsed()
    }
}

/// All of them in turn, again and again.
fn compare(calls: &mut Calls) {
    const ROUNDS: usize = 1001;
    const TIMES: u64 = 10_000;
    let mut rounds = [const { Vec::new() }; BATCHES.len()];
    for _ in 0..ROUNDS {
        for ((_, batch), rounds) in BATCHES.iter().zip(&mut rounds) {
            rounds.push(calls.time(*batch, TIMES).as_nanos() as f64 / TIMES as f64);
        }
    }
    for rounds in &mut rounds {
        rounds.sort_by(f64::total_cmp);
    }
    let stream = rounds[0][ROUNDS / 2];
    for ((name, _), rounds) in BATCHES.iter().zip(&rounds) {
        let [low, median, high] = [1, 2, 3].map(|quarter| rounds[quarter * ROUNDS / 4]);
        let ratio = median / stream;
        println!("{name:22} {median:7.2} ns ({low:.2} to {high:.2}), {ratio:.2} times stream");
    }
}

fn each(c: &mut Criterion) {
    let mut calls = Calls::new();
    // With `--test` the clock is of no interest.
    if !env::args().any(|arg| arg == "--test") {
        compare(&mut calls);
    }
    for (name, batch) in BATCHES {
        c.bench_function(name, |b| b.iter_custom(|times| calls.time(batch, times)));
    }
}

criterion_group!(benches, each);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
