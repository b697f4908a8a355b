//! Reads what Rust's test harness prints.

use std::ops::AddAssign;

/// How many tests passed, failed, or did not run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were ignored or could not run.
    pub(crate) skipped: u64,
}

impl Counts {
    /// The counts of a harness's closing line, if this is one.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let result = line.strip_prefix("test result: ")?;
        let (_, numbers) = result.split_once(". ")?;
        let number = |what: &str| {
            let mut parts = numbers.split(';').map(str::trim);
            parts.find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
        };
        Some(Self { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str =
        "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s";

    #[test]
    fn the_closing_line_counts() {
        assert_eq!(Counts::parse(OK), Some(Counts { passed: 12, failed: 0, skipped: 1 }));
        let failed =
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        assert_eq!(Counts::parse(failed), Some(Counts { passed: 1, failed: 2, skipped: 0 }));
    }

    #[test]
    fn colours_do_not_hide_it() {
        let line = OK.replace("ok", "\u{1b}[32mok\u{1b}[m");
        assert_eq!(Counts::parse(&line), Some(Counts { passed: 12, failed: 0, skipped: 1 }));
    }

    #[test]
    fn other_lines_do_not_count() {
        for line in ["", "test a ... ok", "test result: ", "test result: ok. many passed", "running 3 tests"]
        {
            assert_eq!(Counts::parse(line), None, "{line}");
        }
    }

    #[test]
    fn skipped_tests_are_named_only_if_there_are_any() {
        let mut counts = Counts { passed: 3, failed: 0, skipped: 0 };
        assert_eq!(counts.to_string(), "3 passed, 0 failed");
        counts += Counts { passed: 1, failed: 1, skipped: 2 };
        assert_eq!(counts.to_string(), "4 passed, 1 failed, 2 skipped");
    }
}
