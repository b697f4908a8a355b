//! The report in words: an incident summary that can be pasted into a chat.

mod live;
mod page;
mod restart;

use super::model::{Connection, Report, Service, Time};
use super::words::{self, plural};
use crate::correlate::Outcome;
pub use live::write_live;
pub(super) use page::{Page, acts};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// More connections are not listed.
const MAX_CONNECTIONS: usize = 20;
/// More names of services are not listed.
const MAX_NAMES: usize = 10;

/// Writes a report in words.
pub fn write_text(report: &Report, out: impl Write) -> io::Result<()> {
    let mut page = Page::new(out);
    summary(&mut page, report)?;
    for restart in &report.restarts {
        page.gap()?;
        let service = report.services.iter().find(|service| service.id == restart.service);
        restart::write(&mut page, restart, service)?;
    }
    losses_outside(&mut page, report)?;
    upstreams(&mut page, report)?;
    connections(&mut page, report)?;
    completeness(&mut page, report)
}

/// Text from outside made harmless for a terminal.
pub(crate) fn harmless(text: &str) -> String {
    page::escaped(text)
}

fn summary<W: Write>(page: &mut Page<W>, report: &Report) -> io::Result<()> {
    let window = &report.window;
    let seconds = window.until_boot_ns.saturating_sub(window.from_boot_ns) as f64 / 1e9;
    page.text(&format!(
        "{} {} on {} (kernel {}): {} to {} UTC, {seconds:.1}s{}",
        report.tool.name,
        report.tool.version,
        report.host.hostname,
        report.host.kernel,
        short(&window.from, 0),
        clock_in(report, &window.until, 0),
        if window.clipped { " of a longer observation" } else { "" },
    ))?;
    if let Some(masking) = report.masked_peers {
        page.text(&format!(
            "Peers are masked ({}): their addresses stand for the true ones.",
            masking.as_str()
        ))?;
    }
    let in_restarts: u64 = report.restarts.iter().map(|restart| restart.lost).sum();
    let outside: u64 =
        report.services.iter().flat_map(|service| service.losses_outside_restarts.values()).sum();
    let lost = format!("{} lost", connections_of(in_restarts + outside));
    match report.restarts.len() {
        // A name that was mistyped must not read as if all were well.
        0 if !report.completeness.matched => page.text("NOTHING MATCHES the selection: see the remarks."),
        0 => page.text(&format!("No restart was seen; {lost}. Observed: {}.", observed(report))),
        1 if outside == 0 => page.text(&format!("1 restart; {lost}.")),
        count => page.text(&format!(
            "{count} {}; {lost}, {in_restarts} of them in {}, {outside} outside.",
            plural(count as u64, "restart", "restarts"),
            plural(count as u64, "it", "them"),
        )),
    }
}

fn observed(report: &Report) -> String {
    let services = report.services.len();
    if services == 0 {
        return "no service".to_owned();
    }
    let mut names: Vec<&str> =
        report.services.iter().take(MAX_NAMES).map(|service| service.name.as_str()).collect();
    let more = format!("{} more", services.saturating_sub(MAX_NAMES));
    if services > MAX_NAMES {
        names.push(&more);
    }
    let counts = report.services.iter().flat_map(|service| service.counts.values());
    let seen = counts.fold(0, |sum: u64, count| sum.saturating_add(*count));
    format!(
        "{services} {} ({}), {} that ended",
        plural(services as u64, "service", "services"),
        names.join(", "),
        connections_of(seen)
    )
}

fn losses_outside<W: Write>(page: &mut Page<W>, report: &Report) -> io::Result<()> {
    let with_losses = |service: &&Service| !service.losses_outside_restarts.is_empty();
    let services: Vec<&Service> = report.services.iter().filter(with_losses).collect();
    if services.is_empty() {
        return Ok(());
    }
    page.gap()?;
    page.text("Lost outside any restart")?;
    for service in services {
        page.indented(2, &title(&service.name, Some(service)))?;
        outcomes(page, 4, &service.losses_outside_restarts, |_| true)?;
    }
    Ok(())
}

/// What the kernel took for responses may have been errors.
fn upstreams<W: Write>(page: &mut Page<W>, report: &Report) -> io::Result<()> {
    let proxies: Vec<&Service> = report.services.iter().filter(|service| service.upstream_lost > 0).collect();
    if proxies.is_empty() {
        return Ok(());
    }
    page.gap()?;
    page.text(
        "Lost upstream connections: up to so many responses of these are errors of their own (502, 504)",
    )?;
    for service in proxies {
        page.indented(2, &format!("{}: {}", title(&service.name, Some(service)), service.upstream_lost))?;
    }
    Ok(())
}

fn connections<W: Write>(page: &mut Page<W>, report: &Report) -> io::Result<()> {
    if report.connections.is_empty() {
        return Ok(());
    }
    let all_lost = report.connections.iter().all(|connection| connection.lost);
    page.gap()?;
    page.text(if all_lost { "Lost connections" } else { "Connections" })?;
    for connection in report.connections.iter().take(MAX_CONNECTIONS) {
        page.hanging(2, &format!("{} ", clock_in(report, &connection.ended_at, 3)), &row(connection))?;
    }
    match report.connections.len().saturating_sub(MAX_CONNECTIONS) {
        0 => Ok(()),
        more => page.indented(2, &format!("... and {more} more: -o json")),
    }
}

fn row(connection: &Connection) -> String {
    let by = match &connection.process {
        Some(process) => format!("; by {} (pid {})", process.comm, process.pid),
        None => String::new(),
    };
    let (peer, local) = (&connection.peer, &connection.local);
    let ends = if connection.outgoing { format!("{local} > {peer}") } else { format!("{peer} > {local}") };
    let bytes = match (connection.bytes_received, connection.bytes_written) {
        (Some(received), Some(written)) => format!(", {received} B in, {written} out"),
        _ => String::new(),
    };
    let outside = if connection.restart.is_none() { ", outside any restart" } else { "" };
    format!("{:<11} {ends}{bytes}{by}{outside}", connection.outcome.as_str())
}

fn completeness<W: Write>(page: &mut Page<W>, report: &Report) -> io::Result<()> {
    let completeness = &report.completeness;
    page.gap()?;
    page.text(match (completeness.complete, completeness.notes.is_empty()) {
        (true, true) => "Nothing is known to be missing from this report.",
        (true, false) => "Nothing is known to be missing from this report. Remarks:",
        (false, _) => "This report is INCOMPLETE; counts are lower bounds:",
    })?;
    for note in &completeness.notes {
        page.hanging(2, "- ", note)?;
    }
    Ok(())
}

/// Counts by outcome with the words' meaning, of those outcomes that are `wanted`.
fn outcomes<W: Write>(
    page: &mut Page<W>,
    indent: usize,
    counts: &BTreeMap<Outcome, u64>,
    wanted: impl Fn(Outcome) -> bool,
) -> io::Result<()> {
    for (outcome, count) in counts.iter().filter(|(outcome, count)| **count > 0 && wanted(**outcome)) {
        let label = format!("{count:>5} {}: ", outcome.as_str());
        page.hanging(indent, &label, words::outcome(*outcome))?;
    }
    Ok(())
}

/// A service's name and where it listens.
fn title(name: &str, service: Option<&Service>) -> String {
    let listeners = service.map(|service| service.listeners.as_slice()).unwrap_or_default();
    let mut places: Vec<String> = listeners.iter().take(MAX_NAMES).map(|one| one.place.to_string()).collect();
    if listeners.len() > MAX_NAMES {
        places.push(format!("{} more", listeners.len() - MAX_NAMES));
    }
    if places.is_empty() { name.to_owned() } else { format!("{name} ({})", places.join(", ")) }
}

fn connections_of(count: u64) -> String {
    format!("{count} {}", plural(count, "connection", "connections"))
}

/// As [`short`], without the date where that goes without saying.
fn clock_in(report: &Report, time: &Time, digits: usize) -> String {
    let date = |time: &Time| time.0.get(..10).map(str::to_owned);
    let dates = [&report.window.from, &report.window.until, time].map(date);
    let time = short(time, digits);
    match time.split_once(' ') {
        Some((_, clock)) if dates[0] == dates[1] && dates[1] == dates[2] => clock.to_owned(),
        _ => time,
    }
}

/// A time as a person reads it, with so many digits of a second.
fn short(time: &Time, digits: usize) -> String {
    let end = if digits == 0 { 19 } else { 20 + digits };
    time.0.get(..end).unwrap_or(&time.0).replace('T', " ")
}
