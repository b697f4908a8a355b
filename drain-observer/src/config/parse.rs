//! What a file of settings says, and all that is wrong with it.

use super::error::{Problems, position};
use super::schema::{Key, Schema, Wanted};
use clap::Command;
use clap::error::ErrorKind;
use std::error::Error as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Values that a list may have.
const MAX_VALUES: usize = 1_000;
/// Of longer files only the first error in the TOML is looked for: each takes memory.
const RECOVERABLE: usize = 64 << 10;
/// Characters of a name or value that a message has.
const SHOWN: usize = 60;

/// A setting that a file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// Its values as the flag takes them: `true` or `false` of a switch, any number of a list, else one.
    pub values: Vec<String>,
    /// The line it is on, from 1.
    pub line: usize,
}

/// Reads settings, which are in order only if all of them are. Each value has been parsed as its flag's.
pub fn parse(bytes: &[u8], schema: &Schema) -> Result<Vec<Entry>, Problems> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (text, _) = bytes.split_at(error.valid_up_to());
            let text = String::from_utf8_lossy(text);
            return Err(Problems::of(
                &text,
                vec![(text.len(), "this is no UTF-8, which TOML is".to_owned())],
            ));
        }
    };
    let document = document(text)?;
    let mut reading =
        Reading { text, schema, parser: schema.command(), entries: Vec::new(), problems: Vec::new() };
    reading.table(None, document.get_ref());
    let Reading { mut entries, problems, .. } = reading;
    if !problems.is_empty() {
        return Err(Problems::of(text, problems));
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn document(text: &str) -> Result<Spanned<DeTable<'_>>, Problems> {
    let first = match DeTable::parse(text) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    let mut errors = vec![first];
    if text.len() <= RECOVERABLE {
        errors = DeTable::parse_recoverable(text).1;
    }
    let place = |error: &toml::de::Error| error.span().map_or(text.len(), |span| span.start);
    let found = errors.iter().map(|error| (place(error), format!("this is no TOML: {}", error.message())));
    Err(Problems::of(text, found.collect()))
}

struct Reading<'a> {
    text: &'a str,
    schema: &'a Schema,
    parser: Command,
    entries: Vec<Entry>,
    problems: Vec<(usize, String)>,
}

impl Reading<'_> {
    fn table(&mut self, table: Option<&str>, entries: &DeTable<'_>) {
        for (name, value) in entries {
            let at = name.span().start;
            let name = name.get_ref();
            match (self.schema.key(table, name), value.get_ref()) {
                (Some(key), _) => {
                    let key = key.clone();
                    self.setting(key, at, value);
                }
                (None, DeValue::Table(entries)) if table.is_none() && self.schema.is_table(name) => {
                    self.table(Some(name), entries);
                }
                (None, other) if table.is_none() && self.schema.is_table(name) => {
                    let given = described(other);
                    self.problem(
                        at,
                        format!("`{name}` is {given}; a table is wanted: [{name}], with its keys below"),
                    );
                }
                (None, _) => {
                    let told = self.unknown(table, name);
                    self.problem(at, told);
                }
            }
        }
    }

    fn unknown(&self, table: Option<&str>, name: &str) -> String {
        let elsewhere = self.schema.keys().iter().find(|key| key.name == name);
        let name = cut(name);
        let place = table.map_or_else(String::new, |table| format!(" in [{table}]"));
        match elsewhere.map(|key| key.table) {
            Some(Some(table)) => {
                format!("`{name}` belongs to the table {table}: write it below a line [{table}]")
            }
            Some(None) => format!("`{name}` belongs to no table: write it above the first line in brackets"),
            None => match self.schema.nearest(&name) {
                Some(key) => format!("there is no setting `{name}`{place}; the nearest is `{}`", key.path()),
                None => format!("there is no setting `{name}`{place}"),
            },
        }
    }

    fn setting(&mut self, key: Key, at: usize, value: &Spanned<DeValue<'_>>) {
        let values = match (key.list, value.get_ref()) {
            (true, DeValue::Array(items)) if items.len() > MAX_VALUES => {
                let told = format!("`{}` has {} values, and may have {MAX_VALUES}", key.name, items.len());
                return self.problem(at, told);
            }
            (true, DeValue::Array(items)) => {
                let values = items.iter().filter_map(|item| self.scalar(&key, item)).collect::<Vec<_>>();
                (values.len() == items.len()).then_some(values)
            }
            (true, other) => {
                let told = format!(
                    "`{}` is {}; a list is wanted: {} = [{}, ..]",
                    key.name,
                    described(other),
                    key.name,
                    key.value_name
                );
                return self.problem(value.span().start, told);
            }
            (false, _) => self.scalar(&key, value).map(|value| vec![value]),
        };
        if let Some(values) = values {
            let (line, _) = position(self.text, at);
            self.entries.push(Entry { key, values, line });
        }
    }

    /// A single value as the flag takes it, where it is one that the flag takes.
    fn scalar(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = match (key.wanted, value.get_ref()) {
            (Wanted::Switch, DeValue::Boolean(on)) => return Some(on.to_string()),
            (Wanted::Number | Wanted::Text | Wanted::Parsed, DeValue::String(text)) => text.to_string(),
            (Wanted::Number | Wanted::Parsed, DeValue::Integer(number)) => {
                match i128::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => number.to_string(),
                    Err(_) => number.to_string(),
                }
            }
            (wanted, other) => {
                let told = format!("`{}` is {}; {} is wanted", key.name, described(other), wanted.words());
                self.problem(value.span().start, told + &example(key));
                return None;
            }
        };
        match self.refusal(key, &text) {
            None => Some(text),
            Some(why) => {
                let given = described(value.get_ref());
                self.problem(value.span().start, format!("`{}` is {given}: {why}{}", key.name, example(key)));
                None
            }
        }
    }

    /// What the flag says against a value.
    fn refusal(&mut self, key: &Key, value: &str) -> Option<String> {
        let error = self.parser.try_get_matches_from_mut([format!("--{}={value}", key.flag)]).err()?;
        // What else has to be given is seen when flags and file are taken together.
        if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict) {
            return None;
        }
        let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        let lines: Vec<&str> = said.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        Some(cut_to(&lines.join(" "), 4 * SHOWN))
    }

    fn problem(&mut self, at: usize, told: String) {
        self.problems.push((at, told));
    }
}

/// What would be right, where the flag's help says it.
fn example(key: &Key) -> String {
    match (&key.default, key.value_name.as_str()) {
        _ if key.wanted == Wanted::Switch => String::new(),
        (_, "") => String::new(),
        (Some(default), name) => format!(" ({name}, such as {default})"),
        (None, name) => format!(" ({name})"),
    }
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", cut(text)),
        DeValue::Integer(number) => format!("the number {}", cut(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", cut(number.as_str())),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn cut(text: &str) -> String {
    cut_to(text, SHOWN)
}

fn cut_to(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_owned(),
    }
}
