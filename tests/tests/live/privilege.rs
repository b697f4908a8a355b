//! What the daemon may still do when its probes are in place, and that it is enough.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::daemon::{Daemon, report};
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::servers::Server;
use drain_observer_tests::status::{Capabilities, of_threads};
use drain_observer_tests::truth::{Fate, compare};
use drain_observer_tests::{network, observer, ports, sockets, wait};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::User;
use serde_json::Value;

use crate::support::{LIMIT, busy, live, prefork, queued};
use crate::unix::stage::Stage;

/// What the document says, which a test compares with what the daemon keeps.
const DOCUMENT: &str = include_str!("../../../drain-observer/docs/privileges.md");
/// Numbers of capabilities, from include/uapi/linux/capability.h.
const NUMBERS: [(&str, u32); 5] = [
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];
const RESTARTS: &str = "drain_observer_restarts_total";

/// Every thread is another user with the documented capabilities and nothing else, whatever unix sockets have the
/// daemon load later on; and its files are that user's.
#[test]
fn every_thread_has_the_documented_set() {
    live("privilege::every_thread_has_the_documented_set", &[], || {
        let (user, group) = nobody()?;
        let dir = tempfile::tempdir()?;
        let journal = dir.path().join("journal");
        let daemon = recording(&journal, &["--user", "nobody"])?;
        expect_threads(&daemon, (user, group), documented())?;
        let owner = fs::metadata(format!("/proc/{}/environ", daemon.pid()))?.uid();
        ensure!(
            owner == 0,
            "a process that can't be dumped has files in /proc that are root's, not {owner}'s"
        );

        let mode = |path: &Path| -> Result<(u32, u32, u32)> {
            let found = fs::symlink_metadata(path)?;
            Ok((found.uid(), found.gid(), found.permissions().mode() & 0o7777))
        };
        ensure!(mode(&journal)? == (user, group, 0o750), "{:?}", mode(&journal)?);
        for file in fs::read_dir(&journal)? {
            let path = file?.path();
            ensure!(mode(&path)? == (user, group, 0o640), "{}: {:?}", path.display(), mode(&path)?);
        }
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");

        let less = documented() & !bit("CAP_SYS_ADMIN");
        let exporter = Daemon::start("exporter", &["--user", "nobody", "--drop-sys-admin"])?;
        expect_threads(&exporter, (user, group), less)?;
        let root = Daemon::start("exporter", &["--user", "root"])?;
        expect_threads(&root, (0, 0), documented())
    });
}

/// Restarts of servers of root's and of somebody else's, in another network namespace, and at a path where nobody
/// listened when privileges were given up: all are told, segment after segment, and by the next daemon as well.
#[test]
fn it_goes_on_with_what_is_left() {
    live("privilege::it_goes_on_with_what_is_left", &[], || {
        let (user, group) = nobody()?;
        let mut stage = Stage::new("privilege-unix")?;
        let path = stage.place().to_owned();
        let by_root = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let by_other = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let elsewhere = ports::free()?;
        let dir = tempfile::tempdir()?;
        let ports = [by_root.address().port(), by_other.address().port(), elsewhere];
        let ports = ports.map(|port| port.to_string());
        let args = ["-P", &ports[0], "-P", &ports[1], "-P", &ports[2], "--path", &path, "--user", "nobody"];
        let daemon = recording(
            dir.path(),
            &[&args[..], &["--journal-max-age", "1m", "--journal-max-size", "32MiB"]].concat(),
        )?;

        let (mut truth, _of_root) = replaced(&|| by_root.start())?;
        let (of_other, _by_other) = replaced(&|| by_other.start_as(user, group))?;
        let (of_elsewhere, _elsewhere) = replaced_elsewhere(elsewhere)?;
        truth.extend([of_other, of_elsewhere].concat());
        let old = stage.server(&[])?;
        let serving = [("state", "serving")];
        daemon.wait_for("the listener at the path to be seen", |it| {
            it.sum("drain_observer_service_state", &serving) == 4.0
        })?;
        stage.ask(1, &["/"])?;
        stage.busy(&old, 3_000, &[])?;
        stage.queued(3, &["/"])?;
        old.end(Signal::SIGTERM)?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(1, &["/"])?;
        stage.wait()?;
        daemon.wait_for("all restarts to be counted", |it| it.sum(RESTARTS, &[]) == 4.0)?;
        expect_threads(&daemon, (user, group), documented())?;
        let steady = Load::new(by_root.address()).clients(2, 100_000).rate(40).start();
        daemon.wait_for("another segment", |it| it.sum("drain_observer_journal_segments", &[]) >= 2.0)?;
        steady.stop();
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");

        let next = recording(dir.path(), &args)?;
        let status = next.stop()?;
        ensure!(status.success(), "the next daemon ended with {status}");
        let found = report(&[dir.path()], &[])?;
        for port in [by_root.address().port(), by_other.address().port(), elsewhere] {
            let comparison = compare(&found, &truth, port)?;
            ensure!(comparison.agrees() && comparison.matched.len() >= 4, "port {port}: {comparison:?}");
        }
        let at_path =
            restarts(&found)?.iter().find(|one| one["service_name"].to_string().contains("unix-server"));
        let lost = at_path.map(|restart| &restart["counts"]["queue_reset"]);
        ensure!(lost == Some(&3.into()), "{:?}", restarts(&found)?);
        Ok(())
    });
}

/// Started as somebody else who was given capabilities, as by a service manager, it stays that user, gives up what it
/// does not need, and observes as well as root does.
#[test]
fn started_with_capabilities_alone() {
    live("privilege::started_with_capabilities_alone", &["setpriv"], || {
        let (user, group) = nobody()?;
        let dir = tempfile::tempdir()?;
        std::os::unix::fs::chown(dir.path(), Some(user), Some(group))?;
        // CAP_NET_RAW is of no use to it.
        let given = documented() | 1 << 13;
        let names: Vec<String> = (0..64)
            .filter(|number| given & 1 << number != 0)
            .map(|number| format!("+cap_{number}"))
            .collect();
        let names = format!("-all,{}", names.join(","));
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()]);
        command.args([format!("--inh-caps={names}"), format!("--ambient-caps={names}")]);
        command.arg(format!("--bounding-set={names}")).arg(observer::program());
        let server = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let port = server.address().port();
        let journal = dir.path().to_str().context("a path in UTF-8")?;
        let args = ["--journal-dir", journal, "-P", &port.to_string()];
        let daemon = Daemon::start_by(command, "serve", &args)?;
        for thread in of_threads(daemon.pid())? {
            let kept = documented();
            // Taking from the bounding set is root's, and nothing can be had from it again.
            let expected = Capabilities {
                effective: kept,
                permitted: kept,
                bounding: given,
                inheritable: 0,
                ambient: 0,
            };
            ensure!(thread.capabilities == expected && thread.no_new_privs, "{thread:?}");
            ensure!(thread.users == [user; 4] && thread.further_groups.is_empty(), "{thread:?}");
        }
        let (truth, _new) = replaced(&|| server.start())?;
        daemon.wait_for("the restart to be counted", |it| it.sum(RESTARTS, &[]) == 1.0)?;
        let status = daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        let comparison = compare(&report(&[dir.path()], &[])?, &truth, port)?;
        ensure!(comparison.agrees() && comparison.matched.len() >= 4, "{comparison:?}");
        Ok(())
    });
}

/// What root recorded is the daemon's to go on with, whoever it becomes; what somebody put in place of a segment is not.
#[test]
fn the_directory_changes_hands() {
    live("privilege::the_directory_changes_hands", &[], || {
        let (user, _) = nobody()?;
        let dir = tempfile::tempdir()?;
        let journal = dir.path().join("journal");
        for (name, owner) in [("root", 0), ("nobody", user), ("root", 0), ("nobody", user)] {
            let status = recording(&journal, &["--user", name])?.stop()?;
            ensure!(status.success(), "as {name} the daemon ended with {status}");
            for file in fs::read_dir(&journal)? {
                let path = file?.path();
                let of = fs::metadata(&path)?.uid();
                ensure!(of == owner, "{} is of {of} after it ran as {name}", path.display());
            }
        }
        let [secret, other] = ["secret", "other"].map(|name| dir.path().join(name));
        fs::write(&secret, "root's")?;
        fs::write(&other, "root's")?;
        let segment =
            |number: u32| format!("drain-observer-20260102T030405.006Z-3f2a9c01-81234-{number}.journal");
        symlink(&secret, journal.join(segment(7)))?;
        fs::hard_link(&other, journal.join(segment(8)))?;
        recording(&journal, &["--user", "1234567:1234567"])?.stop()?;
        for path in [&secret, &other] {
            let of = fs::metadata(path)?.uid();
            ensure!(of == 0, "{} was given to {of}", path.display());
        }
        ensure!(fs::metadata(&journal)?.uid() == 1_234_567);

        // A directory of others' is not given away.
        fs::create_dir(dir.path().join("shared"))?;
        fs::write(dir.path().join("shared/passwd"), "")?;
        let shared = dir.path().join("shared").display().to_string();
        expect_refused(
            &["serve", "--socket", "none", "--journal-dir", &shared, "--user", "nobody"],
            "passwd",
        )?;
        ensure!(fs::metadata(&shared)?.uid() == 0);
        expect_refused(&["exporter", "--user", "nobody-of-that-name"], "useradd --system")
    });
}

/// Expects that the observer does not start, and says why.
fn expect_refused(args: &[&str], why: &str) -> Result<()> {
    let args = [args, &["--listen", "127.0.0.1:0"]].concat();
    let output = observer::run(&observer::program(), args)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2) && said.contains(why), "{}: {said}", output.status);
    Ok(())
}

/// Expects that each thread is this user and group and no other, with these capabilities and no way to more.
fn expect_threads(daemon: &Daemon, (user, group): (u32, u32), kept: u64) -> Result<()> {
    // A thread has its name only when it runs.
    let threads = wait::until("the thread that serves metrics", LIMIT, || {
        let threads = of_threads(daemon.pid())?;
        Ok(threads.iter().any(|thread| thread.name == "metrics").then_some(threads))
    })?;
    let expected =
        Capabilities { effective: kept, permitted: kept, bounding: kept, inheritable: 0, ambient: 0 };
    for thread in threads {
        let is_user = thread.users == [user; 4] && thread.groups == [group; 4];
        ensure!(is_user && thread.further_groups.is_empty(), "{thread:?}");
        ensure!(thread.capabilities == expected && thread.no_new_privs, "not {kept:x}: {thread:?}");
    }
    Ok(())
}

/// The capabilities in the document's table, a bit for each number.
fn documented() -> u64 {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `CAP_"));
    let names = rows.filter_map(|row| row.split_once('`')).map(|(name, _)| format!("CAP_{name}"));
    names.map(|name| bit(&name)).fold(0, |all, bit| all | bit)
}

fn bit(name: &str) -> u64 {
    let known = NUMBERS.iter().find(|(known, _)| *known == name);
    1 << known.unwrap_or_else(|| panic!("{name} has no number here")).1
}

fn nobody() -> Result<(u32, u32)> {
    let nobody = User::from_name("nobody")?.context("there is a user nobody")?;
    Ok((nobody.uid.as_raw(), nobody.gid.as_raw()))
}

fn recording(dir: &Path, args: &[&str]) -> Result<Daemon> {
    let path = dir.to_str().context("a path in UTF-8")?;
    Daemon::start("serve", &[&["--journal-dir", path], args].concat())
}

fn restarts(found: &Value) -> Result<&Vec<Value>> {
    found["restarts"].as_array().context("restarts")
}

/// Starts a server, stops it with four connections in its queue, which are lost, and starts it again.
fn replaced(start: &dyn Fn() -> Result<Server>) -> Result<(Vec<Fate>, Server)> {
    let mut old = start()?;
    let mut truth = old.take_probes();
    let busy = busy(old.address(), 2, 1_500)?;
    let queued = queued(old.address(), 4)?;
    old.signal(Signal::SIGTERM)?;
    old.wait_until_gone(LIMIT)?;
    sockets::wait_for_no_listener(old.port(), LIMIT)?;
    truth.extend(busy.join());
    truth.extend(queued.join());
    let mut new = start()?;
    truth.extend(new.take_probes());
    truth.extend(load::expect_served(new.address())?);
    Ok((truth, new))
}

/// The same in a network namespace of its own, which is new.
fn replaced_elsewhere(port: u16) -> Result<(Vec<Fate>, Server)> {
    let act = move || {
        unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
        network::loopback_up()?;
        let server =
            prefork()?.at(([127, 0, 0, 1], port).into()).workers(2).outlive(Duration::from_millis(300));
        replaced(&|| server.start())
    };
    // Processes that a thread starts are born into its namespace.
    thread::spawn(act).join().expect("the server's thread does not panic")
}
