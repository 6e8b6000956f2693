//! What the calls of the control API take, as JSON objects. Unknown fields are refused.

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

/// Which session, by its token, its cookie or its id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
    pub session_id: Option<String>,
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
        }
    }
}

fn default_realm() -> String {
    RealmName::DEFAULT.to_owned()
}
