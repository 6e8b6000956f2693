//! `/v1/explain`: what is in force about a subject or a session, for operators who wonder why somebody was refused.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::realm;
use crate::claims::SessionId;
use crate::http::answer::json as json_answer;
use crate::http::asked::Explain;
use crate::http::call::call_for;
use crate::http::credentials::{Grant, Scope};
use crate::http::explained::Explained;
use crate::http::{Service, problems, trail};
use crate::sessions::IssueError;

/// A replica that is not ready tells as well, and says that it is not.
pub(super) async fn explain(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call_for(Scope::Admin, &service, &request, body, async |grant: &Grant, asked: Explain| {
        let site = realm(&service, grant, &asked.realm)?;
        let explanation = match (&asked.subject, &asked.session_id) {
            (Some(subject), None) => {
                let explained = service.sessions.explain_subject(&site.realm, subject);
                let named = |problem| problems::of_issue(&IssueError::Text { field: "subject".to_owned(), problem });
                explained.map_err(named)?
            }
            (None, Some(id)) => {
                let sid =
                    SessionId::decode(id).ok_or_else(|| problems::unusable("session_id", "is not a session id"))?;
                service.sessions.explain_session(&site.realm, sid)
            }
            _ => return Err(problems::one_of("subject and session_id")),
        };
        trail::explained(&service, grant.by(), site, &explanation);
        let replica = service.report().name;
        Ok(json_answer(StatusCode::OK, &Explained::new(explanation, replica, service.is_ready())))
    })
    .await
}
