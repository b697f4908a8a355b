//! A small prefork HTTP/1.1 server that can restart well, or the way Puma #1808 did.
//!
//! The parent binds (or inherits) the listening socket and forks workers that accept from it. SIGTERM
//! drains: workers stop accepting, finish what they have, leave. What the parent does meanwhile is
//! its mode. SIGUSR2 starts a new parent beside the old one with the same socket.
//! Paths: `/`, `/sleep/MS`, `/bytes/N`.

mod connection;
mod parent;
mod request;
mod signals;
mod worker;

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

pub use parent::run;

/// How it is to behave.
#[derive(Debug, Clone, Parser)]
#[command(name = "prefork", about = "A small prefork HTTP server, a test fixture")]
pub struct Options {
    /// Address and port to listen on
    #[arg(long, required_unless_present = "fd", conflicts_with = "fd")]
    pub listen: Option<SocketAddr>,
    /// Inherited listening socket, as with socket activation
    #[arg(long)]
    pub fd: Option<RawFd>,
    /// Worker processes
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    /// Longest accept queue
    #[arg(long, default_value_t = 128)]
    pub backlog: i32,
    /// What the parent does on SIGTERM
    #[arg(long, value_enum, default_value_t = Mode::Drain)]
    pub mode: Mode,
    /// How long the parent keeps the socket after its workers left (mode outlive), or runs its hooks before it looks
    /// after them (mode careless)
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub linger: Duration,
    /// How long a worker leaves a connection unread after accepting it
    #[arg(long, default_value = "0ms", value_parser = duration)]
    pub read_delay: Duration,
    /// Control group to move into before anything else, as runtimes have what they start do; a directory
    #[arg(long)]
    pub cgroup: Option<PathBuf>,
    /// A worker accepts no further connection before it has answered those that it has
    #[arg(long)]
    pub one_at_a_time: bool,
}

/// What the parent does on SIGTERM, with its listening socket and besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Closes it at once.
    Drain,
    /// Keeps it open for a while after the workers have left, with nobody to accept.
    Outlive,
    /// Closes it at once; then crashes with status 1 if a worker has gone that it had not told to. Its workers leave
    /// as soon as their parent has, whatever they are doing.
    Careless,
}

/// The program: reads the command line and serves until it is told to stop.
pub fn main() -> Result<()> {
    run(&Options::parse())
}

/// Reads `250ms` or `2s`.
fn duration(text: &str) -> Result<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    match (digits.parse(), unit) {
        (Ok(count), "ms") => Ok(Duration::from_millis(count)),
        (Ok(count), "s") => Ok(Duration::from_secs(count)),
        _ => bail!("`{text}` is no duration such as 250ms or 2s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("250ms").expect("a duration"), Duration::from_millis(250));
        assert_eq!(duration("2s").expect("a duration"), Duration::from_secs(2));
        assert!(duration("2").is_err() && duration("s").is_err() && duration("").is_err());
    }
}
