//! Bounded waiting for what has no descriptor to poll.

use std::env;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at; short against anything a server does in a restart.
const INTERVAL: Duration = Duration::from_millis(2);

/// How much longer than elsewhere everything may take here: `$DRAIN_OBSERVER_PATIENCE`, 1 without it.
static PATIENCE: LazyLock<u32> = LazyLock::new(|| {
    let set = env::var("DRAIN_OBSERVER_PATIENCE").ok().and_then(|text| text.parse().ok());
    set.unwrap_or(1).max(1)
});

/// A limit as it is on this machine, which may be a slow one.
pub fn patient(limit: Duration) -> Duration {
    limit * *PATIENCE
}

/// The path of a request that takes so long, or longer where everything is slow, so that what is to happen meanwhile
/// does.
pub fn sleep(millis: u64) -> String {
    format!("/sleep/{}", patient(Duration::from_millis(millis)).as_millis())
}

/// Looks at `condition` until it gives a value, for at most `limit` ([`patient`]ly).
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let limit = patient(limit);
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
