//! One restart in words.

use super::page::Page;
use super::{connections_of, outcomes, short, title};
use crate::report::model::{Durations, GenerationProcess, Place, Restart, Service, Severity, Silence, Step};
use crate::report::words::{self, plural};
use std::io::{self, Write};

/// Of a longer timeline this many steps from its beginning, and a third from its end.
const MAX_STEPS: usize = 60;
/// More processes of a generation are not listed.
const MAX_PROCESSES: usize = 20;
const LABEL: usize = 10;

pub(super) fn write<W: Write>(
    page: &mut Page<W>,
    restart: &Restart,
    service: Option<&Service>,
) -> io::Result<()> {
    page.text(&format!(
        "{}: {}, {}: {} lost",
        words::verdict(restart.verdict),
        title(&restart.service_name, service),
        words::kind(restart.kind),
        connections_of(restart.lost),
    ))?;
    facts(page, restart, service)?;
    findings(page, restart)?;
    silence(page, restart)?;
    counts(page, restart)?;
    timeline(page, restart)?;
    generations(page, restart)
}

fn facts<W: Write>(page: &mut Page<W>, restart: &Restart, service: Option<&Service>) -> io::Result<()> {
    let mut fact = |label: &str, text: &str| page.hanging(2, &format!("{label:<LABEL$}"), text);
    fact("verdict", &restart.reason)?;
    if let Some(cause) = &restart.cause {
        fact("cause", &cause.text)?;
    }
    let took = match restart.durations.total {
        Some(total) => format!("took {total:.3}s"),
        None => "still under way when the observation ended".to_owned(),
    };
    fact("when", &format!("{} UTC, {took}", short(&restart.started_at, 3)))?;
    let phases = phases(&restart.durations);
    if !phases.is_empty() {
        fact("phases", &phases)?;
    }
    if restart.events_lost > 0 {
        let events = plural(restart.events_lost, "event was", "events were");
        fact(
            "doubt",
            &format!("{} {events} lost while it went on: counts are lower bounds", restart.events_lost),
        )?;
    }
    if let Some(place) = service.and_then(runs_in) {
        fact("runs in", &place)?;
    }
    fact("id", &restart.id)
}

fn runs_in(service: &Service) -> Option<String> {
    let pod = service.pod.as_ref().map(|pod| (pod.uid.as_str(), pod.qos_class.as_str()));
    words::runs_in(&service.name, service.unit.as_deref(), service.container.as_deref(), pod)
}

fn findings<W: Write>(page: &mut Page<W>, restart: &Restart) -> io::Result<()> {
    if !restart.findings.is_empty() {
        page.indented(2, "findings")?;
    }
    for finding in &restart.findings {
        let severity = match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        page.hanging(4, &format!("{severity:<8}"), &format!("{}: {}", finding.id, finding.sentence))?;
        page.hanging(12, "-> ", &finding.hint)?;
    }
    if let Some(finding) = restart.findings.first() {
        let target = format!("{}/{}", restart.id, finding.id);
        page.hanging(4, &format!("{:<8}", "why"), &format!("report JOURNAL --explain {target}"))?;
    }
    Ok(())
}

fn silence<W: Write>(page: &mut Page<W>, restart: &Restart) -> io::Result<()> {
    for silence in &restart.silence {
        let text = silence_line(silence);
        if !text.is_empty() {
            page.hanging(2, &format!("{:<LABEL$}", "silence"), &text)?;
        }
    }
    Ok(())
}

/// What is worth saying of a listener: nothing where it was neither closed nor left alone.
fn silence_line(silence: &Silence) -> String {
    let mut parts = Vec::new();
    if silence.not_listening > 0.0 {
        let yet = if silence.listens { "" } else { " so far" };
        let bound =
            if silence.not_listening - silence.not_listening_at_least < 0.001 { "" } else { "at most " };
        parts.push(format!("nobody listened for {bound}{:.3}s{yet}", silence.not_listening));
    }
    if let Some(it) = &silence.not_accepting {
        let bound = if it.exact { "" } else { "at most " };
        parts.push(format!("nobody accepted for {bound}{:.3}s", it.seconds));
    }
    if parts.is_empty() && silence.drops == 0 {
        return String::new();
    }
    if silence.peak_queue > 0 {
        parts.push(format!("queue at most {} (limit {})", silence.peak_queue, silence.queue_limit));
    }
    if let Some(wait) = &silence.longest_wait {
        let bound = if wait.exact { "" } else { "at most " };
        parts.push(format!("longest wait {bound}{:.3}s", wait.seconds));
    }
    if silence.drops > 0 {
        parts.push(words::drops(matches!(silence.listener, Place::Unix(_)), silence.drops));
    }
    format!("{}: {}", silence.listener, parts.join(", "))
}

fn phases(durations: &Durations) -> String {
    let phases = [
        (durations.drain, "until the old was gone"),
        (durations.gap, "without a listener"),
        (durations.boot, "from new start to first response"),
    ];
    let phases = phases.into_iter().filter_map(|(seconds, what)| Some(format!("{:.3}s {what}", seconds?)));
    phases.collect::<Vec<_>>().join(", ")
}

fn counts<W: Write>(page: &mut Page<W>, restart: &Restart) -> io::Result<()> {
    if restart.lost > 0 {
        page.indented(2, "lost")?;
        outcomes(page, 2, &restart.counts, |outcome| outcome.is_lost())?;
    }
    if restart.counts.iter().any(|(outcome, count)| *count > 0 && !outcome.is_lost()) {
        page.indented(2, "not lost")?;
        outcomes(page, 2, &restart.counts, |outcome| !outcome.is_lost())?;
    }
    if restart.outgoing_lost > 0 {
        let text = format!(
            "{} opened by the old generation died with data undelivered",
            connections_of(restart.outgoing_lost)
        );
        page.hanging(2, &format!("{:<LABEL$}", "outgoing"), &text)?;
    }
    Ok(())
}

fn timeline<W: Write>(page: &mut Page<W>, restart: &Restart) -> io::Result<()> {
    let steps = &restart.timeline;
    if steps.is_empty() {
        return Ok(());
    }
    page.indented(2, "timeline")?;
    if steps.len() <= MAX_STEPS {
        step_lines(page, steps)?;
    } else {
        let tail = MAX_STEPS / 3;
        let head = MAX_STEPS - tail;
        step_lines(page, &steps[..head])?;
        page.indented(4, &format!("... {} more steps: -o json", steps.len() - MAX_STEPS))?;
        step_lines(page, &steps[steps.len() - tail..])?;
    }
    if restart.steps_dropped > 0 {
        page.indented(4, &format!("{} further steps were not kept", restart.steps_dropped))?;
    }
    Ok(())
}

fn step_lines<W: Write>(page: &mut Page<W>, steps: &[Step]) -> io::Result<()> {
    for step in steps {
        page.hanging(4, &format!("{:>+9.3}s  ", step.relative_seconds), &step.text)?;
    }
    Ok(())
}

fn generations<W: Write>(page: &mut Page<W>, restart: &Restart) -> io::Result<()> {
    for generation in &restart.generations {
        let name = if generation.old { "old generation" } else { "new generation" };
        if generation.processes.is_empty() {
            page.indented(2, &format!("{name}: none was seen"))?;
            continue;
        }
        page.indented(2, name)?;
        for process in generation.processes.iter().take(MAX_PROCESSES) {
            page.hanging(4, "", &process_line(process))?;
            if let Some(command) = process.command_line.as_ref().filter(|_| process.master) {
                page.indented(6, &words::command(&command.arguments, command.truncated))?;
            }
        }
        if generation.processes.len() > MAX_PROCESSES {
            page.indented(
                4,
                &format!("... and {} more: -o json", generation.processes.len() - MAX_PROCESSES),
            )?;
        }
    }
    Ok(())
}

fn process_line(process: &GenerationProcess) -> String {
    let master = if process.master { ", master" } else { "" };
    let program =
        if process.executable.is_empty() { String::new() } else { format!(" {}", process.executable) };
    let end = match (&process.exited_at, &process.exit) {
        (Some(at), Some(exit)) => {
            let signal =
                exit.signal.as_ref().and_then(|signal| u8::try_from(signal.number).ok()).unwrap_or(0);
            format!("{} at {}", words::exited(exit.status, signal), clock(&short(at, 3)))
        }
        (Some(at), None) => format!("replaced its program at {}", clock(&short(at, 3))),
        (None, _) => "alive".to_owned(),
    };
    let connections = match (process.connections, process.lost) {
        (0, _) => String::new(),
        (count, lost) => format!("; {}, {lost} lost", connections_of(count.into())),
    };
    format!(
        "{} (pid {}{master}){program} since {}, {end}{connections}",
        process.comm,
        process.pid,
        short(&process.image_since, 0)
    )
}

/// Without the date.
fn clock(time: &str) -> &str {
    time.split_once(' ').map_or(time, |(_, clock)| clock)
}
