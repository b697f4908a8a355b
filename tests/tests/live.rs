//! Restarts of real servers under load, each compared connection by connection with what its clients saw.
//!
//! Every test has its own server on its own port and its own observer that selects this port.

#[path = "live/apache.rs"]
mod apache;
#[path = "live/attribution.rs"]
mod attribution;
#[path = "live/faults/mod.rs"]
mod faults;
#[path = "live/fixture.rs"]
mod fixture;
#[path = "live/gate.rs"]
mod gate;
#[path = "live/gunicorn.rs"]
mod gunicorn;
#[path = "live/haproxy.rs"]
mod haproxy;
#[path = "live/incidents/mod.rs"]
mod incidents;
#[path = "live/losses.rs"]
mod losses;
#[path = "live/masking.rs"]
mod masking;
#[path = "live/nginx.rs"]
mod nginx;
#[path = "live/privilege.rs"]
mod privilege;
#[path = "live/probes.rs"]
mod probes;
#[path = "live/puma.rs"]
mod puma;
#[path = "live/runit.rs"]
mod runit;
#[path = "live/serve.rs"]
mod serve;
#[path = "live/settings.rs"]
mod settings;
#[path = "live/socket/mod.rs"]
mod socket;
#[path = "live/stories.rs"]
mod stories;
#[path = "live/support.rs"]
mod support;
#[path = "live/tui.rs"]
mod tui;
#[path = "live/unicorn.rs"]
mod unicorn;
#[path = "live/unix/mod.rs"]
mod unix;
