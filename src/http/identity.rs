//! Identity headers: what a reverse proxy hands on to the application.
//!
//! Every header of a preset is always sent, empty when there is nothing to say: a proxy then overwrites what a client
//! sent under that name. Values are visible ASCII; anything else, and the comma inside a role, is percent-encoded UTF-8.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::BytesMut;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serializer as _;

use crate::claims::{Claims, SessionId};
use crate::config::{Policy, Preset, View};
use crate::sessions::Session;

/// Whom the headers are about.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// A session that passed.
    Known(Known<'a>),
    /// No session that counts.
    Nobody {
        /// Whether a cookie was there at all.
        presented: bool,
    },
}

/// A session that passed, and what of it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub claims: &'a Claims<'a>,
    /// The name of its realm.
    pub realm: &'a str,
    /// Whether what it says is out of date.
    pub freshness: Freshness,
    pub view: &'a View,
}

/// Whether what a session says is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// The application has to give new claims. The roles count if the route says so.
    Stale {
        roles_count: bool,
    },
}

/// The names of a preset's headers.
pub fn names(preset: Preset) -> impl Iterator<Item = &'static str> {
    let names: &'static [HeaderName] = match preset {
        Preset::Sealpass => &SEALPASS,
        Preset::XAuthRequest => &X_AUTH_REQUEST,
        Preset::Remote => &REMOTE,
        Preset::Authgear => &AUTHGEAR,
    };
    names.iter().map(HeaderName::as_str)
}

/// What a client or a page is told to do about a 401 that no login mends.
pub fn put_reason(headers: &mut HeaderMap, reason: &'static str) {
    headers.insert(REASON.clone(), HeaderValue::from_static(reason));
}

/// Adds the identity headers of every preset.
pub fn write(headers: &mut HeaderMap, presets: &[Preset], identity: Identity<'_>) {
    headers.reserve(16); // else the map grows four times on its way there
    let ink = &mut Ink::default();
    for preset in presets {
        match preset {
            Preset::Sealpass => put(headers, &SEALPASS, sealpass(identity, ink)),
            Preset::XAuthRequest => put(headers, &X_AUTH_REQUEST, x_auth_request(identity, ink)),
            Preset::Remote => put(headers, &REMOTE, remote(identity, ink)),
            Preset::Authgear => put(headers, &AUTHGEAR, authgear(identity, ink)),
        }
    }
}

/// Puts a CSRF token in its place, if the presets have one. Everywhere else it stands empty, so that no client's gets
/// through.
pub fn put_csrf(headers: &mut HeaderMap, presets: &[Preset], token: HeaderValue) {
    if presets.contains(&Preset::Sealpass) {
        headers.insert(SEALPASS[14].clone(), token);
    }
}

/// The headers of `/resolve`, as Authgear's resolver answers: `X-Authgear-Session-Valid` is absent when nothing that could be
/// a session was presented.
pub fn write_resolved(headers: &mut HeaderMap, identity: Identity<'_>) {
    put(headers, &AUTHGEAR, authgear(identity, &mut Ink::default()));
    if let Identity::Nobody { presented: false, .. } = identity {
        headers.remove(&AUTHGEAR[0]);
    }
}

fn put<const N: usize>(headers: &mut HeaderMap, names: &'static [HeaderName; N], values: [HeaderValue; N]) {
    for (name, value) in names.iter().zip(values) {
        headers.insert(name.clone(), value);
    }
}

fn sealpass(identity: Identity<'_>, ink: &mut Ink) -> [HeaderValue; 15] {
    let Identity::Known(known) = identity else {
        let mut values = [const { EMPTY }; 15];
        values[0] = FALSE;
        return values;
    };
    let claims = known.claims;
    [
        TRUE,
        ink.encoded(claims.subject.unwrap_or_default()),
        ink.id(claims.sid),
        ink.joined(known.roles()),
        ink.number(claims.authenticated.as_secs()),
        ink.number(claims.started.as_secs()),
        ink.joined(claims.amr.iter().copied()),
        level(claims.aal),
        ink.number(claims.expires.as_secs()),
        bool(known.freshness == Freshness::Fresh),
        bool(claims.subject.is_none()),
        ink.encoded(known.realm),
        ink.data(known),
        EMPTY,
        EMPTY, // see `put_csrf`
    ]
}

fn x_auth_request(identity: Identity<'_>, ink: &mut Ink) -> [HeaderValue; 4] {
    let Identity::Known(known) = identity else { return [const { EMPTY }; 4] };
    [
        ink.encoded(known.claims.subject.unwrap_or_default()),
        ink.encoded(known.datum("email")),
        ink.joined(known.roles()),
        ink.encoded(known.datum("preferred_username")),
    ]
}

fn remote(identity: Identity<'_>, ink: &mut Ink) -> [HeaderValue; 4] {
    let Identity::Known(known) = identity else { return [const { EMPTY }; 4] };
    [
        ink.encoded(known.claims.subject.unwrap_or_default()),
        ink.joined(known.roles()),
        ink.encoded(known.datum("name")),
        ink.encoded(known.datum("email")),
    ]
}

fn authgear(identity: Identity<'_>, ink: &mut Ink) -> [HeaderValue; 8] {
    let mut values = [const { EMPTY }; 8];
    match identity {
        Identity::Nobody { presented, .. } => values[0] = if presented { FALSE } else { EMPTY },
        Identity::Known(Known { claims, .. }) => {
            values[0] = TRUE;
            values[1] = ink.encoded(claims.subject.unwrap_or_default());
            values[2] = bool(claims.subject.is_none());
            values[4] = level(claims.aal);
            values[5] = ink.joined(claims.amr.iter().copied());
            values[6] = ink.written(|out| out.extend_from_slice(claims.authenticated.rfc3339().as_bytes()));
        }
    }
    values
}

impl<'a> Known<'a> {
    /// Of a session, as this policy shows it.
    pub fn new(claims: &'a Claims<'a>, policy: &'a Policy, freshness: Freshness) -> Self {
        Self { claims, realm: policy.realm.realm.name().as_str(), freshness, view: &policy.view }
    }

    fn roles(self) -> impl Iterator<Item = &'a str> {
        self.freshness.roles(self.claims).iter().filter_map(move |role| self.view.role(role))
    }

    fn data(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.claims.data.iter().copied().filter(move |(key, _)| self.view.shows(key))
    }

    fn datum(self, wanted: &str) -> &'a str {
        self.data().find(|(key, _)| *key == wanted).map_or("", |(_, value)| value)
    }
}

impl Freshness {
    /// Of a session, on a route that counts stale roles or does not.
    pub fn of(session: &Session<'_>, roles_count: bool) -> Self {
        if session.stale { Self::Stale { roles_count } } else { Self::Fresh }
    }

    /// The roles that count.
    pub fn roles<'c, 'a>(self, claims: &'c Claims<'a>) -> &'c [&'a str] {
        if self == (Self::Stale { roles_count: false }) { &[] } else { &claims.roles }
    }
}

/// Writes values into one buffer that all of them share: one allocation for a whole answer, none where nothing is written.
#[derive(Default)]
struct Ink(BytesMut);

impl Ink {
    fn written(&mut self, write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
        if self.0.capacity() == 0 {
            self.0.reserve(ROOM);
        }
        write(&mut self.0);
        if self.0.is_empty() {
            return EMPTY;
        }
        // Visible ASCII by how it was made.
        HeaderValue::from_maybe_shared(self.0.split().freeze()).unwrap_or(EMPTY)
    }

    /// Visible ASCII as it is, but for `%` (the escape) and `,` (which separates); all else as percent-encoded UTF-8.
    fn encoded(&mut self, value: &str) -> HeaderValue {
        self.joined([value])
    }

    fn joined<'l>(&mut self, list: impl IntoIterator<Item = &'l str>) -> HeaderValue {
        self.written(|out| {
            for (at, entry) in list.into_iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(b",");
                }
                if entry.bytes().all(is_plain) {
                    out.extend_from_slice(entry.as_bytes());
                } else {
                    utf8_percent_encode(entry, ESCAPED).for_each(|piece| out.extend_from_slice(piece.as_bytes()));
                }
            }
        })
    }

    fn id(&mut self, sid: SessionId) -> HeaderValue {
        let mut text = [0; 22];
        let _ = URL_SAFE_NO_PAD.encode_slice(sid.0, &mut text); // 16 bytes are as many characters
        self.written(|out| out.extend_from_slice(&text))
    }

    fn number(&mut self, value: u64) -> HeaderValue {
        self.written(|out| out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()))
    }

    /// The application's data as base64url of JSON; empty if there is none.
    fn data(&mut self, known: Known<'_>) -> HeaderValue {
        if known.data().next().is_none() {
            return EMPTY;
        }
        let mut json = serde_json::Serializer::new(Vec::with_capacity(ROOM));
        match json.collect_map(known.data()) {
            Ok(()) => self.written(|out| out.extend_from_slice(URL_SAFE_NO_PAD.encode(json.into_inner()).as_bytes())),
            Err(_) => EMPTY, // a growing buffer takes every text
        }
    }
}

fn level(aal: u8) -> HeaderValue {
    HeaderValue::from_static(["", "1", "2", "3"].get(usize::from(aal)).copied().unwrap_or_default())
}

fn bool(value: bool) -> HeaderValue {
    if value { TRUE } else { FALSE }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'%' && byte != b','
}

/// Bytes that the values of most answers fit in.
const ROOM: usize = 256;
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');
const EMPTY: HeaderValue = HeaderValue::from_static("");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const FALSE: HeaderValue = HeaderValue::from_static("false");

static SEALPASS: [HeaderName; 15] = [
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
    HeaderName::from_static("x-session-csrf"),
];

static REASON: HeaderName = HeaderName::from_static("x-session-reason");

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
            assert_eq!(Ink::default().encoded(name), sent);
        }
    }

    #[test]
    fn s39_a_comma_inside_a_role_makes_no_second_one() {
        assert_eq!(Ink::default().joined(["a,b"]), "a%2Cb");
        assert_eq!(Ink::default().joined(["a,b", "c"]), "a%2Cb,c");
        assert_eq!(Ink::default().joined([]), "");
    }
}
