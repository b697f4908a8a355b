//! What a load gets done, and what it costs, with something beside it and without, in interleaved pairs.

use super::{Bench, Found};
use crate::companions::Companion;
use crate::results::{Budget, Row, Unit};
use crate::stats::{Side, Spread, pairs};
use crate::traffic::{Done, Load, Server};
use anyhow::{Context as _, Result, bail};
use drain_observer::event::{Attached, Hook, HookState, Kind};
use drain_observer::journal::Reader;
use std::path::Path;
use std::time::Duration;

const ALL: &str = "--all-connections";
const ACCEPT_TIMES: Companion = Companion::Record(&["--accept-times"]);
/// The hooks that can tell of accepts.
const ACCEPT_HOOKS: [&str; 2] = ["security_sock_graft", "sys_exit"];
const OURS: [(&str, Companion); 3] = [
    ("drain-observer", Companion::Record(&[])),
    ("drain-observer --all-connections", Companion::Record(&[ALL])),
    ("drain-observer --accept-times", ACCEPT_TIMES),
];
const CONTROL: (&str, Companion) = ("nothing, twice", Companion::Nothing);
/// What any tool pays that is told of connections there.
const HOOK: (&str, Companion) =
    ("its hook alone, where nothing is done", Companion::Hook("inet_sock_set_state"));
const PEERS: [(&str, Companion); 4] = [
    ("tcplife", Companion::Tools(&[&["tcplife"]])),
    ("tcpstates", Companion::Tools(&[&["tcpstates"]])),
    (
        "tcplife + sigsnoop + execsnoop + exitsnoop",
        Companion::Tools(&[&["tcplife"], &["sigsnoop"], &["execsnoop"], &["exitsnoop"]]),
    ),
    ("bpftrace counting inet_sock_set_state", Companion::Tools(&[&["bpftrace", "-e", BPFTRACE]])),
];
const BPFTRACE: &str =
    "tracepoint:sock:inet_sock_set_state { @[comm, args->oldstate, args->newstate] = count(); }";

/// Connections at a time, and threads of the server.
const THREADS: usize = 4;

/// One request a connection.
pub(super) fn churn(bench: &Bench) -> Result<Found> {
    let server = Server::on_tcp(THREADS)?;
    let load = Load::churn(bench.span());
    let mut rows = compare(bench, "churn", CONTROL, load, &server, bench.pick(4, 32))?;
    rows.extend(compare(bench, "churn", HOOK, load, &server, bench.pick(6, 48))?);
    for ours in OURS {
        // The budget is two hundredths, and pairs of equal runs differ by some: so there are more of them.
        let pairs = bench.pick(6, if ours == OURS[0] { 64 } else { 24 });
        rows.extend(compare(bench, "churn", ours, load, &server, pairs)?);
    }
    budget(&mut rows, 0.98, Some(1.03));
    Ok(rows.into())
}

/// Twenty requests a connection.
pub(super) fn keepalive(bench: &Bench) -> Result<Found> {
    let server = Server::on_tcp(THREADS)?;
    let load = Load::churn(bench.span()).requests(20);
    let mut rows = compare(bench, "keepalive", CONTROL, load, &server, bench.pick(4, 48))?;
    for ours in OURS {
        // The budget is a hundredth, and pairs of equal runs differ by many: so there are more of them.
        let pairs = bench.pick(6, if ours == OURS[0] { 96 } else { 24 });
        rows.extend(compare(bench, "keepalive", ours, load, &server, pairs)?);
    }
    budget(&mut rows, 0.99, None);
    Ok(rows.into())
}

/// Unix stream sockets, which cost less than TCP's, so that the same probes weigh more: with the probes that watch them
/// and without; and TCP beside a unix listener, for which those probes are there too.
pub(super) fn unix(bench: &Bench) -> Result<Found> {
    const KINDS: [(&str, u32); 2] = [("one request a connection", 1), ("twenty requests a connection", 20)];
    const TCP_ONLY: Companion = Companion::Record(&["--tcp-only"]);
    let on_unix = Server::on_unix(&bench.place.dir().join("server.sock"), THREADS)?;
    let on_tcp = Server::on_tcp(THREADS)?;
    let beside = bench.pick(4, 16);
    let mut rows = Vec::new();
    for (what, requests) in KINDS {
        let load = Load::churn(bench.span()).requests(requests);
        let name = |observer: &str| format!("{observer}, {what}");
        for (observer, companion) in [("drain-observer", OURS[0].1), ("drain-observer --tcp-only", TCP_ONLY)]
        {
            rows.extend(compare(bench, "unix", (&name(observer), companion), load, &on_unix, beside)?);
        }
        let bystander = format!("TCP beside it, drain-observer, {what}");
        rows.extend(compare(bench, "unix", (&bystander, OURS[0].1), load, &on_tcp, beside)?);
    }
    Ok(rows.into())
}

/// Other tools.
pub(super) fn peers(bench: &Bench) -> Result<Found> {
    let server = Server::on_tcp(THREADS)?;
    let load = Load::churn(bench.span());
    let mut rows = Vec::new();
    for peer in PEERS {
        match compare(bench, "peers", peer, load, &server, bench.pick(2, 6)) {
            Ok(compared) => rows.extend(compared),
            // A tool that is not there, or that this kernel does not let in, is no failure of the bench.
            Err(error) => {
                let row = Row::new("peers", format!("{}: throughput", peer.0), Unit::Ratio, None);
                rows.push(row.note(format!("cannot run here: {error:#}")));
            }
        }
    }
    Ok(rows.into())
}

/// Throughput and CPU time of a load with a companion, divided by those without it.
fn compare(
    bench: &Bench,
    group: &'static str,
    (name, companion): (&str, Companion),
    load: Load,
    server: &Server,
    count: usize,
) -> Result<Vec<Row>> {
    // What the first run of all finds cold is nobody's cost.
    Load::churn(Duration::from_millis(200)).run(server, &[])?;
    let measured: Vec<[Done; 2]> = pairs(count, |side| {
        let beside = bench.place.start(if side == Side::With { companion } else { Companion::Nothing })?;
        let done = load.run(server, &beside.pids())?;
        beside.finish()?;
        Ok(done)
    })?;
    let ratio = |of: fn(&Done) -> f64| {
        let ratios: Vec<f64> = measured.iter().map(|[without, with]| of(with) / of(without)).collect();
        Spread::of(&ratios)
    };
    let plain: Vec<f64> = measured.iter().map(|[without, _]| without.rate()).collect();
    let plain = Spread::of(&plain).map_or(0.0, |spread| spread.median);
    let mut throughput = Row::new(group, format!("{name}: throughput"), Unit::Ratio, ratio(Done::rate))
        .note(format!("{plain:.0} connections/s without"));
    if companion == ACCEPT_TIMES {
        throughput = throughput.note(accepts_told_by(&hooks(&bench.place.journal())?));
    }
    Ok(vec![
        throughput,
        Row::new(group, format!("{name}: CPU per connection"), Unit::Ratio, ratio(Done::cpu_each)),
    ])
}

/// The hooks of a recording.
fn hooks(journal: &Path) -> Result<Vec<Hook>> {
    for event in Reader::open(journal).context("reading the journal")? {
        if let Kind::Attached(Attached { hooks, .. }) = event.context("reading the journal")?.event {
            return Ok(hooks);
        }
    }
    bail!("the journal says nothing of hooks")
}

fn accepts_told_by(hooks: &[Hook]) -> String {
    let tells = |hook: &&Hook| {
        ACCEPT_HOOKS.contains(&hook.name.as_str())
            && matches!(hook.state, HookState::Attached | HookState::Degraded)
    };
    match hooks.iter().find(tells) {
        Some(hook) => format!("accepts told by {}", hook.name),
        None => "nothing here tells of accepts".to_owned(),
    }
}

/// Puts the budgets on the rows of the observer as it runs by default. Where two equal runs differ by more than a budget
/// allows for, nothing can be said of it.
fn budget(rows: &mut [Row], throughput: f64, cpu: Option<f64>) {
    let median = |rows: &[Row], what: String| {
        rows.iter().find(|row| row.what == what).and_then(|row| row.value).map(|value| value.median)
    };
    let budgets =
        [("throughput", Some(Budget::AtLeast(throughput))), ("CPU per connection", cpu.map(Budget::AtMost))];
    for (what, budget) in budgets {
        let Some(budget @ (Budget::AtLeast(limit) | Budget::AtMost(limit))) = budget else { continue };
        let control = median(rows, format!("{}: {what}", CONTROL.0));
        let noise = control.map(|control| (control - 1.0).abs()).filter(|noise| *noise > (limit - 1.0).abs());
        for row in rows.iter_mut().filter(|row| row.what == format!("drain-observer: {what}")) {
            *row = match noise {
                None => row.clone().must(budget),
                Some(noise) => {
                    row.clone().not_measurable(budget, format!("two equal runs differed by {noise:.3}"))
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::write_journal;
    use crate::results::Verdict;

    fn rows(control: f64) -> Vec<Row> {
        let row = |what: &str, ratio: f64| Row::new("churn", what, Unit::Ratio, Spread::from(ratio));
        vec![
            row("nothing, twice: throughput", control),
            row("drain-observer: throughput", 0.985),
            row("drain-observer --all-connections: throughput", 0.9),
            row("drain-observer: CPU per connection", 1.04),
        ]
    }

    #[test]
    fn only_the_default_has_a_budget() {
        let mut rows = rows(1.001);
        budget(&mut rows, 0.98, Some(1.03));
        let verdicts: Vec<Option<Verdict>> = rows.iter().map(|row| row.verdict).collect();
        assert_eq!(verdicts, [None, Some(Verdict::Reached), None, Some(Verdict::Missed)]);
        assert!(rows.iter().all(|row| row.note.is_empty()));
    }

    #[test]
    fn a_machine_too_busy_to_tell_is_said() {
        let mut rows = rows(0.8);
        rows[1] = rows[1].clone().note("9 connections/s without");
        budget(&mut rows, 0.98, None);
        assert_eq!(rows[1].verdict, Some(Verdict::NotMeasurable));
        assert_eq!(rows[1].note, "9 connections/s without; two equal runs differed by 0.200");
        assert!(rows[3].verdict.is_none());
    }
    #[test]
    fn the_hook_that_tells_of_accepts_is_named() {
        let hook = |name: &str, state| Hook {
            name: name.into(),
            purpose: String::new(),
            required: false,
            state,
            reason: None,
        };
        let connections = hook("inet_sock_set_state", HookState::Attached);
        let stand_in = hook("sys_exit", HookState::Degraded);
        assert_eq!(accepts_told_by(&[connections.clone(), stand_in]), "accepts told by sys_exit");
        let missing = hook("security_sock_graft", HookState::Missing);
        assert_eq!(accepts_told_by(&[connections, missing]), "nothing here tells of accepts");
    }

    #[test]
    fn the_hooks_are_those_that_a_recording_began_with() {
        let journal = tempfile::NamedTempFile::new().expect("a file");
        write_journal(journal.path(), 1, 10_000).expect("a journal");
        assert_eq!(hooks(journal.path()).expect("it says so"), []);
    }
}
