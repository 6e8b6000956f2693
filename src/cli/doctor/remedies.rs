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
