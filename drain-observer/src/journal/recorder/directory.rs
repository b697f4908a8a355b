//! The directory of a recorder, before it records: whose it is.

use super::compress::UNFINISHED;
use super::disk::{LOCK, Lock};
use super::{RecorderError, RecorderSettings};
use crate::journal::segments::SegmentName;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, open, openat};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// What file systems have in their uppermost directory.
const OF_THE_FILE_SYSTEM: &str = "lost+found";

/// A directory that is one recorder's alone, for as long as this, or the recorder made of it, is there.
#[derive(Debug)]
pub struct RecorderDirectory {
    path: PathBuf,
    pub(super) lock: Lock,
}

impl RecorderDirectory {
    /// Takes possession of the directory, which is made if there is none.
    pub fn claim(settings: &RecorderSettings) -> std::result::Result<Self, RecorderError> {
        settings.check()?;
        Ok(Self { path: settings.dir.clone(), lock: Lock::take(&settings.dir)? })
    }

    /// Gives it to a user and group, with all that recorders have left there. Other files stay whose they are; where
    /// there are any, the directory must be that user's already.
    pub fn give_to(&self, user: u32, group: u32) -> std::result::Result<(), RecorderError> {
        let failed = |errno: Errno| RecorderError::NotGiven {
            path: self.path.clone(),
            user,
            group,
            error: errno.into(),
        };
        let owner = Owner { user: Uid::from_raw(user), group: Gid::from_raw(group) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(&self.path, flags, Mode::empty()).map_err(failed)?;
        let is_theirs = fstat(&directory).map_err(failed)?.st_uid == user;
        let names = names_in(&directory).map_err(failed)?;
        if let Some(other) = names.other.filter(|_| !is_theirs) {
            return Err(RecorderError::NotAlone { path: self.path.clone(), other, user });
        }
        for name in names.of_recorders {
            owner.take_file(directory.as_fd(), &name).map_err(failed)?;
        }
        owner.take(directory.as_fd(), &fstat(&directory).map_err(failed)?).map_err(failed)
    }
}

/// What a directory has.
#[derive(Debug, Default)]
struct Names {
    of_recorders: Vec<std::ffi::CString>,
    /// One that is not a recorder's.
    other: Option<String>,
}

fn names_in(directory: &OwnedFd) -> Result<Names> {
    let mut names = Names::default();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_string_lossy().as_ref() {
            "." | ".." | OF_THE_FILE_SYSTEM => {}
            text if is_of_recorders(text) => names.of_recorders.push(name.to_owned()),
            text => names.other = Some(text.to_owned()),
        }
    }
    Ok(names)
}

fn is_of_recorders(name: &str) -> bool {
    name == LOCK || SegmentName::parse(name.strip_suffix(UNFINISHED).unwrap_or(name)).is_some()
}

struct Owner {
    user: Uid,
    group: Gid,
}

impl Owner {
    /// A file that is a file, and in no other directory: whoever could write here before may have put anything in
    /// place of one. What is gone meanwhile is nobody's.
    fn take_file(&self, directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(directory, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(()),
            file => file?,
        };
        let stat = fstat(&file)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1;
        if is_file { self.take(file.as_fd(), &stat) } else { Ok(()) }
    }

    fn take(&self, file: BorrowedFd<'_>, stat: &Stat) -> Result<()> {
        if (stat.st_uid, stat.st_gid) == (self.user.as_raw(), self.group.as_raw()) {
            return Ok(());
        }
        chownat(file, c"", Some(self.user), Some(self.group), AtFlags::EMPTY_PATH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_recorders_write_is_a_recorders() {
        let segment = "drain-observer-20260102T030405.006Z-3f2a9c01-81234-7.journal";
        for name in [LOCK, segment, &format!("{segment}.zst"), &format!("{segment}.zst.unfinished")] {
            assert!(is_of_recorders(name), "{name}");
        }
        for name in ["passwd", "drain-observer", "a.unfinished", "drain-observer.lock.unfinished", ""] {
            assert!(!is_of_recorders(name), "{name}");
        }
    }
}
