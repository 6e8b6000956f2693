//! Calls about many sessions at once: all of a subject, of a handle, of a realm.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::sessions::{sealed, with_session};
use super::{bulk, ready, realm};
use crate::config::RealmSite;
use crate::http::answer::{Problem, empty};
use crate::http::asked::{Floor, Handles, Subjects, Visitor};
use crate::http::call::{call_for, settled};
use crate::http::credentials::{Grant, Scope};
use crate::http::{Service, problems, trail};
use crate::sessions::{Group, Pending, Session};
use crate::telemetry::{By, Kind};

/// "Log out everywhere", of one user or of many; of one, the session that asks for it can go on.
pub(super) async fn revoke_subjects(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    call_for(Scope::App, &service, &request, body, async |grant: &Grant, asked: Subjects| {
        let site = realm(&service, grant, &asked.realm)?;
        match (&asked.subject, &asked.subjects, &asked.keep) {
            (Some(subject), None, Some(keep)) => settled(end_others(&service, grant.by(), site, subject, keep)).await,
            (None, Some(_), Some(_)) => Err(problems::unusable("keep", "is for one subject; name it in subject")),
            _ => {
                let end = |subject: &str| end(&service, grant.by(), site, Group::Subject(subject));
                let (one, many) = (asked.subject.as_deref(), asked.subjects.as_deref());
                bulk::one_or_each("subject", "subjects", "ended", one, many, end).await
            }
        }
    })
    .await
}

/// What users may do has changed: their sessions live, without roles, until they are resealed.
pub(super) async fn outdate_subjects(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    call_for(Scope::App, &service, &request, body, async |grant: &Grant, asked: Subjects| {
        let site = realm(&service, grant, &asked.realm)?;
        if asked.keep.is_some() {
            return Err(problems::unusable("keep", "is for /v1/subjects/revoke: here no session ends"));
        }
        let outdate = |subject: &str| outdate(&service, grant.by(), site, subject);
        let (one, many) = (asked.subject.as_deref(), asked.subjects.as_deref());
        bulk::one_or_each("subject", "subjects", "stale", one, many, outdate).await
    })
    .await
}

/// All sessions that were issued with a handle.
pub(super) async fn revoke_handles(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    call_for(Scope::App, &service, &request, body, async |grant: &Grant, asked: Handles| {
        let site = realm(&service, grant, &asked.realm)?;
        let end = |handle: &str| end(&service, grant.by(), site, Group::Handle(handle));
        let (one, many) = (asked.handle.as_deref(), asked.handles.as_deref());
        bulk::one_or_each("handle", "handles", "ended", one, many, end).await
    })
    .await
}

/// Everybody logs in again: in one realm, or in all. Which one has to be said, so that an empty body ends nothing.
pub(super) async fn raise_floor(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call_for(Scope::Admin, &service, &request, body, async |grant: &Grant, asked: Floor| {
        let raised = match (&asked.realm, asked.all) {
            (Some(name), None) => service.sessions.end_realm(&realm(&service, grant, name)?.realm),
            (None, Some(true)) if !grant.covers_all() => return Err(problems::all_realms()),
            (None, Some(true)) => {
                let realms: Vec<_> = service.site.realms().map(|site| &site.realm).collect();
                service.sessions.end_all(&realms)
            }
            _ => return Err(problems::one_of("realm and all = true")),
        };
        tracing::warn!(realm = asked.realm.as_deref().unwrap_or("all"), by = grant.name, "all sessions were ended");
        service.metrics.ended_together();
        trail::together(
            &service,
            grant.by(),
            Kind::EndedTogether,
            asked.realm.as_deref().unwrap_or("*"),
            None,
            "realm",
        );
        settled(Ok(bulk::no_content(raised))).await
    })
    .await
}

fn end(service: &Service, by: By<'_>, site: &RealmSite, group: Group<'_>) -> Result<Pending<()>, Problem> {
    let field = if let Group::Subject(_) = group { "subject" } else { "handle" };
    let ended = service.sessions.end_group(&site.realm, group, None);
    let ended = ended.map_err(|error| problems::of_group(field, &error))?;
    note(service, by, Kind::EndedTogether, site, group);
    Ok(ended.map(drop))
}

fn outdate(service: &Service, by: By<'_>, site: &RealmSite, subject: &str) -> Result<Pending<()>, Problem> {
    let outdated = service.sessions.outdate_group(&site.realm, Group::Subject(subject));
    let outdated = outdated.map_err(|error| problems::of_group("subject", &error))?;
    note(service, by, Kind::Outdated, site, Group::Subject(subject));
    Ok(outdated)
}

/// Tells metrics and audit trail.
fn note(service: &Service, by: By<'_>, kind: Kind, site: &RealmSite, group: Group<'_>) {
    if kind == Kind::EndedTogether {
        service.metrics.ended_together();
    }
    let (subject, what) = match group {
        Group::Subject(_) => (service.sessions.tag_of(&site.realm, group).ok(), "subject"),
        Group::Handle(_) => (None, "handle"),
    };
    trail::together(service, by, kind, site.realm.name().as_str(), subject, what);
}

/// What becomes of the sessions of whoever asks.
#[derive(Clone, Copy)]
pub(in crate::http) enum Own {
    /// All are out of date.
    Outdate,
    /// All but this one end.
    EndOthers,
}

/// The same for the subject of the session in a Cookie header: for the page of the dev mode.
pub(in crate::http) fn of_own_subject(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    cookie: &str,
    what: Own,
) -> Result<Pending<HttpResponse>, Problem> {
    let own = |session: &Session<'_>| Ok(session.claims.subject.map(str::to_owned));
    let subject = with_session(service, site, None, Some(cookie), own)?.ok_or_else(problems::no_session)?;
    match what {
        Own::Outdate => outdate(service, by, site, &subject).map(bulk::no_content),
        Own::EndOthers => {
            let keep = Visitor { token: None, cookie: Some(cookie.to_owned()) };
            end_others(service, by, site, &subject, &keep)
        }
    }
}

/// All sessions of a subject but the one that asks: 200 with its next cookie, and 204 if it is over within moments anyway.
fn end_others(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    subject: &str,
    keep: &Visitor,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    with_session(service, site, keep.token.as_deref(), keep.cookie.as_deref(), |session| {
        let ended = service.sessions.end_group(&site.realm, Group::Subject(subject), Some(session));
        let ended = ended.map_err(|error| problems::of_group("subject", &error))?;
        note(service, by, Kind::EndedTogether, site, Group::Subject(subject));
        Ok(ended.map(|kept| match kept {
            Some(issued) => sealed(service, site, StatusCode::OK, &issued),
            None => empty(StatusCode::NO_CONTENT),
        }))
    })
}
