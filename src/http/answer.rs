//! Answers that all paths share: their headers, what happens to a request's body, problem details.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, SET_COOKIE, TRANSFER_ENCODING,
    UPGRADE,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use crate::telemetry::RequestId;

/// An answer without a body, never to be cached.
pub fn empty(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::new(status);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// A line of text, never to be cached.
pub fn text(status: StatusCode, line: &str) -> HttpResponse {
    let mut builder = HttpResponseBuilder::new(status);
    builder.insert_header((CACHE_CONTROL, NO_STORE)).insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"));
    builder.body(format!("{line}\n"))
}

/// JSON, never to be cached.
pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponseBuilder::new(status).insert_header((CACHE_CONTROL, NO_STORE)).json(body)
}

/// JSON that is written already, never to be cached.
pub fn json_text(text: &'static str) -> HttpResponse {
    let mut builder = HttpResponseBuilder::new(StatusCode::OK);
    builder.insert_header((CACHE_CONTROL, NO_STORE)).insert_header((CONTENT_TYPE, "application/json")).body(text)
}

/// Problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Its name, which stays the same.
    #[serde(rename = "type")]
    #[schema(pattern = "^urn:problem-type:sealpass:[a-z-]+$")]
    kind: String,
    /// In a few words.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// What is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    limit: Option<usize>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    found: Option<usize>,
    /// That of the call that it answers, for whoever asks the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    request_id: Option<RequestId>,
    #[serde(skip)]
    retry_after: Option<u16>,
    #[serde(skip)]
    code: ProblemKind,
}

/// The name of the problem that an answer tells, for those who note answers.
#[derive(Clone, Copy, Debug)]
pub struct ProblemKind(pub &'static str);

impl Problem {
    /// A problem of a `kind`, a stable name that programs can compare.
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:problem-type:sealpass:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            limit: None,
            found: None,
            request_id: RequestId::current(),
            retry_after: None,
            code: ProblemKind(kind),
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The same, of an entry of a list.
    #[must_use]
    pub fn inside(mut self, list: &str, at: usize) -> Self {
        self.field = Some(match self.field {
            Some(field) => format!("{list}[{at}].{field}"),
            None => format!("{list}[{at}]"),
        });
        self
    }

    /// Says after how many seconds to ask again (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same under another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status.as_u16();
        self
    }

    /// Names the field that is at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the least that is allowed.
    #[must_use]
    pub fn least(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Names the limit, and how much was found.
    #[must_use]
    pub fn limit(mut self, limit: usize, found: usize) -> Self {
        (self.limit, self.found) = (Some(limit), Some(found));
        self
    }
}

impl From<Problem> for HttpResponse {
    fn from(problem: Problem) -> Self {
        let mut response = json(problem.status(), &problem);
        response.extensions_mut().insert(problem.code);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = problem.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Closes the connection behind the answer if the request announces a body or another protocol. The body is not read,
/// and what follows must never be taken for a request.
pub fn close_if_more_follows(headers: &HeaderMap, response: &mut HttpResponse) {
    let length = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if length || headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(UPGRADE) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// Closes the connection behind the answer while the service is on its way down, so that nobody sends a request on it at
/// the moment at which it goes.
pub fn close_if_stopping<B>(service: &Service, response: &mut HttpResponse<B>) {
    if service.readiness.is_draining() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// Whether the request announces a body of more than `limit` bytes.
pub fn announces_over(request: &HttpRequest, limit: u64) -> bool {
    let length = request.headers().get(CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()?.parse().ok()).is_some_and(|length: u64| length > limit)
}

/// Adds a Set-Cookie line.
pub fn put_cookie(response: &mut HttpResponse, line: String) {
    // A line is printable ASCII by how it was made.
    if let Ok(line) = HeaderValue::try_from(line) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// Largest body that the public listener takes notice of.
pub const MAX_BODY: u64 = 64 << 10;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
