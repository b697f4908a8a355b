//! Signals: who sent which to whom, what it did, and whether it asks for a restart.

use super::Correlator;
use super::facts::{SignalFact, StepKind};
use crate::event::{BootNs, SignalAction, SignalDelivered, SignalGenerated, SignalResult, Task};

const HUP: u32 = 1;
const INT: u32 = 2;
const KILL: u32 = 9;
const USR1: u32 = 10;

impl Correlator {
    pub(super) fn signal_sent(&mut self, at: BootNs, sent: &SignalGenerated) {
        let Some(target) = self.processes.get(sent.target.pid) else { return };
        let Some(service) = target.service.map(|service| self.services.canonical(service)) else { return };
        let to_master = self.is_master(target);
        let of_service = |task: &Task| {
            self.processes
                .find(task.pid)
                .and_then(|process| process.service)
                .is_some_and(|other| self.services.canonical(other) == service)
        };
        let fact = SignalFact {
            at,
            signal: sent.signal,
            sender: sent.sender,
            target: sent.target,
            internal: sent.sender.as_ref().is_some_and(of_service),
            to_master,
            ignored: sent.result == SignalResult::Ignored,
            delivered: None,
            repeats: 0,
            last_at: at,
        };
        if ends_or_renews(sent) {
            if to_master {
                self.restart_asked(service, at, &fact);
            }
            // What is ignored has no effect, and takes nothing from the one before.
            if !fact.ignored {
                self.remember(&fact);
            }
        }
        let told_worker = fact.internal && !to_master && ends_or_renews(sent) && !fact.ignored;
        let Some(id) = self.current(service) else { return };
        if let Some(restart) = self.restarts.get_mut(&id) {
            restart.signal(&fact, &self.config, &mut self.bounds);
            // A fault of its own making, or a worker that timed out, is not an order to all; and HUP or USR1 passed on
            // to workers makes them reopen their logs. Where they go because of it, their going tells.
            let told = told_worker && !matches!(sent.signal, HUP | 6 | KILL | USR1);
            restart.told_workers |= told;
            if told && sent.sender.is_some_and(|sender| sender.pid != sent.target.pid) {
                restart.told_to_go(sent.target.pid, &self.config, &mut self.bounds);
            }
        }
        self.step(id, at, StepKind::Signal(fact));
    }

    pub(super) fn signal_delivered(&mut self, at: BootNs, delivered: &SignalDelivered) {
        let pid = delivered.task.pid;
        let what = (at, delivered.action);
        let matches = |fact: &SignalFact| {
            // A signal that kills by default is delivered as KILL.
            let same = fact.signal == delivered.signal
                || (delivered.signal == KILL && delivered.action == SignalAction::Default);
            fact.target.pid == pid && same && fact.delivered.is_none()
        };
        let Some(process) = self.processes.get_mut(pid) else { return };
        let service = process.service;
        if let Some(fact) = process.last_signal.as_deref_mut().filter(|fact| matches(fact)) {
            fact.delivered = Some(what);
        }
        let Some(id) = service.and_then(|service| self.current(service)) else { return };
        let Some(restart) = self.restarts.get_mut(&id) else { return };
        if let super::facts::Cause::Signal(fact) = &mut restart.cause
            && matches(fact)
        {
            fact.delivered = Some(what);
        }
        for fact in restart.signals.iter_mut().filter(|fact| matches(fact)) {
            fact.delivered = Some(what);
        }
    }

    fn remember(&mut self, fact: &SignalFact) {
        let Some(process) = self.processes.get_mut(fact.target.pid) else { return };
        // The signal that began it, not the ones that repeat it.
        if let Some(known) = process.last_signal.as_mut()
            && known.signal == fact.signal
        {
            known.repeats += 1;
            known.last_at = fact.at;
            return;
        }
        process.last_signal = Some(Box::new(fact.clone()));
    }
}

/// Signals by which people and supervisors end, reload or replace a server: HUP, INT, QUIT, ABRT, KILL, USR1,
/// USR2, TERM, WINCH. Of the kernel's own only those of a terminal (INT, QUIT, HUP) and KILL.
fn ends_or_renews(sent: &SignalGenerated) -> bool {
    match sent.sender {
        Some(_) => matches!(sent.signal, 1 | INT | 3 | 6 | KILL | USR1 | 12 | 15 | 28),
        None => matches!(sent.signal, 1 | INT | 3 | KILL),
    }
}
