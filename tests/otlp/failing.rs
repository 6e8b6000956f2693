//! A collector that is down, that never answers, that refuses; and settings that can't be followed. None of it is noticed by
//! anybody but the operator.

use std::net::TcpListener;
use std::time::Instant;

use rustix::process::Signal;

use crate::collector::Collector;
use crate::common::{LIMIT, Place, Running, ask, head, wait_for};

const SAMPLED: (&str, &str) = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
const CONFIG: &str = "credentials = \"credentials.toml\"\ntrusted_proxies = [\"127.0.0.1\"]\n";

fn served(place: &Place, env: &[(&str, &str)]) -> (Running, String) {
    let credential = place.with_application();
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "50"), ("OTEL_TRACES_SAMPLER", "parentbased_always_off")];
    (place.serve(CONFIG, &[&soon[..], env].concat()), credential)
}

/// How many spans had this outcome.
fn spans(service: &Running, credential: &str, outcome: &str) -> u64 {
    let mut connection = crate::common::Connection::open(service.control);
    connection.send(&head("GET", "/metrics", &[("Authorization", &format!("Bearer {credential}"))]));
    let text = String::from_utf8(connection.answer().body).expect("text");
    let name = format!("sealpass_trace_spans_total{{outcome=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&*name)).expect("counted from the start");
    line.parse().expect("a number")
}

#[test]
fn a_collector_that_is_down_costs_a_counter_and_one_line_and_is_used_again_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    drop(listener);
    let (place, endpoint) = (Place::new(), format!("http://{at}"));
    let timeout = ("OTEL_EXPORTER_OTLP_TIMEOUT", "100");
    let (mut service, credential) = served(&place, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), timeout]);
    for lost in 1..=2 {
        assert_eq!(ask(service.public, "GET", "/verify", &[SAMPLED], b"").status, 401);
        wait_for("they are lost", || spans(&service, &credential, "lost") == lost);
    }
    assert_eq!((spans(&service, &credential, "recorded"), spans(&service, &credential, "sent")), (2, 0));
    let said = service.until_logged("spans are lost");
    assert!(said.contains("refused"), "it says why: {said}");
    // Its port may be anybody's by now: then this can't be shown.
    if let Ok(listener) = TcpListener::bind(at) {
        let collector = Collector::on(listener);
        ask(service.public, "GET", "/verify", &[SAMPLED], b"");
        assert_eq!(collector.until(1).len(), 1);
        service.until_logged("spans are taken again; 2 were lost");
        wait_for("it is counted", || spans(&service, &credential, "sent") == 1);
    }
    let (code, _, logged) = service.signal(Signal::TERM);
    assert_eq!((code, logged.matches("spans are lost").count()), (Some(0), 1), "{logged}");
}

#[test]
fn a_collector_that_never_answers_keeps_nobody_waiting_and_the_service_ends_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let place = Place::new();
    let (service, credential) =
        served(&place, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_BSP_MAX_QUEUE_SIZE", "4")]);
    // More than the queue takes: the rest is dropped, and not waited for.
    for _ in 0..50 {
        assert_eq!(ask(service.public, "GET", "/verify", &[SAMPLED], b"").status, 401);
    }
    assert_eq!(spans(&service, &credential, "recorded"), 50);
    let begun = Instant::now();
    let (code, _, logged) = service.signal(Signal::TERM);
    assert_eq!(code, Some(0), "{logged}");
    assert!(logged.contains("the last spans may be lost") && begun.elapsed() < LIMIT, "{logged}");
    drop(listener);
}

#[test]
fn a_setting_that_can_t_be_followed_is_said_and_the_service_serves() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for (set, says) in [
        (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "port 4318"),
        (("OTEL_TRACES_SAMPLER", "jaeger_remote"), "jaeger_remote"),
        (("OTEL_TRACES_SAMPLER_ARG", "half"), "half"),
        (("OTEL_TRACES_EXPORTER", "zipkin"), "zipkin"),
        (("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"), "/nowhere/ca.pem"),
    ] {
        let place = Place::new();
        let usual = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
        place.with_application();
        let service = place.serve(CONFIG, &[endpoint, usual, set]);
        assert_eq!(ask(service.public, "GET", "/verify", &[SAMPLED], b"").status, 401);
        let (code, _, logged) = service.signal(Signal::TERM);
        let line = logged
            .lines()
            .find(|line| line.contains("nothing is traced"))
            .unwrap_or_else(|| panic!("{says}: {logged}"));
        assert!(code == Some(0) && line.contains(says), "{line}");
    }
}

#[test]
fn nothing_is_traced_unless_it_is_asked_for() {
    let place = Place::new();
    place.with_application();
    let service = place.serve(CONFIG, &[]);
    assert_eq!(ask(service.public, "GET", "/verify", &[SAMPLED], b"").status, 401);
    let (code, _, logged) = service.signal(Signal::TERM);
    assert!(code == Some(0) && !logged.contains("trace"), "{logged}");
}
