//! The page at `/` in the dev mode, and the helpers behind its buttons.
//!
//! The helpers log anybody in as anybody. They exist only with `serve --dev`, which listens on loopback alone.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::answer::{MAX_BODY, Problem, close_if_more_follows, empty, json as json_answer};
use super::asked::Issue;
use super::call::read;
use super::control::{self, How, Own};
use super::demands::Added;
use super::patience::Patience;
use super::presented::Presented;
use super::verify::decide;
use super::visitor::end;
use super::{Service, browser, problems};
use crate::config::Policy;
use crate::sessions::Change;
use crate::telemetry::By;

/// What the public listener does not know itself.
pub async fn dispatch(service: &Service, request: &HttpRequest, body: web::Payload) -> HttpResponse {
    let answered = match (request.method(), request.path()) {
        // Another site's name that was pointed at this machine must not get at the helpers (DNS rebinding).
        _ if !is_local(request) => Ok(empty(StatusCode::FORBIDDEN)),
        (&Method::GET | &Method::HEAD, "/") => Ok(page()),
        (&Method::POST, path) if path.starts_with("/dev/") => helper(service, request, body).await,
        _ => Ok(empty(StatusCode::NOT_FOUND)),
    };
    let mut response = answered.unwrap_or_else(HttpResponse::from);
    close_if_more_follows(request.headers(), &mut response);
    response
}

/// Whether the request was sent to this machine by a name that only this machine has.
fn is_local(request: &HttpRequest) -> bool {
    let mut hosts = request.headers().get_all(HOST).map(|host| host.to_str().unwrap_or_default());
    let host = hosts.next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
    hosts.next().is_none() && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, CSP))
        .body(PAGE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    token: String,
}

async fn helper(service: &Service, request: &HttpRequest, body: web::Payload) -> Result<HttpResponse, Problem> {
    let policy = service.site.policy("default").ok_or_else(problems::unknown_path)?;
    let site = &*policy.realm;
    if !browser::is_meant(request.headers(), site) {
        return Ok(empty(StatusCode::FORBIDDEN));
    }
    let (limit, patience) = (usize::try_from(MAX_BODY).unwrap_or(usize::MAX), Patience::usual(service));
    match request.path() {
        "/dev/login" => {
            let asked: Issue = read(request, body, limit).await?;
            let mut answer = control::issue_in(service, patience, By::Dev, site, &asked).await?;
            // As an application does at login: whatever session the visitor came with is over.
            for value in Presented::of(request.headers(), site).values() {
                answer = answer.and(end(service, By::Dev, site, value));
            }
            patience.settled(service, Ok(answer)).await
        }
        "/dev/reseal" | "/dev/rotate" => {
            let Roles { roles } = read(request, body, limit).await?;
            let change = Change { roles: Some(&roles), ..Change::default() };
            let how = if request.path() == "/dev/rotate" { How::Rotate(Duration::ZERO) } else { How::Reseal };
            let line = cookie_line(request);
            let changed = control::change_in(service, patience, By::Dev, site, (None, Some(&line)), &change, how).await;
            patience.settled(service, changed).await.map_err(as_401)
        }
        "/dev/renew" => {
            let _: BTreeMap<String, String> = read(request, body, limit).await?;
            let renewed = control::renew_in(service, By::Dev, site, None, Some(&cookie_line(request)));
            patience.settled(service, renewed).await.map_err(as_401)
        }
        "/dev/stale" => {
            let _: BTreeMap<String, String> = read(request, body, limit).await?;
            let line = cookie_line(request);
            control::of_own_subject(service, By::Dev, site, &line, Own::Outdate).await.map_err(as_401)
        }
        "/dev/elsewhere" => {
            let _: BTreeMap<String, String> = read(request, body, limit).await?;
            let line = cookie_line(request);
            control::of_own_subject(service, By::Dev, site, &line, Own::EndOthers).await.map_err(as_401)
        }
        "/dev/replay" => {
            let Replay { token } = read(request, body, limit).await?;
            Ok(replayed(service, request, policy, &token))
        }
        _ => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

/// What verify would answer a browser that came with this token.
fn replayed(service: &Service, request: &HttpRequest, policy: &Policy, token: &str) -> HttpResponse {
    let presented = Presented::Cookie(std::iter::once(token.as_bytes()).collect());
    let answer = decide(service, request.into(), policy, &Added::default(), &presented);
    let text = |value: &actix_web::http::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> =
        answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    json_answer(StatusCode::OK, &json!({"status": answer.status().as_u16(), "headers": headers}))
}

fn cookie_line(request: &HttpRequest) -> String {
    let lines = request.headers().get_all(actix_web::http::header::COOKIE);
    lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join("; ")
}

/// To a page, no session is 401, as it is for verify.
fn as_401(problem: Problem) -> Problem {
    if problem.status() == StatusCode::NOT_FOUND { problem.with_status(StatusCode::UNAUTHORIZED) } else { problem }
}

const PAGE: &str = include_str!("dev_page.html");
const CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                   img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
