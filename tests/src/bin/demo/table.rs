//! Client and observer side by side.

use std::fmt::Write as _;

use drain_observer_tests::scenario::Observed;
use drain_observer_tests::truth::tally;

/// How many lost connections are listed one by one.
const LISTED: usize = 60;

/// The clients' counts, then each lost connection by the client's address, with both names for its end.
pub(crate) fn connections(observed: &Observed) -> String {
    let mut text = String::from("  clients saw:");
    for (ending, count) in tally(&observed.truth) {
        let _ = write!(text, " {count} {ending};");
    }
    let comparison = &observed.comparison;
    let mut rows: Vec<[String; 4]> = Vec::new();
    for (fate, reported) in &comparison.matched {
        rows.push([fate.local.to_string(), fate.ending.label(), reported.outcome.clone(), "agree".into()]);
    }
    for one in &comparison.disagreeing {
        let (fate, reported) = (&one.fate, &one.reported);
        rows.push([fate.local.to_string(), fate.ending.label(), reported.outcome.clone(), "DISAGREE".into()]);
    }
    for fate in &comparison.missing {
        rows.push([fate.local.to_string(), fate.ending.label(), "-".into(), "MISSING in the report".into()]);
    }
    for (fate, reported) in &comparison.besides {
        let saw = fate.as_ref().map_or("-".into(), |fate| fate.ending.label());
        rows.push([
            reported.peer.to_string(),
            saw,
            reported.outcome.clone(),
            "NOT LOST for the client".into(),
        ]);
    }
    text.push_str("\n\n");
    if !rows.is_empty() {
        let _ =
            writeln!(text, "  {:<22} {:<26} {:<14} both", "client's address", "client saw", "observer says");
    }
    for [address, saw, says, both] in rows.iter().take(LISTED) {
        let _ = writeln!(text, "  {address:<22} {saw:<26} {says:<14} {both}");
    }
    if rows.len() > LISTED {
        let _ = writeln!(text, "  and {} more", rows.len() - LISTED);
    }
    let _ = writeln!(
        text,
        "\n  {} lost connections agree, {} missing in the report, {} besides, {} under another name.",
        comparison.matched.len(),
        comparison.missing.len(),
        comparison.besides.len(),
        comparison.disagreeing.len(),
    );
    text
}
