//! What a route demands of a session, beyond being valid: a policy, and what the query of an exact path adds to it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::csrf::CsrfLack;
use super::identity::Freshness;
use crate::claims::Claims;
use crate::clock::Timestamp;
use crate::config::Policy;

/// Demands that the query adds. They can only make a policy stricter.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Added<'q> {
    role: Option<Cow<'q, str>>,
    max_age: Option<Duration>,
    amr: Option<Cow<'q, str>>,
    aal: Option<u8>,
    fresh: bool,
    bound: bool,
    csrf: bool,
}

/// A query that is not understood completely. It is refused: a misspelt demand must not be no demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query of /verify or /policy/NAME has a parameter that is unknown, repeated or can't be read")]
pub struct NotUnderstood;

/// What a valid session lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A session with a subject. The client sees what it would see without any session.
    Subject,
    /// Something that authenticating anew can mend: the value of `WWW-Authenticate` says what (RFC 9470, section 3).
    Authentication(String),
    /// A role, which no new login gives.
    Role,
    /// Claims that are not out of date: the application has to give new ones.
    Fresh,
    /// A device that the session is bound to: a browser that can binds the next one behind its login.
    Bound,
    /// A CSRF token, which no new login gives.
    Csrf(CsrfLack),
}

impl<'q> Added<'q> {
    /// Reads a query. Parameters: `role`, `max_age` (seconds since authentication), `amr`, `aal` (1–3), `fresh` (`true`),
    /// `bound` (`require`), `csrf` (`require`).
    ///
    /// # Errors
    /// [`NotUnderstood`] for anything else.
    pub fn parse(query: &'q str) -> Result<Self, NotUnderstood> {
        let mut added = Self::default();
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(NotUnderstood)?;
            let fresh_slot = match name {
                "role" => added.role.replace(decode(value)?).is_none(),
                "amr" => added.amr.replace(decode(value)?).is_none(),
                "max_age" => added.max_age.replace(Duration::from_secs(number(value)?.into())).is_none(),
                "aal" => added.aal.replace(level(value)?).is_none(),
                "fresh" if value == "true" => !std::mem::replace(&mut added.fresh, true),
                "bound" if value == "require" => !std::mem::replace(&mut added.bound, true),
                "csrf" if value == "require" => !std::mem::replace(&mut added.csrf, true),
                _ => false,
            };
            if !fresh_slot {
                return Err(NotUnderstood);
            }
        }
        Ok(added)
    }

    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a CSRF token is demanded.
    pub fn csrf(&self) -> bool {
        self.csrf
    }
}

/// Judges a valid session. What no login mends comes first: there is no point in sending the user to log in for it.
///
/// # Errors
/// [`Lack`] says what is missing.
pub fn judge(
    policy: &Policy,
    added: &Added<'_>,
    claims: &Claims<'_>,
    freshness: Freshness,
    now: Timestamp,
) -> Result<(), Lack> {
    if claims.subject.is_none() && !policy.anonymous {
        return Err(Lack::Subject);
    }
    // Whether it has a role is not known as long as its roles are out of date.
    let by_role = !policy.role.is_empty() || added.role.is_some();
    let stale_roles = freshness == (Freshness::Stale { roles_count: false });
    if (by_role && stale_roles) || ((policy.fresh || added.fresh) && freshness != Freshness::Fresh) {
        return Err(Lack::Fresh);
    }
    let has_role = |role: &str| claims.roles.contains(&role);
    let any_of_policy = policy.role.is_empty() || policy.role.iter().any(|role| has_role(role));
    if !any_of_policy || !added.role.as_deref().is_none_or(has_role) {
        return Err(Lack::Role);
    }
    let max_age = [policy.max_age, added.max_age].into_iter().flatten().min();
    let aal = policy.aal.max(added.aal.unwrap_or_default());
    let mut methods = policy.amr.iter().map(String::as_str).chain(added.amr.as_deref());
    let too_old = max_age.is_some_and(|limit| now.since(claims.authenticated) > limit);
    if too_old || claims.aal < aal || !methods.all(|method| claims.amr.contains(&method)) {
        return Err(Lack::Authentication(challenge(max_age.filter(|_| too_old), aal)));
    }
    if (policy.bound || added.bound) && !claims.is_bound() {
        return Err(Lack::Bound);
    }
    Ok(())
}

/// The challenge of RFC 9470, section 3.
fn challenge(max_age: Option<Duration>, aal: u8) -> String {
    let mut value = "Bearer error=\"insufficient_user_authentication\", \
                     error_description=\"A more recent or a stronger authentication is required\""
        .to_owned();
    if let Some(limit) = max_age {
        let _ = write!(value, ", max_age=\"{}\"", limit.as_secs());
    }
    if aal > 0 {
        let _ = write!(value, ", acr_values=\"{aal}\"");
    }
    value
}

/// Percent-encoded UTF-8 that is a possible name. A stray `%`, a `+` and bytes that are no UTF-8 are not understood.
fn decode(value: &str) -> Result<Cow<'_, str>, NotUnderstood> {
    let mut escapes = value.split('%').skip(1);
    let whole = escapes.all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    if !whole || value.contains('+') {
        return Err(NotUnderstood);
    }
    let text = percent_decode_str(value).decode_utf8().map_err(|_| NotUnderstood)?;
    crate::claims::check_name(&text).map_err(|_| NotUnderstood)?;
    Ok(text)
}

fn number(value: &str) -> Result<u32, NotUnderstood> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or(NotUnderstood)
}

fn level(value: &str) -> Result<u8, NotUnderstood> {
    match value {
        "1" => Ok(1),
        "2" => Ok(2),
        "3" => Ok(3),
        _ => Err(NotUnderstood),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_understood_whole() {
        let added = Added::parse("role=a%2Cb&max_age=300&amr=otp&aal=2&fresh=true&bound=require&csrf=require")
            .expect("all known");
        assert_eq!(added.role.as_deref(), Some("a,b"));
        assert_eq!(added.max_age, Some(Duration::from_secs(300)));
        assert_eq!((added.amr.as_deref(), added.aal), (Some("otp"), Some(2)));
        assert!(added.fresh && added.bound && added.csrf);
        assert!(Added::parse("").expect("nothing").is_empty());
    }

    #[test]
    fn s50_anything_else_is_refused() {
        for query in [
            "rol=admin",
            "role",
            "role=",
            "role=%",
            "role=%zz",
            "role=%ff",
            "role=a+b",
            "role=a%0a",
            "role=a&role=b",
            "role=a&role=a",
            "max_age=-1",
            "max_age=",
            "max_age=5m",
            "max_age=+5",
            "max_age=99999999999",
            "aal=0",
            "aal=4",
            "aal=02",
            "fresh",
            "fresh=false",
            "fresh=1",
            "fresh=true&fresh=true",
            "optional=true",
            "anonymous=true",
            "realm=other",
            "stale_roles=true",
            "csrf",
            "csrf=",
            "csrf=true",
            "csrf=none",
            "csrf=provide",
            "csrf=Require",
            "csrf=require&csrf=require",
            "bound",
            "bound=",
            "bound=true",
            "bound=none",
            "bound=require&bound=require",
            "page=2",
            "&",
            "role=a&",
            "&role=a",
            "role=a&&aal=1",
            "Role=a",
            "role%3Da",
            "=",
            "role=a;aal=1",
        ] {
            let refused = Added::parse(query);
            assert!(refused.is_err() || query == "role=a;aal=1", "{query}");
        }
        // Only & separates: this demands one role, with a strange name, that nobody has.
        assert_eq!(Added::parse("role=a;aal=1").expect("one role").role.as_deref(), Some("a;aal=1"));
    }
}
