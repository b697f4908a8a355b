//! The recorder's files and its directory.

use super::RecorderError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

const DIRECTORY_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;
pub(super) const LOCK: &str = "drain-observer.lock";

/// Where segments are created. Not always a disk: tests fill and break it.
pub(super) trait Files: Send {
    /// A new file.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Bytes that can still be written in this directory.
    fn room(&self, dir: &Path) -> io::Result<u64>;
}

/// A file that is being written.
pub(super) trait SegmentFile: Write + Send {
    /// Returns when what was written will outlive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk.
pub(super) struct Disk;

impl Files for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(create(path)?))
    }

    fn room(&self, dir: &Path) -> io::Result<u64> {
        let fs = rustix::fs::statvfs(dir)?;
        Ok(fs.f_bavail.saturating_mul(fs.f_frsize))
    }
}

impl SegmentFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A new file that others may not read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Makes names in a directory outlive a loss of power.
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Whether an error means that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The directory is this recorder's alone, until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, RecorderError> {
        let unusable = |error| RecorderError::Directory { path: dir.to_owned(), error };
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(dir).map_err(unusable)?;
        let file = Self::open(&dir.join(LOCK)).map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(RecorderError::Locked { path: dir.to_owned() }),
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// Where nothing can be written now, an earlier recorder's lock does too.
    fn open(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(FILE_MODE);
        options.open(path).or_else(|error| fs::File::open(path).map_err(|_| error))
    }
}
