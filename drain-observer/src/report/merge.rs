//! Several reports as one.

use super::model::{
    Completeness, Connection, HostRef, JournalPart, Peer, Place, Report, Restart, Service, Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// Puts the reports of several journals into one, each row with its host, in order of wall-clock time. `None` if
/// there are none. A restart, connection or service that several journals of one boot tell of alike is in it once.
pub fn merge(mut reports: Vec<Report>) -> Option<Report> {
    if reports.len() < 2 {
        return reports.pop();
    }
    reports.sort_by(|a, b| (&a.window.from, &a.host.boot_id).cmp(&(&b.window.from, &b.host.boot_id)));
    let overlap_note = overlap_note(&reports);
    let journals = reports.iter().map(|report| JournalPart {
        host: report.host.clone(),
        window: report.window.clone(),
        masked_peers: report.masked_peers,
        completeness: report.completeness.clone(),
    });
    let journals = journals.collect();

    let mut merged: Option<Report> = None;
    let mut observed: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for mut report in reports {
        sign(&mut report);
        let span = (report.window.from_boot_ns, report.window.until_boot_ns);
        let spans = observed.entry(report.host.boot_id.clone()).or_default();
        let overlaps = spans.iter().any(|other| span.0 <= other.1 && other.0 <= span.1);
        spans.push(span);
        match &mut merged {
            None => {
                prefix_notes(&mut report.completeness, &report.host.hostname);
                merged = Some(report);
            }
            Some(merged) => add(merged, report, overlaps),
        }
    }
    let mut merged = merged?;
    merged.journals = journals;
    merged.completeness.notes.extend(overlap_note);
    merged.restarts.sort_by(|a, b| (&a.started_at, &a.id).cmp(&(&b.started_at, &b.id)));
    merged
        .connections
        .sort_by(|a, b| (&a.ended_at, &a.peer, &a.local).cmp(&(&b.ended_at, &b.peer, &b.local)));
    Some(merged)
}

fn sign(report: &mut Report) {
    let host = Some(HostRef { hostname: report.host.hostname.clone(), boot_id: report.host.boot_id.clone() });
    report.services.iter_mut().for_each(|row| row.host.clone_from(&host));
    report.restarts.iter_mut().for_each(|row| row.host.clone_from(&host));
    report.connections.iter_mut().for_each(|row| row.host.clone_from(&host));
}

fn add(merged: &mut Report, report: Report, overlaps: bool) {
    let (ours, theirs) = (&mut merged.window, report.window);
    if theirs.until > ours.until {
        (ours.until, ours.until_boot_ns) = (theirs.until, theirs.until_boot_ns);
    }
    ours.observed_from = min(&ours.observed_from, &theirs.observed_from);
    ours.observed_until = max(&ours.observed_until, &theirs.observed_until);
    ours.clipped |= theirs.clipped;
    merged.masked_peers = merged.masked_peers.or(report.masked_peers);
    add_completeness(&mut merged.completeness, report.completeness, &report.host.hostname);
    for service in report.services {
        add_service(&mut merged.services, service, overlaps);
    }
    for restart in report.restarts {
        add_restart(&mut merged.restarts, restart);
    }
    add_connections(&mut merged.connections, report.connections);
}

fn min(a: &Time, b: &Time) -> Time {
    a.min(b).clone()
}

fn max(a: &Time, b: &Time) -> Time {
    a.max(b).clone()
}

fn add_completeness(merged: &mut Completeness, mut more: Completeness, host: &str) {
    prefix_notes(&mut more, host);
    merged.complete &= more.complete;
    merged.matched |= more.matched;
    merged.notes.append(&mut more.notes);
    for hook in more.hooks {
        if !merged.hooks.contains(&hook) {
            merged.hooks.push(hook);
        }
    }
    for lost in more.lost_events {
        let same =
            merged.lost_events.iter_mut().find(|one| (&one.kind, &one.reason) == (&lost.kind, &lost.reason));
        match same {
            Some(same) => same.count = same.count.saturating_add(lost.count),
            None => merged.lost_events.push(lost),
        }
    }
    merged.lost_events.sort();
    for bound in more.bounds {
        match merged.bounds.iter_mut().find(|one| one.bound == bound.bound) {
            Some(same) => same.hits = same.hits.saturating_add(bound.hits),
            None => merged.bounds.push(bound),
        }
    }
    merged.bounds.sort();
    if let (Some(ours), Some(theirs)) = (&mut merged.journal, more.journal) {
        ours.events = ours.events.saturating_add(theirs.events);
        ours.broken_lines = ours.broken_lines.saturating_add(theirs.broken_lines);
        ours.unknown_events = ours.unknown_events.saturating_add(theirs.unknown_events);
        ours.tail_cut |= theirs.tail_cut;
    }
}

fn prefix_notes(completeness: &mut Completeness, host: &str) {
    for note in &mut completeness.notes {
        *note = format!("{host}: {note}");
    }
}

/// The same service in a later journal of the same boot: described as it is later. Counts of journals that overlap
/// are not added up, because both may have counted the same connections.
fn add_service(services: &mut Vec<Service>, mut later: Service, overlaps: bool) {
    let Some(earlier) = services.iter_mut().find(|service| service.id == later.id) else {
        services.push(later);
        return;
    };
    let total = |a: u64, b: u64| if overlaps { a.max(b) } else { a.saturating_add(b) };
    let unite = |into: &mut BTreeMap<_, u64>, from: &BTreeMap<_, u64>| {
        for (outcome, count) in from {
            let sum = into.entry(*outcome).or_default();
            *sum = total(*sum, *count);
        }
    };
    unite(&mut later.counts, &earlier.counts);
    unite(&mut later.losses_outside_restarts, &earlier.losses_outside_restarts);
    later.upstream_lost = total(later.upstream_lost, earlier.upstream_lost);
    *earlier = later;
}

/// The same restart in two journals: the account that saw its end, or else more of it.
fn add_restart(restarts: &mut Vec<Restart>, other: Restart) {
    let seen = |restart: &Restart| (restart.ended_boot_ns.is_some(), restart.counts.values().sum::<u64>());
    match restarts.iter_mut().find(|restart| restart.id == other.id) {
        None => restarts.push(other),
        Some(known) if seen(&other) > seen(known) => *known = other,
        Some(_) => {}
    }
}

fn add_connections(connections: &mut Vec<Connection>, more: Vec<Connection>) {
    type Key<'a> = (Option<&'a str>, u32, u64, &'a Peer, &'a Place);
    fn key(one: &Connection) -> Key<'_> {
        let boot = one.host.as_ref().map(|host| host.boot_id.as_str());
        (boot, one.netns, one.ended_boot_ns, &one.peer, &one.local)
    }
    let known: BTreeSet<Key<'_>> = connections.iter().map(key).collect();
    let new: Vec<bool> = more.iter().map(|one| !known.contains(&key(one))).collect();
    drop(known);
    connections.extend(more.into_iter().zip(new).filter(|(_, new)| *new).map(|(one, _)| one));
}

fn overlap_note(reports: &[Report]) -> Option<String> {
    let overlap = |a: &Report, b: &Report| {
        a.host.boot_id == b.host.boot_id
            && a.window.from_boot_ns <= b.window.until_boot_ns
            && b.window.from_boot_ns <= a.window.until_boot_ns
    };
    let any = reports.iter().enumerate().any(|(index, a)| reports[index + 1..].iter().any(|b| overlap(a, b)));
    any.then(|| {
        "journals of the same host overlap in time: what two observers saw at the same time is listed by both"
            .into()
    })
}
