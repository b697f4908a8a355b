//! Findings about the clients that are services of this host themselves.

use super::Diagnosis;
use super::evidence::{is_lost, steps};
use super::words::{connections, pids};
use crate::correlate::facts::finding::{Finding, Severity, UpstreamLost};
use crate::correlate::facts::{ProxyFact, RestartFact};

pub(super) fn find(fact: &RestartFact, findings: &mut Vec<Finding>) {
    findings.extend(UpstreamLost::find(fact).map(Finding::UpstreamLost));
}

impl UpstreamLost {
    fn find(fact: &RestartFact) -> Option<Self> {
        let mut proxies = fact.proxies.clone();
        proxies.sort_by_key(|proxy| std::cmp::Reverse(proxy.lost));
        let lost = proxies.iter().map(|proxy| proxy.lost).sum();
        let outcomes: Vec<_> = fact.counts.keys().copied().filter(|outcome| outcome.is_lost()).collect();
        let evidence = steps(fact, |step| is_lost(step, &outcomes));
        (lost > 0).then_some(Self { proxies, lost, evidence })
    }
}

impl Diagnosis for UpstreamLost {
    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn sentence(&self) -> String {
        let name = |proxy: &ProxyFact| {
            let processes: Vec<u32> = proxy.processes.iter().map(|task| task.pid).collect();
            format!("{} ({})", proxy.name, pids(&processes))
        };
        let names: Vec<String> = self.proxies.iter().map(name).collect();
        let them = if self.lost == 1 { "it" } else { "them" };
        format!(
            "{} lost {} to it: whoever waited behind {them} got an error from there (502, 504), which counts as a \
             response, unless it tried again",
            names.join(", "),
            connections(self.lost)
        )
    }

    fn evidence(&self) -> &[usize] {
        &self.evidence
    }

    fn numbers(&self) -> Vec<u64> {
        vec![self.lost]
    }
}
