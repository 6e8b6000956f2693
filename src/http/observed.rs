//! What is noted of requests: their ids, how long they took, and how calls of the control API were answered.

use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use tracing::{Instrument as _, Level};

use super::Service;
use super::forwarded::Forwarded;
use super::traced;
use crate::telemetry::{Noted, RequestId, note};

/// Around every call of the control API: it has an id, in each line of the log and in the answer, and is counted.
pub async fn call(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let (begun, service) = (Instant::now(), request.app_data::<web::Data<Service>>().cloned());
    let said = service.as_ref().and_then(|service| said(service, request.request()));
    let id = said.unwrap_or_else(RequestId::make);
    let span = tracing::error_span!("request", request_id = id.as_str());
    let trace = service.as_ref().and_then(|service| traced::of_call(service, request.request()));
    let answering = id.clone().during(next.call(request)).instrument(span);
    let mut answer = match &trace {
        None => answering.await?,
        Some(trace) => {
            let under = async {
                note(&[Noted::Request(&id)]);
                answering.await
            };
            trace.during(under).await?
        }
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        answer.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    if let Some(service) = service {
        // The pattern and not the path: of those there are only so many.
        let path = answer.request().match_pattern();
        let path = path.as_deref().unwrap_or("other");
        let status = answer.status().as_u16();
        service.metrics.calls.answered(path, status, begun.elapsed());
        if let Some(trace) = trace {
            traced::end(trace, answer.request(), (path, path), status);
        }
    }
    Ok(answer)
}

/// The id of a request on the public listener, if there is anything to write it to: a request that leaves no line costs
/// nothing. One that no proxy named gets an id for the log alone; what the audit trail has is the proxy's.
pub fn id(service: &Service, request: &HttpRequest) -> Option<RequestId> {
    let logged = tracing::enabled!(Level::DEBUG);
    if !logged && !service.audit.is_on() {
        return None;
    }
    said(service, request).or_else(|| logged.then(RequestId::make))
}

/// What a trusted proxy calls the request, if it says so once.
fn said(service: &Service, request: &HttpRequest) -> Option<RequestId> {
    let mut lines = request.headers().get_all(&X_REQUEST_ID);
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    Forwarded::of(service, request)?;
    RequestId::said(line.as_bytes())
}

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
