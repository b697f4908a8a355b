//! A file is a room with one purpose: what grows beyond a few pages has two.

use crate::{Offence, sources::Source};

/// A file has fewer lines than this.
pub const LINES: usize = 500;

/// Files that are too long.
pub fn check(sources: &[Source]) -> Vec<Offence> {
    let lines = |source: &Source| source.text.lines().count();
    let long = sources.iter().map(|source| (source, lines(source))).filter(|(_, lines)| *lines >= LINES);
    long.map(|(source, lines)| {
        Offence::new(
            &source.path,
            format!("it has {lines} lines, and a file has fewer than {LINES}"),
            "find its second purpose, and give that a file of its own",
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_is_an_offence() {
        let file = |lines: usize| Source::new("a.rs", &"\n".repeat(lines));
        assert_eq!(check(&[file(0), file(499)]), []);
        let found = check(&[file(500), file(501)]);
        assert_eq!(found.len(), 2);
        assert!(found[1].to_string().contains("it has 501 lines"), "{}", found[1]);
    }
}
