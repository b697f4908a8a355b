//! A comparison for people.

use std::fmt;

use super::{Comparison, Fate, Reported};

/// How many connections of each kind of disagreement are listed.
const LISTED: usize = 20;

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "matched {}, missing {}, besides {}, disagreeing {}; precision {:.3}, recall {:.3}",
            self.matched.len(),
            self.missing.len(),
            self.besides.len(),
            self.disagreeing.len(),
            self.precision(),
            self.recall(),
        )?;
        for (outcome, count) in self.outcomes() {
            writeln!(f, "  {count:5} {outcome}")?;
        }
        let disagreeing = self.disagreeing.iter().map(|one| (Some(&one.fate), Some(&one.reported)));
        list(f, "called by another name", disagreeing)?;
        list(f, "missing in the report", self.missing.iter().map(|fate| (Some(fate), None)))?;
        let besides = self.besides.iter().map(|(fate, reported)| (fate.as_ref(), Some(reported)));
        list(f, "lost in the report, not for the client", besides)
    }
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    rows: impl ExactSizeIterator<Item = (Option<&'a Fate>, Option<&'a Reported>)>,
) -> fmt::Result {
    let count = rows.len();
    if count == 0 {
        return Ok(());
    }
    writeln!(f, "{heading}:")?;
    for (fate, reported) in rows.take(LISTED) {
        write!(f, "  ")?;
        match fate {
            Some(fate) => write!(f, "{}", Side(fate))?,
            None => write!(f, "unknown to the client")?,
        }
        match reported {
            Some(one) => {
                writeln!(f, " | report: {} {} at {}", one.peer, one.outcome, seconds(one.ended_boot_ns))?
            }
            None => writeln!(f)?,
        }
    }
    if count > LISTED {
        writeln!(f, "  and {} more", count - LISTED)?;
    }
    Ok(())
}

/// The client's side in one line.
struct Side<'a>(&'a Fate);

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = self.0;
        write!(
            f,
            "client {} {}: {} requests, {} responses, {} bytes sent, {} received, from {} to {}",
            fate.local,
            fate.ending.label(),
            fate.requests_sent,
            fate.responses_complete,
            fate.bytes_sent,
            fate.bytes_received,
            seconds(fate.started.boot_ns),
            seconds(fate.ended.boot_ns),
        )?;
        match &fate.error {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}

/// Boot time in seconds, to the microsecond.
fn seconds(boot_ns: u64) -> String {
    format!("{}.{:06}s", boot_ns / 1_000_000_000, boot_ns / 1_000 % 1_000_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::truth::samples::fate;
    use crate::truth::{Ending, compare};

    #[test]
    fn names_what_disagrees() {
        let report = json!({"connections": [{
            "outcome": "queue_reset", "lost": true, "restart": null, "ended_boot_ns": 1_500_000_000,
            "local": {"address": "127.0.0.1", "port": 8080}, "peer": {"address": "127.0.0.1", "port": 4},
        }]});
        let truth = [fate(3, Ending::Refused, 2_000_000_000)];
        let text = compare(&report, &truth, 8080).expect("a whole report").to_string();
        assert!(
            text.starts_with(
                "matched 0, missing 1, besides 1, disagreeing 0; precision 0.000, recall 0.000\n"
            )
        );
        assert!(text.contains("client 127.0.0.1:3 refused: 1 requests"), "{text}");
        assert!(
            text.contains("unknown to the client | report: 127.0.0.1:4 queue_reset at 1.500000s"),
            "{text}"
        );
    }
}
