//! What happens to connections to unix listeners.

use super::Correlator;
use super::facts::{ConnectionFact, Outcome};
use super::judge_unix::{answered, judge_refused, judge_unix};
use super::losses::{Course, End};
use crate::event::{BootNs, UnixEnd, UnixEnded, UnixRefused};

impl Correlator {
    pub(super) fn unix_ended(&mut self, at: BootNs, ended: &UnixEnded) {
        let socket = self.listeners.by_address(ended.sk).filter(|_| ended.sk != 0);
        let known = socket.and_then(|socket| self.listeners.socket(socket));
        let known = known.filter(|socket| socket.key.local.path().is_some());
        let key = known.map_or_else(|| ended.key(), |socket| socket.key);
        let Some(listener) = self.listeners.get(&key) else { return };
        let (service, limit) = (self.services.canonical(listener.service), listener.limit);
        let socket = socket.or_else(|| listener.sockets.first().copied());
        // The client's end is closed by the client, or whoever had it last.
        let server = match ended.how {
            UnixEnd::ClientLeft | UnixEnd::Unknown => ended.acceptor,
            UnixEnd::QueueReset | UnixEnd::UnreadReset | UnixEnd::Closed => Some(ended.by),
        };
        let closer = self.closer(ended.by, ended.closed_at, service);
        let judged = judge_unix(ended, closer);
        let accepted = ended.how != UnixEnd::QueueReset && server.is_some();
        if let Some(task) = server.filter(|_| accepted) {
            self.served_by(service, at, task, socket);
        }
        let end = End { at: ended.closed_at, established: ended.connected_at, outcome: judged.outcome };
        let restart = self.restart_of(service, server, end);
        let fact = ConnectionFact {
            outcome: judged.outcome,
            evidence: judged.evidence,
            local: key.local,
            peer: ended.client.into(),
            netns: key.netns,
            established_at: ended.connected_at,
            ended_at: ended.closed_at,
            service: Some(service),
            restart,
            process: server,
            cause: None,
            bytes_received: None,
            bytes_written: None,
            reused: judged.reused,
            outgoing: false,
        };
        let course = Course {
            established: ended.connected_at,
            accepted_at: ended.accepted_at,
            responded: ended.last_response_at.filter(|_| answered(ended)),
            taken: accepted,
            depth: 0,
        };
        self.note_course(at, service, key, limit, &course, &fact);
        self.add(at, fact);
        self.progress(service, at);
    }

    pub(super) fn unix_refused(&mut self, at: BootNs, refused: &UnixRefused) {
        let key = refused.key();
        let Some(listener) = self.listeners.get(&key) else { return };
        let (service, limit) = (self.services.canonical(listener.service), listener.limit);
        let (outcome, why) = judge_refused(refused);
        let restart = self.restart_of(service, None, End { at, established: None, outcome });
        self.note_refused(restart, key, outcome);
        if let Some(restart) = restart.and_then(|id| self.restarts.get_mut(&id))
            && outcome == Outcome::Overflowed
        {
            restart.silence.overflowed(key, limit);
        }
        let fact = ConnectionFact {
            outcome,
            evidence: vec![why],
            local: key.local,
            peer: refused.client.into(),
            netns: key.netns,
            established_at: None,
            ended_at: at,
            service: Some(service),
            restart,
            process: None,
            cause: None,
            bytes_received: None,
            bytes_written: None,
            reused: Some(false),
            outgoing: false,
        };
        self.add(at, fact);
    }
}
