//! A sealed session as it is handed to the application: what it has to pass on to the browser, as headers and as JSON.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};

use crate::config::RealmSite;
use crate::http::Service;
use crate::http::answer::{json, put_cookie};
use crate::http::answered::Sealed;
#[cfg(feature = "dbsc")]
use crate::http::dbsc;
use crate::http::{cookie, csrf};
use crate::sessions::Issued;

/// What goes along with a session that just began, for a browser that can bind it to its device. Nothing where no realm
/// offers that.
#[derive(Debug, Default)]
pub struct Offer {
    /// The Set-Cookie line of the anchor.
    pub anchor: Option<String>,
    /// What else to pass on.
    pub header: Option<(HeaderName, String)>,
}

/// A session that just began: 201.
pub(super) fn handed_out(service: &Service, site: &RealmSite, issued: &Issued) -> HttpResponse {
    #[cfg(feature = "dbsc")]
    let offer = dbsc::offer(service, site, issued);
    #[cfg(not(feature = "dbsc"))]
    let offer = Offer::default();
    answer(service, site, StatusCode::CREATED, issued, offer)
}

/// A session that was sealed anew.
pub(super) fn sealed(service: &Service, site: &RealmSite, status: StatusCode, issued: &Issued) -> HttpResponse {
    answer(service, site, status, issued, Offer::default())
}

fn answer(service: &Service, site: &RealmSite, status: StatusCode, issued: &Issued, offer: Offer) -> HttpResponse {
    let line = cookie::set(site, issued, service.sessions.now());
    let anchor = cookie::set_anchor_of(site, issued, service.sessions.now()).or(offer.anchor);
    let told = site.dbsc.is_some() || anchor.is_some();
    let lines: Vec<_> = std::iter::once(&line).chain(&anchor).collect();
    let header = offer.header.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let answer = Sealed {
        session_id: issued.sid.encode(),
        token: issued.token.expose(),
        set_cookie: &line,
        set_cookies: told.then_some(lines),
        headers: told.then(|| header.into_iter().collect()),
        csrf_token: csrf::token(service, site, issued.sid),
        started_at: issued.started.rfc3339(),
        claims_at: issued.claims_at.rfc3339(),
        expires_at: issued.expires.rfc3339(),
        idle_expires_at: issued.idle_expires.rfc3339(),
    };
    let mut response = json(status, &answer);
    for line in [Some(line), anchor].into_iter().flatten() {
        put_cookie(&mut response, line);
    }
    if let Some((name, Ok(value))) = offer.header.map(|(name, value)| (name, HeaderValue::try_from(value))) {
        response.headers_mut().insert(name, value);
    }
    response
}
