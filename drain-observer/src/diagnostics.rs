//! Warnings of the probes and of libraries, on stderr.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

/// Shows warnings from now on.
pub(crate) fn show_warnings() {
    // Fails only where somebody has set a logger before, which then shows them.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Nobody may be listening.
            let _ = writeln!(std::io::stderr(), "drain-observer: {}", record.args());
        }
    }

    fn flush(&self) {}
}
