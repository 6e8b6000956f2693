//! Traces for OpenTelemetry: a span for each request that is sampled, and one for each wait for other replicas.
//!
//! They are built in with the feature `otlp`; without it, all of this is empty and costs nothing. Where they go and how many
//! there are is said by the variables that OpenTelemetry names (`OTEL_…`). What a span can hold are the fields of [`Told`] and
//! the kinds of [`Noted`] and nothing else: no log line, no header, no path of a client's gets into one, and so no token, id,
//! subject or key.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod choice;
#[cfg(feature = "otlp")]
mod client;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(feature = "otlp")]
mod spans;

#[cfg(not(feature = "otlp"))]
pub use absent::{Step, Trace, Traces, note, step};
#[cfg(feature = "otlp")]
pub use spans::{Step, Trace, Traces, note, step};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::RequestId;
use crate::claims::RealmName;

/// How a request was answered, in the words of OpenTelemetry's conventions for HTTP servers.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// `http.request.method`
    pub method: &'a str,
    /// `http.route`: a pattern, of which there are only so many; `None` where there is no such path.
    pub route: Option<&'a str>,
    /// `url.path`: where it is not the route, without what the client made of it.
    pub path: &'a str,
    /// `url.scheme`
    pub scheme: &'static str,
    /// `http.response.status_code`
    pub status: u16,
}

/// What else may stand in a span.
#[derive(Clone, Copy, Debug)]
pub enum Noted<'a> {
    /// `sealpass.decision`: the reason by which a decision is counted.
    Decision(&'static str),
    /// `sealpass.realm`, which is configured.
    Realm(&'a RealmName),
    /// `sealpass.policy`, of those that are configured.
    Policy(&'a str),
    /// `sealpass.request_id`
    Request(&'a RequestId),
}

/// What is counted about spans. Clones count together.
#[derive(Clone, Debug)]
pub struct TraceMetrics {
    /// Those that ended here.
    pub recorded: Counter,
    /// Those that the collector took.
    pub sent: Counter,
    /// Those that it did not take.
    pub lost: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    outcome: &'static str,
}

impl TraceMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let spans = Family::<Of, Counter>::default();
        let help = "Spans by what became of them: recorded here, sent to the collector, lost on the way there";
        registry.register("trace_spans", help, spans.clone());
        let of = |outcome| spans.get_or_create(&Of { outcome }).clone();
        Self { recorded: of("recorded"), sent: of("sent"), lost: of("lost") }
    }
}

/// Where to send traces, if the environment asks for any.
fn asked_for(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let somewhere =
        ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].iter().any(|name| set(name).is_some());
    !disabled
        && match set("OTEL_TRACES_EXPORTER").as_deref() {
            None => somewhere,
            Some(exporter) => exporter != "none",
        }
}

/// What the environment says.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_made_where_a_place_for_them_is_named_and_nowhere_else() {
        let asked = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            asked_for(value)
        };
        let somewhere = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(!asked(&[]) && !asked(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]) && asked(&[somewhere]));
        assert!(asked(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]));
        assert!(asked(&[("OTEL_TRACES_EXPORTER", "otlp")]), "to where it is by default");
        assert!(!asked(&[("OTEL_TRACES_EXPORTER", "none"), somewhere]));
        assert!(
            !asked(&[("OTEL_SDK_DISABLED", "True"), somewhere]) && asked(&[("OTEL_SDK_DISABLED", "no"), somewhere])
        );
    }
}
