//! `drain-observer report`: what a journal says.

use crate::journal::Reader;
use crate::report::{
    self, ConnectionChoice, Explanation, Inputs, Moment, Options, Reading, Report, Span, Target,
};
use crate::selection::Selection;
use crate::socket::{Connection, DEFAULT_PATH, SocketError};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Journals, as `record --output` writes them, or segments of a flight recorder; `-` is standard input. Without any,
    /// and without --journal-dir, the journal of the daemon on this host
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What a flight recorder has in this directory, which may be a copy; repeatable, for several hosts
    #[arg(long = "journal-dir", value_name = "DIR")]
    journal_dirs: Vec<PathBuf>,
    /// Leave out what ended before this: a time (2026-01-02T03:04:05Z) or a duration before the newest event (10m)
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Leave out what began after this: as for --since
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// In words, as one JSON object, or as JSON lines
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Which connections to list
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    connections: ConnectionChoice,
    /// Instead of the report: the kernel events that one of its conclusions rests on, in order, in words. Of a
    /// connection, by its client's ADDRESS:PORT or port (pid:PID where it is to a path); of a restart, by its id; of a
    /// finding, by the restart's id and its own, as 3f2a9c1b-f4240/silent_listener (the latter is enough where one restart alone has it)
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["journal_dirs", "since", "until", "output", "connections"])]
    explain: Option<Target>,
    /// Ask the daemon that answers at this socket for its journal
    #[arg(long, value_name = "PATH", conflicts_with_all = ["files", "journal_dirs", "explain"])]
    connect: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An incident summary
    #[default]
    Text,
    /// One object; its schema is printed by `drain-observer schema`
    Json,
    /// A summary, each restart and each connection on a line of its own
    Jsonl,
}

/// Reads the journals and prints the report.
pub fn run(args: &ReportArgs) -> Result<ExitCode> {
    if let Some(target) = &args.explain {
        return explain(&args.files, target);
    }
    let options = Options {
        selection: args.selection.clone(),
        span: Span { since: args.since, until: args.until },
        connections: args.connections,
    };
    let inputs = if args.files.is_empty() && args.journal_dirs.is_empty() {
        handed_over(args.connect.as_deref().unwrap_or(Path::new(DEFAULT_PATH)), options.span)?
    } else {
        Inputs::find(&args.files, &args.journal_dirs, options.span)?
    };
    let mut progress = Progress::new();
    let reports = report::gather(inputs, &options, io::stdin().lock(), |path, at| progress.show(path, at))?;
    drop(progress);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = print(reports, args.output, &mut out);
    finish(written, out)?;
    Ok(ExitCode::SUCCESS)
}

/// The journal of a daemon.
fn handed_over(socket: &Path, span: Span) -> Result<Inputs> {
    let connection = match Connection::open(socket) {
        Err(error @ (SocketError::Missing(_) | SocketError::Dead(_))) => {
            return Err(error)
                .context("there is nothing to report: name a journal, or a directory with --journal-dir");
        }
        other => other?,
    };
    let (segments, dir) = connection.journal()?;
    Ok(Inputs::of_segments(segments, &dir, span)?)
}

fn explain(files: &[PathBuf], target: &Target) -> Result<ExitCode> {
    let [file] = files else {
        bail!("--explain reads one journal, and {} were given: name the one that tells of it", files.len());
    };
    if file == Path::new("-") {
        bail!("--explain reads the journal twice: save it to a file and name that");
    }
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut progress = Progress::new();
    let replayed = report::replay(Reader::open(file)?, true, |reader| {
        progress.show(file, Reading { read: reader.bytes_read(), size, events: reader.stats().events });
    })?;
    let mut explanation = Explanation::new(&replayed, target)?;
    explanation.collect(Reader::open(file)?)?;
    drop(progress);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = explanation.write(&mut out);
    finish(written, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Nobody reading any more is no failure.
pub(super) fn finish(written: io::Result<()>, mut out: BufWriter<impl Write>) -> Result<()> {
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is buffered has no reader; writing it again on drop would only fail again.
            drop(out.into_parts());
            Ok(())
        }
        Err(error) => Err(error).context("cannot write the report to standard output"),
    }
}

fn print(reports: Vec<Report>, format: Format, mut out: impl Write) -> io::Result<()> {
    if format == Format::Text {
        for (index, report) in reports.iter().enumerate() {
            if index > 0 {
                writeln!(out, "\n{}\n", "-".repeat(100))?;
            }
            report::write_text(report, &mut out)?;
        }
        return Ok(());
    }
    match report::merge(reports) {
        Some(report) if format == Format::Json => report::write_json(&report, out),
        Some(report) => report::write_jsonl(&report, out),
        None => Ok(()),
    }
}

/// A line on a terminal while reading takes long.
struct Progress {
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(1);

    fn new() -> Self {
        let next = io::stderr().is_terminal().then(|| Instant::now() + Self::EVERY);
        Self { next, shown: false }
    }

    fn show(&mut self, path: &Path, at: Reading) {
        let Some(next) = self.next.filter(|next| Instant::now() >= *next) else { return };
        self.next = Some(next + Self::EVERY);
        self.shown = true;
        let Reading { read, size, events } = at;
        let percent = read.saturating_mul(100).checked_div(size).map(|percent| percent.min(100));
        let percent = percent.map(|percent| format!(" {percent}%")).unwrap_or_default();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().escape_debug().to_string();
        // A terminal that is gone is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[Kreading {name}:{percent}, {events} events");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
