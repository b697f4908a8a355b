//! The tables that the document has for the rules: each lies between `<!-- NAME -->` and `<!-- /NAME -->`.

use anyhow::{Context as _, Result, ensure};

/// The document, from the root of the workspace.
pub const PATH: &str = "drain-observer/docs/ARCHITECTURE.md";

/// The rows of a table without its head; each has so many cells. Backticks around a cell are no part of it.
///
/// Fails where there is no such table, or a row has another number of cells.
pub fn table<const CELLS: usize>(document: &str, name: &str) -> Result<Vec<[String; CELLS]>> {
    let section = section(document, name)?;
    let lines = section.lines().filter(|line| line.starts_with('|'));
    // The head, and the line below it.
    let rows = lines.skip(2).map(|line| {
        let cells: Vec<String> = cells(line).collect();
        let count = cells.len();
        <[String; CELLS]>::try_from(cells)
            .ok()
            .with_context(|| format!("the table {name} has a row of {count} cells, not {CELLS}: {line}"))
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    ensure!(!rows.is_empty(), "the table {name} has no rows");
    Ok(rows)
}

/// The words of a cell that is a list with commas; none for `-`.
pub fn list(cell: &str) -> Vec<String> {
    let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_owned());
    words.filter(|word| !word.is_empty() && word != "-").collect()
}

fn section<'a>(document: &'a str, name: &str) -> Result<&'a str> {
    let rest = document.split_once(&format!("<!-- {name} -->"));
    let (_, rest) = rest.with_context(|| format!("{PATH} has no `<!-- {name} -->`"))?;
    let found = rest.split_once(&format!("<!-- /{name} -->"));
    Ok(found.with_context(|| format!("{PATH} has no `<!-- /{name} -->`"))?.0)
}

fn cells(line: &str) -> impl Iterator<Item = String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().trim_matches('`').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n<!-- rooms -->\n| room | may |\n|---|---|\n| `a` | `b`, `c` |\n| `b` | - |\n<!-- /rooms -->\n";

    #[test]
    fn rows_are_found_between_the_marks() {
        let rows = table::<2>(TEXT, "rooms").expect("a table");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][0], "a");
        assert_eq!(list(&rows[0][1]), ["b", "c"]);
        assert!(list(&rows[1][1]).is_empty());
    }

    #[test]
    fn what_is_no_table_is_said() {
        assert!(table::<2>(TEXT, "other").expect_err("none").to_string().contains("<!-- other -->"));
        assert!(table::<3>(TEXT, "rooms").expect_err("two").to_string().contains("2 cells, not 3"));
    }
}
