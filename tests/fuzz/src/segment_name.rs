//! Names of a flight recorder's segments.

use drain_observer::journal::SegmentName;

/// Reads a file name, which is ours only if it is written the same.
pub fn segment_name(bytes: &[u8]) {
    let name = String::from_utf8_lossy(bytes);
    if let Some(parsed) = SegmentName::parse(&name) {
        assert_eq!(parsed.to_string(), name);
        if let Some(end) = parsed.end {
            assert!(parsed.closed(end).compressed().end.is_some());
        }
    }
}
