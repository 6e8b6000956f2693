//! Policies: what is written about a route, and what it means. A [`Policy`] can't contradict itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::csrf::{self, Csrf};
use super::site::RealmSite;
use super::site_error::SiteError;
use super::values::{list, optional_duration};
use crate::claims::{RealmName, check_name};

/// What a route demands. An empty one demands a session of the default realm, and nothing else.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Which family of sessions.
    pub realm: String,
    /// Let everybody pass, and say in headers who it is.
    pub optional: bool,
    /// Let anonymous sessions pass.
    pub anonymous: bool,
    /// Any one of these roles.
    #[serde(deserialize_with = "list")]
    pub role: Vec<String>,
    /// How long ago the user may have authenticated.
    #[serde(deserialize_with = "optional_duration")]
    pub max_age: Option<Duration>,
    /// All of these authentication methods.
    #[serde(deserialize_with = "list")]
    pub amr: Vec<String>,
    /// At least this assurance level.
    pub aal: u8,
    /// Only claims that are not stale.
    pub fresh: bool,
    /// Let roles count that are out of date.
    pub stale_roles: bool,
    /// What is done about cross-site request forgery.
    pub csrf: Csrf,
    /// Which identity headers are sent.
    #[serde(deserialize_with = "list")]
    pub headers: Vec<Preset>,
    /// Answer with the request's cookies but ours, for a proxy that hands on whole headers only.
    pub pass_cookies: bool,
}

/// A family of identity headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `X-Session-…`
    Sealpass,
    /// `X-Auth-Request-…`, as oauth2-proxy names them.
    XAuthRequest,
    /// `Remote-…`, as Authelia and many applications name them.
    Remote,
    /// `X-Authgear-…`, as Authgear's resolver names them.
    Authgear,
}

impl Preset {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Sealpass, Self::XAuthRequest, Self::Remote, Self::Authgear];
}

/// What a route demands.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which sessions.
    pub realm: Arc<RealmSite>,
    /// Everybody passes.
    pub optional: bool,
    /// Anonymous sessions pass.
    pub anonymous: bool,
    /// Any one of these; none demanded if empty.
    pub role: Vec<String>,
    /// How long ago the user may have authenticated.
    pub max_age: Option<Duration>,
    /// All of these.
    pub amr: Vec<String>,
    /// At least this.
    pub aal: u8,
    /// Only claims that are not stale.
    pub fresh: bool,
    /// Roles that are out of date count as well.
    pub stale_roles: bool,
    /// What is done about cross-site request forgery.
    pub csrf: Csrf,
    /// Which identity headers.
    pub headers: Vec<Preset>,
    /// An answer that lets a request through carries its other cookies.
    pub pass_cookies: bool,
}

impl Policy {
    pub(super) fn new(
        name: &str,
        settings: &PolicySettings,
        realms: &BTreeMap<String, Arc<RealmSite>>,
    ) -> Result<Self, SiteError> {
        let wrong = |problem| SiteError::Policy { policy: name.to_owned(), problem };
        if RealmName::new(name).is_err() {
            return Err(wrong("the name of a policy has only a-z, 0-9, - and _, 64 at the most"));
        }
        let demands = !settings.role.is_empty() || settings.max_age.is_some() || !settings.amr.is_empty();
        if settings.optional && (demands || settings.aal > 0 || settings.fresh) {
            return Err(wrong("optional lets everybody pass, so it can't stand beside a demand; remove one of them"));
        }
        if settings.anonymous && !settings.role.is_empty() {
            return Err(wrong("an anonymous session has no role, so anonymous can't stand beside role"));
        }
        if settings.aal > 3 {
            return Err(wrong("aal is 1, 2 or 3 (NIST SP 800-63B), or 0 for none"));
        }
        if settings.headers.is_empty() {
            return Err(wrong("headers is empty, so the application would learn nothing; name sealpass at least"));
        }
        for text in settings.role.iter().chain(&settings.amr) {
            check_name(text).map_err(|problem| SiteError::Text { key: format!("policy.{name}"), problem })?;
        }
        let no_realm = || SiteError::NoRealm { policy: name.to_owned(), realm: settings.realm.clone() };
        let realm = realms.get(&settings.realm).cloned().ok_or_else(no_realm)?;
        csrf::check(settings, &realm).map_err(wrong)?;
        Ok(Self {
            realm,
            optional: settings.optional,
            anonymous: settings.anonymous,
            role: settings.role.clone(),
            max_age: settings.max_age,
            amr: settings.amr.clone(),
            aal: settings.aal,
            fresh: settings.fresh,
            stale_roles: settings.stale_roles,
            csrf: settings.csrf,
            headers: settings.headers.clone(),
            pass_cookies: settings.pass_cookies,
        })
    }
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            realm: RealmName::DEFAULT.to_owned(),
            optional: false,
            anonymous: false,
            role: Vec::new(),
            max_age: None,
            amr: Vec::new(),
            aal: 0,
            fresh: false,
            stale_roles: false,
            csrf: Csrf::None,
            headers: vec![Preset::Sealpass],
            pass_cookies: false,
        }
    }
}
