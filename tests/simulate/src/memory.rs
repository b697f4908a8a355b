//! Memory of this process.

use anyhow::{Context as _, Result};
use std::fs;

/// Bytes of this process that are in RAM now.
pub fn resident() -> Result<u64> {
    let path = "/proc/self/status";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{path} says nothing of memory"))? * 1_024)
}
