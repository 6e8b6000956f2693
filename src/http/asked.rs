//! What the calls of the control API take, as JSON objects. Unknown fields are refused. Endings take `wait` and
//! `timeout_ms`: how far they have to have come among the replicas before they are answered, and for how long to wait
//! for that.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::claims::RealmName;

/// A login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Issue {
    pub realm: String,
    pub subject: Option<String>,
    pub handles: Vec<String>,
    pub roles: Vec<String>,
    pub data: BTreeMap<String, String>,
    pub amr: Vec<String>,
    pub aal: u8,
    pub authenticated_at: Option<String>,
    pub persistent: bool,
    pub replaces: Option<Visitor>,
    pub import: Option<Imported>,
}

/// The session of a visitor, as they came with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    pub token: Option<String>,
    pub cookie: Option<String>,
}

/// A session that began elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    pub key: String,
    pub started_at: String,
}

/// A session that goes on, and what changes in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
    pub roles: Option<Vec<String>>,
    pub data: Option<BTreeMap<String, String>>,
    pub amr: Option<Vec<String>>,
    pub aal: Option<u8>,
    pub authenticated_at: Option<String>,
    pub grace_seconds: Option<u64>,
}

/// Which session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
}

/// Which session, by its token, its cookie or its id; or several, by their ids.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
    pub session_id: Option<String>,
    pub session_ids: Option<Vec<String>>,
    pub wait: Option<String>,
    pub timeout_ms: Option<u64>,
}

/// One subject or several, and which of one's sessions goes on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub subject: Option<String>,
    pub subjects: Option<Vec<String>>,
    pub keep: Option<Visitor>,
    pub wait: Option<String>,
    pub timeout_ms: Option<u64>,
}

/// One handle or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handles {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub handle: Option<String>,
    pub handles: Option<Vec<String>>,
    pub wait: Option<String>,
    pub timeout_ms: Option<u64>,
}

/// One realm, or all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    pub realm: Option<String>,
    pub all: Option<bool>,
    pub wait: Option<String>,
    pub timeout_ms: Option<u64>,
}

/// A subject or a session, of which an operator wants to know what is in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub subject: Option<String>,
    pub session_id: Option<String>,
}

/// Sessions whose tokens are not at hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub sessions: Vec<CheckedSession>,
}

/// What an application remembers of a session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckedSession {
    pub session_id: String,
    pub subject: Option<String>,
    #[serde(default)]
    pub handles: Vec<String>,
    pub started_at: String,
    pub claims_at: Option<String>,
}

impl Default for Issue {
    fn default() -> Self {
        Self {
            realm: default_realm(),
            subject: None,
            handles: Vec::new(),
            roles: Vec::new(),
            data: BTreeMap::new(),
            amr: Vec::new(),
            aal: 0,
            authenticated_at: None,
            persistent: false,
            replaces: None,
            import: None,
        }
    }
}

fn default_realm() -> String {
    RealmName::DEFAULT.to_owned()
}
