//! What the probes are told before they are loaded.

use std::str::FromStr;

/// How to observe.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The ports to watch; empty = all.
    pub ports: Vec<u16>,
    /// Report every connection, clean or not.
    pub all_connections: bool,
    /// Tell when connections are accepted.
    pub accept_times: bool,
    /// Size of the ring buffer.
    pub ring_size: RingSize,
}

/// Size of the ring buffer in bytes: a power of two and a multiple of the page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSize(u32);

impl RingSize {
    /// The kernel allows for less than 2^31 of memory mapped twice.
    const MAX: u32 = 1 << 30;
    const MIN: u32 = 4096;
    const WAKEUP: u32 = 64 << 10;

    /// Checks a size.
    pub fn new(bytes: u32) -> Result<RingSize, RingSizeError> {
        let page = u32::try_from(rustix::param::page_size()).unwrap_or(Self::MIN);
        let fits = bytes.is_power_of_two() && bytes.is_multiple_of(page);
        if fits && (Self::MIN..=Self::MAX).contains(&bytes) {
            Ok(RingSize(bytes))
        } else {
            Err(RingSizeError { given: bytes.to_string(), min: page.max(Self::MIN) })
        }
    }

    /// Bytes.
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// Pending bytes above which the reader is woken.
    pub(super) fn wakeup_bytes(self) -> u32 {
        Self::WAKEUP.min(self.0 / 4)
    }
}

impl Default for RingSize {
    /// Some 25,000 records: what two cores can produce in half a second.
    fn default() -> Self {
        RingSize(8 << 20)
    }
}

impl FromStr for RingSize {
    type Err = RingSizeError;

    fn from_str(text: &str) -> Result<RingSize, RingSizeError> {
        let min = u32::try_from(rustix::param::page_size()).unwrap_or(Self::MIN).max(Self::MIN);
        let wrong = RingSizeError { given: text.to_owned(), min };
        text.parse().map_err(|_| wrong).and_then(RingSize::new)
    }
}

/// A size that a ring buffer can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given} is no size for the ring buffer: give bytes, a power of two from {min} to {max}, such as {default}",
    max = RingSize::MAX, default = RingSize::default().0
)]
pub struct RingSizeError {
    given: String,
    min: u32,
}

impl std::fmt::Display for RingSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
