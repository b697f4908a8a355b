//! What a service is called after, and how that follows its processes.

use super::facts::{RestartId, ServiceId};
use super::process::Process;
use super::{Correlator, Request};

/// So many processes are described anew after a restart, besides the first.
const MAX_DESCRIBED: usize = 64;

impl Correlator {
    /// Names a service after its first master, as soon as that is known.
    pub(super) fn name_service(&mut self, service: ServiceId) {
        let Some(master) = self.first_master(service) else { return };
        let (name, executable) = (master.comm.to_string(), master.executable.clone());
        let attribution = master.attribution.clone();
        let Some(entry) = self.services.get_mut(service) else { return };
        // A script may go by its own name, and by its interpreter's when it executes itself again.
        let other = !executable.is_empty() && executable != entry.executable;
        if entry.name.is_empty() || entry.executable.is_empty() || other {
            entry.name = name;
        }
        if !executable.is_empty() {
            entry.executable = executable;
        }
        // All of it or nothing: the old generation's unit is not the new one's.
        if let Some(attribution) = attribution {
            entry.attribution = *attribution;
        }
    }

    /// Has the first master described anew when a restart has ended, because no event tells when a service manager or a
    /// container's runtime moves a process to another control group: it does so while it starts something. Besides,
    /// those of whom the number in their pid namespace is not known: no event tells that of a child.
    pub(super) fn describe_again(&mut self, ended: RestartId) {
        let Some(service) = self.restarts.get(&ended).map(|restart| restart.service) else { return };
        self.name_service(service);
        let Some(first) = self.first_master(service) else { return };
        let unnumbered = |process: &&Process| {
            first.inner_pid.is_some() && process.inner_pid.is_none() && process.pid != first.pid
        };
        let others = self.members(service).filter(unnumbered).take(MAX_DESCRIBED);
        let pids: Vec<u32> = std::iter::once(first).chain(others).map(|process| process.pid).collect();
        pids.into_iter().for_each(|pid| self.request(Request::Describe { pid }));
    }

    fn first_master(&self, service: ServiceId) -> Option<&Process> {
        self.members(service)
            .filter(|process| self.is_master(process) && !process.comm.as_str().is_empty())
            .min_by_key(|process| (process.start, process.pid))
    }
}
