use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;

use socket2::SockRef;

use super::*;
use crate::ports;
use crate::truth::Phase;

const SECOND: Duration = Duration::from_secs(1);

/// A server for one connection that does `what` with it once it has read a request.
fn once(what: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("one connection");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).expect("a request");
        what(stream);
    });
    (address, server)
}

fn fate_of(load: Load, server: JoinHandle<()>) -> Fate {
    let mut fates = load.run();
    server.join().expect("the server does not panic");
    assert_eq!(fates.len(), 1);
    fates.remove(0)
}

#[test]
fn served_and_counted() {
    let (address, server) = once(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("the client reads");
    });
    let fate = fate_of(Load::new(address), server);
    assert_eq!(fate.ending, Ending::Served);
    assert_eq!((fate.requests_sent, fate.responses_complete, fate.bytes_received), (1, 1, 40));
    assert!(fate.started.boot_ns < fate.ended.boot_ns && fate.local.port() != 0);
}

#[test]
fn an_end_of_stream_is_told_by_how_far_the_response_had_come() {
    let (address, server) = once(drop);
    assert_eq!(fate_of(Load::new(address), server).ending, Ending::Eof(Phase::AwaitingResponse));
    let (address, server) = once(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").expect("the client reads");
    });
    assert_eq!(fate_of(Load::new(address), server).ending, Ending::Eof(Phase::MidResponse));
}

#[test]
fn a_reset_is_told_from_an_end_of_stream() {
    let (address, server) = once(|stream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    });
    let fate = fate_of(Load::new(address), server);
    assert_eq!(fate.ending, Ending::Reset(Phase::AwaitingResponse));
    assert!(fate.error.is_some());
}

#[test]
fn refused_with_its_source_port_known() {
    let address = SocketAddr::from(([127, 0, 0, 1], ports::free().expect("a free port")));
    let fates = Load::new(address).clients(2, 6).run();
    assert_eq!(fates.len(), 6);
    assert!(fates.iter().all(|fate| fate.ending == Ending::Refused && fate.local.port() != 0));
}

#[test]
fn a_queued_connection_is_reset_with_its_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let asking = Load::new(address).burst(3).start();
    let silent = Load::new(address).steps([Step::Rest(5 * SECOND)]).burst(2).start();
    asking.wait_sent(3, SECOND).expect("the kernel takes the requests");
    sockets::wait_for_queue(address.port(), 5, SECOND).expect("nobody accepts");
    drop(listener);
    assert!(asking.join().iter().all(|fate| fate.ending == Ending::Reset(Phase::AwaitingResponse)));
    assert!(silent.join().iter().all(|fate| fate.ending == Ending::Reset(Phase::BeforeRequest)));
}

#[test]
fn a_blind_client_sends_into_a_closed_connection() {
    let (address, server) = once(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("the client reads");
        stream.shutdown(Shutdown::Both).expect("still open");
    });
    let steps = [Step::Get("/".into()), Step::RestBlind(SECOND / 5), Step::Get("/".into())];
    let fate = fate_of(Load::new(address).steps(steps), server);
    assert!(matches!(
        fate.ending,
        Ending::Eof(Phase::AwaitingResponse) | Ending::Reset(Phase::AwaitingResponse)
    ));
    assert!(fate.rested && fate.lost() && fate.requests_sent == 2);

    let (address, server) = once(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("the client reads");
    });
    let fate = fate_of(Load::new(address).keep_alive("/", 2, 5 * SECOND), server);
    assert_eq!(fate.ending, Ending::Eof(Phase::Idle));
    assert!(!fate.lost());
}

#[test]
fn the_client_gives_up_where_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let fates = Load::new(address).response_timeout(SECOND / 10).run();
    assert_eq!(fates[0].ending, Ending::Timeout(Phase::AwaitingResponse));
    let half = Load::new(address).steps([Step::GetHalf("/".into())]).response_timeout(SECOND / 10).run();
    assert_eq!(half[0].ending, Ending::Timeout(Phase::MidRequest));
    let resting = Load::new(address).steps([Step::Rest(SECOND / 10)]).run();
    assert_eq!(resting[0].ending, Ending::ClientClosed);
}

#[test]
fn ipv6_and_mapped_targets() {
    let listener = TcpListener::bind("[::]:0").expect("IPv6 is there");
    let port = listener.local_addr().expect("bound").port();
    let server = thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("the client reads");
        }
    });
    for (target, local) in
        [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::ffff:127.0.0.1", "::ffff:127.0.0.1")]
    {
        let target = SocketAddr::new(target.parse().expect("an address"), port);
        let fate = Load::new(target).run().remove(0);
        assert_eq!(fate.local.ip().to_string(), local);
        assert_eq!(fate.ending, Ending::Served);
    }
    server.join().expect("three clients");
}

#[test]
fn stopping_cuts_rests_short() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let running = Load::new(address).steps([Step::Rest(1_000 * SECOND)]).clients(2, 50).start();
    running.wait("two connections", SECOND, |counts| counts.connected == 2).expect("the kernel accepts");
    let (sender, stopped) = mpsc::channel();
    thread::spawn(move || sender.send(running.stop()));
    let fates = stopped.recv_timeout(wait::patient(20 * SECOND)).expect("nobody rests on");
    assert_eq!(fates.len(), 2);
    assert!(fates.iter().all(|fate| fate.ending == Ending::ClientClosed));
}

#[test]
fn the_rate_spreads_connections() {
    let tickets = Tickets { next: AtomicUsize::new(0), turn: Mutex::new(Instant::now()) };
    let [first, second, third] = [(); 3].map(|()| tickets.turn(SECOND));
    assert!(second - first >= SECOND && third - second >= SECOND);
}
