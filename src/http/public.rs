//! The public listener: verify for reverse proxies; renew and log out for browsers.
//!
//! Paths are compared as they came, neither decoded nor normalised: a proxy appends its client's path, and nothing in it
//! may choose or soften what is demanded.

use std::cell::RefCell;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, SET_COOKIE, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::answer::{close_if_more_follows, empty};
use super::cookie::{self, Values, every_value, values};
use super::demands::{Added, Lack, judge};
use super::identity::{self, Identity};
use super::{Service, answer, browser, dev};
use crate::config::{Policy, Preset, RealmSite};
use crate::sessions::{Refusal, Session};
use crate::telemetry::Decision;
use crate::token::Scratch;

/// Every request of the public listener, whatever its method.
pub async fn dispatch(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let path = request.uri().path();
    let mut response = match route(path) {
        Route::Verify(policy, exact) => verify(&service, &request, policy, exact),
        Route::Resolve => resolve(&service, &request),
        Route::Renew => post(&request, || renew(&service, &request)),
        Route::Logout => post(&request, || log_out(&service, &request)),
        Route::Healthz => empty(StatusCode::OK),
        Route::Readyz if service.is_ready() => empty(StatusCode::OK),
        Route::Readyz => empty(StatusCode::SERVICE_UNAVAILABLE),
        Route::Other if service.dev => return dev::dispatch(&service, &request, body).await,
        Route::Other => empty(StatusCode::NOT_FOUND),
    };
    close_if_more_follows(&request, &mut response);
    response
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Route<'p> {
    /// A policy's name, and whether the path ends there, so that the query is the proxy's own.
    Verify(&'p str, bool),
    Resolve,
    Renew,
    Logout,
    Healthz,
    Readyz,
    Other,
}

fn route(path: &str) -> Route<'_> {
    let verify = |policy, rest: &str| match rest.as_bytes().first() {
        None => Some(Route::Verify(policy, true)),
        Some(b'/') => Some(Route::Verify(policy, false)),
        Some(_) => None,
    };
    let by_name = |rest: &'static str| path.strip_prefix(rest);
    if let Some(found) = by_name("/verify").and_then(|rest| verify("default", rest)) {
        return found;
    }
    if let Some(rest) = by_name("/policy/") {
        let (name, _) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        return Route::Verify(name, name.len() == rest.len());
    }
    match path {
        "/resolve" => Route::Resolve,
        "/renew" => Route::Renew,
        "/logout" => Route::Logout,
        "/healthz" => Route::Healthz,
        "/readyz" => Route::Readyz,
        _ => Route::Other,
    }
}

fn verify(service: &Service, request: &HttpRequest, policy: &str, exact: bool) -> HttpResponse {
    if !service.is_ready() {
        service.metrics.decided(Decision::NotReady);
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let Some(policy) = service.site.policy(policy) else {
        tracing::warn!("a proxy asks for a policy that is not configured; it is answered 403");
        return forbidden(service, &[Preset::Sealpass]);
    };
    let added = match request.uri().query() {
        Some(query) if exact => match Added::parse(query) {
            Ok(added) if added.is_empty() || !policy.optional => added,
            Ok(_) => {
                tracing::warn!("a proxy adds a demand to an optional policy; it is answered 403");
                return forbidden(service, &policy.headers);
            }
            Err(error) => {
                tracing::warn!("{error}; it is answered 403");
                return forbidden(service, &policy.headers);
            }
        },
        _ => Added::default(),
    };
    decide(service, policy, &added, &Presented::of(request, &policy.realm))
}

/// The answer to what was presented on a route with this policy.
pub(super) fn decide(service: &Service, policy: &Policy, added: &Added<'_>, presented: &Presented<'_>) -> HttpResponse {
    with_scratch(|scratch| match presented.judge(service, &policy.realm, scratch) {
        Ok(session) => recognised(service, policy, added, &presented.renewable(session)),
        Err(refusal) => refused(service, policy, refusal),
    })
}

/// A valid session: does it have what the route demands?
fn recognised(service: &Service, policy: &Policy, added: &Added<'_>, session: &Session<'_>) -> HttpResponse {
    let lack = judge(policy, added, &session.claims, session.at).err();
    let nobody = Identity::Nobody { presented: true, lacking: "" };
    let mut response = match lack {
        None => {
            service.metrics.decided(Decision::Allowed);
            let mut response = empty(StatusCode::OK);
            let realm = policy.realm.realm.name().as_str();
            identity::write(response.headers_mut(), &policy.headers, Identity::Known(&session.claims, realm));
            response
        }
        Some(Lack::Subject) if policy.optional => optional(policy, true),
        Some(Lack::Subject) => {
            service.metrics.decided(Decision::Anonymous);
            return unauthorized(policy);
        }
        Some(Lack::Role) => return forbidden(service, &policy.headers),
        Some(Lack::Authentication(challenge)) => {
            service.metrics.decided(Decision::StepUp);
            let mut response = empty(StatusCode::UNAUTHORIZED);
            let challenge = HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"));
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            identity::write(response.headers_mut(), &policy.headers, nobody);
            response
        }
    };
    if session.renewal_due {
        relay_renewal(service, &policy.realm, session, &mut response);
    }
    response
}

/// The session's next token rides on the answer. If it can't be made, the present one is good for a while yet.
fn relay_renewal(service: &Service, site: &RealmSite, session: &Session<'_>, response: &mut HttpResponse) {
    let renewed = service.sessions.renew(&site.realm, session);
    match renewed.map(|issued| cookie::set(site, &issued, service.sessions.now())) {
        Ok(Ok(line)) => {
            service.metrics.renewed();
            put_cookie(response, line);
        }
        Ok(Err(error)) => tracing::error!("a renewed session does not fit its cookie: {error}"),
        Err(error) => tracing::error!("a session could not be renewed: {error}"),
    }
}

fn refused(service: &Service, policy: &Policy, refusal: Refusal) -> HttpResponse {
    service.metrics.decided(Decision::Refused(refusal));
    tracing::debug!(reason = refusal.code(), "refused");
    if policy.optional { optional(policy, refusal != Refusal::Missing) } else { unauthorized(policy) }
}

/// Everybody passes; the headers say that this one is nobody.
fn optional(policy: &Policy, presented: bool) -> HttpResponse {
    let mut response = empty(StatusCode::OK);
    identity::write(response.headers_mut(), &policy.headers, Identity::Nobody { presented, lacking: "" });
    response
}

/// The one answer to everybody without a session that counts. It tells nothing of why.
fn unauthorized(policy: &Policy) -> HttpResponse {
    let mut response = empty(StatusCode::UNAUTHORIZED);
    if let Ok(challenge) = HeaderValue::from_str(&policy.realm.challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    // `presented` would differ between no cookie and a bad one: here both look the same.
    identity::write(response.headers_mut(), &policy.headers, Identity::Nobody { presented: true, lacking: "" });
    response
}

fn forbidden(service: &Service, presets: &[Preset]) -> HttpResponse {
    service.metrics.decided(Decision::Forbidden);
    let mut response = empty(StatusCode::FORBIDDEN);
    identity::write(response.headers_mut(), presets, Identity::Nobody { presented: true, lacking: "" });
    response
}

/// As Authgear's resolver: always 200, and the headers tell; 503 when it can't tell.
fn resolve(service: &Service, request: &HttpRequest) -> HttpResponse {
    let Some(policy) = service.site.policy("default").filter(|_| service.is_ready()) else {
        service.metrics.decided(Decision::NotReady);
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let site = &policy.realm;
    with_scratch(|scratch| {
        let mut response = empty(StatusCode::OK);
        let presented = Presented::of(request, site);
        match presented.judge(service, site, scratch) {
            Ok(session) => {
                let session = presented.renewable(session);
                service.metrics.decided(Decision::Allowed);
                let realm = site.realm.name().as_str();
                identity::write_resolved(response.headers_mut(), Identity::Known(&session.claims, realm));
                if session.renewal_due {
                    relay_renewal(service, site, &session, &mut response);
                }
            }
            Err(refusal) => {
                service.metrics.decided(Decision::Refused(refusal));
                let presented = refusal != Refusal::Missing;
                identity::write_resolved(response.headers_mut(), Identity::Nobody { presented, lacking: "" });
            }
        }
        response
    })
}

fn post(request: &HttpRequest, then: impl FnOnce() -> HttpResponse) -> HttpResponse {
    if request.method() == Method::POST {
        return if announces_over(request, MAX_BODY) { empty(StatusCode::PAYLOAD_TOO_LARGE) } else { then() };
    }
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(actix_web::http::header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// A new token for whoever asks, due or not.
fn renew(service: &Service, request: &HttpRequest) -> HttpResponse {
    if !service.is_ready() {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let Some(site) = addressed(service, request).into_iter().next() else {
        return empty(StatusCode::UNAUTHORIZED);
    };
    let presented = match Presented::of(request, site).meant(request, site) {
        Ok(presented) => presented,
        Err(status) => return empty(status),
    };
    with_scratch(|scratch| {
        let session = match presented.judge(service, site, scratch) {
            Ok(session) => session,
            Err(refusal) => {
                tracing::debug!(reason = refusal.code(), "not renewed");
                return empty(StatusCode::UNAUTHORIZED);
            }
        };
        let Ok(issued) = service.sessions.renew(&site.realm, &session) else {
            return empty(StatusCode::SERVICE_UNAVAILABLE);
        };
        service.metrics.renewed();
        let mut body = json!({
            "expires_at": issued.expires.rfc3339(),
            "idle_expires_at": issued.idle_expires.rfc3339(),
        });
        if let Presented::Bearer(_) = presented {
            body["token"] = issued.token.expose().into();
            return answer::json(StatusCode::OK, &body);
        }
        match cookie::set(site, &issued, service.sessions.now()) {
            Ok(line) => {
                let mut response = answer::json(StatusCode::OK, &body);
                put_cookie(&mut response, line);
                response
            }
            Err(_) => empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    })
}

/// Ends every session that was presented and clears the cookies, whatever became of the sessions.
fn log_out(service: &Service, request: &HttpRequest) -> HttpResponse {
    let mut response = empty(StatusCode::NO_CONTENT);
    let mut kept = true;
    let addressed = addressed(service, request);
    // Without any cookie of ours there is nothing to end, and still something to clear for a browser that sent none.
    let default = || service.site.policy("default").map(|policy| &*policy.realm);
    let sites = if addressed.is_empty() { default().into_iter().collect() } else { addressed };
    for site in sites {
        let presented = match Presented::of(request, site).meant(request, site) {
            Ok(presented) => presented,
            Err(status) => return empty(status),
        };
        // Every one, not only as many as may count: junk in front keeps no session alive.
        let values = match &presented {
            Presented::Cookie(_) => every_cookie(request, site).collect(),
            other => Values::from_slice(other.values()),
        };
        for value in &values {
            kept &= end(service, site, value);
        }
        let line = cookie::clear(site);
        if let (Presented::Cookie(_), Ok(line)) = (&presented, HeaderValue::try_from(line)) {
            response.headers_mut().append(SET_COOKIE, line);
        }
        if let Ok(types) = HeaderValue::from_str(&site.clear_site_data)
            && !types.is_empty()
        {
            response.headers_mut().insert(CLEAR_SITE_DATA.clone(), types);
        }
    }
    if !kept {
        // The cookie goes all the same; but the ending is not acknowledged, since it is not in force.
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// Ends the session of one value, expired or not. Whether that is in force now.
pub(super) fn end(service: &Service, site: &RealmSite, value: &[u8]) -> bool {
    with_scratch(|scratch| match service.sessions.recognise(&site.realm, value, scratch) {
        Some(claims) => match service.sessions.end(&claims) {
            Ok(raised) => {
                service.metrics.ended(raised);
                true
            }
            Err(error) => {
                tracing::error!("a logout is not in force: {error}");
                false
            }
        },
        None => true,
    })
}

/// The realms whose cookie the request carries, or that accept the bearer token it carries.
fn addressed<'s>(service: &'s Service, request: &HttpRequest) -> Vec<&'s RealmSite> {
    let bearer = request.headers().contains_key(AUTHORIZATION);
    let sites = service.site.realms().map(|site| &**site);
    sites.filter(|site| (bearer && site.bearer) || !cookies(request, site).is_empty()).collect()
}

/// What a request presents as its session.
pub(super) enum Presented<'r> {
    Cookie(Values<'r>),
    Bearer(&'r [u8]),
    /// A cookie and a bearer token, or two bearer tokens: whose request is it?
    Both,
}

impl<'r> Presented<'r> {
    pub(super) fn of(request: &'r HttpRequest, site: &RealmSite) -> Self {
        let cookies = cookies(request, site);
        let mut bearers = request.headers().get_all(AUTHORIZATION).filter_map(|line| bearer(line.as_bytes()));
        match (bearers.next().filter(|_| site.bearer), bearers.next()) {
            (None, _) => Self::Cookie(cookies),
            (Some(token), None) if cookies.is_empty() => Self::Bearer(token),
            _ => Self::Both,
        }
    }

    /// Refuses what a browser was tricked into, and what contradicts itself.
    fn meant(self, request: &HttpRequest, site: &RealmSite) -> Result<Self, StatusCode> {
        match self {
            Self::Both => Err(StatusCode::BAD_REQUEST),
            // Browsers never send this header by themselves, so no other site can make them.
            Self::Bearer(_) => Ok(self),
            Self::Cookie(_) if browser::is_meant(request, site) => Ok(self),
            Self::Cookie(_) => Err(StatusCode::FORBIDDEN),
        }
    }

    pub(super) fn judge<'s>(
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
    fn renewable<'s>(&self, session: Session<'s>) -> Session<'s> {
        Session { renewal_due: session.renewal_due && matches!(self, Self::Cookie(_)), ..session }
    }

    pub(super) fn values(&self) -> &[&'r [u8]] {
        match self {
            Self::Cookie(values) => values,
            Self::Bearer(token) => std::slice::from_ref(token),
            Self::Both => &[],
        }
    }
}

fn cookies<'r>(request: &'r HttpRequest, site: &RealmSite) -> Values<'r> {
    values(cookie_lines(request, site), site.realm.cookie().as_str().as_bytes())
}

fn every_cookie<'r>(request: &'r HttpRequest, site: &RealmSite) -> impl Iterator<Item = &'r [u8]> {
    every_value(cookie_lines(request, site), site.realm.cookie().as_str().as_bytes())
}

/// None of them where only a bearer token counts.
fn cookie_lines<'r>(request: &'r HttpRequest, site: &RealmSite) -> impl Iterator<Item = &'r [u8]> {
    let counts = site.from_cookie;
    request.headers().get_all(COOKIE).map(HeaderValue::as_bytes).filter(move |_| counts)
}

/// The token of a Bearer header (RFC 6750, section 2.1); the scheme's case does not matter (RFC 9110, section 11.1).
pub(super) fn bearer(line: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = line.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

pub(super) fn announces_over(request: &HttpRequest, limit: u64) -> bool {
    let length = request.headers().get(actix_web::http::header::CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()?.parse().ok()).is_some_and(|length: u64| length > limit)
}

pub(super) fn put_cookie(response: &mut HttpResponse, line: String) {
    // A line is printable ASCII by how it was made.
    if let Ok(line) = HeaderValue::try_from(line) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// Lends `f` this worker's room for opening tokens.
pub(super) fn with_scratch<T>(f: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(f)
}

thread_local! {
    /// Where this worker opens tokens.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Largest body that the public listener takes notice of.
pub(super) const MAX_BODY: u64 = 64 << 10;

static CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s49_a_path_chooses_what_it_says_and_nothing_behind_it_does() {
        for (path, found) in [
            ("/verify", Route::Verify("default", true)),
            ("/verify/", Route::Verify("default", false)),
            ("/verify//", Route::Verify("default", false)),
            ("/verify/../policy/open", Route::Verify("default", false)),
            ("/verify/policy/open", Route::Verify("default", false)),
            ("/verify/%2e%2e/policy/open", Route::Verify("default", false)),
            ("/policy/admin", Route::Verify("admin", true)),
            ("/policy/admin/", Route::Verify("admin", false)),
            ("/policy/admin/../open/", Route::Verify("admin", false)),
            ("/policy/admin/policy/open", Route::Verify("admin", false)),
            ("/policy/admin//", Route::Verify("admin", false)),
            ("/policy/../verify", Route::Verify("..", false)),
            ("/policy/%6fpen/", Route::Verify("%6fpen", false)),
            ("/policy/", Route::Verify("", true)),
            ("/policy", Route::Other),
            ("/verifyx", Route::Other),
            ("//verify", Route::Other),
            ("/Verify", Route::Other),
            ("/%76erify", Route::Other),
            ("/logout/", Route::Other),
        ] {
            assert_eq!(route(path), found, "{path}");
        }
    }
}
