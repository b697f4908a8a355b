//! Names that were made to harm whoever reads them: escape sequences, control characters, line ends, bytes that are no
//! text. Whatever shows them shows them, and does nothing else.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{io, thread};

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::daemon::Daemon;
use drain_observer_tests::observer::{self, Journal, Recording};
use drain_observer_tests::processes::Guarded;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::terminal::Terminal;
use drain_observer_tests::{http, load, processes, wait};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{LIMIT, busy, live, prefork_program, queued};

/// Clears the screen, writes at its top, sets the window's title, rings, breaks the line, and is no UTF-8.
const PROGRAM: &[u8] = b"\x1b[2J\x1b[Hpwn\x07\n\xff\x1b]0;pwn\x07\"\\{}";
/// The directory that it is in: eight-bit escapes, too, and marks that turn the text around.
const DIRECTORY: &[u8] = b"\x1b[31m\xc2\x9b2J\xe2\x80\xae\r\n\xc3";
/// What the sender of the signal calls itself: as many control characters as fit.
const SENDER: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 27, 127, 0];
/// What can be seen of the name wherever it is.
const SEEN: &str = "pwn";

#[test]
fn in_every_form_of_the_report() {
    live("faults::names::in_every_form_of_the_report", &[], || {
        let hostile = Hostile::new()?;
        let (dir, journal) = hostile.recorded()?;
        let report = journal.json(&["--connections", "all"])?;
        let restart = report["restarts"][0]["id"].as_str().context("a restart")?.to_owned();
        let mut connections = report["connections"].as_array().context("an array")?.iter();
        let lost = connections.find(|one| one["outcome"] == "queue_reset").context("a loss")?;
        let client = lost["peer"]["port"].as_u64().context("a client")?.to_string();
        ensure!(report.to_string().contains(SEEN), "{report}");
        for args in [
            &["-o", "text", "--connections", "all"][..],
            &["-o", "json", "--connections", "all"],
            &["-o", "jsonl", "--connections", "all"],
            &["--explain", &restart],
            &["--explain", &client],
        ] {
            let printed = journal.report(args)?;
            expect_harmless(&format!("report {args:?}"), &printed)?;
            ensure!(String::from_utf8_lossy(&printed).contains(SEEN), "report {args:?} names nobody");
        }
        drop(dir);
        Ok(())
    });
}

#[test]
fn in_what_record_and_watch_say() {
    live("faults::names::in_what_record_and_watch_say", &[], || {
        let hostile = Hostile::new()?;
        let port = hostile.server.address().port().to_string();
        for (form, verdict) in [("text", "LOSSY"), ("json", "\"restart_ended\"")] {
            let old = hostile.server.start()?;
            let said = Saying::start(&["watch", "--standalone", "-P", &port, "-o", form])?;
            said.wait_for("watching")?;
            let new = hostile.replace(old)?;
            said.wait_for(verdict)?;
            let said = said.interrupt()?;
            ensure!(said.contains(SEEN), "nobody is named: {said}");
            ensure!(said.lines().all(|line| !line.starts_with('{') || is_json(line)), "no JSON: {said}");
            drop(new);
        }
        let (_dir, journal) = hostile.recorded()?;
        expect_harmless("record", journal.messages.as_bytes())
    });
}

#[test]
fn in_what_gate_says() {
    live("faults::names::in_what_gate_says", &[], || {
        let hostile = Hostile::new()?;
        let port = hostile.server.address().port().to_string();
        for form in ["text", "json"] {
            let mut old = hostile.server.start()?;
            let (busy, queued) = (busy(old.address(), 2, 1_500)?, queued(old.address(), 3)?);
            let script = format!("kill -TERM {}", old.master());
            let args = ["gate", "--standalone", "-P", &port, "-o", form, "--", "sh", "-c", &script];
            let said = Saying::start(&args)?;
            old.wait_for_exit(LIMIT)?;
            let new = hostile.server.start()?;
            load::expect_served(new.address())?;
            busy.join();
            queued.join();
            let said = said.everything()?;
            ensure!(said.contains("connections were lost, 0 may be") && said.contains(SEEN), "{said}");
        }
        Ok(())
    });
}

#[test]
fn on_the_screen() {
    live("faults::names::on_the_screen", &[], || {
        let hostile = Hostile::new()?;
        let old = hostile.server.start()?;
        let mut command = Command::new(observer::program());
        command.args(["tui", "--standalone", "-P", &old.port().to_string()]);
        let screen = Terminal::start(command, 120, 40)?;
        screen.wait_for(&["serving", "live"])?;
        let new = hostile.replace(old)?;
        expect_whole(screen, &["LOSSY", SEEN])?;
        drop(new);

        let (_dir, journal) = hostile.recorded()?;
        let mut command = Command::new(observer::program());
        command.args(["tui", "--replay"]).arg(journal.path());
        expect_whole(Terminal::start(command, 120, 40)?, &[SEEN])
    });
}

/// The screen shows these, and nothing that it did not draw; then it ends as it should.
fn expect_whole(mut screen: Terminal, texts: &[&str]) -> Result<()> {
    for keys in ["", "\r", "\x1b", "3", "4", "2", "1", "?"] {
        screen.types(keys)?;
        if keys.is_empty() {
            screen.wait_for(texts)?;
        }
        let text = screen.text();
        ensure!(!text.starts_with(SEEN), "a name painted the screen:\n{text}");
    }
    screen.types("qq")?;
    let status = screen.wait_for_exit()?;
    ensure!(status.success(), "it ended with {status}:\n{}", screen.text());
    screen.wait_until_restored()
}

#[test]
fn in_metrics_and_the_daemons_words() {
    live("faults::names::in_metrics_and_the_daemons_words", &[], || {
        let hostile = Hostile::new()?;
        let old = hostile.server.start()?;
        let dir = tempfile::tempdir()?;
        let path = dir.path().to_str().context("a plain path")?;
        let args = ["--journal-dir", path, "-P", &old.port().to_string()];
        let daemon = Daemon::start("serve", &args)?;
        let new = hostile.replace(old)?;
        let ended = |metrics: &drain_observer_tests::daemon::Metrics| {
            metrics.sum("drain_observer_restarts_total", &[]) >= 1.0
        };
        daemon.wait_for("the restart to be counted", ended)?;
        let (status, body) = http::get(daemon.address(), "/metrics")?;
        ensure!(status == 200 && body.contains(SEEN), "{body}");
        expect_harmless("/metrics", body.as_bytes())?;
        let mut samples = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let wrong = samples.find(|line| !is_sample(line));
        ensure!(wrong.is_none(), "no sample: {wrong:?}");
        wait::until("the restart in the log", LIMIT, || Ok(daemon.said().contains("LOSSY").then_some(())))?;
        expect_harmless("the daemon's words", daemon.said().as_bytes())?;
        drop(new);
        daemon.stop().map(drop)
    });
}

#[test]
fn in_what_doctor_says() {
    live("faults::names::in_what_doctor_says", &[], || {
        let hostile = Hostile::new()?;
        let _server = hostile.server.start()?;
        for form in ["text", "json"] {
            let output = observer::run(&observer::program(), ["doctor", "-o", form])?;
            expect_harmless("doctor", &output.stdout)?;
            expect_harmless("doctor", &output.stderr)?;
        }
        Ok(())
    });
}

/// A server whose program has such a name.
struct Hostile {
    server: Prefork<'static>,
    _dir: TempDir,
}

impl Hostile {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let place = dir.path().join(OsStr::from_bytes(DIRECTORY));
        fs::create_dir(&place).context("making a directory")?;
        let program: PathBuf = place.join(OsStr::from_bytes(PROGRAM));
        // Not by this process: its other threads start programs, which would hold the copy open for writing.
        let copied = Command::new("cp").arg(prefork_program()).arg(&program).status();
        ensure!(copied.context("copying the server's program")?.success(), "copying the server's program");
        // As long as the tests, as any server's program is.
        let program: &'static Path = Box::leak(program.into_boxed_path());
        Ok(Self { server: Prefork::new(program)?.workers(2), _dir: dir })
    }

    /// A journal of a restart.
    fn recorded(&self) -> Result<(TempDir, Journal)> {
        let old = self.server.start()?;
        let dir = tempfile::tempdir()?;
        let args = ["-P", &old.port().to_string(), "--all-connections"];
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &args)?;
        let new = self.replace(old)?;
        let journal = recording.finish()?;
        drop(new);
        Ok((dir, journal))
    }

    /// Has somebody stop the server with clients in its queue, and starts it again.
    fn replace(&self, mut old: Server) -> Result<Server> {
        let (busy, queued) = (busy(old.address(), 2, 1_500)?, queued(old.address(), 3)?);
        let master = old.master();
        let sent = thread::spawn(move || {
            // SAFETY: prctl(2) reads 16 bytes, which live longer than the call.
            let named = unsafe { libc::prctl(libc::PR_SET_NAME, SENDER.as_ptr()) };
            ensure!(named == 0, "taking a name: {}", io::Error::last_os_error());
            processes::send(master, Signal::SIGTERM)
        });
        sent.join().expect("a sender does not panic")?;
        old.wait_for_exit(LIMIT)?;
        let new = self.server.start()?;
        load::expect_served(new.address())?;
        busy.join();
        queued.join();
        Ok(new)
    }
}

/// An observer and everything that it says, whatever bytes these are. Dropping it kills it.
struct Saying {
    child: Guarded,
    dir: TempDir,
}

impl Saying {
    fn start(args: &[&str]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(observer::program());
        command.args(args).env("NO_COLOR", "1").stdin(Stdio::null());
        command.stdout(File::create(dir.path().join("out"))?).stderr(File::create(dir.path().join("err"))?);
        Ok(Self { child: Guarded(command.spawn().context("starting the observer")?), dir })
    }

    /// Waits until it has said these words.
    fn wait_for(&self, words: &str) -> Result<()> {
        let said = || Ok(String::from_utf8_lossy(&self.said()?).contains(words).then_some(()));
        wait::until(&format!("`{words}`"), LIMIT, said).with_context(|| {
            format!("it said: {}", String::from_utf8_lossy(&self.said().unwrap_or_default()))
        })
    }

    fn interrupt(self) -> Result<String> {
        processes::send(i32::try_from(self.child.0.id())?, Signal::SIGINT)?;
        self.everything()
    }

    /// Waits for its end; what it said is harmless.
    fn everything(mut self) -> Result<String> {
        processes::wait_for_exit(i32::try_from(self.child.0.id())?, LIMIT * 2)?;
        self.child.0.wait().context("collecting the observer")?;
        let said = self.said()?;
        expect_harmless("the observer", &said)?;
        Ok(String::from_utf8(said)?)
    }

    fn said(&self) -> Result<Vec<u8>> {
        Ok([fs::read(self.dir.path().join("err"))?, fs::read(self.dir.path().join("out"))?].concat())
    }
}

/// Text in which nothing but the ends of lines does anything.
fn expect_harmless(what: &str, said: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(said).with_context(|| format!("{what} is no text"))?;
    let acts = |char: char| char.is_control() && char != '\n' || ('\u{202a}'..='\u{202e}').contains(&char);
    let found = text.lines().find(|line| line.contains(acts));
    ensure!(found.is_none(), "{what}: a name can act: {found:?}");
    Ok(())
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok()
}

/// `name{labels} value`, with quotes and backslashes of labels escaped.
fn is_sample(line: &str) -> bool {
    let Some((series, value)) = line.rsplit_once(' ') else { return false };
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // Without what is escaped, quotes come in pairs.
    let quotes = labels.replace("\\\\", "").replace("\\\"", "").matches('"').count();
    plain && labels.ends_with('}') && quotes.is_multiple_of(2) && value.parse::<f64>().is_ok()
}
