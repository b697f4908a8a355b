//! Each finding's example sentence; that it is found where it should be is for the scenarios.

use super::hints;
use crate::correlate::facts::Unaccepted;
use crate::correlate::facts::finding::*;
use crate::event::{BootNs, Comm, Endpoint, ListenerKey, Task, UnixPath};

const SECOND: BootNs = 1_000_000_000;

fn task(pid: u32, comm: &str) -> Task {
    Task { pid, comm: Comm::new(comm.as_bytes()) }
}

fn at(port: u16) -> ListenerKey {
    ListenerKey { netns: 1, local: Endpoint { address: [0, 0, 0, 0].into(), port }.into() }
}

fn on(path: &[u8]) -> ListenerKey {
    ListenerKey { netns: 1, local: UnixPath::new(path).into() }
}

fn says(finding: Finding, severity: Severity, sentence: &str) {
    assert_eq!(finding.sentence(), sentence);
    assert_eq!(finding.severity(), severity);
    let json = serde_json::to_value(&finding).expect("a finding as JSON");
    assert_eq!(json["id"], finding.id());
    assert_eq!(serde_json::from_value::<Finding>(json).expect("a finding from JSON"), finding);
}

#[test]
fn signals() {
    let swallowed = RestartDidNotHappen {
        signal: 12,
        sender: Some(task(900, "sv")),
        target: task(100, "puma"),
        watched: 9 * SECOND,
        may_reopen_logs: false,
        passed_on: false,
        evidence: vec![0],
    };
    says(
        Finding::RestartDidNotHappen(swallowed),
        Severity::Warning,
        "SIGUSR2 from sv (pid 900) to puma (pid 100) restarted nothing: 9.0 s later it is the same process with the \
         same program, workers and listeners",
    );
    let ignored = SignalIgnored {
        signal: 12,
        sender: Some(task(900, "bash")),
        target: task(100, "nginx"),
        evidence: vec![0],
    };
    says(
        Finding::SignalIgnored(ignored),
        Severity::Warning,
        "nginx (pid 100) ignores SIGUSR2, which bash (pid 900) sent it: the kernel dropped it",
    );
    let repeated = RepeatedSignal {
        signal: 1,
        sender: Some(task(300, "h")),
        target: task(100, "puma"),
        times: 3,
        within: 3_800_000_000,
        evidence: vec![0],
    };
    says(
        Finding::RepeatedSignal(repeated),
        Severity::Warning,
        "SIGHUP was sent to puma (pid 100) 3 times within 3.8 s, by h (pid 300) first",
    );
    let group = GroupSignal {
        signal: 15,
        sender: Some(task(10, "dyno")),
        master: task(100, "puma"),
        workers: vec![101, 102],
        gone_before: 1,
        lost: 3,
        evidence: vec![0],
    };
    says(
        Finding::GroupSignal(group),
        Severity::Error,
        "dyno (pid 10) sent SIGTERM to puma (pid 100) and at once to 2 processes below it, so that the master could \
         not drain them; 1 of them was gone before it; they lost 3 connections",
    );
}

#[test]
fn listeners() {
    let unaccepted = Unaccepted {
        from: SECOND,
        until: 6_600_000_000,
        at_least: 0,
        exact: false,
        waiting: 3,
        reset: 0,
        gave_up: 1,
    };
    let silent = |unaccepted| {
        Finding::SilentListener(SilentListener {
            listener: at(9292),
            unaccepted,
            peak_queue: 3,
            queue_limit: 1024,
            evidence: vec![0],
        })
    };
    let rest = "somebody listened at 0.0.0.0:9292 and nobody accepted: 3 connections waited, 1 was given up by its \
                client; the queue was 3 deep (limit 1024)";
    says(silent(unaccepted), Severity::Error, &format!("for up to 5.6 s {rest}"));
    let bounded = Unaccepted { at_least: 4 * SECOND, ..unaccepted };
    says(silent(bounded), Severity::Error, &format!("for 4.0 s to 5.6 s {rest}"));
    let sure = Unaccepted { at_least: 5_600_000_000, ..unaccepted };
    says(silent(sure), Severity::Error, &format!("for 5.6 s {rest}"));
    let outlived = ListenerOutlivedWorkers {
        listener: at(9292),
        holder: task(100, "puma"),
        kept: 2 * SECOND,
        workers: 1,
        queue: 4,
        evidence: vec![0],
    };
    says(
        Finding::ListenerOutlivedWorkers(outlived),
        Severity::Error,
        "puma (pid 100) kept 0.0.0.0:9292 open for 2.0 s after the last of 1 worker had ended: the kernel went on \
         accepting for nobody, with 4 connections in the queue at the close",
    );
    let gap = ListenerGap {
        listener: at(8080),
        gap: 39 * SECOND,
        at_least: 39 * SECOND,
        open: false,
        refused: 1,
        evidence: vec![0],
    };
    says(
        Finding::ListenerGap(gap),
        Severity::Error,
        "nobody listened at 0.0.0.0:8080 for 39.0 s: 1 connection was refused",
    );
    let until_the_end = NoBlackout {
        listener: at(7000),
        before: SECOND / 20,
        after_signal: SECOND,
        refused: 9,
        evidence: vec![0],
    };
    says(
        Finding::NoBlackout(until_the_end),
        Severity::Error,
        "connections kept coming to 0.0.0.0:7000 until 0.050 s before it closed, 1.0 s after the signal, and 9 more \
         were refused then: nothing had told the clients or their load balancer to go elsewhere",
    );
}

#[test]
fn queues() {
    let overflow = AcceptQueueOverflow {
        listener: at(7000),
        peak_queue: 5,
        queue_limit: 4,
        drops: Some(12),
        reset: 0,
        longest_wait: Some(2 * SECOND),
        evidence: vec![0],
    };
    says(
        Finding::AcceptQueueOverflow(AcceptQueueOverflow {
            listener: on(b"/run/a.sock"),
            ..overflow.clone()
        }),
        Severity::Error,
        "the accept queue of /run/a.sock was full (5 waiting at most, limit 4): 12 clients turned away; the longest wait was up to 2.0 s",
    );
    says(
        Finding::AcceptQueueOverflow(overflow),
        Severity::Warning,
        "the accept queue of 0.0.0.0:7000 was full (5 waiting at most, limit 4): 12 packets dropped; the longest wait was up to 2.0 s",
    );
    let lost = ReuseportQueueLost { listener: at(7000), sockets: 1, queue: 2, left: 1, evidence: vec![0, 1] };
    says(
        Finding::ReuseportQueueLost(lost),
        Severity::Error,
        "1 listening socket of 0.0.0.0:7000 closed with 2 connections queued while 1 other listened on there: they \
         were reset, not handed over",
    );
    let lost = ReplacedQueueLost { listener: on(b"/run/a.sock"), sockets: 1, queue: 2, evidence: vec![0, 1] };
    says(
        Finding::ReplacedQueueLost(lost),
        Severity::Error,
        "1 listening socket of /run/a.sock closed with 2 connections queued after another had been bound to its path: \
         they were reset, not handed over",
    );
}

#[test]
fn draining() {
    let killed = KilledWhileDraining {
        pids: vec![101],
        sender: Some(task(100, "gunicorn")),
        after: 30 * SECOND,
        lost: 3,
        evidence: vec![0],
    };
    says(
        Finding::KilledWhileDraining(killed),
        Severity::Error,
        "1 process (pid 101) of the old generation was killed with SIGKILL by gunicorn (pid 100), 30.0 s after the \
         restart was asked for; 3 connections lost by that",
    );
    let crashed = CrashedWhileDraining {
        processes: vec![Ended { pid: 100, status: 1, signal: 0 }, Ended { pid: 101, status: 0, signal: 11 }],
        lost: 0,
        evidence: vec![0],
    };
    says(
        Finding::CrashedWhileDraining(crashed),
        Severity::Warning,
        "2 processes of the old generation did not end in good order while it drained: pid 100 exited with status 1, \
         pid 101 died of SIGSEGV; 0 connections lost by that",
    );
    let residual = ResidualGeneration {
        pids: vec![101],
        still_there: 1,
        stayed: 68 * SECOND,
        beside_new: true,
        past_deadline: true,
        lost: 0,
        evidence: vec![0],
    };
    says(
        Finding::ResidualGeneration(residual),
        Severity::Warning,
        "1 process (pid 101) of the old generation stayed for 68.0 s beside the new one, with 1 still there at the \
         end; 0 connections lost by that",
    );
}

#[test]
fn responses() {
    says(
        Finding::ResponseCutOff(ResponseCutOff { truncated: 1, evidence: vec![0] }),
        Severity::Error,
        "1 response was cut off: begun, and the rest dropped",
    );
    says(
        Finding::KeepaliveRace(KeepaliveRace { raced: 2, evidence: vec![0] }),
        Severity::Error,
        "2 requests came on keep-alive connections just when the server closed them, or after it had",
    );
    says(
        Finding::OutgoingWorkLost(OutgoingWorkLost { connections: 1, evidence: vec![0] }),
        Severity::Error,
        "1 connection that the old generation had opened itself died with data undelivered: uploads, queries, messages",
    );
}

#[test]
fn known_servers_have_their_own_settings_in_the_hint() {
    let finding = Finding::KilledWhileDraining(KilledWhileDraining {
        pids: vec![101],
        sender: None,
        after: SECOND,
        lost: 0,
        evidence: vec![0],
    });
    let snapshot = crate::report::fixture::lossy();
    let hint = |comm: &str, executable: &str, unit: Option<&str>| {
        let mut fact = snapshot.restarts[0].clone();
        fact.new.clear();
        for member in &mut fact.old {
            (member.comm, member.executable) = (Comm::new(comm.as_bytes()), executable.to_owned());
        }
        hints::hint(&finding, &hints::Server::of(&fact, unit))
    };
    assert!(hint("puma", "/usr/bin/ruby3.1", None).contains("worker_shutdown_timeout"));
    assert!(hint("gunicorn", "/usr/bin/python3", None).contains("graceful_timeout"));
    assert!(hint("haproxy", "/usr/sbin/haproxy", None).contains("hard-stop-after"));
    assert!(hint("x", "/usr/sbin/nginx", None).contains("worker_shutdown_timeout"));
    let unknown = hint("app", "/usr/bin/app", None);
    assert!(unknown.contains("grace period") && !unknown.contains("TimeoutStopSec"), "{unknown}");
    assert!(hint("app", "/usr/bin/app", Some("app.service")).contains("In app.service: TimeoutStopSec"));
}
