//! Reads a virtual machine's console: what the tests said, what the kernel complained of, and whether an end came.

use super::protocol::{DOCTOR, END, FAILED, JOURNAL, MARK, OUTCOME, SKIPPED, UP};
use crate::libtest::Counts;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// How many of the console's last lines are kept to be shown.
const LAST_LINES: usize = 40;

/// What a kernel says only when something is badly wrong with it.
const TROUBLE: [&str; 10] = [
    "Kernel panic - not syncing",
    "BUG: ",
    "Oops: ",
    "Oops[",
    "general protection fault",
    "hard LOCKUP",
    "rcu: INFO: rcu_",
    "blocked for more than",
    "WARNING: CPU: ",
    "Out of memory: Killed process",
];

/// How the emulator came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself, with this status.
    Exited(String),
    /// It was killed after the console had been silent for so long.
    Silent(Duration),
    /// It was killed when it had run for so long.
    TooLong(Duration),
}

/// A console as it is read, and what was found on it.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// The kernel's release, once it is up.
    pub(super) release: Option<String>,
    /// What `doctor` said.
    pub(super) doctor: Option<Value>,
    /// Outcomes upon which report and clients agreed.
    pub(super) outcomes: BTreeSet<String>,
    /// Tests that could not run, and why.
    pub(super) skipped: Vec<String>,
    /// Journals of failed scenarios, by the scenario's name.
    pub(super) journals: BTreeMap<String, Vec<u8>>,
    /// The harness's closing line.
    pub(super) counts: Option<Counts>,
    passed: BTreeSet<String>,
    failed: Vec<String>,
    trouble: Vec<String>,
    ended: bool,
    unfinished: Vec<u8>,
    last: VecDeque<String>,
}

impl Console {
    /// Takes what came, wherever it was cut, and gives the whole lines that are a person's to read.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.unfinished.extend_from_slice(bytes);
        let mut shown = Vec::new();
        while let Some(end) = self.unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            shown.extend(self.line(&line));
        }
        shown
    }

    /// Everything that is wrong, none if all went well: `wanted` are parts of names of tests, of each of which at least
    /// one is to have passed.
    pub(super) fn problems(&mut self, ending: &Ending, wanted: &[&str]) -> Vec<String> {
        let rest = std::mem::take(&mut self.unfinished);
        self.line(&rest);
        let mut problems: Vec<String> =
            self.trouble.iter().map(|line| format!("the kernel said: {line}")).collect();
        problems.extend(self.failed.iter().cloned());
        match ending {
            Ending::Silent(time) => {
                problems.push(format!("the console was silent for {} s: it hangs", time.as_secs()));
            }
            Ending::TooLong(time) => problems.push(format!("it had not ended after {} s", time.as_secs())),
            Ending::Exited(status) if !self.ended => {
                problems.push(format!("the machine stopped before the tests had ended (qemu: {status})"));
            }
            Ending::Exited(_) => {}
        }
        if self.release.is_none() {
            problems.push("it did not come up".to_owned());
            return problems;
        }
        match self.counts {
            None => problems.push("the tests did not come to their end".to_owned()),
            Some(counts) if counts.failed > 0 => problems.push(format!("{} tests failed", counts.failed)),
            Some(_) => {
                let ran = |wanted: &str| self.passed.iter().any(|name| name.contains(wanted));
                let missing = wanted.iter().filter(|wanted| !ran(wanted));
                problems.extend(missing.map(|wanted| format!("no test ran of those called {wanted}")));
            }
        }
        problems
    }

    /// The console's last lines.
    pub(super) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    fn line(&mut self, bytes: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.trim_end();
        if line.is_empty() {
            return None;
        }
        if let Some(told) = line.strip_prefix(MARK) {
            self.told(told);
            return None;
        }
        self.last.push_back(line.to_owned());
        if self.last.len() > LAST_LINES {
            self.last.pop_front();
        }
        if let Some(sign) = TROUBLE.iter().find_map(|sign| line.find(sign)) {
            // What the line begins with may be a program's half line.
            let start = line[..sign].rfind('[').unwrap_or(0);
            self.trouble.push(line[start..].to_owned());
        }
        if let Some(counts) = Counts::parse(line) {
            self.counts = Some(counts);
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|test| test.strip_suffix(" ... ok")) {
            self.passed.insert(name.to_owned());
        }
        // Before that it is only the kernel that speaks.
        self.release.is_some().then(|| line.to_owned())
    }

    fn told(&mut self, told: &str) {
        let (key, value) = told.split_once(' ').unwrap_or((told, ""));
        match key {
            UP => self.release = Some(value.to_owned()),
            DOCTOR => match serde_json::from_str(value) {
                Ok(doctor) => self.doctor = Some(doctor),
                Err(error) => self.failed.push(format!("what `doctor` said is no JSON ({error})")),
            },
            OUTCOME => _ = self.outcomes.insert(value.to_owned()),
            SKIPPED => self.skipped.push(value.to_owned()),
            JOURNAL => match value.split_once(' ').and_then(|(name, digits)| Some((name, bytes(digits)?))) {
                Some((name, journal)) => _ = self.journals.insert(name.to_owned(), journal),
                None => self.failed.push("a journal came damaged".to_owned()),
            },
            FAILED => self.failed.push(value.to_owned()),
            END => self.ended = true,
            _ => self.failed.push(format!("the console holds a line that nobody knows: {told}")),
        }
    }
}

/// What hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "[    0.000000] Linux version 6.1.0\r\n\n@vm up 6.1.0-56-cloud-amd64\r\n";
    const GREEN: &str = "running 1 test\r\ntest fixture::a ... ok\r\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.00s\r\n";
    const END: &str = "@vm outcome refused\r\n@vm end \r\n";

    fn exited() -> Ending {
        Ending::Exited("exit status: 0".to_owned())
    }

    fn read(text: &str) -> Console {
        let mut console = Console::default();
        console.feed(text.as_bytes());
        console
    }

    fn problems(text: &str, ending: &Ending) -> Vec<String> {
        read(text).problems(ending, &["fixture::"])
    }

    #[test]
    fn a_green_run_is_read_wherever_it_is_cut() {
        let text = format!("{BOOT}@vm doctor {{\"works\": true}}\r\n{GREEN}{END}");
        for size in [1, 2, 7, text.len()] {
            let mut console = Console::default();
            text.as_bytes().chunks(size).for_each(|chunk| _ = console.feed(chunk));
            assert_eq!(console.problems(&exited(), &["fixture::"]), Vec::<String>::new(), "{size}");
            assert_eq!(console.release.as_deref(), Some("6.1.0-56-cloud-amd64"));
            assert_eq!(console.doctor.as_ref().map(|doctor| doctor["works"] == true), Some(true));
            assert_eq!(console.counts, Some(Counts { passed: 1, failed: 0, skipped: 0 }));
            assert!(console.outcomes.contains("refused"));
        }
    }

    #[test]
    fn a_panic_is_told_with_its_line() {
        let text =
            format!("{BOOT}test fixture::a ... [    9.1] Kernel panic - not syncing: Fatal exception\r\n");
        let problems = problems(&text, &exited());
        assert_eq!(problems[0], "the kernel said: [    9.1] Kernel panic - not syncing: Fatal exception");
        assert!(problems[1].contains("before the tests had ended"), "{problems:?}");
    }

    #[test]
    fn a_lockup_fails_even_if_the_tests_pass() {
        let lockup = "[   40.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [live:77]\r\n";
        let problems = problems(&format!("{BOOT}{lockup}{GREEN}{END}"), &exited());
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("soft lockup"), "{problems:?}");
    }

    #[test]
    fn a_boot_that_hangs_is_told() {
        let ending = Ending::Silent(Duration::from_secs(60));
        let problems = problems("[    0.000000] Linux version 6.1.0\r\n", &ending);
        assert_eq!(problems, ["the console was silent for 60 s: it hangs", "it did not come up"]);
    }

    #[test]
    fn half_a_line_at_the_end_counts() {
        let panicked = problems(&format!("{BOOT}[    3.0] Kernel panic - not syncing: Att"), &exited());
        assert!(panicked[0].ends_with("not syncing: Att"), "{panicked:?}");
        assert_eq!(problems(&format!("{BOOT}{GREEN}@vm end"), &exited()), Vec::<String>::new());
    }

    #[test]
    fn without_an_end_nothing_is_green() {
        assert!(problems(&format!("{BOOT}{GREEN}"), &exited())[0].contains("before the tests had ended"));
        let ending = Ending::TooLong(Duration::from_secs(240));
        assert_eq!(problems(&format!("{BOOT}{GREEN}{END}"), &ending), ["it had not ended after 240 s"]);
    }

    #[test]
    fn failed_and_missing_tests_are_problems() {
        let red = GREEN.replace("ok", "FAILED").replace("1 passed; 0 failed", "0 passed; 1 failed");
        let red = format!("{BOOT}{red}@vm failed the tests ended with status 101\r\n{END}");
        assert_eq!(problems(&red, &exited()), ["the tests ended with status 101", "1 tests failed"]);
        let mut other = read(&format!("{BOOT}{GREEN}{END}"));
        assert_eq!(other.problems(&exited(), &["unix::"]), ["no test ran of those called unix::"]);
        let mut none = read(&format!("{BOOT}{END}"));
        assert_eq!(none.problems(&exited(), &[]), ["the tests did not come to their end"]);
    }

    #[test]
    fn a_journal_comes_whole_or_is_said_to_be_damaged() {
        let journal = |digits| read(&format!("{BOOT}@vm journal a-b {digits}\r\n{GREEN}{END}"));
        assert_eq!(journal("00ff10").journals["a-b"], [0, 255, 16]);
        assert_eq!(journal("0xyz").problems(&exited(), &[]), ["a journal came damaged"]);
    }

    #[test]
    fn a_person_sees_the_tests_and_not_the_boot() {
        let mut console = Console::default();
        let shown = console.feed(format!("{BOOT}{GREEN}{END}").as_bytes());
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert_eq!(shown[1], "test fixture::a ... ok");
        let mut long = Console::default();
        long.feed("line\n".repeat(500).as_bytes());
        assert_eq!(long.last().count(), LAST_LINES);
    }
}
