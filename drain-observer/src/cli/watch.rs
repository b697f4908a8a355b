//! `drain-observer watch`: what happens, as it happens.

use super::masking::MaskPeers;
use super::origin::{self, Origin};
use super::probing::Probing;
use super::record;
use crate::correlate::{Config, Correlator, Note};
use crate::event::{Event, Kind, Lost};
use crate::journal::Header;
use crate::report::model::{LiveLine, LostEvents};
use crate::report::{Live, write_live, write_live_json};
use crate::runtime::{Observer, Sink, Stop, observe};
use crate::selection::Selection;
use crate::socket::{Connection, Ending, follow};
use crate::{clock, diagnostics};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    #[command(flatten)]
    selection: Selection,
    /// One line of words, or of JSON, for each event of note
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Stop after this time, such as 30s, 2m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = record::parse_duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    origin: Origin,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    masking: MaskPeers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// JSON lines, each with its `type`; their schema is printed by `drain-observer schema watch`
    Json,
}

/// Watches until told to stop.
pub fn run(args: &WatchArgs) -> Result<ExitCode> {
    diagnostics::show_warnings();
    let daemon = args.origin.find(args.probing, args.masking)?;
    record::check_pids(&args.selection)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot set up waiting for events")?.block_on(async {
        match daemon {
            Some(daemon) => watch_daemon(args, daemon).await,
            None => watch(args).await,
        }
    })
}

async fn watch(args: &WatchArgs) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let header = record::header(&args.selection, false, args.masking);
    let how = args.probing.observing(&args.selection, false);
    let (observer, start) = Observer::start(&how, &header)?;
    record::say(&record::began("watching", &start));
    args.masking.say();
    let mut correlator = Correlator::new(Config { hz: header.clock.hz, ..Config::default() });
    let mut sink = Lines::new(&header, args);
    observe(observer, start.events, &mut correlator, &mut sink, stop.wanted(), args.duration).await?;
    sink.finish()
}

async fn watch_daemon(args: &WatchArgs, daemon: Connection) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let path = daemon.path().to_owned();
    let mut live = daemon.live(true)?;
    let header = live.header().clone();
    let mut sink = Lines::new(&header, args);
    let mut correlator = live.catch_up(Config::default(), |event| sink.set_clock(event))?;
    // What is over was told to those who watched then.
    while correlator.poll_note().is_some() {}
    record::say(&format!(
        "watching {} through {}; stop with Ctrl-C",
        args.selection,
        origin::described(&header, &path)
    ));
    match follow(live, &mut correlator, &mut sink, stop.wanted(), args.duration).await? {
        Ending::Done => sink.finish(),
        Ending::Stopped => bail!("the daemon at {} was ended", path.display()),
        Ending::Gone(why) => bail!("the daemon at {} is gone: {why}", path.display()),
    }
}

/// Prints the correlator's notes.
struct Lines<W> {
    live: Live,
    format: Format,
    out: W,
    failed: Option<io::Error>,
}

impl Lines<io::Stdout> {
    fn new(header: &Header, args: &WatchArgs) -> Self {
        Self {
            live: Live::new(header, &args.selection),
            format: args.output,
            out: io::stdout(),
            failed: None,
        }
    }

    fn finish(self) -> Result<ExitCode> {
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error).context("cannot write to standard output")
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

impl<W: Write> Lines<W> {
    fn set_clock(&mut self, event: &Event) {
        if let Kind::ClockSet(set) = &event.event {
            self.live.clock().set(event.at, set.wall_minus_boot_ns);
        }
    }

    fn print(&mut self, line: &LiveLine) -> io::Result<()> {
        match self.format {
            Format::Text => write_live(line, &mut self.out),
            Format::Json => write_live_json(line, &mut self.out),
        }
    }

    fn keep(&mut self, written: io::Result<()>) {
        self.failed = self.failed.take().or(written.err());
    }
}

impl<W: Write> Sink for Lines<W> {
    fn event(&mut self, event: &Event) {
        self.set_clock(event);
        if let Kind::Lost(Lost { what, reason, count }) = &event.event {
            let lost = LostEvents { kind: what.clone(), reason: reason.clone(), count: *count };
            let written = self.print(&LiveLine::Lost(lost));
            self.keep(written);
        }
    }

    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost> {
        let notes: Vec<Note> = std::iter::from_fn(|| correlator.poll_note()).collect();
        if notes.is_empty() {
            return None;
        }
        let lines = self.live.lines(&notes, &correlator.overview(clock::boot_ns()));
        for line in &lines {
            let written = self.print(line);
            self.keep(written);
        }
        let flushed = self.out.flush();
        self.keep(flushed);
        None
    }

    fn is_done(&self) -> bool {
        self.failed.is_some()
    }
}
