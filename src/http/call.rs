//! A call of the control API: authenticated, and its JSON body read within limits of size and time.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::de::DeserializeOwned;

use super::answer::{Problem, announces_over, close_if_more_follows};
use super::credentials::{Grant, Scope};
use super::patience::Patience;
use super::presented::bearer;
use super::{Service, problems};
use crate::sessions::Pending;

/// Authenticates an application, reads the body within its limits, and answers.
pub async fn call<T: DeserializeOwned>(
    service: &Service,
    request: &HttpRequest,
    body: web::Payload,
    then: impl FnOnce(&Grant, T) -> Result<Pending<HttpResponse>, Problem>,
) -> HttpResponse {
    let then = async |grant: &Grant, asked| Patience::usual(service).settled(service, then(grant, asked)).await;
    call_for(Scope::App, service, request, body, then).await
}

/// The same for a scope, and for an answer that waits for several things.
pub async fn call_for<T: DeserializeOwned>(
    scope: Scope,
    service: &Service,
    request: &HttpRequest,
    body: web::Payload,
    then: impl AsyncFnOnce(&Grant, T) -> Result<HttpResponse, Problem>,
) -> HttpResponse {
    let allowed = |grant: &Grant| if grant.has(scope) { Ok(()) } else { Err(problems::scope(scope)) };
    call_if(allowed, MAX_BODY, service, request, body, then).await
}

/// The same for whoever is `allowed`, with a body of `limit` bytes at the most. Nobody else's is read.
pub async fn call_if<T: DeserializeOwned>(
    allowed: impl FnOnce(&Grant) -> Result<(), Problem>,
    limit: usize,
    service: &Service,
    request: &HttpRequest,
    body: web::Payload,
    then: impl AsyncFnOnce(&Grant, T) -> Result<HttpResponse, Problem>,
) -> HttpResponse {
    let unread = |mut response: HttpResponse| {
        close_if_more_follows(request.headers(), &mut response);
        response
    };
    let grant = match authenticate(service, request) {
        Ok(grant) => grant,
        Err(response) => return unread(response),
    };
    if let Err(problem) = allowed(&grant) {
        return unread(problem.into());
    }
    match read(request, body, limit).await {
        Ok(asked) => then(&grant, asked).await.unwrap_or_else(HttpResponse::from),
        Err(problem) => unread(problem.into()),
    }
}

/// Reads a JSON body, within `limit` bytes and [`BODY_TIMEOUT`].
pub async fn read<T: DeserializeOwned>(request: &HttpRequest, body: web::Payload, limit: usize) -> Result<T, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(problems::not_json());
    }
    if announces_over(request, limit as u64) {
        return Err(problems::too_long(limit));
    }
    let bytes = actix_web::rt::time::timeout(BODY_TIMEOUT, body.to_bytes_limited(limit)).await;
    let bytes = bytes.map_err(|_| problems::slow())?.map_err(|_| problems::too_long(limit))?;
    let bytes = bytes.map_err(|_| problems::cut_off())?;
    // A list would be taken for the fields in their order, and an empty one for a login without any.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(problems::no_object());
    }
    serde_json::from_slice(&bytes).map_err(|error| problems::of_json(&error))
}

/// The grant of the credential that the request carries, unless that makes too many calls.
pub fn authenticate(service: &Service, request: &HttpRequest) -> Result<Arc<Grant>, HttpResponse> {
    let mut lines = request.headers().get_all(AUTHORIZATION);
    let secret = match (lines.next(), lines.next()) {
        (Some(line), None) => bearer(line.as_bytes()),
        _ => None,
    };
    let grant = secret.and_then(|secret| service.credentials.grant(secret, service.sessions.now()));
    let grant = grant.ok_or_else(|| {
        let mut response = HttpResponse::from(problems::credential());
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sealpass control\""));
        response
    })?;
    request.extensions_mut().insert(Arc::clone(&grant)); // for those who note answers
    service.credentials.count_call(&grant).map_err(problems::over_limit)?;
    Ok(grant)
}

/// Largest body of a call.
const MAX_BODY: usize = 1 << 20;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
