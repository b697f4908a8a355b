//! Metrics as data, before they are text.

use std::sync::Arc;

/// A metric with all its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name, for a counter without its `_total`.
    pub name: &'static str,
    /// What it tells, in one sentence.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: FamilyKind,
    /// Its series; a family without any is left out.
    pub series: Vec<Series>,
}

impl Family {
    /// A family without series.
    pub(super) fn new(name: &'static str, kind: FamilyKind, help: &'static str) -> Self {
        Self { name, help, kind, series: Vec::new() }
    }

    /// Adds a number.
    pub(super) fn add(&mut self, labels: impl IntoIterator<Item = Label>, number: f64) {
        self.series.push(Series {
            labels: labels.into_iter().collect(),
            value: Value::Number { number, exemplar: None },
        });
    }

    /// The same family with one number and no labels.
    pub(super) fn of(mut self, number: f64) -> Self {
        self.add([], number);
        self
    }
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations by size.
    Histogram,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Names and values, in the order in which they are written.
    pub labels: Vec<Label>,
    /// Its value.
    pub value: Value,
}

/// The name and value of a label.
pub type Label = (&'static str, Text);

/// The value of a label: any text, escaped when it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Text {
    /// One of the project's own words.
    Word(&'static str),
    /// A name from the host, shared by many series.
    Shared(Arc<str>),
}

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Shared(text) => text,
        }
    }
}

impl From<&'static str> for Text {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        Self::Shared(text.clone())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or gauge.
    Number {
        /// The number.
        number: f64,
        /// What made a counter grow last.
        exemplar: Option<Exemplar>,
    },
    /// Of a histogram.
    Histogram {
        /// Upper bounds, ascending, the last one infinite, and how many observations were not above each.
        buckets: Vec<Bucket>,
        /// Sum of all observations.
        sum: f64,
    },
}

/// A bucket of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Its upper bound.
    pub le: f64,
    /// Observations not above it.
    pub count: u64,
    /// The last that fell into it and not into the one before.
    pub exemplar: Option<Exemplar>,
}

/// The restart behind a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its id, as in a report.
    pub restart: Arc<str>,
    /// What was observed.
    pub value: f64,
    /// When it ended, in seconds since 1970.
    pub at: f64,
}
