//! Which segments a reader of some time needs.

use super::Segment;
use jiff::{SignedDuration, Timestamp};

/// What happened before the time asked for, or after it, may be part of a restart within.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// A time that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// From when on; none = from the beginning.
    pub since: Option<Timestamp>,
    /// Until when; none = to the end.
    pub until: Option<Timestamp>,
}

/// The segments to read for a time: those that tell of it or of ten minutes before or after it, and the one before them
/// of the same run, so that what was under way is whole. Where none tells of it, the nearest. Takes and leaves them in the
/// order of [`Catalog::segments`](super::Catalog::segments).
pub fn choose(segments: &[Segment], between: Between) -> Vec<Segment> {
    let since = between.since.map(|since| since.saturating_sub(MARGIN).unwrap_or(Timestamp::MIN));
    let until = between.until.map(|until| until.saturating_add(MARGIN).unwrap_or(Timestamp::MAX));
    let fits = |segment: &Segment| {
        let name = &segment.name;
        // One that was not closed may go on until now.
        since.is_none_or(|since| name.end.is_none_or(|end| end >= since))
            && until.is_none_or(|until| name.start <= until)
    };
    let mut wanted: Vec<bool> = segments.iter().map(fits).collect();
    for index in 1..wanted.len() {
        if wanted[index] && segments[index - 1].name.run == segments[index].name.run {
            wanted[index - 1] = true;
        }
    }
    if !wanted.contains(&true) {
        let late = segments.iter().rposition(|segment| until.is_none_or(|until| segment.name.start <= until));
        if let Some(nearest) = wanted.get_mut(late.unwrap_or(0)) {
            *nearest = true;
        }
    }
    let chosen = segments.iter().zip(wanted).filter(|(_, wanted)| *wanted);
    chosen.map(|(segment, _)| segment.clone()).collect()
}
