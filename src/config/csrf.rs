//! CSRF: what a policy says about it, which policies need it, and whose word about a request's method counts.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::policy::{PolicySettings, Preset};
use super::site::RealmSite;

/// What a policy does about cross-site request forgery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Csrf {
    /// Nothing.
    #[default]
    None,
    /// The application gets a token for its pages, in `X-Session-Csrf`.
    Provide,
    /// As `provide`, and whatever may change something has to come with one, in `X-CSRF-Token`.
    Require,
}

/// What is wrong with a policy's `csrf`, and what to do.
pub(super) fn check(policy: &PolicySettings, realm: &RealmSite) -> Result<(), &'static str> {
    if policy.optional && policy.csrf == Csrf::Require {
        return Err("optional lets everybody pass, so it can't stand beside csrf = \"require\"; remove one of them");
    }
    if policy.csrf == Csrf::Provide && !policy.headers.contains(&Preset::Sealpass) {
        return Err(
            "csrf = \"provide\" is sent as X-Session-Csrf, a header of the preset sealpass; add that to headers",
        );
    }
    if realm.cross_site && policy.optional {
        // The application would act for whoever the cookie says, on a request that any site can make.
        return Err("optional lets requests of other sites pass with the cookie of a realm that has same_site = \
                    \"none\"; use csrf = \"require\", or lax");
    }
    if realm.cross_site && policy.csrf != Csrf::Require {
        return Err("requests of other sites carry the cookie of a realm that has same_site = \"none\"; set csrf = \
                    \"require\", or use lax");
    }
    Ok(())
}

/// The networks of the trusted proxies, and whether those are trusted that come through a Unix socket.
pub(super) fn trusted(written: &[String]) -> Result<(Vec<IpNet>, bool), String> {
    let (unix, networks_of): (Vec<_>, Vec<_>) = written.iter().cloned().partition(|text| text == "unix");
    Ok((networks(&networks_of)?, !unix.is_empty()))
}

/// Networks and single addresses as the configuration writes them; the first that is neither is the error.
fn networks(written: &[String]) -> Result<Vec<IpNet>, String> {
    let network = |text: &String| {
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
        // 10.0.0.1/8 is one machine or a network of 16 million: whoever wrote it did not say.
        parsed.filter(|net| net.addr() == net.network()).ok_or_else(|| text.clone())
    };
    written.iter().map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read_and_nothing_that_could_be_either() {
        let read = |text: &str| networks(&[text.to_owned()]);
        for (text, same) in [("10.0.0.0/8", "10.0.0.0/8"), ("192.0.2.7", "192.0.2.7/32"), ("::1", "::1/128")] {
            assert_eq!(read(text), Ok(vec![same.parse().expect("a network")]), "{text}");
        }
        for text in ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "proxy", "fd00::1/8", "127.0.0.1:80", " ::1"] {
            assert_eq!(read(text), Err(text.to_owned()));
        }
    }

    #[test]
    fn a_proxy_is_trusted_by_its_network_whatever_kind_of_socket_it_comes_through() {
        let text = "trusted_proxies = [\"127.0.0.0/8\", \"2001:db8::/32\"]";
        let site = crate::config::Site::new(&toml::from_str(text).expect("known keys")).expect("networks");
        for (peer, trusted) in [
            ("127.9.9.9", true),
            ("::ffff:127.0.0.1", true),
            ("2001:db8::7", true),
            ("128.0.0.1", false),
            ("::ffff:128.0.0.1", false),
            ("::1", false),
            ("::7f00:1", false),
        ] {
            assert_eq!(site.trusts_proxy(peer.parse().expect("an address")), trusted, "{peer}");
        }
        let none = crate::config::Site::new(&crate::config::Settings::default()).expect("the defaults hold");
        assert!(!none.trusts_proxy(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn a_cookie_that_other_sites_requests_carry_needs_csrf_tokens() {
        let checked = |same_site: &str, accept: &str, policy: &str| {
            let text = format!(
                "[realm.default]\naccept = {accept}\ncookie.same_site = \"{same_site}\"\n[policy.default]\n{policy}\n"
            );
            let settings = toml::from_str(&text).expect("known keys");
            crate::config::Site::new(&settings).map(drop).map_err(|error| error.to_string())
        };
        let (both, bearer) = ("[\"cookie\", \"bearer\"]", "[\"bearer\"]");
        for policy in ["", "csrf = \"none\"", "csrf = \"provide\"", "anonymous = true", "optional = true"] {
            let text = checked("none", both, policy).expect_err(policy);
            assert!(text.contains("policy.default") && text.contains("csrf = \"require\""), "{text}");
            assert_eq!(text.contains("optional lets"), policy == "optional = true", "{text}");
            assert!(!text.contains('\n'), "{text}");
            for same_site in ["lax", "strict"] {
                assert_eq!(checked(same_site, both, policy), Ok(()));
            }
            assert_eq!(checked("none", bearer, policy), Ok(()), "no request carries a bearer token by itself");
        }
        assert_eq!(checked("none", both, "csrf = \"require\""), Ok(()));
        let text = checked("lax", both, "csrf = \"require\"\noptional = true").expect_err("a demand");
        assert!(text.contains("optional"), "{text}");
        let text = checked("lax", both, "csrf = \"provide\"\nheaders = [\"remote\"]").expect_err("no such header");
        assert!(text.contains("X-Session-Csrf"), "{text}");
    }
}
