//! `drain-observer gate`: runs a command that restarts something, and says by its exit code what that cost.

use super::masking::MaskPeers;
use super::probing::Probing;
use super::record;
use crate::correlate::{Config, Correlator, Snapshot};
use crate::gate::{self, Decision, Ended, Policy, Verdict, Watch};
use crate::journal::{Header, Writer};
use crate::report::model::Gate;
use crate::report::{self, Options, Report, Source, WallClock};
use crate::runtime::{JournalSink, Observer, Stop, observe};
use crate::selection::Selection;
use crate::{clock, diagnostics, privilege};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `gate`.
#[derive(Args, Debug)]
#[command(
    after_help = "The command keeps the standard streams, and gets the SIGINT, SIGTERM and SIGHUP that gate \
    gets; a second Ctrl-C ends gate, not the command. With -o json, what the command prints goes to standard error.\n\n\
    Exit codes, the first that fits in the order 2, 4, 1, 3:\n  \
    0 = pass\n  \
    1 = more than --max-lost connections lost, a time limit exceeded, a restart that was asked for\n      \
    did not happen, the service down or stuck, processes of the old generation left, or no\n      \
    restart under --require-restart\n  \
    2 = usage or environment: nothing was decided\n  \
    3 = inconclusive: events lost, nothing matches the selection, gate was interrupted, or\n      \
    --max-silence lies between the bounds of what was measured\n  \
    4 = the command failed; the report is printed all the same"
)]
pub struct GateArgs {
    #[command(flatten)]
    selection: Selection,
    /// Connections that may be lost
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_lost: u64,
    /// Longest time that nobody may listen at a selected port or path in a restart, such as 500ms or 2s. At a path it may
    /// be known only to lie between two bounds: if the limit does as well, the verdict is inconclusive
    #[arg(long, value_name = "TIME", value_parser = record::parse_duration)]
    max_gap: Option<Duration>,
    /// Longest time that nobody may take connections at a selected port or path in a restart: nobody listened, or somebody
    /// did and nobody accepted while clients waited. Where it is known only to lie between two bounds, and the limit
    /// does as well, the verdict is inconclusive
    #[arg(long, value_name = "TIME", value_parser = record::parse_duration)]
    max_silence: Option<Duration>,
    /// Fail if no restart is seen
    #[arg(long)]
    require_restart: bool,
    /// Wait so long for more, after the command and every restart have ended. A reload that shows no effect is given
    /// 2s more before it counts as not restarted
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = record::parse_duration)]
    settle: Duration,
    /// Wait at most so long after the command has ended
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = record::parse_duration)]
    timeout: Duration,
    /// In words, or as one JSON object
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Record a journal too, for `report` to read. An existing file is overwritten
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    masking: MaskPeers,
    /// The command, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An incident summary, and a line with the verdict
    #[default]
    Text,
    /// The report as one object, with the verdict in `gate`
    Json,
}

/// Runs the command and decides.
pub fn run(args: &GateArgs) -> Result<ExitCode> {
    diagnostics::show_warnings();
    privilege::check()?;
    record::check_pids(&args.selection)?;
    let journal = args.journal.as_deref().map(open_journal).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot set up waiting for events")?.block_on(gate(args, journal))
}

async fn gate(args: &GateArgs, journal: Option<record::Output>) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let header = record::header(&args.selection, false, args.masking);
    let settings = args.probing.settings(&args.selection, false);
    let (observer, start) = match Observer::start(&settings, &header) {
        Ok(started) => started,
        Err(error) => {
            journal.into_iter().for_each(record::Output::discard);
            return Err(error);
        }
    };
    record::say(&format!("gate: {}", record::in_place(&start)));
    start.notes.iter().for_each(|note| record::say(&format!("note: {note}")));
    args.masking.say();

    let journal = journal.map(|output| begin_journal(output, &header)).transpose()?;
    let mut correlator = Correlator::new(Config { hz: header.clock.hz, ..Config::default() });
    let ended = OnceCell::new();
    let wall = WallClock::new(header.clock.wall_minus_boot_ns);
    let mut watch = Watch::new(&args.selection, &ended, args.settle, args.timeout, wall, journal);
    let command = gate::start(&args.command, args.output == Format::Json)?;
    let life = async {
        gate::follow(command, &mut stop, &ended).await;
        if let Some(outcome) = ended.get().map(Ended::outcome) {
            record::say(&format!("gate: the command {}; waiting for what follows", outcome.in_words()));
            stop.wanted().await;
        }
    };
    observe(observer, start.events, &mut correlator, &mut watch, life, None).await?;

    let end = watch.end();
    let (wall, journalled) = watch.finish();
    if let Err(failure) = journalled {
        record::say(&format!("warning: the journal is incomplete: {failure}"));
    }
    let snapshot = correlator.snapshot(clock::boot_ns());
    let outcome = ended.get().map_or(gate::Command::Running, Ended::outcome);
    let decision = gate::decide(&snapshot, &args.selection, &args.policy(), &outcome, end);
    let gate = model(args, &decision, end, ended.get());
    print(args.output, report(&header, &snapshot, &wall, gate)?, &decision)?;
    Ok(ExitCode::from(decision.verdict.exit_code()))
}

impl GateArgs {
    fn policy(&self) -> Policy {
        Policy {
            max_lost: self.max_lost,
            max_gap: self.max_gap,
            max_silence: self.max_silence,
            require_restart: self.require_restart,
        }
    }
}

fn open_journal(path: &Path) -> Result<record::Output> {
    if path.as_os_str() == "-" {
        bail!("standard output is for the report: give a file to --journal");
    }
    record::Output::create(path)
}

fn begin_journal(output: record::Output, header: &Header) -> Result<JournalSink<Box<dyn Write>>> {
    let writer = Writer::new(output.file, header);
    Ok(JournalSink::new(writer.with_context(|| format!("cannot write the journal {}", output.name))?))
}

fn model(args: &GateArgs, decision: &Decision, end: gate::End, ended: Option<&Ended>) -> Gate {
    Gate {
        verdict: decision.verdict,
        exit_code: decision.verdict.exit_code(),
        reasons: decision.reasons.clone(),
        end,
        command: args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        command_exit: ended.and_then(Ended::exit).map(Into::into),
    }
}

fn report(header: &Header, snapshot: &Snapshot, clock: &WallClock, gate: Gate) -> Result<Report> {
    let report = report::build(Source { header, snapshot, clock, journal: None }, &Options::default())?;
    Ok(Report { gate: Some(gate), ..report })
}

fn print(format: Format, report: Report, decision: &Decision) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let line = line(decision);
    let written = match format {
        Format::Text => report::write_text(&report, &mut out).and_then(|()| writeln!(out, "\n{line}")),
        Format::Json => report::write_json(&report, &mut out),
    };
    super::report::finish(written, out)?;
    if format == Format::Json {
        record::say(&line);
    }
    Ok(())
}

fn line(decision: &Decision) -> String {
    let word = match decision.verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::CommandFailed => "FAIL (command)",
    };
    format!("{word}: {}", report::harmless(&decision.reasons.join("; ")))
}
