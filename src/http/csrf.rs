//! Whether a request that may change something was made by a page of the application: it shows a CSRF token.
//!
//! Not asked for it are a request whose method changes nothing, if a trusted proxy says so, and a client with a bearer
//! token, which no browser sends by itself.

use actix_web::http::header::{HeaderName, HeaderValue};

use super::Service;
use super::forwarded::{Forwarded, Method};
use super::head::Head;
use super::presented::Presented;
use crate::claims::SessionId;
use crate::config::{Csrf, Policy, RealmSite};
use crate::sessions::CsrfError;

/// What a request lacks. For the log; a client learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrfLack {
    #[error("no X-CSRF-Token")]
    Missing,
    #[error("several lines of X-CSRF-Token")]
    Several,
    #[error(transparent)]
    Wrong(CsrfError),
}

/// Whether the request shows what it has to for the session `sid`.
pub fn check(
    service: &Service,
    request: Head<'_>,
    site: &RealmSite,
    presented: &Presented<'_>,
    sid: SessionId,
) -> Result<(), CsrfLack> {
    if matches!(presented, Presented::Bearer(_)) || changes_nothing(service, request) {
        return Ok(());
    }
    let mut lines = request.headers().get_all(&X_CSRF_TOKEN);
    match (lines.next(), lines.next()) {
        (Some(line), None) => service.sessions.check_csrf(&site.realm, sid, line.as_bytes()).map_err(CsrfLack::Wrong),
        (Some(_), Some(_)) => Err(CsrfLack::Several),
        (None, _) => Err(CsrfLack::Missing),
    }
}

/// The value of `X-Session-Csrf` for a session that passed: empty unless the policy provides it.
pub fn provided(service: &Service, policy: &Policy, sid: SessionId) -> Option<HeaderValue> {
    if policy.csrf == Csrf::None {
        return None;
    }
    token(service, &policy.realm, sid).and_then(|token| HeaderValue::try_from(token).ok())
}

/// A new CSRF token. Without one a form can't be sent, and its session is as good as ever.
pub fn token(service: &Service, site: &RealmSite, sid: SessionId) -> Option<String> {
    let token = service.sessions.csrf_token(&site.realm, sid);
    token
        .inspect_err(|error| tracing::error!("a CSRF token could not be made: {error}"))
        .ok()
        .map(|token| token.expose().to_owned())
}

/// Whether a trusted proxy says that the client's method is a safe one (RFC 9110, section 9.2.1).
///
/// The request's own method never counts: behind nginx's `auth_request` it is GET whatever the client sent, and nothing
/// in a request tells that proxy from one that hands the client's method on.
fn changes_nothing(service: &Service, request: Head<'_>) -> bool {
    let said = Forwarded::of(service, request).map(|proxy| proxy.method());
    matches!(said, Some(Method::Said(b"GET" | b"HEAD" | b"OPTIONS")))
}

static X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
