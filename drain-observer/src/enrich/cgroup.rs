//! What a control group's path says: systemd unit, container, pod.

use crate::event::{Pod, QosClass};

/// A process's control groups, from the lines `hierarchy:controllers:path` of /proc/PID/cgroup (man 7
/// cgroups).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Cgroups {
    /// Path in the v2 hierarchy (`0::`).
    pub unified: Option<String>,
    /// Path in v1's `name=systemd` hierarchy, or in another named one where there is no such.
    pub named: Option<String>,
    /// The first path of a v1 controller that is not the root: runtimes may use cgroups without systemd.
    pub controller: Option<String>,
}

impl Cgroups {
    /// Reads the content of /proc/PID/cgroup; lines that make no sense are passed over.
    pub fn parse(content: &[u8]) -> Cgroups {
        let mut cgroups = Cgroups::default();
        for line in String::from_utf8_lossy(content).lines() {
            // The path may hold colons.
            let mut fields = line.splitn(3, ':');
            let (Some(hierarchy), Some(controllers), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let path = path.strip_suffix(DELETED).unwrap_or(path);
            let slot = match controllers {
                "" if hierarchy == "0" => &mut cgroups.unified,
                "name=systemd" => {
                    cgroups.named = Some(path.to_owned());
                    continue;
                }
                _ if controllers.starts_with("name=") => &mut cgroups.named,
                _ if path == ROOT => continue,
                _ => &mut cgroups.controller,
            };
            slot.get_or_insert_with(|| path.to_owned());
        }
        cgroups
    }

    /// The path that tells most, of v2, systemd's hierarchy and a controller's: the first in a container, else the first
    /// below the root.
    pub fn path(&self) -> Option<&str> {
        let all = [&self.unified, &self.named, &self.controller].into_iter().flatten();
        // Where v2 lies beside v1, runtimes put a container into v1's cgroups and may leave it in their own unit in v2.
        let mut contained = all.clone().filter(|path| container(path).is_some());
        let mut below = all.filter(|path| *path != ROOT);
        let found = contained.next().or_else(|| below.next());
        found.or(self.unified.as_ref()).or(self.named.as_ref()).map(String::as_str)
    }
}

/// A container named by its control group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContainerRef {
    /// Who runs it, as far as the path tells.
    pub runtime: Runtime,
    /// Its id, in lower-case hexadecimal digits.
    pub id: String,
}

/// Container runtimes that name themselves in their paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// Docker, also under another cgroup parent.
    Docker,
    /// containerd, by CRI or nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman and other users of libpod.
    Podman,
    /// The path has an id and no name, as under the kubelet's cgroupfs driver.
    Unknown,
}

impl Runtime {
    /// The name to show.
    pub fn as_str(self) -> &'static str {
        match self {
            Runtime::Docker => "docker",
            Runtime::Containerd => "containerd",
            Runtime::CriO => "cri-o",
            Runtime::Podman => "podman",
            Runtime::Unknown => "unknown",
        }
    }
}

/// The innermost systemd service, socket or scope of a path, of the system or of a user's manager, that what runs there
/// is restarted with.
///
/// A container's own scope (`docker-ID.scope`) is none, and what lies around a container is its runtime's:
/// containerd.service and a user's manager restart without it. But podman told to stay in the unit that started it
/// (`--cgroups=split`, as Quadlet has it) says so in the name, and is restarted with that unit.
pub fn unit(path: &str) -> Option<String> {
    let mut rest = path.strip_suffix(DELETED).unwrap_or(path);
    while let Some((outer, name)) = rest.rsplit_once('/') {
        let in_its_unit = name.starts_with(PAYLOAD);
        if !in_its_unit && ends_in_id(name) {
            return None;
        }
        // systemd puts `_` before names that would collide with the kernel's own files (cg_escape).
        let name = name.strip_prefix('_').unwrap_or(name);
        if is_unit(name) {
            return Some(name.to_owned());
        }
        rest = outer;
    }
    None
}

/// The innermost container of a path, in the shapes of the systemd and cgroupfs drivers.
pub fn container(path: &str) -> Option<ContainerRef> {
    let path = path.strip_suffix(DELETED).unwrap_or(path);
    let mut rest = path;
    while let Some((outer, name)) = rest.rsplit_once('/') {
        if let Some(found) = named_container(name).or_else(|| bare_container(outer, name)) {
            return Some(found);
        }
        rest = outer;
    }
    None
}

/// The innermost Kubernetes pod of a path, and the class that the kubelet put it into.
pub fn pod(path: &str) -> Option<Pod> {
    let mut rest = path;
    while let Some((outer, name)) = rest.rsplit_once('/') {
        if let Some(found) = name.split(':').find_map(|name| named_pod(outer, name)) {
            return Some(found);
        }
        rest = outer;
    }
    None
}

const ROOT: &str = "/";
/// The kernel's mark on the path of a removed cgroup.
const DELETED: &str = " (deleted)";

/// What stands before the id in the names that runtimes give their cgroups.
const PREFIXES: [(&str, Runtime); 6] = [
    ("docker", Runtime::Docker),
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("crio", Runtime::CriO),
    ("libpod", Runtime::Podman),
    ("libpod-payload", Runtime::Podman),
];

/// How the cgroup of a container begins that podman has put into the unit that started it.
const PAYLOAD: &str = "libpod-payload-";

/// Containers' full ids: 32 bytes in hexadecimal.
const ID_DIGITS: usize = 64;

/// `docker-ID.scope`, `libpod-ID`, and `SLICE:cri-containerd:ID` where containerd got a systemd path with
/// the cgroupfs driver.
fn named_container(name: &str) -> Option<ContainerRef> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = match name.rsplit_once(':') {
        Some((rest, id)) => (rest.rsplit_once(':').map_or(rest, |(_, prefix)| prefix), id),
        None => name.rsplit_once('-')?,
    };
    let (_, runtime) = PREFIXES.into_iter().find(|(known, _)| *known == prefix)?;
    is_id(id).then(|| ContainerRef { runtime, id: id.to_owned() })
}

/// `burstable/pod<uid>` under cgroupfs, `kubepods-burstable-pod<uid with underscores>.slice` under systemd, where
/// more may stand before it. What has neither class in its name or its parent's is guaranteed.
fn named_pod(outer: &str, name: &str) -> Option<Pod> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let (class, uid) = match name.strip_prefix("pod") {
        Some(uid) => (outer.rsplit('/').next().unwrap_or_default(), uid),
        None => {
            let (slices, uid) = name.rsplit_once("-pod")?;
            slices.split('-').any(|slice| slice == "kubepods").then_some(())?;
            (slices.rsplit('-').next().unwrap_or_default(), uid)
        }
    };
    let qos = match class {
        "burstable" => QosClass::Burstable,
        "besteffort" => QosClass::BestEffort,
        _ => QosClass::Guaranteed,
    };
    let uid = uid.replace('_', "-");
    is_pod_uid(&uid).then_some(Pod { uid, qos })
}

/// `/docker/ID` and an id of full length under any other parent.
fn bare_container(outer: &str, name: &str) -> Option<ContainerRef> {
    if !is_id(name) {
        return None;
    }
    let by_docker = outer.split('/').any(|name| name == "docker");
    let runtime = if by_docker { Runtime::Docker } else { Runtime::Unknown };
    Some(ContainerRef { runtime, id: name.to_owned() })
}

/// As names of scopes and cgroups do that a runtime makes for a container, or for what it keeps beside one (conmon).
fn ends_in_id(name: &str) -> bool {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    is_id(name.rsplit(['-', ':']).next().unwrap_or(name))
}

fn is_unit(name: &str) -> bool {
    [".service", ".socket", ".scope"]
        .into_iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(is_hex)
}

/// A UUID, or the 32 digits of a static pod's hash.
fn is_pod_uid(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && text.bytes().all(|byte| is_hex(byte) || byte == b'-')
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "1f2e3d4c-0000-4aaa-8bbb-123456789abc";
    const UID_: &str = "1f2e3d4c_0000_4aaa_8bbb_123456789abc";

    fn fill(path: &str) -> String {
        path.replace("ID", ID).replace("UU_", UID_).replace("UU", UID)
    }

    #[test]
    fn units_are_the_innermost_of_their_kind() {
        for (path, expected) in [
            ("/system.slice/puma.service", Some("puma.service")),
            ("/system.slice/system-puma.slice/puma@1.service", Some("puma@1.service")),
            ("/system.slice/puma.service/worker", Some("puma.service")),
            ("/system.slice/puma.service (deleted)", Some("puma.service")),
            ("/system.slice/ssh.socket", Some("ssh.socket")),
            ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", Some("web.service")),
            ("/user.slice/user-1000.slice/user@1000.service/init.scope", Some("init.scope")),
            ("/system.slice/docker-ID.scope", None),
            ("/system.slice/docker-ID.scope/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/docker.service", Some("docker.service")),
            ("/docker/ID/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/web.service/libpod-payload-ID", Some("web.service")),
            ("/system.slice/web.service/libpod-payload-ID/container", Some("web.service")),
            ("/system.slice/web.service/runtime", Some("web.service")),
            ("/machine.slice/libpod-ID.scope/container", None),
            ("/machine.slice/libpod-conmon-ID.scope", None),
            ("/machine.slice/systemd-nspawn@web.service/payload", Some("systemd-nspawn@web.service")),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", None),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/docker.service/ID", None),
            ("/system.slice/containerd.service/kubepods-burstable-podUU_.slice:cri-containerd:ID", None),
            ("/kubepods.slice/kubepods-podUU_.slice/crio-ID.scope/container", None),
            ("/kubepods.slice/kubepods-podUU_.slice/cri-containerd-ID.scope/init.scope", Some("init.scope")),
            ("/system.slice/_cgroup.service", Some("cgroup.service")),
            ("/system.slice/dev-hugepages.mount", None),
            ("/system.slice/.service", None),
            ("/system.slice", None),
            ("/docker/ID", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(unit(&fill(path)), expected.map(fill), "{path}");
        }
    }

    #[test]
    fn containers_are_known_in_every_shape() {
        use Runtime::*;
        for (path, expected) in [
            ("/system.slice/docker-ID.scope", Some(Docker)),
            ("/docker/ID", Some(Docker)),
            ("/docker/ID (deleted)", Some(Docker)),
            ("/docker/ID/init.scope", Some(Docker)),
            ("/docker/ID/system.slice/nginx.service", Some(Docker)),
            ("/my.slice/docker-ID.scope", Some(Docker)),
            ("/system.slice:docker:ID", Some(Docker)),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUU_.slice/cri-containerd-ID.scope",
                Some(Containerd),
            ),
            (
                "/system.slice/containerd.service/kubepods-burstable-podUU_.slice:cri-containerd:ID",
                Some(Containerd),
            ),
            ("/system.slice/nerdctl-ID.scope", Some(Containerd)),
            ("/kubepods.slice/kubepods-podUU_.slice/crio-ID.scope", Some(CriO)),
            ("/kubepods.slice/kubepods-podUU_.slice/crio-ID.scope/container", Some(CriO)),
            ("/kubepods/burstable/podUU/crio-ID", Some(CriO)),
            ("/kubepods.slice/kubepods-podUU_.slice/crio-conmon-ID.scope", None),
            ("/machine.slice/libpod-ID.scope", Some(Podman)),
            ("/machine.slice/libpod-ID.scope/container", Some(Podman)),
            ("/libpod_parent/libpod-ID", Some(Podman)),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                Some(Podman),
            ),
            ("/system.slice/web.service/libpod-payload-ID", Some(Podman)),
            ("/machine.slice/libpod-conmon-ID.scope", None),
            ("/kubepods/burstable/podUU/ID", Some(Unknown)),
            ("/ecs/0a1b2c3d/ID", Some(Unknown)),
            ("/default/ID", Some(Unknown)),
            ("/system.slice/docker.service", None),
            ("/system.slice/docker-0123.scope", None),
            ("/docker", None),
            ("/", None),
            ("", None),
        ] {
            let expected = expected.map(|runtime| ContainerRef { runtime, id: ID.to_owned() });
            assert_eq!(container(&fill(path)), expected, "{path}");
        }
    }

    #[test]
    fn nested_containers_are_named_by_the_inner_one() {
        let inner = "f".repeat(64);
        let path =
            format!("/docker/{ID}/kubepods.slice/kubepods-pod{UID_}.slice/cri-containerd-{inner}.scope");
        let expected = ContainerRef { runtime: Runtime::Containerd, id: inner };
        assert_eq!(container(&path), Some(expected));
    }

    #[test]
    fn pods_are_written_as_kubernetes_does() {
        use QosClass::*;
        let hash = "0123456789abcdef0123456789abcdef";
        for (path, expected) in [
            ("/kubepods/burstable/podUU/ID", Some((UID, Burstable))),
            ("/kubepods/besteffort/podUU/ID", Some((UID, BestEffort))),
            ("/kubepods/podUU", Some((UID, Guaranteed))),
            ("/kubepods.slice/kubepods-podUU_.slice/crio-ID.scope", Some((UID, Guaranteed))),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUU_.slice/docker-ID.scope",
                Some((UID, BestEffort)),
            ),
            (
                "/system.slice/containerd.service/kubepods-burstable-podUU_.slice:cri-containerd:ID",
                Some((UID, Burstable)),
            ),
            ("/kubepods/pod0123456789abcdef0123456789abcdef/ID", Some((hash, Guaranteed))),
            (
                "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
                 kubelet-kubepods-burstable-podUU_.slice/cri-containerd-ID.scope",
                Some((UID, Burstable)),
            ),
            ("/machine.slice/other-podUU_.slice", None),
            ("/kubepods.slice/kubepods-burstable.slice", None),
            ("/user.slice/podman.service", None),
            ("/", None),
        ] {
            let expected = expected.map(|(uid, qos)| Pod { uid: uid.to_owned(), qos });
            assert_eq!(pod(&fill(path)), expected, "{path}");
        }
    }

    #[test]
    fn lines_of_all_layouts_are_read() {
        let parse = |lines: &str| Cgroups::parse(lines.as_bytes());
        let v2 = parse("0::/system.slice/puma.service\n");
        assert_eq!(v2.path(), Some("/system.slice/puma.service"));
        let v1 = parse("12:memory:/docker/x\n2:cpu,cpuacct:/docker/y\n1:name=systemd:/docker/x\n");
        assert_eq!(v1.named.as_deref(), Some("/docker/x"));
        assert_eq!((v1.controller.as_deref(), v1.unified.as_deref()), (Some("/docker/x"), None));
        let hybrid = parse("9:name=systemd:/\n8:pids:/\n4:memory:/pool/a:b\n0::/\n");
        assert_eq!(hybrid.path(), Some("/pool/a:b"), "the only path below the root");
        let in_its_runtime = format!("1:name=systemd:/docker/{ID}\n0::/system.slice/containerd.service\n");
        assert_eq!(parse(&in_its_runtime).path(), Some(&*format!("/docker/{ID}")), "v1 knows the container");
        let named = parse("3:name=elogind:/1\n2:name=systemd:/2\n");
        assert_eq!(named.named.as_deref(), Some("/2"));
        assert_eq!(parse("0::/gone (deleted)\n").path(), Some("/gone"));
        assert_eq!(parse("0::/\n").path(), Some("/"));
        assert_eq!(parse("\nnonsense\n1:x\n"), Cgroups::default());
        assert_eq!(parse("").path(), None);
    }
}
