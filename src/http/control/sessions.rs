//! Calls about one session: issue, renew, reseal, rotate, end, look into.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::bulk::{self, Names};
use super::given::{Given, learn_of, with_session};
use super::handed::{handed_out, sealed};
use super::{instant, ready, realm, still_ready};
use crate::claims::{Claims, SessionId};
use crate::config::RealmSite;
use crate::http::answer::{Problem, json as json_answer};
use crate::http::answered::{Fate, Introspected};
use crate::http::asked::{Issue, Revoke, Update, Which};
use crate::http::call::{call, call_for};
use crate::http::credentials::{Grant, Scope};
use crate::http::patience::Patience;
use crate::http::presented::with_scratch;
use crate::http::visitor::{end, end_by_anchor};
use crate::http::{Service, problems, trail};
use crate::sessions::{Change, Import, NewSession, Pending, Session};
use crate::telemetry::{By, Kind};

pub(super) async fn issue(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call_for(Scope::App, &service, &request, body, async |grant: &Grant, asked: Issue| {
        service.credentials.count_issue(grant).map_err(problems::over_limit)?;
        let (site, patience) = (realm(&service, grant, &asked.realm)?, Patience::usual(&service));
        may_give(grant, &asked.roles, Some(asked.aal), asked.authenticated_at.is_some())?;
        let issued = issue_in(&service, patience, grant.by(), site, &asked).await;
        patience.settled(&service, issued).await
    })
    .await
}

/// Issues a session in a realm: 201, with the cookie ready to pass on.
pub(in crate::http) async fn issue_in(
    service: &Service,
    patience: Patience,
    by: By<'_>,
    site: &RealmSite,
    asked: &Issue,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    let import = match &asked.import {
        Some(import) => instant("import.started_at", Some(&import.started_at))?
            .map(|started| Import { key: import.key.as_str(), started }),
        None => None,
    };
    let replaced = asked.replaces.as_ref().filter(|visitor| visitor.token.is_some() || visitor.cookie.is_some());
    let replaced = replaced.map(|visitor| Given::of_visitor(visitor, site)).transpose()?;
    let new = NewSession {
        subject: asked.subject.as_deref(),
        handles: &asked.handles,
        roles: &asked.roles,
        data: Some(&asked.data),
        amr: &asked.amr,
        aal: asked.aal,
        authenticated_at: instant("authenticated_at", asked.authenticated_at.as_deref())?,
        persistent: asked.persistent,
        import,
    };
    patience.learned(service.sessions.ask_before_issue(&site.realm, &new)).await?;
    ready(service)?;
    let begun = service.sessions.begin(&site.realm, &new).map_err(|error| problems::of_issue(&error))?;
    let (issued, begun) = begun.split();
    still_ready(service, &issued)?;
    service.metrics.sessions.issued();
    trail::sealed(service, by, Kind::Issued, site, &issued);
    // The session that the visitor came with. What can't be read of it has no session to end.
    let begun = replaced.iter().fold(begun, |begun, given| begun.and(end_but(service, by, site, given, issued.sid)));
    Ok(begun.map(|()| handed_out(service, site, &issued)))
}

pub(super) async fn renew(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Which| {
        let site = realm(&service, grant, &asked.realm)?;
        renew_in(&service, grant.by(), site, asked.token.as_deref(), asked.cookie.as_deref())
    })
    .await
}

/// Renews a session: 200, with the cookie ready to pass on.
pub(in crate::http) fn renew_in(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    token: Option<&str>,
    cookie: Option<&str>,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    with_session(service, site, token, cookie, |session| {
        let issued = service.sessions.renew(&site.realm, session);
        let issued = issued.map_err(|error| problems::of_change(&error))?;
        service.metrics.sessions.renewed();
        trail::sealed(service, by, Kind::Renewed, site, &issued);
        Ok(Pending::now(sealed(service, site, StatusCode::OK, &issued)))
    })
}

pub(super) async fn reseal(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    change(service, request, body, false).await
}

pub(super) async fn rotate(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    change(service, request, body, true).await
}

async fn change(service: web::Data<Service>, request: HttpRequest, body: web::Payload, new_id: bool) -> HttpResponse {
    call_for(Scope::App, &service, &request, body, async |grant: &Grant, asked: Update| {
        let patience = Patience::usual(&service);
        let site = realm(&service, grant, &asked.realm)?;
        may_give(grant, asked.roles.as_deref().unwrap_or_default(), asked.aal, asked.authenticated_at.is_some())?;
        let grace = Duration::from_secs(asked.grace_seconds.unwrap_or_default());
        if asked.grace_seconds.is_some() && !new_id {
            return Err(problems::unusable(
                "grace_seconds",
                "is for rotate alone: a reseal outdates what came before at once",
            ));
        }
        let how = if new_id { How::Rotate(grace) } else { How::Reseal };
        let change = Change {
            roles: asked.roles.as_deref(),
            data: asked.data.as_ref(),
            amr: asked.amr.as_deref(),
            aal: asked.aal,
            authenticated_at: instant("authenticated_at", asked.authenticated_at.as_deref())?,
        };
        let given = (asked.token.as_deref(), asked.cookie.as_deref());
        let changed = change_in(&service, patience, grant.by(), site, given, &change, how).await;
        patience.settled(&service, changed).await
    })
    .await
}

/// How a session is changed.
#[derive(Clone, Copy)]
pub(in crate::http) enum How {
    /// Under its id.
    Reseal,
    /// Under a new one, and for how long the one before may still be used.
    Rotate(Duration),
}

/// Reseals a session, or gives it a new id: 200, with the cookie ready to pass on.
pub(in crate::http) async fn change_in(
    service: &Service,
    patience: Patience,
    by: By<'_>,
    site: &RealmSite,
    (token, cookie): (Option<&str>, Option<&str>),
    change: &Change<'_>,
    how: How,
) -> Result<Pending<HttpResponse>, Problem> {
    ready(service)?;
    learn_of(service, patience, site, token, cookie).await?;
    ready(service)?;
    with_session(service, site, token, cookie, |session| {
        let changed = match how {
            How::Rotate(grace) => service.sessions.rotate(&site.realm, session, change, grace),
            How::Reseal => service.sessions.reseal(&site.realm, session, change),
        };
        let changed = changed.map_err(|error| problems::of_change(&error))?;
        let (issued, changed) = changed.split();
        still_ready(service, &issued)?;
        Ok(changed.map(|()| {
            service.metrics.sessions.changed(matches!(how, How::Rotate(_)));
            match how {
                How::Rotate(_) => trail::rotated(service, by, site, session.claims.sid, &issued),
                How::Reseal => trail::sealed(service, by, Kind::Resealed, site, &issued),
            }
            sealed(service, site, StatusCode::OK, &issued)
        }))
    })
}

pub(super) async fn revoke(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call_for(Scope::App, &service, &request, body, async |grant: &Grant, asked: Revoke| {
        let site = realm(&service, grant, &asked.realm)?;
        let patience = Patience::of(&service, asked.wait.as_deref(), asked.timeout_ms)?;
        match (&asked.session_id, &asked.session_ids, &asked.token, &asked.cookie) {
            (Some(_), None, None, None) | (None, Some(_), None, None) => {
                let (one, many) = (asked.session_id.as_deref(), asked.session_ids.as_deref());
                let end = async |id: &str| end_id(&service, grant.by(), site, id);
                let names = Names { one: "session_id", list: "session_ids", done: Fate::Ended };
                bulk::one_or_each(&service, patience, names, one, many, end).await
            }
            (None, None, token, cookie) => {
                let given = Given::of(token.as_deref(), cookie.as_deref(), site)?;
                let tokens = given.values.iter().map(|value| end(&service, grant.by(), site, value));
                let anchors = given.anchors.iter().map(|value| end_by_anchor(&service, grant.by(), site, value));
                let ended = tokens.chain(anchors).fold(Pending::now(()), Pending::and);
                patience.acknowledged(&service, Ok(ended)).await
            }
            _ => Err(problems::one_of("token, cookie, session_id and session_ids")),
        }
    })
    .await
}

fn end_id(service: &Service, by: By<'_>, site: &RealmSite, id: &str) -> Result<Pending<()>, Problem> {
    let sid = SessionId::decode(id).ok_or_else(|| problems::unusable("session_id", "is not a session id"))?;
    Ok(service.sessions.end_id(&site.realm, sid).map(|raised| {
        service.metrics.sessions.ended(raised);
        if raised {
            trail::ended(service, by, site, sid, None);
        }
    }))
}

pub(super) async fn introspect(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Which| {
        let site = realm(&service, grant, &asked.realm)?;
        ready(&service)?;
        let given = Given::of(asked.token.as_deref(), asked.cookie.as_deref(), site)?;
        let shown = with_scratch(|scratch| {
            let session = service.sessions.verify(&site.realm, &given.values, scratch);
            let shown = session.as_ref().map_or(Introspected::NONE, |session| introspected(site, session));
            json_answer(StatusCode::OK, &shown)
        });
        Ok(Pending::now(shown))
    })
    .await
}

/// Whether the credential can say that of somebody. What a session has already is not given anew, but for a level of
/// assurance that is dated anew.
fn may_give(grant: &Grant, roles: &[String], aal: Option<u8>, dated: bool) -> Result<(), Problem> {
    if let Some((at, role)) = roles.iter().enumerate().find(|(_, role)| !grant.may_give(role)) {
        return Err(problems::role_not_given(at, role));
    }
    let most = grant.max_aal();
    match aal {
        _ if grant.gives_any_aal() => Ok(()),
        Some(aal) if aal > most => Err(problems::level_not_given("aal", most)),
        None if dated => Err(problems::level_not_given("authenticated_at", most)),
        _ => Ok(()),
    }
}

/// Ends what was handed over, unless it is the new session itself: one that is imported once more.
fn end_but(service: &Service, by: By<'_>, site: &RealmSite, given: &Given<'_>, new: SessionId) -> Pending<()> {
    let (sessions, realm) = (&service.sessions, &site.realm);
    let is_new = |claims: Option<Claims<'_>>| claims.is_some_and(|claims| claims.sid == new);
    let other = |value: &&&[u8]| with_scratch(|scratch| !is_new(sessions.recognise(realm, value, scratch)));
    let others = |value: &&&[u8]| with_scratch(|scratch| !is_new(sessions.recognise_anchor(realm, value, scratch)));
    let tokens = given.values.iter().filter(other).map(|value| end(service, by, site, value));
    let anchors = given.anchors.iter().filter(others).map(|value| end_by_anchor(service, by, site, value));
    tokens.chain(anchors).fold(Pending::now(()), Pending::and)
}

fn introspected<'a>(site: &'a RealmSite, session: &'a Session<'_>) -> Introspected<'a> {
    let claims = &session.claims;
    Introspected::Active {
        active: true,
        realm: site.realm.name().as_str(),
        session_id: claims.sid.encode(),
        subject: claims.subject,
        anonymous: claims.subject.is_none(),
        roles: if session.stale { &[] } else { &claims.roles },
        data: claims.data.iter().copied().collect(),
        amr: &claims.amr,
        aal: claims.aal,
        persistent: claims.persistent,
        fresh: !session.stale,
        started_at: claims.started.rfc3339(),
        authenticated_at: claims.authenticated.rfc3339(),
        claims_at: claims.claims_at.rfc3339(),
        sealed_at: claims.sealed.rfc3339(),
        expires_at: claims.expires.rfc3339(),
        idle_expires_at: claims.dies().rfc3339(),
    }
}
