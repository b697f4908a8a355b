//! The report as JSON, as JSON lines, and its schema.

use super::model::{Completeness, Connection, Host, JournalPart, Report, Restart, Service, Tool, Window};
use schemars::{Schema, generate::SchemaSettings};
use serde::Serialize;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of a [`Report`].
pub fn schema() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report>();
    schema.insert("title".into(), "drain-observer report".into());
    schema
}

/// Writes a report as one JSON object.
pub fn write_json(report: &Report, mut out: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, report)?;
    out.write_all(b"\n")
}

/// Writes a report as JSON lines, each with its `type`: a `summary`, then each `restart`, then each `connection`.
pub fn write_jsonl(report: &Report, mut out: impl Write) -> io::Result<()> {
    let summary = Line::Summary {
        schema_version: report.schema_version,
        tool: &report.tool,
        host: &report.host,
        window: &report.window,
        completeness: &report.completeness,
        services: &report.services,
        journals: &report.journals,
    };
    let restarts = report.restarts.iter().map(Line::Restart);
    let connections = report.connections.iter().map(Line::Connection);
    for line in std::iter::once(summary).chain(restarts).chain(connections) {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Summary {
        schema_version: u32,
        tool: &'a Tool,
        host: &'a Host,
        window: &'a Window,
        completeness: &'a Completeness,
        services: &'a [Service],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        journals: &'a [JournalPart],
    },
    Restart(&'a Restart),
    Connection(&'a Connection),
}
