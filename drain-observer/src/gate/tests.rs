//! The decisions as a table, and when there is nothing left to wait for.

use super::*;
use crate::correlate::{
    self, ConnectionFact, Outcome, RestartFact, RestartId, RestartKind, SilenceFact, Snapshot, Times,
    Unaccepted,
};
use crate::event::BootNs;
use crate::report::fixture::{self, BEGAN};
use crate::selection::Selection;
use std::time::Duration;

const MS: BootNs = 1_000_000;
const SECOND: BootNs = 1_000 * MS;
/// When the command ended.
const COMMAND: BootNs = BEGAN + 3 * SECOND;

#[test]
fn decisions() {
    use Verdict::{CommandFailed, Fail, Inconclusive, Pass};
    let lossy = fixture::lossy();
    let lenient = Policy { max_lost: 6, ..Policy::default() };
    let with_gap = |limit| Policy { max_gap: Some(Duration::from_millis(limit)), ..lenient.clone() };
    let with_silence = |limit| Policy { max_silence: Some(Duration::from_millis(limit)), ..lenient.clone() };
    let required = Policy { require_restart: true, ..Policy::default() };
    let strict = Policy::default();
    use Command::{Running, Succeeded};
    use End::{Interrupted, Settled, TimedOut};
    let failed = Command::Failed("exited with status 7".to_owned());

    let table = [
        // Facts, what is tolerated, the command, how waiting ended, the verdict, words of the first reason.
        (fixture::quiet(), &strict, &Succeeded, Settled, Pass, "no restart was seen, nothing was lost"),
        (fixture::quiet(), &required, &Succeeded, Settled, Fail, "no restart was seen, and one is required"),
        (clean(), &required, &Succeeded, Settled, Pass, "1 restart, nothing was lost"),
        (lossy.clone(), &strict, &Succeeded, Settled, Fail, "6 connections were lost, 0 may be"),
        (lossy.clone(), &lenient, &Succeeded, Settled, Pass, "1 restart, 6 connections were lost"),
        (
            lossy.clone(),
            &with_gap(899),
            &Succeeded,
            Settled,
            Fail,
            "nobody listened at 127.0.0.1:8080 for 0.900s,",
        ),
        (lossy.clone(), &with_gap(900), &Succeeded, Settled, Pass, "6 connections"),
        (
            lossy.clone(),
            &with_silence(1_840),
            &Succeeded,
            Settled,
            Fail,
            "nobody listened or accepted at 127.0.0.1:8080 for 1.841s,",
        ),
        (lossy.clone(), &with_silence(1_841), &Succeeded, Settled, Pass, "6 connections"),
        (lossy.clone(), &strict, &failed, Settled, CommandFailed, "the command exited with status 7"),
        (clean(), &strict, &failed, Interrupted, CommandFailed, "the command exited"),
        (clean(), &strict, &Succeeded, Interrupted, Inconclusive, "interrupted"),
        (lossy.clone(), &strict, &Succeeded, Interrupted, Fail, "6 connections"),
        (clean(), &strict, &Running, Interrupted, Inconclusive, "interrupted"),
        (clean(), &strict, &Succeeded, TimedOut, Pass, "1 restart"),
        (verdict(correlate::Verdict::NotRestarted), &strict, &Succeeded, Settled, Fail, "not restarted"),
        (verdict(correlate::Verdict::NotRestarted), &strict, &Succeeded, Interrupted, Fail, "not restarted"),
        (outdone(), &required, &Succeeded, Settled, Pass, "2 restarts"),
        (verdict(correlate::Verdict::Down), &strict, &Succeeded, TimedOut, Fail, "down"),
        (verdict(correlate::Verdict::Down), &strict, &Succeeded, Interrupted, Inconclusive, "down"),
        (verdict(correlate::Verdict::Stuck), &strict, &Succeeded, TimedOut, Fail, "stuck"),
        (verdict(correlate::Verdict::Inconclusive), &strict, &Succeeded, TimedOut, Inconclusive, "a reason"),
        (orphaned(), &strict, &Succeeded, TimedOut, Fail, "1 process of the old generation left (pid 1001)"),
        (orphaned(), &strict, &Succeeded, Interrupted, Inconclusive, "1 process of the old generation left"),
        (missed("signal"), &strict, &Succeeded, Settled, Inconclusive, "7 signal events were lost"),
        (missed("established_at"), &strict, &Succeeded, Settled, Pass, "1 restart"),
        (missed("journal"), &strict, &Succeeded, Settled, Pass, "1 restart"),
        (bounded(), &strict, &Succeeded, Settled, Inconclusive, "the bound on restarts"),
        (doubtful(), &lenient, &Succeeded, Settled, Inconclusive, "2 events were lost around it"),
        (unseen(correlate::Verdict::Down), &strict, &Succeeded, TimedOut, Inconclusive, "down"),
        (unseen(correlate::Verdict::Stuck), &strict, &Succeeded, TimedOut, Inconclusive, "stuck"),
        (all_missed(), &required, &Succeeded, Settled, Inconclusive, "9 process events were lost"),
        (doubtful(), &strict, &Succeeded, Settled, Fail, "6 connections"),
        (
            killed_outside(),
            &strict,
            &Succeeded,
            Settled,
            Fail,
            "1 connection was lost (1 outside any restart)",
        ),
    ];
    for (row, (facts, policy, command, end, expected, words)) in table.into_iter().enumerate() {
        let decision = decide(&facts, &Selection::default(), policy, command, end);
        assert_eq!(decision.verdict, expected, "row {row} ({words}): {decision:?}");
        assert!(decision.reasons[0].contains(words), "row {row}: {decision:?}");
    }
}

#[test]
fn silence_is_as_sure_as_it_was_measured() {
    use Verdict::{Fail, Inconclusive, Pass};
    let bound = |place: &mut SilenceFact| {
        place.not_listening = 0;
        place.not_listening_at_least = 0;
        place.not_accepting =
            place.not_accepting.map(|it| Unaccepted { exact: false, at_least: 400 * MS, ..it });
    };
    let so_far = |place: &mut SilenceFact| place.listens = false;
    let told_only = |snapshot: &mut Snapshot| {
        bound(&mut snapshot.restarts[0].silence[0]);
        snapshot.restarts[0].kind = RestartKind::Unknown;
    };
    let unseen = |snapshot: &mut Snapshot| {
        so_far(&mut snapshot.restarts[0].silence[0]);
        snapshot.restarts[0].events_lost = 3;
    };
    type Change<'a> = &'a dyn Fn(&mut Snapshot);
    let table: [(Change, u64, Verdict, &str); 9] = [
        (&|it| bound(&mut it.restarts[0].silence[0]), 941, Pass, "1 restart"),
        (
            &|it| bound(&mut it.restarts[0].silence[0]),
            940,
            Inconclusive,
            "nobody accepted at 127.0.0.1:8080 for at most 0.941s and at least 0.400s: that may be more",
        ),
        (&|it| bound(&mut it.restarts[0].silence[0]), 400, Inconclusive, "at most 0.941s"),
        (
            &|it| bound(&mut it.restarts[0].silence[0]),
            399,
            Fail,
            "nobody accepted at 127.0.0.1:8080 for at least 0.400s and at most 0.941s, more than --max-silence 0.399s",
        ),
        (&|it| it.restarts[0].silence[0].not_accepting = None, 899, Fail, "nobody listened at"),
        (&|it| it.restarts[0].silence.clear(), 0, Pass, "1 restart"),
        (&|it| so_far(&mut it.restarts[0].silence[0]), 1_000, Fail, "for 1.841s so far, more"),
        (&unseen, 1_000, Inconclusive, "so far, more than --max-silence 1s, as far as was seen"),
        (&told_only, 0, Pass, "1 restart"),
    ];
    for (row, (change, limit, expected, words)) in table.into_iter().enumerate() {
        let mut facts = clean();
        change(&mut facts);
        let policy = Policy { max_silence: Some(Duration::from_millis(limit)), ..Policy::default() };
        let decision = decide(&facts, &Selection::default(), &policy, &Command::Succeeded, End::Settled);
        assert_eq!(decision.verdict, expected, "row {row}: {decision:?}");
        assert!(decision.reasons[0].contains(words), "row {row}: {decision:?}");
    }
}

/// Of a path only looks tell when somebody listens again.
#[test]
fn a_gap_is_as_sure_as_it_was_measured() {
    use Verdict::{Fail, Inconclusive, Pass};
    for (limit, expected, words) in [
        (900, Pass, "1 restart"),
        (
            899,
            Inconclusive,
            "nobody listened at 127.0.0.1:8080 for at most 0.900s and at least 0.400s: that may",
        ),
        (399, Fail, "for at least 0.400s and at most 0.900s, more than --max-gap 0.399s"),
    ] {
        let mut facts = clean();
        facts.restarts[0].silence[0].not_listening_at_least = 400 * MS;
        let policy = Policy { max_gap: Some(Duration::from_millis(limit)), ..Policy::default() };
        let decision = decide(&facts, &Selection::default(), &policy, &Command::Succeeded, End::Settled);
        assert_eq!(decision.verdict, expected, "{limit}: {decision:?}");
        assert!(decision.reasons[0].contains(words), "{limit}: {decision:?}");
    }
}

#[test]
fn silence_elsewhere_does_not_count() {
    let policy = Policy { max_gap: Some(Duration::ZERO), ..Policy::default() };
    let mut facts = clean();
    let mut other = facts.restarts[0].silence[0].clone();
    other.listener = fixture::key(9293);
    facts.restarts[0].silence[0].not_listening = 0;
    facts.restarts[0].silence[0].not_listening_at_least = 0;
    facts.restarts[0].silence.push(other);
    let decided = |ports| {
        let selection = Selection { ports, ..Selection::default() };
        decide(&facts, &selection, &policy, &Command::Succeeded, End::Settled)
    };
    assert_eq!(decided(vec![8080]).verdict, Verdict::Pass);
    assert!(decided(Vec::new()).reasons[0].contains("nobody listened at 127.0.0.1:9293"));
}

#[test]
fn exit_codes() {
    let codes = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::CommandFailed];
    assert_eq!(codes.map(Verdict::exit_code), [0, 1, 3, 4]);
}

#[test]
fn what_is_not_selected_does_not_count() {
    let lossy = fixture::lossy();
    let decided = |port| {
        let selection = Selection { ports: vec![port], ..Selection::default() };
        let required = Policy { require_restart: true, ..Policy::default() };
        decide(&lossy, &selection, &required, &Command::Succeeded, End::Settled)
    };
    assert_eq!(decided(8080).verdict, Verdict::Fail);
    assert_eq!(decided(9).reasons[0], "not restarted: no restart was seen, and one is required");
    let selection = Selection { ports: vec![9], ..Selection::default() };
    let decision = decide(&lossy, &selection, &Policy::default(), &Command::Succeeded, End::Settled);
    assert_eq!(decision.verdict, Verdict::Inconclusive);
    assert_eq!(decision.reasons, ["no service matches port 9: nothing was watched"]);
}

#[test]
fn a_command_without_any_effect_is_told_with_whom_it_left_alone() {
    let facts = Snapshot { restarts: Vec::new(), connections: Vec::new(), ..fixture::lossy() };
    let selection = Selection { ports: vec![8080], ..Selection::default() };
    let required = Policy { require_restart: true, ..Policy::default() };
    let decision = decide(&facts, &selection, &required, &Command::Succeeded, End::Settled);
    assert_eq!(
        decision.reasons,
        [
            "not restarted: no restart was seen, and one is required: ruby (pid 2000) served on, and got no signal to restart or stop"
        ]
    );
}

#[test]
fn waiting_ends_when_nothing_more_comes() {
    let none = News::new();
    let late = News::from([(RestartId(0), COMMAND + SECOND)]);
    let at = |seconds: BootNs, snapshot: Snapshot| Snapshot { at: COMMAND + seconds * SECOND, ..snapshot };
    let not_restarted = || verdict(correlate::Verdict::NotRestarted);
    let table = [
        // Seconds after the command's end, facts, news, over.
        (1, fixture::quiet(), &none, false),
        (2, fixture::quiet(), &none, true),
        (2, clean(), &none, true),
        (2, clean(), &late, false),
        (3, clean(), &late, true),
        (3, not_restarted(), &none, false),
        (4, not_restarted(), &none, true),
        (99, verdict(correlate::Verdict::Down), &none, false),
        (99, orphaned(), &none, false),
    ];
    for (row, (seconds, snapshot, news, expected)) in table.into_iter().enumerate() {
        let over = is_over(&at(seconds, snapshot), &Selection::default(), news, COMMAND, 2 * SECOND);
        assert_eq!(over, expected, "row {row}");
    }
}

fn restart(change: impl FnOnce(&mut RestartFact)) -> Snapshot {
    let mut snapshot = fixture::lossy();
    snapshot.connections.clear();
    let restart = &mut snapshot.restarts[0];
    restart.counts.clear();
    restart.verdict = correlate::Verdict::Clean;
    restart.reason = "a reason".into();
    change(restart);
    snapshot
}

fn clean() -> Snapshot {
    restart(|_| {})
}

/// Under way, with this verdict.
fn verdict(verdict: correlate::Verdict) -> Snapshot {
    restart(|restart| {
        restart.verdict = verdict;
        restart.ended = None;
        restart.times = Times::default();
        if verdict == correlate::Verdict::NotRestarted {
            restart.kind = RestartKind::Unknown;
        }
    })
}

/// The same, with events lost meanwhile.
fn unseen(verdict: correlate::Verdict) -> Snapshot {
    let mut snapshot = self::verdict(verdict);
    snapshot.restarts[0].events_lost = 9;
    snapshot
}

/// No restart was seen, and events were lost.
fn all_missed() -> Snapshot {
    Snapshot { lost_events: [(("process".to_owned(), "ring_full".to_owned()), 9)].into(), ..fixture::quiet() }
}

/// A signal that came to nothing, and another that did not.
fn outdone() -> Snapshot {
    let mut snapshot = verdict(correlate::Verdict::NotRestarted);
    let later = RestartFact { id: RestartId(1), ..clean().restarts.remove(0) };
    snapshot.restarts.push(later);
    snapshot
}

/// Ended, because another took over, with an old process left.
fn orphaned() -> Snapshot {
    restart(|restart| restart.old[1].ended = None)
}

fn missed(what: &str) -> Snapshot {
    Snapshot { lost_events: [((what.to_owned(), "ring_full".to_owned()), 7)].into(), ..clean() }
}

fn bounded() -> Snapshot {
    Snapshot { bounds: [("restarts".to_owned(), 1)].into(), ..clean() }
}

/// Losses within the limit, and more that may have been missed.
fn doubtful() -> Snapshot {
    let mut snapshot = fixture::lossy();
    snapshot.restarts[0].events_lost = 2;
    snapshot
}

/// A worker was killed without a restart; and a client gave up, which is nobody's doing.
fn killed_outside() -> Snapshot {
    let cause = fixture::lossy().restarts[0].cause.clone();
    let killed = ConnectionFact {
        cause: Some(Box::new(cause)),
        ..fixture::connection(Outcome::Unanswered, 40009, BEGAN)
    };
    let gave_up = fixture::connection(Outcome::GaveUp, 40010, BEGAN);
    Snapshot { restarts: Vec::new(), connections: vec![killed, gave_up], ..fixture::lossy() }
}
