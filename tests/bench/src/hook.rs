//! A program at a hook that does nothing: what the kernel takes for the hook, whatever is done at it.

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::libc;
use std::ffi::CString;
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
/// `r0 = 0; exit`, eight bytes each.
const RETURN_0: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// It is attached while this lives.
#[derive(Debug)]
pub(crate) struct Nothing {
    _program: OwnedFd,
    _link: OwnedFd,
}

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
}

/// `union bpf_attr` for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
#[derive(Default)]
struct Open {
    name: u64,
    program: u32,
    pad: u32,
}

impl Nothing {
    /// Attaches it to a raw tracepoint. Needs what loading any BPF program needs.
    pub(crate) fn attach(tracepoint: &str) -> Result<Self> {
        let load = Load {
            kind: BPF_PROG_TYPE_RAW_TRACEPOINT,
            instructions: RETURN_0.len() as u32,
            code: RETURN_0.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
        };
        // SAFETY: what it points to lives until the call is over.
        let program = unsafe { bpf(BPF_PROG_LOAD, &load) }.context("loading a program that does nothing")?;
        let name = CString::new(tracepoint).context("the tracepoint's name")?;
        let open = Open { name: name.as_ptr() as u64, program: program.as_raw_fd() as u32, pad: 0 };
        // SAFETY: as above.
        let link = unsafe { bpf(BPF_RAW_TRACEPOINT_OPEN, &open) }
            .with_context(|| format!("attaching a program that does nothing to {tracepoint}"))?;
        Ok(Self { _program: program, _link: link })
    }
}

/// `bpf(2)` with a command that gives a descriptor.
///
/// # Safety
/// `attr` is what the command takes, and what it points to lives.
unsafe fn bpf<T>(command: libc::c_int, attr: &T) -> Result<OwnedFd, Errno> {
    // SAFETY: as the caller promised; the kernel takes what lies beyond the size for zeros.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    // SAFETY: a descriptor that is new, and nobody else's.
    Errno::result(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
