//! Bounded waiting for what has no descriptor to poll.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at; short against anything a server does in a restart.
const INTERVAL: Duration = Duration::from_millis(2);

/// Looks at `condition` until it gives a value, for at most `limit`.
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} for {what}, in vain");
        }
        thread::sleep(INTERVAL);
    }
}
