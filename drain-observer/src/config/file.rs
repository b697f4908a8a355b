//! Reading the file, which may be anything.

use super::ConfigError;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Bytes that a file of settings may have.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// The bytes of a regular file that is not too long. Never waits for somebody to write into a pipe.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable { path: path.to_owned(), error };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        // Of a socket, which cannot be opened.
        rustix::io::Errno::NXIO => ConfigError::NoFile { path: path.to_owned() },
        errno => unreadable(errno.into()),
    })?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| unreadable(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(ConfigError::NoFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    File::from(file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::TooLong { path: path.to_owned(), limit: MAX_BYTES });
    }
    Ok(bytes)
}
