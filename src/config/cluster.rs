//! `[cluster]`: the keys of the configuration that are about the other replicas.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::values::{duration, list};

/// Which replicas there are, and how this one reaches them. All of it is left out where there is one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSettings {
    /// Of how many replicas the core is made up.
    pub size: usize,
    /// What this replica is called; by default as its host.
    pub name: Option<String>,
    /// Whether it counts.
    pub role: ClusterRole,
    /// The names of the core; by default those that end in `-0`, `-1` and so on.
    #[serde(deserialize_with = "list")]
    pub core: Vec<String>,
    /// Where others listen.
    #[serde(deserialize_with = "list")]
    pub peers: Vec<String>,
    /// Where this one listens for others.
    pub listen: Option<SocketAddr>,
    /// Files with cluster secrets under which others may present themselves, while the secret is changed.
    #[serde(deserialize_with = "list")]
    pub accept_secrets: Vec<PathBuf>,
    /// How long a call waits for the others if it does not say.
    #[serde(deserialize_with = "duration")]
    pub wait_timeout: Duration,
    /// What verify does while a replica is cut off.
    pub availability: Availability,
}

/// Whether a replica counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterRole {
    /// One of those whose majority decides what is known.
    Core,
    /// Comes and goes, and counts for nothing.
    Edge,
}

/// What verify does while a replica is cut off from a majority of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// It answers 503 after five seconds, since it can't know what was ended elsewhere.
    Strict,
    /// It goes on by what it knew.
    Prefer,
}

impl ClusterSettings {
    /// How long a call waits for the others where nothing else is said.
    pub const WAIT: Duration = Duration::from_secs(2);

    /// Whether there are others.
    pub fn is_of_many(&self) -> bool {
        self.size > 1 || self.role == ClusterRole::Edge
    }
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            size: 1,
            name: None,
            role: ClusterRole::Core,
            core: Vec::new(),
            peers: Vec::new(),
            listen: None,
            accept_secrets: Vec::new(),
            wait_timeout: Self::WAIT,
            availability: Availability::Strict,
        }
    }
}
