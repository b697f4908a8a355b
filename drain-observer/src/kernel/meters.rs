//! What the programs and maps cost: how often the programs ran, how full the maps are. It holds descriptors of its own,
//! so any thread may read it, and it keeps nothing attached.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use aya::Ebpf;
use aya::maps::{Map, MapData};

/// Where the kernel says whether it measures programs.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Reads what the probes cost.
#[derive(Debug)]
pub struct Meters {
    /// By name.
    programs: Mutex<BTreeMap<String, OwnedFd>>,
    maps: Vec<(String, MapMeter)>,
}

#[derive(Debug)]
struct MapMeter {
    fd: OwnedFd,
    key_bytes: usize,
    capacity: u32,
    is_hash: bool,
}

/// How often a program ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRuns {
    /// The hook.
    pub hook: String,
    /// Runs since the kernel was told to measure.
    pub runs: u64,
    /// The time that these took, ns.
    pub ns: u64,
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFill {
    /// Its name.
    pub map: String,
    /// Entries, about: they come and go while they are counted.
    pub entries: u64,
    /// Entries that it can have.
    pub capacity: u64,
}

impl Meters {
    /// Of a loaded object whose maps nobody has taken yet.
    pub(super) fn of_maps(object: &Ebpf) -> io::Result<Meters> {
        let maps = object.maps().filter_map(|(name, map)| {
            let (data, is_hash) = data(map)?;
            Some(MapMeter::new(data, is_hash).map(|meter| (name.to_owned(), meter)))
        });
        let mut maps: Vec<_> = maps.collect::<io::Result<_>>()?;
        maps.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Meters { programs: Mutex::default(), maps })
    }

    /// Adds the programs that were loaded by now.
    pub(super) fn add_programs(&self, object: &Ebpf) -> io::Result<()> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, program) in object.programs() {
            // One that is not wanted here is not loaded.
            let Ok(fd) = program.fd() else { continue };
            if !programs.contains_key(name) {
                programs.insert(name.to_owned(), fd.as_fd().try_clone_to_owned()?);
            }
        }
        Ok(())
    }

    /// How often each program ran; `None` where the kernel does not measure (sysctl kernel.bpf_stats_enabled), which
    /// costs some and is left as it is.
    pub fn runs(&self) -> Option<Vec<ProgramRuns>> {
        let enabled = fs::read_to_string(STATISTICS).is_ok_and(|text| text.trim() == "1");
        let runs = |(hook, fd): (&String, &OwnedFd)| {
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
            let (runs, ns) = runs_in(&text)?;
            Some(ProgramRuns { hook: hook.clone(), runs, ns })
        };
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        enabled.then(|| programs.iter().filter_map(runs).collect())
    }

    /// How full each hash map is. It takes a system call an entry: tens of milliseconds for a hundred thousand.
    pub fn fills(&self) -> Vec<MapFill> {
        let hashes = self.maps.iter().filter(|(_, meter)| meter.is_hash);
        let fill = |(name, meter): &(String, MapMeter)| MapFill {
            map: name.clone(),
            entries: meter.entries(),
            capacity: meter.capacity.into(),
        };
        hashes.map(fill).collect()
    }

    /// Size of the ring buffer in bytes.
    pub fn ring_bytes(&self) -> Option<u64> {
        let ring = self.maps.iter().find(|(name, _)| name == "EVENTS");
        ring.map(|(_, meter)| meter.capacity.into())
    }
}

impl MapMeter {
    fn new(data: &MapData, is_hash: bool) -> io::Result<MapMeter> {
        let info = data.info().map_err(io::Error::other)?;
        Ok(MapMeter {
            fd: data.fd().as_fd().try_clone_to_owned()?,
            key_bytes: info.key_size() as usize,
            capacity: info.max_entries(),
            is_hash,
        })
    }

    fn entries(&self) -> u64 {
        let mut key = vec![0; self.key_bytes];
        let mut next = vec![0; self.key_bytes];
        let mut entries = 0;
        // Where a key goes away meanwhile, the walk begins anew: the capacity bounds it.
        while entries < self.capacity
            && next_key(self.fd.as_raw_fd(), (entries > 0).then_some(&key), &mut next)
        {
            std::mem::swap(&mut key, &mut next);
            entries += 1;
        }
        entries.into()
    }
}

fn data(map: &Map) -> Option<(&MapData, bool)> {
    match map {
        Map::HashMap(data) | Map::PerCpuHashMap(data) => Some((data, true)),
        Map::RingBuf(data) => Some((data, false)),
        _ => None,
    }
}

/// What the kernel writes of a program in `/proc/PID/fdinfo/FD`.
fn runs_in(fdinfo: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let value = fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().parse().ok()
    };
    Some((field("run_cnt")?, field("run_time_ns")?))
}

/// `BPF_MAP_GET_NEXT_KEY`: the key after `key`, or the first; says whether there is one. `key` and `next` are as long
/// as the map's keys.
fn next_key(map: RawFd, key: Option<&Vec<u8>>, next: &mut [u8]) -> bool {
    const GET_NEXT_KEY: libc::c_int = 4;
    /// The part of `union bpf_attr` that this command has.
    #[repr(C)]
    struct Attributes {
        map: u32,
        pad: u32,
        key: u64,
        next_key: u64,
    }
    let mut attributes = Attributes {
        map: map.cast_unsigned(),
        pad: 0,
        key: key.map_or(0, |key| key.as_ptr().expose_provenance() as u64),
        next_key: next.as_mut_ptr().expose_provenance() as u64,
    };
    // SAFETY: the kernel reads `attributes` and as many bytes at `key` as the map's keys have, and writes as many at
    // `next_key`; all of them live and are that long.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            GET_NEXT_KEY,
            std::ptr::from_mut(&mut attributes),
            size_of::<Attributes>(),
        )
    };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_from_fdinfo() {
        let text = "pos:\t0\nprog_type:\t17\nprog_jited:\t1\nrun_time_ns:\t1234\nrun_cnt:\t56\nrecursion_misses:\t0\n";
        assert_eq!(runs_in(text), Some((56, 1_234)));
        assert_eq!(runs_in("pos:\t0\n"), None);
        assert_eq!(runs_in("run_cnt:\tx\nrun_time_ns:\t1\n"), None);
    }
}
