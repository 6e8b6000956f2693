//! The problems that the control API answers with (RFC 9457). Their `type` is stable; their text is for people.

use actix_web::http::StatusCode;

use super::answer::Problem;
use super::credentials::{OverLimit, Scope};
use crate::claims::InvalidText;
use crate::custody::{CustodyError, Refused};
use crate::sessions::{ChangeError, GroupError, IssueError};
use crate::token::SealError;

pub fn credential() -> Problem {
    let detail = "send the header `Authorization: Bearer CREDENTIAL` with a credential of this service";
    Problem::new(StatusCode::UNAUTHORIZED, "credential", "No valid credential", detail)
}

pub fn scope(needed: Scope) -> Problem {
    let detail = format!("this call needs a credential with the scope {}", needed.name());
    Problem::new(StatusCode::FORBIDDEN, "scope", "Not allowed", detail)
}

pub fn role_not_given(at: usize, role: &str) -> Problem {
    let role: String = role.chars().take(MAX_SHOWN).collect();
    let detail = format!(
        "this credential can't give the role {role:?}; its may_grant in the credentials file says which it can"
    );
    Problem::new(StatusCode::FORBIDDEN, "may-grant", "Not allowed", detail).field(format!("roles[{at}]"))
}

pub fn level_not_given(field: &'static str, most: u8) -> Problem {
    let detail = format!(
        "this credential can say that somebody was authenticated up to the assurance level {most}; name one in aal (max_aal in the credentials file)"
    );
    Problem::new(StatusCode::FORBIDDEN, "max-aal", "Not allowed", detail).field(field)
}

pub fn over_limit(over: OverLimit) -> Problem {
    let OverLimit { key, rate, again_in } = over;
    let detail = format!("this credential makes more calls than limits.{key} = \"{rate}\" allows on this replica");
    let seconds = again_in.as_secs() + u64::from(again_in.subsec_nanos() > 0);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-calls", "Too many calls", detail)
        .retry_after(u16::try_from(seconds.max(1)).unwrap_or(u16::MAX))
}

pub fn all_realms() -> Problem {
    let detail = "this call is about every realm, and needs a credential that is good in all of them (\"*\")";
    Problem::new(StatusCode::FORBIDDEN, "realm", "Not allowed", detail).field("realm")
}

pub fn of_custody(error: &CustodyError) -> Problem {
    let text = error.to_string();
    match error {
        CustodyError::Refused(Refused::Unknown(_)) => {
            Problem::new(StatusCode::NOT_FOUND, "no-such-key", "No such key", text).field("key")
        }
        CustodyError::Refused(Refused::TooSoon { least }) => {
            let least = usize::try_from(least.as_secs()).unwrap_or(usize::MAX);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", text)
                .field("after_seconds")
                .least(least)
        }
        CustodyError::Refused(Refused::TooFar) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", text)
        }
        CustodyError::Refused(Refused::Entropy(_)) | CustodyError::Unavailable(_) | CustodyError::NotTakenUp(_) => {
            tracing::error!("an order on the key ring failed: {text}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "ring", "The key ring can't be changed", text)
        }
        CustodyError::Refused(_) => Problem::new(StatusCode::CONFLICT, "ring-state", "Not in this state", text),
    }
}

pub fn realm_not_covered() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "realm", "Not allowed", "this credential is not good in that realm")
        .field("realm")
}

pub fn unknown_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "path", "No such call", "there is no such path, or not with this method")
}

pub fn not_json() -> Problem {
    let detail = "send a JSON object with the header `Content-Type: application/json`";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not JSON", detail)
}

pub fn no_object() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "json", "Not a JSON object", "the body has to be one JSON object")
}

pub fn slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "Too slow", "the body did not arrive in time")
}

pub fn cut_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "body", "No whole body", "the body ended early or is not framed correctly")
}

pub fn too_long(limit: usize) -> Problem {
    let detail = format!("the body has more than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Too large", detail)
}

pub fn of_json(error: &serde_json::Error) -> Problem {
    match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", error.to_string())
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "json", "Not JSON", error.to_string()),
    }
}

pub fn unusable(field: &'static str, problem: &str) -> Problem {
    let detail = format!("{field} {problem}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", detail).field(field)
}

pub fn too_many(field: &'static str, limit: usize, found: usize) -> Problem {
    let detail = format!("{field} has {found} entries, {} over the limit of {limit}", found - limit);
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", detail).field(field).limit(limit, found)
}

pub fn one_of(fields: &str) -> Problem {
    let detail = format!("give exactly one of {fields}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", detail)
}

pub fn no_session() -> Problem {
    let detail = "what was handed over is no valid session: it expired, was ended, or never was one";
    Problem::new(StatusCode::NOT_FOUND, "no-session", "No valid session", detail)
}

pub fn not_ready() -> Problem {
    let detail = "this replica is not ready; ask another, or again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready", detail).retry_after(1)
}

pub fn no_majority() -> Problem {
    let detail =
        "no majority of the replicas answered this one in time, so nothing is handed out; ask another, or again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready", detail).retry_after(1)
}

pub fn not_kept() -> Problem {
    let detail = "it is in force on this replica, which could not keep it: a restart might forget it; ask again, or another replica";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-kept", "Not kept", detail)
}

pub fn of_issue(error: &IssueError) -> Problem {
    let wrong = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "field", "A field is wrong", error.to_string());
    match error {
        IssueError::Text { field, problem: InvalidText::TooLong { limit, found } } => {
            wrong.field(field.clone()).limit(*limit, *found)
        }
        IssueError::Text { field, .. } => wrong.field(field.clone()),
        IssueError::TooMany { field, limit, found } => wrong.field(*field).limit(*limit, *found),
        IssueError::Level => wrong.field("aal"),
        IssueError::Anonymous(field) | IssueError::Future(field) | IssueError::Lowering(field) => wrong.field(*field),
        IssueError::Grace { limit, found } => {
            let count = |seconds: u64| usize::try_from(seconds).unwrap_or(usize::MAX);
            wrong.field("grace_seconds").limit(count(*limit), count(*found))
        }
        IssueError::NoImports => wrong.field("import"),
        IssueError::ImportOver => {
            Problem::new(StatusCode::CONFLICT, "over", "The session is over", error.to_string()).field("import")
        }
        IssueError::Seal(SealError::TooLarge { limit, found } | SealError::CookieTooLarge { limit, found }) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-large", "Too large for a cookie", error.to_string())
                .limit(*limit, *found)
        }
        _ => {
            tracing::error!("nothing can be sealed: {error}");
            not_ready()
        }
    }
}

pub fn of_change(error: &ChangeError) -> Problem {
    match error {
        ChangeError::Issue(error) => of_issue(error),
        ChangeError::Conflict => Problem::new(StatusCode::CONFLICT, "conflict", "Changed meanwhile", error.to_string()),
        ChangeError::Bound => unusable("token", "is of a session that is bound to a device, which alone renews it"),
        ChangeError::NoAnchor => unusable("cookie", NO_ANCHOR),
    }
}

pub fn of_group(field: &'static str, error: &GroupError) -> Problem {
    match error {
        GroupError::Name(problem) => of_issue(&IssueError::Text { field: field.to_owned(), problem: *problem }),
        GroupError::Seal(error) => of_issue(&(*error).into()),
        GroupError::NoAnchor => unusable("keep", NO_ANCHOR),
        _ => unusable("keep", "is no session of that subject"),
    }
}

/// What is said where one token of two was handed over.
const NO_ANCHOR: &str = "is of a session that is bound to a device: hand over the whole Cookie header, in which its anchor \
    stands beside its token";

/// How much of a role that is refused stands in the answer: none that fits a session is longer.
const MAX_SHOWN: usize = 128;
