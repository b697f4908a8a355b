//! What a systemd unit says, as far as it is to be tried without systemd.

use anyhow::{Context as _, Result};

/// A unit's text.
pub(super) struct Unit(String);

impl Unit {
    /// Of a unit's file.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The value of a setting, which is there once.
    pub(super) fn value(&self, setting: &str) -> Result<&str> {
        let value = self.0.lines().find_map(|line| line.strip_prefix(setting)?.strip_prefix('='));
        value.with_context(|| format!("the unit does not say {setting}="))
    }

    /// The capabilities that it gives, as `setpriv` and /proc name them: `bpf`, `sys_ptrace`.
    pub(super) fn capabilities(&self) -> Result<Vec<String>> {
        let given = self.value("AmbientCapabilities")?.split_whitespace();
        Ok(given.map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect())
    }

    /// The daemon's command line, without a shell, in the user and with the capabilities that the unit says.
    pub(super) fn without_systemd(&self) -> Result<Vec<String>> {
        let (user, group) = (self.value("User")?, self.value("Group")?);
        let capabilities = self.capabilities()?;
        let added = capabilities.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(",");
        let mut line = vec![
            "setpriv".to_owned(),
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--init-groups".to_owned(),
            "--no-new-privs".to_owned(),
            format!("--inh-caps=-all,{added}"),
            format!("--ambient-caps=-all,{added}"),
            format!("--bounding-set=-all,{added}"),
        ];
        line.extend(self.value("ExecStart")?.split_whitespace().map(str::to_owned));
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_what_the_unit_says() {
        let unit = Unit::parse(
            "[Service]\nExecStart=/usr/bin/d serve --x\nUser=u\nGroup=g\nAmbientCapabilities=CAP_BPF CAP_SYS_PTRACE\n",
        );
        let line = unit.without_systemd().expect("all is there").join(" ");
        assert!(line.starts_with("setpriv --reuid=u --regid=g "), "{line}");
        assert!(line.contains(" --ambient-caps=-all,+bpf,+sys_ptrace "), "{line}");
        assert!(line.ends_with(" /usr/bin/d serve --x"), "{line}");
        let error = Unit::parse("[Service]\n").without_systemd().expect_err("nothing is there").to_string();
        assert_eq!(error, "the unit does not say User=");
    }
}
