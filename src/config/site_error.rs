//! What is wrong with a configuration: one line that names the key and the remedy.

use crate::claims::InvalidText;
use crate::keyring::TimingError;
use crate::sessions::LifetimesError;

/// The configuration contradicts itself or a standard. Each text is one line that names the key and the remedy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// A realm's name, cookie name or text.
    #[error("{key}: {problem}")]
    Text {
        /// Which key.
        key: String,
        /// What is wrong.
        problem: InvalidText,
    },
    /// A realm's lifetimes.
    #[error("realm.{realm}: {problem}")]
    Lifetimes {
        /// Which realm.
        realm: String,
        /// What is wrong.
        problem: LifetimesError,
    },
    /// A cookie that browsers would drop, or a rule of RFC 6265bis.
    #[error("realm.{realm}.cookie: {problem}")]
    Cookie {
        /// Which realm.
        realm: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// Sessions that no browser could bind.
    #[error("realm.{realm}.dbsc: {problem}")]
    Dbsc {
        /// Which realm.
        realm: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// Two realms with one cookie.
    #[error("realm.{0} and realm.{1} have the same cookie name; give each its own")]
    SameCookie(String, String),
    /// Not an origin.
    #[error(
        "realm.{realm}.public_origins: {origin:?} is not an origin; write scheme and host, such as https://app.example.com"
    )]
    Origin {
        /// Which realm.
        realm: String,
        /// What was written.
        origin: String,
    },
    /// A realm accepts nothing.
    #[error("realm.{0}.accept is empty; name cookie, bearer or both")]
    NoAccess(String),
    /// Not a type of RFC's Clear-Site-Data.
    #[error("realm.{0}.clear_site_data takes cache, cookies, storage and executionContexts")]
    ClearSiteData(String),
    /// A budget that makes no sense.
    #[error("realm.{0}: max_facts is at least 1000, and max_facts_per_subject at least 2 and not above it")]
    MaxFacts(String),
    /// No time that a rotation can be built on.
    #[error("rotation.confirm_within {0}")]
    Rotation(TimingError),
    /// A listener that contradicts itself.
    #[error("{name}: {problem}")]
    Listener {
        /// Which.
        name: &'static str,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// Not a network.
    #[error(
        "trusted_proxies: {0:?} is neither a network nor an address; write 10.0.0.0/8, fd00::/8, 192.0.2.7, or unix"
    )]
    Network(String),
    /// A policy of a realm that is not there.
    #[error("policy.{policy}.realm: there is no realm called {realm:?}; add it as [realm.NAME], or name another")]
    NoRealm {
        /// Which policy.
        policy: String,
        /// Which realm.
        realm: String,
    },
    /// A policy that contradicts itself.
    #[error("policy.{policy}: {problem}")]
    Policy {
        /// Which policy.
        policy: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}
