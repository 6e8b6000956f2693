//! Verify: a reverse proxy asks who is calling, and whether that is enough for a route.
//!
//! Answers are 200, 401, 403 and 503, whatever the method, the path behind the policy's name and the body; and 302 or 303
//! where a policy has a login page.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE};

use super::answer::{empty, put_cookie};
use super::csrf::{self, CsrfLack};
use super::demands::{Added, Lack, judge};
use super::head::Head;
use super::identity::{self, Freshness, Identity, Known};
use super::login::redirect;
use super::preflight::is_preflight;
use super::presented::{Presented, with_scratch};
use super::trail::{self, Whose};
use super::{Service, cookie};
use crate::claims::CookieName;
use crate::config::{Csrf, Policy, Preset, RealmSite};
use crate::sessions::{Refusal, Session};
use crate::telemetry::{By, Decision, Kind, Noted, note};

/// The answer to a reverse proxy that asks with a policy. `exact`: the query is the proxy's own, and adds demands.
pub fn verify(service: &Service, request: Head<'_>, policy: &str, exact: bool) -> HttpResponse {
    let asked = policy;
    let policy = service.site.policy(asked);
    let presets = policy.map_or(Preset::ALL, |policy| &policy.headers);
    if !service.may_verify() {
        refused(service, request, policy, Decision::NotReady, None);
        return denied(StatusCode::SERVICE_UNAVAILABLE, presets);
    }
    let Some(policy) = policy else {
        match asked.len() {
            ..=MAX_NAMED => {
                tracing::warn!("a proxy asks for the policy {asked:?}, which is not configured; it is answered 403");
            }
            length => tracing::warn!(
                "a proxy asks for a policy whose name has {length} bytes, which is not configured; it is answered 403"
            ),
        }
        return forbidden(service, request, None, None);
    };
    note(&[Noted::Policy(&policy.name), Noted::Realm(policy.realm.realm.name())]);
    let added = match request.uri().query() {
        Some(query) if exact => match Added::parse(query) {
            Ok(added) if added.is_empty() || !policy.optional => added,
            Ok(_) => {
                tracing::warn!("a proxy adds a demand to an optional policy; it is answered 403");
                return forbidden(service, request, Some(policy), None);
            }
            Err(error) => {
                tracing::warn!("{error}; it is answered 403");
                return forbidden(service, request, Some(policy), None);
            }
        },
        _ => Added::default(),
    };
    decide(service, request, policy, &added, &Presented::of(request.headers(), &policy.realm))
}

/// The answer to what was presented on a route with this policy.
pub fn decide(
    service: &Service,
    request: Head<'_>,
    policy: &Policy,
    added: &Added<'_>,
    presented: &Presented<'_>,
) -> HttpResponse {
    let mut response = with_scratch(|scratch| match presented.judge(service, &policy.realm, scratch) {
        Ok(session) => {
            let session = presented.renewable(session);
            let freshness = Freshness::of(&session, policy.stale_roles);
            let lack = judge(policy, added, &session.claims, freshness, session.at).err();
            let demanded = policy.csrf == Csrf::Require || added.csrf();
            let lack = match lack {
                // A new login would not help, so this comes before what it would mend.
                None | Some(Lack::Authentication(_) | Lack::Fresh | Lack::Bound) if demanded => {
                    let shown = csrf::check(service, request, &policy.realm, presented, session.claims.sid);
                    shown.err().map(Lack::Csrf).or(lack)
                }
                lack => lack,
            };
            recognised(service, request, policy, lack, &session)
        }
        Err(refusal) => {
            let values = presented.values();
            let whose = trail::refused(service, request, By::Verify, &policy.realm, values, refusal, scratch);
            tracing::debug!(reason = refusal.code(), "refused");
            nobody(service, request, policy, Decision::Refused(refusal), whose)
        }
    });
    if policy.pass_cookies && response.status() == StatusCode::OK {
        pass_cookies(service, request, &mut response);
    }
    response
}

/// Puts the cookies of the request into the answer, but for those of our realms. Without one that is left there is no such
/// header, and the proxy takes out the client's: Traefik because the answer has none, Envoy because it is told to.
fn pass_cookies(service: &Service, request: Head<'_>, response: &mut HttpResponse) {
    let names = service.site.realms().flat_map(|site| [site.realm.cookie(), site.realm.anchor_cookie()]);
    let ours: Vec<_> = names.map(CookieName::as_str).collect();
    let lines = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    match cookie::of_others(lines, &ours).map(HeaderValue::try_from) {
        Some(Ok(line)) => response.headers_mut().insert(COOKIE, line),
        _ => response.headers_mut().insert(ENVOY_REMOVES, HeaderValue::from_static("cookie")),
    };
}

/// A valid session, and what it lacks of what the route demands.
fn recognised(
    service: &Service,
    request: Head<'_>,
    policy: &Policy,
    lack: Option<Lack>,
    session: &Session<'_>,
) -> HttpResponse {
    let whose = || Some(Whose { session: session.claims.sid, subject: session.claims.subject_tag() });
    let refuse = |decision| refused(service, request, Some(policy), decision, whose());
    let mut response = match lack {
        None => allowed(service, policy, session),
        Some(Lack::Subject) => {
            return nobody(service, request, policy, Decision::Anonymous, whose());
        }
        Some(Lack::Role) => forbidden(service, request, Some(policy), whose()),
        Some(Lack::Fresh) => {
            refuse(Decision::Stale);
            for_reason(policy, "reseal")
        }
        Some(Lack::Bound) => {
            refuse(Decision::Unbound);
            for_reason(policy, "bound")
        }
        Some(Lack::Csrf(lack)) => {
            refuse(Decision::Csrf);
            tell(lack);
            denied(StatusCode::FORBIDDEN, &policy.headers)
        }
        Some(Lack::Authentication(challenge)) => {
            refuse(Decision::StepUp);
            let mut response = denied(StatusCode::UNAUTHORIZED, &policy.headers);
            let challenge = HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"));
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
    };
    if session.renewal_due {
        relay_renewal(service, &policy.realm, session, &mut response);
    }
    response
}

/// A valid session that lacks nothing.
fn allowed(service: &Service, policy: &Policy, session: &Session<'_>) -> HttpResponse {
    service.metrics.decided(Decision::Allowed);
    let mut response = empty(StatusCode::OK);
    let known = Known::new(&session.claims, policy, Freshness::of(session, policy.stale_roles));
    identity::write(response.headers_mut(), &policy.headers, Identity::Known(known));
    if let Some(token) = csrf::provided(service, policy, session.claims.sid) {
        identity::put_csrf(response.headers_mut(), &policy.headers, token);
    }
    response
}

/// The session's next token rides on the answer. If it can't be made, the present one is good for a while yet.
fn relay_renewal(service: &Service, site: &RealmSite, session: &Session<'_>, response: &mut HttpResponse) {
    // A replica that is cut off may be let go on judging, and never renews what may be over by now.
    if !service.is_ready() {
        return;
    }
    match service.sessions.renew(&site.realm, session) {
        Ok(issued) => {
            service.metrics.sessions.renewed();
            trail::sealed(service, By::Verify, Kind::Renewed, site, &issued);
            put_cookie(response, cookie::set(site, &issued, session.at));
        }
        Err(error) => tracing::error!("a session could not be renewed: {error}"),
    }
}

/// The answer to everybody without a session that counts, whatever the reason: mostly 401.
fn nobody(
    service: &Service,
    request: Head<'_>,
    policy: &Policy,
    decision: Decision,
    whose: Option<Whose>,
) -> HttpResponse {
    if policy.optional || (policy.preflight && is_preflight(service, request)) {
        service.metrics.decided(decision);
        return passed(policy, decision != Decision::Refused(Refusal::Missing));
    }
    refused(service, request, Some(policy), decision, whose);
    match redirect(service, request, policy) {
        None => unauthorized(policy),
        Some((status, location)) => {
            let mut response = denied(status, &policy.headers);
            response.headers_mut().insert(LOCATION, location);
            response
        }
    }
}

/// It goes on to the application; the headers say that this one is nobody.
fn passed(policy: &Policy, presented: bool) -> HttpResponse {
    let mut response = empty(StatusCode::OK);
    identity::write(response.headers_mut(), &policy.headers, Identity::Nobody { presented });
    response
}

/// The one answer to everybody without a session that counts. It tells nothing of why.
fn unauthorized(policy: &Policy) -> HttpResponse {
    let mut response = empty(StatusCode::UNAUTHORIZED);
    if let Ok(challenge) = HeaderValue::from_str(&policy.realm.challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    // `presented` would differ between no cookie and a bad one: here both look the same.
    identity::write(response.headers_mut(), &policy.headers, Identity::Nobody { presented: true });
    response
}

/// A valid session that counts as none here, and what the client or a page is told to do about it.
fn for_reason(policy: &Policy, reason: &'static str) -> HttpResponse {
    let mut response = unauthorized(policy);
    identity::put_reason(response.headers_mut(), reason);
    response
}

fn tell(lack: CsrfLack) {
    tracing::debug!("403 for want of a CSRF token: {lack}");
}

fn forbidden(service: &Service, request: Head<'_>, policy: Option<&Policy>, whose: Option<Whose>) -> HttpResponse {
    refused(service, request, policy, Decision::Forbidden, whose);
    denied(StatusCode::FORBIDDEN, policy.map_or(Preset::ALL, |policy| &policy.headers))
}

/// Counts a decision that was no yes, and keeps it for whoever asks why.
fn refused(service: &Service, request: Head<'_>, policy: Option<&Policy>, decision: Decision, whose: Option<Whose>) {
    service.metrics.decided(decision);
    trail::kept(service, request, By::Verify, policy, decision, whose);
}

/// An answer about nobody. The headers are there all the same, so that a client's own do not take their place.
fn denied(status: StatusCode, presets: &[Preset]) -> HttpResponse {
    let mut response = empty(status);
    identity::write(response.headers_mut(), presets, Identity::Nobody { presented: true });
    response
}

/// As Authgear's resolver: always 200, and the headers tell; 503 when it can't tell.
pub fn resolve(service: &Service, request: Head<'_>) -> HttpResponse {
    let Some(policy) = service.site.policy("default").filter(|_| service.may_verify()) else {
        refused(service, request, None, Decision::NotReady, None);
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let site = &policy.realm;
    with_scratch(|scratch| {
        let mut response = empty(StatusCode::OK);
        let presented = Presented::of(request.headers(), site);
        match presented.judge(service, site, scratch) {
            Ok(session) => {
                let session = presented.renewable(session);
                let demanded = policy.csrf == Csrf::Require;
                let shown = || csrf::check(service, request, site, &presented, session.claims.sid);
                let identity = match if demanded { shown() } else { Ok(()) } {
                    Ok(()) => {
                        service.metrics.decided(Decision::Allowed);
                        Identity::Known(Known::new(&session.claims, policy, Freshness::of(&session, false)))
                    }
                    Err(lack) => {
                        let whose = Whose { session: session.claims.sid, subject: session.claims.subject_tag() };
                        refused(service, request, Some(policy), Decision::Csrf, Some(whose));
                        tell(lack);
                        Identity::Nobody { presented: true }
                    }
                };
                identity::write_resolved(response.headers_mut(), identity);
                if session.renewal_due {
                    relay_renewal(service, site, &session, &mut response);
                }
            }
            Err(refusal) => {
                let values = presented.values();
                let whose = trail::refused(service, request, By::Verify, site, values, refusal, scratch);
                refused(service, request, Some(policy), Decision::Refused(refusal), whose);
                let presented = refusal != Refusal::Missing;
                identity::write_resolved(response.headers_mut(), Identity::Nobody { presented });
            }
        }
        response
    })
}

/// How long a name that is logged may be: shorter than any session id or token, which a wrong route may lead here.
const MAX_NAMED: usize = 20;
/// Names the headers that Envoy takes out of the client's request. No other proxy knows it.
const ENVOY_REMOVES: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
