//! A service directory under `runsv`, runit's supervisor of one service.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Server, command, directory, write};
use crate::ports;

/// What it supervises: the project's fixture server.
#[derive(Debug, Clone)]
pub struct Runit<'a> {
    /// Where the service serves.
    pub address: SocketAddr,
    /// The fixture server's file.
    pub program: &'a Path,
    /// A shell script for `control/h`, which runit runs in place of sending HUP.
    pub on_hangup: Option<&'a str>,
}

impl<'a> Runit<'a> {
    /// On a free port.
    pub fn new(program: &'a Path) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, program, on_hangup: None })
    }

    /// Starts `runsv`; the server's master is the supervised process.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("runit")?;
        let program = self.program.display();
        script(&dir, "run", &format!("exec {program} --listen {} 2>&1", self.address))?;
        if let Some(text) = self.on_hangup {
            fs::create_dir(dir.path().join("control"))?;
            script(&dir, "control/h", text)?;
        }
        let mut runsv = command("runsv")?;
        runsv.arg(dir.path());
        Server::start(runsv, dir, self.address, Some("supervise/pid"))
    }
}

/// Writes one byte to the service's control pipe, as `sv` does: `h` hangup, `t` terminate, `d` down, `u` up.
pub fn control(server: &Server, byte: char) -> Result<()> {
    let pipe = server.dir().join("supervise/control");
    fs::write(&pipe, byte.to_string()).with_context(|| format!("writing {}", pipe.display()))
}

fn script(dir: &tempfile::TempDir, name: &str, text: &str) -> Result<()> {
    write(dir, name, &format!("#!/bin/sh\n{text}\n"))?;
    let path = dir.path().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {}", path.display()))
}
