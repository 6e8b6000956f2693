//! Several realms in one service: no token of one counts in another, and a bearer token counts where it is accepted.

use std::time::Duration;

use serde_json::json;

use crate::common::{Server, Session};

const REALMS: &str = "
[realm.default]
[realm.shop.cookie]
name = \"__Host-shop\"
[realm.desk.cookie]
name = \"__Host-desk\"
[policy.shop]
realm = \"shop\"
[policy.desk]
realm = \"desk\"
";

const API: &str = "
[realm.default]
accept = [\"cookie\", \"bearer\"]
public_origins = [\"https://app.example.com\"]
";

#[test]
fn s22_a_token_counts_under_one_cookie_name_and_in_one_realm() {
    let server = Server::with(REALMS);
    let realms = [("default", "__Host-sealpass"), ("shop", "__Host-shop"), ("desk", "__Host-desk")];
    for (of, _) in realms {
        let token = server.issue(&json!({"realm": of, "subject": "alice"})).token;
        for (name_of, name) in realms {
            for (asked, _) in realms {
                let response = server.ask_with(&format!("/policy/{asked}/"), &[format!("{name}={token}").as_bytes()]);
                let status = if of == name_of && of == asked { 200 } else { 401 };
                assert_eq!(response.status, status, "of {of}, as {name}, asked for {asked}");
                if status == 200 {
                    assert_eq!(response.header("x-session-realm"), Some(of));
                }
            }
            let active = server.call("/v1/sessions/introspect", &json!({"realm": name_of, "token": token})).json();
            assert_eq!(active["active"], of == name_of);
            if of != name_of {
                for path in ["renew", "reseal", "rotate"] {
                    let response =
                        server.call(&format!("/v1/sessions/{path}"), &json!({"realm": name_of, "token": token}));
                    assert_eq!(response.status, 404, "{path}");
                }
                let response = server.call("/v1/sessions/revoke", &json!({"realm": name_of, "token": token}));
                assert_eq!(response.status, 204, "no session of that realm, so nothing to end");
            }
        }
        let own = realms.iter().find(|(realm, _)| *realm == of).expect("there").1;
        assert_eq!(
            server.ask_with(&format!("/policy/{of}/"), &[format!("{own}={token}").as_bytes()]).status,
            200,
            "{of}"
        );
    }
}

#[test]
fn s22_the_same_ring_elsewhere_opens_only_the_same_name_and_realm() {
    let server = Server::plain();
    let token = server.login("alice").token;
    for (what, config, target, name, status) in [
        ("a replica", "", "/verify/", "__Host-sealpass", 200),
        (
            "another cookie name",
            "[realm.default.cookie]\nname = \"__Host-staging\"\n",
            "/verify/",
            "__Host-staging",
            401,
        ),
        ("another realm", "[realm.staging]\n[policy.p]\nrealm = \"staging\"\n", "/policy/p/", "__Host-sealpass", 401),
    ] {
        let other = Server::with_ring_of(&server, config);
        assert_eq!(other.ask_with(target, &[format!("{name}={token}").as_bytes()]).status, status, "{what}");
    }
}

#[test]
fn a_logout_ends_the_sessions_of_every_realm_whose_cookie_came() {
    let server = Server::with(REALMS);
    let issue = |realm: &str| server.issue(&json!({"realm": realm, "subject": "alice"}));
    let (plain, shop, desk) = (issue("default"), issue("shop"), issue("desk"));
    let line = format!("{}; __Host-shop={}", plain.cookie(), shop.token);
    let response = server.ask("POST", "/logout", &[("Cookie", &line), ("Sec-Fetch-Site", "same-origin")]);
    let mut cleared: Vec<_> =
        response.all("set-cookie").iter().map(|line| line.split('=').next().expect("a name")).collect();
    cleared.sort_unstable();
    assert_eq!(cleared, ["__Host-sealpass", "__Host-shop"]);
    let status = |policy: &str, session: &Session| {
        let name = if policy == "default" { "sealpass" } else { policy };
        server.ask_with(&format!("/policy/{policy}/"), &[format!("__Host-{name}={}", session.token).as_bytes()]).status
    };
    assert_eq!((status("default", &plain), status("shop", &shop), status("desk", &desk)), (401, 401, 200));
}

#[test]
fn a_bearer_token_counts_where_it_is_accepted_and_never_beside_a_cookie() {
    let server = Server::with(API);
    let token = server.login("alice").token;
    let (cookie, bearer) = (format!("__Host-sealpass={token}"), format!("Bearer {token}"));
    let other = format!("Bearer {}", server.login("bob").token);
    let ask = |headers: &[(&str, &str)]| server.ask("GET", "/verify/", headers);
    let known = ask(&[("Authorization", &bearer)]);
    assert_eq!((known.status, known.header("x-session-subject")), (200, Some("alice")));
    for (what, headers, status) in [
        ("the scheme in another case", &[("Authorization", &*format!("bEARER {token}"))][..], 200),
        ("another scheme beside it", &[("Authorization", "Basic YTpi"), ("Authorization", &bearer)], 200),
        ("the cookie", &[("Cookie", &cookie)], 200),
        ("a foreign cookie beside it", &[("Authorization", &bearer), ("Cookie", "a=b")], 200),
        ("cookie and bearer", &[("Authorization", &bearer), ("Cookie", &cookie)], 401),
        ("an empty cookie and bearer", &[("Authorization", &bearer), ("Cookie", "__Host-sealpass=")], 401),
        ("two bearer tokens", &[("Authorization", &bearer), ("Authorization", &other)], 401),
        ("the same one twice", &[("Authorization", &bearer), ("Authorization", &bearer)], 401),
        ("two in one", &[("Authorization", &format!("{bearer}, {other}"))], 401),
        ("another scheme", &[("Authorization", &format!("Basic {token}"))], 401),
        ("no scheme", &[("Authorization", &token)], 401),
        ("no token", &[("Authorization", "Bearer ")], 401),
        ("in the query", &[("X-Nothing", "")], 401),
    ] {
        assert_eq!(ask(headers).status, status, "{what}");
    }
    assert_eq!(server.ask("GET", &format!("/verify/?access_token={token}"), &[]).status, 401);
    assert_eq!(ask(&[]).header("www-authenticate"), Some("Bearer realm=\"default\""));
}

#[test]
fn a_bearer_client_is_never_given_a_cookie() {
    let server = Server::with(API);
    let token = server.login("alice").token;
    let bearer = format!("Bearer {token}");
    server.advance(Duration::from_secs(300));
    for target in ["/verify/", "/resolve"] {
        // With a cookie beside its token the client would contradict itself, and be refused from then on.
        let response = server.ask("GET", target, &[("Authorization", &bearer)]);
        assert_eq!((response.status, response.header("set-cookie")), (200, None), "{target}");
    }
    let renewed = server.ask("POST", "/renew", &[("Authorization", &bearer)]);
    assert_eq!((renewed.status, renewed.header("set-cookie")), (200, None));
    let next = renewed.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(server.ask("GET", "/verify/", &[("Authorization", &format!("Bearer {next}"))]).status, 200);
    let out = server.ask("POST", "/logout", &[("Authorization", &format!("Bearer {next}"))]);
    assert_eq!((out.status, out.header("set-cookie")), (204, None));
    assert_eq!(server.ask("GET", "/verify/", &[("Authorization", &bearer)]).status, 401);
}

#[test]
fn a_realm_that_accepts_bearer_alone_takes_no_cookie() {
    let server = Server::with("[realm.default]\naccept = [\"bearer\"]\n");
    let token = server.login("alice").token;
    let (cookie, bearer) = (format!("__Host-sealpass={token}"), format!("Bearer {token}"));
    assert_eq!(server.ask("GET", "/verify/", &[("Authorization", &bearer)]).status, 200);
    assert_eq!(server.ask("GET", "/verify/", &[("Cookie", &cookie)]).status, 401);
    assert_eq!(server.ask("GET", "/resolve", &[("Cookie", &cookie)]).header("x-authgear-session-valid"), None);
    let both = server.ask("GET", "/verify/", &[("Cookie", &cookie), ("Authorization", &bearer)]);
    assert_eq!(both.status, 200, "a cookie that does not count contradicts nothing");
}
