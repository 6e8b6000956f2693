//! Which requests become spans, of which trace they are, and what stands in them.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::collector::{Collector, attributes};
use crate::common::{Place, Response, Running, ask};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CONFIG: &str = "credentials = \"credentials.toml\"\ntrusted_proxies = [\"127.0.0.1\"]\n[policy.default]\n[policy.admin]\nrole = [\"admin\"]\n";

/// A service that sends its traces to a collector.
struct Rig {
    collector: Collector,
    place: Place,
    service: Running,
    credential: String,
}

impl Rig {
    fn start(config: &str, env: &[(&str, &str)]) -> Self {
        let (collector, place) = (Collector::start(), Place::new());
        let credential = place.with_application();
        let own = collector.env();
        let env: Vec<_> = own.iter().map(|(name, value)| (&**name, &**value)).chain(env.iter().copied()).collect();
        let service = place.serve(config, &env);
        Self { collector, place, service, credential }
    }

    fn call(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        let bearer = format!("Bearer {}", self.credential);
        let headers = [&[("Authorization", &*bearer)], headers].concat();
        ask(self.service.control, "POST", path, &headers, body.to_string().as_bytes())
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        ask(self.service.public, method, target, headers, b"").status
    }

    /// Tells it to stop; what was recorded comes before it has.
    fn stop(self) -> (Collector, String) {
        let (code, _, logged) = self.service.signal(Signal::TERM);
        assert_eq!(code, Some(0), "{logged}");
        drop(self.place);
        (self.collector, logged)
    }
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}: {spans:?}"))
}

fn expected<'a>(pairs: &[(&'a str, &str)]) -> BTreeMap<&'a str, String> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn a_request_of_a_sampled_trace_is_a_span_of_it_and_any_other_is_none() {
    let rig = Rig::start(CONFIG, &[]);
    let issued = rig.call("/v1/sessions", &[], &json!({"subject": "alice"})).json();
    let cookie = format!("__Host-sealpass={}", issued["token"].as_str().expect("a token"));
    let (sampled, not) = (traceparent("01"), traceparent("00"));
    let of_trace = [("traceparent", &*sampled), ("tracestate", "a=1,b=2"), ("X-Request-Id", "r-1")];
    assert_eq!(rig.ask("GET", "/verify/their/path?and=query", &[&of_trace[..], &[("Cookie", &cookie)]].concat()), 200);
    assert_eq!(rig.ask("BREW", "/policy/admin/x", &[("traceparent", &sampled), ("Cookie", &cookie)]), 403);
    let endless = format!("a={}", "1".repeat(600));
    assert_eq!(rig.ask("GET", "/verify", &[("traceparent", &sampled), ("tracestate", &endless)]), 401);
    // The last ones have the shape of a sampled one, and are none.
    let (zero, loud) = (format!("00-{}-{PARENT}-01", "0".repeat(32)), sampled.to_uppercase());
    for none in [&*not, "00-zz", "", &sampled[..54], &zero, &loud] {
        assert_eq!(rig.ask("GET", "/verify/", &[("traceparent", none)]), 401);
    }
    assert_eq!(rig.ask("GET", "/verify/", &[("traceparent", &sampled), ("traceparent", &sampled)]), 401);
    assert_eq!(rig.ask("GET", "/verify/", &[]), 401);
    for unasked in ["/healthz", "/readyz", "/nowhere"] {
        rig.ask("GET", unasked, &[("traceparent", &sampled)]);
    }
    let (collector, _) = rig.stop();
    let spans = collector.spans();
    let mut names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["GET /verify", "GET /verify/{rest}", "HTTP /verify/{rest}"]);
    for span in &spans {
        assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!((span.kind(), span.span_id.len()), (SpanKind::Server, 8));
        assert!(
            span.end_time_unix_nano >= span.start_time_unix_nano && span.events.is_empty() && span.links.is_empty()
        );
        assert_eq!(span.status.as_ref().map(Status::code).unwrap_or_default(), StatusCode::Unset);
    }
    let good = named(&spans, "GET /verify/{rest}");
    assert_eq!(good.trace_state, "a=1,b=2");
    let good = attributes(&good.attributes);
    let of_good = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/verify/{rest}"),
        ("sealpass.decision", "ok"),
        ("sealpass.policy", "default"),
        ("sealpass.realm", "default"),
        ("sealpass.request_id", "r-1"),
        ("url.path", "/verify/REDACTED"),
        ("url.scheme", "http"),
    ];
    assert_eq!(good, expected(&of_good));
    let forbidden = attributes(&named(&spans, "HTTP /verify/{rest}").attributes);
    assert_eq!((&*forbidden["http.request.method"], &*forbidden["sealpass.policy"]), ("_OTHER", "admin"));
    assert_eq!((&*forbidden["sealpass.decision"], &*forbidden["http.response.status_code"]), ("forbidden", "403"));
    assert_eq!(named(&spans, "GET /verify").trace_state, "", "it is too long");
    let nobody = attributes(&named(&spans, "GET /verify").attributes);
    assert_eq!((&*nobody["sealpass.decision"], &*nobody["url.path"]), ("missing", "/verify"));
}

#[test]
fn who_it_is_and_how_it_is_sent() {
    let rig = Rig::start(
        CONFIG,
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k-1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ],
    );
    rig.ask("GET", "/verify", &[("traceparent", &traceparent("01"))]);
    let (collector, logged) = rig.stop();
    let [received] = &collector.received()[..] else { panic!("one request") };
    assert_eq!((&*received.path, &*received.headers["content-type"]), ("/v1/traces", "application/x-protobuf"));
    assert_eq!(received.headers["x-key"], "k-1");
    let request = &collector.requests()[0].resource_spans[0];
    let of = attributes(&request.resource.as_ref().expect("there").attributes);
    assert_eq!((&*of["service.name"], &*of["service.version"]), ("sealpass", env!("CARGO_PKG_VERSION")));
    assert_eq!((&*of["deployment.environment.name"], of["service.instance.id"].is_empty()), ("test", false));
    assert_eq!(request.scope_spans[0].scope.as_ref().expect("there").name, "sealpass");
    assert!(request.scope_spans[0].schema_url.starts_with("https://opentelemetry.io/schemas/"));
    assert!(logged.contains("traces are sent") && !logged.contains("k-1"), "{logged}");
}

#[test]
fn a_call_of_an_application_goes_on_with_its_trace_and_a_client_that_no_proxy_vouches_for_chooses_none() {
    let config = "credentials = \"credentials.toml\"\n";
    let rig = Rig::start(config, &[("OTEL_SERVICE_NAME", "sessions-eu")]);
    let sampled = traceparent("01");
    let issued = rig.call("/v1/sessions", &[("traceparent", &sampled)], &json!({"subject": "alice"}));
    assert_eq!((issued.status, rig.ask("GET", "/verify", &[("traceparent", &sampled)])), (201, 401));
    assert_eq!(rig.call("/v1/sessions/nothing", &[("traceparent", &sampled)], &json!({})).status, 404);
    rig.call("/v1/sessions", &[("traceparent", &traceparent("00"))], &json!({"subject": "alice"}));
    let (collector, _) = rig.stop();
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    let call = named(&spans, "POST /v1/sessions");
    assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    let told = attributes(&call.attributes);
    assert_eq!((&*told["url.path"], &*told["sealpass.realm"]), ("/v1/sessions", "default"));
    assert_eq!(Some(&*told["sealpass.request_id"]), issued.header("x-request-id"));
    assert!(!told.contains_key("sealpass.decision"));
    let nothing = attributes(&named(&spans, "POST").attributes);
    assert!(!nothing.contains_key("http.route") && nothing["url.path"] == "/REDACTED");
    let of = &collector.requests()[0].resource_spans[0];
    assert_eq!(attributes(&of.resource.as_ref().expect("there").attributes)["service.name"], "sessions-eu");
}

#[test]
fn what_nobody_decided_about_is_sampled_by_its_share() {
    let rig =
        Rig::start(CONFIG, &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
    for _ in 0..400 {
        rig.ask("GET", "/verify", &[]);
    }
    let (collector, _) = rig.stop();
    let spans = collector.spans();
    // Far beyond ten standard deviations.
    assert!((100..300).contains(&spans.len()), "{}", spans.len());
    assert!(spans.iter().all(|span| span.parent_span_id.is_empty() && span.trace_id.iter().any(|byte| *byte != 0)));
}

#[test]
fn a_collector_under_tls_is_trusted_by_the_certificate_that_is_named_and_by_no_other() {
    let (collector, pem) = Collector::over_tls();
    let place = Place::new();
    place.with_application();
    std::fs::write(place.path("ca.pem"), pem).expect("writable");
    let ca = place.path("ca.pem").display().to_string();
    let endpoint = format!("https://localhost:{}", collector.at.port());
    for (authorities, sent) in [("", 0), (&*ca, 1)] {
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", authorities),
            ("OTEL_TRACES_SAMPLER", "always_on"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ];
        let service = place.serve(CONFIG, &env);
        assert_eq!(ask(service.public, "GET", "/verify", &[], b"").status, 401);
        let (code, _, logged) = service.signal(Signal::TERM);
        assert_eq!(
            (code, collector.spans().len(), logged.contains("spans are lost")),
            (Some(0), sent, sent == 0),
            "{logged}"
        );
    }
}
