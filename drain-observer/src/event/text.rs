//! Names that come from processes and the kernel.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const LEN: usize = 15;

/// A thread's name: at most 15 bytes of ASCII. Other bytes, control characters included, are replaced by `?`,
/// so that a name can be shown anywhere and a replay sees what was seen live.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comm([u8; LEN]);

impl Comm {
    /// From the kernel's zero-terminated bytes, or any longer name, which is cut.
    pub fn new(bytes: &[u8]) -> Self {
        let mut name = [0; LEN];
        for (to, from) in name.iter_mut().zip(bytes.iter().take_while(|byte| **byte != 0)) {
            *to = if (b' '..=b'~').contains(from) { *from } else { b'?' };
        }
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(LEN);
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Comm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Comm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Comm;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a thread's name")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Comm, E> {
                Ok(Comm::new(name.as_bytes()))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// The name of a signal as `kill -l` has it with its prefix (`SIGTERM`), on x86 and ARM.
pub fn signal_name(signal: u32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        17 => "SIGCHLD",
        18 => "SIGCONT",
        19 => "SIGSTOP",
        20 => "SIGTSTP",
        21 => "SIGTTIN",
        22 => "SIGTTOU",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        28 => "SIGWINCH",
        30 => "SIGPWR",
        31 => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::Comm;

    #[test]
    fn a_comm_is_cut_and_cleaned() {
        assert_eq!(Comm::new(b"puma\0rest").as_str(), "puma");
        assert_eq!(Comm::new(b"\x1b[2Jevil").as_str(), "?[2Jevil");
        assert_eq!(Comm::new("caf\u{e9}".as_bytes()).as_str(), "caf??");
        assert_eq!(Comm::new(b"a name that is too long").as_str(), "a name that is ");
        assert_eq!(Comm::new(&[0xff; 40]).as_str(), "???????????????");
    }
}
