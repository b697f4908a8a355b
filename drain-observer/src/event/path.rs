//! Names of AF_UNIX sockets.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What a socket was bound to: a path as given to bind(2), which may be relative, gone, or anybody else's by now; or
/// a name in the abstract namespace, which begins with a zero byte.
///
/// As text an abstract name begins with `@`, and whatever is no letter, digit or usual sign is written as the bytes
/// `\xNN` that it consists of: so it can be shown anywhere, and no two names look the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixPath {
    bytes: [u8; MAX],
    len: u8,
}

const MAX: usize = UnixPath::MAX;

impl UnixPath {
    /// Bytes of the longest name: `sizeof(sun_path)`.
    pub const MAX: usize = 108;

    /// From the bytes of `sun_path`, of which 108 count. A path ends at its first zero byte; an abstract name has all
    /// bytes that it was given.
    pub fn new(path: &[u8]) -> Self {
        let path = &path[..path.len().min(MAX)];
        let end = match path.first() {
            Some(0) | None => path.len(),
            Some(_) => path.iter().position(|byte| *byte == 0).unwrap_or(path.len()),
        };
        let mut bytes = [0; MAX];
        bytes[..end].copy_from_slice(&path[..end]);
        Self { bytes, len: end as u8 }
    }

    /// The bytes: those of `sun_path`, without the zero that ends a path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether it is a name in the abstract namespace.
    pub fn is_abstract(&self) -> bool {
        self.as_bytes().first() == Some(&0)
    }

    /// What follows the last slash: enough to name a service by. An abstract name stays one.
    pub fn last_component(&self) -> Self {
        let bytes = self.as_bytes();
        let begin = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let last = &bytes[begin..];
        match (last.is_empty(), self.is_abstract() && begin > 0) {
            (true, _) => *self,
            (false, false) => Self::new(last),
            (false, true) => Self::new(&[&[0], last].concat()),
        }
    }

    /// The text, with its middle left out where it has more than `columns` characters.
    pub fn shortened(&self, columns: usize) -> String {
        let text: Vec<char> = self.to_string().chars().collect();
        if text.len() <= columns {
            return text.into_iter().collect();
        }
        // The file's name tells sockets apart, the beginning the applications they are of.
        let name = self.last_component().to_string();
        let length = name.chars().count();
        let kept = columns.saturating_sub(2);
        if (kept + 1..=columns).contains(&length) {
            return name;
        }
        let tail = (kept - kept / 3).max(length.min(kept));
        let head = kept - tail;
        let (head, tail) = (&text[..head], &text[text.len() - tail..]);
        head.iter().chain(&['.', '.']).chain(tail).take(columns).collect()
    }
}

impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut rest = self.as_bytes();
        if let Some((0, name)) = rest.split_first() {
            text.push('@');
            rest = name;
        } else if rest.first() == Some(&b'@') {
            escape(&rest[..1], &mut text);
            rest = &rest[1..];
        }
        for chunk in rest.utf8_chunks() {
            for character in chunk.valid().chars() {
                if is_plain(character) {
                    text.push(character);
                } else {
                    escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
                }
            }
            escape(chunk.invalid(), &mut text);
        }
        f.pad(&text)
    }
}

impl fmt::Debug for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl FromStr for UnixPath {
    type Err = String;

    /// From its text. A backslash has to be followed by `xNN`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut bytes, mut rest) = match text.strip_prefix('@') {
            Some(name) => (vec![0], name.as_bytes()),
            None => (Vec::new(), text.as_bytes()),
        };
        while let Some((first, more)) = rest.split_first() {
            if *first != b'\\' {
                bytes.push(*first);
                rest = more;
                continue;
            }
            let digits = more.strip_prefix(b"x").and_then(|digits| digits.get(..2));
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let byte = byte.ok_or_else(|| {
                format!("`{text}`: a backslash begins a byte in hexadecimal, as \\x5c for a backslash itself")
            })?;
            bytes.push(byte);
            rest = &more[3..];
        }
        if bytes.is_empty() {
            return Err("a path is expected, as /run/puma.sock, or @name for an abstract name".into());
        }
        if bytes.len() > MAX {
            return Err(format!(
                "`{text}`: a socket's path has at most {MAX} bytes, this has {}",
                bytes.len()
            ));
        }
        Ok(Self::new(&bytes))
    }
}

impl Serialize for UnixPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = UnixPath;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a socket")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<UnixPath, E> {
                if text.is_empty() { Ok(UnixPath::new(b"")) } else { text.parse().map_err(E::custom) }
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Characters that no terminal takes for anything but themselves.
fn is_plain(character: char) -> bool {
    character != '\\' && ((' '..='~').contains(&character) || character.is_alphanumeric())
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::UnixPath;
    use proptest::prelude::*;

    #[test]
    fn names_are_shown_so_that_they_can_be_told_apart() {
        let shown = |bytes: &[u8]| UnixPath::new(bytes).to_string();
        assert_eq!(shown(b"/run/puma.sock\0rest"), "/run/puma.sock");
        assert_eq!(shown(b"\0gunicorn"), "@gunicorn");
        assert_eq!(shown(b"\0a\0b"), "@a\\x00b");
        assert_eq!(shown(b"@file"), "\\x40file");
        assert_eq!(shown(b"\0@file"), "@@file");
        assert_eq!(shown(b"/run/\xff\x1b[2J"), "/run/\\xff\\x1b[2J");
        assert_eq!(shown("/run/caf\u{e9}\u{202e}".as_bytes()), "/run/caf\u{e9}\\xe2\\x80\\xae");
        assert_eq!(shown(b"a\\x41"), "a\\x5cx41");
        assert_eq!(UnixPath::new(&[b'a'; 200]).as_bytes().len(), 108);
    }

    #[test]
    fn texts_that_are_no_name_say_what_is() {
        let wrong = |text: &str| text.parse::<UnixPath>().expect_err("no name");
        assert!(wrong("").contains("as /run/puma.sock"));
        assert!(wrong("a\\n").contains("\\x5c"));
        assert!(wrong("a\\x+1").contains("\\x5c"));
        assert!(wrong(&"a".repeat(109)).contains("at most 108 bytes, this has 109"));
    }

    #[test]
    fn long_names_lose_their_middle() {
        let path = UnixPath::new(b"/srv/applications/shop/shared/tmp/sockets/puma.sock");
        assert_eq!(path.shortened(60), path.to_string());
        assert_eq!(path.shortened(20), "/srv/a..ts/puma.sock");
        assert_eq!(path.shortened(12), "/..puma.sock");
        assert_eq!(path.shortened(9), "puma.sock");
        assert_eq!(path.shortened(6), "..sock");
        assert_eq!(path.shortened(1), ".");
        assert_eq!(path.last_component().to_string(), "puma.sock");
        assert_eq!(UnixPath::new(b"\0name").last_component().to_string(), "@name");
        assert_eq!(UnixPath::new(b"\0app/name").last_component().to_string(), "@name");
    }

    proptest! {
        #[test]
        fn text_loses_nothing(bytes in prop::collection::vec(any::<u8>(), 1..109)) {
            let path = UnixPath::new(&bytes);
            prop_assert_eq!(path.to_string().parse::<UnixPath>().expect("its own text"), path);
            let json = serde_json::to_string(&path).expect("JSON of a path");
            prop_assert_eq!(serde_json::from_str::<UnixPath>(&json).expect("its own JSON"), path);
        }
    }
}
