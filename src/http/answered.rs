//! What the calls of the control API answer, as JSON objects. Problems are in [`super::answer`].

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Problem;
use super::openapi::{Id, No, Time, Yes};

/// A session that was sealed: its cookie, ready to be passed on, and what the application may want to know of it.
#[derive(Serialize, ToSchema)]
pub struct Sealed<'a> {
    #[schema(value_type = Id)]
    pub session_id: String,
    /// The content of the cookie.
    pub token: &'a str,
    /// The whole Set-Cookie line; it stands in the header of that name too.
    pub set_cookie: &'a str,
    /// Every Set-Cookie line, where sessions can be bound to devices: that of the anchor too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub set_cookies: Option<Vec<&'a String>>,
    /// What else has to be passed on to the browser, by the names of headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub headers: Option<BTreeMap<&'a str, &'a str>>,
    /// For forms; null if none could be made.
    #[schema(required)]
    pub csrf_token: Option<String>,
    #[schema(value_type = Time)]
    pub started_at: String,
    #[schema(value_type = Time)]
    pub claims_at: String,
    #[schema(value_type = Time)]
    pub expires_at: String,
    #[schema(value_type = Time)]
    pub idle_expires_at: String,
}

/// What is in a session, if it is a valid one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "it is made once an answer, and not kept")]
pub enum Introspected<'a> {
    /// A valid session.
    Active {
        #[schema(value_type = Yes)]
        active: bool,
        realm: &'a str,
        #[schema(value_type = Id)]
        session_id: String,
        #[schema(required)]
        subject: Option<&'a str>,
        anonymous: bool,
        /// None in a session whose claims are out of date.
        roles: &'a [&'a str],
        data: BTreeMap<&'a str, &'a str>,
        amr: &'a [&'a str],
        aal: u8,
        persistent: bool,
        /// Whether its claims are not out of date.
        fresh: bool,
        #[schema(value_type = Time)]
        started_at: String,
        #[schema(value_type = Time)]
        authenticated_at: String,
        #[schema(value_type = Time)]
        claims_at: String,
        #[schema(value_type = Time)]
        sealed_at: String,
        #[schema(value_type = Time)]
        expires_at: String,
        #[schema(value_type = Time)]
        idle_expires_at: String,
    },
    /// No valid session; nothing says why.
    Inactive {
        #[schema(value_type = No)]
        active: bool,
    },
}

impl Introspected<'_> {
    /// No valid session.
    pub const NONE: Self = Self::Inactive { active: false };
}

/// Where sessions stand, in the order in which they were named.
#[derive(Serialize, ToSchema)]
pub struct AllChecked {
    pub results: Vec<Checked>,
}

/// Where a session stands.
#[derive(Serialize, ToSchema)]
pub struct Checked {
    #[schema(value_type = Id)]
    pub session_id: String,
    pub result: Stands,
}

/// Where a session stands, in one word.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stands {
    /// Nothing is known against it.
    Live,
    /// Its claims are out of date.
    Stale,
    /// It is over, or goes on under another id.
    Ended,
}

/// How far an ending has come among the replicas.
#[derive(Serialize, ToSchema)]
pub struct Acknowledged {
    /// How many replicas of the core have it.
    pub applied: u16,
    /// How many there are.
    pub core: u16,
    /// How long that was waited for.
    pub waited_ms: u64,
}

/// What became of each name of a list, in their order; among other replicas, how far the last one has come.
#[derive(Serialize, ToSchema)]
pub struct AllBecame {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    applied: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    core: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waited_ms: Option<u64>,
    results: Vec<Became>,
}

/// What became of one: of a session, a subject or a handle, as the call is about.
#[derive(Serialize, ToSchema)]
pub struct Became {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    handle: Option<String>,
    result: Fate,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// What became of one, in one word.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is over.
    Ended,
    /// Its claims are out of date.
    Stale,
    /// Nothing, for the reason that `problem` says.
    Failed,
}

impl AllBecame {
    /// With how far the last one has come, among other replicas.
    pub fn new(acknowledged: Option<&Acknowledged>, results: Vec<Became>) -> Self {
        Self {
            applied: acknowledged.map(|all| all.applied),
            core: acknowledged.map(|all| all.core),
            waited_ms: acknowledged.map(|all| all.waited_ms),
            results,
        }
    }
}

impl Became {
    /// Of the one that `field` called `name`.
    pub fn new(field: &str, name: &str, became: Result<Fate, Problem>) -> Self {
        let name_if = |which| (field == which).then(|| name.to_owned());
        let (result, problem) = match became {
            Ok(fate) => (fate, None),
            Err(problem) => (Fate::Failed, Some(problem)),
        };
        let (session_id, subject, handle) = (name_if("session_id"), name_if("subject"), name_if("handle"));
        Self { session_id, subject, handle, result, problem }
    }
}
