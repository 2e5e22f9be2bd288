//! Building the library, compiling against it, running what comes out.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `target/tmp`.
fn target_tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

pub(crate) fn scratch_dir() -> TempDir {
    tempfile::tempdir_in(target_tmp()).unwrap()
}

/// A command that the test cannot go on without.
#[derive(Debug)]
pub(crate) struct Run(Command);

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(Command::new(program))
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Has the program think that it is called so.
    pub(crate) fn arg0(mut self, name: impl AsRef<OsStr>) -> Self {
        self.0.arg0(name);
        self
    }

    /// Runs it and gives its standard output; panics with all its output if it fails, or
    /// does not end.
    pub(crate) fn succeed(self) -> String {
        self.run(Stdio::null(), |_| ())
    }

    /// The same, while a thread feeds its standard input.
    pub(crate) fn succeed_fed(self, feed: impl FnOnce(ChildStdin) + Send + 'static) -> String {
        self.run(Stdio::piped(), |child| {
            let stdin = child.stdin.take().unwrap();
            thread::spawn(|| feed(stdin));
        })
    }

    fn run(mut self, stdin: Stdio, started: impl FnOnce(&mut Child)) -> String {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        self.0
            .stdin(stdin)
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap());
        let mut child = match self.0.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot run {:?}: {error}", self.0.get_program()),
        };
        started(&mut child);
        let result = match wait(&mut child) {
            Some(status) if status.success() => return contents(stdout),
            Some(status) => status.to_string(),
            None => String::from("does not end"),
        };
        let (stdout, stderr) = (contents(stdout), contents(stderr));
        panic!("{result}: {:?}\n{stdout}\n{stderr}", self.0);
    }
}

/// Longer than a build on a slow machine takes: it ends what hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits for the end; `None` if it had to be brought about.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// All that was written to a file, by whoever.
fn contents(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cpp,
}

impl Language {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Cpp => "cpp",
        }
    }
}

/// The system's compiler of a language.
#[derive(Debug)]
pub(crate) struct Compiler(OsString);

impl Compiler {
    /// Finds it; `None`, after a notice, if there is no C++ compiler.
    pub(crate) fn find(language: Language) -> Option<Self> {
        let (variable, default) = match language {
            Language::C => ("CC", "cc"),
            Language::Cpp => ("CXX", "c++"),
        };
        let name = env::var_os(variable).unwrap_or_else(|| default.into());
        match Command::new(&name).arg("--version").output() {
            Ok(_) => Some(Self(name)),
            Err(error) if language == Language::Cpp && error.kind() == io::ErrorKind::NotFound => {
                eprintln!("NOT TESTED: there is no C++ compiler {name:?} here");
                None
            }
            Err(error) => panic!(
                "cannot run the C compiler {name:?} ({error}): install one, or name it in {variable}"
            ),
        }
    }

    /// Compiles with every warning an error.
    pub(crate) fn command(&self, standard: &str) -> Run {
        Run::new(&self.0)
            .args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .args(["-g", "-O1", "-pthread"])
    }
}

/// How the library is built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Variant {
    Plain,
    CheckedPointers,
}

/// How a program gets the library.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Linking {
    Shared,
    Static,
}

/// A built library: where its files are.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) shared: PathBuf,
    pub(crate) archive: PathBuf,
    /// Has the shared one under the names that linker and loader look for.
    dir: PathBuf,
}

impl Library {
    /// Builds the library, once. Cargo does not do that for us: an integration test
    /// depends on its package's Rust library only, and there is none.
    pub(crate) fn get(variant: Variant) -> &'static Self {
        static PLAIN: OnceLock<Library> = OnceLock::new();
        static CHECKED: OnceLock<Library> = OnceLock::new();
        match variant {
            Variant::Plain => PLAIN.get_or_init(|| Self::build("capi-plain", &[])),
            Variant::CheckedPointers => CHECKED.get_or_init(|| {
                // A directory of its own: the file names do not depend on the features.
                let target = target_tmp().join("capi-checked-target");
                Self::build(
                    "capi-checked",
                    &[
                        "--features".as_ref(),
                        "checked-pointers".as_ref(),
                        "--target-dir".as_ref(),
                        target.as_ref(),
                    ],
                )
            }),
        }
    }

    fn build(name: &str, options: &[&OsStr]) -> Self {
        // Other test processes may be at it too.
        let lock = File::create(target_tmp().join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();

        let artefacts = cargo_build(options);
        let dir = target_tmp().join(name);
        fs::create_dir_all(&dir).unwrap();
        let shared = find(&artefacts, ".so");
        for name in ["libzocket.so", "libzocket.so.0"] {
            link(&shared, &dir.join(name));
        }
        let archive = find(&artefacts, ".a");
        Self {
            shared,
            archive,
            dir,
        }
    }

    /// Compiles one source file of this package or its examples into a program.
    pub(crate) fn compile(
        &self,
        compiler: &Compiler,
        standard: &str,
        source: &Path,
        linking: Linking,
        program: &Path,
    ) {
        let command = compiler
            .command(standard)
            .arg("-I")
            .arg(manifest_dir().join("include"))
            .arg("-o")
            .arg(program)
            .arg(source);
        match linking {
            Linking::Shared => {
                let mut rpath = OsString::from("-Wl,-rpath,");
                rpath.push(&self.dir);
                command.arg("-L").arg(&self.dir).arg("-lzocket").arg(rpath)
            }
            Linking::Static => command.arg(&self.archive).args(["-ldl", "-lm"]),
        }
        .succeed();
    }
}

/// Makes a symbolic link, or leaves one that is right: programs may be using it.
fn link(to: &Path, at: &Path) {
    if fs::read_link(at).ok().as_deref() == Some(to) {
        return;
    }
    let _ = fs::remove_file(at);
    symlink(to, at).unwrap();
}

fn find(artefacts: &[PathBuf], end: &str) -> PathBuf {
    let found = artefacts
        .iter()
        .find(|path| path.to_string_lossy().ends_with(end));
    found
        .unwrap_or_else(|| panic!("cargo made no {end}: {artefacts:?}"))
        .clone()
}

/// Has cargo build this package like these tests were built, and tells which files it made.
fn cargo_build(options: &[&OsStr]) -> Vec<PathBuf> {
    let messages = Run::new(env!("CARGO"))
        // What compiled these tests has fetched and locked all that is needed.
        .args(["build", "--frozen", "--lib", "--message-format", "json"])
        .args(["--profile", &profile(), "--manifest-path"])
        .arg(manifest_dir().join("Cargo.toml"))
        .args(options)
        .succeed();
    let messages = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let of_ours = message["manifest_path"] == *manifest_dir().join("Cargo.toml").to_str()?;
        of_ours.then(|| message["filenames"].clone())
    });
    messages
        .filter_map(|files| serde_json::from_value::<Vec<PathBuf>>(files).ok())
        .flatten()
        .collect()
}

/// The profile of these tests, from where they lie: `target/[TRIPLE/]PROFILE/deps/NAME`.
fn profile() -> String {
    let program = env::current_exe().unwrap();
    let dir = program.ancestors().nth(2).and_then(Path::file_name);
    match dir.and_then(OsStr::to_str) {
        Some("debug") | None => "dev".into(),
        Some(name) => name.into(),
    }
}
