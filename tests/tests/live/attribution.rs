//! Units, containers and pods of real processes, in cgroups shaped as service managers and container runtimes shape them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::cgroups::{self, Tree, Version};
use drain_observer_tests::observer::{self, Journal, Recording};
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::terminal::Terminal;
use drain_observer_tests::{load, requirements, wait};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{LIMIT, live, prefork};

/// A cgroup's path, in which ID is a container's id and UU a pod's uid (UU_ with underscores), and what it is to say.
struct Shape {
    path: &'static str,
    unit: Option<&'static str>,
    runtime: Option<&'static str>,
    qos: Option<&'static str>,
}

impl Shape {
    const fn unit(path: &'static str, unit: &'static str) -> Self {
        Self { path, unit: Some(unit), runtime: None, qos: None }
    }

    const fn container(path: &'static str, runtime: &'static str) -> Self {
        Self { path, unit: None, runtime: Some(runtime), qos: None }
    }

    const fn pod(path: &'static str, runtime: &'static str, qos: &'static str) -> Self {
        Self { path, unit: None, runtime: Some(runtime), qos: Some(qos) }
    }
}

const SHAPES: [Shape; 16] = [
    // systemd: the system's, an instance of a template, a user's, a login session.
    Shape::unit("system.slice/dob-web.service", "dob-web.service"),
    Shape::unit("system.slice/system-dob.slice/dob-app@1.service", "dob-app@1.service"),
    Shape::unit(
        "user.slice/user-1000.slice/user@1000.service/app.slice/dob-user.service",
        "dob-user.service",
    ),
    Shape::unit("user.slice/user-1000.slice/session-31415.scope", "session-31415.scope"),
    // docker under its systemd and cgroupfs drivers, and systemd inside a container.
    Shape::container("system.slice/docker-ID.scope", "docker"),
    Shape::container("docker/ID", "docker"),
    Shape {
        unit: Some("dob-inside.service"),
        ..Shape::container("docker/ID/system.slice/dob-inside.service", "docker")
    },
    Shape::container("system.slice/nerdctl-ID.scope", "containerd"),
    // podman: root's, a user's, and by a unit of one's own (Quadlet).
    Shape::container("machine.slice/libpod-ID.scope/container", "podman"),
    Shape::container(
        "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
        "podman",
    ),
    Shape {
        unit: Some("dob-quadlet.service"),
        ..Shape::container("system.slice/dob-quadlet.service/libpod-payload-ID", "podman")
    },
    // The kubelet under its systemd and cgroupfs drivers, with containerd and cri-o.
    Shape::pod(
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUU_.slice/cri-containerd-ID.scope",
        "containerd",
        "burstable",
    ),
    Shape::pod(
        "system.slice/containerd.service/kubepods-burstable-podUU_.slice:cri-containerd:ID",
        "containerd",
        "burstable",
    ),
    Shape::pod("kubepods/besteffort/podUU/ID", "unknown", "best_effort"),
    Shape::pod("kubepods.slice/kubepods-podUU_.slice/crio-ID.scope/container", "cri-o", "guaranteed"),
    Shape::pod("kubepods/podUU/crio-ID", "cri-o", "guaranteed"),
];

#[test]
fn named_by_paths_of_v1() {
    named_by_paths("attribution::named_by_paths_of_v1", Version::V1);
}

#[test]
fn named_by_paths_of_v2() {
    named_by_paths("attribution::named_by_paths_of_v2", Version::V2);
}

/// A service in each shape, all of them restarted while one observer looks on.
fn named_by_paths(test: &str, version: Version) {
    live(test, &[], || {
        let Some(hierarchy) = cgroups::hierarchy(version)? else {
            requirements::skip(test, &format!("no cgroups of {version:?} that can be written to"));
            return Ok(());
        };
        let mut tree = Tree::new(&hierarchy, &format!("{version:?}"))?;
        let services =
            SHAPES.iter().enumerate().map(|(number, shape)| Service::new(&mut tree, number, shape));
        let services = services.collect::<Result<Vec<_>>>()?;
        let mut old = services.iter().map(|it| it.prefork.start()).collect::<Result<Vec<_>>>()?;

        let dir = tempfile::tempdir()?;
        let ports: Vec<String> = old.iter().map(|server| server.port().to_string()).collect();
        let selection: Vec<&str> = ports.iter().flat_map(|port| ["-P", port.as_str()]).collect();
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &selection)?;
        for server in &mut old {
            stop(server)?;
        }
        let _new = services.iter().map(|it| it.prefork.start()).collect::<Result<Vec<_>>>()?;
        let journal = recording.finish()?;
        let report = journal.json(&[])?;
        ensure!(report["completeness"]["complete"] == true, "{:#}", report["completeness"]);
        for service in &services {
            service.check(&report, &journal)?;
        }
        Ok(())
    });
}

/// A server in a cgroup of one of the shapes.
struct Service {
    shape: &'static Shape,
    id: String,
    uid: String,
    prefork: Prefork<'static>,
}

impl Service {
    fn new(tree: &mut Tree, number: usize, shape: &'static Shape) -> Result<Self> {
        let (id, uid) = (container_id(number), pod_uid(number));
        let path = shape.path.replace("ID", &id).replace("UU_", &uid.replace('-', "_")).replace("UU", &uid);
        let prefork = prefork()?.workers(1).in_cgroup(&tree.make(&path)?);
        Ok(Self { shape, id, uid, prefork })
    }

    /// Expects that the service and both generations of its one restart are told right, and that it is selected by each of
    /// its names, and it alone.
    fn check(&self, report: &Value, journal: &Journal) -> Result<()> {
        let Shape { path, unit, runtime, qos } = self.shape;
        let port = self.prefork.address().port();
        let container = runtime.map(|runtime| format!("{runtime}:{}", self.id));
        let pod = qos.map(|qos| json!({ "uid": self.uid, "qos_class": qos }));
        let expected = json!({ "unit": unit, "container": container, "pod": pod });

        let service = service_at(report, port)?;
        ensure!(belongs_to(service) == expected, "{path}: {:#}", belongs_to(service));
        let name = match (unit.and_then(|unit| unit.strip_suffix(".service")), runtime) {
            (Some(unit), _) => unit.to_owned(),
            (None, Some(runtime)) => format!("{runtime}:{}", &self.id[..12]),
            (None, None) => format!("prefork:{port}"),
        };
        ensure!(service["name"] == name.as_str(), "{path}: {} instead of {name}", service["name"]);
        let restarts = of_service(report, &service["id"]);
        ensure!(matches!(restarts.as_slice(), [one] if one["kind"] == "replace"), "{path}: {restarts:#?}");
        for generation in restarts[0]["generations"].as_array().context("generations")? {
            let master = &generation["processes"][0];
            ensure!(belongs_to(master) == expected, "{path}: {generation:#}");
        }
        let pod = qos.map(|_| self.uid.as_str());
        let flags = [("--unit", *unit), ("--container", container.as_deref()), ("--pod", pod)];
        for (flag, value) in flags.into_iter().filter_map(|(flag, value)| Some((flag, value?))) {
            ensure!(selected(journal, &[flag, value])? == [u64::from(port)], "{path}: {flag} {value}");
        }
        Ok(())
    }
}

/// Started where its runtime runs, as runtimes start things, and moved when it listens already.
#[test]
fn moved_between_cgroups_during_a_restart() {
    live("attribution::moved_between_cgroups_during_a_restart", &[], || {
        let Some(moving) = Moving::new("attribution::moved_between_cgroups_during_a_restart", "moved", 77)?
        else {
            return Ok(());
        };
        let mut old = moving.old.start()?;
        let port = old.port();
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("journal");
        let recording = Recording::start(&observer::program(), &path, &["-P", &port.to_string()])?;
        stop(&mut old)?;
        let new = moving.started_and_moved(|| {
            wait::until("the new one to be seen where it was started", LIMIT, || {
                let journal = fs::read(&path).context("reading the journal")?;
                Ok(String::from_utf8_lossy(&journal).contains("containerd.service").then_some(()))
            })
        })?;
        load::expect_served(new.address())?;

        let journal = recording.finish()?;
        let report = journal.json(&[])?;
        let container = format!("docker:{}", container_id(77));
        let service = service_at(&report, port)?;
        ensure!(
            belongs_to(service) == json!({ "unit": null, "container": container, "pod": null }),
            "{service:#}"
        );
        let restarts = of_service(&report, &service["id"]);
        let [restart] = restarts.as_slice() else { anyhow::bail!("one restart: {restarts:#?}") };
        let masters =
            [0, 1].map(|generation| belongs_to(&restart["generations"][generation]["processes"][0]));
        ensure!(masters[0]["unit"] == "dob-moved.service" && masters[1]["container"] == container.as_str());
        for names in [["--container", &container], ["--unit", "dob-moved"]] {
            ensure!(
                selected(&journal, &names)? == [u64::from(port)],
                "by what it was and by what it is: {names:?}"
            );
        }
        ensure!(selected(&journal, &["--unit", "containerd"])?.is_empty(), "its runtime's is not its own");
        Ok(())
    });
}

#[test]
fn a_screen_follows_a_move() {
    live("attribution::a_screen_follows_a_move", &[], || {
        let Some(moving) = Moving::new("attribution::a_screen_follows_a_move", "screen", 78)? else {
            return Ok(());
        };
        let mut old = moving.old.start()?;
        let mut command = Command::new(observer::program());
        command.args(["tui", "--standalone", "--unit", "dob-screen"]);
        let mut screen = Terminal::start(command, 120, 40)?;
        screen.wait_for(&["dob-screen", "serving"])?;
        stop(&mut old)?;
        let new = moving.started_and_moved(|| screen.wait_for(&["containerd"]).map(drop))?;
        load::expect_served(new.address())?;
        let container = container_id(78);
        screen.wait_for(&[&format!("docker:{}", &container[..12]), "CLEAN"])?;
        screen.types("q")?;
        ensure!(screen.wait_for_exit()?.success(), "{}", screen.text());
        Ok(())
    });
}

/// A unit, whose server comes back in a container.
struct Moving {
    old: Prefork<'static>,
    new: Prefork<'static>,
    container: PathBuf,
    /// Last, so that it is dropped when nobody is left in it.
    _tree: Tree,
}

impl Moving {
    /// In the hierarchy that this machine has; none, with word of it, where it has none.
    fn new(test: &str, name: &str, number: usize) -> Result<Option<Self>> {
        let Some(hierarchy) = any_hierarchy(test)? else { return Ok(None) };
        let mut tree = Tree::new(&hierarchy, name)?;
        let unit = tree.make(&format!("system.slice/dob-{name}.service"))?;
        let runtime = tree.make("system.slice/containerd.service")?;
        let container = tree.make(&format!("docker/{}", container_id(number)))?;
        let prefork = prefork()?.workers(1);
        let (old, new) = (prefork.clone().in_cgroup(&unit), prefork.in_cgroup(&runtime));
        Ok(Some(Self { old, new, container, _tree: tree }))
    }

    /// Starts the new one, and moves it when the observer has `seen` it where it was started, and before anybody asks it
    /// for something.
    fn started_and_moved(&self, seen: impl FnOnce() -> Result<()>) -> Result<Server> {
        let server = self.new.start_unserved()?;
        server.wait_for_log("ready ", LIMIT)?;
        seen()?;
        for pid in [vec![server.started()], server.workers()].concat() {
            cgroups::enter(&self.container, pid)?;
        }
        Ok(server)
    }
}

fn any_hierarchy(test: &str) -> Result<Option<PathBuf>> {
    for version in [Version::V2, Version::V1] {
        if let Some(found) = cgroups::hierarchy(version)? {
            return Ok(Some(found));
        }
    }
    requirements::skip(test, "no cgroups that can be written to");
    Ok(None)
}

#[test]
fn command_lines_where_they_are_asked_for() {
    live("attribution::command_lines_where_they_are_asked_for", &[], || {
        let prefork = prefork()?.workers(1);
        let address = prefork.address().to_string();
        for asked in [false, true] {
            let dir = tempfile::tempdir()?;
            let path = dir.path().join("journal");
            let mut old = prefork.start()?;
            let port = old.port().to_string();
            let flags: &[&str] = if asked { &["-P", &port, "--cmdline"] } else { &["-P", &port] };
            let recording = Recording::start(&observer::program(), &path, flags)?;
            stop(&mut old)?;
            let new = prefork.start()?;
            let journal = recording.finish()?;
            let held = String::from_utf8_lossy(&fs::read(&path)?).contains("--listen");
            ensure!(held == asked, "in the journal: {held}, asked for: {asked}");
            let (report, text) = (journal.json(&[])?, journal.text()?);
            let told = text.matches("started as ").count();
            ensure!(told == if asked { 2 } else { 0 }, "{text}");
            let generations = report["restarts"][0]["generations"].as_array().context("generations")?;
            for process in
                generations.iter().flat_map(|generation| generation["processes"].as_array()).flatten()
            {
                let line = &process["command_line"];
                let arguments = line["arguments"].as_array().map(Vec::as_slice).unwrap_or_default();
                let right = arguments.get(1..3) == Some(&[json!("--listen"), json!(address)]);
                ensure!(right == asked && line.is_null() != asked, "{process:#}");
            }
            drop(new);
        }
        Ok(())
    });
}

#[test]
fn namespaces_of_network_and_pids() {
    live("attribution::namespaces_of_network_and_pids", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = first_of_a_namespace(&prefork)?;
        old.wait_until_serving()?;
        let dir = tempfile::tempdir()?;
        let port = old.port();
        let recording =
            Recording::start(&observer::program(), &dir.path().join("journal"), &["-P", &port.to_string()])?;
        stop(&mut old)?;
        let mut new = first_of_a_namespace(&prefork)?;
        new.wait_until_serving()?;

        let report = recording.finish()?.json(&[])?;
        let netns = fs::metadata("/proc/self/ns/net")?.ino();
        let listener = &service_at(&report, port)?["listeners"][0];
        ensure!(listener["netns"] == netns, "{listener:#}");
        let generations = report["restarts"][0]["generations"].as_array().context("generations")?;
        for generation in generations {
            let processes = generation["processes"].as_array().context("processes")?;
            let inner: Vec<Option<u64>> = processes.iter().map(|one| one["inner_pid"].as_u64()).collect();
            ensure!(inner == [Some(1), Some(2), Some(3)], "{generation:#}");
        }
        Ok(())
    });
}

/// Starts a server as process 1 of a new pid namespace.
fn first_of_a_namespace(prefork: &Prefork<'_>) -> Result<Server> {
    // Only of this thread's children; it can't start threads itself any more.
    thread::scope(|scope| {
        let started = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWPID).context("making a pid namespace")?;
            prefork.start_unserved()
        });
        started.join().expect("the thread does not panic")
    })
}

fn stop(server: &mut Server) -> Result<()> {
    server.signal(Signal::SIGTERM)?;
    server.wait_for_exit(LIMIT)?;
    Ok(())
}

/// 64 digits, of which also the first twelve are no other's.
fn container_id(number: usize) -> String {
    format!("{number:04x}").repeat(16)
}

fn pod_uid(number: usize) -> String {
    format!("{number:08x}-0000-4aaa-8bbb-123456789abc")
}

fn service_at(report: &Value, port: u16) -> Result<&Value> {
    let services = report["services"].as_array().context("services")?;
    let at = |service: &&Value| {
        service["listeners"].as_array().is_some_and(|all| all.iter().any(|it| it["port"] == port))
    };
    services.iter().find(at).with_context(|| format!("no service at {port}: {services:#?}"))
}

fn of_service<'a>(report: &'a Value, service: &Value) -> Vec<&'a Value> {
    let restarts = report["restarts"].as_array().into_iter().flatten();
    restarts.filter(|restart| restart["service"] == *service).collect()
}

/// What is told of where a service or a process belongs.
fn belongs_to(value: &Value) -> Value {
    json!({ "unit": value["unit"], "container": value["container"], "pod": value["pod"] })
}

/// The ports of the services that are selected in this way.
fn selected(journal: &Journal, selection: &[&str]) -> Result<Vec<u64>> {
    let report = journal.json(selection)?;
    let services = report["services"].as_array().context("services")?;
    Ok(services.iter().filter_map(|service| service["listeners"][0]["port"].as_u64()).collect())
}
