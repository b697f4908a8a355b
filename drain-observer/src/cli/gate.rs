//! `drain-observer gate`: runs a command that restarts something, and says by its exit code what that cost.

use super::masking::MaskPeers;
use super::origin::{self, Origin};
use super::probing::Probing;
use super::record;
use crate::correlate::{Config, Correlator, Snapshot};
use crate::event::{Event, Kind, Lost};
use crate::gate::{self, Decision, Ended, Policy, Verdict, Watch};
use crate::journal::{Header, Writer};
use crate::report::model::Gate;
use crate::report::{self, Options, Report, Source, WallClock};
use crate::runtime::{JournalSink, Observer, Sink as _, Stop, observe};
use crate::selection::Selection;
use crate::socket::{Connection, Ending, follow};
use crate::{clock, diagnostics};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::process::Child;

/// How often it is looked whether the command has ended, where nobody tells of anything else.
const LOOK: Duration = Duration::from_millis(100);

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
    origin: Origin,
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
    let daemon = args.origin.find(args.probing, args.masking)?;
    record::check_pids(&args.selection)?;
    let journal = args.journal.as_deref().map(open_journal).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot set up waiting for events")?.block_on(async {
        match daemon {
            Some(daemon) => gate_daemon(args, daemon, journal).await,
            None => gate(args, journal).await,
        }
    })
}

async fn gate(args: &GateArgs, journal: Option<record::Output>) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let header = record::header(&args.selection, false, args.masking);
    let how = args.probing.observing(&args.selection, false);
    let (observer, start) = match Observer::start(&how, &header) {
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
    let mut watch = args.watch(&header, &ended, journal);
    let command = gate::start(&args.command, args.output == Format::Json)?;
    let life = live(command, &mut stop, &ended);
    observe(observer, start.events, &mut correlator, &mut watch, life, None).await?;
    conclude(args, &header, &correlator, watch, &ended)
}

async fn gate_daemon(
    args: &GateArgs,
    daemon: Connection,
    journal: Option<record::Output>,
) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let path = daemon.path().to_owned();
    // What happened before is not this command's doing.
    let (mut tale, journal) = match daemon.live(false) {
        Ok(tale) => (tale, journal),
        Err(error) => {
            journal.into_iter().for_each(record::Output::discard);
            return Err(error.into());
        }
    };
    let header = tale.header().clone();
    record::say(&format!("gate: through {}", origin::described(&header, &path)));
    let journal = journal.map(|output| begin_journal(output, &header)).transpose()?;
    let ended = OnceCell::new();
    let mut watch = args.watch(&header, &ended, journal);
    let mut correlator = tale.catch_up(Config::default(), |event| watch.event(event))?;
    let command = gate::start(&args.command, args.output == Format::Json)?;
    let life = live(command, &mut stop, &ended);
    tokio::pin!(life);
    let why = match follow(tale, &mut correlator, &mut watch, life.as_mut(), None).await? {
        Ending::Done => None,
        Ending::Stopped => Some("it was ended".to_owned()),
        Ending::Gone(why) => Some(why),
    };
    if let Some(why) = why {
        record::say(&format!("gate: the daemon at {} is gone: {why}", path.display()));
        // What it would have told is missing.
        let lost = Lost { what: "event".into(), reason: "daemon_gone".into(), count: 1 };
        let event = Event { at: correlator.now(), event: Kind::Lost(lost) };
        watch.event(&event);
        correlator.handle(&event);
        // The command is gone with to its end all the same.
        while ended.get().is_none() {
            tokio::select! {
                () = life.as_mut() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
    conclude(args, &header, &correlator, watch, &ended)
}

/// The command's life, and the time after it, until somebody has had enough.
async fn live(command: Child, stop: &mut Stop, ended: &OnceCell<Ended>) {
    gate::follow(command, stop, ended).await;
    if let Some(outcome) = ended.get().map(Ended::outcome) {
        record::say(&format!("gate: the command {}; waiting for what follows", outcome.in_words()));
        stop.wanted().await;
    }
}

fn conclude(
    args: &GateArgs,
    header: &Header,
    correlator: &Correlator,
    watch: Watch<'_, Box<dyn Write>>,
    ended: &OnceCell<Ended>,
) -> Result<ExitCode> {
    let end = watch.end();
    let (wall, journalled) = watch.finish();
    if let Err(failure) = journalled {
        record::say(&format!("warning: the journal is incomplete: {failure}"));
    }
    let snapshot = correlator.snapshot(clock::boot_ns());
    let outcome = ended.get().map_or(gate::Command::Running, Ended::outcome);
    let decision = gate::decide(&snapshot, &args.selection, &args.policy(), &outcome, end);
    let gate = model(args, &decision, end, ended.get());
    print(args.output, report(args, header, &snapshot, &wall, gate)?, &decision)?;
    Ok(ExitCode::from(decision.verdict.exit_code()))
}

impl GateArgs {
    fn watch<'a>(
        &'a self,
        header: &Header,
        ended: &'a OnceCell<Ended>,
        journal: Option<JournalSink<Box<dyn Write>>>,
    ) -> Watch<'a, Box<dyn Write>> {
        let wall = WallClock::new(header.clock.wall_minus_boot_ns);
        Watch::new(&self.selection, ended, self.settle, self.timeout, wall, journal)
    }

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

fn report(
    args: &GateArgs,
    header: &Header,
    snapshot: &Snapshot,
    clock: &WallClock,
    gate: Gate,
) -> Result<Report> {
    // A daemon may observe more than what is asked for.
    let further =
        if header.selection == args.selection { Selection::default() } else { args.selection.clone() };
    let options = Options { selection: further, ..Options::default() };
    let report = report::build(Source { header, snapshot, clock, journal: None }, &options)?;
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
