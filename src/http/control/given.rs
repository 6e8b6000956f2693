//! The session that an application hands over: its values, what others know of it, and what it is judged to be.

use crate::config::RealmSite;
use crate::http::answer::Problem;
use crate::http::asked::Visitor;
use crate::http::cookie::{Values, every_value};
use crate::http::patience::Patience;
use crate::http::presented::with_scratch;
use crate::http::{Service, problems};
use crate::sessions::Session;
use crate::token::Scratch;

/// What the application hands over of its visitor.
pub(super) struct Given<'a> {
    pub values: Values<'a>,
    /// What stands beside them if the session is bound to a device.
    pub anchors: Values<'a>,
}

impl<'a> Given<'a> {
    pub(super) fn of_visitor(visitor: &'a Visitor, site: &RealmSite) -> Result<Self, Problem> {
        Self::of(visitor.token.as_deref(), visitor.cookie.as_deref(), site)
    }

    pub(super) fn of(token: Option<&'a str>, cookie: Option<&'a str>, site: &RealmSite) -> Result<Self, Problem> {
        match (token, cookie) {
            (Some(token), None) => {
                Ok(Self { values: std::iter::once(token.as_bytes()).collect(), anchors: Values::new() })
            }
            (None, Some(line)) => {
                let name = site.realm.cookie().as_str().as_bytes();
                // All of them: to end a session, not only as many count as may to verify one.
                let every = |name| every_value(std::iter::once(line.as_bytes()), name).collect();
                let anchor = site.realm.anchor_cookie().as_str().as_bytes();
                Ok(Self { values: every(name), anchors: every(anchor) })
            }
            _ => Err(problems::one_of("token and cookie")),
        }
    }
}

/// Learns what others know of the session that is handed over, before it is changed. It has to be judged again behind
/// that.
pub(super) async fn learn_of(
    service: &Service,
    patience: Patience,
    site: &RealmSite,
    token: Option<&str>,
    cookie: Option<&str>,
) -> Result<(), Problem> {
    if service.sessions.fleet().is_none() {
        return Ok(());
    }
    let ask = |session: &Session<'_>| Ok(service.sessions.ask_before_change(&site.realm, &session.claims));
    patience.learned(with_session(service, site, token, cookie, ask)?).await
}

pub(super) fn with_session<T>(
    service: &Service,
    site: &RealmSite,
    token: Option<&str>,
    cookie: Option<&str>,
    then: impl FnOnce(&Session<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let given = Given::of(token, cookie, site)?;
    with_scratch(|scratch| match service.sessions.verify(&site.realm, &given.values, scratch) {
        Ok(session) if session.claims.is_bound() => {
            let mut scratch = Scratch::default();
            match service.sessions.judge_anchor(&site.realm, &given.anchors, &mut scratch) {
                Ok(anchor) => then(&session.with_anchor(&anchor)),
                Err(_) => then(&session),
            }
        }
        Ok(session) => then(&session),
        Err(refusal) => {
            tracing::debug!(reason = refusal.code(), "no valid session was handed over");
            Err(problems::no_session())
        }
    })
}
