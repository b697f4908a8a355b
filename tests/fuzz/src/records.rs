//! Records of the ring buffer.

use crate::facts;
use drain_observer::{decode::decode, event::Event};

/// Bytes before a record's size in its header.
const SIZE_AT: usize = 2;

/// Decodes the input as one record, then as records one after the other, which are a story for the correlator.
pub fn records(bytes: &[u8]) {
    let _ = decode(bytes).inspect_err(|error| drop(error.to_string()));
    let events: Vec<Event> = Records(bytes).filter_map(|record| decode(record).ok()).collect();
    for event in &events {
        let json = serde_json::to_string(event).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Event>(&json).ok().as_ref(), Some(event), "{json}");
    }
    facts::check(&events);
}

/// Splits where the headers say that a record ends.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let size = u16::from_ne_bytes(*self.0.get(SIZE_AT..)?.first_chunk()?);
        let (record, rest) = self.0.split_at(usize::from(size).clamp(1, self.0.len()));
        self.0 = rest;
        Some(record)
    }
}
