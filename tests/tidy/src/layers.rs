//! Who may import what: each room of the observer those above it in the document's table that its row names, and the
//! libraries that it names.

use crate::Offence;
use crate::document::{self, list};
use crate::modules::Module;
use crate::paths::{named_in, resolved};
use anyhow::Result;
use std::collections::BTreeSet;

/// Libraries for everybody, which the table does not name.
pub const FOR_ALL: [&str; 3] = ["serde", "std", "thiserror"];

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The module, with `/` between its names; what lies below it belongs to it, unless that has a row of its own.
    pub name: String,
    /// Rooms that it may import.
    pub imports: Vec<String>,
    /// Libraries that it may use.
    pub libraries: Vec<String>,
}

/// The document's table.
pub fn rooms(document: &str) -> Result<Vec<Room>> {
    let rows = document::table::<4>(document, "rooms")?;
    let room = |[name, _, imports, libraries]: [String; 4]| Room {
        name,
        imports: list(&imports),
        libraries: list(&libraries),
    };
    Ok(rows.into_iter().map(room).collect())
}

/// What is imported against the table, and what the table allows to nobody's use. `libraries` are those that the
/// crate depends on, as Rust names them.
pub fn check(modules: &[Module], rooms: &[Room], libraries: &[String]) -> Vec<Offence> {
    let mut offences = order(rooms);
    let mut used: BTreeSet<(&str, String)> = BTreeSet::new();
    for module in modules.iter().filter(|module| !module.path.is_empty()) {
        let Some(own) = room_of(&module.path, rooms) else {
            offences.push(Offence::new(
                &module.file,
                format!("`{}` has no row in the table of rooms", module.path.join("/")),
                format!("say in {} what it is for and what it may import", document::PATH),
            ));
            continue;
        };
        for path in named_in(module).paths {
            let Some(wanted) = wanted(&path, module, modules, rooms, libraries) else { continue };
            let (name, allowed) = match &wanted {
                Wanted::Room(room) => (&room.name, &own.imports),
                Wanted::Library(library) => (library, &own.libraries),
            };
            if *name == own.name || allowed.contains(name) {
                used.insert((&own.name, name.clone()));
                continue;
            }
            offences.push(Offence::new(
                &module.file,
                format!("it names `{}`, and `{}` may not use `{name}`", path.join("::"), own.name),
                wanted.remedy(),
            ));
        }
    }
    offences.extend(idle(rooms, &used));
    offences
}

enum Wanted<'a> {
    Room(&'a Room),
    Library(String),
}

impl Wanted<'_> {
    fn remedy(&self) -> String {
        let table = document::PATH;
        match self {
            Self::Room(room) => format!(
                "move what is needed of `{}` to a room that both may import, or pass it in; if the two do belong \
                 together so, say it in the table of rooms in {table}",
                room.name
            ),
            Self::Library(library) => format!(
                "have the room whose task `{library}` is do it; if this one's task has become that, say it in the \
                 table of rooms in {table}"
            ),
        }
    }
}

fn wanted<'a>(
    path: &[String],
    module: &Module,
    modules: &[Module],
    rooms: &'a [Room],
    libraries: &[String],
) -> Option<Wanted<'a>> {
    if let Some(target) = resolved(path, &module.path) {
        return room_of(&target, rooms).map(Wanted::Room);
    }
    let first = path.first().filter(|_| path.len() > 1)?;
    let below: Vec<String> = module.path.iter().chain([first]).cloned().collect();
    let is_module = modules.iter().any(|other| other.path == below);
    let is_library = libraries.contains(first) && !FOR_ALL.contains(&first.as_str());
    (is_library && !is_module).then(|| Wanted::Library(first.clone()))
}

/// The room that a path leads to: the one with the longest name, of several.
fn room_of<'a>(path: &[String], rooms: &'a [Room]) -> Option<&'a Room> {
    let leads = |room: &&Room| {
        let names: Vec<&str> = room.name.split('/').collect();
        path.len() >= names.len() && names.iter().zip(path).all(|(name, other)| name == other)
    };
    rooms.iter().filter(leads).max_by_key(|room| room.name.len())
}

/// Rooms that import one below them, or one that there is not: where all look up, nothing goes in a circle.
fn order(rooms: &[Room]) -> Vec<Offence> {
    let mut above: BTreeSet<&str> = BTreeSet::new();
    let mut offences = Vec::new();
    for room in rooms {
        for import in room.imports.iter().filter(|import| !above.contains(import.as_str())) {
            offences.push(Offence::new(
                document::PATH,
                format!("`{}` imports `{import}`, which has no row above it", room.name),
                "order the rooms so that each imports those above it alone; where that can't be, there is a circle to break",
            ));
        }
        above.insert(&room.name);
    }
    offences
}

fn idle(rooms: &[Room], used: &BTreeSet<(&str, String)>) -> Vec<Offence> {
    let allowed = rooms.iter().flat_map(|room| {
        room.imports.iter().chain(&room.libraries).map(move |name| (room.name.as_str(), name.clone()))
    });
    let idle = allowed.filter(|allowed| !used.contains(allowed));
    idle.map(|(room, name)| {
        Offence::new(
            document::PATH,
            format!("`{room}` may use `{name}`, and does not"),
            "take it out of the table of rooms, so that nobody begins to without a thought",
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::of_crate;
    use crate::sources::Source;

    fn room(name: &str, imports: &[&str], libraries: &[&str]) -> Room {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Room { name: name.to_owned(), imports: owned(imports), libraries: owned(libraries) }
    }

    /// Core below screen; the core has facts of its own.
    fn offences(core: &str, facts: &str, screen: &str, rooms: &[Room]) -> Vec<String> {
        let sources = [
            Source::new("src/lib.rs", "mod core; mod screen;"),
            Source::new("src/core/mod.rs", &format!("mod facts; {core}")),
            Source::new("src/core/facts.rs", facts),
            Source::new("src/screen.rs", screen),
        ];
        let modules = of_crate(&sources, "src/lib.rs").expect("a crate");
        let libraries = ["aya".to_owned(), "serde".to_owned()];
        check(&modules, rooms, &libraries).iter().map(ToString::to_string).collect()
    }

    fn usual() -> Vec<Room> {
        vec![
            room("core/facts", &[], &[]),
            room("core", &["core/facts"], &["aya"]),
            room("screen", &["core"], &[]),
        ]
    }

    const CORE: &str = "use facts::F; use self::facts::G; use aya::Ebpf;";
    const SCREEN: &str = "use crate::core::F; use serde::Serialize;";

    #[test]
    fn what_the_table_allows_is_no_offence() {
        assert!(
            offences(CORE, "", SCREEN, &usual()).is_empty(),
            "{:?}",
            offences(CORE, "", SCREEN, &usual())
        );
    }

    #[test]
    fn an_import_against_the_table_is_one() {
        let found = offences(CORE, "fn f() { println!(\"{}\", crate::screen::width()) }", SCREEN, &usual());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("`core/facts` may not use `screen`") && found[0].contains("->"),
            "{}",
            found[0]
        );
        let found = offences(CORE, "use super::Correlator;", SCREEN, &usual());
        assert!(found[0].contains("`core/facts` may not use `core`"), "{found:?}");
        let found = offences(CORE, "", "use crate::core::facts::F; use crate::core::G;", &usual());
        assert!(found[0].contains("`screen` may not use `core/facts`"), "{found:?}");
    }

    #[test]
    fn a_library_against_the_table_is_one() {
        let found = offences(CORE, "", "use crate::core::F; fn f() { aya::load() }", &usual());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`screen` may not use `aya`"), "{}", found[0]);
    }

    #[test]
    fn a_table_that_does_not_fit_is_one() {
        let mut rooms = usual();
        rooms.swap(0, 1);
        assert!(offences(CORE, "", SCREEN, &rooms)[0].contains("has no row above it"));
        let mut rooms = usual();
        rooms[2].libraries.push("aya".to_owned());
        assert!(offences(CORE, "", SCREEN, &rooms)[0].contains("may use `aya`, and does not"));
        assert!(offences(CORE, "", "", &usual()[..2])[0].contains("`screen` has no row"));
    }

    #[test]
    fn names_within_reach_of_self_are_the_rooms_own() {
        let found = offences("use facts::F; use aya::E; use self::facts::H;", "", SCREEN, &usual());
        assert!(found.is_empty(), "{found:?}");
    }
}
