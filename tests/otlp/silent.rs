//! S47 for traces: whatever is asked, no token, cookie, session id, subject, role, datum, credential or key is in any byte that
//! the collector gets.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::collector::Collector;
use crate::common::{Place, ask};

/// Planted where a client or an application may say anything.
const PLANTED: [&str; 9] = [
    "planted-subject",
    "planted-handle",
    "planted-role",
    "planted-datum",
    "planted-path",
    "planted-query",
    "planted-agent",
    "planted-policy",
    "planted-method",
];

#[test]
fn s47_no_secret_and_no_name_is_in_any_span() {
    let (collector, place) = (Collector::start(), Place::new());
    let credential = place.with_application();
    let endpoint = format!("http://{}", collector.at);
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("SEALPASS_LOG__LEVEL", "trace"),
    ];
    let service = place.serve(
        "credentials = \"credentials.toml\"\ntrusted_proxies = [\"127.0.0.1\"]\n[realm.default]\naccept = [\"cookie\", \"bearer\"]\n\
         [policy.default]\ncsrf = \"provide\"\n[policy.admin]\nrole = [\"admin\"]\n",
        &env,
    );
    let mut secrets: Vec<String> = PLANTED.iter().map(|planted| (*planted).to_owned()).collect();
    secrets.push(credential.clone());
    let bearer = format!("Bearer {credential}");
    let call = |path: &str, body: &Value| {
        let headers = [("Authorization", &*bearer), ("User-Agent", "planted-agent")];
        ask(service.control, "POST", path, &headers, body.to_string().as_bytes())
    };
    let login = json!({"subject": "planted-subject", "handles": ["planted-handle"], "roles": ["planted-role"], "data": {"a": "planted-datum"}});
    let mut keep = |answer: &Value| {
        let text = |name: &str| answer[name].as_str().expect("there").to_owned();
        secrets.extend([text("session_id"), text("token")]);
        text("token")
    };
    let first = keep(&call("/v1/sessions", &login).json());
    let second = keep(&call("/v1/sessions/reseal", &json!({"token": first, "roles": ["planted-role"]})).json());
    let third = keep(&call("/v1/sessions/rotate", &json!({"token": second})).json());
    for (path, body) in [
        ("/v1/sessions/introspect", json!({"token": third})),
        ("/v1/sessions/renew", json!({"cookie": format!("__Host-sealpass={third}")})),
        ("/v1/sessions/revoke", json!({"token": first})),
        ("/v1/subjects/revoke", json!({"subject": "planted-subject"})),
        ("/v1/subjects/stale", json!({"subject": "planted-subject"})),
        ("/v1/handles/revoke", json!({"handle": "planted-handle"})),
        ("/v1/explain", json!({"subject": "planted-subject"})),
        ("/v1/sessions/planted-path", json!({"subject": third})),
        ("/v1/sessions", json!({"realm": third, "subject": "planted-subject"})),
        ("/v1/sessions", json!({"planted-datum": third})),
    ] {
        call(path, &body);
    }
    let cookie = format!("__Host-sealpass={third}");
    let from_page = [("Cookie", &*cookie), ("Sec-Fetch-Site", "same-origin"), ("User-Agent", "planted-agent")];
    let token = format!("Bearer {third}");
    let at = service.public;
    for (method, target) in [
        ("GET", "/verify/planted-path?planted-query=1"),
        ("GET", "/verify?role=planted-role"),
        ("planted-method", "/policy/admin/planted-path"),
        ("GET", "/policy/planted-policy/"),
        ("GET", &*format!("/policy/{}/", &third[..60])),
        ("GET", &*format!("/verify/{third}")),
        ("POST", "/renew"),
        ("GET", "/resolve"),
    ] {
        let header = format!("planted-query={third}");
        let mut headers = from_page.to_vec();
        headers.extend([
            ("X-Original-URI", "/planted-path?planted-query"),
            ("X-CSRF-Token", &*third),
            ("Referer", &*header),
        ]);
        ask(at, method, target, &headers, b"");
        ask(at, method, target, &[("Authorization", &*token)], b"");
    }
    assert_eq!(ask(at, "POST", "/logout", &from_page, b"").status, 204);
    ask(at, "GET", "/verify/", &from_page, b"");
    let (code, _, logged) = service.signal(Signal::TERM);
    assert_eq!(code, Some(0), "{logged}");
    secrets.extend(keys(&place));
    assert!(collector.spans().len() > 25, "{}", collector.spans().len());
    for received in collector.received() {
        let text = String::from_utf8_lossy(&received.body).into_owned();
        for secret in &secrets {
            // What a token begins with, version and key, is no secret.
            let part = if secret.len() > 60 { &secret[8..28] } else { secret };
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
}

/// The cluster secret, as text that might be written.
fn keys(place: &Place) -> Vec<String> {
    let secret = fs::read(place.path("keys/cluster.secret")).expect("made by init");
    vec![secret.iter().map(|byte| format!("{byte:02x}")).collect()]
}
