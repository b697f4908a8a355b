//! The phases of a long run: each says its name, failures are collected, a table closes the run.

use crate::libtest::Counts;
use std::{
    io::{BufRead, BufReader},
    process::{Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The phases run so far and the tests counted in them.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    done: Vec<Phase>,
    counts: Counts,
}

#[derive(Debug)]
struct Phase {
    name: String,
    took: Duration,
    result: Outcome,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    NotRun(String),
}

/// Something that could not run, and why.
#[derive(Debug)]
pub(crate) enum Skip {
    /// A test that said so itself: its harness counts it as passed.
    Test(String),
    /// A phase of which no test was counted.
    Phase(String),
}

impl Phases {
    /// Runs a command as a phase; true if it passed.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> bool {
        self.phase(name, |_| command.status())
    }

    /// Runs a test harness as a phase, counting its tests; true if it passed.
    pub(crate) fn run_tests(&mut self, name: &str, command: &mut Command) -> bool {
        self.phase(name, |counts| {
            let mut child = command.stdout(Stdio::piped()).spawn()?;
            if let Some(stdout) = child.stdout.take() {
                pass_through(BufReader::new(stdout), counts);
            }
            child.wait()
        })
    }

    /// Runs a part of this program as a phase, which counts its own tests; true if it passed.
    pub(crate) fn run_own(
        &mut self,
        name: &str,
        run: impl FnOnce(&mut Counts) -> anyhow::Result<()>,
    ) -> bool {
        self.timed(name, |counts| {
            run(counts).err().map_or(Outcome::Passed, |error| Outcome::Failed(format!("{error:#}")))
        })
    }

    /// Notes a phase that makes no sense any more.
    pub(crate) fn not_run(&mut self, name: &str, reason: &str) {
        self.note(name, Outcome::NotRun(reason.to_owned()));
    }

    /// Notes a failure that no command's exit code tells of.
    pub(crate) fn fail(&mut self, name: &str, reason: &str) {
        self.note(name, Outcome::Failed(reason.to_owned()));
    }

    /// Counts what could not run; unless `allowed`, it fails the run.
    pub(crate) fn skipped(&mut self, name: &str, skips: &[Skip], allowed: bool) {
        for skip in skips {
            let (Skip::Test(what) | Skip::Phase(what)) = skip;
            println!("skipped: {what}");
            if matches!(skip, Skip::Test(_)) {
                self.counts.passed = self.counts.passed.saturating_sub(1);
            }
            self.counts.skipped += 1;
        }
        if self.counts.skipped > 0 && !allowed {
            self.fail(name, &format!("{} skipped; --allow-skips accepts that", self.counts.skipped));
        }
    }

    /// Prints every phase with its duration and result.
    pub(crate) fn print_table(&self) {
        let width = self.done.iter().map(|phase| phase.name.len()).max().unwrap_or_default();
        println!("\n{:width$}  {:>8}  result", "phase", "time");
        for Phase { name, took, result } in &self.done {
            let result = match result {
                Outcome::Passed => "ok".to_owned(),
                Outcome::Failed(reason) => format!("FAILED ({reason})"),
                Outcome::NotRun(reason) => format!("not run ({reason})"),
            };
            println!("{name:width$}  {:>6.1} s  {result}", took.as_secs_f64());
        }
    }

    /// The tests counted; a phase that failed without a failed test counts as one, so that the line never hides it.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.counts;
        if counts.failed == 0 {
            counts.failed = self.failures();
        }
        counts
    }

    /// Success only if every phase ran and passed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let passed = self.done.iter().all(|phase| phase.result == Outcome::Passed);
        if passed && self.counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn note(&mut self, name: &str, result: Outcome) {
        self.done.push(Phase { name: name.to_owned(), took: Duration::ZERO, result });
    }

    fn failures(&self) -> u64 {
        self.done.iter().filter(|phase| matches!(phase.result, Outcome::Failed(_))).count() as u64
    }

    fn phase(&mut self, name: &str, run: impl FnOnce(&mut Counts) -> std::io::Result<ExitStatus>) -> bool {
        self.timed(name, |counts| match run(counts) {
            Ok(status) if status.success() => Outcome::Passed,
            Ok(status) => Outcome::Failed(status.to_string()),
            Err(error) => Outcome::Failed(format!("cannot be run: {error}")),
        })
    }

    fn timed(&mut self, name: &str, run: impl FnOnce(&mut Counts) -> Outcome) -> bool {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = run(&mut self.counts);
        let passed = result == Outcome::Passed;
        self.done.push(Phase { name: name.to_owned(), took: start.elapsed(), result });
        passed
    }
}

/// Passes a harness's output on line by line, counting its tests.
fn pass_through(mut output: impl BufRead, counts: &mut Counts) {
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        if let Some(counted) = Counts::parse(&text) {
            *counts += counted;
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const TWO_PASSED: &str = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'";

    #[test]
    fn tests_are_summed_over_harnesses() {
        let mut phases = Phases::default();
        assert!(phases.run_tests("two", &mut shell(&format!("{TWO_PASSED}; {TWO_PASSED}"))));
        assert!(phases.run_tests("one", &mut shell(TWO_PASSED)));
        assert_eq!(phases.counts(), Counts { passed: 6, failed: 0, skipped: 0 });
        assert_eq!(phases.exit_code(), ExitCode::SUCCESS);
    }

    #[test]
    fn a_failed_phase_is_never_hidden_and_stops_no_other() {
        let mut phases = Phases::default();
        assert!(!phases.run("lint", &mut shell("exit 3")));
        assert!(!phases.run("absent", &mut Command::new("no-such-program-of-any-kind")));
        assert!(phases.run_tests("tests", &mut shell(TWO_PASSED)));
        assert_eq!(phases.counts(), Counts { passed: 2, failed: 2, skipped: 0 });
        assert_eq!(phases.exit_code(), ExitCode::FAILURE);
    }

    #[test]
    fn skips_fail_the_run_unless_allowed() {
        let skips = [Skip::Phase("kernels: no emulator".to_owned())];
        let mut strict = Phases::default();
        strict.skipped("skips", &skips, false);
        assert_eq!(strict.exit_code(), ExitCode::FAILURE);
        let mut lenient = Phases::default();
        lenient.skipped("skips", &skips, true);
        assert_eq!(lenient.counts().skipped, 1);
        assert_eq!(lenient.exit_code(), ExitCode::SUCCESS);
    }

    #[test]
    fn a_skipped_test_has_not_passed() {
        let mut phases = Phases::default();
        assert!(phases.run_tests("two", &mut shell(TWO_PASSED)));
        let skips = [Skip::Test("puma: not installed".to_owned()), Skip::Phase("kernels".to_owned())];
        phases.skipped("skips", &skips, true);
        assert_eq!(phases.counts(), Counts { passed: 1, failed: 0, skipped: 2 });
    }
}
