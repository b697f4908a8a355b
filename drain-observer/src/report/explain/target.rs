//! What is to be explained, as a user says it.

use super::Replayed;
use super::subject::Subject;
use crate::correlate::{ConnectionFact, Found, RestartFact, Snapshot};
use crate::event::{Endpoint, Peer};
use crate::report::build;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use thiserror::Error;

/// A connection, by its client's end, a restart, or a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The client's address, where given, and its port.
    Connection(Option<IpAddr>, u16),
    /// The client of a unix listener, by its process id.
    Client(u32),
    /// A restart's id, as reports show it.
    Restart(String),
    /// A restart's id, unless only one restart has such a finding, and the finding's.
    Finding(Option<String>, String),
}

/// Nothing in the journal is called that.
#[derive(Debug, Error)]
pub enum Unknown {
    /// No connection.
    #[error(
        "no connection of the journal has a client at {client}: `report --connections all` lists them (those that ended cleanly only if recorded with --all-connections)"
    )]
    Connection {
        /// What was asked for.
        client: String,
    },
    /// No restart.
    #[error("the journal has no restart {id}; {}", known("it has", ids))]
    Restart {
        /// What was asked for.
        id: String,
        /// What there is.
        ids: Vec<String>,
    },
    /// No finding.
    #[error("there is no finding {id}{}; {}", within(restart.as_deref()), known("what was found is", ids))]
    Finding {
        /// What was asked for.
        id: String,
        /// In which restart.
        restart: Option<String>,
        /// What there is, as targets.
        ids: Vec<String>,
    },
    /// Several restarts have it.
    #[error("{} restarts have the finding {id}: say which; {}", ids.len(), known("they are", ids))]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// What can be meant, as targets.
        ids: Vec<String>,
    },
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Connection(Some(address.ip().to_canonical()), address.port()));
        }
        let is_finding =
            |id: &str| id.contains('_') && id.chars().all(|char| char.is_ascii_lowercase() || char == '_');
        let is_restart = |id: &str| id.contains('-') && !id.contains(char::is_whitespace);
        if let Some((restart, finding)) = text.split_once('/')
            && is_restart(restart)
            && is_finding(finding)
        {
            return Ok(Self::Finding(Some(restart.to_owned()), finding.to_owned()));
        }
        if let Some(pid) = text.strip_prefix("pid:").and_then(|pid| pid.parse().ok()) {
            return Ok(Self::Client(pid));
        }
        // An id has letters, or a hyphen, in it.
        if let Some(port) = text.parse::<u16>().ok().filter(|port| *port > 0) {
            return Ok(Self::Connection(None, port));
        }
        if is_finding(text) {
            return Ok(Self::Finding(None, text.to_owned()));
        }
        if is_restart(text) && !text.contains('/') {
            return Ok(Self::Restart(text.to_owned()));
        }
        Err("give a client's ADDRESS:PORT or its port (pid:PID for a client of a path), or as the report shows it a \
             restart's id, or a finding's as RESTART-ID/FINDING"
            .into())
    }
}

impl Target {
    pub(super) fn find(&self, replayed: &Replayed) -> Result<Vec<Subject>, Unknown> {
        let snapshot = &replayed.snapshot;
        match self {
            Self::Connection(address, port) => {
                let meant = |end: &Endpoint| {
                    end.port == *port && address.is_none_or(|address| end.address.to_canonical() == address)
                };
                let fits = |fact: &&ConnectionFact| !fact.outgoing && fact.peer.inet().is_some_and(meant);
                connections(snapshot, fits, || match address {
                    Some(address) if replayed.header.masked_peers.is_some() => format!(
                        "{} (its peers are masked: give an address as the report shows it, or the port alone)",
                        SocketAddr::new(*address, *port)
                    ),
                    Some(address) => SocketAddr::new(*address, *port).to_string(),
                    None => format!("port {port}"),
                })
            }
            Self::Client(pid) => {
                let fits =
                    |fact: &&ConnectionFact| matches!(fact.peer, Peer::Process(task) if task.pid == *pid);
                connections(snapshot, fits, || format!("pid {pid}"))
            }
            Self::Restart(id) => {
                let restarts = restarts(replayed);
                let restart = restarts.iter().find(|(known, _)| known == id);
                let ids = || restarts.iter().map(|(id, _)| id.clone()).collect();
                let (_, fact) = restart.ok_or_else(|| Unknown::Restart { id: id.clone(), ids: ids() })?;
                Ok(vec![Subject::restart(fact, id, snapshot)])
            }
            Self::Finding(restart, finding) => {
                let found = findings(replayed, restart.as_deref(), finding)?;
                Ok(found
                    .into_iter()
                    .map(|(id, fact, found)| Subject::finding(found, fact, &id, snapshot))
                    .collect())
            }
        }
    }
}

/// The connections of a client, `named` so.
fn connections(
    snapshot: &Snapshot,
    fits: impl FnMut(&&ConnectionFact) -> bool,
    named: impl FnOnce() -> String,
) -> Result<Vec<Subject>, Unknown> {
    let mut found: Vec<&ConnectionFact> = snapshot.connections.iter().filter(fits).collect();
    // What was lost is what is asked about.
    found.sort_by_key(|fact| (!fact.outcome.is_lost(), fact.ended_at));
    if found.is_empty() {
        return Err(Unknown::Connection { client: named() });
    }
    Ok(found.into_iter().map(|fact| Subject::connection(fact, snapshot)).collect())
}

/// Restarts with their ids.
fn restarts(replayed: &Replayed) -> Vec<(String, &RestartFact)> {
    let facts = &replayed.snapshot.restarts;
    let ids = build::restart_ids(&replayed.header, &replayed.snapshot).into_iter();
    ids.filter_map(|(name, id)| Some((name, facts.iter().find(|fact| fact.id == id)?))).collect()
}

/// The findings of this id in the one restart that is meant, with the restart.
fn findings<'a>(
    replayed: &'a Replayed,
    restart: Option<&str>,
    finding: &str,
) -> Result<Vec<(String, &'a RestartFact, &'a Found)>, Unknown> {
    let restarts = restarts(replayed);
    let of = |(id, fact): &(String, &'a RestartFact)| {
        let (id, fact) = (id.clone(), *fact);
        fact.findings.iter().map(move |found| (id.clone(), fact, found))
    };
    let all: Vec<_> = restarts.iter().flat_map(of).collect();
    let targets = |of: &mut dyn Iterator<Item = &(String, &RestartFact, &Found)>| {
        let mut targets: Vec<String> =
            of.map(|(id, _, found)| format!("{id}/{}", found.finding.id())).collect();
        targets.dedup();
        targets
    };
    let meant = |(id, _, found): &&(String, &RestartFact, &Found)| {
        found.finding.id() == finding && restart.is_none_or(|restart| restart == id)
    };
    let which = targets(&mut all.iter().filter(meant));
    match which.len() {
        0 => Err(Unknown::Finding {
            id: finding.to_owned(),
            restart: restart.map(str::to_owned),
            ids: targets(&mut all.iter()),
        }),
        1 => Ok(all.into_iter().filter(|one| meant(&one)).collect()),
        _ => Err(Unknown::Ambiguous { id: finding.to_owned(), ids: which }),
    }
}

fn within(restart: Option<&str>) -> String {
    restart.map(|restart| format!(" in a restart {restart}")).unwrap_or_default()
}

fn known(there_is: &str, ids: &[String]) -> String {
    const MAX: usize = 10;
    match ids.len() {
        0 => format!("{there_is}: none"),
        count if count > MAX => {
            format!("{there_is}: {} and {} more", ids[..MAX].join(", "), count - MAX)
        }
        _ => format!("{there_is}: {}", ids.join(", ")),
    }
}
