//! How a service does, in one word.

use super::Correlator;
use super::facts::ServiceId;
use super::restart::Member;
use super::service::Service;
use super::silence::acceptors_gone;
use serde::{Deserialize, Serialize};

/// How a service does at the moment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Somebody listens, and somebody is there to accept.
    Serving,
    /// The same, while processes of an old generation are still there.
    Draining,
    /// Somebody listens, and nobody is there to accept, or nobody has accepted yet since a restart.
    Silent,
    /// Nobody listens at any of its places, or (during a restart) at one of them.
    Down,
}

impl ServiceState {
    /// The word used in JSON, metrics and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Down => "down",
        }
    }
}

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
                let holder =
                    |load: &super::LoadFact| load.held.iter().any(|held| held.pid == member.fact.pid);
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
