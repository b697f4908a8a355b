//! What was measured, as text and JSON have it.

use crate::{machine::Machine, stats::Spread};
use serde::Serialize;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// Where and under what conditions.
    pub(crate) machine: Machine,
    /// `quick`, `normal` or `long`.
    pub(crate) extent: &'static str,
    /// Load average over one minute at the beginning and at the end.
    pub(crate) load_average: [f64; 2],
    /// How long it took, seconds.
    pub(crate) seconds: f64,
    /// What was measured, in groups.
    pub(crate) rows: Vec<Row>,
    /// Cost against size.
    pub(crate) curves: Vec<Curve>,
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The measurement that it belongs to.
    pub(crate) group: &'static str,
    /// What it is.
    pub(crate) what: String,
    /// What it came to; none = it could not be measured, and the note says why.
    pub(crate) value: Option<Spread>,
    /// In which unit.
    pub(crate) unit: Unit,
    /// What it must reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Budget>,
    /// Whether it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

/// How a value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// With divided by without, in the same pair.
    Ratio,
    /// Occurrences a second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// Percent of one processor.
    PercentOfCore,
    /// A number of things.
    Count,
}

/// What a value must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Budget {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
}

/// Whether a budget is kept, by the median.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is.
    Reached,
    /// It is not, or could not be measured.
    Missed,
    /// Too much else ran to tell.
    NotMeasurable,
}

/// What something costs at several sizes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Curve {
    /// What grows.
    pub(crate) what: String,
    /// Size and cost, from the smallest size on; costs in one unit of no matter which size.
    pub(crate) points: Vec<(f64, f64)>,
    /// How sizes are written.
    pub(crate) unit: Unit,
}

impl Row {
    /// A value, or what stood in its way.
    pub(crate) fn new(
        group: &'static str,
        what: impl Into<String>,
        unit: Unit,
        value: impl Into<Option<Spread>>,
    ) -> Self {
        let (what, value) = (what.into(), value.into());
        Self { group, what, value, unit, budget: None, verdict: None, note: String::new() }
    }

    /// With a budget, and whether it is kept.
    pub(crate) fn must(mut self, budget: Budget) -> Self {
        let kept = self.value.is_some_and(|value| budget.allows(value.median));
        (self.budget, self.verdict) =
            (Some(budget), Some(if kept { Verdict::Reached } else { Verdict::Missed }));
        self
    }

    /// With a budget of which nothing can be said, and why.
    pub(crate) fn not_measurable(mut self, budget: Budget, why: impl AsRef<str>) -> Self {
        (self.budget, self.verdict) = (Some(budget), Some(Verdict::NotMeasurable));
        self.note(why)
    }

    /// With something else to know, after what is noted already.
    pub(crate) fn note(mut self, note: impl AsRef<str>) -> Self {
        if !self.note.is_empty() {
            self.note += "; ";
        }
        self.note += note.as_ref();
        self
    }
}

impl Budget {
    fn allows(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

impl Curve {
    /// What an event may cost at most, of what it costs at the smallest size.
    pub(crate) const ALLOWED: f64 = 1.3;

    /// The highest cost at any size divided by that at the smallest.
    pub(crate) fn growth(&self) -> Option<f64> {
        let (_, first) = *self.points.first()?;
        let highest = self.points.iter().map(|(_, cost)| *cost).fold(first, f64::max);
        (first > 0.0).then(|| highest / first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_up_to_its_limit() {
        let verdict = |value: Option<f64>, budget| {
            Row::new("g", "w", Unit::Ratio, value.map(Spread::from)).must(budget).verdict
        };
        assert_eq!(verdict(Some(0.98), Budget::AtLeast(0.98)), Some(Verdict::Reached));
        assert_eq!(verdict(Some(0.979), Budget::AtLeast(0.98)), Some(Verdict::Missed));
        assert_eq!(verdict(Some(0.0), Budget::AtMost(0.0)), Some(Verdict::Reached));
        assert_eq!(verdict(Some(1.0), Budget::AtMost(0.0)), Some(Verdict::Missed));
        assert_eq!(verdict(None, Budget::AtMost(1.0)), Some(Verdict::Missed), "not measured is not reached");
    }

    #[test]
    fn notes_add_up() {
        let row = Row::new("g", "w", Unit::Ratio, Spread::from(1.0)).note("a");
        assert_eq!(row.not_measurable(Budget::AtLeast(2.0), "b").note, "a; b");
    }

    #[test]
    fn growth_is_from_the_smallest_size_to_the_highest_cost() {
        let curve =
            |points: &[(f64, f64)]| Curve { what: "x".into(), points: points.to_vec(), unit: Unit::Count };
        assert_eq!(curve(&[(1.0, 2.0), (10.0, 9.0), (100.0, 3.0)]).growth(), Some(4.5));
        assert_eq!(curve(&[(1.0, 2.0), (10.0, 1.0)]).growth(), Some(1.0));
        assert_eq!(curve(&[]).growth(), None);
        assert_eq!(curve(&[(1.0, 0.0), (2.0, 1.0)]).growth(), None);
    }
}
