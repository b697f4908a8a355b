//! The project's own server at a socket file, with a client for each connection.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use drain_observer_tests::unix::client::UnixEnding;
use drain_observer_tests::unix::fates::{View, count};
use drain_observer_tests::unix::findings::Findings;
use drain_observer_tests::wait;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use super::stage::{Stage, server_at};
use crate::support::live;

#[test]
fn stopped_with_a_queue_and_started_again() {
    live("unix::fixture::stopped_with_a_queue_and_started_again", &[], || {
        let mut stage = Stage::new("unix-fixture-replaced")?;
        let findings = replaced(&mut stage, &[])?;
        findings.expect_finding("listener_gap")
    });
}

/// Where ends can't be seen, those who were served leave something behind at addresses that soon are those of who waits.
#[test]
fn served_clients_and_then_a_queue() {
    live("unix::fixture::served_clients_and_then_a_queue", &[], || {
        let mut stage = Stage::new("unix-fixture-served-first")?;
        let old = stage.server(&[])?;
        stage.record()?;
        stage.ask(12, &["/"])?;
        stage.busy(&old, 9_000, &[])?;
        stage.queued(6, &["/"])?;
        old.end(Signal::SIGTERM)?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(2, &["/"])?;
        stage.wait()?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "queue_reset", 6)?;
        findings.expect_outcome(stage.place(), "unanswered", 1)?;
        findings.expect_verdicts_among(&["lossy"])
    });
}

/// A socket file that is unlinked and bound again leaves the old listener with its queue, and nobody finds it any more.
#[test]
fn a_path_taken_over_by_another_socket() {
    live("unix::fixture::a_path_taken_over_by_another_socket", &[], || {
        let mut stage = Stage::new("unix-fixture-taken")?;
        let old = stage.server(&[])?;
        stage.record()?;
        stage.ask(1, &["/"])?;
        stage.busy(&old, 9_000, &[])?;
        stage.queued(4, &["/"])?;
        let new = stage.server(&["--replace"])?;
        stage.ask(3, &["/"])?;
        old.end(Signal::SIGTERM)?;
        stage.wait()?;
        stage.ask(2, &["/"])?;
        let findings = stage.finish()?;
        drop(new);
        findings.expect_outcome(stage.place(), "queue_reset", 4)?;
        findings.expect_outcome(stage.place(), "unanswered", 1)?;
        findings.expect_one_service(1)?;
        findings.expect_verdicts_among(&["lossy"])?;
        findings.expect_finding("replaced_queue_lost")
    });
}

#[test]
fn a_full_queue() {
    live("unix::fixture::a_full_queue", &[], || {
        let mut stage = Stage::new("unix-fixture-full")?;
        let server = stage.server(&["--backlog", "2"])?;
        stage.record()?;
        stage.busy(&server, 2_500, &[])?;
        stage.queued(3, &["/"])?;
        stage.ask(4, &["/", "--nonblocking"])?;
        stage.wait()?;
        stage.ask(1, &["/", "--nonblocking"])?;
        let findings = stage.finish()?;
        assert_eq!(count(stage.fates(), UnixEnding::Full), 4);
        // Without it nobody sees how long the queue was when they came.
        if View::of(&findings).is_whole() {
            findings.expect_outcome(stage.place(), "overflowed", 4)?;
        }
        findings.expect_verdicts_among(&[])
    });
}

/// The new server's queue is too short for those whom the old one no longer serves.
#[test]
fn a_queue_that_overflows_in_a_restart() {
    live("unix::fixture::a_queue_that_overflows_in_a_restart", &[], || {
        let mut stage = Stage::new("unix-fixture-overflow")?;
        let old = stage.server(&[])?;
        stage.record()?;
        stage.ask(1, &["/"])?;
        old.end(Signal::SIGTERM)?;
        stage.ask(1, &["/"])?;
        let boots = stage.server(&["--replace", "--idle", "--backlog", "1"])?;
        stage.queued(2, &["/"])?;
        // A listener that is gone at once may be missed.
        stage.ask(3, &["/", "--nonblocking", "--stay", &stay()])?;
        boots.end(Signal::SIGKILL)?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(2, &["/"])?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "queue_reset", 2)?;
        if View::of(&findings).is_whole() {
            findings.expect_outcome(stage.place(), "overflowed", 3)?;
            findings.expect_finding("accept_queue_overflow")?;
        }
        findings.expect_verdicts_among(&["lossy"])
    });
}

/// Whoever comes is refused, whoever waits is served.
#[test]
fn a_listener_that_is_shut_down() {
    live("unix::fixture::a_listener_that_is_shut_down", &[], || {
        let mut stage = Stage::new("unix-fixture-shut-down")?;
        let server = stage.server(&[])?;
        stage.record()?;
        stage.busy(&server, 2_500, &[])?;
        stage.queued(2, &["/"])?;
        server.signal(Signal::SIGUSR1)?;
        server.wait_for("shut down")?;
        stage.ask(3, &["/"])?;
        stage.wait()?;
        server.end(Signal::SIGTERM)?;
        let _new = stage.server(&["--replace"])?;
        stage.ask(1, &["/"])?;
        let findings = stage.finish()?;
        assert_eq!(count(stage.fates(), UnixEnding::Served), 4);
        findings.expect_outcome(stage.place(), "refused", 3)?;
        findings.expect_one_service(1)
    });
}

#[test]
fn a_listener_that_is_shut_down_with_nobody_to_accept() {
    live("unix::fixture::a_listener_that_is_shut_down_with_nobody_to_accept", &[], || {
        let mut stage = Stage::new("unix-fixture-shut-down-idle")?;
        let server = stage.server(&["--idle"])?;
        stage.record()?;
        stage.queued(3, &["/"])?;
        server.signal(Signal::SIGUSR1)?;
        server.wait_for("shut down")?;
        stage.ask(2, &["/"])?;
        server.end(Signal::SIGTERM)?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "refused", 2)?;
        findings.expect_outcome(stage.place(), "queue_reset", 3)
    });
}

#[test]
fn killed_with_a_part_of_a_request_read() {
    live("unix::fixture::killed_with_a_part_of_a_request_read", &[], || {
        let mut stage = Stage::new("unix-fixture-unread")?;
        let server = stage.server(&[])?;
        stage.record()?;
        stage.busy(&server, 9_000, &["--body", "20000"])?;
        server.end(Signal::SIGKILL)?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "unread_reset", 1)
    });
}

#[test]
fn killed_with_a_request_read() {
    live("unix::fixture::killed_with_a_request_read", &[], || {
        let mut stage = Stage::new("unix-fixture-unanswered")?;
        let server = stage.server(&[])?;
        stage.record()?;
        stage.busy(&server, 9_000, &[])?;
        server.end(Signal::SIGKILL)?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "unanswered", 1)
    });
}

#[test]
fn clients_that_leave() {
    live("unix::fixture::clients_that_leave", &[], || {
        let mut stage = Stage::new("unix-fixture-left")?;
        let server = stage.server(&[])?;
        stage.record()?;
        // While its request is worked on, while it waits in the queue, and with no request at all.
        stage.busy(&server, 2_500, &["--leave-after", "100"])?;
        stage.queued(1, &["/", "--leave-after", "100"])?;
        stage.queued(1, &["--leave-after", "100"])?;
        stage.wait()?;
        stage.ask(1, &["/"])?;
        let findings = stage.finish()?;
        assert_eq!(count(stage.fates(), UnixEnding::Left), 3);
        findings.expect_verdicts_among(&[])
    });
}

#[test]
fn clients_that_leave_a_queue_that_is_lost() {
    live("unix::fixture::clients_that_leave_a_queue_that_is_lost", &[], || {
        let mut stage = Stage::new("unix-fixture-left-queue")?;
        let server = stage.server(&["--idle"])?;
        stage.record()?;
        stage.queued(2, &["/", "--leave-after", "50"])?;
        stage.queued(1, &["--leave-after", "50"])?;
        stage.wait()?;
        stage.queued(2, &["/"])?;
        server.end(Signal::SIGTERM)?;
        let findings = stage.finish()?;
        // Without it nobody sees who had left before.
        if View::of(&findings).is_whole() {
            findings.expect_outcome(stage.place(), "queue_reset", 2)?;
            findings.expect_outcome(stage.place(), "gave_up", 2)?;
        }
        Ok(())
    });
}

#[test]
fn connections_that_the_server_closes() {
    live("unix::fixture::connections_that_the_server_closes", &[], || {
        let mut stage = Stage::new("unix-fixture-closed")?;
        let _server = stage.server(&["--patience", "100"])?;
        stage.record()?;
        // With nothing asked, before it is asked, and between two requests.
        stage.ask(2, &[])?;
        stage.ask(2, &["--late"])?;
        stage.ask(2, &["/", "--late"])?;
        stage.ask(2, &["/"])?;
        let findings = stage.finish()?;
        assert_eq!(count(stage.fates(), UnixEnding::Broken), 4);
        findings.expect_verdicts_among(&[])
    });
}

#[test]
fn an_abstract_name() {
    live("unix::fixture::an_abstract_name", &[], || {
        let name = format!("@drain-observer/test {}", std::process::id());
        let mut stage = Stage::new("unix-fixture-abstract")?.at(PathBuf::from(&name), name);
        replaced(&mut stage, &[]).map(drop)
    });
}

#[test]
fn a_relative_name() {
    live("unix::fixture::a_relative_name", &[], || {
        let mut stage = Stage::new("unix-fixture-relative")?.relative();
        replaced(&mut stage, &["--relative"]).map(drop)
    });
}

#[test]
fn a_name_that_is_not_utf_8() {
    live("unix::fixture::a_name_that_is_not_utf_8", &[], || {
        let stage = Stage::new("unix-fixture-bytes")?;
        let path = stage.path().as_os_str().as_bytes();
        let path = PathBuf::from(OsString::from_vec([path, b" \xff\x1b"].concat()));
        let place = format!("{} \\xff\\x1b", stage.place());
        replaced(&mut stage.at(path, place), &[]).map(drop)
    });
}

#[test]
fn clients_that_come_by_a_link() {
    live("unix::fixture::clients_that_come_by_a_link", &[], || {
        let mut stage = Stage::new("unix-fixture-link")?;
        let directory = stage.path().parent().context("a path with a directory")?;
        let link = directory.join("link");
        symlink(directory, &link)?;
        let link = link.join("app.sock");
        let old = stage.server(&[])?;
        stage.record()?;
        stage.ask_at(&link, 2, &["/"])?;
        old.end(Signal::SIGTERM)?;
        stage.ask_at(&link, 3, &["/", "--stay", &stay()])?;
        let _new = stage.server(&["--replace"])?;
        stage.ask_at(&link, 2, &["/"])?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "refused", 3)?;
        findings.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn a_server_in_another_network_namespace() {
    live("unix::fixture::a_server_in_another_network_namespace", &[], || {
        let mut stage = Stage::new("unix-fixture-netns")?;
        // A process inherits the namespace of the thread that starts it.
        let path = stage.path().to_owned();
        let old = elsewhere(|| server_at(&path, &[]))?;
        stage.record()?;
        stage.ask(2, &["/"])?;
        stage.busy(&old, 9_000, &[])?;
        // Their ends of the queue belong to the clients' namespace until they are accepted.
        stage.queued(2, &["/"])?;
        old.end(Signal::SIGTERM)?;
        stage.ask(2, &["/"])?;
        let _new = elsewhere(|| server_at(&path, &["--replace"]))?;
        stage.ask(2, &["/"])?;
        let findings = stage.finish()?;
        findings.expect_outcome(stage.place(), "queue_reset", 2)?;
        findings.expect_outcome(stage.place(), "refused", 2)
    });
}

/// How long clients stay after they know their fate, in milliseconds: what is gone at once may be missed.
fn stay() -> String {
    wait::patient(Duration::from_millis(200)).as_millis().to_string()
}

/// Does something in a network namespace of its own.
fn elsewhere<T: Send>(act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let act = || {
        unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
        act()
    };
    thread::scope(|scope| scope.spawn(act).join()).expect("the thread does not panic")
}

/// A server with a request and a queue that is told to stop; clients find nobody; then a new one.
fn replaced(stage: &mut Stage, args: &[&str]) -> Result<Findings> {
    let old = stage.server(args)?;
    let pid = old.pid();
    stage.record()?;
    stage.ask(2, &["/"])?;
    stage.busy(&old, 9_000, &[])?;
    stage.queued(4, &["/"])?;
    old.end(Signal::SIGTERM)?;
    stage.ask(3, &["/"])?;
    let file = stage.path().exists();
    let _new = stage.server(&[args, if file { &["--replace"] } else { &[] }].concat())?;
    stage.ask(2, &["/"])?;
    let findings = stage.finish()?;
    findings.expect_outcome(stage.place(), "queue_reset", 4)?;
    findings.expect_outcome(stage.place(), "unanswered", 1)?;
    findings.expect_outcome(stage.place(), "refused", 3)?;
    findings.expect_one_service(1)?;
    findings.expect_restart("replace", "lossy")?;
    findings.expect_signal("SIGTERM", pid)?;
    Ok(findings)
}
