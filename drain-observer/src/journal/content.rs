//! A journal's bytes: of a file that is opened by its name, or of one that somebody else has opened.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A file that was handed over open, because its reader may not open it.
#[derive(Clone, Debug)]
pub struct Handed {
    file: Arc<File>,
    /// What lies behind this many bytes is not for the reader.
    end: u64,
}

impl Handed {
    /// The first `end` bytes of a file.
    pub fn new(file: File, end: u64) -> Self {
        Self { file: Arc::new(file), end }
    }

    /// The file, to hand it on.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The last bytes, at most so many.
    pub(super) fn tail(&self, most: u64) -> io::Result<Vec<u8>> {
        let end = self.end.min(self.file.metadata()?.len());
        let mut tail = Vec::new();
        Content::At { file: self.file.clone(), position: end.saturating_sub(most), end }
            .read_to_end(&mut tail)?;
        Ok(tail)
    }
}

impl PartialEq for Handed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.end == other.end
    }
}

impl Eq for Handed {}

/// What a journal is read from.
#[derive(Debug)]
pub enum Content {
    /// A file, a pipe, a device.
    File(File),
    /// A part of a file. Its offset is not used: several may read it.
    At {
        /// The file.
        file: Arc<File>,
        /// What is read next.
        position: u64,
        /// What is not read any more.
        end: u64,
    },
}

impl From<&Handed> for Content {
    fn from(handed: &Handed) -> Self {
        Self::At { file: handed.file.clone(), position: 0, end: handed.end }
    }
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::At { file, position, end } => {
                let left = usize::try_from(end.saturating_sub(*position)).unwrap_or(usize::MAX);
                let most = left.min(into.len());
                let taken = file.read_at(&mut into[..most], *position)?;
                *position += taken as u64;
                Ok(taken)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn several_read_a_part_of_one_file() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"journal, and more").expect("room");
        let handed = Handed::new(file, 7);
        let (mut one, mut other) = (Content::from(&handed), Content::from(&handed));
        let mut read = [0; 4];
        one.read_exact(&mut read).expect("four bytes");
        for content in [&mut one, &mut other] {
            let mut rest = Vec::new();
            content.read_to_end(&mut rest).expect("a file");
            assert!(b"journal".ends_with(&rest), "{rest:?}");
        }
        assert_eq!(handed.tail(3).expect("a file"), b"nal");
        assert_eq!(handed.tail(99).expect("a file"), b"journal");
    }
}
