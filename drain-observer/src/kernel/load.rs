//! Loading and attaching.

use std::io;
use std::sync::Arc;

use aya::maps::{HashMap, MapData};
use aya::programs::{ProgramError, RawTracePoint};
use aya::{Ebpf, EbpfLoader};

use drain_observer_ebpf::facts::RESET_WITHOUT_SOCKET;

use super::accept;
use super::btf::{Btf, KERNEL_BTF};
use super::counts::Counters;
use super::facts::Facts;
use super::hooks::{self, HookPlan};
use super::log::ProbeLog;
use super::loss::Losses;
use super::meters::Meters;
use super::ring::Ring;
use super::unix::{self, UnixProbes};
use super::watch::Watched;
use super::{Kernel, KernelError, Settings};
use crate::event::Hook;
use crate::privilege;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("DRAIN_OBSERVER_EBPF"));

/// Reads the running kernel's BTF.
pub fn kernel_btf() -> Result<Btf, KernelError> {
    let bytes = std::fs::read(KERNEL_BTF).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KernelError::NoBtf,
        _ => KernelError::ReadBtf(error),
    })?;
    Ok(Btf::parse(&bytes)?)
}

pub(super) fn attach(settings: &Settings) -> Result<Kernel, KernelError> {
    privilege::check()?;
    let btf = kernel_btf()?;
    let facts = Facts::resolve(&btf, settings);
    let plans = hooks::plan_with(&btf, &facts);
    hooks::check(&plans)?;
    let unix_plans = unix::plan(&btf, &facts);
    drop(btf);

    allow_locked_memory();
    let mut programs = load_object(&facts, settings)?;
    let meters = Arc::new(Meters::of_maps(&programs).map_err(KernelError::Meters)?);
    // Before any program is loaded: they refer to these maps.
    let log = ProbeLog::take(&mut programs);
    let ring = Ring::new(take(&mut programs, "EVENTS")?)?;
    let losses = Losses::new(take(&mut programs, "LOST")?)?;
    let counters = Counters::new(take(&mut programs, "COUNTS")?)?;
    let mut watched = |name| take(&mut programs, name);
    let watched = Watched::new(watched("LISTENERS")?, watched("MEMBERS")?, watched("SEEN")?)?;
    watch_ports(&mut programs, &settings.ports)?;

    let mut unix = UnixProbes::new(unix_plans, &mut programs)?;
    unix.emit_all(settings.all_connections)?;

    let plans: Vec<HookPlan> =
        plans.into_iter().map(|plan| attach_hook(&mut programs, plan)).collect::<Result<_, _>>()?;
    let mut hooks: Vec<Hook> = plans.into_iter().map(Into::into).collect();
    hooks.extend(settings.accept_times.then(|| accept::attach(&mut programs, &facts)));
    meters.add_programs(&programs).map_err(KernelError::Meters)?;
    Ok(Kernel { hooks, ring, losses, counters, watched, log, meters, unix, programs })
}

fn load_object(facts: &Facts, settings: &Settings) -> Result<Ebpf, KernelError> {
    let level = aya_log::Level::Warn as u8;
    let mut loader = EbpfLoader::new();
    if facts.is_set(RESET_WITHOUT_SOCKET) {
        // Nothing is to be remembered there, and such a map has all its memory from the beginning.
        loader.map_max_entries("CLOSED", 1);
    }
    loader
        // The probes' offsets are resolved already.
        .btf(None)
        .override_global("FIELD_PLACES", &facts.places[..], true)
        .override_global("VALUES", &facts.values[..], true)
        .override_global(aya_log::LEVEL, &level, false)
        .map_max_entries("EVENTS", settings.ring_size.bytes())
        .load(OBJECT)
        .map_err(|error| match refusal(&error) {
            Some(source) => KernelError::Refused { what: "to create BPF maps".to_owned(), source },
            None => KernelError::Load(chain(&error)),
        })
}

/// A required hook that fails ends it all; another is noted as missing.
fn attach_hook(programs: &mut Ebpf, plan: HookPlan) -> Result<HookPlan, KernelError> {
    if !plan.is_wanted() {
        return Ok(plan);
    }
    let program: &mut RawTracePoint = programs
        .program_mut(plan.name)
        .and_then(|program| program.try_into().ok())
        .ok_or(KernelError::Object(plan.name))?;
    let attached = program.load().and_then(|()| program.attach(plan.name).map(|_| ()));
    match attached {
        Ok(()) => Ok(plan),
        Err(error) if !plan.required => Ok(plan.failed(&explain(&error))),
        Err(error) => Err(match refusal(&error).filter(|_| !is_verifiers(&error)) {
            Some(source) => {
                KernelError::Refused { what: format!("the BPF program for {}", plan.name), source }
            }
            None => KernelError::Attach { hook: plan.name, reason: explain(&error) },
        }),
    }
}

fn take(programs: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, KernelError> {
    programs.take_map(name).ok_or(KernelError::Object(name))
}

fn watch_ports(programs: &mut Ebpf, ports: &[u16]) -> Result<(), KernelError> {
    let map = programs.map_mut("PORTS").ok_or(KernelError::Object("PORTS"))?;
    let mut map: HashMap<&mut MapData, u16, u8> = map.try_into().map_err(|_| KernelError::Object("PORTS"))?;
    for port in ports {
        map.insert(port, 1, 0)
            .map_err(|error| KernelError::Load(format!("port {port}: {}", chain(&error))))?;
    }
    Ok(())
}

/// Before Linux 5.11 maps count as locked memory. Where the limit can't be raised, loading says so.
fn allow_locked_memory() {
    let all = rustix::process::Rlimit { current: None, maximum: None };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Memlock, all);
}

/// The verifier's words of a program that was not loaded: the last lines, where the reason stands.
pub(super) fn explain(error: &ProgramError) -> String {
    let ProgramError::LoadError { io_error, verifier_log } = error else { return chain(error) };
    let log = verifier_log.to_string();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join(" / ");
    match last.is_empty() {
        true => format!("the kernel does not load the program ({io_error})"),
        false => format!("the kernel does not load the program ({io_error}): {last}"),
    }
}

/// Whether the verifier had something to say: it, too, ends with EACCES.
fn is_verifiers(error: &ProgramError) -> bool {
    matches!(error, ProgramError::LoadError { verifier_log, .. } if !verifier_log.to_string().trim().is_empty())
}

/// The EPERM behind an error, if that is what it is.
fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<io::Error> {
    let mut error = Some(error);
    while let Some(current) = error {
        let code = current.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if let Some(code) = code
            && [rustix::io::Errno::PERM, rustix::io::Errno::ACCESS]
                .iter()
                .any(|errno| errno.raw_os_error() == code)
        {
            return Some(io::Error::from_raw_os_error(code));
        }
        error = current.source();
    }
    None
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
