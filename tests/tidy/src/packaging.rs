//! What is packaged says the same everywhere: which capabilities the daemon may have, where it serves, how much memory it
//! gets, and which version it is.

use crate::Offence;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeSet;

/// The systemd unit.
pub const UNIT: &str = "drain-observer/packaging/drain-observer.service";
/// The Kubernetes manifest.
pub const DAEMON_SET: &str = "drain-observer/packaging/daemonset.yaml";
/// What people are told.
pub const DOCUMENT: &str = "drain-observer/docs/packaging.md";

/// The names of capabilities in a text: `CAP_BPF`.
pub fn capabilities(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_uppercase() && char != '_');
    words.filter(|word| word.starts_with("CAP_")).map(str::to_owned).collect()
}

/// The values of a unit's setting.
pub fn settings<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// The manifest's objects.
///
/// Fails where it is no YAML.
pub fn objects(manifest: &str) -> Result<Vec<Value>> {
    serde_saphyr::from_multiple(manifest).context("the manifest is no YAML")
}

/// What is wrong with the unit: `needs` are the capabilities that the program can use.
pub fn check_unit(unit: &str, needs: &BTreeSet<String>) -> Vec<Offence> {
    let mut offences = Vec::new();
    for set in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        let given = capabilities(&settings(unit, set).join(" "));
        if given != *needs {
            offences.push(differs(UNIT, set, &given, needs));
        }
    }
    offences
}

/// What is wrong with the manifest, beside the unit and the program's version.
pub fn check_manifest(
    objects: &[Value],
    unit: &str,
    version: &str,
    needs: &BTreeSet<String>,
) -> Vec<Offence> {
    let mut offences = Vec::new();
    let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    if kinds != ["Namespace", "ServiceAccount", "DaemonSet"] {
        return vec![offence(format!("its objects are {kinds:?}"))];
    }
    let pod = &objects[2]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    let added = security["capabilities"]["add"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let added: BTreeSet<String> = added.map(|name| format!("CAP_{name}")).collect();
    if added != *needs {
        offences.push(differs(DAEMON_SET, "capabilities.add", &added, needs));
    }
    let memory = settings(unit, "MemoryMax").join(" ") + "i";
    let expected = [
        (
            "namespace of the account",
            &objects[1]["metadata"]["namespace"],
            objects[0]["metadata"]["name"].clone(),
        ),
        (
            "namespace of the set",
            &objects[2]["metadata"]["namespace"],
            objects[0]["metadata"]["name"].clone(),
        ),
        ("serviceAccountName", &pod["serviceAccountName"], objects[1]["metadata"]["name"].clone()),
        (
            "labels",
            &objects[2]["spec"]["template"]["metadata"]["labels"],
            objects[2]["spec"]["selector"]["matchLabels"].clone(),
        ),
        ("automountServiceAccountToken", &pod["automountServiceAccountToken"], false.into()),
        ("hostPID", &pod["hostPID"], true.into()),
        ("tolerations", &pod["tolerations"], serde_json::json!([{"operator": "Exists"}])),
        ("readOnlyRootFilesystem", &security["readOnlyRootFilesystem"], true.into()),
        ("privileged", &security["privileged"], false.into()),
        ("capabilities.drop", &security["capabilities"]["drop"], serde_json::json!(["ALL"])),
        ("limits.memory", &container["resources"]["limits"]["memory"], memory.into()),
        ("livenessProbe", &container["livenessProbe"]["httpGet"]["path"], "/healthz".into()),
        ("readinessProbe", &container["readinessProbe"]["httpGet"]["path"], "/readyz".into()),
        ("image", &container["image"], format!("drain-observer:{version}").into()),
    ];
    for (what, found, expected) in expected {
        if *found != expected {
            offences.push(offence(format!("its {what} is {found}, not {expected}")));
        }
    }
    offences.extend(check_mounts(pod, container));
    offences.extend(check_port(objects, container));
    offences
}

/// Each mount has a volume and each volume a mount, of a directory that the node has or gets.
fn check_mounts(pod: &Value, container: &Value) -> Option<Offence> {
    let names = |list: &Value| -> BTreeSet<String> {
        let all = list.as_array().into_iter().flatten();
        all.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
    };
    let (mounts, volumes) = (names(&container["volumeMounts"]), names(&pod["volumes"]));
    (mounts != volumes || volumes.is_empty())
        .then(|| offence(format!("it mounts {mounts:?} and has the volumes {volumes:?}")))
}

/// The port that is served is the one that is named, probed and scraped.
fn check_port(objects: &[Value], container: &Value) -> Option<Offence> {
    let served = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let served = served.filter_map(|argument| argument.strip_prefix("0.0.0.0:")).next().unwrap_or_default();
    let named = container["ports"][0]["containerPort"].to_string();
    let scraped = &objects[2]["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"];
    let probed = ["startupProbe", "livenessProbe", "readinessProbe"];
    let probed =
        probed.iter().all(|probe| container[probe]["httpGet"]["port"] == container["ports"][0]["name"]);
    (served != named || *scraped != named || !probed)
        .then(|| offence(format!("it serves at port {served}, names {named}, has {scraped} scraped")))
}

fn offence(wrong: String) -> Offence {
    Offence::new(DAEMON_SET, wrong, "see what is right, and mend the other")
}

fn differs(place: &str, what: &str, given: &BTreeSet<String>, needs: &BTreeSet<String>) -> Offence {
    Offence::new(
        place,
        format!("{what} has {given:?}, and the program can use {needs:?}"),
        "give what the program can use, and no more (drain-observer/src/privilege.rs)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn capabilities_are_found_by_name() {
        assert_eq!(
            capabilities("CAP_BPF, `CAP_SYS_ADMIN`: CAPS and CAP_BPF"),
            set(&["CAP_BPF", "CAP_SYS_ADMIN"])
        );
    }

    #[test]
    fn a_unit_gives_what_the_program_can_use() {
        let unit = "AmbientCapabilities=CAP_BPF\nCapabilityBoundingSet=CAP_BPF\n# CAP_SYS_ADMIN\n";
        assert_eq!(check_unit(unit, &set(&["CAP_BPF"])), []);
        assert_eq!(check_unit(unit, &set(&["CAP_BPF", "CAP_SYS_ADMIN"])).len(), 2);
        assert_eq!(check_unit("", &set(&["CAP_BPF"])).len(), 2);
    }

    #[test]
    fn a_manifest_of_other_objects_is_an_offence() {
        let objects = objects("kind: Pod\n---\nkind: Service\n").expect("YAML");
        let offences = check_manifest(&objects, "", "1", &set(&[]));
        assert!(offences[0].wrong.contains("Pod"), "{offences:?}");
        assert!(super::objects("a: [").is_err());
    }

    #[test]
    fn a_manifest_that_differs_is_an_offence() {
        let manifest = include_str!("../../../drain-observer/packaging/daemonset.yaml");
        let unit = include_str!("../../../drain-observer/packaging/drain-observer.service");
        let needs = capabilities(&settings(unit, "AmbientCapabilities").join(" "));
        let offences = |manifest: &str| {
            check_manifest(&objects(manifest).expect("YAML"), unit, env!("CARGO_PKG_VERSION"), &needs)
        };
        assert_eq!(offences(manifest), []);
        for (right, wrong) in [
            ("hostPID: true", "hostPID: false"),
            ("\"SYS_ADMIN\"]", "\"NET_ADMIN\"]"),
            ("drop: [\"ALL\"]", "drop: []"),
            ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
            ("memory: 512Mi", "memory: 64Mi"),
            ("containerPort: 9931", "containerPort: 80"),
            ("path: /readyz", "path: /healthz"),
            ("- name: journal\n              mountPath", "- name: other\n              mountPath"),
        ] {
            assert!(manifest.contains(right), "{right}");
            assert!(!offences(&manifest.replace(right, wrong)).is_empty(), "{wrong}");
        }
    }
}
