//! Users and groups by name, as the host's own files list them.
//!
//! Not by the C library's functions: those load libraries of the host's for it, which a static program can't. Whom only a
//! directory service knows is to be named by number.

use std::io::{self, ErrorKind};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A line of /etc/passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    /// Its login group.
    pub(super) gid: u32,
}

/// The number of a group, by its name.
pub fn group_named(name: &str) -> io::Result<Option<u32>> {
    Ok(find_group(&read(GROUP)?, name))
}

pub(super) fn user_named(name: &str) -> io::Result<Option<User>> {
    Ok(users(&read(PASSWD)?).find(|user| user.name == name))
}

pub(super) fn user_numbered(uid: u32) -> io::Result<Option<User>> {
    Ok(users(&read(PASSWD)?).find(|user| user.uid == uid))
}

/// An image with nothing but this program has no such file, and so nobody in it.
fn read(path: &str) -> io::Result<String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Lines are `name:password:uid:gid:comment:home:shell` (man 5 passwd); others are passed over.
fn users(passwd: &str) -> impl Iterator<Item = User> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(User { name, uid, gid })
    })
}

/// Lines are `name:password:gid:members` (man 5 group); others are passed over.
fn find_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_whole_names() {
        let groups = "root:x:0:\nbroken\ndrain:x:7:anna\ndrain-observer:x:998:\nodd:x:many:\n";
        assert_eq!(find_group(groups, "drain-observer"), Some(998));
        assert_eq!(find_group(groups, "drain"), Some(7));
        assert_eq!((find_group(groups, "odd"), find_group(groups, "nobody")), (None, None));
        let passwd = "root:x:0:0:root:/root:/bin/bash\n+::::::\nodd:x:y:0::\nanna:x:1000:1001:Anna:/home/anna:/bin/sh\n";
        let names: Vec<String> = users(passwd).map(|user| user.name).collect();
        assert_eq!(names, ["root", "anna"]);
        let anna = users(passwd).find(|user| user.name == "anna").expect("there is one");
        assert_eq!((anna.uid, anna.gid), (1_000, 1_001));
    }

    #[test]
    fn root_is_known_everywhere() {
        let root = user_named("root").expect("a file").expect("there is always root");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(user_numbered(0).expect("a file"), Some(root));
        assert_eq!(group_named("root").expect("a file"), Some(0));
        assert_eq!(user_named("no such user").expect("a file"), None);
    }
}
