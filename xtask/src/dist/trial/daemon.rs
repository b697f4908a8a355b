//! The daemon as the unit would start it, where no systemd runs.

use super::{tree::Tree, unit::Unit};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// Where it serves metrics unless it is told otherwise.
const ADDRESS: &str = "127.0.0.1:9931";
/// Longest wait for anything that it does.
const LIMIT: Duration = Duration::from_secs(20);

/// Nobody out here is told when another's child serves, so it is asked this often.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A daemon that runs. Dropping it kills it.
pub(super) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts it, and waits until it serves.
    pub(super) fn start(tree: &Tree, unit: &Unit) -> Result<Self> {
        let line = unit.without_systemd()?;
        let (program, arguments) = line.split_first().context("a command has a name")?;
        let mut command = tree.command(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start the daemon")?;
        let stderr = child.stderr.take().context("standard error was piped")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Ends with the daemon, or when nobody wants to know any more.
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let daemon = Self { child, lines };
        daemon.wait_for_line("serving http://")?;
        Ok(daemon)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it with SIGTERM, as systemd does, and wants it to end well.
    pub(super) fn stop(mut self) -> Result<()> {
        let kill = Command::new("kill").arg(self.pid().to_string()).status().context("cannot run kill")?;
        ensure!(kill.success(), "it had ended already");
        // It closes its standard error when it ends.
        let deadline = Instant::now() + LIMIT;
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            said.push(line);
        }
        ensure!(Instant::now() < deadline, "it did not end on SIGTERM: {}", said.join("\n"));
        let status = self.child.wait().context("cannot collect the daemon")?;
        ensure!(status.success(), "it ended with {status}: {}", said.join("\n"));
        Ok(())
    }

    fn wait_for_line(&self, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(wanted) => return Ok(()),
                Ok(line) => said.push(line),
                Err(_) => bail!("the daemon did not get as far as `{wanted}`; it said:\n{}", said.join("\n")),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it answers at a path; an error unless that is 200.
pub(super) fn get(path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(ADDRESS).with_context(|| format!("nobody listens at {ADDRESS}"))?;
    stream.set_read_timeout(Some(LIMIT)).context("cannot limit the wait")?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .context("cannot ask")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("no answer at {path}"))?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{path}: {}", answer.lines().next().unwrap_or_default());
    Ok(answer)
}

/// Waits until it answers that it is ready, wherever it was started from: what systemd calls started may not serve yet.
pub(super) fn wait_until_ready() -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match get("/readyz") {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(ASK_EVERY),
        }
    }
}

/// Wants a process to have the rights that the unit gives: its user, its capabilities and no others, and no new ones.
pub(super) fn check_rights(tree: &Tree, unit: &Unit, status: &str) -> Result<()> {
    let user = unit.value("User")?;
    let id = tree.run(&["id", "--user", user])?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        value.with_context(|| format!("its status has no {name}"))
    };
    let uids: Vec<&str> = field("Uid")?.split('\t').collect();
    ensure!(uids.iter().all(|uid| *uid == id.trim()), "it runs as {uids:?}, and {user} is {}", id.trim());
    ensure!(field("NoNewPrivs")? == "1", "it could gain privileges");
    let mut expected = unit.capabilities()?;
    expected.sort();
    for set in ["CapPrm", "CapEff"] {
        let found = capabilities(field(set)?)?;
        ensure!(found == expected, "{set} has {found:?}, and the unit {expected:?}");
    }
    // Of what it could hand on or have back it may have given up some.
    for set in ["CapInh", "CapBnd", "CapAmb"] {
        let found = capabilities(field(set)?)?;
        ensure!(
            found.iter().all(|name| expected.contains(name)),
            "{set} has {found:?}, and the unit {expected:?}"
        );
    }
    Ok(())
}

/// The names of a set in hexadecimal, in order.
fn capabilities(set: &str) -> Result<Vec<String>> {
    /// Those that the unit may give, by number: capability.h.
    const NAMES: [(u32, &str); 5] =
        [(2, "dac_read_search"), (19, "sys_ptrace"), (21, "sys_admin"), (38, "perfmon"), (39, "bpf")];
    let bits = u64::from_str_radix(set, 16).with_context(|| format!("`{set}` is no set of capabilities"))?;
    let name = |bit: u32| {
        let known = NAMES.iter().find(|(number, _)| *number == bit);
        known.map_or_else(|| format!("number {bit}"), |(_, name)| (*name).to_owned())
    };
    let mut names: Vec<String> = (0..u64::BITS).filter(|bit| bits >> bit & 1 == 1).map(name).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_capabilities_are_read_as_the_kernel_shows_them() {
        assert_eq!(capabilities("0000000000000000").expect("empty"), [""; 0]);
        let five = ["bpf", "dac_read_search", "perfmon", "sys_admin", "sys_ptrace"];
        assert_eq!(capabilities("000000c000280004").expect("five"), five);
        assert_eq!(capabilities("1").expect("one"), ["number 0"]);
        assert!(capabilities("x").is_err());
    }
}
