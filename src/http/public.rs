//! The public listener: verify for reverse proxies; renew and log out for browsers.
//!
//! Here: which path is answered by what. Paths are compared as they came, neither decoded nor normalised: a proxy
//! appends its client's path, and nothing in it may choose or soften what is demanded.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use tracing::Instrument as _;

use super::answer::{MAX_BODY, announces_over, close_if_more_follows, close_if_stopping, empty, text};
#[cfg(feature = "dbsc")]
use super::dbsc;
use super::head::Head;
use super::readiness::in_public;
use super::verify::{resolve, verify};
use super::visitor::{log_out, renew};
use super::{Service, dev, observed, traced};
use crate::telemetry::{Noted, Trace, note};

/// What the public listener answers, for an application of actix-web.
pub(super) fn routes(service: &Arc<Service>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let service = web::Data::from(Arc::clone(service));
    move |app| {
        app.app_data(service).default_service(web::to(dispatch));
    }
}

/// Every request of the public listener, whatever its method.
async fn dispatch(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let told = if service.traces.is_on() { route(request.path()).told() } else { None };
    match told.and_then(|told| Some((told, traced::of_public(&service, &request)?))) {
        None => noted(service, request, body).await,
        // In a box: the future of every other request would have room for it too.
        Some((told, trace)) => Box::pin(spanned(service, request, body, trace, told)).await,
    }
}

/// As one span of a trace.
async fn spanned(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Payload,
    trace: Trace,
    told: (&'static str, &'static str),
) -> HttpResponse {
    let named = async {
        if let Some(id) = observed::said(&service, Head::from(&request)) {
            note(&[Noted::Request(&id)]);
        }
        noted(service, request.clone(), body).await
    };
    let answered = trace.during(named).await;
    traced::end(trace, &request, (Some(told.0), told.1), answered.status().as_u16());
    answered
}

/// Under the request's id.
async fn noted(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    if let Some(response) = decided(&service, Head::from(&request)) {
        return response;
    }
    match observed::id(&service, Head::from(&request)) {
        None => answer(service, request, body).await,
        Some(id) => {
            let span = tracing::error_span!("request", request_id = id.as_str());
            Box::pin(id.during(answer(service, request, body)).instrument(span)).await
        }
    }
}

/// What takes longer than verify is boxed: else room for it would be made for each request.
async fn answer(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let mut response = match route(request.uri().path()) {
        // Verify was answered before; what is left is a method that `/resolve` does not take.
        Route::Verify(..) | Route::Resolve => not_allowed("GET, HEAD"),
        Route::Renew | Route::Logout if *request.method() != Method::POST => not_allowed("POST"),
        Route::Renew | Route::Logout if announces_over(&request, MAX_BODY) => empty(StatusCode::PAYLOAD_TOO_LARGE),
        Route::Renew => renew(&service, &request),
        Route::Logout => Box::pin(log_out(&service, &request)).await,
        #[cfg(feature = "dbsc")]
        Route::Dbsc(..) if *request.method() != Method::POST => not_allowed("POST"),
        #[cfg(feature = "dbsc")]
        Route::Dbsc(realm, step) => Box::pin(dbsc::answer(&service, &request, realm, step)).await,
        Route::Healthz => empty(StatusCode::OK),
        Route::Readyz => readyz(&service),
        Route::Other if service.dev => return Box::pin(dev::dispatch(&service, &request, body)).await,
        Route::Other => empty(StatusCode::NOT_FOUND),
    };
    close_if_more_follows(request.headers(), &mut response);
    close_if_stopping(&service, &mut response);
    response
}

/// Who is calling, if that is what the request asks: it waits for nothing. `None` for everything else.
pub fn decided(service: &Service, request: Head<'_>) -> Option<HttpResponse> {
    let begun = Instant::now();
    let mut response = match route(request.uri().path()) {
        Route::Verify(policy, exact) => named(service, request, || verify(service, request, policy, exact)),
        Route::Resolve if matches!(*request.method(), Method::GET | Method::HEAD) => {
            named(service, request, || resolve(service, request))
        }
        _ => return None,
    };
    service.metrics.verify.observe(begun.elapsed());
    close_if_more_follows(request.headers(), &mut response);
    close_if_stopping(service, &mut response);
    Some(response)
}

/// Runs `answer` under the request's id.
fn named<T>(service: &Service, request: Head<'_>, answer: impl FnOnce() -> T) -> T {
    match observed::id(service, request) {
        None => answer(),
        Some(id) => {
            let span = tracing::error_span!("request", request_id = id.as_str());
            id.while_running(|| span.in_scope(answer))
        }
    }
}

/// Whether to ask here, for load balancers; and in a word why not, or by what it answers.
fn readyz(service: &Service) -> HttpResponse {
    let ask = service.may_verify() && !service.readiness.is_draining();
    let status = if ask { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if ask && service.is_ready() {
        return empty(status);
    }
    let why = service.report().why.first().map_or("not ready", |why| in_public(&why.code));
    text(status, why)
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Route<'p> {
    /// A policy's name, and whether the path ends there, so that the query is the proxy's own.
    Verify(&'p str, bool),
    Resolve,
    Renew,
    Logout,
    /// A realm, and what a browser asks of it.
    #[cfg(feature = "dbsc")]
    Dbsc(&'p str, dbsc::Step),
    Healthz,
    Readyz,
    Other,
}

impl Route<'_> {
    /// Its pattern, and what stands for the path, in traces; `None` if it is not traced.
    fn told(&self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            // What is behind it is the path that the client asked its proxy for.
            Self::Verify(_, true) => ("/verify", "/verify"),
            Self::Verify(..) => ("/verify/{rest}", "/verify/REDACTED"),
            Self::Resolve => ("/resolve", "/resolve"),
            Self::Renew => ("/renew", "/renew"),
            Self::Logout => ("/logout", "/logout"),
            // The name of the realm is whatever the client wrote.
            #[cfg(feature = "dbsc")]
            Self::Dbsc(_, dbsc::Step::Registration) => ("/dbsc/{realm}/registration", "/dbsc/REDACTED/registration"),
            #[cfg(feature = "dbsc")]
            Self::Dbsc(_, dbsc::Step::Refresh) => ("/dbsc/{realm}/refresh", "/dbsc/REDACTED/refresh"),
            Self::Healthz | Self::Readyz | Self::Other => return None,
        })
    }
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
    #[cfg(feature = "dbsc")]
    if let Some((realm, step)) = path.strip_prefix("/dbsc/").and_then(dbsc::asked) {
        return Route::Dbsc(realm, step);
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

fn not_allowed(methods: &'static str) -> HttpResponse {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

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
