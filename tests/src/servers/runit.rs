//! A service directory under `runsv`, runit's supervisor of one service.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{Prepared, Server, command, write};

/// A server to be supervised.
#[derive(Debug)]
pub struct Runit {
    service: Prepared,
    on_hangup: Option<String>,
}

impl Runit {
    /// In a service directory that is the server's own.
    pub fn supervising(service: Prepared) -> Self {
        Self { service, on_hangup: None }
    }

    /// With a shell script for `control/h`, which runit runs in place of sending HUP. Its working directory is the
    /// service's, and `supervise/pid` there names the supervised process.
    pub fn on_hangup(self, script: &str) -> Self {
        Self { on_hangup: Some(script.to_owned()), ..self }
    }

    /// Starts `runsv`; the server's master is the supervised process.
    pub fn start(self) -> Result<Server> {
        let Prepared { command: service, dir, place } = self.service;
        let words = std::iter::once(service.get_program()).chain(service.get_args());
        let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
        script(&dir, "run", &format!("exec {} 2>&1", words.join(" ")))?;
        if let Some(text) = &self.on_hangup {
            fs::create_dir(dir.path().join("control")).context("making a directory for control scripts")?;
            script(&dir, "control/h", text)?;
        }
        let mut runsv = command("runsv")?;
        runsv.arg(dir.path());
        Server::start(runsv, dir, place, Some("supervise/pid"))
    }
}

/// Writes one byte to the service's control pipe, as `sv` does: `h` hangup, `t` terminate, `d` down, `u` up.
pub fn control(server: &Server, byte: char) -> Result<()> {
    let pipe = server.dir().join("supervise/control");
    fs::write(&pipe, byte.to_string()).with_context(|| format!("writing {}", pipe.display()))
}

fn script(dir: &TempDir, name: &str, text: &str) -> Result<()> {
    write(dir, name, &format!("#!/bin/sh\n{text}\n"))?;
    let path = dir.path().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {}", path.display()))
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
