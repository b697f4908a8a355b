//! Findings about the signals: ignored, repeated, without effect, to too many at once.

use super::Diagnosis;
use super::evidence::{is_signal, steps};
use super::words::{connections, count_of, process, processes, seconds, sender};
use crate::correlate::facts::finding::{
    Finding, GroupSignal, RepeatedSignal, RestartDidNotHappen, Severity, SignalIgnored,
};
use crate::correlate::facts::{Cause, RestartFact, SignalFact};
use crate::event::{BootNs, signal_name};

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

impl SignalIgnored {
    fn find(fact: &RestartFact, sent: &SignalFact) -> Option<Self> {
        (ASKS.contains(&sent.signal) && sent.is_ignored()).then(|| Self {
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
        let lost =
            if self.lost > 0 { format!("; they lost {}", connections(self.lost)) } else { String::new() };
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
