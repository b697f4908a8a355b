//! When connections are accepted. No raw tracepoint tells it; what does is not on every kernel, or makes every program's
//! system calls a little dearer, so it is attached only where it was asked for.

use aya::Ebpf;
use aya::programs::{KProbe, ProgramError, RawTracePoint};
use drain_observer_ebpf::facts::{
    FILE_PRIVATE, FILES_TABLE, REGS_ORIG_AX, SOCKET_SK, TABLE_FILES, TABLE_MAX, TASK_FILES,
};

use super::facts::{Facts, field_name};
use super::load::explain;
use crate::event::{Hook, HookState};

/// The function whose calls are accepts, and the program for it.
const GRAFT: &str = "security_sock_graft";
/// The raw tracepoint that stands in for it, and the program for it.
const SYS_EXIT: &str = "sys_exit";

/// Attaches what tells of accepts on this kernel, and says what that is.
pub(super) fn attach(programs: &mut Ebpf, facts: &Facts) -> Hook {
    let hook = |name: &str, state, reason| Hook {
        name: name.to_owned(),
        purpose: "when connections are accepted".to_owned(),
        required: false,
        state,
        reason,
    };
    let no_kprobe = match kprobe(programs) {
        Ok(()) => return hook(GRAFT, HookState::Attached, None),
        Err(error) => format!("no kprobe at {GRAFT} ({error})"),
    };
    match sys_exit(programs, facts) {
        Ok(()) => {
            let less = "every system call costs a little more, and an accept by io_uring has no time";
            hook(SYS_EXIT, HookState::Degraded, Some(format!("{no_kprobe}: {less}")))
        }
        Err(error) => {
            let without = "when connections were accepted is not known";
            hook(
                GRAFT,
                HookState::Missing,
                Some(format!("{no_kprobe}, and no {SYS_EXIT} ({error}); {without}")),
            )
        }
    }
}

/// Whether a hook of this name tells of accepts.
pub(super) fn is_name(name: &str) -> bool {
    [GRAFT, SYS_EXIT].contains(&name)
}

fn kprobe(programs: &mut Ebpf) -> Result<(), String> {
    let program = programs.program_mut(GRAFT).ok_or("the probes lack it")?;
    let program: &mut KProbe = program.try_into().map_err(|error: ProgramError| error.to_string())?;
    let attached = program.load().and_then(|()| program.attach(GRAFT, 0));
    attached.map(drop).map_err(|error| explain(&error))
}

fn sys_exit(programs: &mut Ebpf, facts: &Facts) -> Result<(), String> {
    let needs = [REGS_ORIG_AX, TASK_FILES, FILES_TABLE, TABLE_FILES, TABLE_MAX, FILE_PRIVATE, SOCKET_SK];
    if let Some(absent) = needs.into_iter().find(|field| !facts.has(*field)) {
        return Err(format!("this kernel has no {}", field_name(absent)));
    }
    let program = programs.program_mut(SYS_EXIT).ok_or("the probes lack it")?;
    let program: &mut RawTracePoint = program.try_into().map_err(|error: ProgramError| error.to_string())?;
    let attached = program.load().and_then(|()| program.attach(SYS_EXIT));
    attached.map(drop).map_err(|error| explain(&error))
}
