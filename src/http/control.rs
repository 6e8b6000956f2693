//! The control listener: applications issue, change and end sessions; operators look at the service.
//!
//! Every call needs a credential of the right scope and realm. Ids and subjects stand in bodies, never in paths, so that
//! no access log collects them.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::answer::{Problem, close_if_more_follows, empty, json as json_answer, put_cookie};
use super::asked::{Issue, Revoke, Update, Which};
use super::call::{authenticate, call};
use super::cookie::{self, Values, every_value};
use super::credentials::Grant;
use super::presented::with_scratch;
use super::visitor::end;
use super::{Service, csrf, keys, problems, trail};
use crate::claims::SessionId;
use crate::clock::Timestamp;
use crate::config::RealmSite;
use crate::sessions::{Change, Issued, NewSession, Pending, Session};
use crate::telemetry::{By, Kind};

/// The paths of the control listener.
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/v1/sessions", web::post().to(issue))
        .route("/v1/sessions/renew", web::post().to(renew))
        .route("/v1/sessions/reseal", web::post().to(reseal))
        .route("/v1/sessions/rotate", web::post().to(rotate))
        .route("/v1/sessions/revoke", web::post().to(revoke))
        .route("/v1/sessions/introspect", web::post().to(introspect))
        .route("/metrics", web::get().to(metrics))
        .configure(keys::routes)
        .default_service(web::to(unknown));
}

async fn issue(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Issue| {
        let site = realm(&service, grant, &asked.realm)?;
        issue_in(&service, grant.by(), site, &asked)
    })
    .await
}

/// Issues a session in a realm: 201, with the cookie ready to pass on.
pub(super) fn issue_in(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    asked: &Issue,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    let new = NewSession {
        subject: asked.subject.as_deref(),
        handles: &asked.handles,
        roles: &asked.roles,
        data: Some(&asked.data),
        amr: &asked.amr,
        aal: asked.aal,
        authenticated_at: instant("authenticated_at", asked.authenticated_at.as_deref())?,
        persistent: asked.persistent,
    };
    let issued = service.sessions.issue(&site.realm, &new).map_err(|error| problems::of_issue(&error))?;
    let answer = sealed(service, site, StatusCode::CREATED, &issued);
    service.metrics.issued();
    trail::sealed(service, by, Kind::Issued, site, &issued);
    Ok(Pending::now(answer))
}

async fn renew(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Which| {
        let site = realm(&service, grant, &asked.realm)?;
        renew_in(&service, grant.by(), site, asked.token.as_deref(), asked.cookie.as_deref())
    })
    .await
}

/// Renews a session: 200, with the cookie ready to pass on.
pub(super) fn renew_in(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    token: Option<&str>,
    cookie: Option<&str>,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    with_session(service, site, token, cookie, |session| {
        let issued = service.sessions.renew(&site.realm, session);
        let issued = issued.map_err(|error| problems::of_issue(&error.into()))?;
        service.metrics.renewed();
        trail::sealed(service, by, Kind::Renewed, site, &issued);
        Ok(Pending::now(sealed(service, site, StatusCode::OK, &issued)))
    })
}

async fn reseal(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    change(service, request, body, false).await
}

async fn rotate(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    change(service, request, body, true).await
}

async fn change(service: web::Data<Service>, request: HttpRequest, body: web::Payload, new_id: bool) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Update| {
        let site = realm(&service, grant, &asked.realm)?;
        let change = Change {
            roles: asked.roles.as_deref(),
            data: asked.data.as_ref(),
            amr: asked.amr.as_deref(),
            aal: asked.aal,
            authenticated_at: instant("authenticated_at", asked.authenticated_at.as_deref())?,
        };
        change_in(&service, grant.by(), site, asked.token.as_deref(), asked.cookie.as_deref(), &change, new_id)
    })
    .await
}

/// Reseals a session, or gives it a new id: 200, with the cookie ready to pass on.
pub(super) fn change_in(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    token: Option<&str>,
    cookie: Option<&str>,
    change: &Change<'_>,
    new_id: bool,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    with_session(service, site, token, cookie, |session| {
        let changed = match new_id {
            true => service.sessions.rotate(&site.realm, session, change),
            false => service.sessions.reseal(&site.realm, session, change),
        };
        let changed = changed.map_err(|error| problems::of_change(&error))?;
        Ok(changed.map(|issued| {
            match new_id {
                true => trail::rotated(service, by, site, session.claims.sid, &issued),
                false => trail::sealed(service, by, Kind::Resealed, site, &issued),
            }
            sealed(service, site, StatusCode::OK, &issued)
        }))
    })
}

async fn revoke(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Revoke| {
        let site = realm(&service, grant, &asked.realm)?;
        let ended = match (&asked.session_id, &asked.token, &asked.cookie) {
            (Some(id), None, None) => {
                let sid =
                    SessionId::decode(id).ok_or_else(|| problems::unusable("session_id", "is not a session id"))?;
                service.sessions.end_id(&site.realm, sid).map(|raised| {
                    service.metrics.ended(raised);
                    if raised {
                        trail::ended(&service, grant.by(), site, sid, None);
                    }
                })
            }
            (None, token, cookie) => {
                let given = Given::of(token.as_deref(), cookie.as_deref(), site)?;
                given
                    .values
                    .iter()
                    .fold(Pending::now(()), |ended, value| ended.and(end(&service, grant.by(), site, value)))
            }
            _ => return Err(problems::one_of("token, cookie and session_id")),
        };
        Ok(ended.map(|()| empty(StatusCode::NO_CONTENT)))
    })
    .await
}

async fn introspect(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Which| {
        let site = realm(&service, grant, &asked.realm)?;
        ready(&service)?;
        let given = Given::of(asked.token.as_deref(), asked.cookie.as_deref(), site)?;
        let shown = with_scratch(|scratch| {
            let session = service.sessions.verify(&site.realm, &given.values, scratch);
            session.map_or_else(|_| json!({"active": false}), |session| introspected(site, &session))
        });
        Ok(Pending::now(json_answer(StatusCode::OK, &shown)))
    })
    .await
}

async fn metrics(service: web::Data<Service>, request: HttpRequest) -> HttpResponse {
    let mut response = match authenticate(&service, &request) {
        Ok(_) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
            .body(service.metrics.render()),
        Err(response) => response,
    };
    close_if_more_follows(&request, &mut response);
    response
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::from(problems::unknown_path());
    close_if_more_follows(&request, &mut response);
    response
}

/// The realm, if the credential covers it. One that is not covered and one that does not exist look the same.
fn realm<'s>(service: &'s Service, grant: &Grant, name: &str) -> Result<&'s RealmSite, Problem> {
    if !grant.covers(name) {
        return Err(problems::realm_not_covered());
    }
    service.site.realm(name).map(|site| &**site).ok_or_else(|| problems::unusable("realm", "is not configured"))
}

fn ready(service: &Service) -> Result<(), Problem> {
    if service.is_ready() { Ok(()) } else { Err(problems::not_ready()) }
}

/// What the application hands over of its visitor.
struct Given<'a> {
    values: Values<'a>,
}

impl<'a> Given<'a> {
    fn of(token: Option<&'a str>, cookie: Option<&'a str>, site: &RealmSite) -> Result<Self, Problem> {
        match (token, cookie) {
            (Some(token), None) => Ok(Self { values: std::iter::once(token.as_bytes()).collect() }),
            (None, Some(line)) => {
                let name = site.realm.cookie().as_str().as_bytes();
                // All of them: to end a session, not only as many count as may to verify one.
                Ok(Self { values: every_value(std::iter::once(line.as_bytes()), name).collect() })
            }
            _ => Err(problems::one_of("token and cookie")),
        }
    }
}

fn with_session(
    service: &Service,
    site: &RealmSite,
    token: Option<&str>,
    cookie: Option<&str>,
    then: impl FnOnce(&Session<'_>) -> Result<Pending<HttpResponse>, Problem>,
) -> Result<Pending<HttpResponse>, Problem> {
    let given = Given::of(token, cookie, site)?;
    with_scratch(|scratch| match service.sessions.verify(&site.realm, &given.values, scratch) {
        Ok(session) => then(&session),
        Err(refusal) => {
            tracing::debug!(reason = refusal.code(), "no valid session was handed over");
            Err(problems::no_session())
        }
    })
}

/// A sealed session as an answer: the cookie as a header, and all of it as JSON.
fn sealed(service: &Service, site: &RealmSite, status: StatusCode, issued: &Issued) -> HttpResponse {
    let line = cookie::set(site, issued, service.sessions.now());
    let mut response = json_answer(
        status,
        &json!({
            "session_id": issued.sid.encode(),
            "token": issued.token.expose(),
            "set_cookie": line,
            "csrf_token": csrf::token(service, site, issued.sid),
            "started_at": issued.started.rfc3339(),
            "expires_at": issued.expires.rfc3339(),
            "idle_expires_at": issued.idle_expires.rfc3339(),
        }),
    );
    put_cookie(&mut response, line);
    response
}

fn introspected(site: &RealmSite, session: &Session<'_>) -> serde_json::Value {
    let claims = &session.claims;
    json!({
        "active": true,
        "realm": site.realm.name().as_str(),
        "session_id": claims.sid.encode(),
        "subject": claims.subject,
        "anonymous": claims.subject.is_none(),
        "roles": claims.roles.as_slice(),
        "data": claims.data.iter().copied().collect::<BTreeMap<_, _>>(),
        "amr": claims.amr.as_slice(),
        "aal": claims.aal,
        "persistent": claims.persistent,
        "fresh": true,
        "started_at": claims.started.rfc3339(),
        "authenticated_at": claims.authenticated.rfc3339(),
        "claims_at": claims.claims_at.rfc3339(),
        "sealed_at": claims.sealed.rfc3339(),
        "expires_at": claims.expires.rfc3339(),
        "idle_expires_at": claims.dies().rfc3339(),
    })
}

fn instant(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse =
        |text| Timestamp::parse_rfc3339(text).ok_or_else(|| problems::unusable(field, "is not an RFC 3339 time"));
    text.map(parse).transpose()
}
