//! What can be played back: a journal, or several that continue each other.

use super::{Header, JournalError, Stats};
use crate::event::Event;

/// Events with the header that belongs to them, and what reading them has found so far.
pub trait Events: Iterator<Item = Result<Event, JournalError>> {
    /// The header of the first journal.
    fn header(&self) -> &Header;

    /// What was found so far.
    fn stats(&self) -> Stats;
}

impl<E: Events> Events for &mut E {
    fn header(&self) -> &Header {
        (**self).header()
    }

    fn stats(&self) -> Stats {
        (**self).stats()
    }
}
