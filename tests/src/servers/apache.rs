//! Apache httpd with its event or prefork processing module.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{Server, command, directory, write};
use crate::ports;

/// How to start it.
#[derive(Debug, Clone)]
pub struct Apache {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where `/sleep` and `/bytes` are answered.
    pub upstream: SocketAddr,
    /// `event` or `prefork`.
    pub module: &'static str,
}

impl Apache {
    /// With the event module on a free port before this upstream.
    pub fn new(upstream: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        Ok(Self { address, upstream, module: "event" })
    }

    /// Starts it with two child processes.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("apache")?;
        let base = dir.path().display();
        let modules: String =
            [("mpm_", self.module), ("", "authz_core"), ("", "proxy"), ("", "proxy_http"), ("", "dir")]
                .iter()
                .map(|(prefix, name)| {
                    format!(
                        "LoadModule {prefix}{name}_module /usr/lib/apache2/modules/mod_{prefix}{name}.so\n"
                    )
                })
                .collect();
        let Self { address, upstream, .. } = self;
        let config = format!(
            r#"
{modules}
ServerName localhost
ServerRoot {base}
DefaultRuntimeDir {base}
PidFile {base}/apache.pid
ErrorLog {base}/error.log
Listen {address}
User www-data
Group www-data
DocumentRoot {base}/files
DirectoryIndex index.html
StartServers 2
KeepAlive On
KeepAliveTimeout 30
ProxyPass /sleep http://{upstream}/sleep
ProxyPass /bytes http://{upstream}/bytes
"#
        );
        write(&dir, "apache.conf", &config)?;
        std::fs::create_dir(dir.path().join("files"))?;
        write(&dir, "files/index.html", "hello\n")?;
        let mut apache = command("apache2")?;
        apache.args(["-DFOREGROUND", "-f", &format!("{base}/apache.conf")]);
        Server::start(apache, dir, self.address, Some("apache.pid"))
    }
}
