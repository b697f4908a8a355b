//! `drain-observer watch`: what happens, as it happens.

use super::masking::MaskPeers;
use super::probing::Probing;
use super::record;
use crate::correlate::{Config, Correlator, Note};
use crate::event::{Event, Kind, Lost};
use crate::report::model::{LiveLine, LostEvents};
use crate::report::{Live, write_live, write_live_json};
use crate::runtime::{Observer, Sink, Stop, observe};
use crate::selection::Selection;
use crate::{clock, diagnostics, privilege};
use anyhow::{Context as _, Result};
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
    privilege::check()?;
    record::check_pids(&args.selection)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot set up waiting for events")?.block_on(watch(args))
}

async fn watch(args: &WatchArgs) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let header = record::header(&args.selection, false, args.masking);
    let settings = args.probing.settings(&args.selection, false);
    let (observer, start) = Observer::start(&settings, &header)?;
    record::say(&record::began("watching", &start));
    args.masking.say();
    let mut correlator = Correlator::new(Config { hz: header.clock.hz, ..Config::default() });
    let mut sink = Lines { live: Live::new(&header), format: args.output, out: io::stdout(), failed: None };
    observe(observer, start.events, &mut correlator, &mut sink, stop.wanted(), args.duration).await?;
    match sink.failed {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints the correlator's notes.
struct Lines<W> {
    live: Live,
    format: Format,
    out: W,
    failed: Option<io::Error>,
}

impl<W: Write> Lines<W> {
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
        match &event.event {
            Kind::ClockSet(set) => self.live.clock().set(event.at, set.wall_minus_boot_ns),
            Kind::Lost(Lost { what, reason, count }) => {
                let lost = LostEvents { kind: what.clone(), reason: reason.clone(), count: *count };
                let written = self.print(&LiveLine::Lost(lost));
                self.keep(written);
            }
            _ => {}
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
