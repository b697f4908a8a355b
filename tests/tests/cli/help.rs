//! The help texts, word for word.

use drain_observer_tests::requirements::live;

use crate::support::run;

#[test]
fn help_texts() {
    live("cli::help_texts", &[], || {
        for command in
            ["", "record", "report", "watch", "tui", "gate", "serve", "exporter", "doctor", "schema"]
        {
            let args = [command, "--help"].into_iter().filter(|arg| !arg.is_empty());
            let output = run(args)?;
            assert!(output.status.success(), "{command}: {}", output.status);
            let name = if command.is_empty() { "drain-observer" } else { command };
            let text = String::from_utf8(output.stdout)?;
            insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false}, {
                insta::assert_snapshot!(format!("help-{name}"), text);
            });
        }
        Ok(())
    });
}
