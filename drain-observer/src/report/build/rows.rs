//! Services and connections.

use super::{cause, names::Names};
use crate::correlate::{ConnectionFact, ListenerFact, LoadFact, MemberFact, Outcome, ServiceFact, Snapshot};
use crate::report::WallClock;
use crate::report::model::{Connection, HeldConnections, Listener, Load, Service, ServiceProcess};
use crate::report::window::Part;
use std::collections::BTreeMap;

pub(super) fn service(
    service: &ServiceFact,
    snapshot: &Snapshot,
    part: &Part,
    names: &Names,
    clock: &WallClock,
) -> Service {
    let (losses, upstream_lost) = if part.clipped {
        (losses_within(service, snapshot, part), upstream_lost_within(service, snapshot, part))
    } else {
        (service.lost_outside_restarts.clone(), service.upstream_lost)
    };
    Service {
        host: None,
        id: names.service(service.id),
        name: service.name.clone(),
        unit: service.attribution.unit.clone(),
        container: service.attribution.container.clone(),
        pod: service.attribution.pod.as_ref().map(Into::into),
        executable: service.executable.clone(),
        listeners: service.listeners.iter().map(listener).collect(),
        processes: service.processes.iter().map(|member| process(member, clock)).collect(),
        state: service.state,
        load: service.load.as_ref().map(|load| self::load(load, clock)),
        counts: service.counts.clone(),
        losses_outside_restarts: losses.into_iter().filter(|(_, count)| *count > 0).collect(),
        upstream_lost,
    }
}

fn load(load: &LoadFact, clock: &WallClock) -> Load {
    let held = load.held.iter().map(|held| HeldConnections {
        pid: held.pid,
        open: held.open,
        unread: held.unread,
        awaiting: held.awaiting,
        unsent: held.unsent,
        oldest: clock.time(held.oldest),
    });
    Load {
        at: clock.time(load.at),
        queued: load.queued,
        in_flight: load.in_flight(),
        held: held.collect(),
        complete: load.complete,
    }
}

pub(super) fn connection(connection: &ConnectionFact, names: &Names, clock: &WallClock) -> Connection {
    Connection {
        host: None,
        outcome: connection.outcome,
        lost: connection.outcome.is_lost(),
        local: (&connection.local).into(),
        peer: (&connection.peer).into(),
        netns: connection.netns,
        established_at: connection.established_at.map(|at| clock.time(at)),
        ended_at: clock.time(connection.ended_at),
        ended_boot_ns: connection.ended_at,
        restart: connection.restart.map(|restart| names.restart(restart)),
        service: connection.service.map(|service| names.service(service)),
        process: connection.process.as_ref().map(Into::into),
        cause: connection.cause.as_deref().map(cause::build),
        bytes_received: connection.bytes_received,
        bytes_written: connection.bytes_written,
        reused: connection.reused,
        client: connection.client.as_ref().map(Into::into),
        outgoing: connection.outgoing,
        evidence: connection.evidence.clone(),
    }
}

/// Counted from the connections that are kept: the correlator's own counts have no times.
fn losses_within(service: &ServiceFact, snapshot: &Snapshot, part: &Part) -> BTreeMap<Outcome, u64> {
    let mut losses = BTreeMap::new();
    for connection in &snapshot.connections {
        let ours =
            connection.service == Some(service.id) && connection.restart.is_none() && !connection.outgoing;
        if ours && connection.outcome.is_lost() && part.contains(connection.ended_at) {
            *losses.entry(connection.outcome).or_default() += 1;
        }
    }
    losses
}

fn upstream_lost_within(service: &ServiceFact, snapshot: &Snapshot, part: &Part) -> u64 {
    let own = |pid| service.processes.iter().any(|process| process.pid == pid);
    let lost = snapshot.connections.iter().filter(|connection| {
        connection.outcome.is_lost()
            && connection.service != Some(service.id)
            && connection.client.is_some_and(|client| own(client.pid))
            && part.contains(connection.ended_at)
    });
    lost.count() as u64
}

fn listener(listener: &ListenerFact) -> Listener {
    Listener {
        place: (&listener.key.local).into(),
        netns: listener.key.netns,
        sockets: listener.sockets,
        queue_limit: listener.limit,
        queue: listener.queue,
        established: listener.established,
    }
}

fn process(member: &MemberFact, clock: &WallClock) -> ServiceProcess {
    ServiceProcess {
        pid: member.pid,
        inner_pid: member.inner_pid,
        comm: member.comm.as_str().to_owned(),
        executable: member.executable.clone(),
        command_line: member.command.as_deref().map(Into::into),
        belongs_to: member.attribution.as_deref().map(Into::into).unwrap_or_default(),
        parent: member.parent,
        master: member.master,
        started_at: clock.time(member.start),
    }
}
