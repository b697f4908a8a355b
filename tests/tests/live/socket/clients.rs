//! One person at a time.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::daemon::report;
use drain_observer_tests::terminal::Terminal;
use drain_observer_tests::truth::compare;
use drain_observer_tests::{load, observer, processes, wait};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::person::{GROUP, OnCall, mode, said, watching};
use crate::support::{LIMIT, busy, live, lossy, prefork, queued};

/// A restart as a member of the group sees it by each of the commands: what the clients saw, and what root reads from the
/// journal.
#[test]
fn a_member_of_the_group_sees_it_all() {
    live("socket::a_member_of_the_group_sees_it_all", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let mut old = prefork.start()?;
        let port = old.port().to_string();
        let on_call = OnCall::start(&["-P", &port])?;
        ensure!(mode(&on_call.socket())? == 0o660, "the group may use it, and nobody else");
        let watch = watching(on_call.member("watch", &["-o", "json"]))?;
        let mut screen = Terminal::start(on_call.member("tui", &[]), 120, 40)?;
        screen.wait_for(&["serving", "live", "all hooks in place"])?;

        let mut truth = lossy(&mut old)?;
        let mut new = prefork.start()?;
        truth.extend(new.take_probes());
        truth.extend(load::expect_served(new.address())?);
        screen.wait_for(&["LOSSY", "5 connections lost", "listener_outlived_workers"])?;
        screen.types("q")?;
        ensure!(screen.wait_for_exit()?.success(), "{}", screen.text());
        let lost = Cell::new(0);
        let ended = watch.lines.wait_for("the restart's end", LIMIT, |line| {
            let queued = line.contains("\"type\":\"connection\"") && line.contains("queue_reset");
            lost.set(lost.get() + usize::from(queued));
            line.contains("\"type\":\"restart_ended\"")
        })?;
        let ended: Value = serde_json::from_str(&ended).context("a line of JSON")?;
        ensure!(lost.get() == 5 && ended["verdict"] == "lossy", "{lost:?} lost; {ended}");

        let (code, text, error) = said(on_call.member("report", &["-o", "json"]))?;
        ensure!(code == Some(0), "report ended with {code:?}: {error}");
        let found: Value = serde_json::from_str(&text).context("a report")?;
        let comparison = compare(&found, &truth, new.port())?;
        ensure!(comparison.agrees() && comparison.matched.len() == 5, "{comparison:?}");
        let own = report(&[&on_call.journal()], &[])?;
        for part in ["services", "restarts", "connections"] {
            ensure!(found[part] == own[part], "{part}: {} instead of {}", found[part], own[part]);
        }
        let (code, text, error) =
            said(on_call.member("report", &["--since", "1s", "--until", "2020-01-01T00:00:00Z"]))?;
        ensure!(code == Some(2) && text.is_empty(), "a span that ends before it begins: {code:?} {error}");
        let status = on_call.daemon.stop()?;
        ensure!(status.success(), "the daemon ended with {status}");
        watch.notices.wait_for("its end to be told", LIMIT, |line| line.contains("was ended"))?;
        Ok(())
    });
}

/// Who comes while a restart goes on is told of it from its beginning.
#[test]
fn connected_in_the_middle_of_a_restart() {
    live("socket::connected_in_the_middle_of_a_restart", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_secs(4));
        let mut old = prefork.start()?;
        let on_call = OnCall::start(&["-P", &old.port().to_string()])?;
        let first = watching(on_call.member("watch", &[]))?;
        let busy = busy(old.address(), 2, 1_500)?;
        let queued = queued(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        first.lines.wait_for("its beginning", LIMIT, |line| line.contains("SIGTERM"))?;
        let second = watching(on_call.member("watch", &["-o", "json"]))?;
        let screen = Terminal::start(on_call.member("tui", &[]), 120, 40)?;
        let by = format!("(pid {}) to prefork", std::process::id());
        screen.wait_for(&["UNDER WAY", "SIGTERM from", &by])?;
        old.wait_until_gone(LIMIT)?;
        busy.join();
        queued.join();
        let new = prefork.start()?;
        load::expect_served(new.address())?;
        let ended =
            second.lines.wait_for("its end", LIMIT, |line| line.contains("\"type\":\"restart_ended\""))?;
        let ended: Value = serde_json::from_str(&ended).context("a line of JSON")?;
        ensure!(ended["cause"]["signal"]["name"] == "SIGTERM", "{ended}");
        ensure!(ended["lost"] == 5 && ended["verdict"] == "lossy", "{ended}");
        screen.wait_for(&["LOSSY", "5 connections lost"])?;
        Ok(())
    });
}

#[test]
fn others_are_refused() {
    live("socket::others_are_refused", &[], || {
        let server = prefork()?.workers(1).start()?;
        let on_call = OnCall::start(&["-P", &server.port().to_string()])?;
        for (subcommand, args) in [("report", &[][..]), ("watch", &[]), ("gate", &["--", "true"])] {
            let (code, _, error) = said(on_call.stranger(subcommand, args))?;
            ensure!(
                code == Some(2) && error.contains("you may not use the daemon at"),
                "{subcommand}: {error}"
            );
            ensure!(error.contains("usermod -aG"), "what to do about it: {error}");
        }
        // Somebody has loosened the permissions of the file: the daemon looks at who comes.
        fs::set_permissions(on_call.socket(), fs::Permissions::from_mode(0o666))?;
        let (code, _, error) = said(on_call.stranger("report", &[]))?;
        let refused = format!("only members of the group {GROUP} and root may use this daemon");
        ensure!(code == Some(2) && error.contains(&refused), "{error}");
        on_call.daemon.wait_for("the refusal to be counted", |metrics| {
            metrics.sum("drain_observer_socket_clients_ended_total", &[("how", "refused")]) == 1.0
        })?;
        let (code, _, error) = said(on_call.member("report", &[]))?;
        ensure!(code == Some(0), "{error}");
        Ok(())
    });
}

/// The gate decides as it does by itself, for a deploy job that is not root, and records a journal.
#[test]
fn a_gate_through_the_daemon() {
    live("socket::a_gate_through_the_daemon", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(300));
        let mut old = prefork.start()?;
        let port = old.port().to_string();
        let on_call = OnCall::start(&[])?;
        // One that is over is not the command's doing.
        lossy(&mut old)?;
        let mut old = prefork.start()?;
        load::expect_served(old.address())?;
        let journal = on_call.desk()?.join("gate.journal").display().to_string();
        let (code, text, error) =
            said(on_call.member("gate", &["-P", &port, "--settle", "500ms", "--", "true"]))?;
        ensure!(code == Some(0) && text.contains("PASS: no restart was seen"), "{code:?} {text} {error}");

        let runs = on_call.desk()?.join("runs");
        let script = format!("touch {}", runs.display());
        let gate = on_call.member("gate", &["-P", &port, "--journal", &journal, "--", "sh", "-c", &script]);
        let gate = thread::spawn(move || said(gate));
        wait::until("the gate's command to run", LIMIT, || Ok(runs.exists().then_some(())))?;
        let truth = lossy(&mut old)?;
        let new = prefork.start()?;
        load::expect_served(new.address())?;
        let (code, text, error) = gate.join().expect("a gate does not panic")?;
        ensure!(
            code == Some(1) && text.contains("FAIL: 5 connections were lost, 0 may be"),
            "{code:?} {text} {error}"
        );
        let output = observer::run(&observer::program(), ["report", "-o", "json", &journal])?;
        let found: Value = serde_json::from_slice(&output.stdout).context("a report")?;
        let comparison = compare(&found, &truth, new.port())?;
        ensure!(comparison.matched.len() == 5, "{comparison:?}");
        Ok(())
    });
}

/// A screen that is open while its daemon is killed and started again goes on when it is back; a gate is inconclusive.
#[test]
fn the_daemon_goes_away() {
    live("socket::the_daemon_goes_away", &[], || {
        let server = prefork()?.workers(1).start()?;
        let on_call = OnCall::start(&["-P", &server.port().to_string()])?;
        let mut screen = Terminal::start(on_call.member("tui", &[]), 120, 40)?;
        screen.wait_for(&["serving", "live"])?;
        let watch = watching(on_call.member("watch", &[]))?;
        let runs = on_call.desk()?.join("runs");
        let shown = runs.display();
        let script = format!("touch {shown}; while [ -e {shown} ]; do sleep 0.05; done; echo over");
        let gate = on_call.member("gate", &["--", "sh", "-c", &script]);
        let gate = thread::spawn(move || said(gate));
        wait::until("the gate's command to run", LIMIT, || Ok(runs.exists().then_some(())))?;
        let on_call = on_call.restart(|| {
            screen.wait_for(&["the daemon is gone"])?;
            watch.notices.wait_for("the daemon to be missed", LIMIT, |line| line.contains("is gone"))?;
            fs::remove_file(&runs)?;
            let (code, text, error) = gate.join().expect("a gate does not panic")?;
            ensure!(code == Some(3) && text.contains("INCONCLUSIVE"), "{code:?} {text} {error}");
            ensure!(text.contains("over"), "the command was not left alone: {text}");
            Ok(())
        })?;
        on_call.daemon.wait_for("the screen to come back", |metrics| {
            metrics.sum("drain_observer_socket_clients", &[]) == 1.0
        })?;
        screen.wait_for(&["serving", "live"])?;
        screen.types("q")?;
        ensure!(screen.wait_for_exit()?.success(), "{}", screen.text());
        Ok(())
    });
}

/// Without a flag a daemon is found, or not, at its usual place; by one's own means if need be.
#[test]
fn versions_that_do_not_fit_say_so() {
    live("socket::versions_that_do_not_fit_say_so", &[], || {
        let server = prefork()?.workers(1).start()?;
        let on_call = OnCall::start(&["-P", &server.port().to_string()])?;
        // A newer client, and an older daemon: this one.
        let mut client = UnixStream::connect(on_call.socket())?;
        client.set_read_timeout(Some(LIMIT))?;
        let tool = r#""tool":{"name":"drain-observer","version":"9.9.9"}"#;
        writeln!(client, r#"{{"drain_observer_socket":99,{tool},"ask":{{"dance":{{}}}}}}"#)?;
        let mut answer = String::new();
        BufReader::new(&client).read_line(&mut answer)?;
        ensure!(
            answer.starts_with(r#"{"drain_observer_socket":1,"#) && answer.contains("refused"),
            "{answer}"
        );
        on_call.daemon.wait_for("the refusal to be counted", |metrics| {
            metrics.sum("drain_observer_socket_clients_ended_total", &[("how", "refused")]) == 1.0
        })?;
        ensure!(
            on_call.daemon.said().contains("drain-observer 9.9.9 speaks version 99"),
            "{}",
            on_call.daemon.said()
        );

        // A newer daemon, and an older client: this one.
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path)?;
        let newer = thread::spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            let answer = r#""answer":{"sing":[]}}"#;
            writeln!(stream, r#"{{"drain_observer_socket":99,{tool},{answer}"#)?;
            Ok(())
        });
        let mut command = Command::new(observer::program());
        command.arg("watch").arg("--connect").arg(&path);
        let (code, _, error) = said(command)?;
        newer.join().expect("it does not panic")?;
        let words = "is drain-observer 9.9.9 and speaks version 99 of the socket's protocol";
        ensure!(code == Some(2) && error.contains(words) && error.contains("update the program"), "{error}");
        ensure!(error.trim_end().lines().count() == 1, "one line: {error}");
        Ok(())
    });
}

/// A second daemon at the same socket is refused; one that was killed has left its socket behind, which does no harm.
#[test]
fn one_socket_one_daemon() {
    live("socket::one_socket_one_daemon", &[], || {
        let on_call = OnCall::start(&[])?;
        let mut command = Command::new(observer::program());
        command.args(["serve", "--listen", "127.0.0.1:0", "--socket"]).arg(on_call.socket());
        let journal = tempfile::tempdir()?;
        command.arg("--journal-dir").arg(journal.path());
        let (code, _, error) = said(command)?;
        ensure!(code == Some(2) && error.contains("a daemon answers already at"), "{error}");
        let on_call = on_call.restart(|| Ok(()))?;
        let (code, _, error) = said(on_call.member("report", &[]))?;
        ensure!(code == Some(0), "{error}");
        let (pid, socket) = (on_call.daemon.pid(), on_call.socket());
        ensure!(processes::alive(pid), "it runs");
        ensure!(on_call.daemon.stop()?.success(), "it ends well");
        ensure!(!socket.exists(), "and takes its socket with it");
        Ok(())
    });
}
