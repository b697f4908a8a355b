//! Servers at socket files: before a proxy that writes down which connections it lost, and a server and a client of the
//! project's own.

pub mod chain;
pub mod client;
pub mod fates;
pub mod findings;
pub mod fixture;
pub mod proxy_log;
pub mod server;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a name on a command line means: a path, or after an `@` a name in the abstract namespace.
fn address(name: &Path) -> PathBuf {
    match name.as_os_str().as_bytes().split_first() {
        Some((b'@', rest)) => PathBuf::from(OsString::from_vec([&[0], rest].concat())),
        _ => name.to_owned(),
    }
}
