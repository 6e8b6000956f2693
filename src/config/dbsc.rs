//! Sessions of a realm that are bound to the device: what is written about it, and what it means.

use std::time::Duration;

use serde::Deserialize;

use super::settings::{Access, RealmSettings};
use super::values::{duration, list};

/// Whether and how browsers may bind a session to their device (DBSC).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DbscSettings {
    /// Whether logins offer it.
    pub enabled: bool,
    /// How long the cookie of a bound session lives until the browser has to prove itself again.
    #[serde(deserialize_with = "duration")]
    pub lifetime: Duration,
    /// How long a cookie of before the binding still counts.
    #[serde(deserialize_with = "duration")]
    pub tolerance: Duration,
    /// Hosts whose links make a browser refresh before it follows them.
    #[serde(deserialize_with = "list")]
    pub initiators: Vec<String>,
}

/// How browsers bind sessions of a realm to their device.
#[derive(Clone, Debug)]
pub struct Dbsc {
    /// How long the cookie of a bound session lives.
    pub lifetime: Duration,
    /// How long a cookie of before the binding still counts.
    pub tolerance: Duration,
    /// Hosts whose links make a browser refresh before it follows them.
    pub initiators: Vec<String>,
}

impl Dbsc {
    /// Checks what is written; none if it is off.
    pub(super) fn new(settings: &RealmSettings) -> Result<Option<Self>, &'static str> {
        let DbscSettings { enabled, lifetime, tolerance, initiators } = &settings.dbsc;
        if !enabled {
            return Ok(None);
        }
        if !cfg!(feature = "dbsc") {
            return Err("this sealpass was built without it; build with --features dbsc, or set enabled = false");
        }
        let cookie = &settings.cookie;
        if !settings.accept.contains(&Access::Cookie) {
            return Err("browsers bind cookies alone; add cookie to accept, or set enabled = false");
        }
        if !cookie.secure || cookie.domain.is_some() || cookie.path != "/" {
            return Err("a bound cookie is secure and without a domain, and its path is /; name it __Host-…");
        }
        if [lifetime, tolerance].iter().any(|time| time.subsec_nanos() != 0) || lifetime.is_zero() {
            return Err("lifetime and tolerance are whole seconds, and lifetime at least one");
        }
        if *lifetime > settings.idle || *lifetime > settings.persistent_idle {
            return Err("lifetime is longer than idle: what is bound would live longer than what is not; shorten it");
        }
        if *tolerance > LONGEST_TOLERANCE {
            return Err("tolerance is above 1h: for so long a stolen cookie of before the binding would still count");
        }
        if initiators.iter().any(|host| !host.bytes().all(|c| c.is_ascii_alphanumeric() || b"*.-".contains(&c))) {
            return Err("initiators are host names such as mail.example.com, or * for any");
        }
        let (lifetime, tolerance, initiators) = (*lifetime, *tolerance, initiators.clone());
        Ok(Some(Self { lifetime, tolerance, initiators }))
    }
}

impl Default for DbscSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            lifetime: Duration::from_secs(600),
            tolerance: Duration::from_secs(300),
            initiators: vec!["*".to_owned()],
        }
    }
}

const LONGEST_TOLERANCE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "dbsc")]
    use crate::config::SameSite;

    fn with(edit: impl FnOnce(&mut RealmSettings)) -> Result<bool, &'static str> {
        let mut settings = RealmSettings::default();
        settings.dbsc.enabled = true;
        edit(&mut settings);
        Dbsc::new(&settings).map(|dbsc| dbsc.is_some())
    }

    #[test]
    fn it_is_off_unless_somebody_says_so() {
        assert!(Dbsc::new(&RealmSettings::default()).expect("right").is_none());
    }

    #[cfg(not(feature = "dbsc"))]
    #[test]
    fn a_build_without_it_says_how_to_get_it() {
        assert!(with(|_| ()).expect_err("not there").contains("--features dbsc"));
    }

    #[cfg(feature = "dbsc")]
    #[test]
    fn what_no_browser_could_bind_is_refused() {
        assert_eq!(with(|_| ()), Ok(true));
        assert_eq!(with(|realm| realm.cookie.same_site = SameSite::Strict), Ok(true));
        let secs = Duration::from_secs;
        for (refused, says) in [
            (with(|realm| realm.accept = vec![Access::Bearer]), "accept"),
            (with(|realm| realm.cookie.domain = Some("example.com".to_owned())), "domain"),
            (with(|realm| realm.cookie.path = "/app".to_owned()), "path"),
            (with(|realm| realm.cookie.secure = false), "secure"),
            (with(|realm| realm.dbsc.lifetime = secs(0)), "at least one"),
            (with(|realm| realm.dbsc.tolerance = Duration::from_millis(1)), "whole seconds"),
            (with(|realm| realm.dbsc.lifetime = secs(1_801)), "idle"),
            (with(|realm| realm.persistent_idle = secs(599)), "idle"),
            (with(|realm| realm.dbsc.tolerance = secs(3_601)), "1h"),
            (with(|realm| realm.dbsc.initiators = vec!["https://a.example".to_owned()]), "host names"),
        ] {
            assert!(refused.expect_err(says).contains(says), "{says}");
        }
    }
}
