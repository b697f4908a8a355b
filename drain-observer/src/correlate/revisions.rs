//! What is learned of a connection after its end: that its last bytes arrived after all, or that a request came too late.

use super::connections::Ends;
use super::facts::{ConnectionFact, Outcome};
use super::judge::judge_flushed;
use super::losses::{End, is_of};
use super::{Correlator, tls};
use crate::event::{BootNs, Flushed, Lingered, Reset, ResetKind};

impl Correlator {
    pub(super) fn connection_flushed(&mut self, flushed: &Flushed) {
        let ends = Ends::new(flushed.netns, flushed.local, flushed.peer);
        if let Some((closed_at, id)) = self.outgoing.remove(&ends)
            && closed_at == flushed.closed_at
        {
            if let Some(restart) = self.restarts.get_mut(&id).filter(|_| flushed.unacked == 0) {
                restart.outgoing_lost = restart.outgoing_lost.saturating_sub(1);
            }
            return;
        }
        let Some(fact) = self.connections.last(&ends).filter(|fact| fact.ended_at == flushed.closed_at)
        else {
            return;
        };
        let answered_after_fin = fact.evidence.iter().any(|why| why.starts_with(super::judge::ANSWERED_LATE));
        if let Some((outcome, why)) = judge_flushed(fact.outcome, answered_after_fin, flushed) {
            self.revise(&ends, outcome, why);
        }
    }

    /// Data came while the server, its sending side shut down, threw away whatever came.
    pub(super) fn connection_lingered(&mut self, at: BootNs, lingered: &Lingered) {
        let Some((_, listener)) = self.listeners.serving(lingered.netns, &lingered.local) else { return };
        let service = self.services.canonical(listener.service);
        let ends = Ends::new(lingered.netns, lingered.local, lingered.peer);
        let known = self.connections.last(&ends).filter(|fact| fact.ended_at == lingered.closed_at);
        if known.is_some_and(|fact| fact.outcome.is_lost()) || no_request(lingered.received) {
            return;
        }
        let bytes = lingered.received;
        // What comes right after a response may belong to the request that it answered early.
        let idle = lingered.quiet > 1 && lingered.unacked == 0;
        let (outcome, why) = if idle {
            let why = format!(
                "{bytes} bytes came after the server had shut down its sending side, and were thrown away"
            );
            (Outcome::LateRequest, why)
        } else {
            let why = format!(
                "{bytes} bytes came after the server had shut down its sending side right after a response: another \
                 request, or the rest of one that was answered early, which can't be told apart"
            );
            (Outcome::Unknown, why)
        };
        if known.is_some() {
            self.revise(&ends, outcome, why);
            return;
        }
        let end = End { at: lingered.closed_at, established: None, outcome };
        let restart = self.restart_of(service, Some(lingered.by), end);
        let fact = ConnectionFact {
            outcome,
            evidence: vec![why],
            local: lingered.local.into(),
            peer: lingered.peer.into(),
            netns: lingered.netns,
            established_at: None,
            ended_at: lingered.closed_at,
            service: Some(service),
            restart,
            process: Some(lingered.by),
            cause: None,
            bytes_received: Some(bytes.into()),
            bytes_written: Some(0),
            reused: Some(true),
            client: None,
            outgoing: false,
        };
        self.add(at, fact);
    }

    pub(super) fn segment_reset(&mut self, at: BootNs, reset: &Reset) {
        let Some((key, listener)) = self.listeners.serving(reset.netns, &reset.local) else { return };
        let service = self.services.canonical(listener.service);
        let ends = Ends::new(reset.netns, reset.local, reset.peer);
        let known = self.connections.last(&ends);
        let (outcome, why) = match reset.reason {
            ResetKind::Refused => (Outcome::Refused, "a SYN came while nobody listened".to_owned()),
            // The same connection, already lost; or a client that says goodbye in TLS.
            _ if known.is_some_and(|fact| fact.outcome.is_lost()) || no_request(reset.payload) => return,
            ResetKind::LateData => {
                let bytes = reset.payload;
                (
                    Outcome::LateRequest,
                    format!("{bytes} bytes came after the server had closed the connection"),
                )
            }
            _ if known.is_some() => {
                let bytes = reset.payload;
                (
                    Outcome::LateRequest,
                    format!("{bytes} bytes came for a connection that the server no longer had"),
                )
            }
            ResetKind::UnknownToListener | ResetKind::NoSocket => (
                Outcome::QueueReset,
                format!(
                    "{} bytes came for a connection that the client believed established and the server never \
                     took: its handshake was dropped on a full accept queue",
                    reset.payload
                ),
            ),
        };
        if reset.reason != ResetKind::Refused && self.revise(&ends, outcome, why.clone()) {
            return;
        }
        let restart = self.restart_of(service, None, End { at, established: None, outcome });
        self.note_refused(restart, key, outcome);
        let reused = match outcome {
            Outcome::LateRequest => Some(true),
            _ => Some(false),
        };
        let fact = ConnectionFact {
            outcome,
            evidence: vec![why],
            local: reset.local.into(),
            peer: reset.peer.into(),
            netns: reset.netns,
            established_at: None,
            ended_at: at,
            service: Some(service),
            restart,
            process: None,
            cause: None,
            bytes_received: Some(0),
            bytes_written: Some(0),
            reused,
            client: None,
            outgoing: false,
        };
        self.add(at, fact);
    }

    /// Changes what became of a connection. `false` where it is not known any more.
    fn revise(&mut self, ends: &Ends, outcome: Outcome, why: String) -> bool {
        let Some(known) = self.connections.last(ends) else { return false };
        let (was, stays) =
            (known.outcome, !outcome.is_lost() || known.outcome.is_lost() || self.is_of_its(known, outcome));
        if !stays {
            self.take_from_its_restart(ends);
        }
        let Some(mut fact) = self.connections.revise(ends, outcome, why, &self.config, &mut self.bounds)
        else {
            return false;
        };
        if let Some(service) = fact.service.and_then(|service| self.services.get_mut(service)) {
            if let Some(count) = service.counts.get_mut(&was) {
                *count = count.saturating_sub(1);
            }
            *service.counts.entry(outcome).or_default() += 1;
            if fact.restart.is_none() && outcome.is_lost() && !was.is_lost() {
                *service.lost_outside.entry(outcome).or_default() += 1;
            }
        }
        if let Some(restart) = fact.restart.and_then(|id| self.restarts.get_mut(&id)) {
            restart.recount(was, outcome, fact.process);
            restart.raced += u64::from(outcome == Outcome::LateRequest && was != outcome);
        }
        if outcome.is_lost() && !was.is_lost() {
            fact.cause = self.cause_of(&fact).map(Box::new);
            self.connections.set_cause(ends, fact.cause.clone());
            if let Some(client) = self.client_of(&fact)
                && let Some(known) = self.connections.set_client(ends, client)
            {
                self.upstream_lost(&known);
            }
            self.tell_lost(fact.ended_at, &fact);
        }
        true
    }
}

impl Correlator {
    /// Whether a connection that turns out to be lost falls to the restart in which it ended: not where a process of the
    /// new generation had it.
    fn is_of_its(&self, fact: &ConnectionFact, outcome: Outcome) -> bool {
        let restart = fact.restart.and_then(|id| self.restarts.get(&id));
        let process = fact.process.and_then(|task| self.processes.find(task.pid));
        let end = End { at: fact.ended_at, established: fact.established_at, outcome };
        restart.zip(process).is_none_or(|(restart, process)| is_of(restart, process, end))
    }

    fn take_from_its_restart(&mut self, ends: &Ends) {
        let Some(fact) = self.connections.take_restart(ends) else { return };
        if let Some(restart) = fact.restart.and_then(|id| self.restarts.get_mut(&id)) {
            restart.uncount(fact.outcome, fact.process);
        }
    }
}

fn no_request(payload: u32) -> bool {
    payload == 0 || tls::may_be_alert(payload)
}
