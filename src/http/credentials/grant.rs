//! What one credential may do: its scopes, its realms, and what it can give to sessions.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Deserializer, de};

use super::Hash;
use crate::clock::Timestamp;
use crate::telemetry::By;

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Issue, change and end sessions.
    App,
    /// Operate the service. Metrics are for either scope.
    Admin,
}

/// What one credential may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Whose it is, for the log.
    pub name: String,
    /// SHA-256 of the credential, as hexadecimal digits.
    sha256: Hash,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// In which realms; `*` for all.
    pub realms: Vec<String>,
    /// Which roles it can give to sessions; all of them if that is not said.
    may_grant: Option<Vec<RolePattern>>,
    /// Up to which assurance level it can say that somebody was authenticated; any if that is not said.
    max_aal: Option<Level>,
    /// From when on it is good for nothing.
    #[serde(default, deserialize_with = "time")]
    expires: Option<Timestamp>,
    /// Whether it was said that somebody came with it when it had expired.
    #[serde(skip)]
    told_expired: AtomicBool,
}

impl Scope {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Admin => "admin",
        }
    }
}

impl Grant {
    /// For everything.
    pub(super) fn all_powerful(name: &str, secret: &str) -> Self {
        Self {
            name: name.to_owned(),
            sha256: Hash::of(secret.as_bytes()),
            scopes: vec![Scope::App, Scope::Admin],
            realms: vec!["*".to_owned()],
            may_grant: None,
            max_aal: None,
            expires: None,
            told_expired: AtomicBool::default(),
        }
    }

    /// The first digits of the hash: what tells it from another one of its name.
    pub fn id(&self) -> String {
        self.sha256.to_string()[..ID_DIGITS].to_owned()
    }

    /// Whether it is good for `scope`.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it is good in every realm.
    pub fn covers_all(&self) -> bool {
        self.realms.iter().any(|name| name == "*")
    }

    /// Who acts with it, for the audit trail.
    pub fn by(&self) -> By<'_> {
        By::Credential(&self.name)
    }

    /// Whether it is good in `realm`.
    pub fn covers(&self, realm: &str) -> bool {
        self.covers_all() || self.realms.iter().any(|name| name == realm)
    }

    /// Whether it can give `role` to a session.
    pub fn may_give(&self, role: &str) -> bool {
        self.may_grant.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.takes(role)))
    }

    /// Up to which assurance level it can say that somebody was authenticated.
    pub fn max_aal(&self) -> u8 {
        self.max_aal.map_or(Level::HIGHEST, |level| level.0)
    }

    /// Whether that is any that there is.
    pub fn gives_any_aal(&self) -> bool {
        self.max_aal() == Level::HIGHEST
    }

    /// The roles that it can give, as they are written; `None` for all.
    pub fn may_grant(&self) -> Option<impl Iterator<Item = &str>> {
        self.may_grant.as_ref().map(|patterns| patterns.iter().map(|pattern| &*pattern.0))
    }

    /// From when on it is good for nothing.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether its time has come, which is logged once: whoever has it learns no more than that it is no credential.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        let expired = self.expires.filter(|expires| *expires <= now);
        if let Some(expired) = expired
            && !self.told_expired.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                by = self.name,
                "somebody came with a credential that expired at {}; make a new one with `sealpass credential add`",
                expired.rfc3339()
            );
        }
        expired.is_some()
    }

    pub(super) fn sha256(&self) -> Hash {
        self.sha256
    }
}

/// A role, or with `*` at its end all roles that begin so.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct RolePattern(String);

impl RolePattern {
    fn takes(&self, role: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => role.starts_with(beginning),
            None => role == self.0,
        }
    }
}

impl TryFrom<String> for RolePattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.find('*') {
            _ if text.is_empty() => Err("may_grant has an empty entry; for no role at all write may_grant = []"),
            Some(at) if at + 1 < text.len() => Err("a * in may_grant stands at the end, as in \"billing:*\""),
            _ => Ok(Self(text)),
        }
    }
}

/// An assurance level.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u8")]
struct Level(u8);

impl Level {
    const HIGHEST: u8 = 3;
}

impl TryFrom<u8> for Level {
    type Error = &'static str;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        if level <= Self::HIGHEST { Ok(Self(level)) } else { Err("max_aal lies between 0 and 3") }
    }
}

/// A time as RFC 3339 spells it, with or without quotation marks.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text = match toml::Value::deserialize(from)? {
        toml::Value::String(text) => text,
        toml::Value::Datetime(time) => time.to_string(),
        _ => String::new(),
    };
    let wrong = "expires takes a time with its offset, such as 2027-01-31T00:00:00Z";
    Timestamp::parse_rfc3339(&text).map(Some).ok_or_else(|| de::Error::custom(wrong))
}

const ID_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_a_role_or_all_that_begin_so() {
        let takes = |pattern: &str, role| RolePattern::try_from(pattern.to_owned()).expect(pattern).takes(role);
        for (pattern, role) in [("a", "a"), ("*", "a"), ("*", "x:y"), ("billing:*", "billing:read"), ("b*", "b")] {
            assert!(takes(pattern, role), "{pattern} {role}");
        }
        for (pattern, role) in [("a", "ab"), ("a", "A"), ("billing:*", "billing"), ("billing:*", "xbilling:read")] {
            assert!(!takes(pattern, role), "{pattern} {role}");
        }
    }
}
