//! The keys of the configuration that are about running the service: rotation and logs.

use std::time::Duration;

use serde::Deserialize;

use super::values::duration;

/// How keys are rotated.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotationSettings {
    /// How long a replica is ready without having read the ring. All other times of a rotation follow from it.
    #[serde(deserialize_with = "duration")]
    pub confirm_within: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The least important messages that are logged.
    pub level: LogLevel,
    /// For people or for programs.
    pub format: LogFormat,
}

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something may break, or is set up wrongly.
    Warn,
    /// What the service does as a whole.
    Info,
    /// Why requests are refused.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for RotationSettings {
    fn default() -> Self {
        Self { confirm_within: crate::keyring::Timing::DEFAULT.confirm() }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Human }
    }
}
