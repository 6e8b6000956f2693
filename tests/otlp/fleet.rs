//! The wait for other replicas, as a span below that of the call.

use std::fs;
use std::net::UdpSocket;
use std::thread;

use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};
use serde_json::json;

use crate::collector::{Collector, attributes};
use crate::common::{Place, Running, ask, call, wait_for};

const SAMPLED: (&str, &str) = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

/// Two replicas, of which both have to hold whatever is final.
fn two(collector: &Collector) -> (Vec<(Place, Running)>, String) {
    let held = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    let ports = held.map(|socket| socket.local_addr().expect("bound").port());
    let first = Place::new();
    let credential = first.with_application();
    let second = Place::new();
    fs::create_dir(second.path("keys")).expect("writable");
    for file in ["keys/cluster.secret", "credentials.toml"] {
        second.private(file, &fs::read(first.path(file)).expect("made"));
    }
    let env = collector.env();
    let env: Vec<_> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
    let start = |place: &Place, at: usize| {
        let (own, other) = (ports[at], ports[1 - at]);
        let config = format!(
            "credentials = \"credentials.toml\"\n[cluster]\nsize = 2\nname = \"s-{at}\"\nlisten = \"127.0.0.1:{own}\"\npeers = [\"127.0.0.1:{other}\"]\n"
        );
        place.serve(&config, &env)
    };
    let running = thread::scope(|scope| {
        let places = [&first, &second];
        let started: Vec<_> = (0..2).map(|at| scope.spawn(move || start(places[at], at))).collect();
        started.into_iter().map(|one| one.join().expect("it starts")).collect::<Vec<_>>()
    });
    ([first, second].into_iter().zip(running).collect(), credential)
}

#[test]
fn a_call_that_waits_for_others_says_how_long_and_for_how_many() {
    let collector = Collector::start();
    let (replicas, credential) = two(&collector);
    let control = replicas[0].1.control;
    wait_for("they count", || call(control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}").status == 201);
    let issued = call(control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}").json();
    let bearer = format!("Bearer {credential}");
    let ended = json!({"token": issued["token"]}).to_string();
    let headers = [("Authorization", &*bearer), SAMPLED];
    assert_eq!(ask(control, "POST", "/v1/sessions/revoke", &headers, ended.as_bytes()).status, 200);
    assert_eq!(ask(control, "POST", "/v1/sessions", &headers, b"{\"subject\": \"bob\"}").status, 201);
    // Alone it knows no majority, and a login is refused: that is an error.
    let [first, second] = <[_; 2]>::try_from(replicas).unwrap_or_else(|_| panic!("two"));
    second.1.end();
    wait_for("it is alone", || call(control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}").status == 503);
    assert_eq!(ask(control, "POST", "/v1/sessions", &headers, b"{\"subject\": \"carol\"}").status, 503);
    first.1.end();
    let spans = collector.spans();
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}: {spans:?}"));
    let (revoke, push) = (of("POST /v1/sessions/revoke"), of("sealpass.cluster.push"));
    assert_eq!((&push.parent_span_id, push.kind()), (&revoke.span_id, SpanKind::Internal));
    let told = attributes(&push.attributes);
    assert_eq!((&*told["sealpass.cluster.applied"], &*told["sealpass.cluster.core"]), ("2", "2"));
    assert!(
        push.start_time_unix_nano >= revoke.start_time_unix_nano
            && push.end_time_unix_nano <= revoke.end_time_unix_nano
    );
    assert_eq!(of("sealpass.cluster.ask").parent_span_id, of("POST /v1/sessions").span_id);
    let failed = spans
        .iter()
        .find(|span| span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error))
        .expect("one failed");
    assert_eq!((&*failed.name, &*attributes(&failed.attributes)["error.type"]), ("POST /v1/sessions", "503"));
}
