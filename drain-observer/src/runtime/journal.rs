//! The journal as a sink.

use std::io::{self, Write};

use super::Sink;
use crate::correlate::Correlator;
use crate::event::{Event, Lost};
use crate::journal::{WriteError, Writer};

/// Writes every event into a journal, and goes on when that fails: the disk may have room again later.
pub struct JournalSink<W: Write> {
    writer: Writer<W>,
    lost_unsaid: u64,
    failure: Option<WriteFailure>,
    reader_left: bool,
}

/// Events that are not in the journal.
#[derive(Debug, thiserror::Error)]
#[error("{lost} of them are not in the journal: writing it failed: {reason}")]
pub struct WriteFailure {
    /// How many.
    pub lost: u64,
    /// What the system said first.
    pub reason: io::Error,
}

impl<W: Write> JournalSink<W> {
    /// Goes on with a journal whose header is written.
    pub fn new(writer: Writer<W>) -> Self {
        JournalSink { writer, lost_unsaid: 0, failure: None, reader_left: false }
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// Whether everything was written. Nobody reading any more is no failure.
    pub fn finish(self) -> Result<(), WriteFailure> {
        self.failure.map_or(Ok(()), Err)
    }

    fn note(&mut self, result: Result<(), WriteError>) {
        let Err(error) = result else { return };
        // Whoever reads a pipe may have seen enough.
        self.reader_left |= error.source.kind() == io::ErrorKind::BrokenPipe;
        if self.reader_left {
            return;
        }
        self.lost_unsaid += error.lost;
        match &mut self.failure {
            Some(failure) => failure.lost += error.lost,
            None => {
                log::warn!("writing the journal failed: {}; observing goes on", error.source);
                self.failure = Some(WriteFailure { lost: error.lost, reason: error.source });
            }
        }
    }
}

impl<W: Write> Sink for JournalSink<W> {
    fn event(&mut self, event: &Event) {
        let written = self.writer.write(event);
        self.note(written);
    }

    fn settle(&mut self, _correlator: &mut Correlator) -> Option<Lost> {
        let flushed = self.writer.flush();
        self.note(flushed);
        let count = std::mem::take(&mut self.lost_unsaid);
        (count > 0).then(|| Lost { what: "journal".to_owned(), reason: "write_failed".to_owned(), count })
    }

    fn is_done(&self) -> bool {
        self.reader_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::journal::{Clock, Header, Host, Tool, VERSION};

    /// A disk that takes what `allowed` says, byte by byte.
    struct Disk {
        allowed: std::rc::Rc<std::cell::Cell<usize>>,
        error: io::ErrorKind,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.allowed.get());
            self.allowed.set(self.allowed.get() - taken);
            if taken == 0 { Err(self.error.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn header() -> Header {
        Header {
            version: VERSION,
            tool: Tool::this(),
            host: Host { hostname: String::new(), kernel: String::new(), boot_id: String::new() },
            created_at: String::new(),
            clock: Clock { wall_minus_boot_ns: 0, hz: 250 },
            selection: Default::default(),
            all_connections: false,
            masked_peers: None,
            segment: None,
        }
    }

    fn sink(error: io::ErrorKind) -> (JournalSink<Disk>, std::rc::Rc<std::cell::Cell<usize>>) {
        let allowed = std::rc::Rc::new(std::cell::Cell::new(usize::MAX));
        let disk = Disk { allowed: allowed.clone(), error };
        (JournalSink::new(Writer::new(disk, &header()).expect("room for the header")), allowed)
    }

    const TICK: Event = Event { at: 1, event: Kind::Tick };

    #[test]
    fn a_full_disk_is_told_and_outlived() {
        let (mut sink, allowed) = sink(io::ErrorKind::StorageFull);
        let mut correlator = Correlator::default();
        sink.event(&TICK);
        assert_eq!(sink.settle(&mut correlator), None);
        allowed.set(0);
        sink.event(&TICK);
        sink.event(&TICK);
        let lost = sink.settle(&mut correlator).expect("two events were lost");
        assert_eq!((lost.what.as_str(), lost.reason.as_str(), lost.count), ("journal", "write_failed", 2));
        allowed.set(usize::MAX);
        sink.event(&TICK);
        assert_eq!(sink.settle(&mut correlator), None, "there is room again");
        assert!(!sink.is_done());
        assert_eq!(sink.finish().expect_err("two events are missing").lost, 2);
    }

    #[test]
    fn a_reader_that_has_seen_enough_ends_it() {
        let (mut sink, allowed) = sink(io::ErrorKind::BrokenPipe);
        allowed.set(0);
        sink.event(&TICK);
        assert_eq!(sink.settle(&mut Correlator::default()), None);
        assert!(sink.is_done());
        sink.finish().expect("nobody minds");
    }
}
