//! `/v1/explain`: what is in force, told to operators by pseudonyms that the audit trail has as well.

use std::fs;
use std::time::Duration;

use sealpass::claims::SessionId;
use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use serde_json::{Value, json};

use crate::common::{Response, Server};

fn explain(server: &Server, asked: &Value) -> Value {
    let response = server.call("/v1/explain", asked);
    let answer = response.json();
    assert_eq!(response.status, 200, "{answer}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    answer
}

/// Kind, of whom, and since when, of each fact.
fn facts(answer: &Value) -> Vec<(String, String, Option<String>)> {
    let facts = answer["facts"].as_array().expect("a list").iter();
    let text = |fact: &Value, name: &str| fact[name].as_str().map(str::to_owned);
    facts
        .map(|fact| (text(fact, "kind").expect("a kind"), text(fact, "of").expect("of"), text(fact, "since")))
        .collect()
}

fn fact(kind: &str, of: &str, since: Option<&str>) -> (String, String, Option<String>) {
    (kind.to_owned(), of.to_owned(), since.map(str::to_owned))
}

fn pseudonym(server: &Server, id: &str) -> Value {
    json!(server.service.sessions.session_pseudonym(SessionId::decode(id).expect("an id")))
}

#[test]
fn of_a_subject_it_tells_what_ended_or_outdated_all_of_its_sessions() {
    let server = Server::plain();
    let nothing = explain(&server, &json!({"subject": "alice"}));
    assert_eq!((&nothing["facts"], &nothing["realm"]), (&json!([]), &json!("default")));
    assert_eq!((&nothing["ready"], nothing["subject"].as_str().expect("one").len()), (&json!(true), 16));
    server.login("alice");
    server.call("/v1/subjects/stale", &json!({"subject": "alice"}));
    server.advance(Duration::from_secs(10));
    server.call("/v1/subjects/revoke", &json!({"subject": "alice"}));
    let answer = explain(&server, &json!({"subject": "alice"}));
    // Endings reach two seconds ahead, as far as two clocks may be apart.
    let cut_off = fact("cut_off", "subject", Some("2026-01-01T00:00:12Z"));
    let stale = fact("stale", "subject", Some("2026-01-01T00:00:02Z"));
    assert_eq!(facts(&answer), [cut_off, stale]);
    assert_eq!(answer["facts"][0]["pseudonym"], answer["subject"]);
    assert_eq!(answer["facts"][0]["events"], json!(["ended_together", "folded"]));
    assert!(answer["facts"][0]["until"].as_str().expect("a time") > "2026-01-01T12:00:00Z");
    assert!(answer["who"].as_str().expect("text").contains("audit trail"));
    // Of nobody else, until all of the realm are over.
    assert_eq!(explain(&server, &json!({"subject": "bob"}))["facts"], json!([]));
    server.call("/v1/floor", &json!({"realm": "default"}));
    let floored = fact("floored", "realm", Some("2026-01-01T00:00:12Z"));
    assert_eq!(facts(&explain(&server, &json!({"subject": "bob"}))), [floored]);
}

#[test]
fn of_a_session_it_tells_how_it_ended_and_follows_rotations() {
    let server = Server::plain();
    let first = server.login("alice");
    assert_eq!(explain(&server, &json!({"session_id": first.id}))["facts"], json!([]));
    server.advance(Duration::from_secs(5));
    let resealed = server.change("/v1/sessions/reseal", &json!({"token": first.token, "roles": ["a"]}));
    let superseded = explain(&server, &json!({"session_id": first.id}));
    assert_eq!(facts(&superseded), [fact("superseded", "session", Some("2026-01-01T00:00:05Z"))]);
    assert_eq!(superseded["subject"], Value::Null, "an id alone does not tell whose it is");
    let second = server.change("/v1/sessions/rotate", &json!({"token": resealed.token}));
    server.revoke(&json!({"token": second.token}));
    let answer = explain(&server, &json!({"session_id": first.id}));
    assert_eq!(answer["sessions"], json!([pseudonym(&server, &first.id), pseudonym(&server, &second.id)]));
    let kinds: Vec<_> = facts(&answer).into_iter().map(|(kind, _, since)| (kind, since.is_some())).collect();
    let named = |kind: &str, since| (kind.to_owned(), since);
    assert_eq!(kinds, [named("rotated", false), named("superseded", true), named("ended", false)]);
    assert_eq!(answer["facts"][2]["pseudonym"], pseudonym(&server, &second.id));
    let subject = &explain(&server, &json!({"subject": "alice"}))["subject"];
    assert_eq!(&answer["subject"], subject, "it is known by the ending of a token");
    // Of the second one alone, nothing of the first.
    let answer = explain(&server, &json!({"session_id": second.id}));
    assert_eq!(facts(&answer), [fact("ended", "session", None)]);
}

#[test]
fn s47_nobody_and_no_token_is_named_and_who_asked_is_written_down() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let path = dir.path().join("audit.jsonl");
    let server = Server::with(&format!("[audit]\nto = \"{}\"\n", path.display()));
    let session = server.login("planted-subject");
    server.revoke(&json!({"token": session.token}));
    let asked = [json!({"subject": "planted-subject"}), json!({"session_id": session.id})];
    let answers: Vec<_> = asked.iter().map(|asked| explain(&server, asked)).collect();
    server.service.audit.flush(Duration::from_secs(20));
    let trail = fs::read_to_string(&path).expect("the trail");
    let mut lines: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for line in &mut lines {
        assert!(line.as_object_mut().expect("an object").remove("request_id").is_some(), "{line}");
    }
    let (issued, told) = (&lines[0], &lines[2..]);
    let line = |session: Option<&Value>| {
        let mut line = json!({"time": "2026-01-01T00:00:00Z", "event": "explained", "realm": "default", "by": "control", "credential": "test", "subject": issued["subject"]});
        if let Some(session) = session {
            line["session"] = session.clone();
        }
        line
    };
    assert_eq!(told, [line(None), line(Some(&issued["session"]))]);
    assert_eq!(answers[1]["sessions"][0], issued["session"]);
    // Also where the call is wrong: what stands there may be a token.
    let wrong = [
        json!({"token": session.token}),
        json!({"session_id": session.token}),
        json!({"session_id": "x", "subject": session.token}),
        json!({"subject": format!("{}\n", session.token)}),
        json!({"realm": session.token, "subject": "a"}),
        json!({"subject": "a".repeat(200)}),
        json!({}),
    ];
    let refused: Vec<Response> = wrong.iter().map(|asked| server.call("/v1/explain", asked)).collect();
    for (response, asked) in refused.iter().zip(&wrong) {
        assert_eq!(response.status, 422, "{asked}");
    }
    let all = answers.iter().map(Value::to_string).chain(refused.iter().map(|r| r.json().to_string()));
    for text in all.chain([trail]) {
        for secret in ["planted", &session.id, &session.token[8..28]] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn it_takes_the_scope_admin_and_the_realm() {
    let new = || NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let (app, elsewhere) = (new(), new());
    let line = |credential: &NewCredential, scope: &str, realm: &str| {
        let hash = credential.sha256();
        format!("[[credential]]\nname = \"x\"\nsha256 = \"{hash}\"\nscopes = [\"{scope}\"]\nrealms = [\"{realm}\"]\n")
    };
    let lines = line(&app, "app", "*") + &line(&elsewhere, "admin", "other");
    let server = Server::with_credentials("[realm.default]\n[realm.other.cookie]\nname = \"__Host-other\"\n", &lines);
    let status = |credential: &NewCredential, realm: &str| {
        server.call_as(credential.expose(), "/v1/explain", &json!({"realm": realm, "subject": "alice"})).status
    };
    assert_eq!((status(&app, "default"), status(&elsewhere, "default"), status(&elsewhere, "other")), (403, 403, 200));
    let names =
        ["default", "other"].map(|realm| explain(&server, &json!({"realm": realm, "subject": "a"}))["subject"].clone());
    assert_ne!(names[0], names[1], "names of two realms can't be joined");
}
