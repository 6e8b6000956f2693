//! What a browser is told to do: the JSON session instructions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::PublicPoint;

/// How a browser keeps up a bound session.
#[derive(Debug, Serialize)]
pub struct Instructions<'a> {
    session_identifier: &'a str,
    refresh_url: &'a str,
    scope: Scope<'a>,
    credentials: [Credential<'a>; 1],
    allowed_refresh_initiators: &'a [String],
}

/// Its origin alone, but for the path on which a session ends: a refresh on the way there would set the cookie anew.
#[derive(Debug, Serialize)]
struct Scope<'a> {
    include_site: bool,
    scope_specification: [Rule<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Rule<'a> {
    r#type: &'static str,
    domain: &'static str,
    path: &'a str,
}

/// The cookie without which a request waits for a refresh.
#[derive(Debug, Serialize)]
struct Credential<'a> {
    r#type: &'static str,
    name: &'a str,
    attributes: &'a str,
}

impl<'a> Instructions<'a> {
    /// Of the session `id`, for requests of the origin that it was registered at. `initiators` are hosts whose pages may
    /// make the browser refresh before it follows their link here.
    pub fn new(
        id: &'a str,
        refresh: &'a str,
        (cookie, attributes): (&'a str, &'a str),
        initiators: &'a [String],
    ) -> Self {
        let logout = Rule { r#type: "exclude", domain: "*", path: "/logout" };
        Self {
            session_identifier: id,
            refresh_url: refresh,
            scope: Scope { include_site: false, scope_specification: [logout] },
            credentials: [Credential {
                r#type: "cookie",
                name: cookie,
                attributes: attributes.trim_start_matches("; "),
            }],
            allowed_refresh_initiators: initiators,
        }
    }
}

/// What ends the browser's part of a session.
pub const OVER: &str = "{\"continue\":false}";

/// What a browser knows its session by: 23 characters of its public key. So it stays the same when the session is given
/// another id, and names no session of ours. It begins with a letter, so that it can be read as a token as well.
pub fn identifier(key: &PublicPoint) -> String {
    let mut id = String::from("k");
    URL_SAFE_NO_PAD.encode_string(&key[1..17], &mut id);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_the_members_of_the_draft() {
        let initiators = ["*".to_owned()];
        let cookie = ("__Host-s", "; Path=/; Secure; HttpOnly; SameSite=Lax");
        let told = Instructions::new("kX", "/dbsc/default/refresh", cookie, &initiators);
        let expected = serde_json::json!({
            "session_identifier": "kX",
            "refresh_url": "/dbsc/default/refresh",
            "scope": {
                "include_site": false,
                "scope_specification": [{ "type": "exclude", "domain": "*", "path": "/logout" }],
            },
            "credentials": [
                { "type": "cookie", "name": "__Host-s", "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax" },
            ],
            "allowed_refresh_initiators": ["*"],
        });
        assert_eq!(serde_json::to_value(told).expect("plain"), expected);
    }

    #[test]
    fn an_identifier_is_that_of_the_key() {
        let (mut one, mut two) = ([4; 65], [4; 65]);
        (one[1], two[1]) = (0xff, 0xfe);
        assert_eq!(identifier(&one), "k_wQEBAQEBAQEBAQEBAQEBA");
        assert_eq!(identifier(&one).len(), 23);
        assert_ne!(identifier(&one), identifier(&two));
    }
}
