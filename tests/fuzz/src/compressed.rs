//! Journals that are compressed, as a flight recorder's closed segments are.

use drain_observer::journal::{Input, Reader};
use std::{
    io::{BufReader, Read as _},
    path::Path,
};

/// Bytes that are decompressed at most: a small file can hold a large one.
const LIMIT: u64 = 1 << 20;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Decompresses the input, as one that a zstd file's first bytes precede if it has none, and reads what comes of it.
pub fn compressed(bytes: &[u8]) {
    let path = Path::new("fuzz.journal.zst");
    let whole = if bytes.starts_with(&ZSTD) { bytes.to_vec() } else { [&ZSTD[..], bytes].concat() };
    let input = match Input::new(whole.as_slice(), path) {
        Ok(input) => input,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error has a message");
            return;
        }
    };
    assert!(input.position() <= whole.len() as u64, "no more was read than there is");
    if let Ok(reader) = Reader::new(BufReader::new(input.take(LIMIT)), path) {
        let events = reader.filter_map(Result::ok).count() as u64;
        assert!(events <= LIMIT, "an event takes a byte at least");
    }
}
