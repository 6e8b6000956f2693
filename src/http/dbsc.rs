//! Sessions bound to the device: what browsers ask for at `/dbsc/REALM/registration` and `/dbsc/REALM/refresh`.
//!
//! A status says to a browser what becomes of its part of the session: 403 asks for a proof, and 503 for patience; any other 4xx
//! ends it, as do 429 and redirects in Chromium, whatever the draft says. So each answer here is meant:
//!
//! | answer | when |
//! |---|---|
//! | 200, cookies and instructions | the proof holds |
//! | 200, `continue: false` | the session is over, or another one has taken its place |
//! | 403, a challenge | there is no proof, or the challenge that it answers is old, or was answered before |
//! | 400 | no proof that a browser of ours would make |
//! | 503 | not ready; or no anchor came along, which is so where another site's page made the browser ask |

mod offer;
mod refresh;
mod registration;

pub use offer::offer;

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::{empty, json, json_text, put_cookie};
use super::{Service, browser, cookie};
use crate::config::{Dbsc, RealmSite};
use crate::dbsc::{Instructions, OVER, PublicPoint, Spent, challenge, identifier, proof_text};
use crate::sessions::{CHALLENGE_LIFE, Issued};

/// What a browser asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Registration,
    Refresh,
}

/// The realm and the step that stand in a path behind `/dbsc/`.
pub fn asked(rest: &str) -> Option<(&str, Step)> {
    let (realm, step) = rest.split_once('/')?;
    Some((realm, *Step::ALL.iter().find(|known| known.name() == step)?))
}

/// The answer to a browser.
pub async fn answer(service: &Service, request: &HttpRequest, realm: &str, step: Step) -> HttpResponse {
    let site = service.site.realm(realm);
    let Some((site, terms)) = site.and_then(|site| Some((&**site, site.dbsc.as_ref()?))) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let asked = Asked { service, request, site, terms };
    let done = match step {
        _ if !service.is_ready() => Err(Denial::NotNow("not_ready")),
        _ if !browser::is_meant(request.headers(), site) => Err(Denial::Refused("origin")),
        Step::Registration => registration::register(asked).await,
        Step::Refresh => refresh::refresh(asked),
    };
    let (response, result) = match done {
        Ok(response) => (response, "ok"),
        Err(denial) => {
            tracing::debug!(step = step.name(), reason = denial.reason(), "not bound to its device");
            denial.answer()
        }
    };
    service.metrics.dbsc.answered(step.name(), result);
    response
}

/// One request, and what it is about.
#[derive(Clone, Copy)]
struct Asked<'r> {
    service: &'r Service,
    request: &'r HttpRequest,
    site: &'r RealmSite,
    terms: &'r Dbsc,
}

/// Why a browser gets no cookies. The reason is for logs.
#[derive(Debug)]
enum Denial {
    /// It may ask again later.
    NotNow(&'static str),
    /// Its part of the session ends.
    Refused(&'static str),
    /// The session is over.
    Over(&'static str),
    /// It has to sign this, for the session that it knows by that name.
    Prove { reason: &'static str, challenge: String, id: String },
}

impl Denial {
    fn reason(&self) -> &'static str {
        match self {
            Self::NotNow(reason) | Self::Refused(reason) | Self::Over(reason) | Self::Prove { reason, .. } => reason,
        }
    }

    /// The answer, and how it is counted.
    fn answer(&self) -> (HttpResponse, &'static str) {
        match self {
            Self::NotNow(_) => (empty(StatusCode::SERVICE_UNAVAILABLE), "not_ready"),
            Self::Refused(_) => (empty(StatusCode::BAD_REQUEST), "refused"),
            Self::Over(_) => (json_text(OVER), "over"),
            Self::Prove { challenge: sealed, id, .. } => {
                let mut response = empty(StatusCode::FORBIDDEN);
                if let Some(Ok(value)) = challenge(sealed, id).map(HeaderValue::try_from) {
                    response.headers_mut().insert(CHALLENGE.clone(), value);
                }
                (response, "challenged")
            }
        }
    }
}

impl Step {
    const ALL: [Self; 2] = [Self::Registration, Self::Refresh];

    fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Refresh => "refresh",
        }
    }
}

impl Asked<'_> {
    /// The proof that came along. Two are none that a browser sent.
    fn proof(&self) -> Result<Option<String>, Denial> {
        match self.one(&RESPONSE)? {
            None => Ok(None),
            Some(value) => proof_text(value.as_bytes()).map(Some).ok_or(Denial::Refused("no_jwt")),
        }
    }

    /// The one line of a header.
    fn one(&self, name: &HeaderName) -> Result<Option<&HeaderValue>, Denial> {
        let mut lines = self.request.headers().get_all(name);
        match (lines.next(), lines.next()) {
            (line, None) => Ok(line),
            _ => Err(Denial::Refused("several_lines")),
        }
    }

    /// The cookies of a session that is bound from here on, and what the browser is to do about them.
    fn keep_up(&self, bound: &Issued, key: &PublicPoint) -> HttpResponse {
        let id = identifier(key);
        let name = self.site.realm.cookie().as_str();
        let url = path(self.site, Step::Refresh);
        let credential = (name, self.site.cookie.attributes.as_str());
        let told = Instructions::new(&id, &url, credential, &self.terms.initiators);
        let mut response = json(StatusCode::OK, &told);
        let now = self.service.sessions.now();
        let anchor = cookie::set_anchor_of(self.site, bound, now);
        std::iter::once(cookie::set(self.site, bound, now))
            .chain(anchor)
            .for_each(|line| put_cookie(&mut response, line));
        response
    }
}

/// Where a browser asks for it.
fn path(site: &RealmSite, step: Step) -> String {
    let [registration, refresh] = site.dbsc_paths();
    match step {
        Step::Registration => registration,
        Step::Refresh => refresh,
    }
}

/// The challenges that were answered on this replica, of all realms.
static SPENT: LazyLock<Spent> = LazyLock::new(|| Spent::new(CHALLENGE_LIFE));

static REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");
static RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
static CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");
static SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_realm_and_a_step() {
        assert_eq!(asked("default/registration"), Some(("default", Step::Registration)));
        assert_eq!(asked("default/refresh"), Some(("default", Step::Refresh)));
        for rest in ["", "default", "default/", "default/refresh/", "default/x/refresh", "refresh", "default/Refresh"] {
            assert_eq!(asked(rest), None, "{rest}");
        }
    }
}
