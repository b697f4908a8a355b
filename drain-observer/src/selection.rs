//! Which services are of interest: the selection flags, alike in every subcommand and kept in the journal's header.
//!
//! The same flag given twice means either; different flags mean all of them together, but for ports and paths: no
//! listener has both, so they are one list.

use crate::correlate::{ConnectionFact, MemberFact, ServiceFact};
use crate::event::{Attribution, ListenerKey, Local, Pod, UnixPath};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Not `next_help_heading`, which would also take the options after these.
const HEADING: &str = "Selection (default: every listener)";

/// Which services are of interest. Empty = all.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Services that listen on this port; repeatable
    #[arg(help_heading = HEADING, short = 'P', long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Services that listen at this path of a unix socket, as reports show it: /run/puma.sock, or @NAME where it is
    /// abstract; a relative one counts from the current directory; repeatable
    #[arg(help_heading = HEADING, long = "path", value_name = "PATH", value_parser = parse_path)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<UnixPath>,
    /// Services of which this process is or was a part; repeatable
    #[arg(help_heading = HEADING, short = 'p', long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<u32>,
    /// Leave unix sockets out: they are not watched, which costs programs that use many of them a little
    #[arg(help_heading = HEADING, long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tcp_only: bool,
    /// Services of this name, with or without the `:PORT` (or `:SOCKET`) at its end; repeatable
    #[arg(help_heading = HEADING, long = "service", value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Services with a process of this name (as `ps -o comm` has it); repeatable
    #[arg(help_heading = HEADING, long = "comm", value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comms: Vec<String>,
    /// Services of this systemd unit (`puma` means `puma.service`); repeatable
    #[arg(help_heading = HEADING, long = "unit", value_name = "UNIT")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Services in this container: its id or the beginning of it, with or without `docker:` and the like; repeatable
    #[arg(help_heading = HEADING, long = "container", value_name = "ID")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// Services in this Kubernetes pod: its uid or the beginning of it; repeatable
    #[arg(help_heading = HEADING, long = "pod", value_name = "UID")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// Services that listen in this network namespace: the number in `readlink /proc/PID/ns/net`; repeatable
    #[arg(help_heading = HEADING, long = "netns", value_name = "INODE", value_parser = parse_netns)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub netns: Vec<u32>,
}

impl Selection {
    /// Whether everything is selected.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether nothing but ports was asked for, so that the kernel can leave out the others.
    pub fn is_only_ports(&self) -> bool {
        !self.ports.is_empty() && Self { ports: Vec::new(), tcp_only: false, ..self.clone() }.is_all()
    }

    /// Whether a service is selected, by what it is now.
    pub fn matches_service(&self, service: &ServiceFact) -> bool {
        self.matches_service_and(service, [])
    }

    /// Whether a service is selected, by what it is now or by processes that it had before: a container is another one
    /// after its restart.
    pub fn matches_service_and<'a>(
        &self,
        service: &'a ServiceFact,
        past: impl IntoIterator<Item = &'a MemberFact>,
    ) -> bool {
        let members: Vec<&MemberFact> = service.processes.iter().chain(past).collect();
        let masters = || members.iter().filter(|member| member.master);
        let belongs = |fits: &dyn Fn(&Attribution) -> bool| {
            fits(&service.attribution)
                || masters().filter_map(|master| master.attribution.as_deref()).any(fits)
        };
        self.matches_listeners(service)
            && any(&self.services, |name| is_name(name, service))
            && any(&self.units, |unit| belongs(&|to| is_unit(unit, to.unit.as_deref())))
            && any(&self.containers, |container| {
                belongs(&|to| is_container(container, to.container.as_deref()))
            })
            && any(&self.pods, |pod| belongs(&|to| is_pod(pod, to.pod.as_ref())))
            && any(&self.pids, |pid| members.iter().any(|member| member.pid == *pid))
            && any(&self.comms, |comm| members.iter().any(|member| is_comm(comm, member.comm.as_str())))
    }

    /// Whether a connection that belongs to no known service is selected.
    pub fn matches_stray(&self, connection: &ConnectionFact) -> bool {
        let process = connection.process.as_ref();
        self.services.is_empty()
            && self.units.is_empty()
            && self.containers.is_empty()
            && self.pods.is_empty()
            && self.is_local(&connection.local)
            && any(&self.netns, |netns| *netns == connection.netns)
            && any(&self.pids, |pid| process.is_some_and(|task| task.pid == *pid))
            && any(&self.comms, |comm| process.is_some_and(|task| is_comm(comm, task.comm.as_str())))
    }

    /// Whether a listener of a selected service is itself selected: a service may have others.
    pub fn matches_place(&self, key: &ListenerKey) -> bool {
        self.is_local(&key.local) && any(&self.netns, |netns| *netns == key.netns)
    }

    fn is_local(&self, local: &Local) -> bool {
        let any_place = self.ports.is_empty() && self.paths.is_empty();
        match local {
            Local::Inet(endpoint) => any_place || self.ports.contains(&endpoint.port),
            Local::Unix(path) => !self.tcp_only && (any_place || self.paths.contains(path)),
        }
    }

    /// Place and namespace have to be one listener's, not two listeners'.
    fn matches_listeners(&self, service: &ServiceFact) -> bool {
        let any_place = self.ports.is_empty() && self.paths.is_empty() && self.netns.is_empty();
        // Of one that has none any more it is not known that they were paths.
        any_place && (!self.tcp_only || service.listeners.is_empty())
            || service.listeners.iter().any(|listener| self.matches_place(&listener.key))
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        let places: Vec<String> =
            [words("port", &self.ports), words("path", &self.paths)].into_iter().flatten().collect();
        parts.extend((!places.is_empty()).then(|| places.join(" or ")));
        parts.extend(words("pid", &self.pids));
        parts.extend(words("service", &self.services));
        parts.extend(words("comm", &self.comms));
        parts.extend(words("unit", &self.units));
        parts.extend(words("container", &self.containers));
        parts.extend(words("pod", &self.pods));
        parts.extend(words("netns", &self.netns));
        parts.extend(self.tcp_only.then(|| "TCP only".to_owned()));
        if parts.is_empty() { f.write_str("every listener") } else { f.write_str(&parts.join(" and ")) }
    }
}

fn words<T: fmt::Display>(what: &str, values: &[T]) -> Option<String> {
    let values: Vec<String> = values.iter().map(T::to_string).collect();
    (!values.is_empty()).then(|| format!("{what} {}", values.join(" or ")))
}

/// Whether any of the wanted values fits; none wanted = all fit.
fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

/// With or without the place at its end: containers have colons in their names, too.
fn is_name(wanted: &str, service: &ServiceFact) -> bool {
    let name = service.name.as_str();
    let without_path = service.listeners.iter().find_map(|listener| {
        let socket = listener.key.local.path()?.last_component().to_string();
        name.strip_suffix(&socket)?.strip_suffix(':')
    });
    let of_unit = wanted.strip_suffix(".service").filter(|_| service.attribution.unit.is_some());
    !wanted.is_empty()
        && (name == wanted
            || of_unit == Some(name)
            || without_port(name) == Some(wanted)
            || without_path == Some(wanted))
}

/// A port is what follows the last colon, if it is a number.
fn without_port(name: &str) -> Option<&str> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once(':').filter(|(_, port)| is_port(port)).map(|(name, _)| name)
}

/// The kernel keeps the first 15 bytes of a name.
fn is_comm(wanted: &str, comm: &str) -> bool {
    !wanted.is_empty() && crate::event::Comm::new(wanted.as_bytes()).as_str() == comm
}

fn is_unit(wanted: &str, unit: Option<&str>) -> bool {
    unit.is_some_and(|unit| unit == wanted || unit.strip_suffix(".service") == Some(wanted))
}

fn is_container(wanted: &str, container: Option<&str>) -> bool {
    let Some(container) = container else { return false };
    let id = container.split_once(':').map_or(container, |(_, id)| id);
    !wanted.is_empty() && (container.starts_with(wanted) && wanted.contains(':') || id.starts_with(wanted))
}

fn is_pod(wanted: &str, pod: Option<&Pod>) -> bool {
    !wanted.is_empty() && pod.is_some_and(|pod| pod.uid.starts_with(wanted))
}

/// Reports show whole paths, also of sockets that were bound by relative names.
fn parse_path(text: &str) -> Result<UnixPath, String> {
    let path: UnixPath = text.parse()?;
    if path.is_abstract() || path.as_bytes().starts_with(b"/") {
        return Ok(path);
    }
    let here = std::env::current_dir().map_err(|error| format!("{error}; give the whole path"))?;
    let whole: PathBuf = here.join(OsStr::from_bytes(path.as_bytes())).components().collect();
    let bytes = whole.as_os_str().as_bytes();
    if bytes.len() > UnixPath::MAX {
        return Err(format!("{} is longer than a socket's path can be", whole.display()));
    }
    Ok(UnixPath::new(bytes))
}

fn parse_netns(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match digits.parse() {
        Ok(inode) if inode > 0 => Ok(inode),
        _ => Err("give the number that `readlink /proc/PID/ns/net` shows, as 4026531840 or net:[4026531840]"
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        selection: Selection,
    }

    fn parse(args: &[&str]) -> Result<Selection, String> {
        let args = std::iter::once(&"test").chain(args);
        Cli::try_parse_from(args).map(|cli| cli.selection).map_err(|error| error.to_string())
    }

    fn matches(args: &[&str]) -> bool {
        let snapshot = fixture::lossy();
        let past = snapshot.restarts.iter().flat_map(|restart| restart.old.iter());
        parse(args).expect("good arguments").matches_service_and(&snapshot.services[0], past)
    }

    #[test]
    fn flags_select_services() {
        assert!(matches(&[]));
        assert!(
            matches(&["-P", "8080"]) && matches(&["-P", "1", "--port", "8080"]) && !matches(&["-P", "80"])
        );
        assert!(matches(&["-p", "1000"]), "a process that is gone");
        assert!(matches(&["--pid", "2000"]) && !matches(&["-p", "1"]));
        let named = |name: &str, wanted: &str| {
            let service = fixture::lossy().services.remove(0);
            is_name(wanted, &ServiceFact { name: name.to_owned(), ..service })
        };
        for (name, fits) in [("puma", true), ("puma.service", false), ("Puma", false), ("", false)] {
            assert_eq!(named("puma:8080", name), fits, "{name}");
        }
        assert!(named("puma:8080", "puma:8080") && named("puma.service", "puma.service"));
        assert!(named("docker:7", "docker:7") && !named("docker:7a", "docker"));
        let name = fixture::lossy().services[0].name.clone();
        assert!(matches(&["--service", &name]) && matches(&["--service", "x", "--service", &name]));
        assert!(!matches(&["--service", "x"]));
        assert!(matches(&["--comm", "ruby"]) && !matches(&["--comm", "rub"]));
        assert!(
            matches(&["--unit", "puma"])
                && matches(&["--unit", "puma.service"])
                && !matches(&["--unit", "pum"])
        );
        assert!(matches(&["--container", "docker:0123"]) && matches(&["--container", "0123ab"]));
        assert!(!matches(&["--container", "123"]) && !matches(&["--container", "dock"]));
        assert!(
            matches(&["--pod", "1f2e3d4c"]) && !matches(&["--pod", "burstable"]) && !matches(&["--pod", ""])
        );
        let mut snapshot = fixture::lossy();
        let old = Attribution { container: Some("docker:9999".into()), ..Attribution::default() };
        snapshot.restarts[0].old[0].attribution = Some(Box::new(old));
        let past = || snapshot.restarts[0].old.iter();
        let container = parse(&["--container", "9999"]).expect("a container");
        assert!(container.matches_service_and(&snapshot.services[0], past()), "the one that was replaced");
        assert!(!container.matches_service(&snapshot.services[0]));
        assert!(matches(&["--netns", "net:[4026531840]"]) && !matches(&["--netns", "7"]));
        assert!(!matches(&["-P", "8080", "--unit", "other"]), "different flags: all of them");
        assert!(parse(&[]).expect("nothing is fine").is_all());
        assert!(parse(&["-P", "1"]).expect("a port").is_only_ports());
        assert!(parse(&["-P", "1", "--tcp-only"]).expect("a port").is_only_ports());
        assert!(!parse(&["-P", "1", "-p", "2"]).expect("both").is_only_ports());
    }

    #[test]
    fn paths_select_as_ports_do() {
        let mut service = fixture::lossy().services.remove(0);
        let mut second = service.listeners[0].clone();
        second.key.local = UnixPath::new(b"/run/puma.sock").into();
        service.listeners.push(second);
        let matches = |args: &[&str]| parse(args).expect("good arguments").matches_service(&service);
        assert!(matches(&["--path", "/run/puma.sock"]) && matches(&["-P", "8080"]));
        assert!(matches(&["--path", "/run/other.sock", "-P", "8080"]), "either place");
        assert!(!matches(&["--path", "/run/other.sock"]) && !matches(&["--path", "puma.sock"]));
        assert!(!matches(&["--path", "@/run/puma.sock"]), "an abstract name is another");
        let here = std::env::current_dir().expect("a directory to be in");
        let relative = parse(&["--path", "./tmp/puma.sock"]).expect("good arguments").paths;
        assert_eq!(relative, [UnixPath::new(here.join("tmp/puma.sock").as_os_str().as_bytes())]);
        let path = service.listeners[1].key;
        let tcp_only = parse(&["--tcp-only"]).expect("a flag");
        assert!(tcp_only.matches_service(&service) && !tcp_only.matches_place(&path));
        service.listeners.remove(0);
        assert!(!tcp_only.matches_service(&service), "it has paths alone");
        assert!(tcp_only.matches_service(&ServiceFact { listeners: Vec::new(), ..service.clone() }));
        assert!(!parse(&["-P", "8080"]).expect("a port").matches_place(&path));
        service.name = "puma:puma.sock".into();
        for (name, fits) in [("puma", true), ("puma:puma.sock", true), ("puma:puma", false)] {
            assert_eq!(is_name(name, &service), fits, "{name}");
        }
    }

    #[test]
    fn bad_values_say_what_is_right() {
        assert!(parse(&["-P", "65536"]).expect_err("too large").contains("65536 is not in 1..=65535"));
        assert!(parse(&["-P", "0"]).expect_err("no port").contains("0 is not in 1..=65535"));
        assert!(parse(&["--path", ""]).expect_err("no path").contains("as /run/puma.sock"));
        assert!(parse(&["--netns", "blue"]).expect_err("a name").contains("readlink /proc/PID/ns/net"));
    }

    #[test]
    fn it_reads_as_words() {
        let selection = parse(&["-P", "80", "-P", "81", "--unit", "a"]).expect("good arguments");
        assert_eq!(selection.to_string(), "port 80 or 81 and unit a");
        let selection = parse(&["-P", "80", "--path", "@a", "--path", "/b"]).expect("good arguments");
        assert_eq!(selection.to_string(), "port 80 or path @a or /b");
        let selection = parse(&["-P", "80", "--tcp-only"]).expect("good arguments");
        assert_eq!(selection.to_string(), "port 80 and TCP only");
        assert_eq!(Selection::default().to_string(), "every listener");
    }
}
