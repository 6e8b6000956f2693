//! What a visitor's browser, or a client with a bearer token, asks for itself: renew, and log out.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::answer::{self, empty, put_cookie};
use super::cookie::{self, Values};
use super::patience::Patience;
use super::presented::{Presented, anchors, bearer, cookies, every_anchor, every_cookie, with_scratch};
use super::{Service, csrf, trail};
use crate::claims::Claims;
use crate::config::RealmSite;
use crate::sessions::{ChangeError, Pending};
use crate::telemetry::{By, Decision, Kind};

/// A new token for whoever asks, due or not.
pub fn renew(service: &Service, request: &HttpRequest) -> HttpResponse {
    if !service.is_ready() {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let Some(site) = addressed(service, request).into_iter().next() else {
        return empty(StatusCode::UNAUTHORIZED);
    };
    let presented = match Presented::of(request.headers(), site).meant(request.headers(), site) {
        Ok(presented) => presented,
        Err(status) => return empty(status),
    };
    with_scratch(|scratch| {
        let session = match presented.judge(service, site, scratch) {
            Ok(session) => session,
            Err(refusal) => {
                tracing::debug!(reason = refusal.code(), "not renewed");
                let whose =
                    trail::refused(service, request.into(), By::Renew, site, presented.values(), refusal, scratch);
                trail::kept(service, request.into(), By::Renew, None, Decision::Refused(refusal), whose);
                return empty(StatusCode::UNAUTHORIZED);
            }
        };
        let issued = match service.sessions.renew(&site.realm, &session) {
            Ok(issued) => issued,
            // It was rotated a moment ago: the next cookie is on its way already, and must not be overwritten.
            // Or its device alone renews it.
            Err(ChangeError::Conflict | ChangeError::Bound) => return empty(StatusCode::CONFLICT),
            Err(_) => return empty(StatusCode::SERVICE_UNAVAILABLE),
        };
        service.metrics.sessions.renewed();
        trail::sealed(service, By::Renew, Kind::Renewed, site, &issued);
        let mut body = json!({
            "expires_at": issued.expires.rfc3339(),
            "idle_expires_at": issued.idle_expires.rfc3339(),
            "csrf_token": csrf::token(service, site, issued.sid),
        });
        if let Presented::Bearer(_) = presented {
            body["token"] = issued.token.expose().into();
            return answer::json(StatusCode::OK, &body);
        }
        let mut response = answer::json(StatusCode::OK, &body);
        put_cookie(&mut response, cookie::set(site, &issued, session.at));
        response
    })
}

/// Ends every session that was presented and clears the cookies, whatever became of the sessions.
pub async fn log_out(service: &Service, request: &HttpRequest) -> HttpResponse {
    let mut response = empty(StatusCode::NO_CONTENT);
    let mut ended = Pending::now(());
    let addressed = addressed(service, request);
    // Without any cookie of ours there is nothing to end, and still something to clear for a browser that sent none.
    let default = || service.site.policy("default").map(|policy| &*policy.realm);
    let sites = if addressed.is_empty() { default().into_iter().collect() } else { addressed };
    // All or nothing: what was not meant for one realm ends nothing in another.
    let mut meant = Vec::with_capacity(sites.len());
    for site in sites {
        match Presented::of(request.headers(), site).meant(request.headers(), site) {
            Ok(presented) => meant.push((site, presented)),
            Err(status) => return empty(status),
        }
    }
    for (site, presented) in meant {
        // Every one, not only as many as may count: junk in front keeps no session alive.
        let values = match &presented {
            Presented::Cookie(_) => every_cookie(request.headers(), site).collect(),
            other => Values::from_slice(other.values()),
        };
        for value in &values {
            ended = ended.and(end(service, By::Logout, site, value));
        }
        if let Presented::Cookie(_) = &presented {
            // The cookie of a bound session may be gone for the moment, and its anchor is there.
            for value in &every_anchor(request.headers(), site) {
                ended = ended.and(end_by_anchor(service, By::Logout, site, value));
            }
            put_cookie(&mut response, cookie::clear(site));
            if site.dbsc.is_some() || !anchors(request.headers(), site).is_empty() {
                put_cookie(&mut response, cookie::clear_anchor(site));
            }
        }
        if let Ok(types) = HeaderValue::from_str(&site.clear_site_data)
            && !types.is_empty()
            && !response.headers().get_all(&CLEAR_SITE_DATA).any(|known| known == types)
        {
            response.headers_mut().append(CLEAR_SITE_DATA.clone(), types); // a list; another realm's may stand there
        }
    }
    // Whatever became of it, the cookie goes.
    *response.status_mut() = match Patience::usual(service).reached(service, ended).await {
        Ok(None) => StatusCode::NO_CONTENT,
        Ok(Some(reached)) if reached.status() == StatusCode::OK => StatusCode::NO_CONTENT,
        Ok(Some(late)) => late.status(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    response
}

/// Ends the session of one value, expired or not.
pub fn end(service: &Service, by: By<'_>, site: &RealmSite, value: &[u8]) -> Pending<()> {
    with_scratch(|scratch| end_of(service, by, site, service.sessions.recognise(&site.realm, value, scratch)))
}

/// The same of the value of an anchor.
pub fn end_by_anchor(service: &Service, by: By<'_>, site: &RealmSite, value: &[u8]) -> Pending<()> {
    with_scratch(|scratch| end_of(service, by, site, service.sessions.recognise_anchor(&site.realm, value, scratch)))
}

fn end_of(service: &Service, by: By<'_>, site: &RealmSite, claims: Option<Claims<'_>>) -> Pending<()> {
    let Some(claims) = claims else { return Pending::now(()) };
    service.sessions.end(&site.realm, &claims).map(|raised| {
        service.metrics.sessions.ended(raised);
        if raised {
            trail::ended(service, by, site, claims.sid, claims.subject_tag());
        }
    })
}

/// The realms whose cookie the request carries, or that accept the bearer token it carries. If something of a realm's
/// own is among it, only such realms: junk under another one's name is no reason to refuse.
fn addressed<'s>(service: &'s Service, request: &HttpRequest) -> Vec<&'s RealmSite> {
    let bearer = request.headers().get_all(AUTHORIZATION).any(|line| bearer(line.as_bytes()).is_some());
    let sites = service.site.realms().map(|site| &**site);
    let mut sites: Vec<_> = sites
        .filter(|site| {
            (bearer && site.bearer)
                || !cookies(request.headers(), site).is_empty()
                || !anchors(request.headers(), site).is_empty()
        })
        .collect();
    if sites.iter().any(|site| is_own(service, request, site)) {
        sites.retain(|site| is_own(service, request, site));
    }
    sites
}

/// Whether something that the request presents is, or once was, a token of this realm.
fn is_own(service: &Service, request: &HttpRequest, site: &RealmSite) -> bool {
    let own = |value: &[u8]| with_scratch(|scratch| service.sessions.recognise(&site.realm, value, scratch).is_some());
    let bearers = request.headers().get_all(AUTHORIZATION).filter(|_| site.bearer);
    let anchor = |value: &&[u8]| {
        with_scratch(|scratch| service.sessions.recognise_anchor(&site.realm, value, scratch).is_some())
    };
    bearers.filter_map(|line| bearer(line.as_bytes())).chain(every_cookie(request.headers(), site)).any(own)
        || every_anchor(request.headers(), site).iter().any(anchor)
}

static CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
