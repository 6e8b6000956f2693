//! The log, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Starts logging to standard error. A later start, in a program that embeds us, changes nothing.
pub fn log(settings: &LogSettings) {
    let filter = filter(settings.level.into());
    let registry = tracing_subscriber::registry().with(filter);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    drop(match settings.format {
        LogFormat::Human => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().with_span_list(false)).try_init(),
    });
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

fn filter(level: LevelFilter) -> Targets {
    // What libraries trace can hold whole requests, cookies included: they may warn and no more.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("sealpass", level);
    // zenoh writes addresses together with the keys that they are dialled with, and warns of each try that fails. Who
    // is missing is told by the replicas themselves.
    SILENT.iter().fold(filter, |filter, target| filter.with_target(*target, LevelFilter::OFF))
}

/// Beginnings of the names of libraries that log nothing.
const SILENT: [&str; 2] = ["zenoh", "quinn"];

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_may_warn_and_the_engine_of_the_links_says_nothing() {
        let filter = filter(LevelFilter::TRACE);
        assert!(filter.would_enable("sealpass::cluster", &Level::TRACE));
        assert!(filter.would_enable("redb", &Level::WARN) && !filter.would_enable("redb", &Level::INFO));
        for target in ["zenoh", "zenoh_transport::unicast", "zenoh_link_commons::quic", "quinn_proto::connection"] {
            assert!(!filter.would_enable(target, &Level::ERROR), "{target}");
        }
    }
}
