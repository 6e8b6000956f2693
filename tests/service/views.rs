//! What of a session each application gets to see.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::common::{Response, Server, Session};

const POLICIES: &str = "
[policy.all]
headers = [\"sealpass\", \"x-auth-request\", \"remote\", \"authgear\"]
[policy.billing]
roles_prefix = \"billing:\"
expose = [\"email\"]
headers = [\"sealpass\", \"x-auth-request\", \"remote\", \"authgear\"]
[policy.nothing]
roles_prefix = \"nothing:\"
expose = []
headers = [\"sealpass\", \"x-auth-request\", \"remote\", \"authgear\"]
[policy.admin]
roles_prefix = \"billing:\"
role = [\"billing:admin\"]
[policy.short]
roles_prefix = \"billing:\"
role = [\"admin\"]
[policy.stale]
roles_prefix = \"billing:\"
stale_roles = true
[policy.open]
optional = true
roles_prefix = \"billing:\"
expose = [\"plan\"]
";

fn alice(server: &Server) -> Session {
    server.issue(&json!({
        "subject": "alice",
        "roles": ["billing:admin", "shop:admin", "billing:", "billing:a,b", "editor", "billing:größe"],
        "data": {"email": "a@b.example", "name": "Alice", "preferred_username": "al", "plan": "gold"},
    }))
}

fn data(response: &Response) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(response.header("x-session-data").expect("always there")).expect("base64url");
    if bytes.is_empty() { json!({}) } else { serde_json::from_slice(&bytes).expect("JSON") }
}

#[test]
fn an_application_sees_its_own_roles_and_what_is_exposed_to_it() {
    let server = Server::with(POLICIES);
    let cookie = alice(&server).cookie();
    let ask = |policy: &str| server.ask("GET", &format!("/policy/{policy}/"), &[("Cookie", &cookie)]);
    let every = "billing:admin,shop:admin,billing:,billing:a%2Cb,editor,billing:gr%C3%B6%C3%9Fe";
    for (policy, roles, shown) in [
        ("all", every, json!({"email": "a@b.example", "name": "Alice", "preferred_username": "al", "plan": "gold"})),
        ("billing", "admin,a%2Cb,gr%C3%B6%C3%9Fe", json!({"email": "a@b.example"})),
        ("nothing", "", json!({})),
    ] {
        let response = ask(policy);
        assert_eq!(response.status, 200);
        for name in ["x-session-roles", "x-auth-request-groups", "remote-groups"] {
            assert_eq!(response.header(name), Some(roles), "{policy}: {name}");
        }
        assert_eq!(data(&response), shown, "{policy}");
        for (name, key) in [
            ("x-auth-request-email", "email"),
            ("remote-email", "email"),
            ("remote-name", "name"),
            ("x-auth-request-preferred-username", "preferred_username"),
        ] {
            assert_eq!(response.header(name), Some(shown[key].as_str().unwrap_or_default()), "{policy}: {name}");
        }
        // Who it is, all see.
        for name in ["x-session-subject", "x-auth-request-user", "remote-user", "x-authgear-user-id"] {
            assert_eq!(response.header(name), Some("alice"), "{policy}: {name}");
        }
        assert!(!response.headers.iter().any(|(_, value)| policy != "all" && value.contains("shop")));
        let session = response.headers.iter().filter(|(name, _)| name.starts_with("x-session-")).count();
        assert_eq!(session, 15, "all of them, empty or not");
    }
    assert_eq!(ask("nothing").header("x-session-data"), Some(""), "nothing to show is no data");
}

#[test]
fn a_route_demands_whole_names() {
    let server = Server::with(POLICIES);
    let cookie = alice(&server).cookie();
    for (target, status) in [
        ("/policy/admin/", 200),
        ("/policy/short/", 403),
        ("/policy/billing?role=billing:admin", 200),
        ("/policy/billing?role=shop:admin", 200), // not shown, and had all the same
        ("/policy/billing?role=admin", 403),
    ] {
        assert_eq!(server.ask("GET", target, &[("Cookie", &cookie)]).status, status, "{target}");
    }
}

#[test]
fn roles_that_are_out_of_date_stay_hidden() {
    let server = Server::with(POLICIES);
    let cookie = alice(&server).cookie();
    assert_eq!(server.call("/v1/subjects/stale", &json!({"subject": "alice"})).status, 204);
    for (policy, roles) in [("billing", ""), ("stale", "admin,a%2Cb,gr%C3%B6%C3%9Fe")] {
        let response = server.ask("GET", &format!("/policy/{policy}/"), &[("Cookie", &cookie)]);
        assert_eq!((response.status, response.header("x-session-roles")), (200, Some(roles)), "{policy}");
    }
}

#[test]
fn an_optional_route_has_a_view_too() {
    let server = Server::with(POLICIES);
    let cookie = alice(&server).cookie();
    let response = server.ask("GET", "/policy/open/", &[("Cookie", &cookie)]);
    assert_eq!(response.header("x-session-roles"), Some("admin,a%2Cb,gr%C3%B6%C3%9Fe"));
    assert_eq!(data(&response), json!({"plan": "gold"}));
    let nobody = server.ask("GET", "/policy/open/", &[]);
    assert_eq!((nobody.status, nobody.header("x-session-valid")), (200, Some("false")));
}
