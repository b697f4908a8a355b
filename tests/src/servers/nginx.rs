//! nginx, answering `/` itself and passing the rest on.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{START_LIMIT, Server, command, directory, write};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Nginx {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where `/sleep` and `/bytes` are answered.
    pub upstream: SocketAddr,
    /// Whether it becomes a daemon, without which it knows no binary upgrade.
    pub daemon: bool,
    /// One listening socket for each worker.
    pub reuseport: bool,
}

impl Nginx {
    /// In the foreground on a free port before this upstream.
    pub fn new(upstream: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, upstream, daemon: false, reuseport: false })
    }

    /// Starts it with two workers.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("nginx")?;
        let base = dir.path().display();
        let daemon = if self.daemon { "on" } else { "off" };
        let reuseport = if self.reuseport { " reuseport" } else { "" };
        let (address, upstream) = (self.address, self.upstream);
        let config = format!(
            r#"
daemon {daemon};
user root;
worker_processes 2;
pid {base}/nginx.pid;
error_log {base}/error.log notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_timeout 30s;
    client_body_temp_path {base}/body;
    proxy_temp_path {base}/proxy;
    fastcgi_temp_path {base}/fastcgi;
    uwsgi_temp_path {base}/uwsgi;
    scgi_temp_path {base}/scgi;
    server {{
        listen {address}{reuseport} backlog=128;
        location = / {{ return 200 "hello"; }}
        location / {{ proxy_pass http://{upstream}; proxy_buffering off; }}
    }}
}}
"#
        );
        write(&dir, "nginx.conf", &config)?;
        // Started by a bare name, its later execve of itself would fail: hence the full path.
        let mut nginx = command("nginx")?;
        nginx.args(["-c", &format!("{base}/nginx.conf"), "-e", &format!("{base}/error.log")]);
        let server = Server::start(nginx, dir, self.address, Some("nginx.pid"))?;
        server.wait_for_workers(2, START_LIMIT)?;
        Ok(server)
    }
}
