//! What scrapers ask for.

use drain_observer::exporter::{Format, negotiate};

/// Takes the input for either header.
pub fn negotiate(bytes: &[u8]) {
    let header = String::from_utf8_lossy(bytes);
    if negotiate::format(Some(&header)) == Format::OpenMetrics {
        assert!(header.to_ascii_lowercase().contains("openmetrics"), "nobody gets it unasked: {header:?}");
    }
    if negotiate::gzip(Some(&header)) {
        assert!(header.to_ascii_lowercase().contains("gzip") || header.contains('*'), "nor this: {header:?}");
    }
}
