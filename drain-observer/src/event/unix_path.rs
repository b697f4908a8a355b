//! What a unix socket is bound to, as text and back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name that a unix socket is bound to: 1..=108 bytes, of which a path's may be any but zero, and those of an
/// abstract name any after the zero that it begins with.
///
/// As text, UTF-8 stands as it is, `@name` is the abstract `name`, and a byte that is not part of UTF-8, a control
/// character, a backslash or a path's leading `@` is written as `\xNN`: nothing is lost, and a terminal may show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixPath(Box<[u8]>);

impl UnixPath {
    /// Bytes of the longest name.
    pub const MAX: usize = 108;

    /// From the bytes of `sun_path`; a path ends before its first zero, if there is one. `None` for no bytes, or more
    /// than there may be.
    pub fn new(bytes: &[u8]) -> Option<UnixPath> {
        let name = match bytes {
            [0, ..] => bytes,
            _ => bytes.split(|&byte| byte == 0).next().unwrap_or_default(),
        };
        (1..=Self::MAX).contains(&name.len()).then(|| UnixPath(name.into()))
    }

    /// The bytes; an abstract name's first is zero.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is in the abstract namespace instead of the file system.
    pub fn is_abstract(&self) -> bool {
        self.0.first() == Some(&0)
    }
}

impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len());
        let mut rest = match &*self.0 {
            [0, rest @ ..] => {
                text.push('@');
                rest
            }
            [b'@', rest @ ..] => {
                text.push_str(r"\x40");
                rest
            }
            all => all,
        };
        while !rest.is_empty() {
            let chunk = rest.utf8_chunks().next();
            let (valid, invalid) = chunk.map_or(("", rest), |chunk| (chunk.valid(), chunk.invalid()));
            for character in valid.chars() {
                if character == '\\' || character.is_control() {
                    escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
                } else {
                    text.push(character);
                }
            }
            escape(&mut text, invalid);
            rest = rest.get(valid.len() + invalid.len()..).unwrap_or_default();
        }
        f.pad(&text)
    }
}

impl fmt::Debug for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that stands for no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no unix socket's name: give 1 to {max} bytes, @NAME for an abstract one, \\xNN for a byte that is no text",
    max = UnixPath::MAX
)]
pub struct UnixPathError(String);

impl FromStr for UnixPath {
    type Err = UnixPathError;

    fn from_str(text: &str) -> Result<UnixPath, UnixPathError> {
        let wrong = || UnixPathError(text.to_owned());
        let mut bytes = Vec::with_capacity(text.len());
        let (is_abstract, mut rest) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if is_abstract {
            bytes.push(0);
        }
        while let Some((before, after)) = rest.split_once('\\') {
            bytes.extend(before.as_bytes());
            let digits = after.strip_prefix('x').and_then(|after| after.get(..2)).ok_or_else(wrong)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = after.get(3..).unwrap_or_default();
        }
        bytes.extend(rest.as_bytes());
        // A path has no zeros: what came out shorter is another name.
        let len = bytes.len();
        UnixPath::new(&bytes)
            .filter(|path| path.as_bytes().len() == len && path.is_abstract() == is_abstract)
            .ok_or_else(wrong)
    }
}

impl Serialize for UnixPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!(r"\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        UnixPath::new(bytes).expect("a name").to_string()
    }

    #[test]
    fn names_are_told_apart_as_text() {
        assert_eq!(text(b"/run/app/puma.sock"), "/run/app/puma.sock");
        assert_eq!(text(b"puma.sock\0rest"), "puma.sock");
        assert_eq!(text("/run/caf\u{e9}".as_bytes()), "/run/caf\u{e9}");
        assert_eq!(text(b"\0puma"), "@puma");
        assert_eq!(text(b"@puma"), r"\x40puma");
        assert_eq!(text(b"\0a\0b"), r"@a\x00b");
        assert_eq!(text(b"\0"), "@");
        assert_eq!(text(b"/a\\b\xff\x1b[2J"), r"/a\x5cb\xff\x1b[2J");
        assert_eq!(text("/\u{9b}".as_bytes()), r"/\xc2\x9b");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(UnixPath::new(b""), None);
        assert_eq!(UnixPath::new(&[b'a'; 109]), None);
        assert!(UnixPath::new(&[b'a'; 108]).is_some() && UnixPath::new(&[0; 108]).is_some());
        for wrong in
            ["", r"\", r"\x", r"\x4", r"\xzz", r"\x+1", r"\y40", r"/a\x00b", r"\x00a", &"a".repeat(109)]
        {
            assert!(wrong.parse::<UnixPath>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_lost_as_text(bytes in proptest::collection::vec(any::<u8>(), 1..=108)) {
            if let Some(path) = UnixPath::new(&bytes) {
                let text = path.to_string();
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert_eq!(text.parse::<UnixPath>().expect("its own text"), path.clone());
                let json = serde_json::to_string(&path).expect("a string");
                prop_assert_eq!(serde_json::from_str::<UnixPath>(&json).expect("its own text"), path);
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            if let Ok(path) = text.parse::<UnixPath>() {
                prop_assert_eq!(path.to_string().parse::<UnixPath>().expect("its own text"), path);
            }
        }
    }
}
