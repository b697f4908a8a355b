//! Findings about the clients that are services of this host themselves.

use super::evidence::{is_lost, steps};
use super::words::{connections, pids};
use super::{Diagnosis, Finding, Severity};
use crate::correlate::facts::{ProxyFact, RestartFact};
use serde::{Deserialize, Serialize};

pub(super) fn find(fact: &RestartFact, findings: &mut Vec<Finding>) {
    findings.extend(UpstreamLost::find(fact).map(Finding::UpstreamLost));
}

/// `upstream_lost`: "nginx:80 (pids 7, 8) had 4 connections to it and lost them: whoever waited for these got an error
/// of its own (502, 504), which counts as a response there"
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamLost {
    /// The services that lost connections to this one, the one with most first.
    pub proxies: Vec<ProxyFact>,
    /// How many connections in all.
    pub lost: u64,
    /// Steps.
    pub evidence: Vec<usize>,
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
