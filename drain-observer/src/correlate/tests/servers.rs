//! Servers made up at random, that restart as real ones do, beside another service: as scenarios, with what a
//! person who saw everything would expect.

use super::replay::replay;
use super::script::Scenario;
use super::variants;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Copy, Debug)]
enum Way {
    Replace,
    Reload,
    Reexec,
    Upgrade,
}

/// A server and how it goes.
#[derive(Clone, Debug)]
struct Server {
    way: Way,
    /// Situations of each old worker's connections at the end; no worker = the master serves.
    workers: Vec<Vec<&'static str>>,
    /// Situations of what a worker lost or served long before.
    before: Vec<&'static str>,
    queued: u16,
    refused: u16,
    /// The master tells its workers by signals, not by a pipe.
    by_signal: bool,
    /// The master ends before its workers.
    master_first: bool,
    /// A worker runs another program meanwhile.
    helper: bool,
    /// The other service loses this many by itself.
    noise: u16,
    pause_ms: u64,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_made_up_server_is_understood(server in server()) {
        let text = script(&server);
        let scenario = Scenario::parse("made-up", &text).expect("a scenario that can be read");
        let (snapshot, _) = replay(&scenario.config, &scenario.events, scenario.until);
        let wrong: Vec<String> = scenario.expected.iter().flat_map(|it| it.check(&snapshot)).collect();
        prop_assert!(wrong.is_empty(), "{}\n{text}", wrong.join("\n"));
        let wrong = variants::reordered(&scenario);
        prop_assert!(wrong.is_empty(), "{}\n{text}", wrong.join("\n"));
    }

    #[test]
    fn a_made_up_server_never_looks_better_when_an_event_is_lost(server in server()) {
        let text = script(&server);
        let scenario = Scenario::parse("made-up", &text).expect("a scenario that can be read");
        let wrong = variants::one_lost(&scenario);
        prop_assert!(wrong.is_empty(), "{}\n{text}", wrong.join("\n"));
    }
}

fn server() -> impl Strategy<Value = Server> {
    let situation = proptest::sample::select(vec![
        "served",
        "served",
        "served",
        "idle",
        "unanswered",
        "unread",
        "later-unanswered",
        "blocked",
    ]);
    let connections = proptest::collection::vec(situation, 0..4);
    let way = proptest::sample::select(vec![Way::Replace, Way::Reload, Way::Reexec, Way::Upgrade]);
    (
        way,
        proptest::collection::vec(connections.clone(), 0..4),
        connections,
        (0..4u16, 0..3u16, any::<bool>(), any::<bool>(), any::<bool>()),
        (0..3u16, proptest::sample::select(vec![0u64, 1, 7, 400, 2_500])),
    )
        .prop_map(
            |(way, mut workers, before, (queued, refused, by_signal, master_first, helper), noise)| {
                // Without workers there is nothing to reload.
                if matches!(way, Way::Reload) && workers.is_empty() {
                    workers.push(Vec::new());
                }
                let (noise, pause_ms) = noise;
                Server {
                    way,
                    workers,
                    before,
                    queued,
                    refused,
                    by_signal,
                    master_first,
                    helper,
                    noise,
                    pause_ms,
                }
            },
        )
}

/// Writes a scenario.
struct Script {
    text: String,
    ms: u64,
    pause: u64,
    client: u16,
    lost: BTreeMap<&'static str, u64>,
}

impl Script {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "+{}.{:03} {line}", self.ms / 1000, self.ms % 1000);
        self.ms += 1;
    }

    fn later(&mut self) {
        self.ms += self.pause;
    }

    fn connection(&mut self, situation: &'static str, by: u32) {
        self.client += 1;
        let client = self.client;
        self.line(&format!("conn 10.0.0.1:{client} {situation} by {by}"));
        let outcome = match situation {
            "unanswered" | "later-unanswered" => "unanswered",
            "unread" => "unread_reset",
            "blocked" => "truncated",
            "queued" => "queue_reset",
            _ => return,
        };
        *self.lost.entry(outcome).or_default() += 1;
    }

    fn refused(&mut self) {
        self.client += 1;
        let client = self.client;
        self.line(&format!("refused 10.0.0.1:{client}"));
        *self.lost.entry("refused").or_default() += 1;
    }

    /// What was lost so far, and begins to count anew.
    fn take_lost(&mut self) -> String {
        let lost = std::mem::take(&mut self.lost);
        let words: Vec<String> = lost.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(" ") }
    }
}

fn script(server: &Server) -> String {
    let mut to =
        Script { text: String::new(), ms: 0, pause: server.pause_ms, client: 5000, lost: BTreeMap::new() };
    let old: Vec<u32> = (101..).take(server.workers.len()).collect();
    let new: Vec<u32> = (201..).take(server.workers.len()).collect();
    let all = |pids: &[u32]| pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    to.line("found process 100:app parent 1 exe /usr/bin/app");
    for pid in &old {
        to.line(&format!("found process {pid}:app parent 100 exe /usr/bin/app"));
    }
    to.line(&format!("found listener *:7000 by 100 {}", all(&old)));
    to.line("found process 500:app parent 1 exe /usr/bin/app");
    to.line("found listener *:7001 by 500");
    to.line("attached");
    to.ms = 5_000;
    for situation in &server.before {
        to.connection(situation, old.first().copied().unwrap_or(100));
    }
    let before = to.take_lost();
    to.ms = 10_000;
    if server.helper {
        let worker = old.last().copied().unwrap_or(100);
        to.line(&format!("fork {worker} -> 900"));
        to.line("exec 900:convert /usr/bin/convert");
        to.line("scanned 900");
    }
    let signal = match server.way {
        Way::Replace => "TERM",
        Way::Reload => "HUP",
        Way::Reexec | Way::Upgrade => "USR2",
    };
    to.line(&format!("signal {signal} 800:bash -> 100"));
    to.later();
    to.line("fork 500 -> 501");
    for client in 0..server.noise {
        to.line(&format!("conn 10.0.0.2:{} -> :7001 unanswered by 501", 6000 + client));
    }
    to.line("exit 501 0");
    let (kind, masters) = restart(server, &mut to, &old, &new);
    if server.helper {
        to.line("exit 900 0");
    }
    to.later();
    let server_now = new.first().copied().unwrap_or(if matches!(server.way, Way::Replace | Way::Upgrade) {
        200
    } else {
        100
    });
    to.line(&format!("conn 10.0.0.1:4999 served silent=0 by {server_now}"));
    let lost = to.take_lost();
    to.line("ended");
    let verdict = if lost == "none" { "clean" } else { "lossy" };
    let lost_count: u64 = lost.split(' ').filter_map(|word| word.parse::<u64>().ok()).sum();
    let before_count: u64 = before.split(' ').filter_map(|word| word.parse::<u64>().ok()).sum();
    let (old_master, new_master) = masters;
    let _ = writeln!(
        to.text,
        "expect restarts 1\nexpect services 2\nexpect restart 1 {kind} {verdict} ended old 100 {} new {}{} masters \
         {old_master} cause signal {signal} 800 -> 100\nexpect service 1 outside {before}\nexpect lost {}",
        all(&old),
        if new_master == 0 { String::new() } else { format!("{new_master} ") },
        all(&new),
        lost_count + before_count + u64::from(server.noise),
    );
    to.text
}

/// The restart. Returns its kind, and its masters: as expected of both generations, and the new one.
fn restart(
    server: &Server,
    to: &mut Script,
    old: &[u32],
    new: &[u32],
) -> (&'static str, (&'static str, u32)) {
    let successors = |to: &mut Script, master: u32| {
        for pid in new {
            to.line(&format!("fork {master} -> {pid}"));
        }
    };
    match server.way {
        Way::Replace => {
            leave(server, to, old, true);
            for _ in 0..server.refused {
                to.refused();
            }
            to.line("fork 1:systemd -> 200");
            to.line("exec 200:app /usr/bin/app");
            to.later();
            to.line("listen 200 *:7000");
            successors(to, 200);
            ("replace", ("100 200", 200))
        }
        Way::Reload => {
            successors(to, 100);
            to.later();
            leave(server, to, old, false);
            ("reload", ("100", 0))
        }
        Way::Reexec => {
            leave(server, to, old, false);
            to.line("exec 100:app /usr/bin/app");
            to.line("scanned 100 *:7000");
            to.later();
            successors(to, 100);
            ("reexec", ("100 100", 100))
        }
        Way::Upgrade => {
            to.line("fork 100 -> 200");
            to.line("exec 200:app /usr/bin/app");
            to.line("scanned 200 *:7000");
            to.later();
            successors(to, 200);
            to.line("signal QUIT 800 -> 100");
            leave_to(server, to, old, true, false);
            ("upgrade", ("100 200", 200))
        }
    }
}

fn leave(server: &Server, to: &mut Script, old: &[u32], master: bool) {
    leave_to(server, to, old, master, master);
}

/// The old workers end, and the master if it does, and the listener if the last of them held it.
fn leave_to(server: &Server, to: &mut Script, old: &[u32], master: bool, listener: bool) {
    if server.by_signal {
        for pid in old {
            to.line(&format!("signal TERM 100 -> {pid}"));
        }
    }
    let master_first = master && server.master_first && !old.is_empty();
    if master_first {
        to.line("exit 100 0");
    }
    for (index, (pid, connections)) in old.iter().zip(&server.workers).enumerate() {
        for situation in connections {
            to.connection(situation, *pid);
        }
        if listener && master_first && index + 1 == old.len() {
            close(server, to, *pid);
        }
        to.line(&format!("exit {pid} 0"));
        to.later();
    }
    if master && !master_first {
        if listener {
            close(server, to, 100);
        }
        to.line("exit 100 0");
    }
}

fn close(server: &Server, to: &mut Script, by: u32) {
    let queued = server.queued;
    to.line(&format!("unlisten {by} *:7000 queue {queued}"));
    for _ in 0..queued {
        to.connection("queued", by);
    }
}
