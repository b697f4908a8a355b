//! Where `serve` answers people on call: the flags of its local socket.

use crate::privilege::group_named;
use crate::socket::{DEFAULT_PATH, SocketSettings};
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::{Path, PathBuf};

/// Not `next_help_heading`, which would also take what comes after these.
const HEADING: &str = "Local socket";
/// The group that is meant to use the daemon, where there is one of this name.
const GROUP: &str = "drain-observer";

/// Where the socket is, and whose.
#[derive(Args, Clone, Debug)]
pub(super) struct Answering {
    /// Where tui, watch, report and gate reach this daemon; `none` = nowhere
    #[arg(help_heading = HEADING, long, value_name = "PATH", default_value = DEFAULT_PATH)]
    socket: PathBuf,
    /// The group that may use the daemon, by name or number; by default drain-observer where there is one, else root alone
    #[arg(help_heading = HEADING, long, value_name = "GROUP")]
    socket_group: Option<String>,
    /// Permissions of the socket, in octal; where others may write, everybody may use the daemon
    #[arg(help_heading = HEADING, long, value_name = "MODE", default_value = "0660", value_parser = parse_mode)]
    socket_mode: u32,
}

impl Answering {
    /// What the daemon is told; none = it is not to answer.
    pub(super) fn settings(&self) -> Result<Option<SocketSettings>> {
        if self.socket == Path::new("none") {
            return Ok(None);
        }
        let group = match &self.socket_group {
            Some(group) => Some(group_id(group)?),
            None => group_id(GROUP).ok(),
        };
        Ok(Some(SocketSettings { path: self.socket.clone(), mode: self.socket_mode, group }))
    }
}

fn group_id(group: &str) -> Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let known = group_named(group).with_context(|| format!("looking up the group {group}"))?;
    known.with_context(|| {
        format!(
            "there is no group {group} in /etc/group: `groupadd --system {group}` makes it, or give its number"
        )
    })
}

/// Parses permissions such as `0660`.
fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("{text} is no permission: give one in octal, such as 0660"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_or_numbered() {
        assert_eq!(group_id("42").ok(), Some(42));
        assert_eq!(group_id("root").ok(), Some(0));
        let error = group_id("no such group").expect_err("there is none").to_string();
        assert!(error.contains("groupadd"), "{error}");
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_mode("0660"), Ok(0o660));
        assert_eq!(parse_mode("666"), Ok(0o666));
        for text in ["", "8", "1777", "rw"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }
}
