//! The text of metrics.

use super::{replayed, scenario};
use crate::exporter::{Exemplar, Family, FamilyKind, Format, Series, Text, Value, encode};
use proptest::prelude::*;

#[test]
fn a_lossy_restart_in_openmetrics() {
    let observed = replayed(&scenario("puma-term-cluster"));
    insta::assert_snapshot!(told(&encode(&observed.metrics.families(), Format::OpenMetrics)));
}

#[test]
fn a_lossy_restart_in_prometheus_text() {
    let observed = replayed(&scenario("puma-term-cluster"));
    insta::assert_snapshot!(told(&encode(&observed.metrics.families(), Format::Prometheus)));
}

/// The text without the many restarts of kinds and verdicts that there were not.
fn told(text: &str) -> String {
    let none = |line: &&str| line.starts_with("drain_observer_restarts_total{") && line.ends_with(" 0");
    text.lines().filter(|line| !none(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn numbers_are_written_as_the_formats_want_them() {
    let mut family = Family::new("n", FamilyKind::Gauge, "Back\\slash, \"quotes\"\nand a line.");
    for number in [0.0, 1.0, 0.25, 1e9, 1e21, -2.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        family.add([], number);
    }
    let prometheus = encode([&family], Format::Prometheus);
    assert_eq!(
        prometheus,
        "# HELP n Back\\\\slash, \"quotes\"\\nand a line.\n# TYPE n gauge\nn 0\nn 1\nn 0.25\nn 1000000000\n\
         n 1000000000000000000000\nn -2.5\nn +Inf\nn -Inf\nn NaN\n"
    );
    let open_metrics = encode([&family], Format::OpenMetrics);
    assert!(open_metrics.starts_with("# HELP n Back\\\\slash, \\\"quotes\\\"\\nand a line.\n"));
    assert!(open_metrics.ends_with("n NaN\n# EOF\n"));
}

#[test]
fn a_family_without_series_is_left_out() {
    let none = Family::new("n", FamilyKind::Counter, "None.");
    assert_eq!(encode([&none], Format::Prometheus), "");
    assert_eq!(encode([&none], Format::OpenMetrics), "# EOF\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_can_be_a_label(
        labels in proptest::collection::vec(any::<String>(), 1..4),
        restart in any::<String>(),
        format in prop_oneof![Just(Format::Prometheus), Just(Format::OpenMetrics)],
    ) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let mut family = Family::new("n", FamilyKind::Counter, "Some.");
        let exemplar = Exemplar { restart: restart.as_str().into(), value: 1.0, at: 2.5 };
        family.series.push(Series {
            labels: NAMES.into_iter().zip(labels.iter().cloned().map(Text::from)).collect(),
            value: Value::Number { number: 7.0, exemplar: Some(exemplar) },
        });
        let text = encode([&family], format);
        let lines: Vec<&str> = text.split('\n').collect();
        let sample = lines.iter().find(|line| line.starts_with("n_total")).expect("a sample");
        prop_assert_eq!(lines.len(), if format == Format::OpenMetrics { 5 } else { 4 }, "{}", &text);
        let rest = sample.strip_prefix("n_total").expect("its name");
        let (read, rest) = read_labels(rest).expect("labels");
        let expected: Vec<(String, String)> =
            NAMES.iter().map(|name| (*name).to_owned()).zip(labels).collect();
        prop_assert_eq!(read, expected);
        if format == Format::Prometheus {
            prop_assert_eq!(rest, " 7");
        } else {
            let rest = rest.strip_prefix(" 7 # ").expect("an exemplar");
            let (read, rest) = read_labels(rest).expect("its labels");
            prop_assert_eq!(read, vec![("restart_id".to_owned(), restart)]);
            prop_assert_eq!(rest, " 1 2.500");
        }
    }
}

/// Reads `{name="value",..}` as the formats' grammar has it; gives what follows too.
fn read_labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut rest = text.strip_prefix('{')?;
    let mut labels = Vec::new();
    loop {
        let (name, value) = rest.split_once("=\"")?;
        let mut read = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next()? {
                (_, '\\') => read.push(match characters.next()?.1 {
                    'n' => '\n',
                    other @ ('\\' | '"') => other,
                    _ => return None,
                }),
                (end, '"') => break end,
                (_, other) => read.push(other),
            }
        };
        labels.push((name.to_owned(), read));
        rest = &value[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, rest.strip_prefix('}')?)),
        }
    }
}

#[test]
fn a_service_on_a_path_has_the_same_labels() {
    let observed = replayed(&scenario("unix-puma-behind-nginx"));
    let text = told(&encode(&observed.metrics.families(), Format::Prometheus));
    for (outcome, count) in [("queue_reset", 4), ("refused", 1), ("served", 3)] {
        let wanted = format!(
            "drain_observer_connections_total{{service=\"puma:puma.sock\",outcome=\"{outcome}\"}} {count}\n"
        );
        assert!(text.contains(&wanted), "{wanted} in\n{text}");
    }
}
