//! What a report says of an incident, as a row of the table in the README.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::truth::LOST;

/// So many findings of a restart are told in full, the worst; of the others the names.
const SENTENCES: usize = 2;
/// The port that every server of the table seems to have.
const PORT: &str = ":8080";

/// Writes the row into `directory`, in a file of this name.
pub(crate) fn write(
    directory: &Path,
    name: &str,
    [incident, server]: [&str; 2],
    report: &Value,
    port: u16,
) -> Result<()> {
    let row = row([incident, server], report, port);
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    let file = directory.join(name);
    fs::write(&file, row).with_context(|| format!("writing {}", file.display()))
}

/// The row, with a newline.
fn row([incident, server]: [&str; 2], report: &Value, port: u16) -> String {
    let restarts = report["restarts"].as_array().map_or(&[][..], Vec::as_slice);
    let mut said: Vec<String> = restarts.iter().map(restart).collect();
    if said.is_empty() {
        said.push(format!("no restart{}", outside(report)));
    }
    let said = plain(&said.join("<br>then "), port);
    format!("| {} | {} | {} |\n", cell(incident), cell(server), cell(&said))
}

fn restart(restart: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('_', " ");
    let kind = text(&restart["kind"]);
    let kind = if kind == "unknown" { String::new() } else { format!(", {kind}") };
    let mut parts = vec![format!("**{}**{kind}", text(&restart["verdict"]))];
    let lost = restart["lost"].as_u64().unwrap_or(0);
    if lost > 0 {
        parts.push(format!("{lost} lost ({})", losses(&restart["counts"])));
    }
    parts.push(restart["cause"]["text"].as_str().unwrap_or("cause unknown").to_owned());
    let findings = restart["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let told = findings.iter().take(SENTENCES).map(|finding| {
        let [id, sentence] = ["id", "sentence"].map(|key| finding[key].as_str().unwrap_or_default());
        format!("<br>`{id}`: {sentence}")
    });
    let others: Vec<String> = findings
        .iter()
        .skip(SENTENCES)
        .filter_map(|finding| finding["id"].as_str())
        .map(|id| format!("`{id}`"))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("<br>also {}", others.join(", ")) };
    format!("{}{}{others}", parts.join("; "), told.collect::<String>())
}

/// What was lost without a restart, with what the first of it was put down to.
fn outside(report: &Value) -> String {
    let services = report["services"].as_array().map_or(&[][..], Vec::as_slice);
    let lost = services.iter().map(|service| losses(&service["losses_outside_restarts"]));
    let lost: Vec<String> = lost.filter(|lost| !lost.is_empty()).collect();
    let connections = report["connections"].as_array().map_or(&[][..], Vec::as_slice);
    let cause = connections.iter().find_map(|connection| connection["cause"]["text"].as_str());
    let cause = cause.map(|cause| format!("; {cause}")).unwrap_or_default();
    if lost.is_empty() { String::new() } else { format!("; lost all the same: {}{cause}", lost.join(", ")) }
}

/// Which of the counted outcomes are losses, the others being no part of the story.
fn losses(counts: &Value) -> String {
    let count = |outcome: &str| counts[outcome].as_u64().filter(|count| *count > 0);
    let counted = LOST.iter().filter_map(|outcome| Some(format!("{} `{outcome}`", count(outcome)?)));
    counted.collect::<Vec<_>>().join(", ")
}

/// Without what differs from run to run and says nothing: pids, ports, the test's own name, milliseconds.
fn plain(text: &str, port: u16) -> String {
    let text = without_pids(&text.replace(&format!(":{port}"), PORT));
    let words = text.split(' ').map(|word| if is_test(word) { "operator".to_owned() } else { rounded(word) });
    words.collect::<Vec<_>>().join(" ")
}

/// A thread of the tests has its test's name.
fn is_test(word: &str) -> bool {
    word.starts_with("incidents::")
}

fn without_pids(text: &str) -> String {
    let number = |char: char| char.is_ascii_digit() || char == ',' || char == ' ';
    let mut plain = text.to_owned();
    for opening in [" (pid ", " (pids "] {
        let mut parts = std::mem::take(&mut plain);
        while let Some((before, after)) = parts.split_once(opening) {
            plain.push_str(before);
            let rest = match after.split_once(')') {
                Some((pids, rest)) if pids.chars().all(number) => rest,
                _ => {
                    plain.push_str(opening);
                    after
                }
            };
            parts = rest.to_owned();
        }
        plain.push_str(&parts);
    }
    plain
}

/// Thousandths as tenths, unless nothing would be left of them.
fn rounded(word: &str) -> String {
    let end = word.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(word.len());
    let (number, unit) = word.split_at(end);
    let thousandths = number.split_once('.').is_some_and(|(_, fraction)| fraction.len() == 3);
    match number.parse::<f64>() {
        Ok(seconds) if thousandths && seconds >= 0.1 => format!("{seconds:.1}{unit}"),
        _ => word.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_reads_well() {
        let finding =
            |id: &str| json!({"id": id, "sentence": "nobody listened at 127.0.0.1:27726 for 1.626 s"});
        let report = json!({"restarts": [{
            "kind": "replace", "verdict": "lossy", "lost": 14,
            "counts": {"served": 7, "queue_reset": 12, "refused": 2},
            "cause": {"text": "SIGTERM from incidents::fixt (pid 12) to puma (pid 7429)"},
            "findings": [finding("a"), finding("b"), finding("c")],
        }]});
        assert_eq!(
            row(["a|b", "puma"], &report, 27726),
            "| a\\|b | puma | **lossy**, replace; 14 lost (12 `queue_reset`, 2 `refused`); SIGTERM from operator to \
             puma<br>`a`: nobody listened at 127.0.0.1:8080 for 1.6 s<br>`b`: nobody listened at 127.0.0.1:8080 for \
             1.6 s<br>also `c` |\n"
        );
        assert_eq!(row(["a", "b"], &json!({"restarts": []}), 1), "| a | b | no restart |\n");
        let recycled = json!({
            "services": [{"losses_outside_restarts": {"queue_reset": 3}}],
            "connections": [{"cause": {"text": "gunicorn (pid 7) exited with status 0, unasked"}}],
        });
        assert_eq!(
            row(["a", "b"], &recycled, 1),
            "| a | b | no restart; lost all the same: 3 `queue_reset`; gunicorn exited with status 0, unasked |\n"
        );
    }

    #[test]
    fn only_what_says_nothing_is_left_out() {
        assert_eq!(plain("died (pid x) of 0.005 s", 1), "died (pid x) of 0.005 s");
        assert_eq!(plain("3 processes (pids 1, 2, 3) and a (pid 4)", 1), "3 processes and a");
        assert_eq!(plain("took 0.612s, 0.061s", 1), "took 0.6s, 0.061s");
        assert_eq!(plain("took 39.126s and 1.2.345", 1), "took 39.1s and 1.2.345");
    }
}
