//! `drain-observer serve` and `drain-observer exporter`: the daemon, with and without the flight recorder.

use super::answering::Answering;
use super::masking::MaskPeers;
use super::probing::Probing;
use super::run_as::RunAs;
use super::{ENVIRONMENT, record};
use crate::exporter::MAX_SERVICES;
use crate::journal::{RecorderSettings, RecorderStatus};
use crate::runtime::{Stop, Summary};
use crate::selection::Selection;
use crate::serve::{Began, Done, Plan, serve};
use crate::socket::SocketSettings;
use crate::{diagnostics, privilege};
use anyhow::{Context as _, Result};
use bytesize::ByteSize;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `serve`.
#[derive(Args, Debug)]
#[command(after_help = "Typical use, as root:\n  \
    drain-observer serve                                   # all services of this host\n  \
    drain-observer tui                                     # as a member of the socket's group\n  \
    drain-observer report --since 2h\n\n\
    SIGTERM ends it in good order within 2 s. A full disk does not end it: observing and metrics go on,\n\
    what could not be written is counted, and writing goes on when there is room.")]
pub struct ServeArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    recorder: Recorder,
    #[command(flatten)]
    answering: Answering,
}

/// Arguments of `exporter`.
#[derive(Args, Debug)]
#[command(after_help = "Typical use, as root:\n  \
    drain-observer exporter\n  \
    curl http://127.0.0.1:9931/metrics")]
pub struct ExporterArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct Common {
    #[command(flatten)]
    selection: Selection,
    /// Where /metrics, /healthz and /readyz are served; port 0 = any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9931")]
    listen: SocketAddr,
    /// Services that metrics name; more are counted together as `other`
    #[arg(long, value_name = "N", default_value_t = MAX_SERVICES)]
    max_services: usize,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    masking: MaskPeers,
    #[command(flatten)]
    run_as: RunAs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Flight recorder")]
struct Recorder {
    /// Directory of the journal's segments, made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "/var/lib/drain-observer")]
    journal_dir: PathBuf,
    /// Bytes that the segments may take together, such as 256MiB; the oldest go first
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    journal_max_size: ByteSize,
    /// Segments older than this go, such as 7d or 12h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_age)]
    journal_max_age: Duration,
    /// What was written outlives a loss of power after this time
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = record::parse_duration)]
    journal_sync: Duration,
    /// Record connections that ended cleanly one by one too, instead of only counting them
    #[arg(long)]
    all_connections: bool,
}

/// Runs the subcommand.
pub fn run(args: &ServeArgs) -> Result<ExitCode> {
    let Recorder { journal_dir, journal_max_size, journal_max_age, journal_sync, all_connections } =
        &args.recorder;
    let settings = RecorderSettings {
        max_size: journal_max_size.as_u64(),
        max_age: *journal_max_age,
        sync_interval: *journal_sync,
        ..RecorderSettings::new(journal_dir.clone())
    };
    daemon(&args.common, *all_connections, Some(settings), args.answering.settings()?)
}

/// Runs the subcommand `exporter`.
pub fn run_exporter(args: &ExporterArgs) -> Result<ExitCode> {
    daemon(&args.common, false, None, None)
}

fn daemon(
    args: &Common,
    all_connections: bool,
    recorder: Option<RecorderSettings>,
    socket: Option<SocketSettings>,
) -> Result<ExitCode> {
    diagnostics::show_warnings();
    privilege::check()?;
    record::check_pids(&args.selection)?;
    let plan = Plan {
        header: record::header(&args.selection, all_connections, args.masking),
        how: args.probing.observing(&args.selection, all_connections),
        recorder,
        listen: args.listen,
        max_services: args.max_services,
        socket,
        privileges: args.run_as.privileges()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .context("cannot set up waiting for events")?
        .block_on(async { serve(&plan, Stop::listen()?, |began| say_began(args, began)).await })?;
    Ok(say_done(&done))
}

fn say_began(args: &Common, began: Began<'_>) {
    let Began { start, metrics, recorder, socket } = began;
    let recording = recorder.map(|(settings, status)| recording_into(settings, &status));
    let recording = recording.map_or_else(String::new, |recording| recording + ", ");
    let answering = socket.map_or_else(String::new, |path| format!(", answering at {}", path.display()));
    record::say(&format!(
        "{recording}serving http://{metrics}/metrics{answering}: {}",
        record::in_place(start)
    ));
    start.notes.iter().for_each(|note| record::say(&format!("note: {note}")));
    args.masking.say();
}

fn recording_into(settings: &RecorderSettings, status: &RecorderStatus) -> String {
    let dir = settings.dir.display();
    match &status.last_error {
        Some(error) if status.failing => format!("NOT recording ({error}; tried again all the time)"),
        _ => format!("recording into {dir} (at most {})", ByteSize(settings.max_size).display().iec()),
    }
}

fn say_done(done: &Done) -> ExitCode {
    let Summary { events, lost } = done.summary;
    record::say(&format!("observed {events} events ({lost} lost)"));
    match &done.recorded {
        Some(Err(error)) => {
            record::say(&format!("error: {error:#}"));
            ExitCode::from(ENVIRONMENT)
        }
        Some(Ok(status)) if status.dropped() > 0 => {
            record::say(&format!("{} events are not in the journal", status.dropped()));
            ExitCode::SUCCESS
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Parses an age such as `12h`, `7d`, `1w`.
fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no length of time: give one such as 30m, 12h or 7d");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let age = span.to_duration(days).map_err(|_| wrong())?;
    Duration::try_from(age).ok().filter(|age| !age.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_understood() {
        for (text, hours) in [("12h", 12), ("7d", 168), ("1w", 168), ("1d 12h", 36)] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(hours * 3_600)), "{text}");
        }
        for text in ["", "7", "0s", "-1d", "soon", "1y"] {
            assert!(parse_age(text).expect_err("no age").contains("12h or 7d"), "{text}");
        }
    }
}
