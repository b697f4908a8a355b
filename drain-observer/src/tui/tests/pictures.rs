//! Every screen at the sizes of real terminals, from journals of real restarts.

use super::frames;
use super::stage::{ASCII, COLOR, LOSSY, RESIDUAL, SILENT, Stage, before};
use crate::tui::theme::{Colors, Theme};
use ratatui::style::Color;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// One picture for each size.
fn pictures(name: &str, stage: impl Fn(u16, u16) -> Stage) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), stage(width, height).screen());
    }
}

#[test]
fn services() {
    pictures("services", |width, height| {
        Stage::live(LOSSY, COLOR, width, height).until_the_end().keys("Esc")
    });
}

#[test]
fn restarts() {
    pictures("restarts", |width, height| {
        Stage::live(LOSSY, COLOR, width, height).until_the_end().keys("Esc Enter")
    });
}

#[test]
fn a_lossy_restart_under_way() {
    pictures("lossy_under_way", |width, height| Stage::live(LOSSY, COLOR, width, height).until(2.0));
}

#[test]
fn a_lossy_restart_that_ended() {
    pictures("lossy_ended", |width, height| Stage::live(LOSSY, COLOR, width, height).until_the_end());
}

#[test]
fn the_other_panes_of_a_restart() {
    let stage = || Stage::live(LOSSY, COLOR, 120, 40).until_the_end();
    insta::assert_snapshot!("timeline", stage().keys("Tab").screen());
    insta::assert_snapshot!("generations", stage().keys("Tab Tab").screen());
    insta::assert_snapshot!("signals", stage().keys("Tab Tab Tab").screen());
    insta::assert_snapshot!("findings", stage().keys("Backtab").screen());
}

#[test]
fn an_old_generation_that_stays() {
    pictures("residual", |width, height| {
        Stage::live(RESIDUAL, COLOR, width, height).until(2.0).keys("Tab Tab")
    });
}

#[test]
fn a_listener_that_is_silent() {
    pictures("silent", |width, height| Stage::live(SILENT, COLOR, width, height).until(2.0));
}

#[test]
fn connections() {
    pictures("connections", |width, height| {
        Stage::live(LOSSY, COLOR, width, height).until_the_end().keys("Enter")
    });
}

#[test]
fn one_connection() {
    pictures("connection", |width, height| {
        Stage::live(LOSSY, COLOR, width, height).until_the_end().keys("Enter Enter")
    });
}

#[test]
fn help_and_notes() {
    let stage = || Stage::live(LOSSY, COLOR, 80, 100).until(-1.0);
    insta::assert_snapshot!("help", stage().keys("?").screen());
    insta::assert_snapshot!("notes", stage().keys("!").screen());
}

#[test]
fn a_replay() {
    let stage = Stage::replay(LOSSY, COLOR, 120, 40).until(1.0);
    insta::assert_snapshot!("replay", stage.screen());
}

#[test]
fn nothing_yet() {
    insta::assert_snapshot!("nothing_yet", Stage::new(COLOR, 80, 24).screen());
}

#[test]
fn without_utf_8_and_colours() {
    let stage = Stage::live(LOSSY, ASCII, 60, 15).until(2.0);
    let screen = stage.screen();
    assert!(screen.is_ascii(), "{screen}");
    let coloured = |cell: &&ratatui::buffer::Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
    assert_eq!(stage.buffer().content.iter().find(coloured), None);
    insta::assert_snapshot!("ascii_60x15", screen);
    let services = stage.keys("Esc").screen();
    assert!(services.is_ascii(), "{services}");
    insta::assert_snapshot!("ascii_services_60x15", services);
}

#[test]
fn no_color_alone() {
    let theme = Theme { colors: Colors::None, ascii: false };
    let buffer = Stage::live(LOSSY, theme, 120, 40).until_the_end().buffer();
    let coloured = |cell: &&ratatui::buffer::Cell| cell.fg != Color::Reset || cell.bg != Color::Reset;
    assert_eq!(buffer.content.iter().find(coloured), None);
}

#[test]
fn too_small() {
    insta::assert_snapshot!(before(frames::lossy(), COLOR, 59, 15).screen(), @r"
    59x15 is too small:
    make it 60x15
    q quits
    ");
    for (width, height) in [(0, 0), (1, 1), (5, 2), (60, 14), (60, 15), (61, 16), (500, 15), (60, 300)] {
        let stage = Stage::live(LOSSY, ASCII, width, height).until(2.0);
        let _ = stage.keys("Tab Enter Enter Esc Esc Esc ? End Esc ! End").screen();
    }
}

#[test]
fn names_that_would_paint_the_screen() {
    let mut frame = frames::of(crate::report::fixture::clean());
    let observation = std::sync::Arc::make_mut(&mut frame.observation);
    observation.host = "web\x1b[31m1\u{202e}".into();
    observation.notes = vec!["a note\nwith \x07 in it".into()];
    let screen = |keys: &str| {
        let stage = before(frame.clone(), COLOR, 120, 30).keys(keys);
        let screen = stage.screen();
        let bad = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
        assert!(!screen.contains(bad), "{screen:?}");
        screen
    };
    assert!(screen("Home").contains("\\u{1b}[2Jevil\\n:9000"), "{}", screen("Home"));
    assert!(screen("!").contains("a note\\nwith \\u{7} in it"), "{}", screen("!"));
    screen("Enter");
    screen("/ \x1b Enter");
}
