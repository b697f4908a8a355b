//! Every setting there is, and the example that has them all.

use super::*;

const EXAMPLE: &str = include_str!("../../../packaging/drain-observer.toml");

/// The example with its settings in force: what begins with `# ` are words.
fn uncommented() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        _ => line,
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_flag_has_its_key() {
    let schema = serve::schema();
    for subcommand in ["serve", "exporter"] {
        for arg in command(subcommand).get_arguments() {
            let flag = arg.get_long().expect("a long name");
            if ["config", "check-config", "help"].contains(&flag) {
                continue;
            }
            let name = arg.get_id().as_str();
            let one = flag.replace('-', "_");
            assert!(
                name == one || name == format!("{one}s"),
                "the key of --{flag} is `{name}`: name the field after the flag"
            );
            assert!(schema.keys().iter().any(|key| key.name == name), "--{flag} of {subcommand} has no key");
        }
    }
}

#[test]
fn the_example_has_every_setting_with_its_default() {
    assert_eq!(parse(EXAMPLE.as_bytes(), &serve::schema()), Ok(Vec::new()), "all of it are comments");
    let text = uncommented();
    let schema = serve::schema();
    let entries = parse(text.as_bytes(), &schema).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let missing: Vec<String> = schema
        .keys()
        .iter()
        .filter(|key| !entries.iter().any(|entry| entry.key == **key))
        .map(Key::path)
        .collect();
    assert!(missing.is_empty(), "packaging/drain-observer.toml has no line for {missing:?}");
    let none = sources("serve", &[], Choice::None).load().expect("no file and no flag");
    for entry in entries {
        let (default, origin) = setting(&none, &entry.key.path());
        assert_eq!(origin, Origin::Default);
        // A setting without a default is shown with some value.
        if entry.key.list || !default.is_empty() {
            assert_eq!(entry.values, default, "the default of `{}`", entry.key.path());
        }
    }
}

#[test]
fn the_example_as_a_file() {
    for text in [EXAMPLE.to_owned(), uncommented()] {
        let file = Written::new(&text);
        let with = file.sources("serve", &[]).load().expect("the example");
        let without = sources("serve", &[], Choice::None).load().expect("no file");
        let mut changed = changes(&without, &with, &serve::schema());
        changed.retain(|change| change.before != "not set");
        assert_eq!(changed, []);
    }
}

#[test]
fn every_kind_of_value_is_taken() {
    let text = "max_services = 0x1f\nring_size = 65_536\njournal_max_size = \"1GiB\"\njournal_dir = '/x y'\n\
        accept_times = true\nselection.ports = [80, \"81\"]\nselection.netns = [\"net:[4026531840]\"]\n\
        selection.units = []\n";
    let settings = Written::new(text).sources("serve", &[]).load().expect("settings");
    for (name, line, values) in [
        ("max_services", 1, &["31"][..]),
        ("ring_size", 2, &["65536"]),
        ("journal_max_size", 3, &["1GiB"]),
        ("journal_dir", 4, &["/x y"]),
        ("accept_times", 5, &["true"]),
        ("selection.ports", 6, &["80", "81"]),
        ("selection.netns", 7, &["net:[4026531840]"]),
        ("selection.units", 8, &[]),
    ] {
        let (found, origin) = setting(&settings, name);
        assert_eq!(origin, Origin::Line(line), "{name}");
        assert_eq!(found, values, "{name}");
    }
}
