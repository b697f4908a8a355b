//! What became of a connection, as its client saw it, and how the observer's report agrees.

mod agreement;
mod compare;
mod render;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use agreement::agreeing_outcomes;
pub use compare::{Comparison, Disagreement, Reported, compare};

/// The observer's names for what a client lost.
pub const LOST: [&str; 8] = [
    "queue_reset",
    "unread_reset",
    "unanswered",
    "truncated",
    "late_request",
    "refused",
    "gave_up",
    "overflowed",
];

/// One connection from the client's side. The client binds its source port before it connects, so
/// `local` is known also of a connection that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// The client's own address, the observer's `peer`.
    pub local: SocketAddr,
    /// The address connected to, the observer's `local`.
    pub server: SocketAddr,
    /// When connect(2) was called.
    pub started: Moment,
    /// When the handshake was done, if it was.
    pub connected: Option<Moment>,
    /// When the last request was sent, if any was.
    pub last_request: Option<Moment>,
    /// When the client knew its fate.
    pub ended: Moment,
    /// What the kernel took from the client.
    pub bytes_sent: u64,
    /// What the client read.
    pub bytes_received: u64,
    /// Requests begun, the half-sent ones included.
    pub requests_sent: u32,
    /// Responses received to their last byte.
    pub responses_complete: u32,
    /// Of these, with a status of 500 or more.
    #[serde(default)]
    pub errors: u32,
    /// Whether the client rested on the open connection before its last request.
    pub rested: bool,
    /// How it ended.
    pub ending: Ending,
    /// The operating system's words, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boot_ns: u64,
    /// Unix time in nanoseconds.
    pub wall_ns: u64,
}

/// How a connection ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "phase")]
pub enum Ending {
    /// Every request got its whole response.
    Served,
    /// The client left by its own choice with nothing outstanding and not all of its requests sent.
    ClientClosed,
    /// Nobody listened.
    Refused,
    /// ECONNRESET or EPIPE.
    Reset(Phase),
    /// The server's end of stream.
    Eof(Phase),
    /// The client waited long enough and left.
    Timeout(Phase),
    /// Something else, on the client's own side.
    Failed(Phase),
}

/// How far a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The handshake was not done.
    Connecting,
    /// Nothing was sent.
    BeforeRequest,
    /// A part of a request was sent, by intent.
    MidRequest,
    /// A whole request was sent, none of its response came.
    AwaitingResponse,
    /// Some of the response came.
    MidResponse,
    /// Every request sent had its response.
    Idle,
}

impl Moment {
    /// Reads both clocks.
    pub fn now() -> Self {
        Self { boot_ns: crate::clock::boot_ns(), wall_ns: crate::clock::wall_ns() }
    }
}

impl Fate {
    /// Whether the client lost something: a request, or a handshake that was reset.
    pub fn lost(&self) -> bool {
        self.ending.lost()
    }
}

impl Ending {
    /// Whether the client lost something by it.
    pub fn lost(self) -> bool {
        match self {
            Self::Served | Self::ClientClosed | Self::Failed(_) => false,
            Self::Refused | Self::Timeout(_) => true,
            // A reset before any request is the reset of an accept queue; an end of stream is a tidy goodbye.
            Self::Reset(phase) => phase != Phase::Idle,
            Self::Eof(phase) => !matches!(phase, Phase::Idle | Phase::BeforeRequest),
        }
    }

    /// A short name such as `reset awaiting_response`.
    pub fn label(self) -> String {
        match self {
            Self::Served => "served".into(),
            Self::ClientClosed => "client_closed".into(),
            Self::Refused => "refused".into(),
            Self::Reset(phase) => format!("reset {}", phase.label()),
            Self::Eof(phase) => format!("eof {}", phase.label()),
            Self::Timeout(phase) => format!("timeout {}", phase.label()),
            Self::Failed(phase) => format!("failed {}", phase.label()),
        }
    }
}

impl Phase {
    fn label(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::BeforeRequest => "before_request",
            Self::MidRequest => "mid_request",
            Self::AwaitingResponse => "awaiting_response",
            Self::MidResponse => "mid_response",
            Self::Idle => "idle",
        }
    }
}

/// How many connections ended in each way.
pub fn tally<'a>(fates: impl IntoIterator<Item = &'a Fate>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for fate in fates {
        *counts.entry(fate.ending.label()).or_insert(0) += 1;
    }
    counts
}

/// Writes fates as JSON lines.
pub fn write(fates: &[Fate], mut to: impl Write) -> io::Result<()> {
    for fate in fates {
        serde_json::to_writer(&mut to, fate)?;
        to.write_all(b"\n")?;
    }
    to.flush()
}

/// Reads fates written by [`write()`].
pub fn read(from: impl BufRead) -> io::Result<Vec<Fate>> {
    from.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// A connection from `port` that ended as given at `ended_boot_ns`.
    pub(crate) fn fate(port: u16, ending: Ending, ended_boot_ns: u64) -> Fate {
        let ended = Moment { boot_ns: ended_boot_ns, wall_ns: ended_boot_ns };
        Fate {
            local: SocketAddr::from(([127, 0, 0, 1], port)),
            server: SocketAddr::from(([127, 0, 0, 1], 8080)),
            started: Moment { boot_ns: 1, wall_ns: 1 },
            connected: None,
            last_request: None,
            ended,
            bytes_sent: 0,
            bytes_received: 0,
            requests_sent: 1,
            responses_complete: 0,
            errors: 0,
            rested: false,
            ending,
            error: None,
        }
    }

    #[test]
    fn a_fate_survives_its_journey_through_a_file() {
        let fates = [fate(1, Ending::Reset(Phase::AwaitingResponse), 5), fate(2, Ending::Served, 6)];
        let mut file = Vec::new();
        write(&fates, &mut file).expect("a vector takes everything");
        assert!(file.starts_with(b"{\"local\":\"127.0.0.1:1\""));
        assert_eq!(read(&file[..]).expect("what was written"), fates);
        assert_eq!(tally(&fates)["reset awaiting_response"], 1);
    }

    #[test]
    fn a_tidy_goodbye_is_no_loss() {
        assert!(!Ending::Eof(Phase::Idle).lost() && !Ending::Eof(Phase::BeforeRequest).lost());
        assert!(!Ending::Reset(Phase::Idle).lost() && !Ending::Served.lost() && !Ending::ClientClosed.lost());
        assert!(Ending::Reset(Phase::BeforeRequest).lost() && Ending::Eof(Phase::MidRequest).lost());
        assert!(Ending::Refused.lost() && Ending::Timeout(Phase::AwaitingResponse).lost());
    }
}
