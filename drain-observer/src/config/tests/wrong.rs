//! Files that cannot be used.

use super::*;
use std::os::unix::fs::symlink;

/// What is said of a file's text.
fn said(text: impl AsRef<[u8]>) -> String {
    let problems = parse(text.as_ref(), &serve::schema()).expect_err("something is wrong");
    let mut lines: Vec<String> = problems.told.iter().map(ToString::to_string).collect();
    lines.extend((problems.more > 0).then(|| format!("{} more", problems.more)));
    lines.join("\n")
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let texts = [
        "jurnal_dir = \"/x\"\n",
        "journal-max-size = \"1GiB\"",
        "zzz = 1",
        "port = 80\n[selection]\nport = [80]\nservice = [\"a\"]",
        "ports = [80]\n[selection]\nlisten = \"127.0.0.1:1\"",
        "selection = 80",
        "[journal]\nmax_size = \"1GiB\"",
        "[selection.ports]\na = 1",
        "max_services = true",
        "max_services = -1",
        "max_services = 1.5",
        "max_services = \"many\"",
        "max_services = 99999999999999999999999999999999999999999999",
        "accept_times = 1",
        "journal_dir = 5",
        "listen = 9931",
        "listen = \"nowhere\"",
        "journal_max_size = \"lots\"",
        "journal_max_size = \"1MiB\"",
        "journal_max_age = 7",
        "journal_sync = 2026-01-02",
        "ring_size = 1000",
        "selection.ports = 8080",
        "selection.ports = [80, 0, 70000, \"http\", [81]]",
        "selection.netns = [\"blue\"]",
        "selection.paths = [\"\"]",
        "listen = ",
        "a = 1\na = 2\n",
        "listen = \"127.0.0.1:1\"\n[\n= 3\nmax_services = 5 5\n",
        "\"\u{1b}[2J\" = \"\u{1b}\"",
        "\"\\u001b[2J\\u202e\" = 1\njournal_max_age = \"\\u001b[2J\"",
    ];
    let told: Vec<String> = texts.iter().map(|text| format!("{text}\n=>\n{}", said(text))).collect();
    assert!(told.iter().all(|told| told.lines().count() > 2));
    insta::assert_snapshot!("wrong", told.join("\n\n").replace('\u{1b}', "ESC"));
    assert_eq!(said(b"listen = \"\xff\""), "1:11: this is no UTF-8, which TOML is");
}

#[test]
fn nothing_that_is_told_acts_on_a_terminal() {
    for text in ["\"\\u001b[2J\" = 1", "\"\\u202e\" = 1", "journal_max_age = \"\\u001b[2J\"", "\u{1b} = 1"] {
        assert!(!said(text).contains(|char: char| char.is_control() || char == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_file_without_end_is_told_in_few_words() {
    let unknown: String = (0..50_000).map(|number| format!("key{number} = 1\n")).collect();
    let told = said(&unknown);
    assert!(told.starts_with("1:1: there is no setting `key0`") && told.ends_with("\n49980 more"), "{told}");
    let nested = format!("listen = {}", "[".repeat(500_000));
    assert!(said(&nested).lines().count() == 1, "one thing of a long file that is no TOML");
    let dotted = format!("{}a = 1", "a.".repeat(300_000));
    assert!(said(&dotted).len() < 1_000);
    let ports = format!("selection.ports = [{}]", "1,".repeat(5_000));
    assert_eq!(said(&ports), "1:11: `ports` has 5000 values, and may have 1000");
    let long = format!("{} = 1\nlisten = \"{}\"", "k".repeat(100_000), "v".repeat(100_000));
    assert!(said(&long).len() < 1_000);
}

#[test]
fn what_is_no_file_is_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    rustix::fs::mknodat(rustix::fs::CWD, file("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(file("socket")).expect("a socket");
    symlink("/dev/zero", file("link")).expect("a link");
    std::fs::write(file("long"), " ".repeat((1 << 20) + 1)).expect("a file");
    std::fs::write(file("most"), " ".repeat(1 << 20)).expect("a file");
    let load = |path: PathBuf| sources("serve", &[], Choice::File(path)).load();
    for path in [dir.path().to_owned(), "/dev/null".into(), file("pipe"), file("socket"), file("link")] {
        let error = load(path.clone()).expect_err("no file");
        assert!(matches!(error, ConfigError::NoFile { .. }), "{}: {error}", path.display());
        assert!(error.to_string().contains("--config"), "{error}");
    }
    assert!(matches!(load(file("long")), Err(ConfigError::TooLong { .. })));
    load(file("most")).expect("spaces are TOML");
    let missing = load("/nonexistent/file".into()).expect_err("no such file").to_string();
    assert!(missing.starts_with("cannot read the settings in /nonexistent/file: No such file"), "{missing}");
}

#[test]
fn all_that_is_wrong_is_in_the_error() {
    let file = Written::new("jurnal_dir = 1\nlisten = 5\n");
    let error = file.sources("serve", &[]).load().expect_err("two things").to_string();
    let path = file.path.display();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert_eq!(lines[0], format!("the settings in {path} cannot be used:"));
    assert!(
        lines[1].starts_with(&format!("  {path}:1:1: ")) && lines[2].starts_with(&format!("  {path}:2:10: "))
    );
}

#[test]
fn the_nearest_setting_is_named() {
    let schema = serve::schema();
    let nearest = |name: &str| schema.nearest(name).map(Key::path).expect("there are settings");
    for (name, wanted) in [
        ("jurnal_dir", "journal_dir"),
        ("journal-max-size", "journal_max_size"),
        ("Listen", "listen"),
        ("unit", "selection.units"),
        ("port", "selection.ports"),
        ("max_service", "max_services"),
        ("all-connection", "all_connections"),
    ] {
        assert_eq!(nearest(name), wanted, "{name}");
    }
    assert!(schema.nearest(&"x".repeat(1 << 20)).is_some());
}
