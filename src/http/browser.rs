//! Whether a state-changing request from a browser was meant: against cross-site request forgery.

use actix_web::http::header::{HeaderMap, HeaderName, ORIGIN, REFERER};
use url::Url;

use crate::config::RealmSite;

/// Whether the request comes from a page that may end or renew a session of `site`.
///
/// `Sec-Fetch-Site: same-origin` is the browser's own word (W3C Fetch Metadata). Else the Origin header, and only without
/// one the Referer, has to be a configured origin. A request with none of them is refused: programs send one on purpose.
pub fn is_meant(headers: &HeaderMap, site: &RealmSite) -> bool {
    let text = |name: &HeaderName| match headers.get_all(name).collect::<Vec<_>>().as_slice() {
        [] => Some(None),
        [one] => one.to_str().ok().map(Some),
        _ => None, // said twice: whoever says what the first one is
    };
    let (Some(fetch_site), Some(origin), Some(referer)) = (text(&SEC_FETCH_SITE), text(&ORIGIN), text(&REFERER)) else {
        return false;
    };
    if fetch_site == Some("same-origin") {
        return true;
    }
    match (origin, referer) {
        (Some(origin), _) => site.trusts_origin(origin),
        (None, Some(referer)) => {
            Url::parse(referer).is_ok_and(|url| site.trusts_origin(&url.origin().ascii_serialization()))
        }
        (None, None) => false,
    }
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
