//! What the configuration means. A [`Site`] can't exist with a cookie that browsers would drop, or a policy that
//! contradicts itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use url::{Origin, Url};

use super::checks::{clear_site_data, max_facts};
use super::cookie_shape::CookieShape;
use super::csrf;
use super::dbsc::Dbsc;
use super::policy::Policy;
use super::settings::{Access, RealmSettings, SameSite, Settings};
use super::site_error::SiteError;
use crate::claims::{CookieName, RealmName};
use crate::keyring::Timing;
use crate::revocation::Longest;
use crate::secret::sha256;
use crate::sessions::{Lifetimes, Realm};

/// All realms and policies, by name.
#[derive(Debug)]
pub struct Site {
    realms: BTreeMap<String, Arc<RealmSite>>,
    timing: Timing,
    policies: BTreeMap<String, Policy>,
    trusted_proxies: Vec<IpNet>,
    trusts_unix: bool,
    wait_timeout: Duration,
}

/// A realm, and how it shows on the web.
#[derive(Debug)]
pub struct RealmSite {
    /// The core's part.
    pub realm: Realm,
    /// The cookie's attributes.
    pub cookie: CookieShape,
    /// Whether the cookie of a request counts.
    pub from_cookie: bool,
    /// Whether an `Authorization: Bearer` header counts.
    pub bearer: bool,
    /// Whether requests of other sites carry the cookie: it is `SameSite=None`.
    pub cross_site: bool,
    /// Origins that may post to `/renew` and `/logout`.
    pub public_origins: Vec<Origin>,
    /// The value of Clear-Site-Data at logout; empty for none.
    pub clear_site_data: String,
    /// The value of WWW-Authenticate for whoever has no session.
    pub challenge: String,
    /// How browsers bind its sessions to their device; `None` if they do not.
    pub dbsc: Option<Dbsc>,
    /// How many facts it may have, and one subject of it.
    pub max_facts: (usize, usize),
}

impl Site {
    /// Checks the configuration. With no realm or policy there is the one called `default`.
    ///
    /// # Errors
    /// [`SiteError`] says in one line what is wrong.
    pub fn new(settings: &Settings) -> Result<Self, SiteError> {
        for (name, listener) in [("public", &settings.public), ("control", &settings.control)] {
            if let Some(problem) = listener.problem() {
                return Err(SiteError::Listener { name, problem });
            }
        }
        let mut realms = BTreeMap::new();
        for (name, realm) in or_default(&settings.realm) {
            realms.insert(name.clone(), Arc::new(RealmSite::new(&name, &realm)?));
        }
        let names: Vec<_> =
            realms.iter().map(|(name, site): (_, &Arc<RealmSite>)| (name, site.realm.cookie())).collect();
        for (at, (name, cookie)) in names.iter().enumerate() {
            if let Some((other, _)) = names[..at].iter().find(|(_, earlier)| earlier == cookie) {
                return Err(SiteError::SameCookie((*other).clone(), (*name).clone()));
            }
        }
        let mut policies = BTreeMap::new();
        let mut written = settings.policy.clone();
        if realms.contains_key(RealmName::DEFAULT) {
            written.entry("default".to_owned()).or_default();
        }
        let (trusted_proxies, trusts_unix) = csrf::trusted(&settings.trusted_proxies).map_err(SiteError::Network)?;
        let trusts_any = trusts_unix || !trusted_proxies.is_empty();
        for (name, policy) in &written {
            policies.insert(name.clone(), Policy::new(name, policy, &realms, trusts_any)?);
        }
        let timing = Timing::new(settings.rotation.confirm_within).map_err(SiteError::Rotation)?;
        let wait_timeout = settings.cluster.wait_timeout;
        Ok(Self { realms, timing, policies, trusted_proxies, trusts_unix, wait_timeout })
    }

    /// The times of a rotation.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// How long a call waits for other replicas if it does not say.
    pub fn wait_timeout(&self) -> Duration {
        self.wait_timeout
    }

    /// What replicas of one fleet have in common: the names of all realms and of their cookies.
    pub fn digest(&self) -> [u8; 32] {
        let names = self.realms.values().map(|site| (site.realm.name().as_str(), site.realm.cookie().as_str()));
        // No name has a line break in it, nor an equals sign.
        sha256(names.map(|(realm, cookie)| format!("{realm}={cookie}\n")).collect::<String>().as_bytes())
    }

    /// The longest lifetime and the longest idle limit of any session.
    pub fn longest(&self) -> Longest {
        let of_realms = self.realms.values().map(|site| site.realm.lifetimes().longest());
        of_realms.reduce(Longest::or).expect("a site has a realm")
    }

    /// Whether what a proxy at this address says about its client's request counts.
    pub fn trusts_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical(); // a socket for both families shows IPv4 as ::ffff:192.0.2.7
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// Whether the word of whoever comes through a Unix socket counts.
    pub fn trusts_unix(&self) -> bool {
        self.trusts_unix
    }

    /// The realm called `name`.
    pub fn realm(&self, name: &str) -> Option<&Arc<RealmSite>> {
        self.realms.get(name)
    }

    /// Every realm.
    pub fn realms(&self) -> impl Iterator<Item = &Arc<RealmSite>> {
        self.realms.values()
    }

    /// The policy called `name`.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// Every policy with its name.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &Policy)> {
        self.policies.iter().map(|(name, policy)| (name.as_str(), policy))
    }
}

impl RealmSite {
    fn new(name: &str, settings: &RealmSettings) -> Result<Self, SiteError> {
        let text = |key: &str| {
            let key = format!("realm.{name}{key}");
            move |problem| SiteError::Text { key, problem }
        };
        let realm_name = RealmName::new(name).map_err(text(""))?;
        let cookie_name = CookieName::new(&settings.cookie.name).map_err(text(".cookie.name"))?;
        let RealmSettings { idle, absolute, persistent_idle, persistent_absolute, .. } = *settings;
        let lifetimes = Lifetimes::new(idle, absolute, persistent_idle, persistent_absolute)
            .map_err(|problem| SiteError::Lifetimes { realm: name.to_owned(), problem })?;
        let cookie = CookieShape::new(&settings.cookie)
            .map_err(|problem| SiteError::Cookie { realm: name.to_owned(), problem })?;
        if settings.accept.is_empty() {
            return Err(SiteError::NoAccess(name.to_owned()));
        }
        let origin = |written: &String| {
            parse_origin(written).ok_or_else(|| SiteError::Origin { realm: name.to_owned(), origin: written.clone() })
        };
        let bearer = settings.accept.contains(&Access::Bearer);
        let from_cookie = settings.accept.contains(&Access::Cookie);
        Ok(Self {
            realm: Realm::new(realm_name, cookie_name, lifetimes)
                .with_attributes(cookie.attributes.len())
                .with_imports(settings.import),
            cookie,
            from_cookie,
            bearer,
            cross_site: from_cookie && settings.cookie.same_site == SameSite::None,
            // RFC 9110, section 15.5.2, asks for a challenge; there is no registered scheme for cookies.
            challenge: format!("{} realm=\"{name}\"", if bearer { "Bearer" } else { "Cookie" }),
            public_origins: settings.public_origins.iter().map(origin).collect::<Result<_, _>>()?,
            clear_site_data: clear_site_data(name, &settings.clear_site_data)?,
            dbsc: Dbsc::new(settings).map_err(|problem| SiteError::Dbsc { realm: name.to_owned(), problem })?,
            max_facts: max_facts(name, settings)?,
        })
    }

    /// Where browsers bind its sessions to their device: the paths of registration and of refresh.
    pub fn dbsc_paths(&self) -> [String; 2] {
        ["registration", "refresh"].map(|step| format!("/dbsc/{}/{step}", self.realm.name().as_str()))
    }

    /// Whether a browser on this origin may post to `/renew` and `/logout`.
    pub fn trusts_origin(&self, written: &str) -> bool {
        self.public_origin(written).is_some()
    }

    /// The origin that is written there, if it is one of the realm's own.
    pub fn public_origin(&self, written: &str) -> Option<Origin> {
        parse_origin(written).filter(|origin| self.public_origins.contains(origin))
    }
}

fn or_default(realms: &BTreeMap<String, RealmSettings>) -> BTreeMap<String, RealmSettings> {
    match realms.is_empty() {
        true => BTreeMap::from([(RealmName::DEFAULT.to_owned(), RealmSettings::default())]),
        false => realms.clone(),
    }
}

/// An origin and nothing behind it; `null` and opaque ones are none.
fn parse_origin(written: &str) -> Option<Origin> {
    let url = Url::parse(written).ok()?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    Some(url.origin()).filter(|origin| origin.is_tuple() && bare && nobody)
}

#[cfg(test)]
mod tests {
    use super::super::policy::PolicySettings;
    use super::super::settings::{CookieSettings, SameSite};
    use super::*;

    fn site(edit: impl FnOnce(&mut Settings)) -> Result<Site, String> {
        let mut settings = Settings::default();
        settings.realm.insert("default".to_owned(), RealmSettings::default());
        settings.policy.insert("p".to_owned(), PolicySettings::default());
        edit(&mut settings);
        Site::new(&settings).map_err(|error| error.to_string())
    }

    fn cookie(edit: impl FnOnce(&mut CookieSettings)) -> Result<String, String> {
        let site = site(|settings| edit(&mut settings.realm.get_mut("default").expect("there").cookie))?;
        Ok(site.realm("default").expect("there").cookie.attributes.clone())
    }

    #[test]
    fn an_empty_configuration_has_one_realm_and_one_policy() {
        let site = Site::new(&Settings::default()).expect("the defaults hold");
        assert_eq!(site.realm("default").expect("there").realm.cookie().as_str(), "__Host-sealpass");
        assert!(!site.policy("default").expect("there").optional);
        assert!(site.policy("other").is_none());
    }

    #[test]
    fn s29_start_up_refuses_what_browsers_would_drop() {
        let domain = |name: &'static str, domain: &'static str| {
            cookie(move |c| (c.name, c.domain) = (name.to_owned(), Some(domain.to_owned())))
        };
        for (refused, says) in [
            (domain("__Host-s", "example.com"), "a __Host- cookie with a domain"),
            (domain("__host-s", "example.com"), "a __Host- cookie with a domain"),
            (cookie(|c| c.path = "/app".to_owned()), "whose path is not /"),
            (cookie(|c| c.secure = false), "unless it is secure"),
            (cookie(|c| (c.name, c.secure) = ("__Secure-s".to_owned(), false)), "unless it is secure"),
            (
                cookie(|c| (c.name, c.secure, c.same_site) = ("s".to_owned(), false, SameSite::None)),
                "SameSite=None unless it is secure",
            ),
            (domain("__Secure-s", "example.com:8443"), "has no port"),
            (domain("__Secure-s", "192.0.2.1"), "not an address"),
            (domain("__Secure-s", "[2001:db8::1]"), "not an address"),
            (domain("__Secure-s", ""), "is empty"),
            (domain("__Secure-s", "com"), "public suffix"),
            (domain("__Secure-s", "co.uk"), "public suffix"),
            (domain("__Secure-s", "github.io"), "public suffix"),
            (domain("__Secure-s", ".example.com"), "not a domain name"),
            (domain("__Secure-s", "Example.com"), "not a domain name"),
            (domain("s", "example.com"), "prefix __Secure-"),
            (cookie(|c| c.path = "/a;b".to_owned()), "path"),
            (cookie(|c| c.name = "a b".to_owned()), "not allowed"),
        ] {
            let text = refused.expect_err(says);
            assert!(text.contains(says) && !text.contains('\n'), "{says}: {text}");
        }
    }

    #[test]
    fn what_is_right_is_written_out() {
        assert_eq!(cookie(|_| ()), Ok("; Path=/; Secure; HttpOnly; SameSite=Lax".to_owned()));
        let sub = cookie(|c| (c.name, c.domain) = ("__Secure-s".to_owned(), Some("example.com".to_owned())));
        assert_eq!(sub, Ok("; Path=/; Domain=example.com; Secure; HttpOnly; SameSite=Lax".to_owned()));
    }

    #[test]
    fn policies_that_contradict_themselves_are_refused() {
        let policy = |edit: fn(&mut PolicySettings)| {
            site(move |settings| edit(settings.policy.get_mut("p").expect("there"))).map(drop)
        };
        for (refused, says) in [
            (policy(|p| (p.optional, p.role) = (true, vec!["a".to_owned()])), "optional"),
            (policy(|p| (p.optional, p.max_age) = (true, Some(Duration::from_secs(1)))), "optional"),
            (policy(|p| (p.optional, p.aal) = (true, 2)), "optional"),
            (policy(|p| (p.optional, p.fresh) = (true, true)), "optional"),
            (policy(|p| (p.anonymous, p.role) = (true, vec!["a".to_owned()])), "anonymous"),
            (policy(|p| p.aal = 4), "aal"),
            (policy(|p| p.headers.clear()), "headers"),
            (policy(|p| p.preflight = true), "preflight needs trusted_proxies"),
            (policy(|p| p.login_url = Some("/login".to_owned())), "login_url needs trusted_proxies"),
            (policy(|p| p.roles_prefix = Some(String::new())), "roles_prefix"),
            (policy(|p| p.expose = Some(vec!["a\n".to_owned()])), "expose"),
            (policy(|p| p.realm = "none".to_owned()), "no realm called"),
            (policy(|p| p.role = vec!["a\n".to_owned()]), "control character"),
        ] {
            let text = refused.expect_err(says);
            assert!(text.contains(says) && text.contains("policy.p"), "{says}: {text}");
        }
    }

    #[test]
    fn two_realms_need_two_cookies() {
        let second = |settings: &mut Settings| drop(settings.realm.insert("b".to_owned(), RealmSettings::default()));
        assert!(site(second).expect_err("one cookie").contains("the same cookie name"));
    }

    #[test]
    fn replicas_have_realms_and_their_cookies_in_common() {
        let plain = site(|_| ()).expect("right").digest();
        let same = site(|settings| {
            settings.realm.get_mut("default").expect("there").idle = Duration::from_secs(60);
            settings.policy.clear();
            settings.cluster.wait_timeout = Duration::from_secs(7);
        });
        assert_eq!(same.as_ref().map(Site::digest), Ok(plain));
        assert_eq!(same.map(|site| site.wait_timeout()), Ok(Duration::from_secs(7)));
        let named = |realm: &str, name: &str| {
            site(|settings| {
                settings.realm.insert(realm.to_owned(), RealmSettings::default());
                settings.realm.get_mut(realm).expect("there").cookie.name = name.to_owned();
            })
            .map(|site| site.digest())
        };
        assert_ne!(named("default", "__Host-b"), Ok(plain));
        assert_ne!(named("b", "__Host-b"), Ok(plain));
        assert_ne!(named("b", "__Host-b"), named("c", "__Host-b"));
    }

    #[test]
    fn a_budget_has_a_lower_end() {
        for (facts, subject) in [(999, 2), (1_000, 1), (1_000, 1_001), (0, 0)] {
            let refused = site(|settings| {
                let realm = settings.realm.get_mut("default").expect("there");
                (realm.max_facts, realm.max_facts_per_subject) = (facts, subject);
            });
            assert!(refused.expect_err("too few").contains("max_facts"), "{facts}, {subject}");
        }
    }

    #[test]
    fn origins_are_origins() {
        let origins = |list: &[&str]| {
            let list = list.iter().map(|&origin| origin.to_owned()).collect();
            site(|settings| settings.realm.get_mut("default").expect("there").public_origins = list)
        };
        for wrong in ["app.example.com", "https://a.example/path", "null", "file:///etc", "https://u@a.example", ""] {
            assert!(origins(&[wrong]).is_err(), "{wrong}");
        }
        let site = origins(&["https://app.example.com", "http://127.0.0.1:8080"]).expect("origins");
        let realm = site.realm("default").expect("there");
        assert!(realm.trusts_origin("https://app.example.com:443"));
        for other in ["https://app.example.com.evil.example", "http://app.example.com", "null", "https://evil.example"]
        {
            assert!(!realm.trusts_origin(other), "{other}");
        }
    }
}
