//! `drain-observer serve` and `drain-observer exporter`: the daemon, with and without the flight recorder.

use super::answering::Answering;
use super::configuration::{self, Configuration, Reloader};
use super::masking::MaskPeers;
use super::probing::Probing;
use super::run_as::RunAs;
use super::{ENVIRONMENT, record};
use crate::config::Schema;
use crate::exporter::MAX_SERVICES;
use crate::journal::{RecorderSettings, RecorderStatus};
use crate::runtime::Summary;
use crate::selection::Selection;
use crate::serve::{Began, Control, Done, Notify, Plan, Reload, Tuning, serve};
use crate::{diagnostics, privilege};
use anyhow::{Context as _, Result};
use bytesize::ByteSize;
use clap::{Args, FromArgMatches};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `serve`.
#[derive(Args, Debug)]
#[command(after_help = "Typical use, as root:\n  \
    drain-observer serve                                   # all services of this host\n  \
    drain-observer tui                                     # as a member of the socket's group\n  \
    drain-observer report --since 2h\n\n\
    SIGTERM ends it in good order within 2 s, SIGHUP has it read its settings again. A full disk does\n\
    not end it: observing and metrics go on, what could not be written is counted, and writing goes on\n\
    when there is room.")]
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
    #[command(flatten)]
    configuration: Configuration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Flight recorder")]
struct Recorder {
    /// Directory of the journal's segments, made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "/var/lib/drain-observer")]
    journal_dir: PathBuf,
    /// Bytes that the segments may take together, such as 256MiB; the oldest go first
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    journal_max_size: ByteSize,
    /// Segments older than this go, such as 7d or 12h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_age)]
    journal_max_age: Duration,
    /// What was written outlives a loss of power after this time
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_sync)]
    journal_sync: Duration,
    /// Record connections that ended cleanly one by one too, instead of only counting them
    #[arg(long)]
    all_connections: bool,
}

/// Settings that a reload changes. The others shape what the kernel watches, where things are, or what counters mean.
const LIVE: [&str; 4] = ["max_services", "journal_max_size", "journal_max_age", "journal_sync"];

/// What the file of settings may have: all that flags can say.
pub fn schema() -> Schema {
    Schema::of(&configuration::command("serve"))
}

/// Runs the subcommand.
pub fn run(args: &ServeArgs) -> Result<ExitCode> {
    daemon::<ServeArgs>("serve", &args.common.configuration)
}

/// Runs the subcommand `exporter`.
pub fn run_exporter(args: &ExporterArgs) -> Result<ExitCode> {
    daemon::<ExporterArgs>("exporter", &args.common.configuration)
}

/// What a daemon is told, by whichever subcommand.
struct Told {
    common: Common,
    all_connections: bool,
    recorder: Option<RecorderSettings>,
    answering: Option<Answering>,
}

impl From<ServeArgs> for Told {
    fn from(args: ServeArgs) -> Self {
        let Recorder { journal_dir, journal_max_size, journal_max_age, journal_sync, all_connections } =
            args.recorder;
        let recorder = RecorderSettings {
            max_size: journal_max_size.as_u64(),
            max_age: journal_max_age,
            sync_interval: journal_sync,
            ..RecorderSettings::new(journal_dir)
        };
        Self {
            common: args.common,
            all_connections,
            recorder: Some(recorder),
            answering: Some(args.answering),
        }
    }
}

impl From<ExporterArgs> for Told {
    fn from(args: ExporterArgs) -> Self {
        Self { common: args.common, all_connections: false, recorder: None, answering: None }
    }
}

impl Told {
    fn plan(&self) -> Result<Plan> {
        let Self { common, all_connections, recorder, answering } = self;
        let socket = answering.as_ref().map(Answering::settings).transpose()?.flatten();
        Ok(Plan {
            header: record::header(&common.selection, *all_connections, common.masking),
            how: common.probing.observing(&common.selection, *all_connections),
            recorder: recorder.clone(),
            listen: common.listen,
            max_services: common.max_services,
            socket,
            privileges: common.run_as.privileges()?,
        })
    }

    fn tuning(&self) -> Tuning {
        let retention = self.recorder.as_ref().map(RecorderSettings::retention);
        Tuning { max_services: self.common.max_services, retention }
    }
}

fn daemon<A>(subcommand: &str, configuration: &Configuration) -> Result<ExitCode>
where
    A: FromArgMatches + Into<Told> + 'static,
{
    let sources = configuration.sources(subcommand, std::env::args_os());
    let settings = sources.load()?;
    let told: Told = settings.read::<A>()?.into();
    if configuration.check_config {
        record::check_pids(&told.common.selection)?;
        return configuration::show(&sources, &settings);
    }
    diagnostics::show_warnings();
    privilege::check()?;
    record::check_pids(&told.common.selection)?;
    let notify = Notify::from_environment();
    let reloader = Reloader::<A>::new(sources, settings, &LIVE);
    let reload: Reload = Arc::new(move || Some(reloader.reload()?.into().tuning()));
    let plan = told.plan()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.context("cannot set up waiting for events")?.block_on(async {
        serve(&plan, Control::listen(reload, notify)?, |began| say_began(&told.common, began)).await
    })?;
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

/// Parses a size such as `256MiB` that a flight recorder can do with.
fn parse_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize =
        text.parse().map_err(|_| format!("{text} is no size: give one such as 256MiB or 1GiB"))?;
    if size.as_u64() < RecorderSettings::LEAST_SIZE {
        return Err(format!("{text} is too little: give at least 4MiB"));
    }
    Ok(size)
}

/// Parses an age such as `12h`, `7d`, `1w` that segments can have.
fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no length of time: give one such as 30m, 12h or 7d");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let age = span.to_duration(days).map_err(|_| wrong())?;
    let age = Duration::try_from(age).ok().filter(|age| !age.is_zero()).ok_or_else(wrong)?;
    if age < RecorderSettings::LEAST_AGE {
        return Err(format!("{text} is too little: give at least 1m"));
    }
    Ok(age)
}

/// Parses a time such as `1s` or `50ms` after which what was written is to be safe.
fn parse_sync(text: &str) -> Result<Duration, String> {
    let interval = record::parse_duration(text)?;
    if interval < RecorderSettings::LEAST_SYNC_INTERVAL {
        return Err(format!("{text} is too little: give at least 10ms"));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{self, Retention};

    #[test]
    fn ages_are_understood() {
        for (text, hours) in [("12h", 12), ("7d", 168), ("1w", 168), ("1d 12h", 36)] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(hours * 3_600)), "{text}");
        }
        for text in ["", "7", "0s", "-1d", "soon", "1y"] {
            assert!(parse_age(text).expect_err("no age").contains("12h or 7d"), "{text}");
        }
    }

    #[test]
    fn what_a_recorder_cannot_do_with_is_refused() {
        assert_eq!(parse_size("4MiB"), Ok(ByteSize::mib(4)));
        assert!(parse_size("4MB").expect_err("too little").contains("at least 4MiB"));
        assert!(parse_size("lots").expect_err("no size").contains("256MiB or 1GiB"));
        assert!(parse_age("1m").is_ok() && parse_age("59s").is_err());
        assert!(parse_sync("10ms").is_ok() && parse_sync("9ms").is_err());
        let least = Retention {
            max_size: RecorderSettings::LEAST_SIZE,
            max_age: RecorderSettings::LEAST_AGE,
            sync_interval: RecorderSettings::LEAST_SYNC_INTERVAL,
        };
        let dir = tempfile::tempdir().expect("a directory");
        let settings = RecorderSettings::new(dir.path().to_owned()).with(least);
        let header = record::header(&Selection::default(), false, MaskPeers::default());
        assert!(journal::Recorder::start(settings, header).is_ok(), "the least will do");
    }

    #[test]
    fn live_settings_are_settings() {
        let schema = schema();
        assert!(LIVE.iter().all(|name| schema.key(None, name).is_some()), "{LIVE:?}");
    }
}
