//! The ways in which what happened may come to the correlator: the events of CPUs in another order, looks answered late,
//! and parts of it not at all.

use crate::deliver::Delivery;
use crate::world::World;
use drain_observer::event::{BootNs, Endpoint, Kind, Lost};
use fastrand::Rng;

const MS: BootNs = 1_000_000;
/// Events this near to each other may come in another order, if neither can have led to the other.
const NEAR: BootNs = MS;

/// In another order, with looks that take up to 50 ms; some exits told twice, and some connections of which the kernel
/// did not keep when they began.
pub fn reordered(world: &World, random: &mut Rng) -> Delivery {
    let mut order: Vec<usize> = (0..world.told.len()).collect();
    let touched: Vec<Touched> = world.told.iter().map(|told| touched(&told.event.event)).collect();
    let at = |index: usize| world.told[index].event.at;
    for _ in 0..6 {
        for place in 1..order.len() {
            let (before, after) = (order[place - 1], order[place]);
            let near = at(after).abs_diff(at(before)) < NEAR;
            if near && random.bool() && independent(&touched[before], &touched[after]) {
                order.swap(place - 1, place);
            }
        }
    }
    if random.u32(0..3) == 0 {
        // Two threads of a process may both report its end.
        let times = |index: usize| 1 + usize::from(matches!(world.told[index].event.event, Kind::Exited(_)));
        order = order.into_iter().flat_map(|index| std::iter::repeat_n(index, times(index))).collect();
    }
    let mut delivery = Delivery { order, look: random.u64(100..50_000) * 1_000, ..Delivery::default() };
    if random.u32(0..4) == 0 {
        forget_beginnings(world, &mut delivery, random);
    }
    delivery
}

/// With one event, or a few in a row, lost: which is known up to half a second later.
pub fn incomplete(world: &World, random: &mut Rng) -> (Delivery, Vec<usize>) {
    let mut delivery = Delivery::plain(world, random.u64(100..3_000) * 1_000);
    if world.told.is_empty() {
        return (delivery, Vec::new());
    }
    let first = random.usize(0..world.told.len());
    let count = if random.bool() { 1 } else { random.usize(2..12) };
    let gone: Vec<usize> =
        (first..world.told.len()).take(count).filter(|index| !world.told[*index].clean).collect();
    delivery.order.retain(|index| !gone.contains(index));
    for index in &gone {
        let event = &world.told[*index].event;
        let at = event.at + if random.bool() { 0 } else { random.u64(0..500) * MS };
        let loss = Lost { what: kind(&event.event).to_owned(), reason: "ring_full".to_owned(), count: 1 };
        delivery.lost.push((at, loss));
    }
    delivery.lost.sort_by_key(|(at, _)| *at);
    (delivery, gone)
}

/// The kernel's map of open connections was full for a while.
fn forget_beginnings(world: &World, delivery: &mut Delivery, random: &mut Rng) {
    for (index, told) in world.told.iter().enumerate() {
        if matches!(told.event.event, Kind::Connection(_)) && random.u32(0..5) == 0 {
            delivery.unkept.insert(index);
            let (what, reason) = ("established_at".to_owned(), "map_full".to_owned());
            delivery.lost.push((told.event.at, Lost { what, reason, count: 1 }));
        }
    }
}

/// What a lost event is called.
fn kind(event: &Kind) -> &'static str {
    match event {
        Kind::Connection(_) => "connection",
        Kind::Flushed(_) => "flushed",
        Kind::Lingered(_) => "lingered",
        Kind::ListenerOpened(_) | Kind::ListenerClosed(_) => "listener",
        Kind::Reset(_) => "reset",
        Kind::Signal(_) | Kind::SignalDelivered(_) => "signal",
        _ => "process",
    }
}

/// What an event is about: up to two processes, a port, a listening socket, a client.
#[derive(Debug, Default)]
struct Touched {
    processes: [Option<u32>; 2],
    port: Option<u16>,
    /// Its address is another's only when it is closed.
    socket: Option<u64>,
    /// It may begin a restart, or be the end of a connection: what ends in the moment before is not surely the restart's,
    /// nor surely not.
    begins: bool,
    ends: bool,
    client: Option<Endpoint>,
}

fn touched(event: &Kind) -> Touched {
    let none = Touched::default;
    match event {
        Kind::Connection(it) if it.errno != 0 => Touched { client: Some(it.peer), ends: true, ..none() },
        Kind::Connection(it) => {
            Touched { client: Some(it.peer), processes: [Some(it.by.pid), None], ends: true, ..none() }
        }
        Kind::Flushed(it) => Touched { client: Some(it.peer), ..none() },
        // Whether a SYN is refused depends on who listens.
        Kind::Reset(it) => Touched { client: Some(it.peer), port: Some(it.local.port), ..none() },
        Kind::ListenerOpened(it) => {
            let (processes, port) = ([Some(it.by.pid), None], it.key.local.port());
            Touched { processes, port, begins: true, socket: Some(it.sk), ..none() }
        }
        Kind::ListenerClosed(it) => {
            let processes = [Some(it.by.pid), None];
            Touched { processes, port: it.key.local.port(), socket: Some(it.sk), ..none() }
        }
        Kind::Signal(it) => {
            const CHLD: u32 = 17;
            Touched {
                begins: it.signal != CHLD,
                processes: [Some(it.target.pid), it.sender.map(|task| task.pid)],
                ..none()
            }
        }
        Kind::SignalDelivered(it) => Touched { processes: [Some(it.task.pid), None], ..none() },
        Kind::Forked(it) => Touched { processes: [Some(it.parent.pid), Some(it.child.pid)], ..none() },
        Kind::Executed(it) => Touched { begins: true, processes: [Some(it.task.pid), None], ..none() },
        Kind::Exited(it) => {
            let begins = it.status != 0 || it.signal != 0;
            Touched { begins, processes: [Some(it.task.pid), None], ..none() }
        }
        _ => none(),
    }
}

fn independent(a: &Touched, b: &Touched) -> bool {
    let shared = |pid: &Option<u32>| pid.is_some() && b.processes.contains(pid);
    !a.processes.iter().any(shared)
        && (a.port.is_none() || a.port != b.port)
        && (a.socket.is_none() || a.socket != b.socket)
        && !(a.begins && b.ends || a.ends && b.begins)
        && (a.client.is_none() || a.client != b.client)
}
