//! The time that nobody observed, between two stretches on one host.

use super::Gathered;
use crate::journal::Break;
use crate::report::{Moment, Span};
use jiff::Timestamp;
use std::fmt;

/// A time that is missing between two stretches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blind {
    from: Timestamp,
    until: Timestamp,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    Stopped,
    Killed,
    Rebooted,
    Missing { first: u64, last: u64 },
    NotWritten,
    Damaged,
}

/// What is missing before each stretch.
pub(super) fn notes(gathered: &[Gathered]) -> Vec<Vec<Blind>> {
    gathered.iter().map(|later| before(gathered, later).into_iter().collect()).collect()
}

impl Blind {
    /// Whether any of it lies in the time asked for.
    pub(super) fn touches(&self, span: Span) -> bool {
        let at = |moment| match moment {
            Moment::At(time) => Some(time),
            // Was resolved before.
            Moment::BeforeEnd(_) => None,
        };
        span.since.and_then(at).is_none_or(|since| self.until >= since)
            && span.until.and_then(at).is_none_or(|until| self.from <= until)
    }
}

fn before(gathered: &[Gathered], later: &Gathered) -> Option<Blind> {
    let place = later.place?;
    let until = began(later);
    let same_host = |one: &&Gathered| {
        one.place.is_some() && one.replayed.header.host.hostname == later.replayed.header.host.hostname
    };
    let (from, earlier) = gathered
        .iter()
        .filter(same_host)
        .filter(|one| !std::ptr::eq(*one, later))
        .map(|one| (ended(one), one))
        .filter(|(from, _)| *from <= until)
        .max_by_key(|(from, _)| *from)?;
    let same_boot = earlier.replayed.header.host.boot_id == later.replayed.header.host.boot_id;
    let same_run = same_boot && earlier.place.is_some_and(|(first, _)| first.run == place.0.run);
    let why = match earlier.ended {
        Break::Missing { first, last } if same_run => Why::Missing { first, last },
        Break::NotWritten if same_run => Why::NotWritten,
        Break::Damaged if same_run => Why::Damaged,
        _ if earlier.replayed.snapshot.ended => Why::Stopped,
        _ if !same_boot => Why::Rebooted,
        _ => Why::Killed,
    };
    Some(Blind { from, until, why })
}

fn ended(one: &Gathered) -> Timestamp {
    one.clock().timestamp(one.replayed.snapshot.at)
}

/// From when on everything was seen.
fn began(one: &Gathered) -> Timestamp {
    let snapshot = &one.replayed.snapshot;
    one.clock().timestamp(snapshot.attached_at.unwrap_or(snapshot.from))
}

impl fmt::Display for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until, why } = self;
        let seconds = until.duration_since(*from).as_secs_f64();
        let time = format!("from {from:.3} to {until:.3} ({seconds:.3} s)");
        match why {
            Why::Stopped => write!(f, "nobody observed {time}: the observer was stopped"),
            Why::Killed => write!(f, "nobody observed {time}: the observer was killed"),
            Why::Rebooted => write!(f, "nobody observed {time}: the machine went down and started again"),
            Why::Missing { first, last } if first == last => {
                write!(f, "what was seen {time} is not known: segment {first} of the recording is missing")
            }
            Why::Missing { first, last } => write!(
                f,
                "what was seen {time} is not known: segments {first} to {last} of the recording are missing"
            ),
            Why::NotWritten => {
                write!(f, "what was seen {time} is not known: the disk did not take it, or not fast enough")
            }
            Why::Damaged => {
                write!(
                    f,
                    "what was seen {time} is not known: a segment of the recording is cut off or damaged"
                )
            }
        }
    }
}
