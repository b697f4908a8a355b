//! How a service does.

use super::Correlator;
use super::facts::{LoadFact, ServiceId, ServiceState};
use super::restart::Member;
use super::service::Service;
use super::silence::acceptors_gone;

impl Correlator {
    /// How a service does.
    pub(super) fn state(&self, id: ServiceId, service: &Service) -> ServiceState {
        let listens = |key| self.listeners.get(key).is_some_and(|listener| !listener.sockets.is_empty());
        let places = service.listeners.iter().filter(|key| listens(key)).count();
        if places == 0 {
            return ServiceState::Down;
        }
        if service.members.is_empty() {
            return ServiceState::Silent;
        }
        let Some(restart) = self.current(id).and_then(|id| self.restarts.get(&id)) else {
            return ServiceState::Serving;
        };
        if restart.times.first_served.is_none() {
            if places < service.listeners.len() {
                return ServiceState::Down;
            }
            let old: Vec<_> = restart.old.iter().map(|member| member.fact.clone()).collect();
            let holds = |member: &Member| {
                let holder = |load: &LoadFact| load.held.iter().any(|held| held.pid == member.fact.pid);
                service.load.as_ref().is_some_and(holder)
            };
            if acceptors_gone(&old).is_some() && !restart.new.iter().any(holds) {
                return ServiceState::Silent;
            }
        }
        if restart.has_effect() && restart.old_left() > 0 {
            return ServiceState::Draining;
        }
        ServiceState::Serving
    }
}
