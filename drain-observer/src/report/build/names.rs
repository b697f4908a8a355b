//! Ids that mean the same on every replay and nothing else on any other host.

use crate::correlate::{RestartFact, RestartId, ServiceId, Snapshot};
use crate::event::BootNs;
use std::collections::BTreeMap;

/// Ids and names of a snapshot's services and restarts.
pub(super) struct Names {
    services: BTreeMap<ServiceId, (String, String)>,
    restarts: BTreeMap<RestartId, String>,
}

impl Names {
    pub(super) fn new(boot_id: &str, snapshot: &Snapshot) -> Self {
        let boot = boot_of(boot_id);
        let mut used = BTreeMap::new();
        let services = snapshot.services.iter().map(|service| {
            let id = unique(&mut used, format!("{boot}-{}", service.name));
            (service.id, (id, service.name.clone()))
        });
        let services = services.collect();
        let id = |restart: &RestartFact| unique(&mut used, restart_id(boot_id, restart.started));
        let ids: Vec<String> = snapshot.restarts.iter().map(id).collect();
        let restarts = snapshot.restarts.iter().map(|restart| restart.id).zip(ids).collect();
        Self { services, restarts }
    }

    pub(super) fn service(&self, id: ServiceId) -> String {
        self.services.get(&id).map_or_else(|| format!("forgotten-{}", id.0), |(id, _)| id.clone())
    }

    pub(super) fn service_name(&self, id: ServiceId) -> String {
        self.services
            .get(&id)
            .map_or_else(|| "a service that was forgotten".to_owned(), |(_, name)| name.clone())
    }

    pub(super) fn restart(&self, id: RestartId) -> String {
        self.restarts.get(&id).map_or_else(|| format!("forgotten-{}", id.0), String::clone)
    }
}

/// The id of the restart that began at a time, unless another began in the same nanosecond.
pub(crate) fn restart_id(boot_id: &str, started: BootNs) -> String {
    format!("{}-{started:x}", boot_of(boot_id))
}

/// The beginning of a random UUID tells any number of boots apart that a person looks at together.
fn boot_of(boot_id: &str) -> String {
    boot_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}

/// The id, numbered from its second use on.
fn unique(used: &mut BTreeMap<String, u32>, id: String) -> String {
    let uses = used.entry(id.clone()).or_default();
    *uses += 1;
    if *uses == 1 { id } else { format!("{id}.{uses}") }
}
