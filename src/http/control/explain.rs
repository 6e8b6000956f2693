//! `/v1/explain`: what is in force about a subject or a session, and what was decided in a request, for operators who wonder why
//! somebody was refused.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::realm;
use crate::claims::SessionId;
use crate::config::RealmSite;
use crate::http::answer::{Problem, json as json_answer};
use crate::http::asked::Explain;
use crate::http::call::call_for;
use crate::http::credentials::{Grant, Scope};
use crate::http::explained::{Explained, ExplainedRequest};
use crate::http::{Service, problems, trail};
use crate::sessions::{Explanation, IssueError};
use crate::telemetry::{Decided, RequestId};

/// A replica that is not ready tells as well, and says that it is not.
pub(super) async fn explain(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call_for(Scope::Admin, &service, &request, body, async |grant: &Grant, asked: Explain| {
        let site = realm(&service, grant, &asked.realm)?;
        let mut of_request = None;
        let explanation = match (&asked.subject, &asked.session_id, &asked.request_id) {
            (Some(subject), None, None) => {
                let explained = service.sessions.explain_subject(&site.realm, subject);
                let named = |problem| problems::of_issue(&IssueError::Text { field: "subject".to_owned(), problem });
                explained.map_err(named)?
            }
            (None, Some(id), None) => {
                let sid =
                    SessionId::decode(id).ok_or_else(|| problems::unusable("session_id", "is not a session id"))?;
                service.sessions.explain_session(&site.realm, sid)
            }
            (None, None, Some(id)) => {
                let (explained, explanation) = decided_in(&service, grant, site, id)?;
                of_request = Some(explained);
                explanation
            }
            _ => return Err(problems::one_of("subject, session_id and request_id")),
        };
        trail::explained(&service, grant.by(), site, &explanation);
        let replica = service.report().name;
        let explained = Explained::new(explanation, replica, service.is_ready());
        Ok(json_answer(StatusCode::OK, &Explained { request: of_request, ..explained }))
    })
    .await
}

/// What was decided in a request, and what is in force about the session and the subject that it was refused with.
fn decided_in(
    service: &Service,
    grant: &Grant,
    asked: &RealmSite,
    id: &str,
) -> Result<(ExplainedRequest, Explanation), Problem> {
    let request = RequestId::said(id.as_bytes());
    let request = request.ok_or_else(|| problems::unusable("request_id", "is not a request id"))?;
    let (recent, now) = (&service.recent, service.sessions.now());
    let shown = |decided: &Decided| may_see(grant, decided);
    let decided = recent.of(&request, now, shown);
    let site = decided.iter().find_map(|one| service.site.realm(one.realm.as_deref()?));
    let site = site.map_or(asked, |site| &**site);
    let mut sessions: Vec<_> = decided.iter().flat_map(|one| [one.session, one.next]).flatten().collect();
    sessions.dedup();
    let tag = decided.iter().find_map(|one| one.tag);
    let explanation = service.sessions.explain_named(&site.realm, sessions, tag);
    let related = recent.about(&request, &explanation.sessions, explanation.subject, now, shown);
    let request_id = request.as_str().to_owned();
    Ok((ExplainedRequest { request_id, decided, related, kept: recent.kept(now) }, explanation))
}

/// What is of no realm is shown to whoever made that call, and to operators of all realms.
fn may_see(grant: &Grant, decided: &Decided) -> bool {
    match decided.realm.as_deref() {
        Some("*") => true,
        Some(realm) => grant.covers(realm),
        None => grant.covers_all() || decided.credential.as_ref() == Some(&grant.name),
    }
}
