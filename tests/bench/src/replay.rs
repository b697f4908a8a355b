//! Made-up observations played to the correlator, in this process and by `report`.

use crate::story::{HZ, Story, lost_connections};
use crate::usage::{Memory, children_cpu, thread_cpu};
use anyhow::{Context as _, Result, ensure};
use drain_observer::correlate::{Config, Correlator};
use drain_observer::event::{Event, Kind};
use drain_observer::journal::{Clock, Header, Host, Tool, VERSION, Writer};
use drain_observer::selection::Selection;
use drain_observer_tests::{observer, wait};
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest wait for a report.
const LIMIT: Duration = Duration::from_secs(300);

/// CPU time that the correlator takes for an event of a host with so many services, seconds.
pub(crate) fn correlate(services: u16, events: usize) -> f64 {
    const CHUNK: usize = 20_000;
    let mut story = Story::of(services);
    let mut correlator = correlator();
    let (mut spent, mut done) = (Duration::ZERO, 0);
    // What was there before comes once.
    play(&mut correlator, &story.by_ref().take(usize::from(services) * 4 + 1).collect::<Vec<_>>());
    while done < events {
        let chunk: Vec<Event> = story.by_ref().take(CHUNK).collect();
        let before = thread_cpu();
        play(&mut correlator, &chunk);
        spent += thread_cpu() - before;
        done += chunk.len();
    }
    black_box(&correlator);
    spent.as_secs_f64() / done as f64
}

/// Memory that the correlator takes for a connection that it keeps, bytes.
pub(crate) fn bytes_kept(connections: u32) -> f64 {
    let mut correlator = correlator();
    let mut lost = lost_connections();
    // What it takes once.
    lost.by_ref().take(1_000).for_each(|event| correlator.handle(&event));
    let before = allocated();
    lost.take(connections as usize).for_each(|event| correlator.handle(&event));
    let taken = allocated().saturating_sub(before) as f64 / f64::from(connections);
    black_box(&correlator);
    taken
}

/// Writes a journal of about this many bytes and gives its number of events.
pub(crate) fn write_journal(path: &Path, services: u16, bytes: u64) -> Result<u64> {
    let writing = || format!("writing {}", path.display());
    let file = File::create(path).with_context(writing)?;
    let mut writer = Writer::new(file, &header()).with_context(writing)?;
    let mut events = 0;
    for event in Story::of(services) {
        writer.write(&event).with_context(writing)?;
        events += 1;
        if writer.bytes() >= bytes {
            break;
        }
    }
    let last = Event { at: Story::time_of(events + 1), event: Kind::Ended };
    writer.write(&last).with_context(writing)?;
    writer.flush().with_context(writing)?;
    Ok(events + 1)
}

/// What `report` of a journal takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported {
    /// CPU time, seconds.
    pub(crate) cpu: f64,
    /// The most memory that was seen, bytes.
    pub(crate) memory: f64,
}

/// Runs `report` on a journal. No other child of this process may end meanwhile.
pub(crate) fn report(journal: &Path) -> Result<Reported> {
    let before = children_cpu()?;
    let mut command = Command::new(observer::program());
    command.arg("report").arg(journal).args(["-o", "json"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child = child.context("starting the report")?;
    let pid = i32::try_from(child.id()).context("a pid fits an int")?;
    let mut memory: f64 = 0.0;
    let waited = wait::until("the report", LIMIT, || {
        // Gone between two looks, it says no more.
        if let Ok(now) = Memory::of(pid) {
            memory = memory.max(now.peak);
        }
        child.try_wait().context("looking after the report")
    });
    if waited.is_err() {
        child.kill().and_then(|()| child.wait()).context("ending the report")?;
    }
    let status = waited?;
    ensure!(status.success(), "report ended with {status}");
    Ok(Reported { cpu: children_cpu()? - before, memory })
}

fn correlator() -> Correlator {
    Correlator::new(Config { hz: HZ, ..Config::default() })
}

fn play(correlator: &mut Correlator, events: &[Event]) {
    for event in events {
        correlator.handle(event);
        while correlator.poll_request().is_some() {}
    }
    while correlator.poll_note().is_some() {}
}

fn header() -> Header {
    Header {
        version: VERSION,
        tool: Tool::this(),
        host: Host { hostname: "bench".into(), kernel: String::new(), boot_id: "bench".into() },
        created_at: "2026-01-01T00:00:00Z".into(),
        clock: Clock { wall_minus_boot_ns: 1_767_225_600_000_000_000, hz: HZ },
        selection: Selection::default(),
        all_connections: true,
        masked_peers: None,
        segment: None,
    }
}

/// Bytes that this program has allocated. Only the main thread's are known.
fn allocated() -> usize {
    // SAFETY: mallinfo2(3) takes nothing and returns numbers.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
