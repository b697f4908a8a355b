//! A real Prometheus that scrapes the daemon, with the project's rules.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{http, ports, wait};

/// Longest wait for it to start, to scrape and to evaluate.
const LIMIT: Duration = Duration::from_secs(60);

/// Prometheus with one target. Dropping it ends it.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Prometheus {
    /// Scrapes `target` and evaluates the project's rules each second.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let dir = tempfile::tempdir().context("making a directory for prometheus")?;
        let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../drain-observer/fleet");
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [fleet.join("rules.yml"), fleet.join("alerts.yml")],
            "scrape_configs": [
                { "job_name": "drain-observer", "static_configs": [{ "targets": [target.to_string()] }] },
            ],
        });
        // JSON is YAML.
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config.to_string()).context("writing prometheus.yml")?;
        let log = File::create(dir.path().join("log")).context("making a log")?;
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()?));
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().context("starting prometheus")?;
        Ok(Self { child, address, dir })
    }

    /// Waits until a query's answer is as wanted, and gives its result: a list of series.
    pub fn wait_for(&self, query: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let mut last = Vec::new();
        wait::until(&format!("an answer to {query}"), LIMIT, || {
            // Until it listens and is ready there is none.
            let Ok((200, body)) =
                http::get(self.address, &format!("/api/v1/query?query={}", http::escaped(query)))
            else {
                return Ok(None);
            };
            let answer: Value = serde_json::from_str(&body).context("an answer in JSON")?;
            last = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            Ok(wanted(&last).then(|| last.clone()))
        })
        .with_context(|| {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            format!("the last answer was {last:?}; prometheus says:\n{log}")
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
