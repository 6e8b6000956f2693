//! Where sessions stand, for whoever holds no token of them: open sockets, jobs, lists of devices.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::bulk::check_count;
use super::{instant, ready, realm};
use crate::claims::SessionId;
use crate::config::RealmSite;
use crate::http::answer::{Problem, json as json_answer};
use crate::http::answered::{AllChecked, Checked, Stands};
use crate::http::asked::{Check, CheckedSession};
use crate::http::call::call;
use crate::http::{Service, problems};
use crate::sessions::{self, Pending, Standing};

pub(super) async fn check(service: web::Data<Service>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    call(&service, &request, body, |grant, asked: Check| {
        let site = realm(&service, grant, &asked.realm)?;
        ready(&service)?;
        check_count("sessions", asked.sessions.len())?;
        let standing = |(at, session)| {
            standing(&service, site, session).map_err(|problem: Problem| problem.inside("sessions", at))
        };
        let standings = asked.sessions.iter().enumerate().map(standing).collect::<Result<Vec<_>, _>>()?;
        let named =
            |(session, result): (&CheckedSession, _)| Checked { session_id: session.session_id.clone(), result };
        let results = asked.sessions.iter().zip(standings).map(named).collect();
        Ok(Pending::now(json_answer(StatusCode::OK, &AllChecked { results })))
    })
    .await
}

fn standing(service: &Service, site: &RealmSite, asked: &CheckedSession) -> Result<Stands, Problem> {
    let sid = SessionId::decode(&asked.session_id);
    let started = instant("started_at", Some(&asked.started_at))?;
    let session = sessions::Checked {
        sid: sid.ok_or_else(|| problems::unusable("session_id", "is not a session id"))?,
        subject: asked.subject.as_deref(),
        handles: &asked.handles,
        started: started.unwrap_or_default(),
        claims_at: instant("claims_at", asked.claims_at.as_deref())?,
    };
    let standing = service.sessions.check(&site.realm, &session).map_err(|error| problems::of_issue(&error))?;
    Ok(match standing {
        Standing::Live => Stands::Live,
        Standing::Stale => Stands::Stale,
        Standing::Ended => Stands::Ended,
    })
}
