//! What the probes cannot tell: what was there before they came, and what `/proc`, cgroups and sock_diag say of a
//! process. All of it becomes events; nothing here concludes anything.

pub mod cgroup;
mod convert;
mod inspect;
mod netlink;
pub mod proc_net;
pub mod process;
pub mod scan;
mod seed;
pub mod sock_diag;
pub mod sockets;
mod survey;
pub mod unix_diag;
pub mod unix_place;
mod unix_survey;
mod unix_watch;

pub use inspect::Inspection;
pub use process::Extent;
pub use seed::{Found, in_initial_pid_namespace, look_around};
pub use survey::Surveyor;
pub use unix_watch::{Looked, UnixScope, UnixWatch};
