//! What the fuzz targets do: one function for each decoder of bytes from outside. It feeds the decoder anything at
//! all and asserts what must hold of whatever comes out; that nothing panics, overflows, hangs or grows without
//! bound goes without saying.
//!
//! `cargo xtask fuzz` runs them under libFuzzer. The test `corpus` runs each over its seeds, among which are the
//! inputs that once broke something, as ordinary code.

mod btf;
mod cgroup;
mod command_line;
mod compressed;
mod config;
mod facts;
mod journal;
mod negotiate;
mod proc_net;
mod process;
mod records;
mod segment_name;
mod sock_diag;
mod socket;
mod unix_diag;

pub use btf::btf;
pub use cgroup::cgroup;
pub use command_line::command_line;
pub use compressed::compressed;
pub use config::config;
pub use journal::journal;
pub use negotiate::negotiate;
pub use proc_net::proc_net;
pub use process::process;
pub use records::records;
pub use segment_name::segment_name;
pub use sock_diag::sock_diag;
pub use socket::socket;
pub use unix_diag::unix_diag;

/// A fuzz target.
pub struct Target {
    /// The name of its binary and of the directory of its seeds.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

/// Every fuzz target.
pub const TARGETS: [Target; 13] = [
    Target { name: "btf", run: btf },
    Target { name: "cgroup", run: cgroup },
    Target { name: "command_line", run: command_line },
    Target { name: "compressed", run: compressed },
    Target { name: "config", run: config },
    Target { name: "journal", run: journal },
    Target { name: "negotiate", run: negotiate },
    Target { name: "proc_net", run: proc_net },
    Target { name: "process", run: process },
    Target { name: "records", run: records },
    Target { name: "segment_name", run: segment_name },
    Target { name: "sock_diag", run: sock_diag },
    Target { name: "socket", run: socket },
    Target { name: "unix_diag", run: unix_diag },
];
