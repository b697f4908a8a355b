//! Sections of documents that programs write, between `<!-- NAME -->` and `<!-- /NAME -->`.

use anyhow::{Result, bail};

/// The document with another content of that section.
pub(crate) fn with_section(text: &str, name: &str, content: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let Some((before, rest)) = text.split_once(&begin) else {
        bail!("it has no line `{}` for the section to follow", begin.trim());
    };
    let Some((_, after)) = rest.split_once(&end) else { bail!("it has no `{end}` where the section ends") };
    Ok(format!("{before}{begin}{content}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_changes() {
        let text = "# Title\n<!-- incidents -->\nold\n<!-- /incidents -->\nend\n";
        let once = with_section(text, "incidents", "| a |\n").expect("it has markers");
        assert_eq!(once, "# Title\n<!-- incidents -->\n| a |\n<!-- /incidents -->\nend\n");
        assert_eq!(with_section(&once, "incidents", "| a |\n").expect("it still has them"), once);
    }

    #[test]
    fn without_markers_nothing_is_written() {
        for text in ["", "<!-- incidents -->\n", "<!-- /incidents -->"] {
            assert!(with_section(text, "incidents", "").is_err(), "{text}");
        }
    }
}
