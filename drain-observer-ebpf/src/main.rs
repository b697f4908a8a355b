//! The probes: one file per kernel hook, each quoting the prototype it relies on.
//!
//! The binary also compiles for the host, where it does nothing, so that lints see the probes.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

mod fields;
mod kernel;
mod maps;
mod probes;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here can panic: the verifier refuses the loop if something could.
    loop {}
}

/// The kernel's helpers for tracing are for GPL-compatible programs only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
