//! Where the data comes from.

use std::fs::File;
use std::io::{self, IsTerminal, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::progress;

/// What is generated when nothing else is asked for.
const GENERATED: u64 = 1 << 30;
/// Every so many bytes of generated data, their position is written into them.
const STAMP_DISTANCE: usize = 512;

/// Data that can be read several times.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    kind: Kind,
    len: u64,
}

#[derive(Debug)]
enum Kind {
    File {
        file: File,
        /// Where the data begins: standard input may have been read from before.
        start: u64,
        /// Whether it is a copy, made because the original can be read only once, or has no length.
        spooled: bool,
    },
    Generated,
}

impl Source {
    /// Opens what the command line asks for.
    pub(super) fn open(file: Option<&Path>, size: Option<u64>) -> Result<Self> {
        match (file, size) {
            (None, Some(len)) => Ok(Self::generated(len)),
            (None, None) if !stdin_is_given()? => Ok(Self::generated(GENERATED)),
            (None, _) => Self::stdin(),
            (Some(path), _) if path == Path::new("-") => Self::stdin(),
            (Some(path), _) => File::open(path)
                .map_err(anyhow::Error::from)
                .and_then(|file| Self::from_file(path.display().to_string(), file))
                .with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn generated(len: u64) -> Self {
        Self {
            name: "generated data".to_owned(),
            kind: Kind::Generated,
            len,
        }
    }

    fn stdin() -> Result<Self> {
        if io::stdin().is_terminal() {
            bail!("standard input is a terminal: pipe something in, or name a file");
        }
        let file = File::from(stdin_fd()?);
        Self::from_file("standard input".to_owned(), file).context("cannot read standard input")
    }

    fn from_file(name: String, mut file: File) -> Result<Self> {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            bail!("it is a directory");
        }
        if kind.is_char_device() || kind.is_block_device() {
            bail!("it is a device, which may never end; pipe in as much as you want of it");
        }
        // Files of /proc have no length and yet a content: copied, like what is no file.
        if kind.is_file() && metadata.len() > 0 {
            let start = file.stream_position()?;
            // What is appended from now on is left alone, so that all transfers are alike.
            let len = metadata.len().saturating_sub(start);
            let kind = Kind::File {
                file,
                start,
                spooled: false,
            };
            return Ok(Self { name, kind, len });
        }
        let (file, len) = spool(file)?;
        // Of a file that is just empty, there was nothing to copy.
        let spooled = !kind.is_file() || len > 0;
        let kind = Kind::File {
            file,
            start: 0,
            spooled,
        };
        Ok(Self { name, kind, len })
    }

    /// What it is, for people.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that there are to send.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether it had to be copied first.
    pub(super) fn is_spooled(&self) -> bool {
        matches!(self.kind, Kind::File { spooled: true, .. })
    }

    /// Reads everything once, so that it is in the page cache, if it fits.
    pub(super) fn warm_up(&self, block: usize) -> Result<()> {
        if let Kind::File { spooled: false, .. } = self.kind {
            let bar = progress::bar(self.len, "reading");
            let mut blocks = self.blocks(block);
            while let Some(data) = blocks.next()? {
                bar.inc(data.len() as u64);
            }
            bar.finish_and_clear();
        }
        Ok(())
    }

    /// The data from the beginning, in blocks of `len` bytes; the last may be shorter.
    pub(super) fn blocks(&self, len: usize) -> Blocks<'_> {
        let mut buf = touched(len);
        if matches!(self.kind, Kind::Generated) {
            // Any seed, but always the same: every run sends the same data.
            fastrand::Rng::with_seed(0x5A0C_4E77).fill(&mut buf);
        }
        Blocks {
            source: self,
            buf,
            position: 0,
        }
    }
}

/// The data of a source, block by block.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    source: &'a Source,
    buf: Vec<u8>,
    /// Bytes handed out so far.
    position: u64,
}

impl Blocks<'_> {
    /// The next block; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        let left = self.source.len - self.position;
        let wanted = usize::try_from(left).map_or(self.buf.len(), |left| left.min(self.buf.len()));
        let block = &mut self.buf[..wanted];
        let len = match &self.source.kind {
            Kind::Generated => {
                stamp(block, self.position);
                wanted
            }
            Kind::File { file, start, .. } => fill(file, block, start + self.position)
                .with_context(|| format!("cannot read {}", self.source.name))?,
        };
        self.position += len as u64;
        Ok((len > 0).then_some(&self.buf[..len]))
    }
}

/// A buffer whose pages are there already, so that no transfer is charged for them.
pub(super) fn touched(len: usize) -> Vec<u8> {
    // Zeros would be had without touching anything.
    vec![0xFF; len]
}

/// Makes a block of generated data unlike all others, at the cost of a few stores, so
/// that the generator is not what is measured.
fn stamp(block: &mut [u8], position: u64) {
    for (i, place) in block.chunks_mut(STAMP_DISTANCE).enumerate() {
        let stamp = (position + (i * STAMP_DISTANCE) as u64).to_le_bytes();
        let len = place.len().min(stamp.len());
        place[..len].copy_from_slice(&stamp[..len]);
    }
}

/// Reads until `buf` is full or the file at its end.
fn fill(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match file.read_at(&mut buf[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(len)
}

/// Copies what can be read only once to a file without a name.
fn spool(mut from: File) -> Result<(File, u64)> {
    let mut file = tempfile::tempfile().context("cannot make a temporary file")?;
    let spinner = progress::spinner("copying to a temporary file");
    let len = io::copy(&mut spinner.wrap_read(&mut from), &mut file)
        .context("copying to a temporary file")?;
    spinner.finish_and_clear();
    file.seek(SeekFrom::Start(0))?;
    Ok((file, len))
}

fn stdin_fd() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

/// Whether somebody has connected standard input to something with data in it: not if
/// it is a terminal or another device, such as /dev/null, or closed.
fn stdin_is_given() -> io::Result<bool> {
    let kind = File::from(stdin_fd()?).metadata()?.file_type();
    Ok(kind.is_file() || kind.is_fifo() || kind.is_socket())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Write;

    use super::*;

    fn collect(source: &Source, block: usize) -> Vec<u8> {
        let mut blocks = source.blocks(block);
        let mut all = Vec::new();
        while let Some(data) = blocks.next().unwrap() {
            assert!(data.len() <= block);
            all.extend_from_slice(data);
        }
        all
    }

    #[test]
    fn generated_data_has_its_length_and_is_always_the_same() {
        for len in [0, 1, 7, 8, 511, 512, 513, 4096, 10_000] {
            let source = Source::generated(len);
            let data = collect(&source, 4096);
            assert_eq!(data.len() as u64, len);
            assert_eq!(data, collect(&source, 4096));
        }
    }

    #[test]
    fn generated_data_repeats_no_piece() {
        let data = collect(&Source::generated(1 << 20), 1 << 16);
        let pieces: HashSet<_> = data.chunks(STAMP_DISTANCE).collect();
        assert_eq!(pieces.len(), (1 << 20) / STAMP_DISTANCE);
    }

    #[test]
    fn file_is_read_in_full_blocks_and_more_than_once() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&content).unwrap();
        file.rewind().unwrap();
        let source = Source::from_file("test".to_owned(), file).unwrap();
        for block in [1000, 4096, 100_000] {
            assert_eq!(collect(&source, block), content);
        }
    }

    #[test]
    fn file_is_read_from_where_it_stands() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"headerbody").unwrap();
        file.seek(SeekFrom::Start(6)).unwrap();
        let source = Source::from_file("test".to_owned(), file).unwrap();
        assert_eq!((source.len(), collect(&source, 3)), (4, b"body".to_vec()));
    }

    #[test]
    fn file_that_grows_is_read_to_its_first_length() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        let mut writer = file.try_clone().unwrap();
        file.rewind().unwrap();
        let source = Source::from_file("test".to_owned(), file).unwrap();
        writer.seek(SeekFrom::End(0)).unwrap();
        writer.write_all(b"after").unwrap();
        assert_eq!(collect(&source, 4), b"before");
    }

    #[test]
    fn file_without_a_length_is_copied() {
        let file = File::open("/proc/self/status").unwrap();
        let source = Source::from_file("status".to_owned(), file).unwrap();
        assert!(source.is_spooled());
        assert!(collect(&source, 100).starts_with(b"Name:"));
        let empty = Source::from_file("empty".to_owned(), tempfile::tempfile().unwrap()).unwrap();
        assert_eq!((empty.len(), empty.is_spooled()), (0, false));
    }

    #[test]
    fn devices_and_directories_are_refused() {
        for path in ["/dev/zero", "/"] {
            let error = Source::open(Some(Path::new(path)), None).unwrap_err();
            assert!(
                format!("{error:#}").starts_with(&format!("cannot read {path}: it is a ")),
                "{error:#}"
            );
        }
    }
}
