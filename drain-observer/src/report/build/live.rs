//! From what the correlator tells at once to lines in the report's words.

use super::{names::Names, restart, rows};
use crate::correlate::{Note, RestartFact, RestartId, ServiceId, Snapshot, StepKind};
use crate::journal::Header;
use crate::mask::Masking;
use crate::report::WallClock;
use crate::report::model::LiveLine;
use crate::selection::Selection;

/// Puts notes into lines.
#[derive(Debug)]
pub struct Live {
    boot_id: String,
    clock: WallClock,
    selections: [Selection; 2],
    masked_peers: Option<Masking>,
}

impl Live {
    /// For the host and selection of a header, and a further selection.
    pub fn new(header: &Header, selection: &Selection) -> Self {
        Self {
            boot_id: header.host.boot_id.clone(),
            clock: WallClock::new(header.clock.wall_minus_boot_ns),
            selections: [header.selection.clone(), selection.clone()],
            masked_peers: header.masked_peers,
        }
    }

    /// The wall clock, to be set when it is.
    pub fn clock(&mut self) -> &mut WallClock {
        &mut self.clock
    }

    /// The lines of some notes, of the services that are selected.
    pub fn lines(&self, notes: &[Note], overview: &Snapshot) -> Vec<LiveLine> {
        let names = Names::new(&self.boot_id, overview);
        notes.iter().filter_map(|note| self.line(note, overview, &names)).collect()
    }

    fn line(&self, note: &Note, overview: &Snapshot, names: &Names) -> Option<LiveLine> {
        let restart_of = |id: &RestartId| {
            let fact = overview.restarts.iter().find(|restart| restart.id == *id)?;
            self.selects(fact.service, overview).then_some(fact)
        };
        let whole = |fact: &RestartFact| Box::new(restart::build(fact, names, &self.clock));
        match note {
            Note::RestartBegan(id) => Some(LiveLine::RestartBegan(whole(restart_of(id)?))),
            Note::RestartEnded(id) => Some(LiveLine::RestartEnded(whole(restart_of(id)?))),
            // Told connection by connection.
            Note::Step(_, step) if matches!(step.what, StepKind::Lost { .. }) => None,
            Note::Step(id, step) => {
                let fact = restart_of(id)?;
                Some(LiveLine::Step {
                    restart: names.restart(*id),
                    service_name: names.service_name(fact.service),
                    step: Box::new(restart::step(step, fact.started, &self.clock)),
                })
            }
            Note::Lost(fact) => {
                let service = fact.service?;
                self.selects(service, overview).then(|| LiveLine::Connection {
                    service_name: names.service_name(service),
                    connection: Box::new(rows::connection(fact, names, &self.clock)),
                    masked_peers: self.masked_peers,
                })
            }
        }
    }

    fn selects(&self, service: ServiceId, overview: &Snapshot) -> bool {
        let Some(fact) = overview.services.iter().find(|fact| fact.id == service) else { return false };
        self.selections.iter().all(|selection| {
            let past = overview.restarts.iter().filter(|restart| restart.service == service);
            selection
                .matches_service_and(fact, past.flat_map(|restart| restart.old.iter().chain(&restart.new)))
        })
    }
}
