//! Connection by connection: the report's lost ones against the client's.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Fate, agreeing_outcomes};

/// A connection as the report has it, as much as is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The client's address.
    pub peer: SocketAddr,
    /// The observer's name for what became of it.
    pub outcome: String,
    /// Whether the observer calls it lost.
    pub lost: bool,
    /// When it ended, CLOCK_BOOTTIME.
    pub ended_boot_ns: u64,
    /// The restart it is blamed on.
    pub restart: Option<String>,
}

/// How a report and the truth agree.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Lost for both, and the outcome agrees with the fate.
    pub matched: Vec<(Fate, Reported)>,
    /// Lost for both, but the outcome does not agree with the fate.
    pub disagreeing: Vec<Disagreement>,
    /// The client lost it, the report lacks it.
    pub missing: Vec<Fate>,
    /// The report says lost, the client did not lose it, or does not know it at all.
    pub besides: Vec<(Option<Fate>, Reported)>,
}

/// A loss that report and client call by different names.
#[derive(Debug)]
pub struct Disagreement {
    /// The client's side.
    pub fate: Fate,
    /// The observer's side.
    pub reported: Reported,
}

impl Comparison {
    /// Whether every lost connection is matched both ways, with agreeing outcomes.
    pub fn agrees(&self) -> bool {
        self.missing.is_empty() && self.besides.is_empty() && self.disagreeing.is_empty()
    }

    /// Of the losses the report names, the share that the client saw too. 1.0 when it names none.
    pub fn precision(&self) -> f64 {
        ratio(self.found(), self.found() + self.besides.len())
    }

    /// Of the losses the client saw, the share that the report names. 1.0 when it saw none.
    pub fn recall(&self) -> f64 {
        ratio(self.found(), self.found() + self.missing.len())
    }

    /// How many matched connections the report gives each outcome.
    pub fn outcomes(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for (_, reported) in &self.matched {
            *counts.entry(reported.outcome.as_str()).or_insert(0) += 1;
        }
        counts
    }

    fn found(&self) -> usize {
        self.matched.len() + self.disagreeing.len()
    }
}

/// Compares the connections of a JSON report at server port `port` with what their client saw.
///
/// A connection is found by the client's address. Where a source port was used more than once, the
/// one that ended nearest in time is taken; every connection of either side is used once.
pub fn compare(report: &Value, truth: &[Fate], port: u16) -> Result<Comparison> {
    let mut reported = losses(report, port)?;
    reported.sort_by_key(|one| one.ended_boot_ns);
    let truth: Vec<&Fate> = truth.iter().filter(|fate| fate.server.port() == port).collect();
    let partners = pair(&reported, &truth);

    let mut comparison = Comparison::default();
    let used: HashSet<usize> = partners.iter().flatten().copied().collect();
    for (one, partner) in reported.into_iter().zip(partners) {
        match partner.map(|index| truth[index]) {
            Some(fate) if !fate.lost() => comparison.besides.push((Some(fate.clone()), one)),
            Some(fate) if agreeing_outcomes(fate).contains(&one.outcome.as_str()) => {
                comparison.matched.push((fate.clone(), one));
            }
            Some(fate) => comparison.disagreeing.push(Disagreement { fate: fate.clone(), reported: one }),
            None => comparison.besides.push((None, one)),
        }
    }
    let unused = truth.into_iter().enumerate().filter(|(index, _)| !used.contains(index));
    comparison.missing = unused.map(|(_, fate)| fate).filter(|fate| fate.lost()).cloned().collect();
    Ok(comparison)
}

/// For each reported loss the index of its connection on the client's side.
fn pair(reported: &[Reported], truth: &[&Fate]) -> Vec<Option<usize>> {
    let mut by_peer: HashMap<SocketAddr, Vec<usize>> = HashMap::new();
    for (index, fate) in truth.iter().enumerate() {
        by_peer.entry(canonical(fate.local)).or_default().push(index);
    }
    // Nearest pairs first, so that a stray neighbour cannot take another's partner.
    let mut candidates: Vec<(u64, usize, usize)> = Vec::new();
    for (index, one) in reported.iter().enumerate() {
        for &fate in by_peer.get(&one.peer).into_iter().flatten() {
            candidates.push((truth[fate].ended.boot_ns.abs_diff(one.ended_boot_ns), index, fate));
        }
    }
    candidates.sort_unstable();
    let mut partners = vec![None; reported.len()];
    let mut taken = HashSet::new();
    for (_, index, fate) in candidates {
        if partners[index].is_none() && taken.insert(fate) {
            partners[index] = Some(fate);
        }
    }
    partners
}

/// The connections at `port` that the report calls lost.
fn losses(report: &Value, port: u16) -> Result<Vec<Reported>> {
    let connections = report["connections"].as_array().context("the report has no array `connections`")?;
    let mut losses = Vec::new();
    // One at a socket file has no port.
    for connection in connections.iter().filter(|connection| connection["local"]["path"].is_null()) {
        let read = || -> Option<(u16, Reported)> {
            Some((
                address(&connection["local"])?.port(),
                Reported {
                    peer: address(&connection["peer"])?,
                    outcome: connection["outcome"].as_str()?.to_owned(),
                    lost: connection["lost"].as_bool()?,
                    ended_boot_ns: connection["ended_boot_ns"].as_u64()?,
                    restart: connection["restart"].as_str().map(str::to_owned),
                },
            ))
        };
        let (local, one) =
            read().with_context(|| format!("a connection not as the contract says: {connection}"))?;
        if local == port && one.lost {
            losses.push(one);
        }
    }
    Ok(losses)
}

fn address(value: &Value) -> Option<SocketAddr> {
    let ip: IpAddr = value["address"].as_str()?.parse().ok()?;
    Some(SocketAddr::new(ip, u16::try_from(value["port"].as_u64()?).ok()?))
}

/// A v4-mapped address as the IPv4 address it stands for, the way reports show it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A share of a whole; of nothing, everything.
fn ratio(part: usize, whole: usize) -> f64 {
    // Counts of a test's connections are far below 2^52, where the conversion would lose digits.
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::truth::samples::fate;
    use crate::truth::{Ending, Phase};

    fn connection(port: u16, outcome: &str, lost: bool, ended: u64) -> Value {
        json!({
            "outcome": outcome, "lost": lost, "restart": "r1", "ended_boot_ns": ended,
            "local": {"address": "127.0.0.1", "port": 8080}, "peer": {"address": "127.0.0.1", "port": port},
        })
    }

    #[test]
    fn full_agreement_also_when_the_report_lists_served_ones() {
        let report = json!({"connections": [
            connection(1, "queue_reset", true, 10), connection(2, "refused", true, 11),
            connection(3, "served", false, 12), connection(4, "unanswered", true, 13),
        ]});
        let truth = [
            fate(1, Ending::Reset(Phase::AwaitingResponse), 10),
            fate(2, Ending::Refused, 11),
            fate(3, Ending::Served, 12),
            fate(4, Ending::Eof(Phase::AwaitingResponse), 13),
        ];
        let comparison = compare(&report, &truth, 8080).expect("a whole report");
        assert!(comparison.agrees());
        assert_eq!(comparison.matched.len(), 3);
        assert_eq!(comparison.outcomes()["queue_reset"], 1);
        assert_eq!((comparison.precision(), comparison.recall()), (1.0, 1.0));
    }

    #[test]
    fn missing_besides_and_misnamed_are_told_apart() {
        let report = json!({"connections": [
            connection(1, "truncated", true, 10), connection(3, "queue_reset", true, 12),
            connection(9, "refused", true, 13),
        ]});
        let truth = [
            fate(1, Ending::Refused, 10),
            fate(2, Ending::Reset(Phase::BeforeRequest), 11),
            fate(3, Ending::Served, 12),
        ];
        let comparison = compare(&report, &truth, 8080).expect("a whole report");
        assert!(!comparison.agrees());
        assert_eq!(comparison.disagreeing[0].reported.outcome, "truncated");
        assert_eq!(comparison.missing[0].local.port(), 2);
        let strangers: Vec<bool> = comparison.besides.iter().map(|(fate, _)| fate.is_none()).collect();
        assert_eq!(strangers, [false, true]);
        assert!((comparison.precision() - 1.0 / 3.0).abs() < 1e-9);
        assert!((comparison.recall() - 1.0 / 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_port_used_twice_is_told_apart_by_time() {
        let report = json!({"connections": [connection(7, "refused", true, 2_000)]});
        let truth = [fate(7, Ending::Served, 1_000), fate(7, Ending::Refused, 1_990)];
        assert!(compare(&report, &truth, 8080).expect("a whole report").agrees());

        let swapped = [fate(7, Ending::Served, 1_990), fate(7, Ending::Refused, 1_000)];
        let comparison = compare(&report, &swapped, 8080).expect("a whole report");
        assert_eq!((comparison.missing.len(), comparison.besides.len()), (1, 1));
    }

    #[test]
    fn other_ports_are_none_of_its_business_and_v4_mapped_is_ipv4() {
        let report = json!({"connections": [connection(1, "refused", true, 10)]});
        let mut mapped = fate(1, Ending::Refused, 10);
        mapped.local = "[::ffff:127.0.0.1]:1".parse().expect("an address");
        let mut elsewhere = fate(5, Ending::Refused, 10);
        elsewhere.server.set_port(9);
        assert!(compare(&report, &[mapped, elsewhere], 8080).expect("a whole report").agrees());
    }

    #[test]
    fn a_report_of_another_shape_is_an_error() {
        assert!(compare(&json!({}), &[], 1).is_err());
        assert!(compare(&json!({"connections": [{"outcome": "served"}]}), &[], 1).is_err());
    }
}
