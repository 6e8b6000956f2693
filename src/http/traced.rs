//! Requests as spans of traces: what is read of them for that, and what is told.
//!
//! Of a request's path, only what this service gave a name to is told; the rest is the client's, and may be anything.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use super::Service;
use super::forwarded::Forwarded;
use crate::telemetry::{Told, Trace};

/// Begins the span of a request of the public listener, if it is traced. Only trusted proxies say which trace it is of, and
/// that it is traced: anybody else could fill the collector.
pub fn of_public(service: &Service, request: &HttpRequest) -> Option<Trace> {
    begin(service, request, |request| Forwarded::of(service, request.into()).is_some())
}

/// The same for the control listener, where whoever calls says so: an application, or an operator.
pub fn of_call(service: &Service, request: &HttpRequest) -> Option<Trace> {
    let told = !UNTOLD.contains(&request.path());
    if told { begin(service, request, |_| true) } else { None }
}

/// Ends it. `path` stands for the request's: nothing else of it is told.
pub fn end(trace: Trace, request: &HttpRequest, (route, path): (Option<&str>, &str), status: u16) {
    let scheme = if request.app_config().secure() { "https" } else { "http" };
    trace.end(&Told { method: request.method().as_str(), route, path, scheme, status });
}

fn begin(service: &Service, request: &HttpRequest, believed: impl Fn(&HttpRequest) -> bool) -> Option<Trace> {
    if !service.traces.is_on() {
        return None;
    }
    let headers = request.headers();
    let mut lines = headers.get_all(&TRACEPARENT);
    let parent = match (lines.next(), lines.next()) {
        (Some(line), None) if believed(request) => Some(line.as_bytes()),
        _ => None,
    };
    // Several lines are one list (W3C Trace Context, section 3.3).
    let state = || headers.get_all(&TRACESTATE).filter_map(|line| line.to_str().ok()).collect::<Vec<_>>().join(",");
    service.traces.request(parent, state)
}

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What is asked all the time, and is nobody's request.
const UNTOLD: [&str; 2] = ["/metrics", "/openapi.json"];
