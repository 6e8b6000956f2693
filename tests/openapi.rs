//! `/openapi.json`: it is the committed copy, it has every call of the control listener and no other, and what it says
//! holds for the running service (by schemathesis, in `tests/openapi/driven.rs`).
//!
//! `SEALPASS_WRITE_OPENAPI=1 cargo test --test openapi` writes the copy. Without schemathesis its test is left out, with a line
//! that says so; with `SEALPASS_REQUIRE_SCHEMATHESIS=1` that is a failure.

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;
#[path = "openapi/driven.rs"]
mod driven;
#[path = "openapi/routes.rs"]
mod routes;

use common::{CREDENTIAL, Server};
use sealpass::claims::{MAX_ENTRIES, MAX_HANDLES, MAX_TEXT, MAX_VALUE};
use serde_json::Value;

#[test]
fn it_is_the_committed_copy() {
    let served = served(&Server::plain());
    if std::env::var_os("SEALPASS_WRITE_OPENAPI").is_some() {
        std::fs::write(COPY, &served).expect("writable");
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(served == copy, "it is not {COPY}: write it with SEALPASS_WRITE_OPENAPI=1 cargo test --test openapi");
}

#[test]
fn it_is_for_those_with_a_credential() {
    let server = Server::plain();
    for (credential, status) in [(CREDENTIAL, 200), ("sealpass_other", 401)] {
        assert_eq!(server.get_as(credential, "/openapi.json").status, status);
    }
}

#[test]
fn its_limits_are_those_of_the_code() {
    let document: Value = serde_json::from_str(&served(&Server::plain())).expect("JSON");
    let schema = |path: &str| document["components"]["schemas"].pointer(path).unwrap_or_else(|| panic!("{path}"));
    for (path, limit) in [
        ("/Name/maxLength", MAX_TEXT),
        ("/ImportKey/maxLength", MAX_VALUE),
        ("/Data/maxProperties", MAX_ENTRIES),
        ("/Data/additionalProperties/maxLength", MAX_VALUE),
        ("/Data/propertyNames/maxLength", MAX_TEXT),
        ("/Issue/properties/handles/maxItems", MAX_HANDLES),
        ("/Issue/properties/roles/maxItems", MAX_ENTRIES),
        ("/Issue/properties/amr/maxItems", MAX_ENTRIES),
        ("/Update/properties/roles/maxItems", MAX_ENTRIES),
        ("/Update/properties/amr/maxItems", MAX_ENTRIES),
        ("/CheckedSession/properties/handles/maxItems", MAX_HANDLES),
    ] {
        assert_eq!(schema(path), limit, "{path}");
    }
}

fn served(server: &Server) -> String {
    let response = server.get_as(CREDENTIAL, "/openapi.json");
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    String::from_utf8(response.body).expect("text")
}

const COPY: &str = "tests/openapi.json";
