//! Findings about how the old generation went: killed, crashed, or not at all.

use super::Diagnosis;
use super::evidence::{is_first_served, is_old_exit, is_signal, steps};
use super::words::{connections, pids, processes, seconds, sender};
use crate::correlate::facts::finding::{
    CrashedWhileDraining, Ended, Finding, KilledWhileDraining, ResidualGeneration, Severity,
};
use crate::correlate::facts::{Cause, MemberFact, RestartFact, RestartKind, SignalFact, Verdict};
use crate::correlate::limits::Config;
use crate::event::{BootNs, signal_name};

const ABRT: u8 = 6;
const KILL: u8 = 9;
/// ILL, TRAP, BUS, FPE, SEGV, SYS: a fault of the program's own.
const FAULTS: [u8; 6] = [4, 5, 7, 8, 11, 31];

pub(super) fn find(fact: &RestartFact, now: BootNs, config: &Config, findings: &mut Vec<Finding>) {
    findings.extend(KilledWhileDraining::find(fact).map(Finding::KilledWhileDraining));
    findings.extend(CrashedWhileDraining::find(fact).map(Finding::CrashedWhileDraining));
    findings.extend(ResidualGeneration::find(fact, now, config).map(Finding::ResidualGeneration));
}

impl KilledWhileDraining {
    fn find(fact: &RestartFact) -> Option<Self> {
        let asked = asked(fact)?;
        let kills = || {
            fact.signals
                .iter()
                .filter(|sent| sent.signal == u32::from(KILL) && sent.sender.is_some() && sent.at > asked.at)
        };
        let kill_of = |pid: u32| kills().find(|sent| sent.target.pid == pid);
        let killed = |member: &&MemberFact| {
            member.exit.is_some_and(|(_, signal)| signal == KILL) && kill_of(member.pid).is_some()
        };
        let members: Vec<&MemberFact> = fact.old.iter().filter(killed).collect();
        let first = members.iter().filter_map(|member| kill_of(member.pid)).min_by_key(|sent| sent.at)?;
        let pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
        Some(Self {
            sender: first.sender,
            after: first.at.saturating_sub(asked.at),
            lost: members.iter().map(|member| u64::from(member.lost)).sum(),
            evidence: steps(fact, |step| {
                is_signal(step, asked.signal, asked.target.pid)
                    || pids.iter().any(|pid| is_signal(step, KILL.into(), *pid))
                    || is_old_exit(step, |pid| pids.contains(&pid))
            }),
            pids,
        })
    }
}

impl Diagnosis for KilledWhileDraining {
    fn severity(&self) -> Severity {
        if self.lost > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        let were = if self.pids.len() == 1 { "was" } else { "were" };
        format!(
            "{} ({}) of the old generation {were} killed with SIGKILL by {}, {} after the restart was asked for; \
             {} lost by that",
            processes(self.pids.len()),
            pids(&self.pids),
            sender(self.sender.as_ref()),
            seconds(self.after),
            connections(self.lost),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.pids.len() as u64, self.lost]
    }
}

impl CrashedWhileDraining {
    fn find(fact: &RestartFact) -> Option<Self> {
        let asked = asked(fact)?;
        let crashed = |member: &&MemberFact| {
            let ended = member.ended.is_some_and(|ended| ended >= asked.at);
            ended && member.exit.is_some_and(|exit| is_crash(exit, member.pid, &fact.signals))
        };
        let members: Vec<&MemberFact> = fact.old.iter().filter(crashed).collect();
        // Some servers have statuses of their own for an end in good order; what dies of a fault has none.
        let harmless =
            |member: &&MemberFact| member.lost == 0 && member.exit.is_some_and(|(_, signal)| signal == 0);
        if members.iter().all(harmless) {
            return None;
        }
        let ended = |member: &&MemberFact| {
            let (status, signal) = member.exit.unwrap_or_default();
            Ended { pid: member.pid, status, signal }
        };
        let is_one = |pid: u32| members.iter().any(|member| member.pid == pid);
        Some(Self {
            processes: members.iter().map(ended).collect(),
            lost: members.iter().map(|member| u64::from(member.lost)).sum(),
            evidence: steps(fact, |step| {
                is_signal(step, asked.signal, asked.target.pid) || is_old_exit(step, is_one)
            }),
        })
    }
}

impl Diagnosis for CrashedWhileDraining {
    fn severity(&self) -> Severity {
        if self.lost > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        const MOST: usize = 8;
        let how = |ended: &Ended| match ended.signal {
            0 => format!("pid {} exited with status {}", ended.pid, ended.status),
            signal => format!("pid {} died of {}", ended.pid, signal_name(signal.into())),
        };
        let named: Vec<String> = self.processes.iter().take(MOST).map(how).collect();
        let more = self.processes.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "{} of the old generation did not end in good order while it drained: {}{more}; {} lost by that",
            processes(self.processes.len()),
            named.join(", "),
            connections(self.lost),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.processes.len() as u64, self.lost]
    }
}

impl ResidualGeneration {
    fn find(fact: &RestartFact, now: BootNs, config: &Config) -> Option<Self> {
        let served = fact.times.first_served;
        // Without a successor it is the deadline that tells.
        let (since, limit) = match served {
            Some(served) => (served, config.residual),
            None if fact.verdict == Verdict::Stuck => (fact.started, config.deadline),
            None => return None,
        };
        let stayed = |member: &MemberFact| member.ended.unwrap_or(now).saturating_sub(since);
        let survives = |member: &MemberFact| fact.kind == RestartKind::Reload && member.master;
        let left = |member: &&MemberFact| !survives(member) && stayed(member) > limit;
        // What lives at the restart's end without being waited for is no leftover.
        let left = |member: &&MemberFact| left(member) && (member.ended.is_some() || fact.ended.is_none());
        let members: Vec<&MemberFact> = fact.old.iter().filter(left).collect();
        let longest = members.iter().map(|member| stayed(member)).max()?;
        let pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
        let last = members.iter().map(|member| member.ended.unwrap_or(now)).max()?;
        Some(Self {
            still_there: members.iter().filter(|member| member.ended.is_none()).count() as u64,
            stayed: longest,
            beside_new: served.is_some(),
            past_deadline: last.saturating_sub(fact.started) > config.deadline,
            lost: members.iter().map(|member| u64::from(member.lost)).sum(),
            evidence: steps(fact, |step| {
                is_first_served(step)
                    || is_old_exit(step, |pid| pids.contains(&pid))
                    || matches!(&fact.cause, Cause::Signal(sent) if is_signal(step, sent.signal, sent.target.pid))
                    || served.is_none() && is_old_exit(step, |_| true)
            }),
            pids,
        })
    }
}

impl Diagnosis for ResidualGeneration {
    fn severity(&self) -> Severity {
        match (self.lost, self.past_deadline) {
            (1.., _) => Severity::Error,
            (0, true) => Severity::Warning,
            (0, false) => Severity::Info,
        }
    }

    fn sentence(&self) -> String {
        let there = match self.still_there {
            0 => "and then left".to_owned(),
            count => format!("with {count} still there at the end"),
        };
        let beside = if self.beside_new { "beside the new one" } else { "after the restart began" };
        let went = format!("{} ({})", processes(self.pids.len()), pids(&self.pids));
        format!(
            "{went} of the old generation stayed for {} {beside}, {there}; {} lost by that",
            seconds(self.stayed),
            connections(self.lost),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.pids.len() as u64, self.lost]
    }
}

/// The signal that asked for the restart, unless it was itself the end: then nothing drained.
fn asked(fact: &RestartFact) -> Option<&SignalFact> {
    match &fact.cause {
        Cause::Signal(sent) if sent.signal != u32::from(KILL) => Some(sent),
        _ => None,
    }
}

/// Whether this end is one that nobody asked for. Runtimes exit with 128 + N when told to by signal N.
fn is_crash((status, signal): (u8, u8), pid: u32, signals: &[SignalFact]) -> bool {
    let sent =
        |number: u8| signals.iter().find(|sent| sent.target.pid == pid && sent.signal == u32::from(number));
    match signal {
        0 => status != 0 && status.checked_sub(128).is_none_or(|number| sent(number).is_none()),
        ABRT => sent(ABRT).is_none_or(|abort| abort.sender.is_none_or(|by| by.pid == pid)),
        // The kernel's own, for want of memory.
        KILL => sent(KILL).is_some_and(|kill| kill.sender.is_none()),
        fault => FAULTS.contains(&fault),
    }
}
