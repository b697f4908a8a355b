//! The ring buffer.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{Map, MapData, RingBuf};

use super::KernelError;
use crate::decode::decode;
use crate::event::{BootNs, Event, Kind, Lost};

/// Whether anything is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// The ring was found empty.
    Empty,
    /// The limit came first.
    More,
}

pub(super) struct Ring {
    records: RingBuf<MapData>,
    undecodable: u64,
    exits: RecentExits,
}

impl Ring {
    pub(super) fn new(map: Map) -> Result<Ring, KernelError> {
        let records = RingBuf::try_from(map).map_err(|error| KernelError::Load(error.to_string()))?;
        Ok(Ring { records, undecodable: 0, exits: RecentExits::default() })
    }

    pub(super) fn readiness(&self) -> Result<OwnedFd, KernelError> {
        self.records.as_fd().try_clone_to_owned().map_err(KernelError::Readiness)
    }

    pub(super) fn drain(&mut self, limit: usize, events: &mut Vec<Event>) -> Drained {
        for _ in 0..limit {
            let Some(record) = self.records.next() else { return Drained::Empty };
            match decode(&record) {
                Ok(event) if self.exits.is_repeated(&event) => {}
                Ok(event) => events.push(event),
                Err(error) => {
                    if self.undecodable == 0 {
                        ::log::warn!("{error}");
                    }
                    self.undecodable += 1;
                }
            }
        }
        Drained::More
    }

    pub(super) fn undecodable(&mut self) -> Option<Lost> {
        let count = std::mem::take(&mut self.undecodable);
        (count > 0).then(|| Lost { what: "record".to_owned(), reason: "undecodable".to_owned(), count })
    }
}

/// The processes that ended last: two threads that leave together may both take themselves for the last one.
#[derive(Default)]
struct RecentExits(VecDeque<(u32, BootNs)>);

impl RecentExits {
    const KEPT: usize = 64;

    fn is_repeated(&mut self, event: &Event) -> bool {
        let Kind::Exited(exited) = &event.event else { return false };
        let process = (exited.task.pid, exited.start);
        if self.0.contains(&process) {
            return true;
        }
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(process);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Exited, Task};

    #[test]
    fn only_the_first_exit_counts() {
        let exit = |pid, start| {
            let task = Task { pid, ..Task::default() };
            Event { at: 1, event: Kind::Exited(Exited { task, start, status: 0, signal: 0 }) }
        };
        let mut exits = RecentExits::default();
        assert!(!exits.is_repeated(&exit(7, 1)));
        assert!(exits.is_repeated(&exit(7, 1)));
        assert!(!exits.is_repeated(&exit(7, 2)), "the pid was used again");
        for pid in 100..200 {
            assert!(!exits.is_repeated(&exit(pid, 1)));
        }
        assert_eq!(exits.0.len(), RecentExits::KEPT);
        assert!(!exits.is_repeated(&Event { at: 1, event: Kind::Tick }));
    }
}
