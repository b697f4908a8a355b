use super::*;
use crate::correlate::tests::unix_connection;
use crate::correlate::{Outcome, RestartFact, RestartId};
use crate::event::{
    Comm, Kind, Listener, Reset, ResetKind, SignalGenerated, SignalResult, Task, UnixEnd, UnixEnded, UnixPath,
};
use crate::journal::Stats;
use crate::mask::Masking;
use crate::report::build;
use crate::report::fixture::{self, BEGAN};

fn replayed() -> Replayed {
    let header = fixture::header();
    let clock = WallClock::new(header.clock.wall_minus_boot_ns);
    Replayed { header, snapshot: fixture::lossy(), clock, stats: Stats::default() }
}

fn task(pid: u32) -> Task {
    Task { pid, comm: Comm::new(b"ruby") }
}

fn signal(at: BootNs, signal: u32, target: u32) -> Event {
    let generated = SignalGenerated {
        signal,
        sender: Some(task(900)),
        target: task(target),
        result: SignalResult::Queued,
        group: true,
    };
    Event { at, event: Kind::Signal(generated) }
}

fn refused(at: BootNs, port: u16) -> Event {
    let reset = Reset {
        reason: ResetKind::Refused,
        local: fixture::endpoint(8080),
        peer: fixture::endpoint(port),
        netns: 4_026_531_840,
        state: None,
        payload: 0,
    };
    Event { at, event: Kind::Reset(reset) }
}

fn explained(target: &str, events: Vec<Event>) -> String {
    explained_of(&replayed(), target, events)
}

fn explained_of(replayed: &Replayed, target: &str, events: Vec<Event>) -> String {
    let target: Target = target.parse().expect("a target");
    let mut explanation = Explanation::new(replayed, &target).expect("it is there");
    explanation.collect(events.into_iter().map(Ok)).expect("nothing to fail");
    let mut text = Vec::new();
    explanation.write(&mut text).expect("a vector takes everything");
    String::from_utf8(text).expect("text")
}

fn restart_id() -> String {
    build::restart_ids(&fixture::header(), &fixture::lossy()).remove(0).0
}

#[test]
fn a_connection_with_what_led_to_it() {
    let ms = 1_000_000;
    let events = vec![
        signal(BEGAN - 5_000 * ms, 15, 1000),
        refused(BEGAN + 1_500 * ms, 40005),
        refused(BEGAN + 1_700 * ms, 40006),
        signal(BEGAN, 15, 1000),
        signal(BEGAN + ms, 17, 1000),
        signal(BEGAN + ms, 15, 4711),
    ];
    let text = explained("127.0.0.1:40005", events);
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("  +") || line.starts_with("  -")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("+0.000000s  ruby (pid 900) sent SIGTERM to ruby (pid 1000)"), "{text}");
    assert!(lines[1].contains("+1.500000s  the kernel answered 127.0.0.1:40005 > 127.0.0.1:8080"), "{text}");
    assert!(text.starts_with("127.0.0.1:40005 > 127.0.0.1:8080: refused"), "{text}");
}

#[test]
fn a_restart_with_its_losses() {
    let text = explained(
        &restart_id(),
        vec![refused(BEGAN + 1, 40005), refused(BEGAN + 2, 40006), refused(BEGAN + 3, 9)],
    );
    assert_eq!(text.matches("the kernel answered").count(), 2, "{text}");
}

#[test]
fn nothing_is_kept_without_bound() {
    let many = vec![refused(BEGAN, 40005); MAX_EVENTS + 3];
    let text = explained("40005", many);
    assert!(text.ends_with("and 3 more, which are left out\n"), "{text}");
}

#[test]
fn targets_are_clients_or_ids() {
    assert!(matches!("[::1]:80".parse(), Ok(Target::Connection(Some(_), 80))));
    assert!(matches!("[::ffff:127.0.0.1]:80".parse(), Ok(Target::Connection(Some(ip), 80)) if ip.is_ipv4()));
    assert_eq!("80".parse(), Ok(Target::Connection(None, 80)));
    assert_eq!("pid:300".parse(), Ok(Target::Client(300)));
    assert_eq!("3f2a9c1b-5f".parse(), Ok(Target::Restart("3f2a9c1b-5f".into())));
    let finding = |restart: Option<&str>| Target::Finding(restart.map(Into::into), "listener_gap".into());
    assert_eq!("3f2a9c1b-5f/listener_gap".parse(), Ok(finding(Some("3f2a9c1b-5f"))));
    assert_eq!("listener_gap".parse(), Ok(finding(None)));
    for bad in ["", "0", "99999", "a restart-id", "puma", "a-b/puma", "a-b/c-d", "a_b/c_d", "/", "a-b/"] {
        assert!(bad.parse::<Target>().expect_err(bad).contains("ADDRESS:PORT"), "{bad}");
    }
    let unknown = |text: &str| {
        let target: Target = text.parse().expect("a target");
        Explanation::new(&replayed(), &target).expect_err("not there").to_string()
    };
    assert!(unknown("1").contains("client at port 1"));
    assert!(unknown("pid:1").contains("client at pid 1"));
    assert!(unknown("a-b").contains("no restart a-b; it has: 3f2a9c1b-"));
    let there = format!("what was found is: {}/listener_outlived_workers, ", restart_id());
    assert_eq!(
        unknown("silent_listener").split_once("; ").map(|(what, _)| what),
        Some("there is no finding silent_listener")
    );
    assert!(unknown("silent_listener").contains(&there), "{}", unknown("silent_listener"));
    assert!(
        unknown("a-b/listener_gap").contains("no finding listener_gap in a restart a-b; what was found is")
    );
}

#[test]
fn a_connection_to_a_path_is_told_from_others_of_its_client() {
    let ms = 1_000_000;
    let ended = UnixEnded {
        netns: 4_026_531_840,
        path: Some(UnixPath::new(b"/run/a.sock")),
        client: 40002,
        connected_at: Some(BEGAN + 1_110 * ms),
        lost_bytes: 80,
        by: task(1000),
        ..unix_connection(UnixEnd::QueueReset)
    };
    let event = |at| Event { at, event: Kind::UnixEnded(ended.clone()) };
    let replayed = Replayed { snapshot: fixture::on_a_path(&fixture::lossy(), "/run/a.sock"), ..replayed() };
    let text =
        explained_of(&replayed, "pid:40002", vec![event(BEGAN + 1_100 * ms), event(BEGAN + 1_200 * ms)]);
    assert_eq!(text.matches("was dropped from the accept queue").count(), 1, "{text}");
    assert!(text.starts_with("nginx (pid 40002) > /run/a.sock: queue_reset"), "{text}");
    assert!(text.contains("+1.200000s  pid 40002 > /run/a.sock was dropped"), "{text}");
    assert!(text.contains("; connected +1.110000s; 80 bytes unread"), "{text}");
}

#[test]
fn a_finding_with_what_it_rests_on_and_nothing_else() {
    let ms = 1_000_000;
    let key = fixture::lossy().services[0].listeners[0].key;
    let opened = |at| Event {
        at,
        event: Kind::ListenerOpened(Listener {
            key,
            sk: 1,
            cookie: 1,
            by: task(2000),
            queue: 0,
            limit: 1024,
            drops: 0,
        }),
    };
    let events = || {
        vec![
            signal(BEGAN, 15, 1000),
            refused(BEGAN + 1_500 * ms, 40005),
            refused(BEGAN + 1_501 * ms, 9),
            refused(BEGAN + 9_000 * ms, 40005),
            opened(BEGAN + 2_100 * ms),
            opened(BEGAN + 2_200 * ms),
        ]
    };
    let text = explained("listener_gap", events());
    assert!(text.starts_with("listener_gap: nobody listened at 127.0.0.1:8080 for 0.900 s"), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  +")).collect();
    let expected = [
        "+1.200000s  concluded: ruby (pid 1000) closed the listener",
        "+1.500000s  the kernel answered 127.0.0.1:40005 >",
        "+2.100000s  ruby (pid 2000) began to listen",
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{text}");
    }
    assert_eq!(explained(&format!("{}/listener_gap", restart_id()), events()), text);
}

#[test]
fn a_finding_of_several_restarts_needs_one() {
    let mut replayed = replayed();
    let other = RestartFact { id: RestartId(1), started: BEGAN + 1, ..replayed.snapshot.restarts[0].clone() };
    replayed.snapshot.restarts.push(other);
    let explain = |target: &str| Explanation::new(&replayed, &target.parse().expect("a target"));
    let refusal = explain("listener_gap").expect_err("two have it").to_string();
    assert!(refusal.contains("2 restarts have the finding listener_gap: say which"), "{refusal}");
    assert!(refusal.contains(&format!("{}/listener_gap, ", restart_id())), "{refusal}");
    assert!(explain(&format!("{}/listener_gap", restart_id())).is_ok());
}

#[test]
fn what_the_client_lost_comes_first() {
    let found = Target::Connection(None, 40008).find(&replayed()).expect("the served one");
    assert!(found[0].title.contains(Outcome::Served.as_str()));
}

#[test]
fn who_asks_for_a_true_address_is_told_that_peers_are_masked() {
    let mut replayed = replayed();
    replayed.header.masked_peers = Some(Masking::Hash);
    let missed = |target: &str| {
        Explanation::new(&replayed, &target.parse().expect("a target")).expect_err("nobody").to_string()
    };
    assert!(missed("192.0.2.7:40000").contains("its peers are masked"), "{}", missed("192.0.2.7:40000"));
    assert!(!missed("1").contains("masked"), "{}", missed("1"));
}
