//! /proc/PID/cgroup, and what is told from a cgroup's path.

use drain_observer::enrich::cgroup::{Cgroups, container, pod, unit};

/// Reads the lines of a process, then the input as one path.
pub fn cgroup(bytes: &[u8]) {
    let cgroups = Cgroups::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    for path in cgroups.path().into_iter().chain([text.as_ref()]) {
        if let Some(unit) = unit(path) {
            assert!(path.contains(&unit), "{unit:?} of {path:?}");
        }
        if let Some(container) = container(path) {
            assert!(container.id.len() == 64 && path.contains(&container.id), "{container:?} of {path:?}");
        }
        if let Some(pod) = pod(path) {
            assert!(path.replace('_', "-").contains(&pod.uid), "{pod:?} of {path:?}");
        }
    }
}
