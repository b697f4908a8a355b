//! Every fault that the document of faults has is brought about by a test that is there.

use crate::sources::Source;
use crate::{Offence, document};
use anyhow::Result;

/// The document, from the root of the workspace.
pub const PATH: &str = "drain-observer/docs/faults.md";
/// What the first word of a test's cell stands for: where the test's modules lie.
const PLACES: [(&str, &str); 4] = [
    ("live", "tests/tests/live/"),
    ("cli", "tests/tests/cli/"),
    ("lib", "drain-observer/src/"),
    ("fuzz", "tests/fuzz/tests/"),
];

/// The rows of the document's table whose tests are not there.
pub fn check(sources: &[Source], document: &str) -> Result<Vec<Offence>> {
    let rows = document::table::<3>(document, "faults")?;
    let missing = rows.iter().filter(|[_, _, test]| !is_there(sources, test));
    let offence = |[fault, _, test]: &[String; 3]| {
        Offence::new(
            PATH,
            format!("{fault}: there is no test `{test}`"),
            "name the test that brings the fault about now, as `live`, `cli`, `lib` or `fuzz`, a blank, and its path",
        )
    };
    Ok(missing.map(offence).collect())
}

fn is_there(sources: &[Source], test: &str) -> bool {
    let Some((kind, path)) = test.split_once(' ') else { return false };
    let Some((_, place)) = PLACES.iter().find(|(name, _)| *name == kind) else { return false };
    let mut modules: Vec<&str> = path.split("::").collect();
    let Some(name) = modules.pop() else { return false };
    sources.iter().filter(|source| source.path.starts_with(place)).any(|source| {
        let below = source.path.trim_start_matches(place).trim_end_matches(".rs");
        let parts: Vec<&str> = below.split('/').collect();
        let in_it = |module: &&str| parts.contains(module) || source.text.contains(&format!("mod {module} "));
        source.text.contains(&format!("fn {name}(")) && modules.iter().all(in_it)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_is_an_offence() {
        let sources = [
            Source::new("tests/tests/live/faults/host.rs", "#[test]\nfn a_fork_storm() {}"),
            Source::new("drain-observer/src/report/wall.rs", "mod tests {\n#[test]\nfn a_clock() {}\n}"),
        ];
        let table = |test: &str| {
            format!(
                "<!-- faults -->\n| a | b | c |\n|---|---|---|\n| storm | much | `{test}` |\n<!-- /faults -->\n"
            )
        };
        let found = |test: &str| check(&sources, &table(test)).expect("a table").len();
        assert_eq!(found("live faults::host::a_fork_storm"), 0);
        assert_eq!(found("lib report::wall::tests::a_clock"), 0);
        for missing in [
            "live faults::host::a_storm",
            "live faults::pids::a_fork_storm",
            "cli faults::host::a_fork_storm",
            "lib report::wall::other::a_clock",
            "faults::host::a_fork_storm",
        ] {
            assert_eq!(found(missing), 1, "{missing}");
        }
    }
}
