//! Why a recorder cannot be.

use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a recorder does not start.
#[derive(Debug, Error)]
pub enum RecorderError {
    /// The directory cannot be used.
    #[error(
        "cannot use {path} for the flight recorder: {error}; give a directory on a local disk that this user may write",
        path = path.display()
    )]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another recorder is there.
    #[error(
        "another drain-observer records into {path}: stop it first, or give this one a directory of its own",
        path = path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be given to the user who is to record.
    #[error(
        "cannot give {path} to the user with the number {user} (group {group}), who is to write there: {error}; give \
         the flight recorder a directory on a local disk, or another --user",
        path = path.display()
    )]
    NotGiven {
        /// The directory.
        path: PathBuf,
        /// The user.
        user: u32,
        /// The group.
        group: u32,
        /// What the system said.
        error: io::Error,
    },
    /// There are files of somebody else's.
    #[error(
        "{path} has other files than the flight recorder's ({other:?}), so it is not given to the user with the number \
         {user}, who is to write there: give the recorder a directory of its own, or do `chown {user} {path}`",
        path = path.display()
    )]
    NotAlone {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        other: String,
        /// The user.
        user: u32,
    },
    /// A setting is too small.
    #[error("the {what} is {given}, which is too little: give at least {least}")]
    TooLittle {
        /// Which.
        what: &'static str,
        /// What would do.
        least: &'static str,
        /// What was given.
        given: String,
    },
    /// There are no threads to be had.
    #[error("cannot start the flight recorder's threads: {0}; look at the limits on processes and memory")]
    Thread(#[from] io::Error),
}

/// A recorder that was given up before everything was written.
#[derive(Debug, Error)]
#[error(
    "the flight recorder could not write its last events to {dir} within {limit:?}: the disk is slow or gone; what \
     was synced before is readable",
    dir = dir.display()
)]
pub struct Unfinished {
    /// Its directory.
    pub dir: PathBuf,
    /// How long it was waited for.
    pub limit: Duration,
}
