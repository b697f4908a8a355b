//! Who is at the other end of a connection.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// More groups than a process can have.
const MAX_GROUPS: usize = 1 << 16;

/// Who made a connection, as of then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its effective user.
    pub(super) uid: u32,
    /// Its effective and its supplementary groups.
    pub(super) groups: Vec<u32>,
}

/// Whom the daemon answers besides root and its own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Nobody.
    Nobody,
    /// The members of a group.
    Group(u32),
    /// Everybody.
    Everybody,
}

impl Peer {
    /// Asks the kernel: SO_PEERCRED, as `uid` and `gid`, and SO_PEERGROUPS (man 7 socket, Linux 4.13).
    pub(super) fn new(uid: u32, gid: u32, connection: BorrowedFd<'_>) -> io::Result<Self> {
        let mut groups = supplementary(connection)?;
        groups.push(gid);
        Ok(Self { uid, groups })
    }

    /// Whether the daemon, of the user `own`, answers it.
    pub(super) fn is_allowed(&self, own: u32, allowed: Allowed) -> bool {
        const ROOT: u32 = 0;
        let member = match allowed {
            Allowed::Nobody => false,
            Allowed::Group(group) => self.groups.contains(&group),
            Allowed::Everybody => true,
        };
        member || self.uid == ROOT || self.uid == own
    }
}

fn supplementary(connection: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut length = libc::socklen_t::try_from(size_of_val(groups.as_slice())).unwrap_or(0);
        // SAFETY: the kernel writes at most `length` bytes, which is the size of what it writes into.
        let result = unsafe {
            libc::getsockopt(
                connection.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // Where there is too little room the kernel says how much there has to be.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MAX_GROUPS {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn own_groups_are_known() {
        let (one, _other) = UnixStream::pair().expect("sockets");
        let own = rustix::process::getgid().as_raw();
        let peer = Peer::new(7, own, one.as_fd()).expect("the kernel knows");
        assert!(peer.groups.contains(&own));
        let all = rustix::process::getgroups().expect("groups");
        assert!(all.iter().all(|group| peer.groups.contains(&group.as_raw())), "{peer:?}");
    }

    #[test]
    fn members_and_the_privileged_are_answered() {
        let peer = |uid, groups: &[u32]| Peer { uid, groups: groups.to_vec() };
        assert!(peer(0, &[]).is_allowed(7, Allowed::Nobody), "root");
        assert!(peer(7, &[]).is_allowed(7, Allowed::Nobody), "the daemon's own user");
        assert!(!peer(8, &[9]).is_allowed(7, Allowed::Nobody));
        assert!(peer(8, &[1, 9]).is_allowed(7, Allowed::Group(9)));
        assert!(!peer(8, &[1]).is_allowed(7, Allowed::Group(9)));
        assert!(peer(8, &[]).is_allowed(7, Allowed::Everybody));
    }
}
