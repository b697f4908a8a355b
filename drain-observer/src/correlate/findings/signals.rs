//! Findings about the signals: ignored, repeated, without effect, to too many at once.

use super::evidence::{is_signal, steps};
use super::words::{count_of, process, processes, seconds, sender};
use super::{Diagnosis, Finding, Severity};
use crate::correlate::facts::{Cause, RestartFact, SignalFact};
use crate::correlate::verdict::is_ignored;
use crate::event::{BootNs, Task, signal_name};
use serde::{Deserialize, Serialize};

const USR1: u32 = 10;
/// HUP, USR1: make many servers open their log files anew.
const REOPENS_LOGS: [u32; 2] = [1, USR1];
/// HUP, INT, QUIT, KILL, USR1, USR2, TERM: sent by people and supervisors to end, reload or replace a server.
const ASKS: [u32; 7] = [1, 2, 3, 9, USR1, 12, 15];
/// HUP, INT, QUIT, TERM: end a process that does not handle them.
const ENDS: [u32; 4] = [1, 2, 3, 15];
/// Signals of one kill(2) to a group, or of one loop over processes, come this near together.
const AT_ONCE: BootNs = 100_000_000;

/// Findings that do not presuppose that anything came of the signals.
pub(super) fn of_any_restart(fact: &RestartFact, findings: &mut Vec<Finding>) {
    let to_masters = || fact.signals.iter().filter(|sent| sent.to_master && !sent.internal);
    findings
        .extend(to_masters().filter_map(|sent| SignalIgnored::find(fact, sent)).map(Finding::SignalIgnored));
    findings.extend(
        to_masters().filter_map(|sent| RepeatedSignal::find(fact, sent)).map(Finding::RepeatedSignal),
    );
}

/// `restart_did_not_happen`: "SIGHUP from sv (pid 900) to puma (pid 100) restarted nothing: 9.0 s later it is the same
/// process with the same program, workers and listeners"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestartDidNotHappen {
    /// The signal that asked for it.
    pub signal: u32,
    /// Who sent it; `None` = the kernel.
    pub sender: Option<Task>,
    /// Who got it, before and after the same.
    pub target: Task,
    /// For how long nothing came of it.
    pub watched: BootNs,
    /// It may have been meant for the log files alone.
    pub may_reopen_logs: bool,
    /// The master passed it on to its workers, as it does to have them reopen their logs.
    pub passed_on: bool,
    /// Steps.
    pub evidence: Vec<usize>,
}

impl RestartDidNotHappen {
    pub(super) fn find(fact: &RestartFact, now: BootNs) -> Option<Self> {
        let Cause::Signal(sent) = &fact.cause else { return None };
        let may_reopen_logs = REOPENS_LOGS.contains(&sent.signal);
        let passed_on = may_reopen_logs
            && fact
                .signals
                .iter()
                .any(|other| other.internal && !other.to_master && other.signal == sent.signal);
        Some(Self {
            signal: sent.signal,
            sender: sent.sender,
            target: sent.target,
            watched: fact.ended.unwrap_or(now).saturating_sub(sent.at),
            may_reopen_logs,
            passed_on,
            evidence: steps(fact, |step| is_signal(step, sent.signal, sent.target.pid)),
        })
    }
}

impl Diagnosis for RestartDidNotHappen {
    fn severity(&self) -> Severity {
        if self.passed_on { Severity::Info } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        let logs = match (self.passed_on, self.may_reopen_logs) {
            (true, _) => {
                "; it was passed on to the workers, as a signal to reopen logs is: then this is as it should be"
            }
            (false, true) => "; if it was only to reopen the logs, this is as it should be",
            (false, false) => "",
        };
        format!(
            "{} from {} to {} restarted nothing: {} later it is the same process with the same program, workers \
             and listeners{logs}",
            signal_name(self.signal),
            sender(self.sender.as_ref()),
            process(&self.target),
            seconds(self.watched),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.target.pid.into()]
    }
}

/// `signal_ignored`: "nginx (pid 100) ignores SIGUSR2, which bash (pid 900) sent it: the kernel dropped it"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalIgnored {
    /// Which.
    pub signal: u32,
    /// Who sent it; `None` = the kernel.
    pub sender: Option<Task>,
    /// Who ignores it.
    pub target: Task,
    /// Steps.
    pub evidence: Vec<usize>,
}

impl SignalIgnored {
    fn find(fact: &RestartFact, sent: &SignalFact) -> Option<Self> {
        (ASKS.contains(&sent.signal) && is_ignored(sent)).then(|| Self {
            signal: sent.signal,
            sender: sent.sender,
            target: sent.target,
            evidence: steps(fact, |step| is_signal(step, sent.signal, sent.target.pid)),
        })
    }
}

impl Diagnosis for SignalIgnored {
    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn sentence(&self) -> String {
        format!(
            "{} ignores {}, which {} sent it: the kernel dropped it",
            process(&self.target),
            signal_name(self.signal),
            sender(self.sender.as_ref()),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.target.pid.into()]
    }
}

/// `repeated_signal`: "SIGHUP was sent to puma (pid 100) 3 times within 3.8 s, by h (pid 300) first"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatedSignal {
    /// Which.
    pub signal: u32,
    /// Who sent the first; `None` = the kernel.
    pub sender: Option<Task>,
    /// Who got them.
    pub target: Task,
    /// How many there were.
    pub times: u64,
    /// From the first to the last.
    pub within: BootNs,
    /// Steps.
    pub evidence: Vec<usize>,
}

impl RepeatedSignal {
    /// By somebody outside the service: a master that tells its own workers again and again is no operator.
    fn find(fact: &RestartFact, sent: &SignalFact) -> Option<Self> {
        (ASKS.contains(&sent.signal) && sent.repeats > 0).then(|| Self {
            signal: sent.signal,
            sender: sent.sender,
            target: sent.target,
            times: u64::from(sent.repeats) + 1,
            within: sent.last_at.saturating_sub(sent.at),
            evidence: steps(fact, |step| is_signal(step, sent.signal, sent.target.pid)),
        })
    }
}

impl Diagnosis for RepeatedSignal {
    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn sentence(&self) -> String {
        format!(
            "{} was sent to {} {} within {}, by {} first",
            signal_name(self.signal),
            process(&self.target),
            count_of(self.times, "time", "times"),
            seconds(self.within),
            sender(self.sender.as_ref()),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.times]
    }
}

/// `group_signal`: "dyno (pid 10) sent SIGTERM to puma (pid 100) and at once to 2 processes below it, so that the master
/// could not drain them; 1 of them was gone before it; they lost 3 connections"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupSignal {
    /// Which.
    pub signal: u32,
    /// Who sent it; `None` = the kernel, for a terminal.
    pub sender: Option<Task>,
    /// The master that got it.
    pub master: Task,
    /// Its workers that got it from the same sender.
    pub workers: Vec<u32>,
    /// Of these workers, gone before the master.
    pub gone_before: u64,
    /// Connections that these workers lost.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
}

impl GroupSignal {
    pub(super) fn find(fact: &RestartFact) -> Option<Self> {
        let external = || fact.signals.iter().filter(|sent| !sent.internal && ENDS.contains(&sent.signal));
        external().filter(|sent| sent.to_master).find_map(|to_master| {
            let together = |sent: &&SignalFact| {
                !sent.to_master
                    && sent.signal == to_master.signal
                    && sent.sender.map(|task| task.pid) == to_master.sender.map(|task| task.pid)
                    && sent.at.abs_diff(to_master.at) <= AT_ONCE
            };
            let workers: Vec<u32> = external().filter(together).map(|sent| sent.target.pid).collect();
            let below = || fact.old.iter().filter(|member| workers.contains(&member.pid));
            let of_master = fact.old.iter().find(|member| member.pid == to_master.target.pid);
            let end = of_master.and_then(|master| master.ended).unwrap_or(BootNs::MAX);
            let gone_before = below().filter(|member| member.ended.is_some_and(|ended| ended < end)).count();
            let lost = below().map(|member| u64::from(member.lost)).sum();
            let to_any = |pid: &u32| *pid == to_master.target.pid || workers.contains(pid);
            let all: Vec<u32> = external().map(|sent| sent.target.pid).filter(to_any).collect();
            let evidence = steps(fact, |step| all.iter().any(|pid| is_signal(step, to_master.signal, *pid)));
            (!workers.is_empty()).then_some(Self {
                signal: to_master.signal,
                sender: to_master.sender,
                master: to_master.target,
                gone_before: gone_before as u64,
                lost,
                evidence,
                workers,
            })
        })
    }
}

impl Diagnosis for GroupSignal {
    fn severity(&self) -> Severity {
        if self.lost > 0 { Severity::Error } else { Severity::Warning }
    }

    fn sentence(&self) -> String {
        let lost = if self.lost > 0 {
            format!("; they lost {}", super::words::connections(self.lost))
        } else {
            String::new()
        };
        let gone = match self.gone_before {
            0 => String::new(),
            1 => "; 1 of them was gone before it".to_owned(),
            count => format!("; {count} of them were gone before it"),
        };
        format!(
            "{} sent {} to {} and at once to {} below it, so that the master could not drain them{gone}{lost}",
            sender(self.sender.as_ref()),
            signal_name(self.signal),
            process(&self.master),
            processes(self.workers.len()),
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.workers.len() as u64, self.lost]
    }
}
