//! The words of a scenario's line: numbers, processes, addresses, times.

use crate::event::{BootNs, Comm, Endpoint, ListenerKey, Local, Peer, Task, signal_name};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// When a scenario's clock is at zero. Not zero itself: times are subtracted from.
pub(super) const ZERO: BootNs = 1_000_000_000_000;
/// The network namespace of everything.
pub(super) const NETNS: u32 = 4_026_531_840;
/// The server's address, where a line gives a port alone.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// What is wrong with a line.
pub(super) type Wrong = String;

/// A line's words that have not been read yet.
pub(super) struct Words<'a> {
    left: std::vec::IntoIter<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        Self { left: line.split_whitespace().collect::<Vec<_>>().into_iter() }
    }

    pub(super) fn next(&mut self, what: &str) -> Result<&'a str, Wrong> {
        self.left.next().ok_or_else(|| format!("{what} expected, the line ends"))
    }

    pub(super) fn optional(&mut self) -> Option<&'a str> {
        self.left.next()
    }

    pub(super) fn peek(&self) -> Option<&'a str> {
        self.left.as_slice().first().copied()
    }

    /// Takes the next word if it is this one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(word);
        if there {
            self.left.next();
        }
        there
    }

    pub(super) fn expects(&mut self, word: &str) -> Result<(), Wrong> {
        match self.next(&format!("`{word}`"))? {
            next if next == word => Ok(()),
            other => Err(format!("`{word}` expected, `{other}` found")),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, Wrong> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("{what} expected, `{word}` found"))
    }

    /// Numbers, as many as there are.
    pub(super) fn pids(&mut self) -> Result<Vec<u32>, Wrong> {
        let mut pids = Vec::new();
        while self.peek().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
            pids.push(self.number("pid")?);
        }
        Ok(pids)
    }

    pub(super) fn done(&mut self) -> Result<(), Wrong> {
        match self.left.next() {
            Some(word) => Err(format!("nothing more expected, `{word}` found")),
            None => Ok(()),
        }
    }
}

/// Names of processes: a pid is named once, and then goes by its number.
#[derive(Default)]
pub(super) struct Names(BTreeMap<u32, Comm>);

impl Names {
    /// `100:puma`, or `100` where it was named before.
    pub(super) fn task(&mut self, word: &str) -> Result<Task, Wrong> {
        let (number, name) = match word.split_once(':') {
            Some((number, name)) => (number, Some(name)),
            None => (word, None),
        };
        let pid: u32 = number.parse().map_err(|_| format!("PID or PID:NAME expected, `{word}` found"))?;
        if let Some(name) = name {
            self.0.insert(pid, Comm::new(name.as_bytes()));
        }
        let comm =
            self.0.get(&pid).ok_or_else(|| format!("process {pid} has no name yet: write {pid}:NAME"))?;
        Ok(Task { pid, comm: *comm })
    }

    pub(super) fn rename(&mut self, pid: u32, comm: Comm) {
        self.0.insert(pid, comm);
    }
}

/// Seconds with a fraction, on the scenario's clock.
pub(super) fn time(word: &str) -> Result<BootNs, Wrong> {
    nanoseconds(word.strip_prefix('+').unwrap_or(word)).map(|ns| ZERO + ns)
}

/// Seconds with a fraction.
pub(super) fn nanoseconds(word: &str) -> Result<u64, Wrong> {
    let wrong = || format!("seconds expected, `{word}` found");
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let fraction: u64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    Ok(whole * 1_000_000_000 + fraction)
}

/// `TERM`.
pub(super) fn signal(word: &str) -> Result<u32, Wrong> {
    (1..32)
        .find(|number| signal_name(*number).strip_prefix("SIG") == Some(word))
        .ok_or_else(|| format!("a signal's name expected, `{word}` found"))
}

/// `ADDRESS:PORT`, `*:PORT` for all IPv4 addresses, `:PORT` for the server's own.
pub(super) fn endpoint(word: &str) -> Result<Endpoint, Wrong> {
    let wrong = || format!("ADDRESS:PORT expected, `{word}` found");
    let (address, port) = word.rsplit_once(':').ok_or_else(wrong)?;
    let address = match address {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "" => IpAddr::V4(SERVER),
        text => text.trim_matches(['[', ']']).parse().map_err(|_| wrong())?,
    };
    Ok(Endpoint { address, port: port.parse().map_err(|_| wrong())? })
}

/// A listener's place: as [`endpoint`], or `unix:PATH`, which may be `unix:@NAME`.
pub(super) fn place(word: &str) -> Result<ListenerKey, Wrong> {
    let local = match word.strip_prefix("unix:") {
        Some(path) => Local::Unix(path.parse()?),
        None => Local::Inet(endpoint(word)?),
    };
    Ok(ListenerKey { netns: NETNS, local })
}

/// `ADDRESS:PORT` or `ADDRESS:FIRST..LAST`, both ends included.
pub(super) fn peers(word: &str) -> Result<Vec<Endpoint>, Wrong> {
    let Some((first, last)) = word.split_once("..") else { return Ok(vec![endpoint(word)?]) };
    let first = endpoint(first)?;
    let last: u16 = last.parse().map_err(|_| format!("the last port expected, `{last}` found"))?;
    Ok((first.port..=last).map(|port| Endpoint { port, ..first }).collect())
}

/// `NAME:PID` or `NAME:FIRST..LAST`: processes that are clients of a unix listener; `None` where it is no such word.
pub(super) fn clients(word: &str) -> Result<Option<Vec<Task>>, Wrong> {
    let Some((name, pids)) = word.split_once(':').filter(|(name, _)| name.starts_with(char::is_alphabetic))
    else {
        return Ok(None);
    };
    let (first, last) = pids.split_once("..").unwrap_or((pids, pids));
    let pid = |text: &str| text.parse::<u32>().map_err(|_| format!("NAME:PID expected, `{word}` found"));
    let comm = Comm::new(name.as_bytes());
    Ok(Some((pid(first)?..=pid(last)?).map(|pid| Task { pid, comm }).collect()))
}

/// The other ends of connections, as [`peers`] or [`clients`].
pub(super) fn others(word: &str) -> Result<Vec<Peer>, Wrong> {
    if let Some(clients) = clients(word)? {
        return Ok(clients.into_iter().map(Peer::from).collect());
    }
    Ok(peers(word)?.into_iter().map(Peer::from).collect())
}
