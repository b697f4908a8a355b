//! The parts of several restarts, made by hand and recorded, at the widths of real terminals.

mod facts;

use super::*;
use crate::correlate::Snapshot;
use crate::report::{WallClock, fixture};
use crate::tui::theme::{Colors, Theme};
use facts::Moment;
use proptest::prelude::*;
use ratatui::text::Line;

const UNICODE: Theme = Theme { colors: Colors::Sixteen, ascii: false };
const ASCII: Theme = Theme { colors: Colors::None, ascii: true };

/// Every part below the other, as a screen without borders would have them.
fn parts(moment: &Moment, theme: Theme, width: u16) -> String {
    let Moment { snapshot, clock } = moment;
    let fact = snapshot.restarts.last().expect("a restart");
    let service = snapshot.services.iter().find(|service| service.id == fact.service);
    let at = snapshot.at;
    let mut lines: Vec<Line<'static>> = headline(fact, service, at, clock, theme, width);
    let mut add = |mut part: Vec<Line<'static>>| {
        if !part.is_empty() {
            lines.push(Line::default());
            lines.append(&mut part);
        }
    };
    let gantt = gantt(fact, service, at, theme, width, 14);
    assert!(gantt.len() <= 14, "{gantt:?}");
    add(gantt);
    let curve = curve(fact, at, theme, width, 8);
    assert!(curve.len() <= 8, "{curve:?}");
    add(curve);
    add(residual(fact, service, at, theme, width));
    add(losses(fact, theme, width));
    add(findings(fact, theme, width));
    add(silence(fact, theme, width));
    add(timeline(fact, clock, theme, width));
    add(generations(fact, at, theme, width));
    let over = lines.iter().find(|line| line.width() > usize::from(width));
    assert!(over.is_none(), "wider than {width}: {over:?}");
    let text: Vec<String> = lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect();
    text.join("\n")
}

#[test]
fn a_lossy_restart() {
    let moment = facts::by_hand(fixture::lossy());
    insta::assert_snapshot!("lossy_60_ascii", parts(&moment, ASCII, 60));
    insta::assert_snapshot!("lossy_80", parts(&moment, UNICODE, 80));
    insta::assert_snapshot!("lossy_120", parts(&moment, UNICODE, 120));
    insta::assert_snapshot!("lossy_200", parts(&moment, UNICODE, 200));
}

#[test]
fn a_lossy_restart_on_a_socket_file() {
    let path = "/srv/applications/shop/releases/20261121/tmp/sockets/puma.sock";
    let moment = facts::by_hand(fixture::on_a_path(&fixture::lossy(), path));
    insta::assert_snapshot!("path_60_ascii", parts(&moment, ASCII, 60));
    insta::assert_snapshot!("path_120", parts(&moment, UNICODE, 120));
}

#[test]
fn a_clean_reload() {
    insta::assert_snapshot!(parts(&facts::by_hand(fixture::clean()), UNICODE, 80));
}

#[test]
fn a_restart_under_way() {
    let moment = facts::by_hand(facts::open());
    insta::assert_snapshot!("open_60_ascii", parts(&moment, ASCII, 60));
    insta::assert_snapshot!("open_80", parts(&moment, UNICODE, 80));
    insta::assert_snapshot!("open_120", parts(&moment, UNICODE, 120));
}

#[test]
fn an_old_generation_that_stays_for_hours() {
    insta::assert_snapshot!(parts(&facts::by_hand(facts::residual()), UNICODE, 80));
}

#[test]
fn names_that_would_paint_the_screen() {
    let text = parts(&facts::by_hand(facts::hostile()), UNICODE, 80);
    assert!(!text.chars().any(|char| char.is_control() && char != '\n'), "{text:?}");
    insta::assert_snapshot!(text);
}

#[test]
fn more_workers_than_lanes() {
    let text = parts(&facts::by_hand(facts::two_hundred_workers()), ASCII, 80);
    let gantt: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("old master")).take(14).collect();
    insta::assert_snapshot!(gantt.join("\n"));
}

#[test]
fn a_recorded_puma_before_during_and_after() {
    let journal = include_str!("../../../tests/journals/lossy-puma-term.journal");
    insta::assert_snapshot!("puma_term_1_signal", parts(&facts::recorded(journal, 400), UNICODE, 120));
    insta::assert_snapshot!("puma_term_2_drain", parts(&facts::recorded(journal, 4_500), UNICODE, 120));
    insta::assert_snapshot!("puma_term_3_end", parts(&facts::recorded(journal, 60_000), UNICODE, 120));
}

#[test]
fn a_recorded_silent_puma() {
    let journal = include_str!("../../../tests/journals/silent-puma-usr2.journal");
    insta::assert_snapshot!("puma_usr2_1_silent", parts(&facts::recorded(journal, 3_000), UNICODE, 80));
    insta::assert_snapshot!("puma_usr2_2_end", parts(&facts::recorded(journal, 60_000), UNICODE, 80));
}

#[test]
fn a_recorded_haproxy_that_keeps_its_old_connections() {
    let journal = include_str!("../../../tests/journals/residual-haproxy-usr2.journal");
    insta::assert_snapshot!("haproxy_1_residual", parts(&facts::recorded(journal, 6_000), UNICODE, 80));
    insta::assert_snapshot!("haproxy_2_end", parts(&facts::recorded(journal, 60_000), ASCII, 80));
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    prop_oneof![
        Just(fixture::lossy()),
        Just(fixture::clean()),
        Just(facts::open()),
        Just(facts::residual()),
        Just(facts::hostile()),
        Just(facts::two_hundred_workers()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_width_and_moment_can_be_drawn(
        snapshot in any_snapshot(),
        width in 0u16..220,
        ascii: bool,
        later in 0u64..100_000_000_000_000,
    ) {
        let at = snapshot.at.saturating_add(later);
        let clock = WallClock::new(0);
        let theme = Theme { ascii, ..UNICODE };
        parts(&Moment { snapshot: Snapshot { at, ..snapshot }, clock }, theme, width);
    }

    #[test]
    fn every_height_is_kept(snapshot in any_snapshot(), width in 0u16..220, height in 0u16..40) {
        let fact = &snapshot.restarts[0];
        let service = snapshot.services.first();
        let lines = gantt(fact, service, snapshot.at, UNICODE, width, height);
        prop_assert!(lines.len() <= usize::from(height));
        let lines = curve(fact, snapshot.at, UNICODE, width, height);
        prop_assert!(lines.len() <= usize::from(height.max(1)));
    }
}
