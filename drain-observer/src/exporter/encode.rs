//! Metrics as text: Prometheus' own format and OpenMetrics.

use super::family::{Exemplar, Family, FamilyKind, Label, Series, Value};
use std::fmt::Write as _;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus text format 0.0.4, which has no exemplars.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// For the header of a response.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes metrics.
pub fn encode<'a>(families: impl IntoIterator<Item = &'a Family>, format: Format) -> String {
    let mut text = String::new();
    for family in families {
        if !family.series.is_empty() {
            Encoder { format, family, text: &mut text }.family();
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

struct Encoder<'a> {
    format: Format,
    family: &'a Family,
    text: &'a mut String,
}

impl Encoder<'_> {
    fn family(&mut self) {
        let kind = match self.family.kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        };
        // In OpenMetrics `_total` belongs to the sample, otherwise to the metric.
        let suffix = match self.format {
            Format::Prometheus => self.suffix(),
            Format::OpenMetrics => "",
        };
        let name = self.family.name;
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push_str(suffix);
        self.text.push(' ');
        // OpenMetrics has quotes escaped as well.
        escape(self.text, self.family.help, self.format == Format::OpenMetrics);
        self.text.push('\n');
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# TYPE {name}{suffix} {kind}");
        for series in &self.family.series {
            self.series(series);
        }
    }

    fn suffix(&self) -> &'static str {
        if self.family.kind == FamilyKind::Counter { "_total" } else { "" }
    }

    fn series(&mut self, series: &Series) {
        match &series.value {
            Value::Number { number: value, exemplar } => {
                self.sample(self.suffix(), &series.labels, None, *value, exemplar.as_ref());
            }
            Value::Histogram { buckets, sum } => {
                for bucket in buckets {
                    let (le, count) = (Some(bucket.le), bucket.count as f64);
                    self.sample("_bucket", &series.labels, le, count, bucket.exemplar.as_ref());
                }
                let count = buckets.last().map_or(0, |last| last.count);
                self.sample("_sum", &series.labels, None, *sum, None);
                self.sample("_count", &series.labels, None, count as f64, None);
            }
        }
    }

    fn sample(
        &mut self,
        suffix: &str,
        labels: &[Label],
        le: Option<f64>,
        value: f64,
        exemplar: Option<&Exemplar>,
    ) {
        self.text.push_str(self.family.name);
        self.text.push_str(suffix);
        if !labels.is_empty() || le.is_some() {
            let mut before = '{';
            for (name, value) in labels {
                self.text.push(before);
                before = ',';
                self.text.push_str(name);
                self.text.push_str("=\"");
                escape(self.text, value.as_str(), true);
                self.text.push('"');
            }
            if let Some(le) = le {
                self.text.push(before);
                self.text.push_str("le=\"");
                bound(self.text, le);
                self.text.push('"');
            }
            self.text.push('}');
        }
        self.text.push(' ');
        number(self.text, value);
        if let Some(exemplar) = exemplar
            && self.format == Format::OpenMetrics
        {
            self.text.push_str(" # {restart_id=\"");
            escape(self.text, &exemplar.restart, true);
            self.text.push_str("\"} ");
            number(self.text, exemplar.value);
            let _ = write!(self.text, " {:.3}", exemplar.at);
        }
        self.text.push('\n');
    }
}

/// Escapes what would end a line or a label's value.
fn escape(to: &mut String, text: &str, quotes: bool) {
    for character in text.chars() {
        match character {
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '"' if quotes => to.push_str("\\\""),
            other => to.push(other),
        }
    }
}

/// The same text in both formats, so that a bucket is the same series whichever was asked for.
fn bound(to: &mut String, bound: f64) {
    if bound.is_infinite() {
        to.push_str("+Inf");
    } else {
        let _ = write!(to, "{bound:?}");
    }
}

fn number(to: &mut String, number: f64) {
    if number.is_nan() {
        to.push_str("NaN");
    } else if number.is_infinite() {
        to.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(to, "{number}");
    }
}
