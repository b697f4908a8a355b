//! Hosts that are hard to observe: storms and crowds of everything, processes that vanish, a kernel that describes itself
//! wrongly, and a wall clock that is set.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use drain_observer_tests::observer::{self, Recording};
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::servers::Server;
use drain_observer_tests::servers::prefork::Prefork;
use drain_observer_tests::{clock, ports, processes, sockets};
use jiff::Timestamp;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use super::{expect_little_memory, nuisance, restarts, with_room_for_a_crowd};
use crate::support::{LIMIT, agree, busy, live, observe, prefork, queued, serve_on, served_by, steady};

/// Thousands of processes a second beside a restart: each of its losses is told, or what was missed is.
#[test]
fn a_fork_storm() {
    live("faults::host::a_fork_storm", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("faults-fork-storm", &old)?;
        let storm = nuisance(&["forks", "20000"])?;
        let mut new = replaced_with_a_queue(&prefork, &mut old, &mut scenario)?;
        storm.wait_until_done()?;
        served_by(&mut scenario, &mut new)?;
        expect_little_memory(scenario.observer())?;
        // Forty thousand events are no reason to lose any.
        let observed = agree(scenario)?;
        observed.expect_outcome("queue_reset", 5)?;
        observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

/// Ten thousand listeners when the observer comes: it knows them all, and what becomes of the one that is restarted.
#[test]
fn ten_thousand_listeners() {
    live("faults::host::ten_thousand_listeners", &[], || {
        let _room = with_room_for_a_crowd();
        let crowd = nuisance(&["listeners", "10000"])?;
        crowd.wait_until_ready()?;
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = watching_all("faults-ten-thousand-listeners", old.port())?;
        let _new = replaced_with_a_queue(&prefork, &mut old, &mut scenario)?;
        // And then all of them at once are no more.
        crowd.finish()?;
        expect_little_memory(scenario.observer())?;
        let observed = scenario.finish()?;
        observed.expect_outcome("queue_reset", 5)?;
        observed.expect_restart("replace", "lossy")?;
        ensure!(observed.comparison.agrees(), "{:?}", observed.comparison);
        // Of so many places not all can be asked at once what is open there, which is said; no event is lost.
        let completeness = &observed.report["completeness"];
        let bounds = completeness["bounds"].as_array().context("an array")?;
        ensure!(completeness["lost_events"] == serde_json::json!([]), "{completeness}");
        ensure!(bounds.iter().all(|bound| bound["bound"] == "survey"), "{completeness}");
        ensure!(count_lines(observed.journal().path(), "\"listener_seen\"")? >= 10_000, "not all were found");
        ensure!(
            count_lines(observed.journal().path(), "\"listener_closed\"")? >= 10_000,
            "not all were seen to close"
        );
        Ok(())
    });
}

/// A server opens ten thousand listeners while a restart of it goes on: the observer keeps up, and says what it did not
/// come to ask.
#[test]
fn ten_thousand_listeners_in_a_restart() {
    live("faults::host::ten_thousand_listeners_in_a_restart", &[], || {
        let _room = with_room_for_a_crowd();
        let dir = tempfile::tempdir()?;
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &[])?;
        let crowd = nuisance(&["listeners", "10000", "--await-hangup"])?;
        crowd.wait_until_it_awaits_a_signal()?;
        processes::send(crowd.pid(), Signal::SIGHUP)?;
        crowd.wait_until_ready()?;
        expect_little_memory(recording.pid())?;
        let journal = recording.finish()?;
        let report = journal.json(&["--connections", "none"])?;
        ensure!(count_lines(journal.path(), "\"listener_opened\"")? >= 10_000, "not all were seen");
        let kinds = report["completeness"]["lost_events"].as_array().context("an array")?;
        ensure!(kinds.iter().all(|lost| lost["kind"] == "request"), "{kinds:?}");
        let name = "nuisance";
        let restart = restarts(&report)?.iter().find(|restart| restart["cause"]["target"]["comm"] == name);
        restart.with_context(|| format!("nobody told {name} to restart"))?;
        crowd.finish()
    });
}

/// Network namespaces come and go while the observer looks around and while it observes.
#[test]
fn network_namespaces_come_and_go() {
    live("faults::host::network_namespaces_come_and_go", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let storm = nuisance(&["namespaces", "50"])?;
        let mut scenario = watching_all("faults-namespaces", old.port())?;
        let _new = replaced_with_a_queue(&prefork, &mut old, &mut scenario)?;
        storm.wait_until_done()?;
        expect_little_memory(scenario.observer())?;
        let observed = agree(scenario)?;
        observed.expect_outcome("queue_reset", 5)?;
        observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

/// A hundred thousand descriptors are open when the observer looks for who holds the listener, which is the last of them.
#[test]
fn a_hundred_thousand_descriptors_while_seeding() {
    live("faults::host::a_hundred_thousand_descriptors_while_seeding", &[], || {
        let port = ports::free()?;
        let crowd = nuisance(&["descriptors", "100000", "--port", &port.to_string()])?;
        crowd.wait_until_ready()?;
        let scenario = Scenario::start("faults-descriptors", port)?;
        let client = TcpStream::connect(("127.0.0.1", port))?;
        sockets::wait_for_queue(port, 1, LIMIT)?;
        processes::send(crowd.pid(), Signal::SIGKILL)?;
        sockets::wait_for_no_listener(port, LIMIT)?;
        drop(client);
        expect_little_memory(scenario.observer())?;
        let report = scenario.finish()?.report;
        ensure!(report["completeness"]["complete"] == true, "{}", report["completeness"]);
        let connections = report["connections"].as_array().context("an array")?;
        let [lost] = connections.as_slice() else { anyhow::bail!("one was lost: {connections:?}") };
        ensure!(lost["outcome"] == "queue_reset" && lost["process"]["pid"] == crowd.pid(), "{lost}");
        let all = restarts(&report)?;
        ensure!(all.iter().all(|restart| restart["service_name"] == format!("nuisance:{port}")), "{all:?}");
        Ok(())
    });
}

/// Processes end between being listed and being looked into: none of them is told as one that could not be seen.
#[test]
fn processes_vanish_in_mid_scan() {
    live("faults::host::processes_vanish_in_mid_scan", &[], || {
        let server = prefork()?.workers(2).start()?;
        let churn = nuisance(&["churn"])?;
        churn.wait_until_ready()?;
        let dir = tempfile::tempdir()?;
        for _ in 0..10 {
            let args = ["--port", &server.port().to_string()];
            let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &args)?;
            expect_little_memory(recording.pid())?;
            let journal = recording.finish()?;
            ensure!(journal.messages.contains("1 listener, "), "{}", journal.messages);
            let report = journal.json(&[])?;
            ensure!(report["completeness"]["complete"] == true, "{}", report["completeness"]);
            let notes = report["completeness"]["notes"].to_string();
            ensure!(!notes.contains("processes were"), "{notes}");
        }
        churn.finish()
    });
}

/// A kernel whose description of its own types is cut off, overwritten, or no such thing: the observer does not attach,
/// and says why.
#[test]
fn a_corrupted_btf() {
    const BTF: &str = "/sys/kernel/btf/vmlinux";
    /// Of the header: its own length, where the strings begin as seen from its end, and how long they are.
    const HEADER: usize = 4;
    const STRINGS: usize = 16;
    const STRINGS_LENGTH: usize = 20;
    live("faults::host::a_corrupted_btf", &[], || {
        let whole = fs::read(BTF).context("reading the kernel's BTF")?;
        let spoilt = |range: std::ops::Range<usize>, byte: u8| {
            let mut bytes = whole.clone();
            bytes[range].fill(byte);
            bytes
        };
        let number = |at: usize| -> Result<usize> {
            let bytes: [u8; 4] = whole.get(at..at + 4).context("a whole header")?.try_into()?;
            Ok(usize::try_from(u32::from_ne_bytes(bytes))?)
        };
        let strings = number(HEADER)? + number(STRINGS)?;
        let quarter = whole.len() / 4;
        let cases = [
            ("empty", Vec::new()),
            ("something else", b"\x7fELF\x02\x01\x01".to_vec()),
            ("cut in its header", whole[..20].to_vec()),
            ("cut in its types", whole[..quarter].to_vec()),
            ("cut in its strings", whole[..whole.len() - 1].to_vec()),
            ("of another version", spoilt(2..3, 0xff)),
            ("with its strings elsewhere", spoilt(STRINGS..STRINGS + 4, 0xff)),
            ("with zeroes among its types", spoilt(quarter..2 * quarter, 0)),
            ("with ones among its types", spoilt(quarter..2 * quarter, 0xff)),
            ("without names", spoilt(strings..strings + number(STRINGS_LENGTH)?, 0)),
        ];
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("btf");
        let journal = dir.path().join("journal");
        let journal = journal.to_str().context("a plain path")?;
        for (case, bytes) in cases {
            fs::write(&file, bytes)?;
            for args in
                [&["record", "--duration", "1s", "--port", "80", "--output", journal][..], &["doctor"]]
            {
                let mut command = Command::new(observer::program());
                command.args(args);
                instead_of(Path::new(BTF), &file, &mut command);
                let output = observer::bounded(command)?;
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                ensure!(
                    output.status.code() == Some(2),
                    "{case}: {args:?} ended with {}: {said}",
                    output.status
                );
                ensure!(!said.contains("panicked"), "{case}: {args:?}: {said}");
                let named = said.contains("BTF") || said.contains("this kernel has no such tracepoint");
                ensure!(named, "{case}: {args:?} does not say why: {said}");
            }
            ensure!(!Path::new(journal).exists(), "{case}: a journal is left");
        }
        Ok(())
    });
}

/// Replaces a server both workers of which are busy, with five clients in its queue.
fn replaced_with_a_queue(prefork: &Prefork<'_>, old: &mut Server, scenario: &mut Scenario) -> Result<Server> {
    let busy = busy(old.address(), 2, 2_000)?;
    let queued = queued(old.address(), 5)?;
    old.signal(Signal::SIGTERM)?;
    old.wait_for_exit(LIMIT)?;
    let mut new = prefork.start()?;
    served_by(scenario, &mut new)?;
    scenario.saw(busy.join());
    scenario.saw(queued.join());
    Ok(new)
}

/// Has a command see `other` in place of `file`, and nobody else.
fn instead_of(file: &Path, other: &Path, command: &mut Command) {
    let (file, other) = (file.to_owned(), other.to_owned());
    let nothing = None::<&str>;
    // SAFETY: between fork and exec the closure only calls unshare(2) and mount(2), which are async-signal-safe; the paths
    // are short enough to be passed on the stack.
    unsafe {
        command.pre_exec(move || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
            mount(Some(&other), &file, nothing, MsFlags::MS_BIND, nothing)?;
            Ok(())
        })
    };
}

/// Somebody sets the wall clock while a restart goes on: how long things took stays so, and times from then on are those
/// of the new clock.
#[test]
fn the_wall_clock_is_stepped_during_a_restart() {
    live("faults::host::the_wall_clock_is_stepped_during_a_restart", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("faults-wall-clock", &old)?;
        let before = wall_minus_boot();
        let busy = busy(old.address(), 2, 3_000)?;
        let queued = queued(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        // It is noticed within a second, long before the drain is over.
        let stepped = Stepped::forwards()?;
        let after = wall_minus_boot();
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        let load = steady(new.address())?;
        serve_on(&load)?;
        scenario.saw(load.stop());
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        let observed = agree(scenario)?;
        drop(stepped);

        observed.expect_outcome("queue_reset", 5)?;
        let restart = observed.expect_restart("replace", "lossy")?;
        let offset = |moment: &str| -> Result<i64> {
            let boot =
                restart["times_boot_ns"][moment].as_i64().with_context(|| format!("when was {moment}"))?;
            let at: Timestamp = restart["times"][moment].as_str().context("a time")?.parse()?;
            Ok(i64::try_from(at.as_nanosecond())? - boot)
        };
        for (moment, clock) in [("signal", before), ("first_served", after)] {
            let told = offset(moment)?;
            ensure!(
                told.abs_diff(clock) < TOLERANCE,
                "{moment}: by {told}, and the clock was ahead by {clock}: {restart}"
            );
        }
        let boot = |moment: &str| restart["times_boot_ns"][moment].as_f64().context("a time");
        let drain = (boot("old_gone")? - boot("signal")?) / 1e9;
        let told = restart["durations"]["drain"].as_f64().context("a duration")?;
        ensure!((told - drain).abs() < 1e-6, "it took {drain} s, told are {told} s");
        Ok(())
    });
}

/// How far the clock is set: far enough to be told from the difference between two looks at it, and so little that nobody
/// else on the machine minds.
const STEP: i64 = 200_000_000;
/// How exactly the two clocks are compared.
const TOLERANCE: u64 = 50_000_000;

fn wall_minus_boot() -> i64 {
    let (wall, boot) = (clock::wall_ns(), clock::boot_ns());
    wall.cast_signed() - boot.cast_signed()
}

/// The wall clock while it is wrong. Dropping it sets it right.
struct Stepped(());

impl Stepped {
    fn forwards() -> Result<Self> {
        step(STEP).context("setting the wall clock")?;
        Ok(Self(()))
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        step(-STEP).expect("what could be set can be set back");
    }
}

fn step(nanoseconds: i64) -> nix::Result<()> {
    // SAFETY: all zeroes is a valid timex.
    let mut change: libc::timex = unsafe { std::mem::zeroed() };
    change.modes = libc::ADJ_SETOFFSET | libc::ADJ_NANO;
    change.time.tv_sec = nanoseconds.div_euclid(1_000_000_000);
    change.time.tv_usec = nanoseconds.rem_euclid(1_000_000_000);
    // SAFETY: the kernel reads and writes a timex, which this is, and keeps no pointer to it.
    Errno::result(unsafe { libc::clock_adjtime(libc::CLOCK_REALTIME, &raw mut change) }).map(drop)
}

/// The observer of a server on this port, which looks at the whole host all the same.
fn watching_all(name: &str, port: u16) -> Result<Scenario> {
    let port_text = port.to_string();
    Scenario::start_selecting(&observer::program(), name, port, &["--port", &port_text, "--comm", "prefork"])
}

fn count_lines(journal: &Path, with: &str) -> Result<usize> {
    let text = fs::read_to_string(journal).context("reading the journal")?;
    Ok(text.lines().filter(|line| line.contains(with)).count())
}
