//! Lines of limited width. Whatever is written goes through here, where names that came from outside are made
//! harmless.

use std::io::{self, Write};

const WIDTH: usize = 100;

/// Text in lines.
pub(in crate::report) struct Page<W> {
    out: W,
}

impl<W: Write> Page<W> {
    pub(in crate::report) fn new(out: W) -> Self {
        Self { out }
    }

    /// An empty line.
    pub(in crate::report) fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A paragraph.
    pub(in crate::report) fn text(&mut self, text: &str) -> io::Result<()> {
        self.lines("", 2, text)
    }

    /// A paragraph that begins `indent` columns to the right.
    pub(in crate::report) fn indented(&mut self, indent: usize, text: &str) -> io::Result<()> {
        self.lines(&" ".repeat(indent), indent + 2, text)
    }

    /// A label, and a paragraph whose further lines stand below its first.
    pub(in crate::report) fn hanging(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        let hang = if label.is_empty() { indent + 2 } else { indent + label.chars().count() };
        self.lines(&format!("{:indent$}{label}", ""), hang, text)
    }

    fn lines(&mut self, first: &str, hang: usize, text: &str) -> io::Result<()> {
        let mut line = first.to_owned();
        let mut empty = true;
        let mut width = line.chars().count();
        for word in escaped(text).split(' ') {
            let length = word.chars().count();
            if !empty && width + 1 + length > WIDTH {
                writeln!(self.out, "{}", line.trim_end())?;
                line = " ".repeat(hang);
                width = hang;
                empty = true;
            }
            if !empty {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += length;
            empty = false;
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// Control characters and those that change the direction or look of what follows, as escapes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if acts(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// Whether a character does something to what is shown instead of being shown.
pub(in crate::report) fn acts(char: char) -> bool {
    let hidden = matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    char.is_control() || hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(write: impl FnOnce(&mut Page<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Page::new(&mut out)).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn names_are_made_harmless() {
        let text = page(|page| page.text("a\x1b[2Jb\nc\u{202e}d\u{9b}e\u{e9}"));
        assert_eq!(text, "a\\u{1b}[2Jb\\nc\\u{202e}d\\u{9b}e\u{e9}\n");
    }

    #[test]
    fn lines_are_wrapped_under_their_beginning() {
        let text = page(|page| page.hanging(2, "label  ", &"word ".repeat(40)));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("         word")), "{text}");
        let long = "x".repeat(150);
        assert_eq!(page(|page| page.indented(2, &long)), format!("  {long}\n"));
        assert_eq!(page(|page| page.text("two  spaces")), "two  spaces\n");
    }
}
