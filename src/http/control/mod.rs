//! The control listener: applications issue, change and end sessions; operators look at the service.
//!
//! Every call needs a credential of the right scope and realm. Ids and subjects stand in bodies, never in paths, so
//! that no access log collects them. Here: which path is answered by what, and what all calls share.

mod bulk;
mod check;
mod cluster;
mod explain;
mod given;
mod groups;
mod handed;
mod sessions;

pub(super) use groups::{Own, of_own_subject};
#[cfg(feature = "dbsc")]
pub(super) use handed::Offer;
pub(super) use sessions::{How, change_in, issue_in, renew_in};

use std::sync::Arc;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::{Problem, close_if_more_follows};
use super::call::authenticate;
use super::credentials::Grant;
use super::{Service, console, keys, openapi, problems};
use crate::clock::Timestamp;
use crate::config::RealmSite;
use crate::sessions::Issued;
use crate::telemetry::{Noted, note as note_in_trace};

/// The paths of the control listener.
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/v1/sessions", web::post().to(sessions::issue))
        .route("/v1/sessions/renew", web::post().to(sessions::renew))
        .route("/v1/sessions/reseal", web::post().to(sessions::reseal))
        .route("/v1/sessions/rotate", web::post().to(sessions::rotate))
        .route("/v1/sessions/revoke", web::post().to(sessions::revoke))
        .route("/v1/sessions/introspect", web::post().to(sessions::introspect))
        .route("/v1/sessions/check", web::post().to(check::check))
        .route("/v1/subjects/revoke", web::post().to(groups::revoke_subjects))
        .route("/v1/subjects/stale", web::post().to(groups::outdate_subjects))
        .route("/v1/handles/revoke", web::post().to(groups::revoke_handles))
        .route("/v1/floor", web::post().to(groups::raise_floor))
        .route("/v1/explain", web::post().to(explain::explain))
        .route("/v1/cluster", web::get().to(cluster::report))
        .route("/metrics", web::get().to(metrics))
        .route("/openapi.json", web::get().to(openapi::serve))
        .configure(keys::routes)
        .configure(console::routes)
        .default_service(web::to(unknown));
}

async fn metrics(service: web::Data<Service>, request: HttpRequest) -> HttpResponse {
    let mut response = match authenticate(&service, &request) {
        Ok(_) => {
            note(&service).await;
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
                .body(service.metrics.render())
        }
        Err(response) => response,
    };
    close_if_more_follows(request.headers(), &mut response);
    response
}

/// Asks everybody who knows what changes without being counted.
async fn note(service: &Service) {
    let Service { metrics, sessions, readiness, site, .. } = service;
    metrics.note(&service.report());
    // It may read a file. Why that fails stands in the log already.
    let custodian = Arc::clone(&service.custodian);
    let report = web::block(move || custodian.report()).await.ok().and_then(Result::ok);
    metrics.ring.set(report.as_ref());
    metrics.ring.confirmed(readiness.ring_age(site.timing().confirm()));
    metrics.ring.opened(sessions.opened_by_key());
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::from(problems::unknown_path());
    close_if_more_follows(request.headers(), &mut response);
    response
}

/// The realm, if the credential covers it. One that is not covered and one that does not exist look the same.
fn realm<'s>(service: &'s Service, grant: &Grant, name: &str) -> Result<&'s RealmSite, Problem> {
    if !grant.covers(name) {
        return Err(problems::realm_not_covered());
    }
    let site = service.site.realm(name).ok_or_else(|| problems::unusable("realm", "is not configured"))?;
    note_in_trace(&[Noted::Realm(site.realm.name())]);
    Ok(site)
}

fn ready(service: &Service) -> Result<(), Problem> {
    if service.is_ready() { Ok(()) } else { Err(problems::not_ready()) }
}

/// What was sealed after others were asked is handed out only if the very time that it is dated by is one to answer at:
/// the clock may have stepped meanwhile.
fn still_ready(service: &Service, issued: &Issued) -> Result<(), Problem> {
    if service.is_ready_at(|| issued.dated_by) { Ok(()) } else { Err(problems::not_ready()) }
}

fn instant(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse =
        |text| Timestamp::parse_rfc3339(text).ok_or_else(|| problems::unusable(field, "is not an RFC 3339 time"));
    text.map(parse).transpose()
}
