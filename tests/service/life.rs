//! The life of a session: renewed, resealed, rotated, over.

use std::sync::Barrier;
use std::time::Duration;

use pollster::block_on;
use sealpass::clock::{Clock as _, Timestamp};
use sealpass::sessions::{Change, ChangeError};
use sealpass::token::Scratch;
use serde_json::{Value, json};

use crate::common::{NAME, Server, Session, start_of_time};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn s44_however_often_renewed_it_is_over_at_the_absolute_limit() {
    let server = Server::plain();
    let first =
        server.issue(&json!({"subject": "alice", "persistent": true, "authenticated_at": "2025-12-31T12:00:00Z"}));
    let before = server.introspect(&first.token);
    let expires = Timestamp::parse_rfc3339(before["expires_at"].as_str().expect("a time")).expect("a time");
    assert_eq!(expires, start_of_time().plus(30 * 24 * 60 * MINUTE));
    let (sessions, site) = (&server.service.sessions, server.service.site.realm("default").expect("there"));
    let mut scratch = Scratch::default();
    let mut token = first.token;
    let mut over = None;
    for minute in 1..=31 * 24 * 60_u32 {
        server.advance(MINUTE);
        let Ok(session) = sessions.verify(&site.realm, &[token.as_bytes()], &mut scratch) else {
            over = Some(minute);
            break;
        };
        assert_eq!((session.claims.started, session.claims.expires), (start_of_time(), expires));
        assert_eq!(session.claims.authenticated, start_of_time().minus(12 * 60 * MINUTE));
        token = sessions.renew(&site.realm, &session).expect("a key").token.expose().to_owned();
        // Through the wire twice a day.
        if minute % 720 == 0 {
            assert!(server.accepts(&token), "minute {minute}");
            let answer = server.change("/v1/sessions/renew", &json!({"token": token})).answer;
            let now = server.introspect(&token);
            for same in ["session_id", "started_at", "authenticated_at", "claims_at", "expires_at", "subject"] {
                assert_eq!(now[same], before[same], "{same} in minute {minute}");
            }
            let dies = Timestamp::parse_rfc3339(answer["idle_expires_at"].as_str().expect("a time")).expect("a time");
            assert_eq!(dies, server.clock.now().plus(14 * 24 * 60 * MINUTE).min(expires));
        }
    }
    assert_eq!(over, Some(30 * 24 * 60), "over at the limit, not a minute earlier or later");
    assert!(!server.accepts(&token));
    assert_eq!(server.decided("expired_absolute"), 1);
    assert_eq!(server.call("/v1/sessions/renew", &json!({"token": token})).status, 404);
    let line = format!("{NAME}={token}");
    let response = server.ask("POST", "/renew", &[("Cookie", &line), ("Sec-Fetch-Site", "same-origin")]);
    assert_eq!((response.status, response.header("set-cookie")), (401, None));
    server.clock.set(expires.minus(Duration::from_millis(1)));
    assert!(server.accepts(&token), "the last millisecond counts");
}

#[test]
fn s46_a_clock_that_jumps_revives_nothing_that_was_ended() {
    let server = Server::plain();
    let (ended, other) = (server.login("alice"), server.login("alice"));
    server.revoke(&json!({"session_id": ended.id}));
    for jump in [3_600_i64, -3_600, 600, -600] {
        let by = Duration::from_secs(jump.unsigned_abs());
        let now = server.clock.now();
        server.clock.set(if jump > 0 { now.plus(by) } else { now.minus(by) });
        assert!(server.verify(&ended.cookie()).status != 200, "after {jump} s");
    }
    assert!(server.accepts(&other.token));
}

#[test]
fn a_session_dies_idle_and_a_browser_can_keep_it_alive() {
    let server = Server::with("[realm.default]\npublic_origins = [\"https://app.example.com\"]\n");
    let session = server.login("alice");
    server.advance(29 * MINUTE);
    let cookie = session.cookie();
    let renewed = server.ask("POST", "/renew", &[("Cookie", &cookie), ("Origin", "https://app.example.com")]);
    assert_eq!(renewed.status, 200);
    assert_eq!(renewed.json()["idle_expires_at"], "2026-01-01T00:59:00Z");
    assert!(renewed.json().get("token").is_none(), "a page never gets to see it");
    let line = renewed.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    server.advance(MINUTE);
    assert_eq!((server.verify(&cookie).status, server.verify(&line).status), (401, 200));
    for headers in [
        &[("Cookie", &*line)][..],
        &[("Cookie", &line), ("Origin", "https://evil.example")],
        &[("Cookie", &line), ("Sec-Fetch-Site", "cross-site")],
    ] {
        let response = server.ask("POST", "/renew", headers);
        assert_eq!((response.status, response.header("set-cookie")), (403, None), "{headers:?}");
    }
    assert_eq!(server.ask("POST", "/renew", &[("Sec-Fetch-Site", "same-origin")]).status, 401);
}

#[test]
fn s08_ending_a_session_ends_every_token_of_it() {
    let server = Server::plain();
    let first = server.login("alice");
    server.advance(MINUTE);
    let renewed = server.change("/v1/sessions/renew", &json!({"token": first.token}));
    server.advance(MINUTE);
    let resealed = server.change("/v1/sessions/reseal", &json!({"cookie": renewed.cookie(), "roles": ["a"]}));
    let last = server.change("/v1/sessions/renew", &json!({"token": resealed.token}));
    assert!([&renewed, &resealed, &last].iter().all(|session| session.id == first.id));
    let bystander = server.login("alice");
    server.revoke(&json!({"token": first.token}));
    for token in [&first.token, &renewed.token, &resealed.token, &last.token] {
        assert!(!server.accepts(token));
    }
    assert!(server.accepts(&bystander.token));
}

#[test]
fn s10_a_reseal_outdates_every_older_cookie() {
    let server = Server::plain();
    let first = server.issue(&json!({"subject": "alice", "roles": ["admin"], "data": {"k": "v"}}));
    server.advance(MINUTE);
    let renewed = server.change("/v1/sessions/renew", &json!({"token": first.token}));
    let lowered = server.change("/v1/sessions/reseal", &json!({"token": renewed.token, "roles": ["reader"]}));
    assert_eq!(lowered.id, first.id);
    assert!(!server.accepts(&first.token) && !server.accepts(&renewed.token));
    let response = server.verify(&lowered.cookie());
    assert_eq!((response.status, response.header("x-session-roles")), (200, Some("reader")));
    let shown = server.introspect(&lowered.token);
    assert_eq!((&shown["data"], &shown["started_at"]), (&json!({"k": "v"}), &json!("2026-01-01T00:00:00Z")));
    assert_eq!(shown["expires_at"], first.answer["expires_at"]);
    // Beside the older cookie, which a late response wrote back, the newer one counts.
    let both = format!("{}; {}", first.cookie(), lowered.cookie());
    assert_eq!(server.verify(&both).header("x-session-roles"), Some("reader"));
    for path in ["renew", "reseal", "rotate"] {
        let response = server.call(&format!("/v1/sessions/{path}"), &json!({"token": first.token}));
        assert_eq!(response.status, 404, "{path}: an outdated token gives no new one");
    }
    // Twice in one millisecond: the later one counts.
    let again = server.change("/v1/sessions/reseal", &json!({"token": lowered.token, "roles": ["b"]}));
    assert!(!server.accepts(&lowered.token) && server.accepts(&again.token));
}

#[test]
fn a_rotated_session_has_a_new_id_and_the_old_token_is_worthless() {
    let server = Server::plain();
    let first =
        server.issue(&json!({"subject": "alice", "roles": ["guest"], "authenticated_at": "2025-12-31T23:00:00Z"}));
    server.advance(MINUTE);
    let renewed = server.change("/v1/sessions/renew", &json!({"token": first.token}));
    let change = json!({"token": first.token, "roles": ["member"], "aal": 2, "amr": ["otp"], "authenticated_at": "2026-01-01T00:01:00Z"});
    let rotated = server.change("/v1/sessions/rotate", &change);
    assert_ne!(rotated.id, first.id);
    assert!(!server.accepts(&first.token) && !server.accepts(&renewed.token));
    let shown = server.introspect(&rotated.token);
    assert_eq!((&shown["roles"], &shown["aal"], &shown["amr"]), (&json!(["member"]), &json!(2), &json!(["otp"])));
    assert_eq!(
        (&shown["started_at"], &shown["expires_at"]),
        (&first.answer["started_at"], &first.answer["expires_at"])
    );
    assert_eq!(shown["authenticated_at"], "2026-01-01T00:01:00Z");
    assert_eq!(server.call("/v1/sessions/rotate", &json!({"token": first.token})).status, 404);
    assert_eq!(server.call("/v1/sessions/reseal", &json!({"token": first.token})).status, 404);
    assert!(server.accepts(&rotated.token));
}

#[test]
fn ending_the_old_id_ends_its_successors() {
    let by = [
        |session: &Session| json!({"session_id": session.id}),
        |session: &Session| json!({"token": session.token}),
        |session: &Session| json!({"cookie": format!("a=b; {}", session.cookie())}),
    ];
    for which in by {
        let server = Server::plain();
        let first = server.login("alice");
        let mut chain = vec![first.clone()];
        for _ in 0..3 {
            server.advance(MINUTE);
            let last = chain.last().expect("one");
            chain.push(server.change("/v1/sessions/rotate", &json!({"token": last.token})));
        }
        let last = chain.pop().expect("the last");
        assert!(server.accepts(&last.token));
        server.revoke(&which(&first));
        assert!(!server.accepts(&last.token));
        assert_eq!(server.call("/v1/sessions/rotate", &json!({"token": last.token})).status, 404);
    }
}

#[test]
fn rotations_at_one_moment_agree() {
    let server = Server::plain();
    let session = server.login("alice");
    let ids: Vec<_> = race(&server, "/v1/sessions/rotate", &json!({"token": session.token}))
        .into_iter()
        .filter(|(status, _)| *status == 200)
        .map(|(_, answer)| answer["session_id"].as_str().expect("an id").to_owned())
        .collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0] && *id != session.id), "{ids:?}");

    // Both had judged the old token before either rotated it.
    let session = server.login("alice");
    let (sessions, realm) = (&server.service.sessions, &server.service.site.realm("default").expect("there").realm);
    let mut rooms = [Scratch::default(), Scratch::default()];
    let both = rooms.each_mut().map(|room| sessions.verify(realm, &[session.token.as_bytes()], room).expect("good"));
    let [first, second] = both.map(|session| sessions.rotate(realm, &session, &Change::default(), Duration::ZERO));
    // The second could bring back a role that the first took away.
    assert_eq!(second.err(), Some(ChangeError::Conflict));
    let first = block_on(first.expect("the first").settled()).expect("kept");
    assert!(server.accepts(first.token.expose()));
    server.revoke(&json!({"session_id": session.id}));
    assert!(!server.accepts(first.token.expose()));
}

#[test]
fn of_reseals_at_one_moment_one_wins() {
    let server = Server::plain();
    let session = server.login("alice");
    let answers = race(&server, "/v1/sessions/reseal", &json!({"token": session.token}));
    let good: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 404 | 409)), "{answers:?}");
    let still = good.iter().filter(|(_, answer)| server.accepts(answer["token"].as_str().expect("a token"))).count();
    assert_eq!(still, 1, "{answers:?}");

    // All had judged the old token before any resealed it; one lowers the roles, the others do not mention them.
    let session = server.issue(&json!({"subject": "alice", "roles": ["admin"]}));
    let (sessions, realm) = (&server.service.sessions, &server.service.site.realm("default").expect("there").realm);
    let mut rooms = [Scratch::default(), Scratch::default(), Scratch::default()];
    let [a, b, c] =
        rooms.each_mut().map(|room| sessions.verify(realm, &[session.token.as_bytes()], room).expect("good"));
    let none: [String; 0] = [];
    let lowered = sessions.reseal(realm, &a, &Change { roles: Some(&none), ..Change::default() }).expect("the first");
    let lowered = block_on(lowered.settled()).expect("kept");
    server.advance(Duration::from_millis(1));
    assert_eq!(sessions.reseal(realm, &b, &Change::default()).err(), Some(ChangeError::Conflict));
    assert_eq!(sessions.rotate(realm, &c, &Change::default(), Duration::ZERO).err(), Some(ChangeError::Conflict));
    assert!(server.accepts(lowered.token.expose()), "the losers took nothing away");
}

#[test]
fn a_change_of_what_was_ended_meanwhile_is_a_conflict() {
    let server = Server::plain();
    let session = server.login("alice");
    let (sessions, realm) = (&server.service.sessions, &server.service.site.realm("default").expect("there").realm);
    let mut rooms = [Scratch::default(), Scratch::default()];
    let [a, b] = rooms.each_mut().map(|room| sessions.verify(realm, &[session.token.as_bytes()], room).expect("good"));
    server.revoke(&json!({"session_id": session.id}));
    assert_eq!(sessions.reseal(realm, &a, &Change::default()).err(), Some(ChangeError::Conflict));
    assert_eq!(sessions.rotate(realm, &b, &Change::default(), Duration::ZERO).err(), Some(ChangeError::Conflict));
}

#[test]
fn a_change_that_cannot_be_sealed_changes_nothing() {
    let server = Server::plain();
    let session = server.login("alice");
    let large = json!({"a": "x".repeat(2_048), "b": "x".repeat(2_048)});
    for path in ["/v1/sessions/reseal", "/v1/sessions/rotate"] {
        let response = server.call(path, &json!({"token": session.token, "data": large}));
        assert_eq!((response.status, &response.json()["limit"]), (422, &json!(2_784)), "{path}");
        assert!(server.accepts(&session.token), "{path}");
        for wrong in
            [json!({"aal": 4}), json!({"authenticated_at": "2027-01-01T00:00:00Z"}), json!({"roles": vec!["r"; 257]})]
        {
            let mut body = wrong.clone();
            body["token"] = json!(session.token);
            assert_eq!(server.call(path, &body).status, 422, "{path} {wrong}");
        }
        assert!(server.accepts(&session.token), "{path}");
    }
}

/// The answers to four of the same call at one moment.
fn race(server: &Server, path: &str, body: &Value) -> Vec<(u16, Value)> {
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let response = server.call(path, body);
                    (response.status, response.json())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    })
}
