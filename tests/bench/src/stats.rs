//! Medians with their extremes, and the order in which two things are measured.

use serde::Serialize;

/// What several measurements of one thing came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one; of an even number, the mean of the middle two.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
    /// How many there were, 1...
    pub(crate) count: usize,
}

impl Spread {
    /// Of at least one finite value; others are left out.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let count = sorted.len();
        let median = f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]);
        Some(Self { median, min, max, count })
    }
}

impl From<f64> for Spread {
    fn from(value: f64) -> Self {
        Self { median: value, min: value, max: value, count: 1 }
    }
}

/// One of the two things that a pair compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The load alone.
    Without,
    /// The load with what is measured.
    With,
}

/// The order within the pair of this number: A B, B A, A B.., so that a steady drift of the machine favours neither.
pub(crate) fn order(pair: usize) -> [Side; 2] {
    if pair.is_multiple_of(2) { [Side::Without, Side::With] } else { [Side::With, Side::Without] }
}

/// Measures pairs in alternating order: what came out without and with, pair by pair.
pub(crate) fn pairs<T: Copy>(
    count: usize,
    mut measure: impl FnMut(Side) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<[T; 2]>> {
    let mut found = Vec::with_capacity(count);
    for pair in 0..count {
        let order = order(pair);
        let (first, second) = (measure(order[0])?, measure(order[1])?);
        found.push(if order[0] == Side::Without { [first, second] } else { [second, first] });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).expect("three values");
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0, count: 3 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of(&[7.0]), Some(Spread::from(7.0)));
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(Spread::of(&[f64::NAN, 1.0]), Some(Spread::from(1.0)));
    }

    #[test]
    fn neither_side_always_comes_first() {
        let mut seen = Vec::new();
        let found = pairs(4, |side| {
            seen.push(side);
            Ok(seen.len())
        });
        use Side::{With as B, Without as A};
        assert_eq!(seen, [A, B, B, A, A, B, B, A]);
        assert_eq!(found.expect("nothing fails"), [[1, 2], [4, 3], [5, 6], [8, 7]]);
    }
}
