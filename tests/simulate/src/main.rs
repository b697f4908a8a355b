//! `cargo xtask simulate` runs this.

use anyhow::{Context as _, Result};
use clap::Parser;
use drain_observer_simulate::case::{Case, Parts};
use drain_observer_simulate::check::{INVARIANTS, Wrong};
use drain_observer_simulate::deliver::{Delivery, play};
use drain_observer_simulate::run::{Failure, Totals, examine, run};
use drain_observer_simulate::soak::soak;
use drain_observer_simulate::{memory, world::World};
use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  cargo xtask simulate                        ten thousand restarts, a few seconds
  cargo xtask simulate --restarts 1000000     a million, some minutes
  cargo xtask simulate --seed 7 --world 12    one world, again
  cargo xtask simulate --seed 7 --world 12 --only s0,r0.1,c0.17 --show
                                              a part of it: service 0, what happens to it second, its
                                              client 17; and what was told of it

Exit codes: 0 all invariants hold, 1 one does not, 2 usage or environment";

/// Shows made-up restarts to the correlator, and checks that it finds what happened.
///
/// Each world is a host with one to four services, to each of which one to four things happen, mostly restarts, while
/// clients use it. What each client and process did is known; the events that the kernel would tell of it are given to
/// the correlator in order, in another order that CPUs might deliver them in, and with some of them lost. The same seed
/// makes the same worlds.
///
/// When something is wrong, the smallest part of the world that still shows it is looked for, and the command that runs
/// it again is printed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask simulate",
    after_help = EXAMPLES
)]
struct Cli {
    /// How many restarts
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    restarts: u64,
    /// What the random numbers begin with
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Run only this world
    #[arg(long, value_name = "N", conflicts_with = "restarts")]
    world: Option<u64>,
    /// Run only these parts of the world
    #[arg(long, value_name = "PARTS", requires = "world")]
    only: Option<Parts>,
    /// Print what was told of the world, one event a line as in a journal, and what happened in truth
    #[arg(long, requires = "world")]
    show: bool,
    /// Run that many worlds at a time [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.world {
        Some(world) => again(&Case { seed: cli.seed, world, only: cli.only.clone() }, cli.show),
        None => many(&cli),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs many worlds. Returns whether all is well.
fn many(cli: &Cli) -> Result<bool> {
    let threads =
        cli.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    // What a run takes once, it takes before.
    run(cli.seed ^ 1, 500, threads, |_| {});
    let before = memory::resident()?;
    let began = Instant::now();
    let progress = Progress::new(cli.restarts);
    let (totals, failure) = run(cli.seed, cli.restarts, threads, |totals| progress.show(totals));
    progress.done();
    let spent = began.elapsed().as_secs_f64();
    if let Some(failure) = failure {
        print!("{}", lines(&totals, cli.seed, spent));
        report(&failure);
        return Ok(false);
    }
    let worlds = (totals.worlds / 50).clamp(20, 400);
    let grown = soak(cli.seed, worlds);
    let after = memory::resident()?;
    print!("{}", lines(&totals, cli.seed, spent));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "memory      {:.1} MiB before, {:.1} MiB after; one observer of {worlds} worlds in a row",
        mib(before),
        mib(after)
    );
    if let Some(Wrong { invariant, what }) = grown.first() {
        println!("broken      {invariant}: {what}");
        return Ok(false);
    }
    println!("invariants  {} held", INVARIANTS.len());
    for invariant in INVARIANTS {
        println!("            {invariant}");
    }
    Ok(true)
}

/// Runs one world, or a part of it, again.
fn again(case: &Case, show: bool) -> Result<bool> {
    let (totals, wrong) = examine(case);
    if show {
        let world = World::of(case);
        let mut out = std::io::stdout().lock();
        for event in &play(&world, &Delivery::plain(&world, 700_000), true).journal {
            let line = serde_json::to_string(event).context("cannot write an event as JSON")?;
            writeln!(out, "{line}").context("cannot print")?;
        }
        writeln!(out, "{:#?}", world.truth).context("cannot print")?;
    }
    println!("restarts    {}", totals.restarts);
    for Wrong { invariant, what } in &wrong {
        println!("broken      {invariant}\n    {what}");
    }
    if wrong.is_empty() {
        println!("invariants  held");
    }
    Ok(wrong.is_empty())
}

fn report(failure: &Failure) {
    for Wrong { invariant, what } in &failure.wrong {
        println!("broken      {invariant}\n    {what}");
    }
    let Case { seed, world, only } = &failure.case;
    let only = only.as_ref().map(|only| format!(" --only {only}")).unwrap_or_default();
    println!("again       cargo xtask simulate --seed {seed} --world {world}{only}");
}

fn lines(totals: &Totals, seed: u64, spent: f64) -> String {
    let rate = |count: u64| count as f64 / spent.max(1e-9);
    let mut text =
        format!("seed        {seed}\nrestarts    {} in {} worlds:", totals.restarts, totals.worlds);
    for (way, count) in &totals.ways {
        text.push_str(&format!(" {way} {count}"));
    }
    text.push_str(&format!(
        "\nevents      {}\nrate        {:.0} restarts/s, {:.0} events/s, {spent:.1} s\nconnections {}:",
        totals.events,
        rate(totals.restarts),
        rate(totals.events),
        totals.outcomes.values().sum::<u64>()
    ));
    for (outcome, count) in &totals.outcomes {
        text.push_str(&format!(" {} {count}", outcome.as_str()));
    }
    text.push_str(&format!(
        "\nunclear     {} to anybody who reads no payload, of which the correlator calls {} unknown\n",
        totals.unclear, totals.unknown
    ));
    text
}

/// What goes on, for who waits for it.
struct Progress {
    wanted: u64,
    began: Instant,
    shown: Cell<Instant>,
    terminal: bool,
}

impl Progress {
    fn new(wanted: u64) -> Self {
        let began = Instant::now();
        Self { wanted, began, shown: Cell::new(began), terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, totals: &Totals) {
        // A log is spared the most of it.
        let every = Duration::from_secs(if self.terminal { 1 } else { 15 });
        if self.shown.get().elapsed() < every {
            return;
        }
        self.shown.set(Instant::now());
        let spent = self.began.elapsed().as_secs_f64();
        let left = spent / totals.restarts.max(1) as f64 * self.wanted.saturating_sub(totals.restarts) as f64;
        let text = format!("{} of {} restarts, {left:.0} s to go", totals.restarts, self.wanted);
        if self.terminal {
            eprint!("\r\x1b[K{text}");
        } else {
            eprintln!("{text}");
        }
    }

    fn done(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
