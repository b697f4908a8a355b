//! What the project proves itself with: a load client that knows every connection's fate, launchers for real
//! servers, the observer beside them, and the comparison of what it reports with what the client saw.

pub mod cgroups;
pub mod clock;
pub mod daemon;
pub mod disk;
pub mod guest;
pub mod http;
mod incidents;
pub mod lines;
pub mod load;
pub mod manager;
pub mod network;
pub mod nuisance;
pub mod observer;
pub mod ports;
pub mod prefork;
pub mod processes;
pub mod prometheus;
pub mod requirements;
pub mod scenario;
pub mod servers;
pub mod sink;
pub mod sockets;
pub mod status;
pub mod terminal;
pub mod truth;
pub mod unix;
pub mod wait;
