//! Calls about many sessions at once: all of a subject, of a handle, of a realm.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::bulk::{self, Names};
use super::given::{learn_of, with_session};
use super::handed::sealed;
use super::{ready, realm, still_ready};
use crate::config::RealmSite;
use crate::http::answer::Problem;
use crate::http::answered::Fate;
use crate::http::asked::{Floor, Handles, Subjects, Visitor};
use crate::http::call::call_for;
use crate::http::credentials::{Grant, Scope};
use crate::http::patience::Patience;
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
        let patience = Patience::of(&service, asked.wait.as_deref(), asked.timeout_ms)?;
        match (&asked.subject, &asked.subjects, &asked.keep) {
            (Some(subject), None, Some(keep)) => end_others(&service, patience, grant.by(), site, subject, keep).await,
            (None, Some(_), Some(_)) => Err(problems::unusable("keep", "is for one subject; name it in subject")),
            _ => {
                let end =
                    async |subject: &str| end(&service, patience, grant.by(), site, Group::Subject(subject)).await;
                let (one, many) = (asked.subject.as_deref(), asked.subjects.as_deref());
                bulk::one_or_each(&service, patience, SUBJECTS, one, many, end).await
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
        let patience = Patience::of(&service, asked.wait.as_deref(), asked.timeout_ms)?;
        if asked.keep.is_some() {
            return Err(problems::unusable("keep", "is for /v1/subjects/revoke: here no session ends"));
        }
        let outdate = async |subject: &str| outdate(&service, patience, grant.by(), site, subject).await;
        let (one, many) = (asked.subject.as_deref(), asked.subjects.as_deref());
        bulk::one_or_each(&service, patience, Names { done: Fate::Stale, ..SUBJECTS }, one, many, outdate).await
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
        let patience = Patience::of(&service, asked.wait.as_deref(), asked.timeout_ms)?;
        let end = async |handle: &str| end(&service, patience, grant.by(), site, Group::Handle(handle)).await;
        let (one, many) = (asked.handle.as_deref(), asked.handles.as_deref());
        let names = Names { one: "handle", list: "handles", done: Fate::Ended };
        bulk::one_or_each(&service, patience, names, one, many, end).await
    })
    .await
}

/// Everybody logs in again: in one realm, or in all. Which one has to be said, so that an empty body ends nothing.
pub(super) async fn raise_floor(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call_for(Scope::Admin, &service, &request, body, async |grant: &Grant, asked: Floor| {
        let patience = Patience::of(&service, asked.wait.as_deref(), asked.timeout_ms)?;
        let raised = match (&asked.realm, asked.all) {
            (Some(name), None) => {
                let realm = &realm(&service, grant, name)?.realm;
                patience.heard(service.sessions.ask_before_floor(&[realm])).await;
                service.sessions.end_realm(realm)
            }
            (None, Some(true)) if !grant.covers_all() => return Err(problems::all_realms()),
            (None, Some(true)) => {
                let realms: Vec<_> = service.site.realms().map(|site| &site.realm).collect();
                patience.heard(service.sessions.ask_before_floor(&realms)).await;
                service.sessions.end_all(&realms)
            }
            _ => return Err(problems::one_of("realm and all = true")),
        };
        let realm = asked.realm.as_deref();
        tracing::warn!(realm = realm.unwrap_or("all"), by = grant.name, "all sessions were ended");
        service.metrics.sessions.ended_together("realm");
        trail::together(&service, grant.by(), Kind::EndedTogether, realm.unwrap_or("*"), None, "realm");
        patience.acknowledged(&service, Ok(raised)).await
    })
    .await
}

async fn end(
    service: &Service,
    patience: Patience,
    by: By<'_>,
    site: &RealmSite,
    group: Group<'_>,
) -> Result<Pending<()>, Problem> {
    patience.heard(service.sessions.ask_before_ending(&site.realm, group)).await;
    let field = if let Group::Subject(_) = group { "subject" } else { "handle" };
    let ended = service.sessions.end_group(&site.realm, group, None);
    let ended = ended.map_err(|error| problems::of_group(field, &error))?;
    note(service, by, Kind::EndedTogether, site, group);
    Ok(ended.map(drop))
}

async fn outdate(
    service: &Service,
    patience: Patience,
    by: By<'_>,
    site: &RealmSite,
    subject: &str,
) -> Result<Pending<()>, Problem> {
    patience.heard(service.sessions.ask_before_ending(&site.realm, Group::Subject(subject))).await;
    let outdated = service.sessions.outdate_group(&site.realm, Group::Subject(subject));
    let outdated = outdated.map_err(|error| problems::of_group("subject", &error))?;
    note(service, by, Kind::Outdated, site, Group::Subject(subject));
    Ok(outdated)
}

/// Tells metrics and audit trail.
fn note(service: &Service, by: By<'_>, kind: Kind, site: &RealmSite, group: Group<'_>) {
    let (subject, what) = match group {
        Group::Subject(_) => (service.sessions.tag_of(&site.realm, group).ok(), "subject"),
        Group::Handle(_) => (None, "handle"),
    };
    if kind == Kind::EndedTogether {
        service.metrics.sessions.ended_together(what);
    }
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
pub(in crate::http) async fn of_own_subject(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    cookie: &str,
    what: Own,
) -> Result<HttpResponse, Problem> {
    let patience = Patience::usual(service);
    let own = |session: &Session<'_>| Ok(session.claims.subject.map(str::to_owned));
    let subject = with_session(service, site, None, Some(cookie), own)?.ok_or_else(problems::no_session)?;
    match what {
        Own::Outdate => patience.acknowledged(service, outdate(service, patience, by, site, &subject).await).await,
        Own::EndOthers => {
            let keep = Visitor { token: None, cookie: Some(cookie.to_owned()) };
            end_others(service, patience, by, site, &subject, &keep).await
        }
    }
}

/// All sessions of a subject but the one that asks: 200 with its next cookie, and as other endings if it is over within
/// moments anyway. The others are over even if it can't be said in time that this one goes on.
async fn end_others(
    service: &Service,
    patience: Patience,
    by: By<'_>,
    site: &RealmSite,
    subject: &str,
    keep: &Visitor,
) -> Result<HttpResponse, Problem> {
    ready(service)?;
    let (token, cookie) = (keep.token.as_deref(), keep.cookie.as_deref());
    learn_of(service, patience, site, token, cookie).await?;
    ready(service)?;
    let ended = with_session(service, site, token, cookie, |session| {
        let ended = service.sessions.end_group(&site.realm, Group::Subject(subject), Some(session));
        ended.map_err(|error| problems::of_group("subject", &error))
    })?;
    note(service, by, Kind::EndedTogether, site, Group::Subject(subject));
    match ended.split() {
        (Some(issued), ended) => {
            let still_ready = still_ready(service, &issued);
            patience.settled(service, Ok(ended)).await?;
            still_ready?;
            Ok(sealed(service, site, StatusCode::OK, &issued))
        }
        (None, ended) => patience.acknowledged(service, Ok(ended)).await,
    }
}

const SUBJECTS: Names = Names { one: "subject", list: "subjects", done: Fate::Ended };
