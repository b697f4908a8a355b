//! The dashboard and the rules on a real Prometheus that scrapes a real exporter.

use super::fleet::directory;
use super::http::Exporter;
use super::{Observed, SECOND, tools};
use crate::correlate::tests::Scenario;
use crate::event::{Event, Hook, HookState, Kind};
use crate::exporter::{JournalStatus, MAX_SERVICES};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest wait for Prometheus to start, to scrape twice, and to have an answer to everything.
const LIMIT: Duration = Duration::from_secs(60);

/// A deploy that loses connections, and connections open after it.
const DEPLOY: &str = "\
found process 100:puma parent 1 exe /usr/bin/ruby
found process 101:puma parent 100 exe /usr/bin/ruby
found listener *:9292 by 100 101
attached
+1.000 signal TERM 900:bash -> 100
+1.002 signal TERM 100 -> 101
+1.020 conn 10.0.0.1:5001 served by 101
+1.150 unlisten 101 *:9292 queue 2
conn 10.0.0.1:5002..5003 queued by 101
+1.300 exit 101 0
+1.400 exit 100 0
+1.500 fork 1:systemd -> 200
exec 200:puma /usr/bin/ruby
+3.000 listen 200 *:9292
+3.001 fork 200 -> 201
+4.000 conn 10.0.0.1:5005 served silent=0 by 201
+7.000 surveyed 201=3
expect restart 1 replace lossy ended
";

#[test]
fn every_query_of_the_dashboard_has_an_answer() {
    let Some(program) = tools::needed("prometheus", "every_query_of_the_dashboard_has_an_answer") else {
        return;
    };
    let file = directory().join("dashboard.json");
    let text = std::fs::read_to_string(&file).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let queries = queries(&dashboard);
    assert!(queries.len() > 20, "{queries:?}");

    let exporter = deployed();
    let prometheus = Prometheus::start(&program, exporter.address());
    for query in queries {
        let asked = query.replace("$__rate_interval", "10s").replace("$__range", "1m");
        let asked = asked.replace("$instance", ".*").replace("$service", ".*");
        assert!(!asked.contains('$'), "a variable that Grafana alone knows: {asked}");
        prometheus.wait_for(&format!("an answer to {asked}"), || {
            let answer = prometheus.get("/api/v1/query", &[("query", &asked)])?;
            assert_eq!(answer["status"], "success", "{asked}: {answer}");
            answer["data"]["result"].as_array().is_some_and(|result| !result.is_empty()).then_some(())
        });
    }
    prometheus.wait_for("each rule to be evaluated", || {
        let answer = prometheus.get("/api/v1/rules", &[])?;
        let groups = answer["data"]["groups"].as_array()?;
        let rules: Vec<&Value> =
            groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        for rule in &rules {
            assert_ne!(rule["health"], "err", "{rule}");
        }
        (rules.len() > 15 && rules.iter().all(|rule| rule["health"] == "ok")).then_some(())
    });
}

#[test]
fn panels_have_their_own_places() {
    let text = std::fs::read_to_string(directory().join("dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let place = |panel: &Value| {
        ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place on the grid"))
    };
    for (index, panel) in panels.iter().enumerate() {
        let [x, y, w, h] = place(panel);
        assert!(x + w <= 24, "{} is wider than the page", panel["title"]);
        for other in &panels[..index] {
            let [ox, oy, ow, oh] = place(other);
            let apart = x >= ox + ow || ox >= x + w || y >= oy + oh || oy >= y + h;
            assert!(apart, "{} covers {}", panel["title"], other["title"]);
            assert_ne!(panel["id"], other["id"]);
        }
        assert!(panel["description"].as_str().is_some_and(|words| !words.is_empty()), "{}", panel["title"]);
    }
}

/// What the dashboard asks for: its panels, its annotations and its variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut queries: Vec<String> = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{} asks for nothing", panel["title"]);
        queries.extend(targets.iter().map(|target| target["expr"].as_str().expect("a query").to_owned()));
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        queries.push(annotation["expr"].as_str().expect("a query").to_owned());
    }
    for variable in list(&dashboard["templating"]["list"]) {
        if variable["type"] == "query" {
            let query = variable["query"]["query"].as_str().expect("a query");
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
            queries.push(inner.expect("label_values(SERIES, LABEL)").0.to_owned());
        }
    }
    queries
}

fn deployed() -> Exporter {
    let scenario = Scenario::parse("deploy", DEPLOY).expect("a scenario without mistakes");
    let mut observed = Observed::new(&scenario.config, MAX_SERVICES);
    observed.take(&scenario.events);
    let at = scenario.events.last().expect("events").at + SECOND;
    let hook = Hook {
        name: "inet_sock_set_state".to_owned(),
        purpose: String::new(),
        required: true,
        state: HookState::Attached,
        reason: None,
    };
    let attached = crate::event::Attached { hooks: vec![hook], notes: Vec::new() };
    observed.take(&[Event { at, event: Kind::Attached(attached) }]);
    observed.metrics.journal(JournalStatus { is_writing: true, segments: 1, ..JournalStatus::default() });
    Exporter::with(observed.correlator, observed.metrics, Some(at))
}

/// A Prometheus of the test's own. Dropping it ends it.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Prometheus {
    fn start(program: &Path, target: SocketAddr) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let fleet = self::directory();
        let config = serde_json::json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [fleet.join("rules.yml"), fleet.join("alerts.yml")],
            "scrape_configs": [
                { "job_name": "drain-observer", "static_configs": [{ "targets": [target.to_string()] }] },
            ],
        });
        // JSON is YAML.
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("a configuration");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().expect("prometheus starts");
        Self { child, address, directory }
    }

    fn wait_for(&self, what: &str, mut condition: impl FnMut() -> Option<()>) {
        let began = Instant::now();
        while condition().is_none() {
            if began.elapsed() > LIMIT {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("waited {LIMIT:?} for {what}, in vain; prometheus says:\n{log}");
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// The answer, once it listens.
    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let mut request = format!("GET {path}?");
        for (name, value) in parameters {
            let _ = write!(request, "{name}=");
            for byte in value.bytes() {
                let _ = write!(request, "%{byte:02x}");
            }
        }
        // With HTTP/1.0 the body comes in one piece.
        request.push_str(" HTTP/1.0\r\n\r\n");
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        let (_, body) = response.split_once("\r\n\r\n")?;
        // Until it is ready it says so in words.
        serde_json::from_str(body).ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
