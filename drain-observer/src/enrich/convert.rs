//! From the words of `/proc` and sock_diag to those of events.

use std::net::SocketAddr;

use super::cgroup;
use super::process::ProcessInfo;
use super::sockets::TcpSocket;
use crate::event::{Attribution, Comm, Endpoint, ListenerKey, ProcessSeen};

/// Inode of a namespace: the kernel makes them from 32 bits.
pub(super) fn netns(inode: u64) -> u32 {
    u32::try_from(inode).unwrap_or(0)
}

pub(super) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { address: address.ip().to_canonical(), port: address.port() }
}

pub(super) fn listener_key(netns: u32, socket: &TcpSocket) -> ListenerKey {
    ListenerKey { netns, local: endpoint(socket.local).into() }
}

pub(super) fn process_seen(info: &ProcessInfo) -> ProcessSeen {
    let group = info.cgroups.path().unwrap_or_default();
    let container = cgroup::container(group).map(|found| format!("{}:{}", found.runtime.as_str(), found.id));
    ProcessSeen {
        pid: info.tgid,
        parent: info.ppid,
        start: info.start_ns,
        image: info.image,
        same_command: info.same_command,
        comm: Comm::new(&info.comm),
        executable: info.exe.as_ref().map(|exe| exe.to_string_lossy().into_owned()).unwrap_or_default(),
        attribution: Attribution { unit: cgroup::unit(group), container, pod: cgroup::pod(group) },
        command: info.command.clone(),
        netns: info.netns.map_or(0, netns),
        inner_pid: (info.ns_pid != info.tgid).then_some(info.ns_pid),
    }
}
