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

const PROXIED: &str = "trusted_proxies = [\"127.0.0.1\"]\n[realm.default]\nidle = \"30m\"\n[realm.other.cookie]\nname = \"__Host-other\"\n\
                       [policy.default]\n[policy.admin]\nrole = [\"admin\"]\n[policy.recent]\nmax_age = \"1m\"\n[policy.open]\noptional = true\n\
                       [policy.theirs]\nrealm = \"other\"\n";

/// What was decided in a request: event, reason and policy or path of each.
fn decided(answer: &Value) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = answer["request"]["decided"].as_array().expect("a list").iter();
    list.map(|one| {
        let place = if one["policy"].is_null() { &one["path"] } else { &one["policy"] };
        [text(&one["event"]), text(&one["reason"]), text(place)]
    })
    .collect()
}

fn refused(reason: &str, policy: &str) -> [String; 3] {
    ["refused", reason, policy].map(str::to_owned)
}

fn by_id(server: &Server, id: &str) -> Value {
    explain(server, &json!({"request_id": id}))
}

#[test]
fn of_a_request_it_tells_why_it_was_refused_and_who_ended_the_session() {
    let server = Server::with(PROXIED);
    let (alice, bob) = (server.login("alice"), server.login("bob"));
    let ask = |target: &str, cookie: &str, id: &str| {
        server.ask("GET", target, &[("Cookie", cookie), ("X-Request-Id", id)]).status
    };
    assert_eq!(ask("/verify/page", "a=b", "r-none"), 401);
    assert_eq!(ask("/verify/page", "__Host-sealpass=junk", "r-junk"), 401);
    assert_eq!(ask("/policy/admin/", &alice.cookie(), "r-role"), 403);
    assert_eq!(ask("/policy/nowhere/", &alice.cookie(), "r-nowhere"), 403);
    assert_eq!(ask("/policy/open/", "", "r-open"), 200);
    assert_eq!(ask("/verify/", &alice.cookie(), "r-good"), 200);
    let ending = server.call("/v1/sessions/revoke", &json!({"token": alice.token}));
    assert_eq!(ending.status, 204);
    let ending = ending.header("x-request-id").expect("each call has one").to_owned();
    server.advance(Duration::from_secs(120));
    assert_eq!(ask("/verify/", &alice.cookie(), "r-ended"), 401);
    assert_eq!(ask("/policy/recent/", &bob.cookie(), "r-late"), 401);
    server.call("/v1/subjects/revoke", &json!({"subject": "bob"}));
    server.advance(Duration::from_secs(10));
    assert_eq!(ask("/verify/", &bob.cookie(), "r-cut"), 401);
    for (id, reason, policy) in [
        ("r-none", "missing", "default"),
        ("r-junk", "malformed", "default"),
        ("r-role", "forbidden", "admin"),
        ("r-nowhere", "forbidden", ""),
        ("r-ended", "ended", "default"),
        ("r-late", "step_up", "recent"),
        ("r-cut", "cut_off", "default"),
    ] {
        assert_eq!(decided(&by_id(&server, id)), [refused(reason, policy)], "{id}");
    }
    let answer = by_id(&server, "r-ended");
    let (one, related) = (&answer["request"]["decided"][0], &answer["request"]["related"]);
    assert_eq!(one["session"], pseudonym(&server, &alice.id));
    assert_eq!(
        (&one["at"], &one["by"], &one["realm"]),
        (&json!("2026-01-01T00:02:00Z"), &json!("verify"), &json!("default"))
    );
    assert_eq!(related.as_array().expect("a list").len(), 1);
    assert_eq!((&related[0]["event"], &related[0]["credential"]), (&json!("ended"), &json!("test")));
    assert_eq!((&related[0]["request_id"], &related[0]["session"]), (&json!(ending), &one["session"]));
    // Of all sessions of a subject: what is in force, and who did it.
    let answer = by_id(&server, "r-cut");
    assert_eq!(facts(&answer), [fact("cut_off", "subject", Some("2026-01-01T00:02:02Z"))]);
    assert_eq!(answer["request"]["related"][0]["event"], "ended_together");
    // What was let through, and what nobody trusted gave a name, is not there.
    for id in ["r-good", "r-open", "r-unheard-of"] {
        assert_eq!(by_id(&server, id)["request"]["decided"], json!([]), "{id}");
    }
    assert_eq!(
        by_id(&server, "r-good")["request"]["kept"],
        json!({"entries": 4096, "seconds": 3600, "since": "2026-01-01T00:00:00Z"})
    );
}

#[test]
fn of_a_call_it_tells_with_what_problem_it_was_refused_and_of_a_logout_that_it_ended_something() {
    let server = Server::with(PROXIED);
    let session = server.login("alice");
    let id = |response: &Response| response.header("x-request-id").expect("each call has one").to_owned();
    let wrong = server.call("/v1/sessions", &json!({"subjet": "alice"}));
    assert_eq!(decided(&by_id(&server, &id(&wrong))), [refused("field", "/v1/sessions")]);
    assert_eq!(by_id(&server, &id(&wrong))["request"]["decided"][0]["credential"], "test");
    let nobody = server.call_as("nobody", "/v1/sessions", &json!({"subject": "alice"}));
    assert_eq!(decided(&by_id(&server, &id(&nobody))), [refused("credential", "/v1/sessions")]);
    let changed = server.call("/v1/sessions/reseal", &json!({"token": session.token, "roles": ["a"]}));
    let answer = by_id(&server, &id(&changed));
    assert_eq!(
        (decided(&answer)[0][0].as_str(), &answer["sessions"]),
        ("resealed", &json!([pseudonym(&server, &session.id)]))
    );
    let issued = server.call("/v1/sessions", &json!({"subject": "bob"}));
    assert_eq!(by_id(&server, &id(&issued))["request"]["decided"], json!([]), "a login refuses nobody");
    let headers = [("Cookie", &*session.cookie()), ("X-Request-Id", "out"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.ask("POST", "/logout", &headers).status, 204);
    let answer = by_id(&server, "out");
    assert_eq!(
        (&answer["request"]["decided"][0]["event"], &answer["request"]["decided"][0]["by"]),
        (&json!("ended"), &json!("logout"))
    );
    let late = [("Cookie", &*session.cookie()), ("X-Request-Id", "late"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.ask("POST", "/renew", &late).status, 401);
    let answer = by_id(&server, "late");
    assert_eq!(
        (decided(&answer), &answer["request"]["decided"][0]["by"]),
        (vec![refused("ended", "")], &json!("renew"))
    );
    for wrong in [json!({"request_id": "a b"}), json!({"request_id": "a", "subject": "b"}), json!({"request_id": ""})] {
        assert_eq!(server.call("/v1/explain", &wrong).status, 422, "{wrong}");
    }
}

#[test]
fn a_request_of_another_realm_is_told_to_its_own_operators_alone() {
    let credential = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
    let line = format!(
        "[[credential]]\nname = \"theirs\"\nsha256 = \"{}\"\nscopes = [\"admin\"]\nrealms = [\"other\"]\n",
        credential.sha256()
    );
    let server = Server::with_credentials(PROXIED, &line);
    for (target, id) in [("/verify/", "ours"), ("/policy/theirs/", "theirs"), ("/policy/nowhere/", "nobodys")] {
        server.ask("GET", target, &[("X-Request-Id", id)]);
    }
    let told = |id: &str| {
        let asked = json!({"realm": "other", "request_id": id});
        let answer = server.call_as(credential.expose(), "/v1/explain", &asked).json();
        answer["request"]["decided"].as_array().expect("a list").len()
    };
    assert_eq!((told("ours"), told("theirs"), told("nobodys")), (0, 1, 0));
    assert_eq!(by_id(&server, "theirs")["realm"], "other", "it is the request's");
}

#[test]
fn s47_what_is_kept_of_requests_names_nobody_and_an_id_that_nobody_trusted_gave_keeps_nothing() {
    let server = Server::with(PROXIED);
    let session = server.login("planted-subject");
    server.revoke(&json!({"token": session.token}));
    let (cookie, target) = (session.cookie(), format!("/verify/{}?token={}", session.id, session.token));
    for target in [&*target, "/policy/planted-policy/"] {
        server.ask("GET", target, &[("Cookie", &cookie), ("X-Request-Id", "r")]);
    }
    let wrong = json!({"subject": "planted-subject", "roles": ["planted\n"], "token": session.token});
    let wrong = server.call("/v1/sessions", &wrong).header("x-request-id").expect("one").to_owned();
    for id in ["r", &wrong] {
        let answer = by_id(&server, id).to_string();
        assert!(answer.contains("refused"), "{answer}");
        for secret in ["planted", &session.id, &session.token[8..28]] {
            assert!(!answer.contains(secret), "{secret}: {answer}");
        }
    }
    let untrusting = Server::plain();
    untrusting.ask("GET", "/verify/", &[("X-Request-Id", "r")]);
    assert_eq!(by_id(&untrusting, "r")["request"]["decided"], json!([]));
}
