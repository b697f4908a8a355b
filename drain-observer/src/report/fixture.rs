//! Snapshots made by hand, for tests: a puma replaced at a loss, and a clean reload.

use crate::correlate::*;
use crate::event::{
    Attribution, BootNs, Comm, Endpoint, Hook, HookState, ListenerKey, Pod, QosClass, SignalAction, Task,
};
use crate::journal::{Clock, Header, Host, Tool, VERSION};
use std::net::{IpAddr, Ipv4Addr};

const MS: BootNs = 1_000_000;
/// When the restart began.
pub(crate) const BEGAN: BootNs = 1_000_000 * MS;
const NETNS: u32 = 4_026_531_840;

/// A puma whose master kept the listener open after its workers: 3 connections reset in the queue, 1 unanswered,
/// 2 refused, and one lost outside the restart.
pub(crate) fn lossy() -> Snapshot {
    let cause = Cause::Signal(term());
    let lost = |outcome, port, after: BootNs, process| ConnectionFact {
        process,
        cause: Some(Box::new(cause.clone())),
        restart: Some(RestartId(0)),
        ..connection(outcome, port, BEGAN + after * MS)
    };
    let connections = vec![
        lost(Outcome::Unanswered, 40001, 250, Some(worker())),
        lost(Outcome::QueueReset, 40002, 1200, Some(master())),
        lost(Outcome::QueueReset, 40003, 1200, Some(master())),
        lost(Outcome::QueueReset, 40004, 1201, Some(master())),
        lost(Outcome::Refused, 40005, 1500, None),
        lost(Outcome::Refused, 40006, 1700, None),
        ConnectionFact {
            restart: None,
            cause: None,
            ..connection(Outcome::GaveUp, 40007, BEGAN - 9_000 * MS)
        },
        ConnectionFact {
            restart: Some(RestartId(0)),
            ..connection(Outcome::Served, 40008, BEGAN + 2600 * MS)
        },
    ];
    let counts = [
        (Outcome::Served, 17),
        (Outcome::IdleClosed, 2),
        (Outcome::QueueReset, 3),
        (Outcome::Unanswered, 1),
        (Outcome::Refused, 2),
    ];
    let mut restart = RestartFact {
        id: RestartId(0),
        curve: Vec::new(),
        service: ServiceId(0),
        kind: RestartKind::Replace,
        verdict: Verdict::Lossy,
        reason: "6 connections were lost".into(),
        started: BEGAN,
        ended: Some(BEGAN + 2600 * MS),
        cause: cause.clone(),
        times: Times {
            signal: Some(BEGAN),
            listener_closed: Some(BEGAN + 1200 * MS),
            last_accept: Some(BEGAN + 100 * MS),
            last_response: Some(BEGAN + 240 * MS),
            old_gone: Some(BEGAN + 1210 * MS),
            new_started: Some(BEGAN + 1300 * MS),
            listening: Some(BEGAN + 2100 * MS),
            first_served: Some(BEGAN + 2150 * MS),
        },
        counts: counts.into(),
        old: vec![
            MemberFact {
                ended: Some(BEGAN + 1210 * MS),
                exit: Some((0, 15)),
                master: true,
                ..member(master(), 1, BEGAN - 60_000 * MS)
            },
            MemberFact {
                ended: Some(BEGAN + 260 * MS),
                exit: Some((0, 0)),
                connections: 17,
                accepted: 17,
                lost: 1,
                ..member(worker(), 1000, BEGAN - 59_000 * MS)
            },
        ],
        new: vec![MemberFact { master: true, ..member(successor(), 1, BEGAN + 1300 * MS) }],
        signals: vec![
            term(),
            SignalFact {
                at: BEGAN + 10 * MS,
                sender: Some(master()),
                target: worker(),
                internal: true,
                to_master: false,
                delivered: None,
                repeats: 2,
                last_at: BEGAN + 200 * MS,
                ..term()
            },
        ],
        timeline: timeline(),
        steps_dropped: 0,
        outgoing_lost: 1,
        raced: 0,
        proxies: Vec::new(),
        events_lost: 0,
        silence: vec![SilenceFact {
            listener: key(8080),
            closed_at: Some(BEGAN + 1200 * MS),
            not_listening: 900 * MS,
            not_listening_at_least: 900 * MS,
            listens: true,
            not_accepting: Some(Unaccepted {
                from: BEGAN + 260 * MS,
                until: BEGAN + 1201 * MS,
                at_least: 941 * MS,
                exact: true,
                waiting: 3,
                reset: 3,
                gave_up: 0,
            }),
            longest_wait: Some(Wait { ns: 940 * MS, exact: true }),
            peak_queue: 3,
            queue_limit: 1024,
            drops: 0,
            refused: 2,
            last_arrival: Some(BEGAN + 1100 * MS),
        }],
        findings: Vec::new(),
    };
    restart.findings = findings::of(&restart, Some("puma.service"), BEGAN + 10_000 * MS, &Config::default());
    let service = ServiceFact {
        counts: [(Outcome::Served, 1017), (Outcome::GaveUp, 1)].into(),
        lost_outside_restarts: [(Outcome::GaveUp, 1)].into(),
        upstream_lost: 0,
        ..service("puma.service", 8080, successor())
    };
    Snapshot { services: vec![service], restarts: vec![restart], connections, ..quiet() }
}

/// A reload of nginx that lost nothing, on a host where something else lost a connection without a restart.
pub(crate) fn clean() -> Snapshot {
    let hup = SignalFact { signal: 1, target: task(500, "nginx"), ..term() };
    let restart = RestartFact {
        id: RestartId(0),
        curve: Vec::new(),
        service: ServiceId(0),
        kind: RestartKind::Reload,
        verdict: Verdict::Clean,
        reason: "nothing was lost".into(),
        started: BEGAN,
        ended: Some(BEGAN + 300 * MS),
        cause: Cause::Signal(hup.clone()),
        times: Times {
            signal: Some(BEGAN),
            old_gone: Some(BEGAN + 290 * MS),
            new_started: Some(BEGAN + 20 * MS),
            listening: Some(BEGAN + 21 * MS),
            first_served: Some(BEGAN + 30 * MS),
            ..Times::default()
        },
        counts: [(Outcome::Served, 40)].into(),
        old: vec![MemberFact {
            ended: Some(BEGAN + 290 * MS),
            exit: Some((0, 0)),
            executable: "/usr/sbin/nginx".into(),
            ..member(task(501, "nginx"), 500, BEGAN - 1000 * MS)
        }],
        new: vec![MemberFact {
            executable: String::new(),
            ..member(task(502, "nginx"), 500, BEGAN + 20 * MS)
        }],
        signals: vec![hup],
        timeline: Vec::new(),
        steps_dropped: 0,
        outgoing_lost: 0,
        raced: 0,
        proxies: Vec::new(),
        events_lost: 0,
        silence: Vec::new(),
        findings: Vec::new(),
    };
    let nginx = service("nginx.service", 80, task(500, "nginx"));
    let sick = ServiceFact {
        id: ServiceId(1),
        executable: "/srv/\x1b[2Jevil\n".into(),
        name: "\x1b[2Jevil\n:9000".into(),
        attribution: Attribution::default(),
        lost_outside_restarts: [(Outcome::Unanswered, 2)].into(),
        upstream_lost: 0,
        ..service("", 9000, task(700, "evil"))
    };
    Snapshot { services: vec![nginx, sick], restarts: vec![restart], ..quiet() }
}

/// Nothing happened, everything was seen.
pub(crate) fn quiet() -> Snapshot {
    let hook = |name: &str, required, state, reason: Option<&str>| Hook {
        name: name.into(),
        purpose: "ends of connections".into(),
        required,
        state,
        reason: reason.map(Into::into),
    };
    Snapshot {
        at: BEGAN + 10_000 * MS,
        from: BEGAN - 10_000 * MS,
        attached_at: Some(BEGAN - 9_990 * MS),
        ended: true,
        hooks: vec![
            hook("inet_sock_set_state", true, HookState::Attached, None),
            hook(
                "mark_victim",
                false,
                HookState::Missing,
                Some("no such tracepoint: OOM kills look like SIGKILL"),
            ),
        ],
        notes: Vec::new(),
        lost_events: Default::default(),
        bounds: Default::default(),
        services: Vec::new(),
        restarts: Vec::new(),
        connections: Vec::new(),
    }
}

/// The same on a socket file instead of port 8080, whose clients are a proxy's processes.
pub(crate) fn on_a_path(snapshot: &Snapshot, path: &str) -> Snapshot {
    fn to_path(json: &mut serde_json::Value, path: &str) {
        if json["port"] == 8080 {
            *json = serde_json::json!({ "path": path });
        } else if json.get("address").is_some() {
            *json = serde_json::json!({ "pid": json["port"], "comm": "nginx" });
        } else if let Some(fields) = json.as_object_mut() {
            fields.values_mut().for_each(|field| to_path(field, path));
        } else if let Some(items) = json.as_array_mut() {
            items.iter_mut().for_each(|item| to_path(item, path));
        }
    }
    let mut json = serde_json::to_value(snapshot).expect("a snapshot as JSON");
    to_path(&mut json, path);
    let mut snapshot: Snapshot = serde_json::from_value(json).expect("a snapshot from JSON");
    for connection in &mut snapshot.connections {
        (connection.bytes_received, connection.bytes_written) = (None, None);
    }
    snapshot
}

/// A header whose wall clock is 2026-01-02T03:04:05Z when the restart begins.
pub(crate) fn header() -> Header {
    Header {
        version: VERSION,
        tool: Tool::this(),
        host: Host {
            hostname: "web-1".into(),
            kernel: "6.18.0".into(),
            boot_id: "3f2a9c1b-0000-4000-8000-000000000001".into(),
        },
        created_at: "2026-01-02T03:03:55.000000000Z".into(),
        clock: Clock { wall_minus_boot_ns: 1_767_323_045_000_000_000 - BEGAN as i64, hz: 250 },
        selection: Default::default(),
        all_connections: false,
        masked_peers: None,
        segment: None,
    }
}

/// A connection to port 8080 that ended at `ended_at`.
pub(crate) fn connection(outcome: Outcome, port: u16, ended_at: BootNs) -> ConnectionFact {
    ConnectionFact {
        outcome,
        evidence: vec!["bytes_received 78, bytes_written 0".into()],
        local: endpoint(8080).into(),
        peer: endpoint(port).into(),
        netns: NETNS,
        established_at: (outcome != Outcome::Refused).then_some(ended_at - 90 * MS),
        ended_at,
        service: Some(ServiceId(0)),
        restart: None,
        process: None,
        cause: None,
        bytes_received: Some(78),
        bytes_written: Some(0),
        reused: Some(false),
        client: None,
        outgoing: false,
    }
}

fn timeline() -> Vec<Step> {
    let step = |after: BootNs, count, what| Step { at: BEGAN + after * MS, what, count };
    vec![
        step(0, 1, StepKind::Signal(term())),
        step(250, 1, StepKind::Lost { outcome: Outcome::Unanswered, task: Some(worker()) }),
        step(260, 1, StepKind::Exited { task: worker(), status: 0, signal: 0, old: true }),
        step(1200, 1, StepKind::ListenerClosed { task: master(), listener: key(8080), queue: 3, left: 0 }),
        step(1200, 3, StepKind::Lost { outcome: Outcome::QueueReset, task: Some(master()) }),
        step(1210, 1, StepKind::Exited { task: master(), status: 0, signal: 15, old: true }),
        step(1210, 1, StepKind::OldGone),
        step(1300, 1, StepKind::Started { task: successor(), parent: 1 }),
        step(1301, 1, StepKind::Executed { task: successor(), file: "/usr/bin/ruby\x07".into() }),
        step(1500, 2, StepKind::Lost { outcome: Outcome::Refused, task: None }),
        step(2100, 1, StepKind::ListenerOpened { task: successor(), listener: key(8080), limit: 1024 }),
        step(2150, 1, StepKind::FirstServed { task: successor() }),
    ]
}

pub(crate) fn term() -> SignalFact {
    SignalFact {
        at: BEGAN,
        signal: 15,
        sender: Some(deploy()),
        target: master(),
        internal: false,
        to_master: true,
        ignored: false,
        delivered: Some((BEGAN + MS / 10, SignalAction::Handler)),
        repeats: 0,
        last_at: BEGAN,
    }
}

pub(crate) fn service(name: &str, port: u16, master: Task) -> ServiceFact {
    ServiceFact {
        id: ServiceId(0),
        name: name.into(),
        attribution: Attribution {
            unit: Some(name.into()),
            container: Some("docker:0123abcd".into()),
            pod: Some(Pod { uid: "1f2e3d4c-0000-4aaa-8bbb-123456789abc".into(), qos: QosClass::Burstable }),
        },
        executable: "/usr/bin/ruby3.1".into(),
        listeners: vec![ListenerFact {
            key: key(port),
            sockets: 1,
            limit: 1024,
            queue: 0,
            established: 1020,
        }],
        processes: vec![MemberFact { master: true, ..member(master, 1, BEGAN - 1000 * MS) }],
        state: ServiceState::Serving,
        load: None,
        counts: Default::default(),
        lost_outside_restarts: Default::default(),
        upstream_lost: 0,
    }
}

pub(crate) fn member(task: Task, parent: u32, start: BootNs) -> MemberFact {
    MemberFact {
        pid: task.pid,
        inner_pid: None,
        comm: task.comm,
        executable: "/usr/bin/ruby3.1".into(),
        command: None,
        attribution: None,
        parent,
        start,
        image_since: start,
        master: false,
        ended: None,
        exit: None,
        connections: 0,
        accepted: 0,
        lost: 0,
    }
}

pub(crate) fn key(port: u16) -> ListenerKey {
    ListenerKey { netns: NETNS, local: endpoint(port).into() }
}

pub(crate) fn endpoint(port: u16) -> Endpoint {
    Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port }
}

pub(crate) fn task(pid: u32, comm: &str) -> Task {
    Task { pid, comm: Comm::new(comm.as_bytes()) }
}

fn deploy() -> Task {
    task(900, "deploy.sh")
}

fn master() -> Task {
    task(1000, "ruby")
}

fn worker() -> Task {
    task(1001, "ruby")
}

fn successor() -> Task {
    task(2000, "ruby")
}
