//! How a realm's cookie is written, and what browsers would drop without a word.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::settings::{CookieSettings, SameSite};

/// The attributes of a cookie, ready to be written.
#[derive(Clone, Debug)]
pub struct CookieShape {
    /// What stands behind `name=value` and `Max-Age`, beginning with `; Path=`.
    pub attributes: String,
}

impl CookieShape {
    /// Checks what RFC 6265bis (sections 4.1.3 and 5.7) makes browsers check, and would drop without a word.
    pub(super) fn new(cookie: &CookieSettings) -> Result<Self, &'static str> {
        let name = cookie.name.to_ascii_lowercase(); // browsers compare the prefixes so
        if !cookie.secure && (name.starts_with("__host-") || name.starts_with("__secure-")) {
            return Err("browsers drop a cookie with this name prefix unless it is secure; set secure = true");
        }
        if name.starts_with("__host-") && cookie.domain.is_some() {
            return Err("browsers drop a __Host- cookie with a domain; leave it out, or name the cookie __Secure-…");
        }
        if name.starts_with("__host-") && cookie.path != "/" {
            return Err("browsers drop a __Host- cookie whose path is not /; set path = \"/\"");
        }
        if cookie.same_site == SameSite::None && !cookie.secure {
            return Err("browsers drop a cookie with SameSite=None unless it is secure; set secure = true");
        }
        if cookie.domain.is_some() && !name.starts_with("__secure-") {
            return Err("a cookie for sub-domains needs a name with the prefix __Secure-");
        }
        if !cookie.path.starts_with('/') || cookie.path.bytes().any(|c| c == b';' || !c.is_ascii_graphic()) {
            return Err("a path begins with / and has no ;, space or control character");
        }
        if let Some(domain) = &cookie.domain {
            check_domain(domain)?;
        }
        let mut attributes = format!("; Path={}", cookie.path);
        if let Some(domain) = &cookie.domain {
            let _ = write!(attributes, "; Domain={domain}");
        }
        attributes.push_str(if cookie.secure { "; Secure; HttpOnly" } else { "; HttpOnly" });
        attributes.push_str(match cookie.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        Ok(Self { attributes })
    }
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    if domain.is_empty() {
        return Err("the domain is empty; leave it out for a cookie of this host alone");
    }
    if domain.parse::<IpAddr>().is_ok() || domain.starts_with('[') {
        return Err("a domain is a name, not an address; leave it out for a cookie of this host alone");
    }
    if domain.contains(':') {
        return Err("a domain has no port; leave it out");
    }
    let label = |label: &str| {
        let inner = label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        return Err("not a domain name; write it in lower case without a leading dot, other scripts as xn--…");
    }
    // Browsers refuse a cookie for a public suffix (RFC 6265bis, section 5.7): it would reach strangers' sites.
    match psl::domain(domain.as_bytes()) {
        Some(_) => Ok(()),
        None => Err("this domain is a public suffix, under which strangers have sites; name your own domain"),
    }
}
