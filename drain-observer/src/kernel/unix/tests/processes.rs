//! Connections that end with the process that serves them.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::stage::{Stage, unix_path};
use crate::event::{Kind, UnixEnd, UnixEnded};

/// Tells the test below that it is a server, and where.
const SERVE_AT: &str = "DRAIN_OBSERVER_TEST_SERVES_AT";
const READY: &str = "the server is ready";
const SERVED: &str = "the server has served";
/// Threads that it has besides: killed, they end at the same time on several CPUs.
const THREADS: usize = 16;

/// A server in a process of its own: this test program, started again for this test only. Alone it does nothing.
#[test]
fn server() {
    let Some(path) = env::var_os(SERVE_AT) else { return };
    let listener = StdListener::bind(path).expect("a listener");
    for _ in 0..THREADS {
        std::thread::spawn(std::thread::park);
    }
    println!("{READY}");
    let accept = || listener.accept().expect("a connection").0;
    let (mut unanswered, mut answered, _unread) = (accept(), accept(), accept());
    unanswered.read_exact(&mut [0; 3]).expect("a request");
    answered.read_exact(&mut [0; 3]).expect("a request");
    answered.write_all(b"yes").expect("room");
    println!("{SERVED}");
    // Until it is killed, or its parent has gone.
    let _ = std::io::stdin().read(&mut [0; 1]);
}

struct Server {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(path: &Path) -> Server {
        let mut command = Command::new(env::current_exe().expect("this test program"));
        command.args(["--exact", "kernel::unix::tests::processes::server", "--nocapture"]);
        command.env(SERVE_AT, path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("this test program again");
        let lines = BufReader::new(process.stdout.take().expect("its output"));
        let mut server = Server { process, lines };
        server.wait_for(READY);
        server
    }

    /// One with four clients that each have sent a request: read, read and answered, only accepted, still queued.
    fn with_clients(path: &Path) -> (Server, [UnixStream; 4]) {
        let mut server = Server::start(path);
        let mut clients = [(); 4].map(|()| UnixStream::connect(path).expect("a connection"));
        for client in &mut clients {
            client.write_all(b"ask").expect("room");
        }
        server.wait_for(SERVED);
        (server, clients)
    }

    fn wait_for(&mut self, what: &str) {
        let found = self.lines.by_ref().lines().any(|line| line.expect("text").contains(what));
        assert!(found, "the server ended before {what:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_killed_server_leaves_each_connection_in_its_own_way() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_data_ready") || !stage.has("unix_exit") {
        return;
    }
    let path = stage.path("s");
    let (mut server, _clients) = Server::with_clients(&path);
    let pid = server.process.id();
    let seen = stage.listener(&unix_path(&path));
    server.process.kill().expect("a process to kill");
    server.process.wait().expect("its end");

    let resets = [stage.ended(&path), stage.ended(&path)];
    let reset = |how| resets.iter().find(|one| one.how == how).expect("one of each kind");
    let unread = reset(UnixEnd::UnreadReset);
    assert_eq!((unread.lost_bytes, unread.acceptor, unread.reader), (3, Some(pid), None));
    let queued = reset(UnixEnd::QueueReset);
    assert_eq!((queued.lost_bytes, queued.acceptor, queued.requests), (3, None, 1));
    assert!(resets.iter().all(|one| one.by.pid == pid), "{resets:?}");

    // The clients have read nothing of the end yet.
    let died = stage.wait(|kind| match kind {
        Kind::UnixHolderDied(died) if died.task.pid == pid => Some(*died),
        _ => None,
    });
    assert_eq!(died.connections, 2);
    let mut with_it = [(); 2].map(|()| died_with(&mut stage, seen.binding, pid));
    with_it.sort_by_key(|one| one.responses);
    for (one, responses) in with_it.iter().zip([0, 1]) {
        assert_eq!((one.requests, one.reads, one.responses), (1, 1, responses), "{one:?}");
        assert_eq!((one.acceptor, one.reader, one.by.pid), (Some(pid), Some(pid), pid));
        let (died_by, at) = one.died.expect("the death");
        assert!(died_by == pid && Some(at) > one.read_at, "{one:?}");
    }
}

#[test]
fn a_server_of_many_threads_dies_as_one() {
    let Some(mut stage) = Stage::new() else { return };
    if !stage.has("unix_exit") {
        return;
    }
    for round in 0..20 {
        let (mut server, _clients) = Server::with_clients(&stage.path(&round.to_string()));
        let pid = server.process.id();
        server.process.kill().expect("a process to kill");
        server.process.wait().expect("its end");
        let died = stage.wait(|kind| match kind {
            Kind::UnixHolderDied(died) if died.task.pid == pid => Some(*died),
            _ => None,
        });
        assert_eq!(died.connections, 2, "{died:?}");
    }
}

/// A connection that died with this process. Another test's server may have been bound at the same address before.
fn died_with(stage: &mut Stage, binding: u64, pid: u32) -> UnixEnded {
    stage.wait(|kind| match kind {
        Kind::UnixEnded(one) if one.how == UnixEnd::HolderDied && one.binding == binding => {
            (one.by.pid == pid).then(|| one.clone())
        }
        _ => None,
    })
}
