//! Flags, file and defaults together, shown and compared.

use super::*;
use crate::cli::serve::ServeArgs;

const FILE: &str = "listen = \"127.0.0.1:1\"\nmax_services = 7\naccept_times = true\njournal_sync = \"2s\"\n\n\
    [selection]\nports = [80, 81]\nunits = [\"puma\"]\n";

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_a_default() {
    let words = ["--listen", "127.0.0.1:2", "-P", "90", "--journal-sync=1s"];
    let settings = Written::new(FILE).sources("serve", &words).load().expect("settings");
    for (name, values, origin) in [
        ("listen", &["127.0.0.1:2"][..], Origin::Flag),
        ("max_services", &["7"], Origin::Line(2)),
        ("accept_times", &["true"], Origin::Line(3)),
        // Though it is the default.
        ("journal_sync", &["1s"], Origin::Flag),
        ("journal_max_age", &["7d"], Origin::Default),
        ("all_connections", &["false"], Origin::Default),
        ("selection.ports", &["90"], Origin::Flag),
        ("selection.units", &["puma"], Origin::Line(8)),
        ("selection.paths", &[], Origin::Default),
    ] {
        let (found, from) = setting(&settings, name);
        assert_eq!((found.as_slice(), from), (owned(values).as_slice(), origin), "{name}");
    }
    settings.read::<ServeArgs>().expect("arguments");
}

#[test]
fn a_subcommand_takes_what_it_has_use_for() {
    let settings = Written::new(FILE).sources("exporter", &["--max-services", "3"]).load().expect("settings");
    assert_eq!(setting(&settings, "max_services"), (owned(&["3"]), Origin::Flag));
    let unused: Vec<String> = settings.unused().iter().map(|entry| entry.key.path()).collect();
    assert_eq!(unused, ["journal_sync"]);
}

#[test]
fn what_is_shown_can_be_read_again() {
    let text = format!(
        "{FILE}services = [\"/a \\\"b\\\" \\\\\"]\npaths = [\"@c\"]\ncomms = [\"\\u001b[2J\u{202e}é\"]\n"
    );
    let file = Written::new(text);
    let settings = file.sources("serve", &["--journal-dir", "/tmp/\n"]).load().expect("settings");
    let schema = serve::schema();
    let shown = show(&settings, &schema);
    assert!(shown.chars().all(|char| !char.is_control() || char == '\n'), "{shown:?}");
    let again = Written::new(&shown).sources("serve", &[]).load().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(changes(&settings, &again, &schema), []);
    let path = file.path.to_str().expect("a path in UTF-8");
    insta::assert_snapshot!("shown", shown.replace(path, "FILE"));
}

#[test]
fn changes_are_what_is_not_as_it_was() {
    let load = |text: &str| Written::new(text).sources("serve", &["--listen", "127.0.0.1:3"]).load();
    let before = load(FILE).expect("settings");
    let other = FILE.replace("127.0.0.1:1", "127.0.0.1:4").replace("80, 81", "80").replace("true", "false");
    let after = load(&other).expect("settings");
    let found: Vec<String> = changes(&before, &after, &serve::schema())
        .iter()
        .map(|change| format!("{}: {} -> {}", change.key.path(), change.before, change.after))
        .collect();
    assert_eq!(found, ["accept_times: true -> false", "selection.ports: [80, 81] -> [80]"]);
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}
