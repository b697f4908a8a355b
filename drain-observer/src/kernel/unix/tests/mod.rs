//! The probes on real sockets: what each event turns out to give on the running kernel.

mod endings;
mod names;
mod processes;
mod refusals;
mod set;
mod stage;
