//! What a request presents as its session: the realm's cookie, or a bearer token where the realm accepts one.

use std::cell::RefCell;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};

use super::cookie::{Values, every_value, values};
use super::{Service, browser};
use crate::config::RealmSite;
use crate::sessions::{Refusal, Session};
use crate::token::Scratch;

/// What a request presents as its session.
pub enum Presented<'r> {
    Cookie(Values<'r>),
    Bearer(&'r [u8]),
    /// A cookie and a bearer token, or two bearer tokens: whose request is it?
    Both,
}

impl<'r> Presented<'r> {
    pub fn of(headers: &'r HeaderMap, site: &RealmSite) -> Self {
        let cookies = cookies(headers, site);
        let mut bearers = headers.get_all(AUTHORIZATION).filter_map(|line| bearer(line.as_bytes()));
        match (bearers.next().filter(|_| site.bearer), bearers.next()) {
            (None, _) => Self::Cookie(cookies),
            (Some(token), None) if cookies.is_empty() => Self::Bearer(token),
            _ => Self::Both,
        }
    }

    /// Refuses what a browser was tricked into, and what contradicts itself.
    pub fn meant(self, headers: &HeaderMap, site: &RealmSite) -> Result<Self, StatusCode> {
        match self {
            Self::Both => Err(StatusCode::BAD_REQUEST),
            // Browsers never send this header by themselves, so no other site can make them.
            Self::Bearer(_) => Ok(self),
            Self::Cookie(_) if browser::is_meant(headers, site) => Ok(self),
            Self::Cookie(_) => {
                tracing::debug!("403: neither Sec-Fetch-Site: same-origin nor an Origin that is in public_origins");
                Err(StatusCode::FORBIDDEN)
            }
        }
    }

    pub fn judge<'s>(
        &self,
        service: &Service,
        site: &RealmSite,
        scratch: &'s mut Scratch,
    ) -> Result<Session<'s>, Refusal> {
        match self {
            Self::Cookie(values) => service.sessions.verify(&site.realm, values, scratch),
            Self::Bearer(token) => service.sessions.verify(&site.realm, &[token], scratch),
            Self::Both => Err(Refusal::TooMany),
        }
    }

    /// The session as this client can have it renewed: one with a bearer token has no use for a cookie, and would be
    /// refused from then on, as it came with both.
    pub fn renewable<'s>(&self, session: Session<'s>) -> Session<'s> {
        Session { renewal_due: session.renewal_due && matches!(self, Self::Cookie(_)), ..session }
    }

    pub fn values(&self) -> &[&'r [u8]] {
        match self {
            Self::Cookie(values) => values,
            Self::Bearer(token) => std::slice::from_ref(token),
            Self::Both => &[],
        }
    }
}

/// The values of the realm's cookie, as many as may count.
pub fn cookies<'r>(headers: &'r HeaderMap, site: &RealmSite) -> Values<'r> {
    values(cookie_lines(headers, site), site.realm.cookie().as_str().as_bytes())
}

/// The values of the realm's anchors, from which devices refresh sessions that are bound to them; as many as may count.
pub fn anchors<'r>(headers: &'r HeaderMap, site: &RealmSite) -> Values<'r> {
    values(cookie_lines(headers, site), site.realm.anchor_cookie().as_str().as_bytes())
}

/// All of them: to end sessions.
pub fn every_anchor<'r>(headers: &'r HeaderMap, site: &RealmSite) -> Vec<&'r [u8]> {
    every_value(cookie_lines(headers, site), site.realm.anchor_cookie().as_str().as_bytes()).collect()
}

/// All of the realm's cookies.
pub fn every_cookie<'r>(headers: &'r HeaderMap, site: &RealmSite) -> impl Iterator<Item = &'r [u8]> {
    every_value(cookie_lines(headers, site), site.realm.cookie().as_str().as_bytes())
}

/// None of them where only a bearer token counts.
fn cookie_lines<'r>(headers: &'r HeaderMap, site: &RealmSite) -> impl Iterator<Item = &'r [u8]> {
    let counts = site.from_cookie;
    headers.get_all(COOKIE).map(HeaderValue::as_bytes).filter(move |_| counts)
}

/// The token of a Bearer header (RFC 6750, section 2.1); the scheme's case does not matter (RFC 9110, section 11.1).
pub fn bearer(line: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = line.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Lends `f` this worker's room for opening tokens.
pub fn with_scratch<T>(f: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(f)
}

thread_local! {
    /// Where this worker opens tokens.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}
