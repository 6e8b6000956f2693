//! What a credential can give to sessions, and until when it is one.

use std::time::Duration;

use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use serde_json::{Value, json};

use crate::common::{Response, Server, Session};

/// A service with a credential for an application that may do no more than `rest` says.
fn with(rest: &str) -> (Server, String) {
    let new = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let hash = new.sha256();
    let line = format!(
        "[[credential]]\nname = \"billing\"\nsha256 = \"{hash}\"\nscopes = [\"app\"]\nrealms = [\"default\"]\n{rest}\n"
    );
    (Server::with_credentials("", &line), new.expose().to_owned())
}

fn assert_refused(response: &Response, kind: &str, field: &str, names: &str) {
    let problem = response.json();
    assert_eq!(response.status, 403, "{problem}");
    assert_eq!(problem["type"], format!("urn:problem-type:sealpass:{kind}"));
    assert_eq!(problem["field"], field, "{problem}");
    assert!(problem["detail"].as_str().expect("text").contains(names), "{problem}");
}

#[test]
fn s51_a_leaked_credential_gives_no_role_beyond_its_own() {
    let (server, billing) = with("may_grant = [\"billing:*\", \"guest\"]");
    let issue = |roles: Value| server.call_as(&billing, "/v1/sessions", &json!({"subject": "m", "roles": roles}));
    for roles in [json!([]), json!(["guest"]), json!(["billing:read", "guest", "billing:"])] {
        assert_eq!(issue(roles.clone()).status, 201, "{roles}");
    }
    for (roles, field, names) in [
        (json!(["admin"]), "roles[0]", "\"admin\""),
        (json!(["guest", "admin"]), "roles[1]", "\"admin\""),
        (json!(["Billing:read"]), "roles[0]", "Billing:read"),
        (json!(["guests"]), "roles[0]", "guests"),
        (json!(["*"]), "roles[0]", "*"),
        (json!([""]), "roles[0]", "\"\""),
    ] {
        assert_refused(&issue(roles), "may-grant", field, names);
    }
    let long = issue(json!(["x".repeat(10_000)]));
    assert!(long.status == 403 && long.body.len() < 600);
    // Nothing is ended or changed by what is refused; what the session has, and others gave, may stay.
    let admin = server.issue(&json!({"subject": "a", "roles": ["admin"]}));
    let imported = json!({"subject": "a", "replaces": {"token": admin.token}, "roles": ["admin"]});
    assert_refused(&server.call_as(&billing, "/v1/sessions", &imported), "may-grant", "roles[0]", "admin");
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let asked = json!({"token": admin.token, "roles": ["guest", "root"]});
        assert_refused(&server.call_as(&billing, path, &asked), "may-grant", "roles[1]", "root");
    }
    assert!(server.accepts(&admin.token));
    let changed = json!({"token": admin.token, "data": {"cart": "1"}});
    let changed = Session::of(&server.call_as(&billing, "/v1/sessions/reseal", &changed), 200);
    assert_eq!(server.introspect(&changed.token)["roles"], json!(["admin"]));
    // But it makes none of them fresh again that are out of date.
    assert_eq!(server.call("/v1/subjects/stale", &json!({"subject": "a"})).status, 204);
    let revived = json!({"token": changed.token, "data": {}});
    let revived = Session::of(&server.call_as(&billing, "/v1/sessions/reseal", &revived), 200);
    assert_eq!(server.introspect(&revived.token)["roles"], json!([]));
}

#[test]
fn a_credential_without_roles_gives_none() {
    let (server, billing) = with("may_grant = []");
    let asked = json!({"subject": "m", "roles": ["guest"]});
    assert_refused(&server.call_as(&billing, "/v1/sessions", &asked), "may-grant", "roles[0]", "guest");
    assert_eq!(server.call_as(&billing, "/v1/sessions", &json!({"subject": "m"})).status, 201);
}

#[test]
fn no_assurance_beyond_its_own_and_none_made_newer() {
    let (server, billing) = with("max_aal = 1");
    let issue = |aal: u8| server.call_as(&billing, "/v1/sessions", &json!({"subject": "m", "aal": aal}));
    assert_eq!((issue(0).status, issue(1).status), (201, 201));
    assert_refused(&issue(2), "max-aal", "aal", "level 1");
    let strong = server.issue(&json!({"subject": "a", "aal": 2}));
    server.advance(Duration::from_secs(60));
    let now = "2026-01-01T00:01:00Z";
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let call = |asked: Value| server.call_as(&billing, path, &asked);
        assert_refused(&call(json!({"token": strong.token, "aal": 3})), "max-aal", "aal", "level 1");
        let newer = json!({"token": strong.token, "authenticated_at": now});
        assert_refused(&call(newer), "max-aal", "authenticated_at", "level 1");
    }
    let lower = json!({"token": strong.token, "aal": 1, "authenticated_at": now});
    let lower = Session::of(&server.call_as(&billing, "/v1/sessions/reseal", &lower), 200);
    assert_eq!(server.introspect(&lower.token)["aal"], 1);
    // Whoever may give any says nothing of it.
    let newer = json!({"token": lower.token, "authenticated_at": now});
    let newer = server.change("/v1/sessions/reseal", &newer);
    assert_eq!(server.call("/v1/sessions/reseal", &json!({"token": newer.token, "aal": 4})).status, 422);
}

#[test]
fn when_its_time_has_come_it_is_no_credential() {
    let (server, billing) = with("expires = \"2026-01-01T00:00:10Z\"");
    let issue = || server.call_as(&billing, "/v1/sessions", &json!({"subject": "m"}));
    let ends = "sealpass_credential_expires_timestamp_seconds{credential=\"billing\"} 1767225610\n";
    assert!(server.metrics().contains(ends), "{}", server.metrics());
    server.advance(Duration::from_millis(9_999));
    let session = Session::of(&issue(), 201);
    server.advance(Duration::from_millis(1));
    let (expired, unknown) = (issue(), server.call_as("sealpass_none", "/v1/sessions", &json!({"subject": "m"})));
    assert_eq!((expired.status, expired.problem()), (401, unknown.problem()));
    assert!(server.accepts(&session.token), "what it issued lives on");
}

#[test]
fn one_that_calls_too_often_is_told_when_to_come_back_and_others_are_not() {
    let new = || NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let (wild, calm) = (new(), new());
    let line = |credential: &NewCredential, name: &str| {
        let hash = credential.sha256();
        format!("[[credential]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nscopes = [\"app\"]\nrealms = [\"default\"]\n")
    };
    let lines = line(&wild, "wild") + &line(&calm, "calm");
    // So slow that none comes back within the test.
    let server = Server::with_credentials("[limits]\nissue = \"3/h\"\ncalls = \"6/h\"\n", &lines);
    let issue =
        |credential: &NewCredential| server.call_as(credential.expose(), "/v1/sessions", &json!({"subject": "a"}));
    let check = |credential: &NewCredential| {
        server.call_as(credential.expose(), "/v1/sessions/check", &json!({"sessions": []}))
    };
    let assert_limited = |response: &Response, key: &str| {
        let problem = response.json();
        assert_eq!((response.status, &problem["type"]), (429, &json!("urn:problem-type:sealpass:too-many-calls")));
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert!(problem["detail"].as_str().expect("text").contains(key), "{problem}");
        let seconds: u16 = response.header("retry-after").expect("when").parse().expect("seconds");
        assert!((1..=1_200).contains(&seconds), "{seconds}");
    };
    let session = Session::of(&issue(&wild), 201);
    assert_eq!((issue(&wild).status, issue(&wild).status), (201, 201));
    assert_limited(&issue(&wild), "limits.issue = \"3/h\"");
    // Of the other calls two are left.
    assert_eq!((check(&wild).status, check(&wild).status), (200, 200));
    assert_limited(&check(&wild), "limits.calls = \"6/h\"");
    assert_limited(&issue(&wild), "limits.calls = \"6/h\"");
    let counted = server.metrics();
    for line in ["{credential=\"wild\",limit=\"issue\"} 1\n", "{credential=\"wild\",limit=\"calls\"} 2\n"] {
        assert!(counted.contains(&format!("sealpass_calls_limited_total{line}")), "{counted}");
    }
    // Nobody else waits: not another credential, and not who has a session.
    assert_eq!((issue(&calm).status, check(&calm).status), (201, 200));
    for _ in 0..20 {
        assert!(server.accepts(&session.token));
    }
    // What is no credential is counted for nobody.
    for _ in 0..20 {
        assert_eq!(server.call_as("sealpass_none", "/v1/sessions", &json!({})).status, 401);
    }
    assert_eq!(check(&calm).status, 200);
}
