//! `drain-observer record`: writes what happens into a journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;

use super::ENVIRONMENT;
use super::masking::MaskPeers;
use super::probing::Probing;
use crate::correlate::{Config, Correlator};
use crate::event::HookState;
use crate::journal::{Clock, Header, Host, Tool, VERSION, Writer};
use crate::report::words::plural;
use crate::runtime::{JournalSink, Observer, Start, Stop, Summary, observe};
use crate::selection::Selection;
use crate::{clock, diagnostics, privilege};

/// Arguments of `record`.
#[derive(Args, Debug)]
pub(super) struct Record {
    #[command(flatten)]
    selection: Selection,
    /// The journal to write; `-` = standard output. An existing file is overwritten
    #[arg(short = 'f', long, value_name = "FILE")]
    output: PathBuf,
    /// Record connections that ended cleanly one by one too, instead of only counting them
    #[arg(long)]
    all_connections: bool,
    /// Stop after this time, such as 30s, 2m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    masking: MaskPeers,
}

/// Runs the subcommand.
pub(super) fn run(args: &Record) -> Result<ExitCode> {
    diagnostics::show_warnings();
    privilege::check()?;
    check_pids(&args.selection)?;
    let output = Output::create(&args.output)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot set up waiting for events")?.block_on(record(args, output))
}

async fn record(args: &Record, output: Output) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let header = header(&args.selection, args.all_connections, args.masking);
    let how = args.probing.observing(&args.selection, args.all_connections);
    let name = output.name.clone();
    let (observer, start) = match Observer::start(&how, &header) {
        Ok(started) => started,
        Err(error) => {
            output.discard();
            return Err(error);
        }
    };
    let writer =
        Writer::new(output.file, &header).with_context(|| format!("cannot write the journal {name}"))?;
    let mut sink = JournalSink::new(writer);
    let mut correlator = Correlator::new(Config { hz: header.clock.hz, ..Config::default() });

    say(&began(&format!("recording to {name}"), &start));
    start.notes.iter().for_each(|note| say(&format!("note: {note}")));
    args.masking.say();
    let began = Instant::now();
    let summary =
        observe(observer, start.events, &mut correlator, &mut sink, stop.wanted(), args.duration).await?;
    say(&ended(&name, summary, began.elapsed()));

    let bytes = sink.bytes();
    match sink.finish() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            say(&format!(
                "error: {failure}; {bytes} bytes of {name} are readable, make room and record again"
            ));
            Ok(ExitCode::from(ENVIRONMENT))
        }
    }
}

/// What a journal made now begins with.
pub(super) fn header(selection: &Selection, all_connections: bool, masking: MaskPeers) -> Header {
    let wall_minus_boot_ns = clock::wall_minus_boot_ns();
    Header {
        version: VERSION,
        tool: Tool::this(),
        host: host(),
        created_at: wall_clock(wall_minus_boot_ns),
        clock: Clock { wall_minus_boot_ns, hz: clock::ticks_per_second() },
        selection: selection.clone(),
        all_connections,
        masked_peers: masking.how(),
        segment: None,
    }
}

fn host() -> Host {
    let names = rustix::system::uname();
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Host {
        hostname: names.nodename().to_string_lossy().into_owned(),
        kernel: names.release().to_string_lossy().into_owned(),
        boot_id: boot_id.trim().to_owned(),
    }
}

fn wall_clock(wall_minus_boot_ns: i64) -> String {
    let now = i128::from(clock::boot_ns()) + i128::from(wall_minus_boot_ns);
    jiff::Timestamp::from_nanosecond(now).map(|time| format!("{time:.9}")).unwrap_or_default()
}

/// Whoever names a process that is not there has mistyped, or comes too late.
pub(super) fn check_pids(selection: &Selection) -> Result<()> {
    for pid in &selection.pids {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            anyhow::bail!(
                "there is no process {pid}: give one that runs, or another selection such as --port"
            );
        }
    }
    Ok(())
}

/// The ports that the kernel is to look at, empty for all: of the other selectors only the report can judge.
pub(super) fn kernel_ports(selection: &Selection) -> Vec<u16> {
    if selection.is_only_ports() { selection.ports.clone() } else { Vec::new() }
}

/// What is said when everything is in place.
pub(super) fn began(doing: &str, start: &Start) -> String {
    format!("{doing}: {}; stop with Ctrl-C", in_place(start))
}

/// What was found and attached.
pub(super) fn in_place(start: &Start) -> String {
    let attached =
        start.hooks.iter().filter(|h| matches!(h.state, HookState::Attached | HookState::Degraded));
    let wanting: Vec<String> = start
        .hooks
        .iter()
        .filter(|hook| matches!(hook.state, HookState::Missing | HookState::Degraded))
        .map(|hook| format!("{}: {}", hook.name, hook.reason.as_deref().unwrap_or("missing")))
        .collect();
    let wanting = if wanting.is_empty() { String::new() } else { format!(" ({})", wanting.join("; ")) };
    let count = |count: usize, one, several| format!("{count} {}", plural(count as u64, one, several));
    format!(
        "{}, {}, {} attached{wanting}",
        count(start.listeners, "listener", "listeners"),
        count(start.processes, "process", "processes"),
        count(attached.count(), "hook", "hooks")
    )
}

fn ended(name: &str, summary: Summary, took: Duration) -> String {
    let Summary { events, lost } = summary;
    format!("recorded {events} events ({lost} lost) in {:.1} s to {name}", took.as_secs_f64())
}

/// On stderr, where nobody may be listening.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Where the journal goes.
pub(super) struct Output {
    pub(super) file: Box<dyn Write>,
    pub(super) name: String,
    /// A file that was not there before.
    fresh: Option<PathBuf>,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Output> {
        if path.as_os_str() == "-" {
            return Ok(Output {
                file: Box::new(io::stdout()),
                name: "standard output".to_owned(),
                fresh: None,
            });
        }
        let name = path.display().to_string();
        let fresh = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, fresh) = match fresh {
            Ok(file) => (Ok(file), Some(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (File::create(path), None),
            Err(error) => (Err(error), None),
        };
        let file =
            file.with_context(|| format!("cannot create the journal {name}; give another --output"))?;
        Ok(Output { file: Box::new(file), name, fresh })
    }

    /// Leaves no empty file behind.
    pub(super) fn discard(self) {
        if let Some(path) = self.fresh {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Parses a length of time such as `30s`, `2m`, `1h30m`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no length of time: give one such as 30s, 2m or 1h30m");
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(parsed).ok().filter(|duration| !duration.is_zero()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_understood() {
        for (text, seconds) in [("30s", 30), ("2m", 120), ("1h30m", 5_400), ("1h 30m", 5_400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "-5s", "0s", "soon", "99999999999999999999h"] {
            assert!(parse_duration(text).expect_err("no duration").contains("30s, 2m or 1h30m"), "{text}");
        }
    }

    #[test]
    fn a_bad_path_fails_before_anything_else() {
        let error = Output::create(Path::new("/nonexistent/journal")).err().expect("no such directory");
        assert!(format!("{error:#}").contains("/nonexistent/journal"), "{error:#}");
    }
}
