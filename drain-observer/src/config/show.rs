//! Settings as a file of settings, with where each comes from.

use super::schema::{Key, Schema, Wanted};
use super::settings::{Origin, Settings};
use crate::report::harmless;
use std::fmt::Write as _;
use std::path::Path;

/// Where the comments begin, if what is before them leaves room.
const COMMENTS: usize = 44;

/// The settings in force, each with where it comes from: TOML that could be read again.
pub fn show(settings: &Settings, schema: &Schema) -> String {
    let file = settings.file().map(name);
    let mut text = match &file {
        Some(file) => format!("# settings in force, with {file}\n"),
        None => "# settings in force, with no file\n".to_owned(),
    };
    let mut table = None;
    for key in schema.keys() {
        let Some(values) = settings.values(key) else { continue };
        if key.table != table {
            table = key.table;
            let _ = writeln!(text, "\n[{}]", table.unwrap_or_default());
        }
        let line = match values.is_empty() && !key.list {
            true => format!("# {} is not set", key.name),
            false => format!("{} = {}", key.name, shown(key, &values)),
        };
        let origin = match settings.origin(key) {
            Origin::Flag => "flag".to_owned(),
            Origin::Line(line) => format!("{}:{line}", file.as_deref().unwrap_or_default()),
            Origin::Default => "default".to_owned(),
        };
        let _ = writeln!(text, "{line:COMMENTS$} # {origin}");
    }
    for entry in settings.unused() {
        let file = file.as_deref().unwrap_or_default();
        let _ = writeln!(text, "# not used here: {} ({file}:{})", entry.key.path(), entry.line);
    }
    text
}

/// A setting's values as a file has them.
pub(super) fn shown(key: &Key, values: &[String]) -> String {
    let shown: Vec<String> = values.iter().map(|value| one(key.wanted, value)).collect();
    match (key.list, shown.as_slice()) {
        (true, _) => format!("[{}]", shown.join(", ")),
        (false, []) => "not set".to_owned(),
        (false, _) => shown.concat(),
    }
}

fn one(wanted: Wanted, value: &str) -> String {
    let is_number = || value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    match wanted {
        Wanted::Switch => value.to_owned(),
        Wanted::Number | Wanted::Parsed if is_number() => value.to_owned(),
        _ => quoted(value),
    }
}

/// A string of TOML's on one line, in which nothing acts on a terminal.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ if char.is_alphanumeric() => quoted.push(char),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(char))),
        }
    }
    quoted.push('"');
    quoted
}

fn name(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}
