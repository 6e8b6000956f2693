//! What is noted of requests: their ids, how long they took, and how calls of the control API were answered.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use tracing::{Instrument as _, Level};

use super::answer::ProblemKind;
use super::credentials::Grant;
use super::forwarded::Forwarded;
use super::head::Head;
use super::{Service, traced};
use crate::telemetry::{Decided, Noted, RequestId, note};

/// Around every call of the control API: it has an id, in each line of the log and in the answer, and is counted.
pub async fn call(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let (begun, service) = (Instant::now(), request.app_data::<web::Data<Service>>().cloned());
    let said = service.as_ref().and_then(|service| said(service, request.request().into()));
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
        let route = answer.request().match_pattern();
        let path = route.as_deref().unwrap_or("other");
        let status = answer.status().as_u16();
        if status >= 400 {
            keep(&service, &id, path, &answer);
        }
        service.metrics.calls.answered(path, status, begun.elapsed());
        if let Some(trace) = trace {
            let place = (route.as_deref(), route.as_deref().unwrap_or("/REDACTED"));
            traced::end(trace, answer.request(), place, status);
        }
    }
    Ok(answer)
}

/// A call that was refused, or failed, is kept for whoever asks by its id.
fn keep(service: &Service, id: &RequestId, path: &str, answer: &ServiceResponse) {
    let problem = answer.response().extensions().get::<ProblemKind>().map(|kind| kind.0);
    let by = answer.request().extensions().get::<Arc<Grant>>().map(|grant| grant.name.clone());
    let refusal = Decided::refused(service.sessions.now(), id, "control", problem.unwrap_or("unknown"));
    let (path, status) = (Some(path.to_owned()), Some(answer.status().as_u16()));
    service.recent.happened(Decided { credential: by, path, status, ..refusal });
}

/// The id of a request on the public listener, if there is anything to write it to: a request that leaves no line costs
/// nothing. One that no proxy named gets an id for the log alone; what the audit trail has is the proxy's.
pub fn id(service: &Service, request: Head<'_>) -> Option<RequestId> {
    let logged = tracing::enabled!(Level::DEBUG);
    // What ends or changes a session is kept by its id; what was refused is looked up when it is.
    let kept = CHANGING.contains(&request.uri().path());
    if !logged && !kept && !service.audit.is_on() {
        return None;
    }
    said(service, request).or_else(|| logged.then(RequestId::make))
}

/// Whether a trusted proxy gave the request a name.
pub fn is_named(service: &Service, request: Head<'_>) -> bool {
    request.headers().contains_key(&X_REQUEST_ID) && Forwarded::of(service, request).is_some()
}

/// What a trusted proxy calls the request, if it says so once.
pub fn said(service: &Service, request: Head<'_>) -> Option<RequestId> {
    let mut lines = request.headers().get_all(&X_REQUEST_ID);
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    Forwarded::of(service, request)?;
    RequestId::said(line.as_bytes())
}

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Paths of the public listener where sessions end and change.
const CHANGING: [&str; 2] = ["/logout", "/renew"];
