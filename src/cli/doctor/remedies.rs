//! What to do about each finding: in general, and where it helps, for each proxy.

mod around;
mod guard;

use around::AROUND;
use guard::GUARD;

/// The proxies that remedies are given for.
pub const PROXIES: [&str; 5] = ["nginx", "traefik", "caddy", "envoy", "haproxy"];

/// What to do.
pub struct Remedy {
    id: &'static str,
    /// Whatever the proxy.
    pub all: &'static str,
    nginx: &'static str,
    traefik: &'static str,
    caddy: &'static str,
    envoy: &'static str,
    haproxy: &'static str,
}

impl Remedy {
    /// In the order of [`PROXIES`]; empty where there is no more to say.
    pub fn by_proxy(&self) -> [&'static str; 5] {
        [self.nginx, self.traefik, self.caddy, self.envoy, self.haproxy]
    }
}

/// The remedy for a check.
pub fn of(id: &str) -> &'static Remedy {
    GUARD.iter().chain(AROUND).find(|remedy| remedy.id == id).unwrap_or(&UNKNOWN)
}

const NONE: Remedy = Remedy { id: "", all: "", nginx: "", traefik: "", caddy: "", envoy: "", haproxy: "" };

const UNKNOWN: Remedy = Remedy { all: "See the page `doctor` of the manual.", ..NONE };

#[cfg(test)]
mod tests {
    use super::super::checks::CHECKS;
    use super::*;

    #[test]
    fn remedies_for_caddy_speak_of_the_configuration_that_is_printed() {
        let printed = include_str!("../proxy_config/templates/caddy/Caddyfile.jinja");
        for (id, line) in [
            ("no-cookie-denied", "import guarded_by /verify/"),
            ("query-cannot-soften", "rewrite {args[0]}?"),
            ("announced-body", "header_up -Transfer-Encoding"),
            ("method-not-believed", "header_up X-Forwarded-Method {method}"),
            ("page-redirect", "header_up X-Forwarded-Uri {uri}"),
            ("identity-arrives", "handle_response @yes"),
            ("forged-identity", "request_header -X-Session-*"),
            ("forged-optional", "request_header -X-Session-*"),
            ("forged-session-path", "request_header -X-Session-*"),
            ("renewal-arrives", "header @renewed +Set-Cookie {rp.header.Set-Cookie}"),
            ("cookie-kept-from-app", "request_header Cookie \"(^|;)[ \\t]*"),
            ("other-cookies-arrive", "request_header Cookie \"(^|;)[ \\t]*"),
        ] {
            assert!(of(id).caddy.contains(line) && printed.contains(line), "{id}: {line}");
        }
    }

    #[test]
    fn traefik_needs_the_cookies_from_sealpass() {
        for id in ["other-cookies-arrive", "cookie-kept-from-app"] {
            assert!(of(id).traefik.contains("pass_cookies = true"), "{id}");
        }
    }

    #[test]
    fn every_check_has_a_remedy_and_every_remedy_a_check() {
        for check in CHECKS {
            assert_eq!(of(check.id).id, check.id);
        }
        for remedy in GUARD.iter().chain(AROUND) {
            assert!(
                CHECKS.iter().any(|check| check.id == remedy.id) || remedy.id == "doctor-cleaned-up",
                "{}",
                remedy.id
            );
        }
    }
}
