//! `drain-observer tui`: the live screen, or a journal on it.

use super::masking::MaskPeers;
use super::origin::Origin;
use super::probing::Probing;
use super::record;
use crate::selection::Selection;
use crate::tui::engine::{self, Live, Remote, Replay};
use crate::{diagnostics, tui};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

/// Arguments of `tui`.
#[derive(Args, Debug)]
pub struct TuiArgs {
    #[command(flatten)]
    selection: Selection,
    /// Play this journal instead of observing: space starts and stops time, n and N jump between restarts
    #[arg(long, value_name = "JOURNAL")]
    replay: Option<PathBuf>,
    /// Begin at the journal's beginning, with time going on; otherwise at its end
    #[arg(long, requires = "replay")]
    play: bool,
    /// Seconds of the journal in a second
    #[arg(long, requires = "replay", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    speed: u32,
    /// Draw with ASCII characters only, as is done by itself where the locale is not UTF-8
    #[arg(long)]
    ascii: bool,
    /// Where `y` writes the summary, besides the terminal's clipboard
    #[arg(long, value_name = "FILE")]
    copy_to: Option<PathBuf>,
    /// Where warnings go, as the screen is taken; by default a new file in the directory for temporary files
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    #[command(flatten)]
    origin: Origin,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    masking: MaskPeers,
}

/// Shows the screens until the user has seen enough.
pub fn run(args: &TuiArgs) -> Result<ExitCode> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!(
            "tui needs a terminal, and standard input or output is none: use watch, or report for a journal"
        );
    }
    if args.replay.is_some() && args.masking.how().is_some() {
        bail!("--mask-peers is for who observes: the journal has its peers as they were recorded");
    }
    diagnostics::log_to_file(args.log_file.clone());
    let (screens, engine) = engine::channels();
    engine::listen_to_signals(screens.messages.clone())?;
    let runs: Box<dyn FnOnce() + Send> = match &args.replay {
        Some(file) => {
            // A journal that cannot be read is told before the screen is taken.
            crate::journal::Reader::open(file)?;
            let replay = Replay {
                file: file.clone(),
                selection: args.selection.clone(),
                play: args.play,
                speed: args.speed,
            };
            Box::new(move || engine::run_replay(replay, engine))
        }
        None => {
            let daemon = args.origin.find(args.probing, args.masking)?;
            record::check_pids(&args.selection)?;
            match daemon {
                Some(daemon) => {
                    let path = daemon.path().to_owned();
                    // One that refuses is told before the screen is taken.
                    let first = Some(daemon.live(true)?);
                    let remote = Remote { path, selection: args.selection.clone(), first };
                    Box::new(move || engine::run_remote(remote, engine))
                }
                None => {
                    let live = Live {
                        header: record::header(&args.selection, false, args.masking),
                        how: args.probing.observing(&args.selection, false),
                    };
                    Box::new(move || engine::run_live(&live, engine))
                }
            }
        }
    };
    let engine = thread::Builder::new().name("engine".to_owned()).spawn(runs);
    let engine = engine.context("cannot start the thread that observes")?;
    let options = tui::Options { ascii: args.ascii, copy_to: args.copy_to.clone() };
    let shown = tui::run(screens, options);
    if engine.join().is_err() {
        bail!(
            "observing ended by a fault of the program; please report it, with {}",
            diagnostics::log_path()
        );
    }
    shown?;
    Ok(ExitCode::SUCCESS)
}
