//! Input and surroundings that cannot do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use drain_observer_tests::disk::SmallDisk;
use drain_observer_tests::load::Load;
use drain_observer_tests::observer::{self, Journal, Recording};
use drain_observer_tests::processes;
use drain_observer_tests::requirements::live;
use nix::sys::signal::Signal;

use crate::support::{LIMIT, expect_refusal, journal_file, prefork, run};

#[test]
fn no_such_journal() {
    live("cli::no_such_journal", &[], || {
        expect_refusal(&run(["report", "/nonexistent/journal"])?, &["/nonexistent/journal", "no such file"])
    });
}

#[test]
fn foreign_journals() {
    live("cli::foreign_journals", &[], || {
        let foreign: [&[u8]; 5] =
            [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"{\"a\": 1}\n", b"\x7fELF\x02\x01\xff\n", b"[]\n"];
        for bytes in foreign {
            let (_dir, path) = journal_file(bytes)?;
            let path = path.to_str().context("a plain path")?;
            expect_refusal(&run(["report", path])?, &[path, "journal"])
                .with_context(|| format!("for {:?}", String::from_utf8_lossy(bytes)))?;
        }
        Ok(())
    });
}

#[test]
fn a_directory_is_no_journal() {
    live("cli::a_directory_is_no_journal", &[], || expect_refusal(&run(["report", "/tmp"])?, &["/tmp"]));
}

#[test]
fn arguments_out_of_range() {
    live("cli::arguments_out_of_range", &[], || {
        let dir = tempfile::tempdir()?;
        let output = dir.path().join("journal");
        let output = output.to_str().context("a plain path")?;
        let record = |args: &[&str]| run([&["record", "--output", output], args].concat());
        expect_refusal(&record(&["--port", "70000"])?, &["70000"])?;
        expect_refusal(&record(&["--port", "http"])?, &["http"])?;
        expect_refusal(&record(&["--duration", "soon"])?, &["soon"])?;
        expect_refusal(&record(&["--pid", "999999999"])?, &["999999999"])?;
        expect_refusal(&record(&["--ring-size", "1000"])?, &["1000", "power of two"])?;
        expect_refusal(&record(&["--ring-size", "1"])?, &["ring"])?;
        expect_refusal(&record(&["--nonsense"])?, &["--nonsense"])?;
        expect_refusal(&run(["record", "--port", "80"])?, &["--output"])?;
        expect_refusal(&run(["report"])?, &[])?;
        expect_refusal(&run(["report", output, "-o", "xml"])?, &["xml", "json"])?;
        expect_refusal(&run(["frobnicate"])?, &["frobnicate"])?;
        assert!(!std::path::Path::new(output).exists(), "nothing is written where nothing can be recorded");
        Ok(())
    });
}

#[test]
fn an_output_that_cannot_be_written() {
    live("cli::an_output_that_cannot_be_written", &[], || {
        let args = ["record", "--port", "80", "--duration", "1s", "--output", "/nonexistent/dir/journal"];
        expect_refusal(&run(args)?, &["/nonexistent/dir/journal"])
    });
}

#[test]
fn without_privilege() {
    live("cli::without_privilege", &["setpriv"], || {
        // Where the build puts the observer another user may not look.
        let dir = tempfile::tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777))?;
        let program = dir.path().join("drain-observer");
        fs::copy(observer::program(), &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ]);
        command.arg(&program).args(["record", "--port", "80", "--duration", "1s", "--output"]);
        command.arg(dir.path().join("journal"));
        let output = observer::bounded(command)?;
        expect_refusal(&output, &["root"])
    });
}

#[test]
fn the_disk_fills_up_while_recording() {
    live("cli::the_disk_fills_up_while_recording", &[], || {
        let server = prefork()?.workers(2).start()?;
        let disk = SmallDisk::new("96k")?;
        let path = disk.path().join("journal");
        let mut command = Command::new(observer::program());
        command
            .args(["record", "--all-connections", "--port", &server.port().to_string(), "--output"])
            .arg(&path);
        let mut recording = Recording::run(command, &observer::program(), &path)?;
        Load::new(server.address()).clients(4, 2_000).run();
        // It may have ended on its own already, or ends now; either way it tells of the full disk.
        let _ = processes::send(recording.pid(), Signal::SIGINT);
        let (status, messages) = recording.wait_for_end(LIMIT)?;
        assert_eq!(status.code(), Some(2), "{messages}");
        assert!(messages.to_lowercase().contains("no space left"), "{messages}");
        assert!(!messages.contains("panicked"), "{messages}");

        let report = Journal::open(&observer::program(), &path).json(&["--connections", "all"])?;
        let connections = report["connections"].as_array().context("an array")?;
        assert!(!connections.is_empty(), "what was recorded stays readable");
        assert_eq!(report["completeness"]["complete"], false, "{}", report["completeness"]);
        assert_ne!(report["completeness"]["notes"].as_array().map_or(0, Vec::len), 0);
        Ok(())
    });
}

#[test]
fn a_ring_that_is_too_small_loses_events_and_says_so() {
    live("cli::a_ring_that_is_too_small_loses_events_and_says_so", &[], || {
        let server = prefork()?.workers(2).start()?;
        let (_dir, path) = journal_file(b"")?;
        let port = server.port().to_string();
        let args = ["--port", &port, "--all-connections", "--ring-size", "4096"];
        let recording = Recording::start(&observer::program(), &path, &args)?;
        // The reader cannot be everywhere at once while as many connections as possible end.
        processes::send(recording.pid(), Signal::SIGSTOP)?;
        let fates = Load::new(server.address()).clients(8, 400).run();
        processes::send(recording.pid(), Signal::SIGCONT)?;
        assert_eq!(fates.len(), 400);
        let journal = recording.finish()?;
        let report = journal.json(&["--connections", "all"])?;
        let completeness = &report["completeness"];
        assert_eq!(completeness["complete"], false, "{completeness}");
        let lost = completeness["lost_events"].as_array().context("an array")?;
        let count: u64 = lost.iter().filter_map(|one| one["count"].as_u64()).sum();
        let connections = report["connections"].as_array().context("an array")?.len() as u64;
        assert!(count > 0 && connections < 400, "{connections} connections, {completeness}");
        Ok(())
    });
}

#[test]
fn a_duration_ends_a_recording_in_good_order() {
    live("cli::a_duration_ends_a_recording_in_good_order", &[], || {
        let server = prefork()?.start()?;
        let (_dir, path) = journal_file(b"")?;
        fs::remove_file(&path)?;
        let mut command = Command::new(observer::program());
        command
            .args(["record", "--duration", "300ms", "--port", &server.port().to_string(), "--output"])
            .arg(&path);
        let mut recording = Recording::run(command, &observer::program(), &path)?;
        let (status, messages) = recording.wait_for_end(Duration::from_secs(10))?;
        assert!(status.success(), "{messages}");
        let report = Journal::open(&observer::program(), &path).json(&[])?;
        assert_eq!(report["completeness"]["complete"], true, "{}", report["completeness"]);
        Ok(())
    });
}
