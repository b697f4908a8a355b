//! The project's own prefork server, whose behaviour is known exactly.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use drain_observer_tests::load::{self, Load};
use drain_observer_tests::scenario::Scenario;
use drain_observer_tests::servers::Server;
use drain_observer_tests::{network, observer, ports, processes, sockets};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use crate::stories::{Requests, lost_a_worker, stopped_and_started};
use crate::support::{
    LIMIT, agree, busy, find_nobody, late, live, observe, prefork, queued, serve_on, served_by, steady,
};

#[test]
fn outlive_then_replaced() {
    live("fixture::outlive_then_replaced", &[], || {
        let prefork = prefork()?.workers(2).outlive(Duration::from_millis(500));
        let term = |old: &Server| old.signal(Signal::SIGTERM);
        let requests = Requests { under_way: 2, queued: 12 };
        let replaced = stopped_and_started("fixture-outlive", || prefork.start(), requests, term)?;

        let observed = replaced.observed;
        observed.expect_clients("reset awaiting_response", 12)?;
        let restart = observed.expect_restart("replace", "lossy")?;
        assert_eq!(restart["counts"]["queue_reset"], 12);
        observed.expect_cause("signal", "name", "SIGTERM")?;
        observed.expect_cause("target", "pid", replaced.old)?;
        observed.expect_cause("sender", "pid", std::process::id())
    });
}

#[test]
fn drain_with_a_held_socket() {
    live("fixture::drain_with_a_held_socket", &[], || {
        let socket = TcpListener::bind(("127.0.0.1", ports::free()?))?;
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start_with(&socket)?;
        let mut scenario = observe("fixture-held-socket", &old)?;
        let steady = steady(old.address())?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start_with(&socket)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        scenario.saw(new.take_probes());

        let observed = agree(scenario)?;
        observed.expect_restart_verdict("clean")?;
        observed.expect_no_loss()
    });
}

/// With a hook on accept, by whatever the kernel has for that, waits are known and not bounded.
#[test]
fn accepts_are_timed() {
    live("fixture::accepts_are_timed", &[], || {
        let socket = TcpListener::bind(("127.0.0.1", ports::free()?))?;
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start_with(&socket)?;
        let program = observer::program();
        let port = old.port().to_string();
        let mut scenario = Scenario::start_selecting(
            &program,
            "fixture-accept-times",
            old.port(),
            &["--port", &port, "--all-connections", "--accept-times"],
        )?;
        scenario.saw(load::expect_served(old.address())?);
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let waiting = queued(old.address(), 5)?;
        let mut new = prefork.start_with(&socket)?;
        scenario.saw(waiting.join());
        scenario.saw(new.take_probes());

        let observed = agree(scenario)?;
        let restart = observed.expect_restart_verdict("clean").map(|()| &observed.restarts()[0])?;
        let silence = &restart["silence"][0];
        assert_eq!(silence["longest_wait"]["exact"], true, "{restart:#}");
        assert_eq!(silence["not_accepting"]["exact"], true, "{restart:#}");
        // Who asks whether the new one serves already may wait with them.
        assert!(silence["not_accepting"]["waiting"].as_u64() >= Some(5), "{restart:#}");
        observed.expect_no_loss()
    });
}

#[test]
fn drained_and_replaced_under_load() {
    live("fixture::drained_and_replaced_under_load", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("fixture-drain-replace", &old)?;
        let steady = steady(old.address())?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        // A process that is gone may still be about to let go of its sockets.
        sockets::wait_for_no_listener(old.port(), LIMIT)?;
        find_nobody(&steady, 3)?;
        let mut new = prefork.start()?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());
        scenario.saw(new.take_probes());

        let observed = agree(scenario)?;
        observed.expect_restart("replace", "lossy")?;
        assert!(observed.matched("refused") >= 3);
        Ok(())
    });
}

#[test]
fn stopped_for_good() {
    live("fixture::stopped_for_good", &[], || {
        let mut server = prefork()?.workers(2).start()?;
        let mut scenario = observe("fixture-stop", &server)?;
        scenario.saw(load::expect_served(server.address())?);
        server.signal(Signal::SIGTERM)?;
        server.wait_for_exit(LIMIT)?;
        scenario.saw(Load::new(server.address()).clients(2, 5).run());

        let observed = agree(scenario)?;
        observed.expect_clients("refused", 5)?;
        observed.expect_outcome("refused", 5)?;
        assert_eq!(observed.restarts().len(), 1);
        assert_eq!(observed.restarts()[0]["kind"], "stop");
        assert_ne!(observed.restarts()[0]["verdict"], "clean");
        Ok(())
    });
}

#[test]
fn upgrade_beside_the_old_parent() {
    live("fixture::upgrade_beside_the_old_parent", &[], || {
        let mut server = prefork()?.workers(2).start()?;
        let mut scenario = observe("fixture-upgrade", &server)?;
        let steady = steady(server.address())?;
        let workers = server.wait_for_workers(2, LIMIT)?;
        server.signal(Signal::SIGUSR2)?;
        let new = server.wait_for_child_beside(&workers, LIMIT)?;
        server.wait_for_log(&format!("ready pid={new} "), LIMIT)?;
        serve_on(&steady)?;
        server.signal(Signal::SIGTERM)?;
        server.wait_for_exit(LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_restart("upgrade", "clean")?;
        observed.expect_no_loss()
    });
}

#[test]
fn worker_killed() {
    live("fixture::worker_killed", &[], || {
        let server = prefork()?.workers(2).start()?;
        let requests = Requests { under_way: 2, queued: 4 };
        let observed = lost_a_worker("fixture-kill-worker", &server, requests)?;
        observed.expect_clients("eof awaiting_response", 1)?;
        observed.expect_clients("served", 5)?;
        observed.expect_outcome("unanswered", 1)
    });
}

#[test]
fn parent_killed_while_its_workers_serve_on() {
    live("fixture::parent_killed_while_its_workers_serve_on", &[], || {
        let server = prefork()?.workers(2).start()?;
        let mut scenario = observe("fixture-kill-parent", &server)?;
        let steady = steady(server.address())?;
        processes::send(server.started(), Signal::SIGKILL)?;
        processes::wait_for_exit(server.started(), LIMIT)?;
        serve_on(&steady)?;
        scenario.saw(steady.stop());

        let observed = agree(scenario)?;
        observed.expect_no_loss()
    });
}

#[test]
fn group_killed_with_a_full_queue() {
    live("fixture::group_killed_with_a_full_queue", &[], || {
        let prefork = prefork()?.workers(2);
        let kill = |old: &Server| old.signal_group(Signal::SIGKILL);
        let requests = Requests { under_way: 2, queued: 10 };
        let replaced = stopped_and_started("fixture-kill-group", || prefork.start(), requests, kill)?;

        let observed = replaced.observed;
        observed.expect_clients("eof awaiting_response", 2)?;
        observed.expect_clients("reset awaiting_response", 10)?;
        observed.expect_outcome("unanswered", 2)?;
        observed.expect_outcome("queue_reset", 10)?;
        observed.expect_restart_verdict("lossy")
    });
}

#[test]
fn keep_alive_clients_through_a_drain() {
    live("fixture::keep_alive_clients_through_a_drain", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let mut scenario = observe("fixture-keep-alive", &old)?;
        let watching = Load::new(old.address()).keep_alive("/", 2, LIMIT).burst(5).start();
        watching.wait_responses(5, LIMIT)?;
        let late = late(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        scenario.saw(watching.join());
        scenario.saw(late.join());
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;

        let observed = agree(scenario)?;
        observed.expect_clients("eof idle", 5)?;
        observed.expect_outcome("late_request", 5)?;
        observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn ipv6_and_v4_mapped_clients_in_one_queue() {
    live("fixture::ipv6_and_v4_mapped_clients_in_one_queue", &[], || {
        let prefork = prefork()?.at("[::]:0".parse()?).workers(1).outlive(Duration::from_millis(200));
        let mut old = prefork.start()?;
        let mut scenario = observe("fixture-dual-stack", &old)?;
        let v4 = ([127, 0, 0, 1], old.port()).into();
        let v6 = ([0, 0, 0, 0, 0, 0, 0, 1], old.port()).into();
        let busy = busy(v6, 1, 2_500)?;
        let from_v4 = queued(v4, 3)?;
        let from_v6 = Load::new(v6).burst(4).start();
        from_v6.wait_sent(4, LIMIT)?;
        sockets::wait_for_queue(old.port(), 7, LIMIT)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        scenario.saw(Load::new(v4).clients(1, 2).run());
        scenario.saw(Load::new(v6).clients(1, 2).run());
        let new = prefork.start()?;
        scenario.saw(load::expect_served(v4)?);
        scenario.saw(load::expect_served(v6)?);
        scenario.saw(busy.join());
        scenario.saw([from_v4, from_v6].into_iter().flat_map(load::Running::join));
        drop(new);

        let observed = agree(scenario)?;
        observed.expect_outcome("queue_reset", 7)?;
        observed.expect_outcome("refused", 4)
    });
}

#[test]
fn the_observer_was_there_first() {
    live("fixture::the_observer_was_there_first", &[], || {
        let prefork = prefork()?.workers(2);
        let mut scenario = Scenario::start("fixture-observer-first", prefork.address().port())?;
        let mut old = prefork.start()?;
        scenario.saw(old.take_probes());
        let busy = busy(old.address(), 2, 2_500)?;
        let queued = queued(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        let observed = agree(scenario)?;
        observed.expect_outcome("queue_reset", 5)?;
        observed.expect_restart("replace", "lossy")?;
        Ok(())
    });
}

#[test]
fn selected_by_process_name() {
    live("fixture::selected_by_process_name", &[], || {
        let prefork = prefork()?.workers(2);
        let mut old = prefork.start()?;
        let selection = ["--comm", "prefork"];
        let mut scenario =
            Scenario::start_selecting(&observer::program(), "fixture-by-name", old.port(), &selection)?;
        let busy = busy(old.address(), 2, 2_500)?;
        let queued = queued(old.address(), 5)?;
        old.signal(Signal::SIGTERM)?;
        old.wait_for_exit(LIMIT)?;
        let mut new = prefork.start()?;
        served_by(&mut scenario, &mut new)?;
        scenario.saw(busy.join());
        scenario.saw(queued.join());
        // Other tests' fixtures have the same name, so only this port's connections count here.
        agree(scenario)?.expect_outcome("queue_reset", 5)
    });
}

#[test]
fn in_another_network_namespace() {
    live("fixture::in_another_network_namespace", &[], || {
        // Threads and processes that this thread starts are born into its namespace; the observer is not.
        let (ask, asked) = mpsc::channel::<u16>();
        let observer = thread::spawn(move || Scenario::start("fixture-netns", asked.recv()?));
        let server = thread::spawn(move || restart_in_own_namespace(&ask, observer));
        let (scenario, inode) = server.join().expect("the server's thread does not panic")?;

        let observed = agree(scenario)?;
        observed.expect_outcome("queue_reset", 5)?;
        observed.expect_outcome("refused", 3)?;
        let connections = observed.report["connections"].as_array().expect("an array");
        assert!(connections.iter().all(|connection| connection["netns"] == inode), "{connections:?}");
        Ok(())
    });
}

/// Moves the calling thread into a network namespace of its own and restarts a server there.
fn restart_in_own_namespace(
    ask: &mpsc::Sender<u16>,
    observer: thread::JoinHandle<Result<Scenario>>,
) -> Result<(Scenario, u64)> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    network::loopback_up()?;
    let inode = fs::metadata("/proc/thread-self/ns/net")?.ino();

    let prefork = prefork()?.workers(2);
    let mut old = prefork.start()?;
    ask.send(old.port())?;
    let mut scenario = observer.join().expect("the observer's thread does not panic")?;
    let busy = busy(old.address(), 2, 2_500)?;
    let queued = queued(old.address(), 5)?;
    old.signal(Signal::SIGTERM)?;
    old.wait_for_exit(LIMIT)?;
    scenario.saw(Load::new(old.address()).clients(1, 3).run());
    let mut new = prefork.start()?;
    served_by(&mut scenario, &mut new)?;
    scenario.saw(busy.join());
    scenario.saw(queued.join());
    Ok((scenario, inode))
}
