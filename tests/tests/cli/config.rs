//! Files of settings, before anything is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use drain_observer_tests::observer;
use drain_observer_tests::requirements::live;

use crate::support::{expect_refusal, run};

#[test]
fn settings_in_force_are_shown_to_anybody() {
    live("cli::settings_in_force_are_shown_to_anybody", &["setpriv"], || {
        // Where the build puts the observer another user may not look.
        let dir = tempfile::tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let program = dir.path().join("drain-observer");
        fs::copy(observer::program(), &program)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let file = dir.path().join("settings.toml");
        fs::write(&file, "max_services = 50\n[selection]\nports = [8080]\n")?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ]);
        command.arg(&program).args(["serve", "--check-config", "--journal-sync=2s", "--config"]).arg(&file);
        let output = observer::bounded(command)?;
        let shown = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() && output.stderr.is_empty(), "{}: {shown}", output.status);
        let file = file.display();
        for (line, origin) in [
            ("max_services = 50 ", format!("# {file}:1")),
            ("ports = [8080] ", format!("# {file}:3")),
            ("journal_sync = \"2s\" ", "# flag".to_owned()),
            ("listen = \"127.0.0.1:9931\" ", "# default".to_owned()),
        ] {
            let found = shown.lines().find(|shown| shown.starts_with(line));
            ensure!(
                found.is_some_and(|found| found.ends_with(&origin)),
                "{line}{origin} is not in:\n{shown}"
            );
        }
        Ok(())
    });
}

#[test]
fn all_that_is_wrong_with_settings_is_said() {
    live("cli::all_that_is_wrong_with_settings_is_said", &[], || {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("settings.toml");
        let path = file.to_str().context("a plain path")?;
        fs::write(&file, "jurnal_dir = \"/x\"\nlisten = \"nowhere\"\n\n[selection]\nports = [80, 0]\n")?;
        let words = [
            format!("{path}:1:1: there is no setting `jurnal_dir`; the nearest is `journal_dir`"),
            format!("{path}:2:10: `listen` is \"nowhere\""),
            format!("{path}:5:14: `ports` is the number 0: 0 is not in 1..=65535"),
        ];
        let words = words.each_ref().map(String::as_str);
        for subcommand in ["serve", "exporter"] {
            expect_refusal(&run([subcommand, "--check-config", "--config", path])?, &words)?;
            expect_refusal(&run([subcommand, "--config", path])?, &words)?;
        }
        fs::write(&file, "listen = \n")?;
        expect_refusal(
            &run(["serve", "--check-config", "--config", path])?,
            &[path, ":1:10: this is no TOML"],
        )?;
        expect_refusal(&run(["serve", "--config", "/nonexistent"])?, &["/nonexistent", "no such file"])?;
        expect_refusal(&run(["serve", "--config", "/tmp"])?, &["/tmp is no regular file", "--config"])?;
        expect_refusal(&run(["serve", "--config", "/dev/zero"])?, &["/dev/zero is no regular file"])?;
        expect_refusal(
            &run(["serve", "--journal-max-size", "1KiB"])?,
            &["1KiB is too little", "at least 4MiB"],
        )
    });
}

/// The file that is read where none is named, seen by this process alone.
#[test]
fn the_default_file_is_read() {
    live("cli::the_default_file_is_read", &["unshare", "mount"], || {
        let etc = tempfile::tempdir()?;
        let check = |args: &[&str]| -> Result<std::process::Output> {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc && exec \"$@\""]).arg(etc.path());
            command.arg(observer::program()).args(["serve", "--check-config"]).args(args);
            observer::bounded(command)
        };
        let without = check(&[])?;
        let shown = String::from_utf8(without.stdout)?;
        ensure!(
            without.status.success() && shown.starts_with("# settings in force, with no file\n"),
            "{shown}"
        );
        fs::write(etc.path().join("drain-observer.toml"), "max_services = 9\n")?;
        let shown = String::from_utf8(check(&[])?.stdout)?;
        let line = shown.lines().find(|line| line.starts_with("max_services = 9 ")).context("it is read")?;
        ensure!(line.ends_with("# /etc/drain-observer.toml:1"), "{line}");
        let shown = String::from_utf8(check(&["--config", "none"])?.stdout)?;
        ensure!(shown.contains("max_services = 200 "), "{shown}");
        fs::write(etc.path().join("drain-observer.toml"), "max_service = 9\n")?;
        expect_refusal(&check(&[])?, &["/etc/drain-observer.toml:1:1: ", "the nearest is `max_services`"])
    });
}
