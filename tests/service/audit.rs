//! The audit trail: what is written, what never is, and that nobody waits for it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{NAME, Server};

const SITE: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

/// A service that writes its trail to a file.
struct Watched {
    server: Server,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Watched {
    fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("audit.jsonl");
        let server = Server::with(&format!("[audit]\nto = \"{}\"\n{config}", path.display()));
        Self { server, path, _dir: dir }
    }

    /// All lines so far, without the ids of requests, which are new ones each time.
    fn lines(&self) -> Vec<Value> {
        self.server.service.audit.flush(Duration::from_secs(20));
        let mut lines = read(&self.path);
        for line in &mut lines {
            let id = line.as_object_mut().expect("an object").remove("request_id");
            assert!(id.is_some() || line["by"] != "control", "{line}");
        }
        lines
    }

    fn pseudonyms(&self, id: &str, token: &str) -> (Value, Value) {
        let service = &self.server.service;
        let sid = sealpass::claims::SessionId::decode(id).expect("an id");
        let realm = &service.site.realm("default").expect("there").realm;
        let mut scratch = sealpass::token::Scratch::default();
        let claims = service.sessions.recognise(realm, token.as_bytes(), &mut scratch).expect("ours");
        let (session, subject) = service.sessions.pseudonyms(&claims);
        assert_eq!(session, service.sessions.session_pseudonym(sid));
        (json!(session), json!(subject))
    }
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the trail");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn each_event_is_one_line_that_says_who_did_what_to_which_session() {
    let watched = Watched::with("");
    let server = &watched.server;
    let line = |seconds: u64, rest: Value| {
        let mut line =
            json!({"time": format!("2026-01-01T00:{:02}:{:02}Z", seconds / 60, seconds % 60), "realm": "default"});
        line.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        line
    };
    let by_app = |event: &str| json!({"event": event, "by": "control", "credential": "test"});
    let with = |mut line: Value, fields: &[(&str, &Value)]| {
        for (name, value) in fields {
            line[*name] = (*value).clone();
        }
        line
    };
    let alice = server.login("alice");
    let guest = server.issue(&json!({}));
    let (a, subject) = watched.pseudonyms(&alice.id, &alice.token);
    let (g, nobody) = watched.pseudonyms(&guest.id, &guest.token);
    assert_eq!(nobody, Value::Null);
    server.advance(Duration::from_secs(1));
    server.change("/v1/sessions/renew", &json!({"token": alice.token}));
    server.advance(Duration::from_secs(1));
    let resealed = server.change("/v1/sessions/reseal", &json!({"token": alice.token, "roles": ["editor"]}));
    server.advance(Duration::from_secs(1));
    // Out of date and not over: no line.
    assert_eq!(server.verify(&alice.cookie()).status, 401);
    let rotated = server.change("/v1/sessions/rotate", &json!({"token": resealed.token}));
    let (b, _) = watched.pseudonyms(&rotated.id, &rotated.token);
    // A whole slot, wherever this session's begin.
    server.advance(Duration::from_secs(300));
    // A renewal is due: in verify, at a browser's request, and not a second time within the slot.
    let answer = server.verify(&rotated.cookie());
    let renewed = answer.header("set-cookie").expect("due").split(';').next().expect("a pair").to_owned();
    assert_eq!(server.ask("POST", "/renew", &[("Cookie", &renewed), SITE]).status, 200);
    assert_eq!(server.verify(&renewed).status, 200);
    server.advance(Duration::from_secs(1));
    assert_eq!(server.ask("POST", "/logout", &[("Cookie", &renewed), SITE]).status, 204);
    server.advance(Duration::from_secs(1));
    // Over already: no second line. Whoever comes with it has one for each time.
    assert_eq!(server.ask("POST", "/logout", &[("Cookie", &renewed), SITE]).status, 204);
    server.revoke(&json!({"token": rotated.token}));
    assert_eq!(server.verify(&renewed).status, 401);
    assert_eq!(server.ask("POST", "/renew", &[("Cookie", &format!("junk=1; {renewed}")), SITE]).status, 401);
    assert_eq!(server.ask("GET", "/resolve", &[("Cookie", &format!("{NAME}=junk; {renewed}"))]).status, 200);
    // Nothing that is no ended session.
    for cookie in ["", "__Host-sealpass=junk", &*guest.cookie()] {
        server.verify(cookie);
    }
    server.advance(Duration::from_secs(1));
    server.revoke(&json!({"session_id": guest.id}));

    let renewed_by = |by: &str| json!({"event": "renewed", "by": by, "session": b, "subject": subject});
    let refused = |by: &str| json!({"event": "refused", "by": by, "session": b, "subject": subject, "reason": "ended"});
    let expected = [
        line(0, with(by_app("issued"), &[("session", &a), ("subject", &subject)])),
        line(0, with(by_app("issued"), &[("session", &g)])),
        line(1, with(by_app("renewed"), &[("session", &a), ("subject", &subject)])),
        line(2, with(by_app("resealed"), &[("session", &a), ("subject", &subject)])),
        line(3, with(by_app("rotated"), &[("session", &a), ("next", &b), ("subject", &subject)])),
        line(303, renewed_by("verify")),
        line(303, renewed_by("renew")),
        line(304, json!({"event": "ended", "by": "logout", "session": b, "subject": subject})),
        line(305, refused("verify")),
        line(305, refused("renew")),
        line(305, refused("verify")),
        line(306, with(by_app("ended"), &[("session", &g)])),
    ];
    let found = watched.lines();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert!([&a, &b, &g, &subject].iter().all(|name| name.as_str().is_some_and(|name| name.len() == 16)));
    assert!(a != b && a != g && b != subject);
    assert_eq!(fs::metadata(&watched.path).expect("there").mode() & 0o777, 0o600);
}

#[test]
fn an_ending_of_many_sessions_is_one_line() {
    let watched = Watched::with("");
    let server = &watched.server;
    let alice = server.login("alice");
    let (session, subject) = watched.pseudonyms(&alice.id, &alice.token);
    let before = watched.lines().len();
    server.call("/v1/subjects/stale", &json!({"subject": "alice"}));
    let keep = json!({"subject": "alice", "keep": {"token": alice.token}});
    assert_eq!(server.call("/v1/subjects/revoke", &keep).status, 200);
    server.call("/v1/handles/revoke", &json!({"handles": ["idp-7"]}));
    server.call("/v1/floor", &json!({"realm": "default"}));
    server.call("/v1/floor", &json!({"all": true}));
    assert!(!server.accepts(&alice.token));
    let line = |event: &str, rest: Value| {
        let mut line = json!({"time": "2026-01-01T00:00:00Z", "realm": "default", "event": event, "by": "control", "credential": "test"});
        line.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        line
    };
    let mut expected = vec![
        line("outdated", json!({"reason": "subject", "subject": subject})),
        line("ended_together", json!({"reason": "subject", "subject": subject})),
        line("ended_together", json!({"reason": "handle"})),
        line("ended_together", json!({"reason": "realm"})),
        line("ended_together", json!({"reason": "realm", "realm": "*"})),
    ];
    let mut refused =
        line("refused", json!({"by": "verify", "session": session, "subject": subject, "reason": "floored"}));
    refused.as_object_mut().expect("an object").remove("credential");
    expected.push(refused);
    assert_eq!(watched.lines()[before..], expected);
}

#[test]
fn a_session_keeps_its_name_through_renewals_and_through_a_rotation_of_keys() {
    let watched = Watched::with("");
    let server = &watched.server;
    let alice = server.login("alice");
    server.change("/v1/sessions/renew", &json!({"token": alice.token}));
    let before = watched.lines();
    // A ring with a second key, which seals from here on.
    server.rotate_keys();
    let sealed = |token: &str| token[..7].to_owned();
    let renewed = server.change("/v1/sessions/renew", &json!({"token": alice.token}));
    assert_ne!(sealed(&renewed.token), sealed(&alice.token), "another key");
    let again = server.login("alice");
    let lines = watched.lines();
    assert_eq!(lines[..2], before);
    for line in &lines[1..3] {
        assert_eq!((&line["session"], &line["subject"]), (&lines[0]["session"], &lines[0]["subject"]));
    }
    assert_ne!(lines[3]["session"], lines[0]["session"], "{}", again.id);
    assert_eq!(lines[3]["subject"], lines[0]["subject"]);
    // The same subject elsewhere is another one: names of two realms can't be joined.
    let two = Watched::with("[realm.a]\ncookie.name = \"__Host-a\"\n[realm.b]\ncookie.name = \"__Host-b\"\n");
    for realm in ["a", "b"] {
        two.server.issue(&json!({"realm": realm, "subject": "alice"}));
    }
    let lines = two.lines();
    assert_ne!(lines[0]["subject"], lines[1]["subject"]);
    assert_ne!(lines[0]["subject"], before[0]["subject"], "another ring");
}

#[test]
fn s47_the_trail_and_the_metrics_name_nobody() {
    let watched = Watched::with("[policy.page]\ncsrf = \"provide\"\n");
    let server = &watched.server;
    let planted = "planted-secret";
    let session = server.issue(&json!({
        "subject": planted, "roles": [planted], "data": {planted: planted}, "handles": [planted], "amr": [planted]
    }));
    let page = server.ask("GET", "/policy/page/", &[("Cookie", &session.cookie())]);
    let rotated = server.change("/v1/sessions/rotate", &json!({"token": session.token}));
    server.ask("POST", "/logout", &[("Cookie", &rotated.cookie()), SITE]);
    server.verify(&rotated.cookie());
    server.verify(&format!("{NAME}={planted}"));
    let lines = watched.lines();
    assert_eq!(lines.len(), 4);
    let csrf = [&session, &rotated].map(|session| session.answer["csrf_token"].as_str().expect("a token").to_owned());
    let written = fs::read_to_string(&watched.path).expect("the trail") + &server.metrics();
    let ids: Vec<_> = [&session.id, &rotated.id].into_iter().map(|id| hex(id)).collect();
    let tokens = [&session.token, &rotated.token, &session.id, &rotated.id, &csrf[0], &csrf[1]];
    let provided = page.header("x-session-csrf").expect("provided");
    for secret in
        tokens.into_iter().map(String::as_str).chain(ids.iter().map(String::as_str)).chain([planted, provided])
    {
        // Not even a part; the first characters of a token are its version and key.
        let part = if secret.len() > 60 { &secret[8..28] } else { secret };
        assert!(!written.contains(part), "{secret} is in {written}");
    }
}

fn hex(id: &str) -> String {
    let sid = sealpass::claims::SessionId::decode(id).expect("an id");
    sid.0[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let watched = Watched::with("");
    let moved = watched.path.with_extension("1");
    watched.server.login("alice");
    assert_eq!(watched.lines().len(), 1);
    fs::rename(&watched.path, &moved).expect("ours");
    watched.server.login("bob");
    watched.server.login("carol");
    assert_eq!((watched.lines().len(), read(&moved).len()), (2, 1));
    assert_eq!(fs::metadata(&watched.path).expect("made anew").mode() & 0o777, 0o600);
    // As logrotate's `create` does it: there is a new one already.
    fs::rename(&watched.path, &moved).expect("ours");
    fs::write(&watched.path, "").expect("ours");
    watched.server.login("dave");
    assert_eq!((watched.lines().len(), read(&moved).len()), (1, 2));
    // As `copytruncate` does it: the lines go on at the end of what is there.
    fs::write(&watched.path, "").expect("ours");
    watched.server.login("erin");
    assert_eq!(watched.lines().len(), 1);
    // Where none can be made, they go on in the one that was moved.
    let dir = watched.path.parent().expect("a directory").to_owned();
    let elsewhere = dir.with_extension("moved");
    fs::rename(&dir, &elsewhere).expect("ours");
    watched.server.login("frank");
    watched.server.service.audit.flush(Duration::from_secs(20));
    assert_eq!(read(&elsewhere.join("audit.jsonl")).len(), 2);
    fs::rename(&elsewhere, &dir).expect("ours");
    assert!(watched.server.metrics().contains("sealpass_audit_lost_total 0\n"));
}

#[test]
fn nobody_waits_for_a_full_disk_or_for_a_reader_that_sleeps() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let pipe = dir.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).expect("a pipe");
    let sleeper = fs::File::options().read(true).write(true).open(&pipe).expect("a pipe without a line in it");
    for path in [Path::new("/dev/full"), &pipe] {
        let server = Server::with(&format!("[audit]\nto = \"{}\"\n", path.display()));
        let session = server.login("alice");
        let ended = server.login("bob");
        server.revoke(&json!({"token": ended.token}));
        // More than a pipe holds, and each of them a line.
        for _ in 0..1_000 {
            assert_eq!(server.verify(&ended.cookie()).status, 401);
        }
        assert_eq!(server.verify(&session.cookie()).status, 200);
        assert_eq!(server.ask("POST", "/logout", &[("Cookie", &session.cookie()), SITE]).status, 204);
        assert_eq!(server.verify(&session.cookie()).status, 401);
        server.service.audit.flush(Duration::from_secs(20));
        let metrics = server.metrics();
        let lost = metrics.lines().find_map(|line| line.strip_prefix("sealpass_audit_lost_total ")).expect("counted");
        assert!(lost.parse::<u32>().expect("a number") > 100, "{}: {lost}", path.display());
    }
    drop(sleeper);
}
