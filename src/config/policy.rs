//! Policies: what is written about a route, and what it means. A [`Policy`] can't contradict itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::csrf::{self, Csrf};
use super::login::LoginPage;
use super::site::RealmSite;
use super::site_error::SiteError;
use super::values::{list, optional_duration, optional_list};
use super::view::View;
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
    /// Whether sessions have to be bound to a device.
    pub bound: Bound,
    /// What is done about cross-site request forgery.
    pub csrf: Csrf,
    /// Let a browser's CORS preflight pass as nobody.
    pub preflight: bool,
    /// Where browsers without a session are sent.
    pub login_url: Option<String>,
    /// The query parameter under which the login page is told where they were going.
    pub return_parameter: String,
    /// Which identity headers are sent.
    #[serde(deserialize_with = "list")]
    pub headers: Vec<Preset>,
    /// Answer with the request's cookies but ours, for a proxy that hands on whole headers only.
    pub pass_cookies: bool,
    /// Which roles are shown in them: those that begin so, without that beginning.
    pub roles_prefix: Option<String>,
    /// Which keys of the session's data are shown in them.
    #[serde(deserialize_with = "optional_list")]
    pub expose: Option<Vec<String>>,
}

/// Whether sessions have to be bound to a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// They may be.
    #[default]
    None,
    /// They have to be.
    Require,
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
    /// What it is called.
    pub name: String,
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
    /// Only sessions that are bound to a device.
    pub bound: bool,
    /// What is done about cross-site request forgery.
    pub csrf: Csrf,
    /// Whether a browser's CORS preflight passes as nobody.
    pub preflight: bool,
    /// Where browsers without a session are sent; `None` answers 401.
    pub login: Option<LoginPage>,
    /// Which identity headers.
    pub headers: Vec<Preset>,
    /// An answer that lets a request through carries its other cookies.
    pub pass_cookies: bool,
    /// What of the session they show.
    pub view: View,
}

impl Policy {
    /// Checks what is written. `proxied`: some proxy's word about its client's request counts.
    pub(super) fn new(
        name: &str,
        settings: &PolicySettings,
        realms: &BTreeMap<String, Arc<RealmSite>>,
        proxied: bool,
    ) -> Result<Self, SiteError> {
        let wrong = |problem| SiteError::Policy { policy: name.to_owned(), problem };
        if RealmName::new(name).is_err() {
            return Err(wrong("the name of a policy has only a-z, 0-9, - and _, 64 at the most"));
        }
        check(settings).map_err(wrong)?;
        for text in settings.role.iter().chain(&settings.amr) {
            check_name(text).map_err(|problem| SiteError::Text { key: format!("policy.{name}"), problem })?;
        }
        let no_realm = || SiteError::NoRealm { policy: name.to_owned(), realm: settings.realm.clone() };
        let realm = realms.get(&settings.realm).cloned().ok_or_else(no_realm)?;
        csrf::check(settings, &realm).map_err(wrong)?;
        if settings.preflight && !proxied {
            return Err(wrong(PREFLIGHT_OF_NOBODY));
        }
        let bound = settings.bound == Bound::Require;
        if bound && realm.dbsc.is_none() {
            return Err(wrong("bound needs a realm whose sessions can be bound; set dbsc.enabled there"));
        }
        let login = LoginPage::new(settings, &realm, proxied).map_err(wrong)?;
        Ok(Self {
            name: name.to_owned(),
            realm,
            optional: settings.optional,
            anonymous: settings.anonymous,
            role: settings.role.clone(),
            max_age: settings.max_age,
            amr: settings.amr.clone(),
            aal: settings.aal,
            fresh: settings.fresh,
            stale_roles: settings.stale_roles,
            bound,
            csrf: settings.csrf,
            preflight: settings.preflight,
            login,
            headers: settings.headers.clone(),
            pass_cookies: settings.pass_cookies,
            view: View::new(settings).map_err(wrong)?,
        })
    }
}

/// What contradicts itself whatever the realm is, and what to do.
fn check(settings: &PolicySettings) -> Result<(), &'static str> {
    let demands = !settings.role.is_empty() || settings.max_age.is_some() || !settings.amr.is_empty();
    if settings.optional && (demands || settings.aal > 0 || settings.fresh || settings.bound == Bound::Require) {
        return Err("optional lets everybody pass, so it can't stand beside a demand; remove one of them");
    }
    if settings.anonymous && !settings.role.is_empty() {
        return Err("an anonymous session has no role, so anonymous can't stand beside role");
    }
    if settings.aal > 3 {
        return Err("aal is 1, 2 or 3 (NIST SP 800-63B), or 0 for none");
    }
    if settings.headers.is_empty() {
        return Err("headers is empty, so the application would learn nothing; name sealpass at least");
    }
    Ok(())
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
            bound: Bound::None,
            csrf: Csrf::None,
            preflight: false,
            login_url: None,
            return_parameter: "return_to".to_owned(),
            headers: vec![Preset::Sealpass],
            pass_cookies: false,
            roles_prefix: None,
            expose: None,
        }
    }
}

const PREFLIGHT_OF_NOBODY: &str =
    "preflight needs trusted_proxies: a proxy's word tells the client's method; name its address there";
