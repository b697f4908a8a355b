//! What is to be explained, as a user says it.

use super::Replayed;
use super::subject::Subject;
use crate::correlate::ConnectionFact;
use crate::event::Endpoint;
use crate::report::build;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use thiserror::Error;

/// A connection, by its client's end, or a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The client's address, where given, and its port.
    Connection(Option<IpAddr>, u16),
    /// A restart's id, as reports show it.
    Restart(String),
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
    #[error("the journal has no restart {id}; {}", known(ids))]
    Restart {
        /// What was asked for.
        id: String,
        /// What there is.
        ids: Vec<String>,
    },
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Connection(Some(address.ip().to_canonical()), address.port()));
        }
        // An id has letters, or a hyphen, in it.
        if let Some(port) = text.parse::<u16>().ok().filter(|port| *port > 0) {
            return Ok(Self::Connection(None, port));
        }
        if text.contains('-') && !text.contains(char::is_whitespace) {
            return Ok(Self::Restart(text.to_owned()));
        }
        Err("give a client's ADDRESS:PORT or its port, or a restart's id as the report shows it".into())
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
                let fits = |fact: &&ConnectionFact| !fact.outgoing && meant(&fact.peer);
                let mut found: Vec<&ConnectionFact> = snapshot.connections.iter().filter(fits).collect();
                // What was lost is what is asked about.
                found.sort_by_key(|fact| (!fact.outcome.is_lost(), fact.ended_at));
                if found.is_empty() {
                    let client = match address {
                        Some(address) => SocketAddr::new(*address, *port).to_string(),
                        None => format!("port {port}"),
                    };
                    return Err(Unknown::Connection { client });
                }
                Ok(found.into_iter().map(|fact| Subject::connection(fact, snapshot)).collect())
            }
            Self::Restart(id) => {
                let ids = build::restart_ids(&replayed.header, snapshot);
                let restart = ids.iter().find(|(known, _)| known == id).map(|(_, restart)| *restart);
                let fact = snapshot.restarts.iter().find(|fact| Some(fact.id) == restart);
                let unknown = || Unknown::Restart {
                    id: id.clone(),
                    ids: ids.iter().map(|(id, _)| id.clone()).collect(),
                };
                Ok(vec![Subject::restart(fact.ok_or_else(unknown)?, id, snapshot)])
            }
        }
    }
}

fn known(ids: &[String]) -> String {
    const MAX: usize = 10;
    match ids.len() {
        0 => "it has none".to_owned(),
        count if count > MAX => {
            format!("it has {} and {} more", ids[..MAX].join(", "), count - MAX)
        }
        _ => format!("it has {}", ids.join(", ")),
    }
}
