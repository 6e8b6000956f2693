//! The redirecting mode: a browser that opens a page without a session is sent to the login page, and told where it was going.

use actix_web::http::StatusCode;
use actix_web::http::header::{Accept, HeaderName, HeaderValue, Quality, REFERER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::Service;
use super::forwarded::{Forwarded, one, page_of_ours};
use super::head::Head;
use crate::config::Policy;

/// Where a browser is sent instead of 401, and by which status; `None` for whatever is no browser that opens a page.
pub fn redirect(service: &Service, request: Head<'_>, policy: &Policy) -> Option<(StatusCode, HeaderValue)> {
    let login = policy.login.as_ref()?;
    let said = Forwarded::of(service, request)?;
    let method = said.method_or_own()?;
    if method == b"OPTIONS" || !opens_a_page(request) {
        return None;
    }
    let asked = said.address(&policy.realm);
    let Some(mut location) = login.url(asked.as_ref().map(|address| &address.origin)) else {
        tracing::debug!(
            "401 and no redirect: X-Forwarded-Proto and X-Forwarded-Host of the proxy make none of the public_origins"
        );
        return None;
    };
    let asked = asked.and_then(|address| address.page);
    if asked.as_ref().is_some_and(|page| is_same_page(page, &location)) {
        tracing::warn!("401 and no redirect: the login page is itself guarded by a policy with login_url; let it pass");
        return None;
    }
    // A form can't be posted again by an address: back to the page it was on.
    let (status, back) = match method {
        b"GET" | b"HEAD" => (StatusCode::FOUND, asked),
        _ => (StatusCode::SEE_OTHER, referer(request, policy)),
    };
    if let Some(page) = back {
        location.push_str(login.glue());
        location.extend(utf8_percent_encode(page.as_str(), COMPONENT));
    }
    HeaderValue::try_from(location).ok().map(|location| (status, location))
}

/// Whether a browser asks for a page to show (W3C Fetch Metadata), and not a script or a page for a part of itself. A browser
/// that does not say so, as over plain HTTP, asks for HTML.
fn opens_a_page(request: Head<'_>) -> bool {
    let headers = request.headers();
    match (one(headers, &SEC_FETCH_MODE), one(headers, &SEC_FETCH_DEST)) {
        (Ok(None), Ok(None)) => accepts_html(request),
        (Ok(None | Some("navigate")), Ok(None | Some("document"))) => true,
        _ => false,
    }
}

fn accepts_html(request: Head<'_>) -> bool {
    let named = |accept: Accept| {
        accept.iter().any(|kind| kind.item.essence_str() == "text/html" && kind.quality > Quality::ZERO)
    };
    request.typed().is_some_and(named)
}

fn referer(request: Head<'_>, policy: &Policy) -> Option<Url> {
    let written = one(request.headers(), &REFERER).ok().flatten()?;
    page_of_ours(&policy.realm, written)
}

/// The same but for the query: being sent there again and again.
fn is_same_page(page: &Url, login: &str) -> bool {
    Url::parse(login).is_ok_and(|login| login.origin() == page.origin() && login.path() == page.path())
}

/// All but the unreserved characters (RFC 3986, section 2.3).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
