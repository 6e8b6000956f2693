//! CORS preflights: a browser asks whether it may send what another origin's page wants it to. It never shows a cookie, so
//! no session can be demanded of it.

use actix_web::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};

use super::Service;
use super::forwarded::{Forwarded, one};
use super::head::Head;

/// Whether the request came through a trusted proxy, and is a preflight (Fetch, section 4.8): OPTIONS, with one Origin and
/// one Access-Control-Request-Method.
pub fn is_preflight(service: &Service, request: Head<'_>) -> bool {
    let Some(said) = Forwarded::of(service, request) else { return false };
    let is_there = |name| matches!(one(request.headers(), name), Ok(Some(value)) if !value.is_empty());
    said.method_or_own() == Some(b"OPTIONS") && is_there(&ORIGIN) && is_there(&ACCESS_CONTROL_REQUEST_METHOD)
}
