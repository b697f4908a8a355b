//! HAProxy in master-worker mode: as an HTTP proxy it answers `/` itself and passes the rest on.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{Server, command, directory, write};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Haproxy {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where `/sleep` and `/bytes` are answered.
    pub upstream: SocketAddr,
    /// `http` or `tcp`; in the latter everything is passed on.
    pub mode: &'static str,
    /// When an old worker is cut off after a reload, such as `2s`.
    pub hard_stop_after: Option<&'static str>,
    /// Without a master: one process, which hands its listeners on when another asks for them.
    pub alone: bool,
}

impl Haproxy {
    /// On a free port before this upstream.
    pub fn new(upstream: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, upstream, mode: "http", hard_stop_after: None, alone: false })
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        self.start_with(&[])
    }

    /// Starts one that takes the listeners of `old` and then tells it to finish.
    pub fn start_after(&self, old: &Server) -> Result<Server> {
        let socket = old.dir().join("stats").display().to_string();
        self.start_with(&["-x", &socket, "-sf", &old.started().to_string()])
    }

    fn start_with(&self, more: &[&str]) -> Result<Server> {
        let dir = directory("haproxy")?;
        let base = dir.path().display();
        let hard_stop =
            self.hard_stop_after.map(|time| format!("hard-stop-after {time}")).unwrap_or_default();
        let (address, upstream, mode) = (self.address, self.upstream, self.mode);
        let own_answer = match mode {
            "http" => "http-request return status 200 content-type text/plain string hello if { path / }",
            _ => "",
        };
        let config = format!(
            r#"
global
    stats socket {base}/stats mode 600 level admin expose-fd listeners
    {hard_stop}
defaults
    mode {mode}
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend public
    bind {address}
    {own_answer}
    default_backend application
backend application
    server one {upstream}
"#
        );
        write(&dir, "haproxy.cfg", &config)?;
        let mut haproxy = command("haproxy")?;
        haproxy.args([if self.alone { "-db" } else { "-W" }, "-f", "haproxy.cfg"]).args(more);
        Server::start(haproxy, dir, self.address, None)
    }
}
