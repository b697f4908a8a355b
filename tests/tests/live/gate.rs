//! The deploy gate: the exit code that a deploy job gets, for real restarts.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::lines::Lines;
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::observer;
use drain_observer_tests::processes::{self, Guarded};
use drain_observer_tests::servers::puma::Puma;
use drain_observer_tests::servers::unicorn::Unicorn;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LIMIT, busy, live, prefork, queued, steady};

/// Longest wait for a gate's end, in which are what its command does and a quiet time afterwards; shorter than its own
/// time limit, so that one that waits in vain is found out.
const END_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_swallowed_hup_fails() {
    live("gate::a_swallowed_hup_fails", &["puma"], || {
        let server =
            Puma { config: "stdout_redirect 'server.log', 'server.log', true", ..Puma::new()? }.start()?;
        let (master, workers) = (server.master(), server.workers());
        let gate = Gate::start(server.port(), &["--require-restart"], &format!("kill -HUP {master}"))?;
        let said = gate.finish()?;
        assert_eq!((server.master(), server.workers()), (master, workers), "puma's own behaviour");
        said.expect(1, "FAIL: ")?;
        said.expect(1, "not restarted: ")?;
        said.expect(1, "went on as before")
    });
}

#[test]
fn an_upgrade_passes() {
    live("gate::an_upgrade_passes", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let (old, dir) = (server.master(), server.dir().display().to_string());
        let steady = steady(server.address())?;
        let script = format!(
            "kill -USR2 {old}
             for i in $(seq 600); do
                 new=$(cat {dir}/unicorn.pid 2>/dev/null) && [ \"$new\" != {old} ] &&
                     set -- $(cat /proc/$new/task/$new/children) && [ $# -ge 2 ] && break
                 sleep 0.05
             done
             kill -QUIT {old}"
        );
        let said = Gate::start(server.port(), &["--require-restart", "-o", "json"], &script)?.finish()?;
        steady.stop();
        let report = said.report(0)?;
        assert_eq!(report["gate"]["verdict"], "pass", "{}", report["gate"]);
        assert_eq!(report["gate"]["end"], "settled");
        assert_eq!(report["restarts"][0]["kind"], "upgrade");
        assert_eq!(report["restarts"][0]["verdict"], "clean");
        Ok(())
    });
}

#[test]
fn a_lossy_replacement_fails_with_its_count() {
    live("gate::a_lossy_replacement_fails_with_its_count", &[], || {
        let said = replaced(&[])?;
        said.expect(1, "FAIL: 12 connections were lost, 0 may be")?;
        said.expect(1, "12 queue_reset")
    });
}

#[test]
fn losses_within_the_limit_pass() {
    live("gate::losses_within_the_limit_pass", &[], || {
        replaced(&["--max-lost", "12"])?.expect(0, "PASS: 1 restart, 12 connections were lost")
    });
}

#[test]
fn a_long_gap_fails() {
    live("gate::a_long_gap_fails", &[], || {
        let said = replaced(&["--max-lost", "12", "--max-gap", "1ms"])?;
        said.expect(1, "nobody listened at 127.0.0.1:")?;
        said.expect(1, "more than --max-gap 0.001s")
    });
}

/// The parent outlives its workers by 0.3 s with twelve in its queue, which is seen exactly.
#[test]
fn a_long_silence_fails() {
    live("gate::a_long_silence_fails", &[], || {
        let said = replaced(&["--max-lost", "12", "--max-silence", "200ms"])?;
        said.expect(1, "nobody listened or accepted at 127.0.0.1:")?;
        said.expect(1, "more than --max-silence 0.2s")?;
        replaced(&["--max-lost", "12", "--max-silence", "1m"])?.expect(0, "PASS: ")
    });
}

/// Puma keeps the socket while the application boots: nobody is lost, and everybody waits. Where the master boots it,
/// there was nobody to accept for sure.
#[test]
fn a_silent_boot_fails() {
    live("gate::a_silent_boot_fails", &["puma"], || {
        let said = booted_again("preload_app!")?;
        said.expect(1, "nobody accepted at 127.0.0.1:")?;
        said.expect(1, "more than --max-silence 1s")
    });
}

/// Where each worker boots it, they might have accepted as soon as they were born.
#[test]
fn a_silence_of_which_only_bounds_are_known_is_inconclusive() {
    live("gate::a_silence_of_which_only_bounds_are_known_is_inconclusive", &["puma"], || {
        let said = booted_again("preload_app! false")?;
        said.expect(3, "nobody accepted at 127.0.0.1:")?;
        said.expect(3, "that may be more than --max-silence 1s")
    });
}

/// A puma whose application takes 2.5 s to load, under load, told to execute itself again.
fn booted_again(config: &'static str) -> Result<Said> {
    let server = Puma { boots_for: Duration::from_millis(2_500), config, ..Puma::new()? }.start()?;
    let steady = steady(server.address())?;
    let args = ["--max-silence", "1s", "--require-restart"];
    let said = Gate::start(server.port(), &args, &format!("kill -USR2 {}", server.master()))?.finish();
    steady.stop();
    said
}

/// A server with a full queue that is stopped and started again.
fn replaced(args: &[&str]) -> Result<Said> {
    let prefork = prefork()?.workers(2).outlive(Duration::from_millis(300));
    let mut old = prefork.start()?;
    let script = format!("echo ready; read go; kill -TERM {}", old.master());
    let mut gate = Gate::start(old.port(), args, &script)?;
    gate.wait_for_line("ready")?;
    let busy = busy(old.address(), 2, 4_000)?;
    let queued = queued(old.address(), 12)?;
    gate.tell("go")?;
    old.wait_for_exit(LIMIT)?;
    let new = prefork.start()?;
    load::expect_served(new.address())?;
    let said = gate.finish();
    busy.join();
    queued.join();
    said
}

#[test]
fn an_orphaned_old_generation_fails() {
    live("gate::an_orphaned_old_generation_fails", &[], || {
        let server = prefork()?.workers(2).start()?;
        let steady = steady(server.address())?;
        let script = format!("kill -USR2 {}", server.master());
        let said = Gate::start(server.port(), &["--timeout", "5s"], &script)?.finish()?;
        steady.stop();
        said.expect(1, "3 processes of the old generation left")
    });
}

#[test]
fn a_ring_that_is_too_small_is_inconclusive() {
    live("gate::a_ring_that_is_too_small_is_inconclusive", &["unicorn"], || {
        let server = Unicorn::new()?.start()?;
        let load = Load::new(server.address()).clients(4, 20_000).start();
        load.wait_responses(5, LIMIT)?;
        let script = format!(
            "kill -HUP {}; for i in 1 2 3 4; do (for j in $(seq 200); do /bin/true; done) & done; wait",
            server.master()
        );
        let args = ["--ring-size", "4096", "--timeout", "5s", "-o", "json"];
        let said = Gate::start(server.port(), &args, &script)?.finish()?;
        load.stop();
        let report = said.report(3)?;
        assert_eq!(report["gate"]["verdict"], "inconclusive");
        assert_eq!(report["completeness"]["complete"], false);
        assert!(report["gate"]["reasons"].to_string().contains("lost (ring_full)"), "{}", report["gate"]);
        Ok(())
    });
}

#[test]
fn the_commands_failure_is_told_apart() {
    live("gate::the_commands_failure_is_told_apart", &[], || {
        let server = prefork()?.workers(1).start()?;
        let said = Gate::start(server.port(), &["--require-restart"], "echo out; exit 7")?.finish()?;
        said.expect(4, "out\n")?;
        said.expect(4, "No restart was seen")?;
        said.expect(
            4,
            "the command exited with status 7; not restarted: no restart was seen, and one is required",
        )?;
        let said = Gate::start(server.port(), &["-o", "json"], "echo aside; kill -KILL $$")?.finish()?;
        let report = said.report(4)?;
        assert_eq!(report["gate"]["command_exit"]["signal"]["name"], "SIGKILL");
        assert!(said.stderr.contains("aside\n"), "{}", said.stderr);
        Ok(())
    });
}

#[test]
fn an_interrupt_leaves_a_report() {
    live("gate::an_interrupt_leaves_a_report", &[], || {
        let mut server = prefork()?.workers(2).outlive(Duration::from_secs(30)).start()?;
        let workers = server.workers();
        let gate = Gate::start(server.port(), &[], &format!("kill -TERM {}; echo done", server.master()))?;
        gate.wait_for_line("done")?;
        for worker in workers {
            processes::wait_for_exit(worker, LIMIT)?;
        }
        // From then on a signal is for the gate.
        gate.wait_for_notice("the command succeeded")?;
        gate.signal(Signal::SIGINT)?;
        let said = gate.finish()?;
        said.expect(3, "SIGTERM from")?;
        said.expect(3, "INCONCLUSIVE: ")?;
        said.expect(3, "it was interrupted before everything had settled")?;
        server.signal_group(Signal::SIGKILL)?;
        server.wait_until_gone(LIMIT)
    });
}

#[test]
fn signals_are_forwarded_while_the_command_runs() {
    live("gate::signals_are_forwarded_while_the_command_runs", &[], || {
        let server = prefork()?.workers(1).start()?;
        let script = "trap 'echo told; exit 0' TERM; echo ready; for i in $(seq 600); do sleep 0.1; done";
        let gate = Gate::start(server.port(), &[], script)?;
        gate.wait_for_line("ready")?;
        gate.signal(Signal::SIGTERM)?;
        let said = gate.finish()?;
        said.expect(0, "told\n")?;
        said.expect(0, "PASS: no restart was seen")
    });
}

#[test]
fn a_second_interrupt_ends_the_gate_alone() {
    live("gate::a_second_interrupt_ends_the_gate_alone", &[], || {
        let server = prefork()?.workers(1).start()?;
        let script = "trap 'echo told' INT; echo $$; for i in $(seq 600); do sleep 0.1; done";
        let gate = Gate::start(server.port(), &[], script)?;
        let command: i32 = gate.line()?.trim().parse().context("the command's pid")?;
        gate.signal(Signal::SIGINT)?;
        // The first is forwarded before the second comes.
        gate.wait_for_line("told")?;
        gate.signal(Signal::SIGINT)?;
        processes::wait_for_exit(gate.pid(), LIMIT)?;
        assert!(processes::alive(command), "gate kills nobody");
        processes::send(command, Signal::SIGKILL)?;
        gate.finish()?.expect(3, "the command had not ended, and still runs")
    });
}

/// A `gate` under way. Dropping it kills it.
pub(crate) struct Gate {
    child: Guarded,
    stdout: Lines,
    stderr: Lines,
}

/// What a gate said.
#[derive(Debug)]
pub(crate) struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Gate {
    /// Starts it for this port with this shell script as its command.
    fn start(port: u16, args: &[&str], script: &str) -> Result<Self> {
        Self::run(&[&["--port", &port.to_string()], args].concat(), script)
    }

    /// Starts it with these arguments and this shell script as its command.
    pub(crate) fn run(args: &[&str], script: &str) -> Result<Self> {
        let mut command = Command::new(observer::program());
        // A daemon of the machine's own is none of the test's.
        command.args(["gate", "--standalone"]).args(args);
        command.args(["--", "sh", "-c", script].map(OsStr::new));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Guarded(command.spawn().context("starting the gate")?);
        let stdout = Lines::of(child.0.stdout.take().context("standard output was piped")?);
        let stderr = Lines::of(child.0.stderr.take().context("standard error was piped")?);
        Ok(Self { child, stdout, stderr })
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.0.id()).expect("a pid fits an int")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        processes::send(self.pid(), signal)
    }

    /// A line for the command to read.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let mut stdin =
            self.child.0.stdin.take().context("standard input was piped, and is told one line")?;
        writeln!(stdin, "{line}").context("telling the command")
    }

    /// Waits for the next line that is printed.
    fn line(&self) -> Result<String> {
        self.stdout.wait_for("a line", LIMIT, |_| true)
    }

    /// Waits for this line to be printed.
    pub(crate) fn wait_for_line(&self, wanted: &str) -> Result<()> {
        self.stdout
            .wait_for(&format!("`{wanted}` from the gate"), LIMIT, |line| line.trim() == wanted)
            .map(drop)
    }

    /// Waits for a line on standard error that has these words.
    fn wait_for_notice(&self, words: &str) -> Result<()> {
        self.stderr
            .wait_for(&format!("`{words}` from the gate"), LIMIT, |line| line.contains(words))
            .map(drop)
    }

    /// Waits for its end, and gives everything that it said.
    pub(crate) fn finish(mut self) -> Result<Said> {
        processes::wait_for_exit(self.pid(), END_LIMIT)?;
        let code = self.child.0.wait().context("collecting the gate")?.code();
        Ok(Said { code, stdout: self.stdout.to_end(LIMIT)?, stderr: self.stderr.to_end(LIMIT)? })
    }
}

impl Said {
    pub(crate) fn expect(&self, code: i32, words: &str) -> Result<()> {
        ensure!(self.code == Some(code), "expected exit code {code}: {self:#?}");
        ensure!(self.stdout.contains(words), "`{words}` is not printed: {}", self.stdout);
        Ok(())
    }

    fn report(&self, code: i32) -> Result<Value> {
        self.expect(code, "")?;
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {}", self.stdout))
    }
}
