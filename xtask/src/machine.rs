//! What kind of machine this is.

use anyhow::{Result, bail};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The distribution's name and family, from `os-release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// Its name for people, such as `Debian GNU/Linux 12 (bookworm)`.
    pub(crate) name: String,
    /// Whether its packages come by apt and are called as Debian calls them.
    pub(crate) debian_family: bool,
}

impl Distribution {
    /// The distribution of this machine.
    pub(crate) fn of_this_machine() -> Self {
        let text =
            ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|file| fs::read_to_string(file).ok());
        Self::parse(&text.unwrap_or_default())
    }

    fn parse(os_release: &str) -> Self {
        let field = |key: &str| {
            let value =
                os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
            Some(value.trim_matches(['"', '\'']).to_owned())
        };
        let ids = [field("ID"), field("ID_LIKE")].map(Option::unwrap_or_default).join(" ");
        Self {
            name: field("PRETTY_NAME").or_else(|| field("ID")).unwrap_or_else(|| "an unknown one".to_owned()),
            debian_family: ids.split_whitespace().any(|id| id == "debian" || id == "ubuntu"),
        }
    }
}

/// Whether this process may load BPF programs and install packages.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether the kernel describes its own types.
pub(crate) fn has_btf() -> bool {
    Path::new(KERNEL_BTF).is_file()
}

/// Fails without the privilege to load BPF programs; `task` is what was asked for.
pub(crate) fn check_root(task: &str) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    bail!(
        "`cargo xtask {task}` loads BPF programs and needs root: run it again as root \
         (for instance `sudo -E env \"PATH=$PATH\" cargo xtask {task}`)"
    )
}

/// Fails on a kernel that the probes cannot read.
pub(crate) fn check_btf() -> Result<()> {
    if has_btf() {
        return Ok(());
    }
    bail!(
        "the kernel does not describe its own types ({KERNEL_BTF} is missing), which the probes need: \
         boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as the distributions' own are"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_is_of_the_debian_family() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n";
        let expected =
            Distribution { name: "Debian GNU/Linux 12 (bookworm)".to_owned(), debian_family: true };
        assert_eq!(Distribution::parse(text), expected);
    }

    #[test]
    fn derivatives_say_so_by_id_like() {
        assert!(Distribution::parse("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n").debian_family);
        assert!(Distribution::parse("ID='ubuntu'\n").debian_family);
    }

    #[test]
    fn others_are_not() {
        let fedora = Distribution::parse("ID=fedora\nID_LIKE=\"rhel\"\n");
        assert_eq!(fedora, Distribution { name: "fedora".to_owned(), debian_family: false });
        assert!(!Distribution::parse("ID=debianish\n").debian_family);
        assert!(!Distribution::parse("").debian_family);
    }
}
