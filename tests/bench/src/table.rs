//! Results as text: for a terminal, and as Markdown.

use crate::results::{Budget, Results, Row, Unit, Verdict};
use crate::stats::Spread;
use std::fmt::Write as _;

/// What a row shows: what it is, its value, its budget and verdict, what else is to be known.
type Cells = [String; 5];
const HEAD: [&str; 5] = ["what", "median (least to most, times)", "budget", "verdict", "note"];

/// For a terminal.
pub(crate) fn text(results: &Results) -> String {
    let rows: Vec<(&str, Cells)> = results.rows.iter().map(|row| (row.group, cells(row))).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|(_, cells)| cells[column].chars().count());
        widths.chain([HEAD[column].len()]).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |cells: [&str; 5]| {
        let [what, value, budget, verdict, note] = cells;
        let [a, b, c, d] = widths;
        let line = format!("  {what:<a$}  {value:<b$}  {budget:<c$}  {verdict:<d$}  {note}");
        line.trim_end().to_owned() + "\n"
    };
    let machine = machine(results, &results.machine.kernel);
    let mut text = format!("{machine}\n{}\n\n{}", conditions(results), line(HEAD));
    let mut group = "";
    for (name, cells) in &rows {
        if *name != group {
            group = name;
            text += &format!("{name}\n");
        }
        text += &line(cells.each_ref().map(String::as_str));
    }
    text + &format!("\n{}\n", sum(results))
}

/// As Markdown.
pub(crate) fn markdown(results: &Results) -> String {
    let escaped = |cell: &String| cell.replace('|', "\\|");
    let machine = machine(results, version(&results.machine.kernel));
    let mut text = format!("{machine}. {}.\n\n| |", conditions(results));
    for head in HEAD {
        let _ = write!(text, " {head} |");
    }
    text += "\n|---|---|---|---|---|---|\n";
    for row in &results.rows {
        let cells: Vec<String> = cells(row).iter().map(escaped).collect();
        let _ = writeln!(text, "| {} | {} |", row.group, cells.join(" | "));
    }
    text + &format!("\n{}\n", sum(results))
}

/// A number of bytes.
pub(crate) fn bytes(value: f64) -> String {
    const UNITS: [(f64, &str); 3] =
        [(1024.0 * 1024.0 * 1024.0, "GiB"), (1024.0 * 1024.0, "MiB"), (1024.0, "KiB")];
    match UNITS.iter().find(|(unit, _)| value >= *unit) {
        Some((unit, name)) => format!("{} {name}", digits(value / unit)),
        None => format!("{value:.0} B"),
    }
}

/// A time given in nanoseconds.
pub(crate) fn nanoseconds(value: f64) -> String {
    match value {
        _ if value >= 1e9 => format!("{} s", digits(value / 1e9)),
        _ if value >= 1e6 => format!("{} ms", digits(value / 1e6)),
        _ if value >= 1e4 => format!("{} us", digits(value / 1e3)),
        _ => format!("{} ns", digits(value)),
    }
}

/// How large something is that grows: in decimal units, as the sizes are chosen.
pub(crate) fn size(value: f64, unit: Unit) -> String {
    let (value, suffix) = match value {
        _ if value >= 1e9 => (value / 1e9, "G"),
        _ if value >= 1e6 => (value / 1e6, "M"),
        _ if value >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    match unit {
        Unit::Bytes => format!("{value:.0} {suffix}B"),
        _ => format!("{value:.0}{suffix}"),
    }
}

fn machine(results: &Results, kernel: &str) -> String {
    let machine = &results.machine;
    let (cores, cpu, memory) = (machine.cores, &machine.cpu, bytes(machine.memory));
    format!("{cores} cores ({cpu}), {memory}, Linux {kernel}")
}

/// The numbers of a kernel's release: what follows them names a build that tells a reader nothing.
fn version(release: &str) -> &str {
    let end = release.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(release.len());
    release[..end].trim_end_matches('.')
}

fn conditions(results: &Results) -> String {
    let [before, after] = results.load_average;
    format!(
        "{} run of {:.0} s; load average {before:.1} at the beginning, {after:.1} at the end",
        results.extent, results.seconds
    )
}

fn sum(results: &Results) -> String {
    let count = |verdict| results.rows.iter().filter(|row| row.verdict == Some(verdict)).count();
    let mut sum = format!("{} budgets reached, {} missed", count(Verdict::Reached), count(Verdict::Missed));
    let unknown = count(Verdict::NotMeasurable);
    if unknown > 0 {
        let _ = write!(sum, ", {unknown} not measurable here");
    }
    sum
}

fn cells(row: &Row) -> Cells {
    let value = row.value.map_or_else(|| "-".to_owned(), |value| spread(value, row.unit));
    let budget = row.budget.map_or_else(String::new, |budget| match budget {
        Budget::AtLeast(limit) => format!(">= {}", shown(limit, row.unit)),
        Budget::AtMost(limit) => format!("<= {}", shown(limit, row.unit)),
    });
    let verdict = match row.verdict {
        Some(Verdict::Reached) => "reached",
        Some(Verdict::Missed) => "missed",
        Some(Verdict::NotMeasurable) => "not measurable here",
        None => "",
    };
    [row.what.clone(), value, budget, verdict.to_owned(), row.note.clone()]
}

fn spread(spread: Spread, unit: Unit) -> String {
    let Spread { median, min, max, count } = spread;
    match count {
        1 => shown(median, unit),
        _ => format!("{} ({} to {}, {count})", shown(median, unit), shown(min, unit), shown(max, unit)),
    }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format!("{value:.3}"),
        Unit::PerSecond => format!("{}/s", thousands(value)),
        Unit::Seconds => nanoseconds(value * 1e9),
        Unit::Nanoseconds => nanoseconds(value),
        Unit::Bytes => bytes(value),
        Unit::PercentOfCore => format!("{value:.2}%"),
        Unit::Count => thousands(value),
    }
}

/// Three digits that matter.
fn digits(value: f64) -> String {
    let decimals = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

fn thousands(value: f64) -> String {
    if value < 1_000.0 && value.fract() != 0.0 {
        return digits(value);
    }
    let number = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn results() -> Results {
        let spread = Spread::of(&[0.99, 0.97, 1.0]);
        Results {
            machine: Machine {
                cores: 2,
                cpu: "a CPU".into(),
                kernel: "6.1.0-9-amd64".into(),
                memory: 1024.0 * 1024.0,
            },
            extent: "quick",
            load_average: [0.5, 2.0],
            seconds: 61.4,
            rows: vec![
                Row::new("churn", "throughput", Unit::Ratio, spread).must(Budget::AtLeast(0.98)),
                Row::new("peers", "a | b", Unit::Ratio, None).must(Budget::AtMost(1.0)).note("not there"),
            ],
            curves: Vec::new(),
        }
    }

    #[test]
    fn a_row_says_what_it_must_reach_and_whether_it_does() {
        let text = text(&results());
        let row = text.lines().find(|line| line.contains("throughput")).expect("its row");
        let words: Vec<&str> = row.split_ascii_whitespace().collect();
        assert_eq!(words.join(" "), "throughput 0.990 (0.970 to 1.000, 3) >= 0.980 reached");
        assert!(
            text.starts_with("2 cores (a CPU), 1.00 MiB, Linux 6.1.0-9-amd64\nquick run of 61 s;"),
            "{text}"
        );
        assert!(text.ends_with("1 budgets reached, 1 missed\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_told_is_neither_reached_nor_missed() {
        let mut results = results();
        let row = Row::new("churn", "CPU", Unit::Ratio, None);
        results.rows.push(row.not_measurable(Budget::AtMost(1.03), "noise"));
        let text = text(&results);
        assert!(text.contains("<= 1.030  not measurable here  noise\n"), "{text}");
        assert!(text.ends_with("1 budgets reached, 1 missed, 1 not measurable here\n"), "{text}");
    }

    #[test]
    fn the_docs_name_a_kernel_by_its_numbers() {
        assert!(markdown(&results()).starts_with("2 cores (a CPU), 1.00 MiB, Linux 6.1.0. quick run"));
        assert_eq!(version("6.18.44-fc-v657"), "6.18.44");
        assert_eq!(version("6.19"), "6.19");
    }

    #[test]
    fn markdown_has_as_many_cells_as_columns() {
        let text = markdown(&results());
        let rows = text.lines().filter(|line| line.starts_with('|'));
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        assert!(rows.clone().count() == 4 && rows.clone().all(|line| cells(line) == 7), "{text}");
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(64.0 * 1024.0 * 1024.0), "64.0 MiB");
        assert_eq!(nanoseconds(217.4), "217 ns");
        assert_eq!(nanoseconds(105_000.0), "105 us");
        assert_eq!(nanoseconds(0.5e9), "500 ms");
        assert_eq!(shown(1_234_567.8, Unit::PerSecond), "1,234,568/s");
        assert_eq!(shown(3.25, Unit::PerSecond), "3.25/s");
        assert_eq!(shown(0.0, Unit::Count), "0");
        assert_eq!(size(100_000.0, Unit::Count), "100k");
        assert_eq!(size(1e6, Unit::Bytes), "1 MB");
    }
}
