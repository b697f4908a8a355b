//! The gate's command line and its JSON.

use anyhow::Context;
use drain_observer_tests::ports;
use drain_observer_tests::requirements::live;
use serde_json::Value;

use crate::support::{expect_refusal, journal_file, prefork, run};

#[test]
fn a_gate_needs_a_command_that_can_be_run() {
    live("cli::a_gate_needs_a_command_that_can_be_run", &[], || {
        expect_refusal(&run(["gate"])?, &["COMMAND"])?;
        expect_refusal(&run(["gate", "true"])?, &["--"])?;
        expect_refusal(&run(["gate", "--", "/nonexistent/reload"])?, &["/nonexistent/reload"])?;
        expect_refusal(&run(["gate", "--settle", "soon", "--", "true"])?, &["30s"])?;
        expect_refusal(&run(["gate", "--journal", "-", "--", "true"])?, &["--journal"])
    });
}

#[test]
fn a_gate_that_watches_nothing_is_inconclusive() {
    live("cli::a_gate_that_watches_nothing_is_inconclusive", &[], || {
        let port = ports::free()?.to_string();
        let output = run(["gate", "-P", &port, "--settle", "100ms", "--", "true"])?;
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.ends_with(&format!("no service matches port {port}: nothing was watched\n")), "{said}");
        Ok(())
    });
}

#[test]
fn its_report_fits_the_published_schema_and_its_journal_tells_the_same() {
    live("cli::its_report_fits_the_published_schema_and_its_journal_tells_the_same", &[], || {
        let (_dir, path) = journal_file(&[])?;
        let journal = path.to_str().context("a path in UTF-8")?;
        let server = prefork()?.workers(1).start()?;
        let port = server.port().to_string();
        let args =
            ["gate", "-P", &port, "--settle", "100ms", "-o", "json", "--journal", journal, "--", "true"];
        let report: Value = serde_json::from_slice(&run(args)?.stdout).context("the report is JSON")?;
        let schema: Value = serde_json::from_slice(&run(["schema"])?.stdout).context("the schema is JSON")?;
        let validator = jsonschema::validator_for(&schema).context("the schema is a JSON Schema")?;
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(report["gate"]["command"], serde_json::json!(["true"]));
        assert_eq!(report["gate"]["command_exit"]["status"], 0);
        let replayed: Value = serde_json::from_slice(&run(["report", "-o", "json", journal])?.stdout)?;
        assert_eq!(ids(&replayed), ids(&report));
        Ok(())
    });
}

fn ids(report: &Value) -> Vec<&Value> {
    let services = report["services"].as_array().map_or(&[][..], Vec::as_slice);
    services.iter().map(|service| &service["id"]).collect()
}
