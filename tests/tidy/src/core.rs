//! What must not be in the rooms whose results may depend on nothing but what they are given.

use crate::Offence;
use crate::modules::Module;
use crate::paths::named_in;

/// The rooms that events go through on their way to conclusions, of which a journal's replay consists, too.
pub const PURE: [&str; 3] = ["correlate", "decode", "event"];

/// Paths, with all below them, and what they would let in.
const PATHS: [(&[&str], &str); 15] = [
    (&["std", "time", "Instant"], "a clock"),
    (&["std", "time", "SystemTime"], "a clock"),
    (&["std", "fs"], "files"),
    (&["std", "io"], "input and output"),
    (&["std", "net", "TcpListener"], "the network"),
    (&["std", "net", "TcpStream"], "the network"),
    (&["std", "net", "UdpSocket"], "the network"),
    (&["std", "os", "unix", "net"], "the network"),
    (&["std", "process"], "processes"),
    (&["std", "env"], "the environment"),
    (&["std", "thread"], "threads"),
    (&["std", "sync"], "state that is not the caller's"),
    (&["std", "collections", "HashMap"], "an order that is another each time"),
    (&["std", "collections", "HashSet"], "an order that is another each time"),
    (&["std", "hash", "RandomState"], "an order that is another each time"),
];

/// Names that mean the same under whatever path.
const NAMES: [(&str, &str); 6] = [
    ("HashMap", "an order that is another each time"),
    ("HashSet", "an order that is another each time"),
    ("RandomState", "an order that is another each time"),
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("rand", "random numbers"),
];

const MACROS: [(&str, &str); 9] = [
    ("dbg", "output"),
    ("eprint", "output"),
    ("eprintln", "output"),
    ("panic", "an end by what it is given"),
    ("print", "output"),
    ("println", "output"),
    ("todo", "an end by what it is given"),
    ("unimplemented", "an end by what it is given"),
    ("unreachable", "an end by what it is given"),
];

const METHODS: [(&str, &str); 2] =
    [("expect", "an end by what it is given"), ("unwrap", "an end by what it is given")];

/// What the pure rooms name that they must not.
pub fn check(modules: &[Module]) -> Vec<Offence> {
    let pure = |module: &&Module| module.path.first().is_some_and(|room| PURE.contains(&room.as_str()));
    modules.iter().filter(pure).flat_map(check_module).collect()
}

fn check_module(module: &Module) -> Vec<Offence> {
    let named = named_in(module);
    let paths = named.paths.iter().filter_map(|path| Some((path.join("::"), lets_in(path)?)));
    let macros = MACROS.iter().filter(|(name, _)| named.macros.contains(*name));
    let methods = METHODS.iter().filter(|(name, _)| named.methods.contains(*name));
    paths
        .chain(macros.map(|(name, what)| (format!("{name}!"), *what)))
        .chain(methods.map(|(name, what)| (format!(".{name}()"), *what)))
        .map(|(name, what)| offence(module, &name, what))
        .collect()
}

fn lets_in(path: &[String]) -> Option<&'static str> {
    let begins = |one: &[String], other: &[&str]| {
        one.len() >= other.len() && other.iter().zip(one).all(|(name, other)| name == other)
    };
    // One that ends before what is forbidden, as `use std::time;` does, would let it in under a shorter name.
    let below =
        |forbidden: &[&str]| path.len() > 1 && forbidden.iter().zip(path).all(|(name, other)| name == other);
    let of_path = PATHS.iter().find(|(forbidden, _)| begins(path, forbidden) || below(forbidden));
    let of_name = NAMES.iter().find(|(name, _)| path.iter().any(|other| other == name));
    of_path.map(|(_, what)| *what).or(of_name.map(|(_, what)| *what))
}

fn offence(module: &Module, name: &str, what: &str) -> Offence {
    let remedy = match what {
        "an end by what it is given" => {
            "give a result, or a default that is right: what is given is anybody's"
        }
        "an order that is another each time" => {
            "use BTreeMap or BTreeSet: a replay must come to the same conclusions"
        }
        _ => {
            "have it come as an event: a journal's replay has nothing else; and import items by their whole paths"
        }
    };
    Offence::new(&module.file, format!("`{name}` would let {what} into a room that is to be pure"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences(room: &str, text: &str) -> Vec<String> {
        let syntax = syn::parse_file(text).expect("Rust");
        let module = Module { path: vec![room.to_owned()], file: format!("{room}.rs"), syntax };
        check(&[module]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_way_in_is_seen() {
        for text in [
            "use std::time::{Duration, Instant};",
            "use std::time;",
            "fn f() { std::time::SystemTime::now(); }",
            "use std::collections::HashMap;",
            "type M = rustc_hash::HashMap<u8, u8>;",
            "use std::fs::File;",
            "fn f() -> std::io::Result<()> { Ok(()) }",
            "fn f() { std::process::exit(1) }",
            "fn f() { std::thread::spawn(|| ()); }",
            "fn f() { std::env::var(\"A\"); }",
            "static A: std::sync::OnceLock<u8> = std::sync::OnceLock::new();",
            "fn f() { println!(\"a\") }",
            "fn f() { Some(1).unwrap(); }",
            "fn f() { matches!(x.expect(\"y\"), 1); }",
            "fn f() { rand::random::<u8>(); }",
        ] {
            assert!(!offences("correlate", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_pure_is_no_offence() {
        for text in [
            "use std::time::Duration; use std::net::IpAddr; use std::collections::BTreeMap; use std::fmt;",
            "fn f() { a.unwrap_or_default(); assert!(b); }",
            "#[cfg(test)] mod tests { use std::collections::HashMap; fn f() { a.unwrap(); panic!() } }",
        ] {
            assert!(offences("correlate", text).is_empty(), "{text}: {:?}", offences("correlate", text));
        }
        assert!(offences("runtime", "use std::time::Instant;").is_empty());
    }

    #[test]
    fn it_says_what_to_do() {
        assert!(offences("decode", "use std::collections::HashMap;")[0].contains("use BTreeMap"));
    }
}
