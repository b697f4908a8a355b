//! A journal's file, compressed or not.

use super::{Content, Handed, JournalError};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const BUFFER: usize = 1 << 16;
/// What a zstd file begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest window of what is decompressed, as a power of two: what a decoder may take of memory.
const MAX_WINDOW: u32 = 27;

/// A journal's file. What is compressed is read as what it was.
///
/// A compressed file that is cut off or damaged ends where it cannot be read on.
pub struct Input<R = Content> {
    kind: Kind<R>,
    damage: Option<io::Error>,
}

enum Kind<R> {
    Plain(BufReader<Counted<R>>),
    Zstd(BufReader<zstd::Decoder<'static, BufReader<Counted<R>>>>),
}

impl Input {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let cannot_open = |error| JournalError::Open { path: path.to_owned(), error };
        let file = File::open(path).map_err(cannot_open)?;
        if file.metadata().map_err(cannot_open)?.is_dir() {
            return Err(JournalError::Directory { path: path.to_owned() });
        }
        Self::new(Content::File(file), path)
    }

    /// A file that is open already; `path` is for messages.
    pub fn handed(file: &Handed, path: &Path) -> Result<Self, JournalError> {
        Self::new(Content::from(file), path)
    }
}

impl<R: Read> Input<R> {
    /// Takes what a file has that is open already; `path` is for messages.
    pub fn new(file: R, path: &Path) -> Result<Self, JournalError> {
        let cannot_open = |error| JournalError::Open { path: path.to_owned(), error };
        let mut file = BufReader::with_capacity(BUFFER, Counted { file, position: 0 });
        let start = file.fill_buf().map_err(|error| JournalError::Read { path: path.to_owned(), error })?;
        let kind = if start.starts_with(&ZSTD) {
            let mut decoder = zstd::Decoder::with_buffer(file).map_err(cannot_open)?;
            decoder.window_log_max(MAX_WINDOW).map_err(cannot_open)?;
            Kind::Zstd(BufReader::with_capacity(BUFFER, decoder))
        } else {
            Kind::Plain(file)
        };
        Ok(Self { kind, damage: None })
    }

    /// Bytes of the file that were read so far.
    pub fn position(&self) -> u64 {
        match &self.kind {
            Kind::Plain(file) => file.get_ref().position,
            Kind::Zstd(decoder) => decoder.get_ref().get_ref().get_ref().position,
        }
    }

    /// Why a compressed file could not be read on.
    pub fn damage(&self) -> Option<&io::Error> {
        self.damage.as_ref()
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.kind {
            Kind::Plain(file) => file.fill_buf(),
            Kind::Zstd(_) if self.damage.is_some() => Ok(&[]),
            Kind::Zstd(decoder) => match decoder.fill_buf() {
                Ok(available) => Ok(available),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
                // An error of the disk has a number, one of the decoder has none.
                Err(error) if error.raw_os_error().is_some() => Err(error),
                Err(error) => {
                    self.damage = Some(error);
                    Ok(&[])
                }
            },
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.kind {
            Kind::Plain(file) => file.consume(amount),
            Kind::Zstd(decoder) => decoder.consume(amount),
        }
    }
}

impl<R: Read> fmt::Debug for Input<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compressed = matches!(self.kind, Kind::Zstd(_));
        f.debug_struct("Input").field("compressed", &compressed).field("position", &self.position()).finish()
    }
}

struct Counted<R> {
    file: R,
    position: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(into)?;
        self.position += length as u64;
        Ok(length)
    }
}
