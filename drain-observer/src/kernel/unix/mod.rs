//! The probes for unix stream sockets: a set of its own, attached only while it is wanted, because it makes every
//! program's reads and writes on unix sockets, and every packet's end, a little dearer.

mod counts;
mod hooks;

#[cfg(test)]
mod tests;

use aya::maps::{Array, HashMap, MapData};
use aya::programs::RawTracePoint;
use aya::programs::raw_trace_point::RawTracePointLinkId;
use aya::{Ebpf, Pod};
use drain_observer_ebpf::record::UnixCourse;

use super::KernelError;
use super::btf::Btf;
use super::facts::Facts;
use super::hooks::HookPlan;
use super::load::explain;
use crate::decode::unix::left;
use crate::event::{BootNs, Event, Hook, Kind, Task, UnixEnd};
pub use counts::UnixCounted;
use counts::UnixCounters;
#[cfg(test)]
pub(super) use hooks::MAY_BE_ABSENT;
pub(super) use hooks::{Planned, plan};

/// Decides about the hooks that see unix sockets by what BTF says of this kernel, without loading anything.
pub fn plan_unix(btf: &Btf) -> Vec<HookPlan> {
    let facts = Facts::resolve(btf, &super::Settings::default());
    hooks::plan(btf, &facts).into_iter().map(|planned| planned.plan).collect()
}

/// The set.
pub(super) struct UnixProbes {
    planned: Vec<Planned>,
    links: Vec<(&'static str, RawTracePointLinkId)>,
    counters: UnixCounters,
    emit_all: Array<MapData, u32>,
}

impl UnixProbes {
    /// A set of which nothing is attached yet.
    pub(super) fn new(planned: Vec<Planned>, programs: &mut Ebpf) -> Result<UnixProbes, KernelError> {
        let counters = UnixCounters::take(programs)?;
        let emit_all = programs.take_map(EMIT_ALL).ok_or(KernelError::Object(EMIT_ALL))?;
        let emit_all = Array::try_from(emit_all).map_err(|error| KernelError::Load(error.to_string()))?;
        Ok(UnixProbes { planned, links: Vec::new(), counters, emit_all })
    }

    /// Whether any of it is attached.
    pub(super) fn is_on(&self) -> bool {
        !self.links.is_empty()
    }

    /// What became of each hook.
    pub(super) fn hooks(&self) -> Vec<Hook> {
        self.planned.iter().map(|planned| planned.plan.clone().into()).collect()
    }

    /// Attaches what this kernel can do; a hook that fails is noted as missing, and left from then on.
    pub(super) fn attach(&mut self, programs: &mut Ebpf) -> Result<(), KernelError> {
        if self.is_on() {
            return Ok(());
        }
        // What was kept of connections before is of no use: their ends may have been missed.
        forget::<u64, Course>(programs, "UNIX_CHILDREN")?;
        forget::<u64, Reported>(programs, "UNIX_LISTENERS")?;
        self.counters.forget_all();
        forget::<u32, u8>(programs, "UNIX_SERVERS")?;
        for planned in &mut self.planned {
            let name = planned.plan.name;
            if !planned.plan.is_wanted() {
                continue;
            }
            let program = program(programs, name)?;
            // Once loaded it stays so.
            let loaded = if program.fd().is_ok() { Ok(()) } else { program.load() };
            match loaded.and_then(|()| program.attach(planned.tracepoint)) {
                Ok(link) => self.links.push((name, link)),
                Err(error) => planned.plan = planned.plan.clone().failed(&explain(&error)),
            }
        }
        Ok(())
    }

    /// Adds, to the events from `first` on, the ends of connections that a process among them died with: the probes
    /// mark them, for to tell of each is more than the verifier follows in a loop.
    pub(super) fn tell_of_the_dead(&self, programs: &mut Ebpf, first: usize, events: &mut Vec<Event>) {
        let died = |event: &Event| match event.event {
            Kind::UnixHolderDied(died) => Some((died.task, event.at)),
            _ => None,
        };
        let dead: Vec<_> = events.iter().skip(first).filter_map(died).collect();
        if dead.is_empty() {
            return;
        }
        let Some(map) = programs.map_mut("UNIX_CHILDREN") else { return };
        let Ok(mut map) = HashMap::<&mut MapData, u64, Course>::try_from(map) else { return };
        let marked: Vec<_> = map.iter().flatten().filter(|(_, Course(course))| course.died_ns != 0).collect();
        for (sk, Course(course)) in marked {
            let Some(&(task, at)) = dead.iter().find(|(task, _)| task.pid == course.died_by) else {
                continue;
            };
            // Whoever removes it tells: the client may have read the end.
            if is_still(&map, sk, &course) && map.remove(&sk).is_ok() {
                let ended = left(sk, &course, UnixEnd::HolderDied, task);
                events.push(Event { at, event: Kind::UnixEnded(ended) });
            }
        }
    }

    /// What is kept of the connections that go on.
    pub(super) fn courses(&self, programs: &mut Ebpf) -> Vec<(u64, UnixCourse)> {
        let Some(map) = programs.map_mut("UNIX_CHILDREN") else { return Vec::new() };
        let Ok(map) = HashMap::<&mut MapData, u64, Course>::try_from(map) else { return Vec::new() };
        map.iter().flatten().map(|(sk, Course(course))| (sk, course)).collect()
    }

    /// Gives up a connection whose end nobody saw, and tells of it; `None` where its end has been told meanwhile.
    pub(super) fn give_up(
        &self,
        programs: &mut Ebpf,
        at: BootNs,
        sk: u64,
        course: &UnixCourse,
    ) -> Option<Event> {
        let map = programs.map_mut("UNIX_CHILDREN")?;
        let mut map = HashMap::<&mut MapData, u64, Course>::try_from(map).ok()?;
        if !is_still(&map, sk, course) {
            return None;
        }
        map.remove(&sk).ok()?;
        let ended = left(sk, course, UnixEnd::Unseen, Task::default());
        Some(Event { at, event: Kind::UnixEnded(ended) })
    }

    /// What the probes counted of listeners' connections, where that changed since the last call.
    pub(super) fn counted(&mut self) -> Vec<UnixCounted> {
        if self.is_on() { self.counters.changed() } else { Vec::new() }
    }

    /// Forgets what was counted of a listener that is no more.
    pub(super) fn forget_listener(&mut self, binding: u64) {
        self.counters.forget(binding);
    }

    /// Has every connection reported, clean or not, or only those that are not surely clean.
    pub(super) fn emit_all(&mut self, on: bool) -> Result<(), KernelError> {
        self.emit_all.set(0, u32::from(on), 0).map_err(|error| KernelError::Load(error.to_string()))
    }

    /// Detaches all of it.
    pub(super) fn detach(&mut self, programs: &mut Ebpf) -> Result<(), KernelError> {
        for (name, link) in std::mem::take(&mut self.links) {
            program(programs, name)?
                .detach(link)
                .map_err(|error| KernelError::Attach { hook: name, reason: explain(&error) })?;
        }
        Ok(())
    }
}

/// Whether what is kept at a socket's address is the connection that was read there: addresses are used again at once.
fn is_still(map: &HashMap<&mut MapData, u64, Course>, sk: u64, read: &UnixCourse) -> bool {
    let id = |course: &UnixCourse| (course.connected_ns, course.accepted_ns, course.inode, course.died_ns);
    map.get(&sk, 0).is_ok_and(|Course(now)| id(&now) == id(read))
}

/// Map with the switch that has clean connections reported.
const EMIT_ALL: &str = "UNIX_EMIT_ALL";

/// What the probes remember of a reported listener: two u64, which nothing but them reads.
type Reported = [u64; 2];

/// [`UnixCourse`] as a map's value.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Course(UnixCourse);

// SAFETY: fixed-width integers with explicit padding.
unsafe impl Pod for Course {}

fn program<'a>(programs: &'a mut Ebpf, name: &'static str) -> Result<&'a mut RawTracePoint, KernelError> {
    programs.program_mut(name).and_then(|program| program.try_into().ok()).ok_or(KernelError::Object(name))
}

fn forget<K: Pod, V: Pod>(programs: &mut Ebpf, name: &'static str) -> Result<(), KernelError> {
    let map = programs.map_mut(name).ok_or(KernelError::Object(name))?;
    let mut map: HashMap<&mut MapData, K, V> = map.try_into().map_err(|_| KernelError::Object(name))?;
    let keys: Vec<K> = map.keys().flatten().collect();
    for key in keys {
        // It was there a moment ago, and nobody else removes it while nothing is attached.
        let _ = map.remove(&key);
    }
    Ok(())
}
