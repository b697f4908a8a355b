//! What a process belongs to besides its service.

use serde::{Deserialize, Serialize};

const SERVICE: &str = ".service";
/// Digits of a container's id.
const SHORT_ID: usize = 12;

/// What a process's control group says that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Innermost systemd unit: the one that it is restarted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Innermost container, as `runtime:id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Kubernetes pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
}

/// A Kubernetes pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its uid, with dashes; of a static pod, the digits of its hash.
    pub uid: String,
    /// Its quality of service class.
    pub qos: QosClass,
}

/// What the kubelet promises to a pod, by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QosClass {
    /// Its limits are its requests.
    Guaranteed,
    /// Some of its containers ask for something.
    Burstable,
    /// It asks for nothing.
    BestEffort,
}

impl Attribution {
    /// Whether it belongs to nothing of the kind.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a person calls it by: the systemd service without `.service`, else the container as `docker ps` shows it.
    pub fn name(&self) -> Option<String> {
        let service = self.service_unit().and_then(|unit| unit.strip_suffix(SERVICE));
        service.map(str::to_owned).or_else(|| self.container.as_deref().map(short_container))
    }

    /// The unit, if that can be restarted. A scope can't: whatever was started in a login session lies in one.
    pub fn service_unit(&self) -> Option<&str> {
        self.unit.as_deref().filter(|unit| unit.ends_with(SERVICE))
    }
}

/// A container, written `runtime:id`, with as much of its id as people use.
pub fn short_container(container: &str) -> String {
    let id = container.find(':').map_or(0, |colon| colon + 1);
    let end = container[id..].char_indices().nth(SHORT_ID).map_or(container.len(), |(end, _)| id + end);
    container[..end].to_owned()
}

impl QosClass {
    /// The word that JSON and text have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "guaranteed",
            Self::Burstable => "burstable",
            Self::BestEffort => "best_effort",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_name_before_containers_and_scopes_do_not() {
        let name = |unit: Option<&str>, container: Option<&str>| {
            let (unit, container) = (unit.map(str::to_owned), container.map(str::to_owned));
            Attribution { unit, container, pod: None }.name()
        };
        let id = "docker:0123456789abcdef0123456789abcdef";
        assert_eq!(name(Some("puma@1.service"), None).as_deref(), Some("puma@1"));
        assert_eq!(name(Some("web.service"), Some(id)).as_deref(), Some("web"), "as Quadlet has it");
        assert_eq!(name(Some("session-3.scope"), None), None);
        assert_eq!(name(Some("init.scope"), Some(id)).as_deref(), Some("docker:0123456789ab"));
        assert_eq!(name(None, Some("0123")).as_deref(), Some("0123"), "of some other journal");
        assert_eq!(name(None, None), None);
    }
}
