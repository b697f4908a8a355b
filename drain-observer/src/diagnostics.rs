//! Warnings of the probes and of libraries, on stderr or in a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use log::{LevelFilter, Log, Metadata, Record};

/// Shows warnings on stderr from now on.
pub(crate) fn show_warnings() {
    install(&Stderr);
}

/// Writes warnings into a file from now on, as the screen is not theirs; by default into a new one in the directory
/// for temporary files, made with the first of them.
pub(crate) fn log_to_file(path: Option<PathBuf>) {
    let named = path.is_some();
    let path = path
        .unwrap_or_else(|| std::env::temp_dir().join(format!("drain-observer-{}.log", std::process::id())));
    install(LOG_FILE.get_or_init(|| LogFile { path, named, file: Mutex::new(None) }));
}

/// The name of that file, in words for a person.
pub(crate) fn log_path() -> String {
    LOG_FILE.get().map_or_else(|| "what stderr says".to_owned(), |log| log.path.display().to_string())
}

static LOG_FILE: OnceLock<LogFile> = OnceLock::new();

fn install(logger: &'static dyn Log) {
    // Fails only where somebody has set a logger before, which then shows them.
    if log::set_logger(logger).is_ok() {
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

struct LogFile {
    path: PathBuf,
    /// By the user, who may want to see several runs in it.
    named: bool,
    file: Mutex<Option<File>>,
}

impl LogFile {
    fn open(&self) -> Option<File> {
        let mut options = OpenOptions::new();
        options.mode(0o600);
        match self.named {
            true => options.create(true).append(true),
            // Never through a link that somebody else has laid there.
            false => options.write(true).create_new(true),
        };
        options.open(&self.path).ok()
    }
}

impl Log for LogFile {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if file.is_none() {
            *file = self.open();
        }
        if let Some(file) = file.as_mut() {
            // A disk that is full does not stop the observer.
            let _ = writeln!(file, "{}: {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_its_own_is_never_somebody_elses() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let log = LogFile { path: path.clone(), named: false, file: Mutex::new(None) };
        let warn = |text: &str| {
            log.log(&Record::builder().level(log::Level::Warn).args(format_args!("{text}")).build());
        };
        warn("first");
        warn("second");
        assert_eq!(std::fs::read_to_string(&path).expect("it was made"), "WARN: first\nWARN: second\n");
        let other = LogFile { path, named: false, file: Mutex::new(None) };
        assert!(other.open().is_none(), "it is there already");
    }
}
