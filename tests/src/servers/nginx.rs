//! nginx, answering `/` itself and passing the rest on.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tempfile::TempDir;

use super::{Place, START_LIMIT, Server, certificate, command, directory, write};
use crate::load::tls::{Tls, Version};
use crate::ports;

/// Without these it closes each connection to its upstream after one request.
const KEEP_ALIVE_HEADERS: &str = "proxy_http_version 1.1; proxy_set_header Connection \"\";";

/// How to start it. It tries each request once, and writes into `error.log` what became of those that failed.
#[derive(Debug, Clone)]
pub struct Nginx {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where `/sleep` and `/bytes` are answered.
    pub upstream: Place,
    /// Connections to there that each worker keeps for later requests.
    pub kept: u32,
    /// Whether it becomes a daemon, without which it knows no binary upgrade.
    pub daemon: bool,
    /// One listening socket for each worker.
    pub reuseport: bool,
    /// The version of TLS that it speaks, if any.
    pub tls: Option<Version>,
}

impl Nginx {
    /// In the foreground on a free port before this upstream.
    pub fn new(upstream: impl Into<Place>) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let upstream = upstream.into();
        Ok(Self { address, upstream, kept: 0, daemon: false, reuseport: false, tls: None })
    }

    /// Starts it with two workers.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("nginx")?;
        let base = dir.path().display();
        let daemon = if self.daemon { "on" } else { "off" };
        let reuseport = if self.reuseport { " reuseport" } else { "" };
        let (address, upstream) = (self.address, self.upstream.written());
        let (keepalive, headers) = match self.kept {
            0 => (String::new(), ""),
            kept => (format!("keepalive {kept};"), KEEP_ALIVE_HEADERS),
        };
        let (ssl, tls) = match self.tls {
            None => ("", String::new()),
            Some(version) => (" ssl", secured(&dir, version)?),
        };
        let config = format!(
            r#"
daemon {daemon};
user root;
worker_processes 2;
pid {base}/nginx.pid;
error_log {base}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_timeout 30s;
    client_body_temp_path {base}/body;
    proxy_temp_path {base}/proxy;
    fastcgi_temp_path {base}/fastcgi;
    uwsgi_temp_path {base}/uwsgi;
    scgi_temp_path {base}/scgi;
    upstream application {{
        server {upstream} max_fails=0;
        {keepalive}
    }}
    server {{
        listen {address}{ssl}{reuseport} backlog=128;
        {tls}
        location = / {{ return 200 "hello"; }}
        location / {{
            proxy_pass http://application;
            proxy_buffering off;
            proxy_next_upstream off;
            {headers}
        }}
    }}
}}
"#
        );
        write(&dir, "nginx.conf", &config)?;
        // Started by a bare name, its later execve of itself would fail: hence the full path.
        let mut nginx = command("nginx")?;
        // Its log has the local time.
        nginx.env("TZ", "UTC");
        nginx.args(["-c", &format!("{base}/nginx.conf"), "-e", &format!("{base}/error.log")]);
        let trusted = dir.path().join(certificate::CERTIFICATE);
        let mut server = Server::start_unserved(nginx, dir, self.address, Some("nginx.pid"))?;
        if let Some(version) = self.tls {
            server = server.speaks(Tls::trusting(&trusted, version)?);
        }
        server.wait_until_serving()?;
        server.wait_for_workers(2, START_LIMIT)?;
        Ok(server)
    }
}

/// Makes a certificate and gives the settings that use it.
fn secured(dir: &TempDir, version: Version) -> Result<String> {
    certificate::make(dir)?;
    let protocol = match version {
        Version::V12 => "TLSv1.2",
        Version::V13 => "TLSv1.3",
    };
    let base = dir.path().display();
    let (certificate, key) = (certificate::CERTIFICATE, certificate::KEY);
    Ok(format!(
        "ssl_certificate {base}/{certificate}; ssl_certificate_key {base}/{key}; ssl_protocols {protocol};"
    ))
}
