//! Looks at listeners of these tests' own.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{UnixListener as Listener, UnixStream};
use std::path::Path;

use super::*;

fn path(path: &Path) -> UnixPath {
    UnixPath::new(path.as_os_str().as_bytes())
}

#[test]
fn what_opens_and_closes_is_told_once() {
    let dir = tempfile::tempdir().expect("a directory for sockets");
    let (first, second) = (dir.path().join("1"), dir.path().join("2"));
    let scope = UnixScope::Paths([path(&first), path(&second)].into());
    let mut watch = UnixWatch::new(scope);
    let old = Listener::bind(&first).expect("a listener");
    let (_, found, notes) = watch.look_around();
    let [seen] = found.as_slice() else { panic!("one of the wanted ones: {found:?}") };
    assert_eq!((seen.holders.as_slice(), notes), (&[std::process::id()][..], Vec::new()));
    assert!(watch.look_again(false).events.is_empty(), "too early");

    let _waits = UnixStream::connect(&first).expect("a connection");
    drop(old);
    let _new = Listener::bind(&second).expect("a listener");
    let looked = watch.look(None);
    let [closed, opened] = looked.events.as_slice() else { panic!("two changes: {looked:?}") };
    let Kind::UnixClosed(closed) = closed.event else { panic!("closed: {closed:?}") };
    assert_eq!((closed.key, closed.cookie, closed.queue), (seen.key, seen.cookie, 0));
    let Kind::UnixOpened(UnixOpened { since, seen }) = &opened.event else { panic!("opened: {opened:?}") };
    assert!(*since < opened.at);
    assert_eq!(seen.key.local, path(&second).into());
    assert!(watch.look(None).events.is_empty());
    assert_eq!(watch.queues().len(), 1);
}

#[test]
fn a_client_is_told_where_its_name_leads_to() {
    let dir = tempfile::tempdir().expect("a directory for sockets");
    let place = dir.path().join("s");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).expect("a link");
    let mut watch = UnixWatch::new(UnixScope::Paths([path(&place)].into()));
    let listener = Listener::bind(&place).expect("a listener");
    let (_, found, _) = watch.look_around();
    drop(listener);
    watch.look(None);
    let refused = |name: &Path, pid| UnixRefused {
        client: Task { pid, ..Task::default() },
        netns: found[0].key.netns,
        path: Some(path(name)),
        place: None,
        file: None,
        full: false,
    };
    for (name, pid) in
        [(&place, std::process::id()), (&link.join("s"), std::process::id()), (&place, u32::MAX)]
    {
        let mut refused = refused(name, pid);
        watch.resolve(&mut refused);
        assert_eq!(refused.place, Some(found[0].key), "{name:?} for {pid}");
        assert_eq!(refused.file, (pid != u32::MAX).then_some(true), "a socket file stays");
    }
    let mut other = refused(&dir.path().join("other"), std::process::id());
    watch.resolve(&mut other);
    assert_eq!(other.place, None);
}

#[test]
fn a_listener_that_clients_found_first_is_awaited() {
    let dir = tempfile::tempdir().expect("a directory for sockets");
    let place = dir.path().join("s");
    let mut watch = UnixWatch::new(UnixScope::Paths([path(&place)].into()));
    watch.look(None);
    // Nothing is looked for again at once.
    watch.looked = Some(Look { ended: Instant::now(), took: Duration::from_secs(3_600) });
    let listener = Listener::bind(&place).expect("a listener");
    let inode = rustix::fs::fstat(&listener).expect("a socket").st_ino;
    let told_at = clock::boot_ns();
    // As it may have been bound: by its name in there.
    for name in [path(&place), UnixPath::new(b"s"), UnixPath::new(b"./s")] {
        let told = UnixListener {
            sk: 1,
            binding: 2,
            inode,
            file_inode: 0,
            netns: 0,
            path: Some(name),
            client: Task::default(),
            queue: 1,
            limit: 128,
        };
        assert!(watch.saw(told_at, &told).events.is_empty());
        assert!(watch.awaits(2) && !watch.awaits(3) && !watch.awaits(0), "{name:?}");
    }
    let other = UnixPath::new(b"other");
    assert!(!watch.is_of_interest(&other));

    let looked = watch.look_now();
    let [opened, told] = looked.events.as_slice() else { panic!("it and what was told: {looked:?}") };
    assert!(matches!(opened.event, Kind::UnixOpened(_)), "{opened:?}");
    assert!(matches!(told.event, Kind::UnixListener(_)), "{told:?}");
    assert_eq!(opened.at, told_at, "it was there when a client found it");
    assert!(!watch.awaits(2));
}
