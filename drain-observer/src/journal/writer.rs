//! Writing a journal, also onto a disk that is full.

use super::{Header, WriteError};
use crate::event::Event;
use serde::Serialize;
use std::io::{self, Write};

/// Buffered bytes that are written out without waiting for [`Writer::flush`].
const BUFFER: usize = 1 << 16;

/// Writes a journal. Lines are buffered whole.
///
/// After an error everything goes on: the error says how many events it cost, and whatever is written later begins
/// a line of its own, so that a reader loses nothing but the half line.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    /// Whole lines, not written yet.
    buffer: Vec<u8>,
    /// Lines in the buffer that are events.
    pending: u64,
    bytes: u64,
    lost: u64,
    /// What was written last ended within a line.
    within_line: bool,
}

impl<W: Write> Writer<W> {
    /// Begins a journal; its header is written before this returns.
    pub fn new(out: W, header: &Header) -> Result<Self, WriteError> {
        let buffer = Vec::with_capacity(BUFFER + BUFFER / 4);
        let mut writer = Self { out, buffer, pending: 0, bytes: 0, lost: 0, within_line: false };
        writer.append(header)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds an event. An error counts this event and those that were still buffered.
    pub fn write(&mut self, event: &Event) -> Result<(), WriteError> {
        self.append(event)?;
        self.pending += 1;
        if self.buffer.len() >= BUFFER { self.write_out() } else { Ok(()) }
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.write_out()?;
        self.out.flush().map_err(|source| WriteError { lost: 0, source })
    }

    /// Bytes that the operating system took.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Events that were lost to errors, the sum of [`WriteError::lost`].
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), WriteError> {
        let whole = self.buffer.len();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            self.buffer.truncate(whole);
            self.lost += 1;
            return Err(WriteError { lost: 1, source: error.into() });
        }
        self.buffer.push(b'\n');
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), WriteError> {
        let result = self.end_half_line().and_then(|()| self.write_lines());
        self.buffer.clear();
        let lost = std::mem::take(&mut self.pending);
        result.map_err(|source| {
            self.lost += lost;
            WriteError { lost, source }
        })
    }

    fn end_half_line(&mut self) -> io::Result<()> {
        if self.within_line && !self.buffer.is_empty() {
            self.out.write_all(b"\n")?;
            self.bytes += 1;
            self.within_line = false;
        }
        Ok(())
    }

    /// Writes the buffer as far as it goes, and keeps `pending` at the number of lines that did not get out whole.
    fn write_lines(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.buffer.len() {
            let taken = match self.out.write(&self.buffer[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                // A writer that claims more than it was given is not believed.
                Ok(taken) => taken.min(self.buffer.len() - written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let part = &self.buffer[written..written + taken];
            let lines = part.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.within_line = part.last() != Some(&b'\n');
            self.pending = self.pending.saturating_sub(lines);
            self.bytes += taken as u64;
            written += taken;
        }
        Ok(())
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        // Whoever wants to know about errors has called flush.
        let _ = self.flush();
    }
}
