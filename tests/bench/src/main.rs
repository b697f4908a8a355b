//! What observing costs: loads with the observer, without it and with other tools; its programs, memory, start,
//! losses and growth; each against its budget. `cargo xtask bench` runs it.

mod child;
mod companions;
mod crowd;
mod docs;
mod hook;
mod machine;
mod measure;
mod replay;
mod results;
mod stats;
mod story;
mod svg;
mod table;
mod traffic;
mod usage;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand};
use companions::Workplace;
use measure::{ALL, Bench, Extent, Found, Measurement};
use results::{Results, Row, Unit};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Measures what observing costs.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    helper: Option<Helper>,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Less of everything: under three minutes, and rougher
    #[arg(long)]
    quick: bool,
    /// Journals of up to 1 GB besides
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// Measure this alone; repeatable. A name that is none has them listed
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Write the results as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table and the growth picture into the observer's docs
    #[arg(long)]
    write_docs: bool,
    /// Directory of the other tools' programs
    #[arg(long, value_name = "DIR", hide = true)]
    peers: Option<PathBuf>,
}

/// What this program runs itself as.
#[derive(Debug, Subcommand)]
enum Helper {
    /// A server under load
    #[command(hide = true)]
    Serve(traffic::ServerOptions),
    /// One service of a crowded host
    #[command(hide = true)]
    Member(crowd::Member),
    /// Clients of a crowded host
    #[command(hide = true)]
    Dialer(crowd::Dialer),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.helper {
        Some(Helper::Serve(options)) => traffic::serve(options),
        Some(Helper::Member(member)) => crowd::member(member),
        Some(Helper::Dialer(dialer)) => crowd::dialer(dialer),
        None => bench(&cli.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn bench(options: &Options) -> Result<()> {
    let chosen = choose(&options.only)?;
    ensure!(
        options.only.is_empty() || !options.write_docs,
        "the docs are not written from a part of the measurements: leave --only out"
    );
    let load = if options.write_docs {
        machine::wait_until_idle(|load| {
            eprintln!("bench: waiting until the load average falls from {load:.1}")
        })
        .context("the docs are not written from a busy machine")?
    } else {
        machine::load_average()
    };
    let extent = match (options.quick, options.long) {
        (true, _) => Extent::Quick,
        (_, true) => Extent::Long,
        _ => Extent::Normal,
    };
    child::allow_descriptors()?;
    let began = Instant::now();
    let bench = Bench { extent, place: Workplace::new(options.peers.clone())? };
    let mut found = Found::default();
    for measurement in chosen {
        let Found { rows, curves } = measure(&bench, measurement);
        found.rows.extend(rows);
        found.curves.extend(curves);
    }
    let results = Results {
        machine: machine::Machine::this(),
        extent: match extent {
            Extent::Quick => "quick",
            Extent::Normal => "normal",
            Extent::Long => "long",
        },
        load_average: [load, machine::load_average()],
        seconds: began.elapsed().as_secs_f64(),
        rows: found.rows,
        curves: found.curves,
    };
    print!("{}", table::text(&results));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&results).context("making JSON of the results")?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    if options.write_docs {
        docs::write(&results)?;
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Measurement>> {
    let known = |name: &String| ALL.iter().any(|measurement| measurement.name == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all: Vec<String> = ALL.iter().map(|it| format!("{} ({})", it.name, it.what)).collect();
        bail!("there is no measurement `{name}`: give one of {}", all.join(", "));
    }
    let wanted = |it: &&Measurement| names.is_empty() || names.iter().any(|name| name == it.name);
    Ok(ALL.iter().filter(wanted).collect())
}

/// Measures one thing. What cannot be measured here has a row that says why.
fn measure(bench: &Bench, measurement: &Measurement) -> Found {
    eprintln!("bench: {}: {}", measurement.name, measurement.what);
    (measurement.run)(bench).unwrap_or_else(|error| {
        let row = Row::new(measurement.name, measurement.what, Unit::Count, None);
        vec![row.note(format!("could not be measured: {error:#}"))].into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_chosen_by_name() {
        let names = |chosen: Result<Vec<&Measurement>>| -> Vec<&str> {
            chosen.expect("they are known").iter().map(|it| it.name).collect()
        };
        assert_eq!(names(choose(&[])).len(), ALL.len());
        assert_eq!(names(choose(&["replay".into(), "churn".into()])), ["churn", "replay"]);
        let error = choose(&["nothing".into()]).err().expect("there is none");
        assert!(error.to_string().contains("churn (one request a connection)"), "{error}");
    }
}
