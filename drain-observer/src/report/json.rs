//! The report as JSON, as JSON lines, and the schemas of what is published as JSON.

use super::model::{
    Completeness, Connection, Host, JournalPart, LiveLine, Report, Restart, Service, Tool, Window,
};
use super::text::acts;
use crate::mask::Masking;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of a [`Report`].
pub fn schema() -> Schema {
    schema_of::<Report>("drain-observer report")
}

/// The JSON Schema of each line that [`write_jsonl`] writes.
pub fn lines_schema() -> Schema {
    schema_of::<Line<'static>>("a line of drain-observer report -o jsonl")
}

/// The JSON Schema of each [`LiveLine`].
pub fn live_schema() -> Schema {
    schema_of::<LiveLine>("a line of drain-observer watch -o json")
}

/// The JSON Schema of whatever is published besides.
pub(crate) fn schema_of<T: JsonSchema>(title: &str) -> Schema {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema
}

/// Writes a report as one JSON object.
pub fn write_json(report: &Report, out: impl Write) -> io::Result<()> {
    let mut out = Escaping(out);
    serde_json::to_writer_pretty(&mut out, report)?;
    out.write_all(b"\n")
}

/// Writes a report as JSON lines, each with its `type`: a `summary`, then each `restart`, then each `connection`.
pub fn write_jsonl(report: &Report, out: impl Write) -> io::Result<()> {
    let mut out = Escaping(out);
    let summary = Line::Summary {
        schema_version: report.schema_version,
        tool: &report.tool,
        host: &report.host,
        window: &report.window,
        masked_peers: report.masked_peers,
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

/// Writes one event of note as a JSON line.
pub fn write_live_json(line: &LiveLine, out: impl Write) -> io::Result<()> {
    let mut out = Escaping(out);
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")
}

/// JSON on its way, in which names cannot act: JSON itself escapes the first 32 control characters alone, and terminals
/// know others. Beyond ASCII there is nothing in JSON but its strings.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Strings come in pieces of whole characters.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Ok(mut rest) = str::from_utf8(bytes) else { return self.0.write_all(bytes) };
        let escaped = |char: char| (!char.is_ascii() || char == '\x7f') && acts(char);
        while let Some((at, char)) = rest.char_indices().find(|(_, char)| escaped(*char)) {
            self.0.write_all(&rest.as_bytes()[..at])?;
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            rest = &rest[at + char.len_utf8()..];
        }
        self.0.write_all(rest.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A part of a report, by its `type`.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    /// What a report says besides restarts and connections.
    Summary {
        /// Version of this format, 1.
        schema_version: u32,
        /// The program that made the report.
        tool: &'a Tool,
        /// The machine that was observed; the first one, where the report is made from journals of several.
        host: &'a Host,
        /// What time the report is about.
        window: &'a Window,
        /// How the addresses of peers are masked, in any of the journals: then they are not the true ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        masked_peers: Option<Masking>,
        /// Whether everything was seen, and what was not.
        completeness: &'a Completeness,
        /// Services, by name of the host and number.
        services: &'a [Service],
        /// The journals that the report is made from, where there are several.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        journals: &'a [JournalPart],
    },
    /// A restart.
    Restart(&'a Restart),
    /// A connection.
    Connection(&'a Connection),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_act_and_stay_what_they_are() {
        let name = "a\u{1b}[2J\u{7f}\u{9b}2J\u{202e}\u{e9}\u{1f600}\n\"\\";
        let mut out = Vec::new();
        serde_json::to_writer_pretty(Escaping(&mut out), &[name]).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "[\n  \"a\\u001b[2J\\u007f\\u009b2J\\u202e\u{e9}\u{1f600}\\n\\\"\\\\\"\n]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).expect("JSON"), [name]);
    }
}
