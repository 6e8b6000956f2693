//! Identity headers: what a reverse proxy hands on to the application.
//!
//! Every header of a preset is always sent, empty when there is nothing to say: a proxy then overwrites what a client
//! sent under that name. Values are visible ASCII; anything else, and the comma inside a role, is percent-encoded UTF-8.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::claims::Claims;
use crate::config::Preset;

/// Whom the headers are about.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// A session that passed, and the name of its realm.
    Known(&'a Claims<'a>, &'a str),
    /// No session that counts. `lacking` says what a valid one lacks; empty for nothing.
    Nobody {
        /// Whether a cookie was there at all.
        presented: bool,
        /// `reseal`, or empty.
        lacking: &'static str,
    },
}

/// Adds the identity headers of every preset.
pub fn write(headers: &mut HeaderMap, presets: &[Preset], identity: Identity<'_>) {
    for preset in presets {
        match preset {
            Preset::Sealpass => put(headers, &SEALPASS, sealpass(identity)),
            Preset::XAuthRequest => put(headers, &X_AUTH_REQUEST, x_auth_request(identity)),
            Preset::Remote => put(headers, &REMOTE, remote(identity)),
            Preset::Authgear => put(headers, &AUTHGEAR, authgear(identity)),
        }
    }
}

/// The headers of `/resolve`, as Authgear's resolver answers: `X-Authgear-Session-Valid` is absent when nothing that could be
/// a session was presented.
pub fn write_resolved(headers: &mut HeaderMap, identity: Identity<'_>) {
    put(headers, &AUTHGEAR, authgear(identity));
    if let Identity::Nobody { presented: false, .. } = identity {
        headers.remove(&AUTHGEAR[0]);
    }
}

fn put<const N: usize>(headers: &mut HeaderMap, names: &'static [HeaderName; N], values: [HeaderValue; N]) {
    for (name, value) in names.iter().zip(values) {
        headers.insert(name.clone(), value);
    }
}

fn sealpass(identity: Identity<'_>) -> [HeaderValue; 14] {
    let (claims, realm) = match identity {
        Identity::Known(claims, realm) => (claims, realm),
        Identity::Nobody { lacking, .. } => {
            let mut values = [const { EMPTY }; 14];
            values[0] = FALSE;
            values[13] = HeaderValue::from_static(lacking);
            return values;
        }
    };
    [
        TRUE,
        encoded(claims.subject.unwrap_or_default()),
        text(claims.sid.encode()),
        joined(&claims.roles),
        HeaderValue::from(claims.authenticated.as_secs()),
        HeaderValue::from(claims.started.as_secs()),
        joined(&claims.amr),
        level(claims.aal),
        HeaderValue::from(claims.expires.as_secs()),
        TRUE, // nothing makes claims stale yet
        bool(claims.subject.is_none()),
        encoded(realm),
        data(claims),
        EMPTY,
    ]
}

fn x_auth_request(identity: Identity<'_>) -> [HeaderValue; 4] {
    let Identity::Known(claims, _) = identity else { return [const { EMPTY }; 4] };
    [
        encoded(claims.subject.unwrap_or_default()),
        datum(claims, "email"),
        joined(&claims.roles),
        datum(claims, "preferred_username"),
    ]
}

fn remote(identity: Identity<'_>) -> [HeaderValue; 4] {
    let Identity::Known(claims, _) = identity else { return [const { EMPTY }; 4] };
    [encoded(claims.subject.unwrap_or_default()), joined(&claims.roles), datum(claims, "name"), datum(claims, "email")]
}

fn authgear(identity: Identity<'_>) -> [HeaderValue; 8] {
    let mut values = [const { EMPTY }; 8];
    match identity {
        Identity::Nobody { presented, .. } => values[0] = if presented { FALSE } else { EMPTY },
        Identity::Known(claims, _) => {
            values[0] = TRUE;
            values[1] = encoded(claims.subject.unwrap_or_default());
            values[2] = bool(claims.subject.is_none());
            values[4] = level(claims.aal);
            values[5] = joined(&claims.amr);
            values[6] = text(claims.authenticated.rfc3339());
        }
    }
    values
}

/// Visible ASCII as it is, but for `%` (the escape) and `,` (which separates); all else as percent-encoded UTF-8.
fn encoded(value: &str) -> HeaderValue {
    if value.bytes().all(is_plain) {
        return HeaderValue::from_str(value).unwrap_or(EMPTY);
    }
    text(utf8_percent_encode(value, ESCAPED).to_string())
}

fn joined(list: &[&str]) -> HeaderValue {
    match list {
        [] => EMPTY,
        [one] => encoded(one),
        several => {
            let mut out = String::with_capacity(several.iter().map(|entry| entry.len() + 1).sum());
            for entry in several {
                if !out.is_empty() {
                    out.push(',');
                }
                if entry.bytes().all(is_plain) {
                    out.push_str(entry);
                } else {
                    out.extend(utf8_percent_encode(entry, ESCAPED));
                }
            }
            text(out)
        }
    }
}

/// The application's data as base64url of JSON; empty if there is none.
fn data(claims: &Claims<'_>) -> HeaderValue {
    if claims.data.is_empty() {
        return EMPTY;
    }
    let map: serde_json::Map<_, _> =
        claims.data.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    text(URL_SAFE_NO_PAD.encode(serde_json::Value::Object(map).to_string()))
}

fn datum(claims: &Claims<'_>, wanted: &str) -> HeaderValue {
    claims.data.iter().find(|(key, _)| *key == wanted).map_or(EMPTY, |(_, value)| encoded(value))
}

fn level(aal: u8) -> HeaderValue {
    if aal == 0 { EMPTY } else { HeaderValue::from(u16::from(aal)) }
}

fn bool(value: bool) -> HeaderValue {
    if value { TRUE } else { FALSE }
}

/// Of text that is visible ASCII by how it was made.
fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(EMPTY)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'%' && byte != b','
}

const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');
const EMPTY: HeaderValue = HeaderValue::from_static("");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const FALSE: HeaderValue = HeaderValue::from_static("false");

static SEALPASS: [HeaderName; 14] = [
    HeaderName::from_static("x-session-valid"),
    HeaderName::from_static("x-session-subject"),
    HeaderName::from_static("x-session-id"),
    HeaderName::from_static("x-session-roles"),
    HeaderName::from_static("x-session-auth-time"),
    HeaderName::from_static("x-session-started"),
    HeaderName::from_static("x-session-amr"),
    HeaderName::from_static("x-session-aal"),
    HeaderName::from_static("x-session-expires"),
    HeaderName::from_static("x-session-fresh"),
    HeaderName::from_static("x-session-anonymous"),
    HeaderName::from_static("x-session-realm"),
    HeaderName::from_static("x-session-data"),
    HeaderName::from_static("x-session-reason"),
];

static X_AUTH_REQUEST: [HeaderName; 4] = [
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-auth-request-email"),
    HeaderName::from_static("x-auth-request-groups"),
    HeaderName::from_static("x-auth-request-preferred-username"),
];

static REMOTE: [HeaderName; 4] = [
    HeaderName::from_static("remote-user"),
    HeaderName::from_static("remote-groups"),
    HeaderName::from_static("remote-name"),
    HeaderName::from_static("remote-email"),
];

static AUTHGEAR: [HeaderName; 8] = [
    HeaderName::from_static("x-authgear-session-valid"),
    HeaderName::from_static("x-authgear-user-id"),
    HeaderName::from_static("x-authgear-user-anonymous"),
    HeaderName::from_static("x-authgear-user-verified"),
    HeaderName::from_static("x-authgear-session-acr"),
    HeaderName::from_static("x-authgear-session-amr"),
    HeaderName::from_static("x-authgear-session-authenticated-at"),
    HeaderName::from_static("x-authgear-user-can-reauthenticate"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s38_names_of_every_language_are_visible_ascii() {
        for (name, sent) in [
            ("alice", "alice"),
            ("a@b.example", "a@b.example"),
            ("müller", "m%C3%BCller"),
            ("山田", "%E5%B1%B1%E7%94%B0"),
            ("🦭", "%F0%9F%A6%AD"),
            ("\u{200f}x", "%E2%80%8Fx"),
            ("100%", "100%25"),
            ("a b", "a%20b"),
            ("", ""),
        ] {
            assert_eq!(encoded(name), sent);
        }
    }

    #[test]
    fn s39_a_comma_inside_a_role_makes_no_second_one() {
        assert_eq!(joined(&["a,b"]), "a%2Cb");
        assert_eq!(joined(&["a,b", "c"]), "a%2Cb,c");
        assert_eq!(joined(&[]), "");
    }
}
