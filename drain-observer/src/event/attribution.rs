//! What a process belongs to besides its service.

use serde::{Deserialize, Serialize};

/// What a process's control group says that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Innermost systemd unit.
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
    /// What is known now, or else what was known `before`.
    pub fn or(self, before: Self) -> Self {
        Self {
            unit: self.unit.or(before.unit),
            container: self.container.or(before.container),
            pod: self.pod.or(before.pod),
        }
    }
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
