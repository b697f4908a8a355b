//! From the correlator's facts to a report.

mod cause;
mod completeness;
mod findings;
mod live;
mod names;
mod restart;
mod rows;

use super::model::{self, Report, Tool};
use super::window::{Part, Reversed, Span};
use super::{ConnectionChoice, WallClock};
use crate::correlate::{ConnectionFact, RestartFact, RestartId, ServiceFact, Snapshot};
use crate::journal::{Header, Stats};
use crate::selection::Selection;
pub use live::Live;
use names::Names;
pub(crate) use names::restart_id;
use std::collections::BTreeSet;

/// What a report is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The journal's header, or what would be it.
    pub header: &'a Header,
    /// The facts.
    pub snapshot: &'a Snapshot,
    /// The wall clock during the observation.
    pub clock: &'a WallClock,
    /// What reading the journal found; `None` = the facts are live.
    pub journal: Option<&'a Stats>,
}

/// What a report is to contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which services.
    pub selection: Selection,
    /// What time.
    pub span: Span,
    /// Which connections.
    pub connections: ConnectionChoice,
}

/// Makes a report. Besides the options' selection, that of the recording holds: nothing is known about the rest.
pub fn build(source: Source<'_>, options: &Options) -> Result<Report, Reversed> {
    let Source { header, snapshot, clock, journal } = source;
    let part = Part::new(options.span, snapshot, clock)?;
    let names = Names::new(&header.host.boot_id, snapshot);
    let chosen = Chosen::new(snapshot, [&header.selection, &options.selection], part);

    let mut completeness = completeness::build(snapshot, journal);
    if part.is_outside() {
        completeness.notes.push("the time asked for lies outside the time observed".into());
    }
    if let Some(note) = chosen.note() {
        completeness.matched = false;
        completeness.notes.push(note);
    }
    let services = snapshot.services.iter().filter(|service| chosen.service(service));
    let restarts = snapshot.restarts.iter().filter(|restart| chosen.restart(restart));
    let listed = |connection: &&ConnectionFact| options.connections.lists(connection.outcome);
    let connections = snapshot.connections.iter().filter(listed).filter(|one| chosen.connection(one));

    let mut report = Report {
        schema_version: model::SCHEMA_VERSION,
        tool: Tool::this(),
        host: (&header.host).into(),
        window: part.model(clock),
        masked_peers: header.masked_peers,
        completeness,
        gate: None,
        services: services.map(|service| rows::service(service, snapshot, &part, &names, clock)).collect(),
        restarts: restarts.map(|fact| restart::build(fact, &names, clock)).collect(),
        connections: connections.map(|connection| rows::connection(connection, &names, clock)).collect(),
        journals: Vec::new(),
    };
    report.restarts.sort_by_key(|restart| restart.started_boot_ns);
    report.connections.sort_by(|a, b| {
        (a.ended_boot_ns, &a.peer, &a.local, a.netns).cmp(&(b.ended_boot_ns, &b.peer, &b.local, b.netns))
    });
    Ok(report)
}

/// The ids that restarts have in a report.
pub(super) fn restart_ids(header: &Header, snapshot: &Snapshot) -> Vec<(String, RestartId)> {
    let names = Names::new(&header.host.boot_id, snapshot);
    snapshot.restarts.iter().map(|restart| (names.restart(restart.id), restart.id)).collect()
}

/// What is to be in the report.
struct Chosen<'a> {
    selections: [&'a Selection; 2],
    services: BTreeSet<u32>,
    restarts: BTreeSet<u32>,
    part: Part,
    nothing: bool,
}

impl<'a> Chosen<'a> {
    fn new(snapshot: &Snapshot, selections: [&'a Selection; 2], part: Part) -> Self {
        let selected = |service: &&ServiceFact| {
            let of_service = || snapshot.restarts.iter().filter(|restart| restart.service == service.id);
            selections.iter().all(|selection| {
                let past = of_service().flat_map(|restart| restart.old.iter().chain(&restart.new));
                selection.matches_service_and(service, past)
            })
        };
        let services: BTreeSet<u32> =
            snapshot.services.iter().filter(selected).map(|service| service.id.0).collect();
        let chosen = |restart: &&RestartFact| services.contains(&restart.service.0) && part.touches(restart);
        let restarts = snapshot.restarts.iter().filter(chosen).map(|restart| restart.id.0).collect();
        let nothing = services.is_empty() && !snapshot.services.is_empty();
        Self { selections, services, restarts, part, nothing }
    }

    fn service(&self, service: &ServiceFact) -> bool {
        self.services.contains(&service.id.0)
    }

    fn restart(&self, restart: &RestartFact) -> bool {
        self.restarts.contains(&restart.id.0)
    }

    /// A restart comes with all its connections, so that its counts and the list agree.
    fn connection(&self, connection: &ConnectionFact) -> bool {
        let selected = match connection.service {
            Some(service) => self.services.contains(&service.0),
            None => self.selections.iter().all(|selection| selection.matches_stray(connection)),
        };
        let with_restart = connection.restart.is_some_and(|restart| self.restarts.contains(&restart.0));
        selected && (with_restart || self.part.contains(connection.ended_at))
    }

    fn note(&self) -> Option<String> {
        let [recorded, asked] = self.selections;
        self.nothing.then(|| format!("no service matches: recorded was {recorded}, asked for {asked}"))
    }
}
