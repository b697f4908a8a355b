//! Users at work, key by key.

use super::frames;
use super::stage::{ASCII, COLOR, LOSSY, Stage, before, before_connections};
use crate::correlate::RestartId;
use crate::event::HookState;
use crate::mask::Masking;
use crate::tui::app::{Effect, Screen};
use crate::tui::engine::{Ask, Message};
use crate::tui::frame::Scope;
use ratatui::crossterm::event::Event;
use std::sync::Arc;
use std::time::Duration;

/// The line that says what the screen is.
fn title(stage: &Stage) -> String {
    let screen = stage.screen();
    let is_title = |line: &&str| {
        ["Services", "Restarts", "Connections", "One connection", "Keys", "Notes", "[", " overview"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    screen.lines().find(is_title).unwrap_or_else(|| panic!("no title:\n{screen}")).to_owned()
}

#[test]
fn down_to_a_connection_and_back() {
    let stage = Stage::live(LOSSY, COLOR, 120, 40).until_the_end().keys("Esc");
    assert!(title(&stage).starts_with("Services: 1"), "{}", stage.screen());
    let stage = stage.keys("Enter");
    assert!(title(&stage).starts_with("Restarts of "), "{}", stage.screen());
    let stage = stage.keys("Enter");
    assert!(title(&stage).starts_with("[overview]"), "{}", stage.screen());
    let stage = stage.keys("Enter");
    assert!(title(&stage).starts_with("Connections lost or of unknown fate, "), "{}", stage.screen());
    let stage = stage.keys("j l");
    assert!(title(&stage).starts_with("One connection"), "{}", stage.screen());
    let stage = stage.keys("h");
    let selected = stage.screen().lines().find(|line| line.starts_with('▶')).expect("a cursor").to_owned();
    assert_eq!(stage.app.view().list.selected, 1, "{selected}");
    let stage = stage.keys("Esc Esc Esc Esc Esc");
    assert!(title(&stage).starts_with("Services"), "{}", stage.screen());
    assert_eq!(stage.effects, [], "nothing but lists was asked for");
}

#[test]
fn a_restart_comes_to_the_front_unless_somebody_is_at_work() {
    let stage = Stage::live(LOSSY, COLOR, 120, 40).until(-0.5);
    assert!(title(&stage).starts_with("Services"), "{}", stage.screen());
    let stage = stage.until(1.0);
    assert!(
        stage.screen().contains("UNDER WAY") && title(&stage).starts_with("[overview]"),
        "{}",
        stage.screen()
    );
    assert!(stage.screen().contains("began"), "{}", stage.screen());

    let stage = Stage::live(LOSSY, COLOR, 120, 40).until(-0.5).keys("Down").until(1.0);
    assert!(title(&stage).starts_with("Services"), "{}", stage.screen());
    assert!(stage.screen().contains("began: press r"), "{}", stage.screen());
    let stage = stage.keys("r");
    assert!(stage.screen().contains("UNDER WAY"), "{}", stage.screen());
    assert!(Stage::new(COLOR, 80, 24).keys("r").app.notice().is_none(), "nothing is known yet");
    assert!(before(frames::many(1), COLOR, 80, 24).keys("r").screen().contains("no restart was seen yet"));
}

#[test]
fn time_is_held_and_travelled() {
    let stage = Stage::live(LOSSY, COLOR, 120, 40).until(1.0).keys("Space");
    let held = stage.app.at();
    assert!(stage.screen().contains("PAUSED at -0s"), "{}", stage.screen());
    let stage = stage.until(4.0);
    assert_eq!(stage.app.at(), held);
    assert!(stage.screen().contains("PAUSED at -3s"), "{}", stage.screen());
    let stage = stage.keys("[ [");
    assert!(stage.screen().contains("PAUSED at -5s"), "{}", stage.screen());
    assert!(
        stage.screen().contains("not known at this moment"),
        "the restart had not begun: {}",
        stage.screen()
    );
    let stage = stage.keys("] ]");
    assert!(stage.screen().contains("UNDER WAY"), "{}", stage.screen());
    let stage = stage.keys("f");
    assert!(!stage.screen().contains("PAUSED"), "{}", stage.screen());
}

#[test]
fn live_time_goes_on_between_frames() {
    let mut stage = Stage::live(LOSSY, COLOR, 120, 40).until(-0.5);
    let before = stage.app.at();
    stage.app.take_dirty();
    stage.app.tick(stage.now + Duration::from_millis(900));
    assert!(!stage.app.take_dirty(), "no second has passed");
    stage.app.tick(stage.now + Duration::from_millis(2_100));
    assert!(stage.app.take_dirty());
    assert_eq!(stage.app.at() - before, 2_000_000_000);
}

#[test]
fn filters_and_orders() {
    let stage = before_connections(50);
    assert!(title(&stage).ends_with(": 50  by end"), "{}", title(&stage));
    let stage = stage.keys("/").types("1000").keys("Backspace Backspace");
    assert!(title(&stage).contains("filter: 10▏"), "{}", title(&stage));
    let stage = stage.keys("Backspace Backspace").types(":10007");
    assert!(title(&stage).contains("1 of 50"), "{}", title(&stage));
    let stage = stage.keys("Enter s");
    assert!(title(&stage).contains("1 of 50  by peer  filter: \":10007\""), "{}", title(&stage));
    let stage = stage.keys("Esc");
    assert!(title(&stage).ends_with(": 50  by peer"), "Esc drops the filter: {}", title(&stage));
    let stage = stage.keys("o");
    assert!(title(&stage).contains("25 of 50  by peer  only queue_reset"), "{}", title(&stage));
    let stage = stage.keys("o");
    assert!(title(&stage).contains("only unanswered"), "{}", title(&stage));
    let stage = stage.keys("o S");
    assert!(title(&stage).ends_with(": 50  by peer, reversed"), "{}", title(&stage));
    let stage = stage.keys("/").types("nothing like it").keys("Enter");
    assert!(stage.screen().contains("none of them fits the filter"), "{}", stage.screen());
    let stage = stage.keys("/ x Esc");
    assert!(
        title(&stage).contains("filter: \"nothing like it\""),
        "what was there before: {}",
        title(&stage)
    );
    assert!(title(&stage.keys("Esc")).ends_with(": 50  by peer, reversed"));
}

#[test]
fn the_selection_stays_with_its_row() {
    let mut stage = before_connections(50).keys("G k k");
    let selected =
        |stage: &Stage| stage.screen().lines().find(|line| line.starts_with('▶')).map(str::to_owned);
    let before = selected(&stage);
    assert!(before.is_some(), "{}", stage.screen());
    stage.list(frames::lossy(), frames::lost(80));
    assert_eq!(selected(&stage), before);
    let stage = stage.keys("S");
    assert_eq!(selected(&stage), before, "in another order too");
}

#[test]
fn ten_thousand_connections() {
    let mut stage = before_connections(10_000).keys("End");
    assert!(title(&stage).contains(": 10000"), "{}", title(&stage));
    assert!(stage.screen().contains(":19999 "), "{}", stage.screen());
    let rows = stage.app.view().list.rows.as_ptr();
    for _ in 0..1_000 {
        stage = stage.keys("PgUp Up Down");
    }
    assert!(stage.screen().contains(":10000 "), "{}", stage.screen());
    assert_eq!(stage.app.view().list.rows.as_ptr(), rows, "moving makes no rows anew");
    let listed = stage.app.listed(Scope::Restart(RestartId(0))).expect("a list").clone();
    stage.list(frames::lossy(), listed);
    assert_eq!(stage.app.view().list.rows.as_ptr(), rows, "nor does a frame with the same connections");
}

#[test]
fn five_hundred_services() {
    let stage = before(frames::many(500), COLOR, 80, 24);
    assert!(title(&stage).starts_with("Services: 500"), "{}", title(&stage));
    let first = stage.screen().lines().find(|line| line.starts_with('▶')).expect("a cursor").to_owned();
    assert!(first.contains("service-077") && first.contains("DOWN"), "trouble comes first: {first}");
    let stage = stage.keys("End");
    assert!(stage.screen().contains("▶ service-499"), "{}", stage.screen());
    let stage = stage.keys("/").types("ICE-12").keys("Enter");
    assert!(title(&stage).starts_with("Services: 10 of 500"), "{}", title(&stage));
}

#[test]
fn the_mouse() {
    let stage = before(frames::many(500), COLOR, 80, 24);
    let screen = stage.screen();
    let row = screen.lines().position(|line| line.contains("service-002")).expect("a row") as u16;
    let stage = stage.click(10, row);
    assert!(stage.screen().contains("▶ service-002"), "{}", stage.screen());
    assert!(title(&stage).starts_with("Services"));
    let stage = stage.click(10, row);
    assert!(title(&stage).starts_with("Restarts of service-002"), "{}", stage.screen());
    let stage = before(frames::lossy(), COLOR, 120, 40).keys("r");
    let tabs = stage.screen().lines().position(|line| line.starts_with("[overview]")).expect("tabs") as u16;
    let stage = stage.click(15, tabs);
    assert!(title(&stage).contains("[timeline]"), "{}", stage.screen());
    let stage = stage.click(0, 0).click(500, 500);
    assert!(title(&stage).contains("[timeline]"));
}

#[test]
fn exports_wait_for_their_connections() {
    let mut stage = before(frames::lossy(), COLOR, 120, 40).keys("Enter e");
    assert_eq!(stage.effects, [Effect::Ask(Ask::List(Some(Scope::Restart(RestartId(0)))))]);
    stage.effects.clear();
    stage.list(frames::lossy(), frames::lossy_connections());
    let [Effect::Save(report), Effect::Ask(Ask::List(None))] = &stage.effects[..] else {
        panic!("{:?}", stage.effects)
    };
    assert_eq!((report.restarts.len(), report.connections.len()), (1, 6));
    stage.effects.clear();
    let mut stage = stage.keys("y");
    stage.list(frames::lossy(), frames::lossy_connections());
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::Copy(_))), "{:?}", stage.effects);
    let stage = before(frames::many(3), COLOR, 120, 40).keys("Enter e");
    assert!(stage.screen().contains("select a restart first"), "{}", stage.screen());
}

#[test]
fn a_replay_is_driven_by_asking() {
    let stage = Stage::replay(LOSSY, COLOR, 120, 40).until(1.0).keys("Space . + - n N");
    let asked =
        [Ask::Play(false), Ask::Step, Ask::Speed(10), Ask::Speed(2), Ask::NextRestart, Ask::PreviousRestart];
    assert_eq!(stage.effects, asked.map(Effect::Ask));
    let footer = stage.screen().lines().last().expect("a footer").to_owned();
    assert!(footer.contains("space play/stop"), "{footer}");
    assert!(!Stage::live(LOSSY, COLOR, 120, 40).until(1.0).screen().contains("play/stop"));
}

#[test]
fn quitting_and_the_background() {
    let stage = before(frames::lossy(), COLOR, 80, 24).keys("Ctrl-Z / q Ctrl-C");
    assert_eq!(stage.app.view().list.filter, "q", "q is a letter of the filter");
    assert_eq!(stage.effects, [Effect::Suspend, Effect::Ask(Ask::Quit), Effect::Quit]);
    let mut stage = Stage::new(COLOR, 20, 5).keys("q");
    assert_eq!(stage.effects, [Effect::Ask(Ask::Quit), Effect::Quit], "even where nothing can be shown");
    stage.app.handle(Message::Suspend, Duration::ZERO);
    assert_eq!(stage.app.take_effects(), [Effect::Suspend]);
}

#[test]
fn masked_peers_are_said_to_be() {
    let mut frame = frames::lossy();
    Arc::make_mut(&mut frame.observation).masked_peers = Some(Masking::Hash);
    let stage = before(frame, COLOR, 120, 40);
    assert!(stage.screen().contains("peers masked (hash)"), "{}", stage.screen());
}

#[test]
fn what_was_missed_is_said_in_words() {
    let mut frame = frames::lossy();
    let observation = Arc::make_mut(&mut frame.observation);
    observation.lost_events = [(("connection".to_owned(), "ring_full".to_owned()), 12)].into();
    observation.hooks[0].state = HookState::Missing;
    observation.bounds = [("survey".to_owned(), 3)].into();
    observation.attached_at = Some(frame.at);
    for (width, height) in [(60, 15), (80, 24), (200, 60)] {
        let screen = before(frame.clone(), ASCII, width, height).screen();
        for words in ["12 EVENTS LOST", "2 HOOKS MISSING", "1 bound reached", "ATTACHED LATE", "live"] {
            assert!(screen.contains(words), "{words} at {width}: {screen}");
        }
    }
    let notes = before(frame, ASCII, 100, 40).keys("!").screen();
    assert!(notes.contains("12 connection (ring_full): counts are lower bounds"), "{notes}");
    assert!(notes.contains("mark_victim") && notes.contains("OOM kills look like SIGKILL"), "{notes}");
}

#[test]
fn the_footer_says_the_keys_of_the_moment() {
    for width in [60, 80, 120, 200] {
        let stage = Stage::live(LOSSY, COLOR, width, 40).until_the_end().keys("Esc");
        let footer = |stage: &Stage| stage.screen().lines().last().expect("a footer").to_owned();
        assert!(footer(&stage).ends_with("? help  q quit"), "{}", footer(&stage));
        assert!(footer(&stage).starts_with("Enter open"), "{}", footer(&stage));
        let stage = stage.keys("/");
        assert_eq!(footer(&stage), "Enter keep  Esc drop  Backspace erase");
    }
}

#[test]
fn a_new_size_is_used_at_once() {
    let mut stage = before_connections(200).keys("End");
    stage.input(Event::Resize(80, 24));
    let screen = stage.screen();
    assert_eq!(screen.lines().count(), 24);
    assert!(screen.contains('▶'), "the selected row is still seen: {screen}");
    stage.input(Event::Resize(200, 60));
    assert!(stage.screen().contains('▶'));
    assert!(matches!(stage.app.view().screen, Screen::Connections(_)));
}
