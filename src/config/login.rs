//! Where browsers without a session are sent.

use std::net::IpAddr;

use url::{Host, Origin, Url};

use super::policy::PolicySettings;
use super::site::RealmSite;

/// A login page, and the parameter under which it is told where the visitor was going.
#[derive(Clone, Debug)]
pub struct LoginPage {
    /// An absolute URL, or a path on the origin of whatever page was asked for.
    written: String,
    is_path: bool,
    /// What joins the return address to it: `?return_to=`, or `&return_to=` behind a query.
    glue: String,
}

impl LoginPage {
    /// Checks what is written; the error says what to do. `proxied`: some proxy's word counts.
    pub(super) fn new(
        settings: &PolicySettings,
        realm: &RealmSite,
        proxied: bool,
    ) -> Result<Option<Self>, &'static str> {
        let Some(written) = &settings.login_url else { return Ok(None) };
        if settings.optional {
            return Err("optional lets everybody pass, so it can't stand beside login_url; remove one of them");
        }
        if !realm.from_cookie {
            return Err("login_url is for browsers, and no session of this realm is in a cookie; remove it, or add \
                        cookie to accept");
        }
        if !proxied {
            return Err("login_url needs trusted_proxies: a proxy's word tells which page was asked for; name its \
                        address there");
        }
        if realm.public_origins.is_empty() {
            return Err("login_url needs public_origins of its realm: visitors are sent back to no other; name the \
                        origin that browsers see, such as https://app.example.com");
        }
        let (url, is_path) = parse(written).ok_or(
            "login_url is a path such as /login, or an absolute URL with https (http for this machine alone); no user, \
             no fragment, no // or \\ at the beginning",
        )?;
        let parameter = &settings.return_parameter;
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if !(1..=64).contains(&parameter.len()) || !parameter.bytes().all(plain) {
            return Err("return_parameter has 1 to 64 letters, digits, -, _ and .");
        }
        if url.query_pairs().any(|(name, _)| name == **parameter) {
            return Err("login_url has the return_parameter in its query already; remove it there, or name another");
        }
        let glue = format!("{}{parameter}=", if url.query().is_some() { '&' } else { '?' });
        let written = if is_path { written.clone() } else { url.into() };
        Ok(Some(Self { written, is_path, glue }))
    }

    /// Where it is for a page on `origin`. `None` if it is a path, and the origin is not known: a proxy may take a
    /// relative address for one of ours, as Traefik does.
    pub fn url(&self, origin: Option<&Origin>) -> Option<String> {
        if !self.is_path {
            return Some(self.written.clone());
        }
        origin.map(|origin| format!("{}{}", origin.ascii_serialization(), self.written))
    }

    /// What stands between it and the return address.
    pub fn glue(&self) -> &str {
        &self.glue
    }
}

/// The login page as a URL, and whether it was written as a path.
fn parse(written: &str) -> Option<(Url, bool)> {
    if written.starts_with('/') {
        let url = Url::parse(SOMEWHERE).ok()?.join(written).ok()?;
        // Whatever a browser would read in another way than it stands there is none.
        let as_written = url.as_str().strip_prefix(SOMEWHERE) == Some(written);
        return (as_written && url.fragment().is_none()).then_some((url, true));
    }
    let url = Url::parse(written).ok()?;
    let local = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::from(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(address).is_loopback(),
    };
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && local);
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (scheme && plain).then_some((url, false))
}

const SOMEWHERE: &str = "https://somewhere.invalid";

#[cfg(test)]
mod tests {
    use url::Url;

    use crate::config::Site;

    const AROUND: &str = "trusted_proxies = [\"127.0.0.1\"]\n[realm.default]\n\
                          public_origins = [\"https://app.example.com\"]\n[policy.p]\n";

    fn site(text: &str) -> Result<Site, String> {
        Site::new(&toml::from_str(text).expect("known keys")).map_err(|error| error.to_string())
    }

    fn page(policy: &str) -> Result<super::LoginPage, String> {
        let site = site(&format!("{AROUND}{policy}"))?;
        Ok(site.policy("p").expect("there").login.clone().expect("a login page"))
    }

    #[test]
    fn a_login_page_is_a_path_of_the_application_or_an_absolute_address() {
        let app = Url::parse("https://app.example.com/x").expect("an address").origin();
        for (written, with, without, glue) in [
            ("/login", Some("https://app.example.com/login"), None, "?return_to="),
            ("/", Some("https://app.example.com/"), None, "?return_to="),
            ("/in?app=shop", Some("https://app.example.com/in?app=shop"), None, "&return_to="),
            ("https://id.example", Some("https://id.example/"), Some("https://id.example/"), "?return_to="),
            ("https://id.example/a?b", Some("https://id.example/a?b"), Some("https://id.example/a?b"), "&return_to="),
            ("http://localhost:3000/", Some("http://localhost:3000/"), Some("http://localhost:3000/"), "?return_to="),
            ("http://[::1]/", Some("http://[::1]/"), Some("http://[::1]/"), "?return_to="),
            ("http://127.9.9.9/", Some("http://127.9.9.9/"), Some("http://127.9.9.9/"), "?return_to="),
        ] {
            let page = page(&format!("login_url = {written:?}")).expect(written);
            assert_eq!(page.url(Some(&app)).as_deref(), with);
            assert_eq!(page.url(None).as_deref(), without);
            assert_eq!(page.glue(), glue);
        }
        let named = page("login_url = \"/login\"\nreturn_parameter = \"rd\"").expect("right");
        assert_eq!(named.glue(), "?rd=");
    }

    #[test]
    fn what_browsers_would_read_in_another_way_is_none() {
        for written in [
            "",
            "login",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/a\n",
            "/a b",
            "/./login",
            "/a/../login",
            "/.//evil.example",
            "/größe",
            "/login#top",
            "http://id.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example/",
            "https://",
            "https://user@id.example/",
            "https://:secret@id.example/",
            "https://id.example/#top",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://id.example/",
            "app.example.com/login",
        ] {
            let refused = page(&format!("login_url = {written:?}")).expect_err(written);
            assert!(refused.starts_with("policy.p: login_url is a path"), "{written}: {refused}");
            assert!(!refused.contains('\n'));
        }
    }

    #[test]
    fn what_a_login_page_needs_is_named_when_it_is_not_there() {
        let proxies = "trusted_proxies = [\"127.0.0.1\"]\n";
        let realm = |keys: &str| format!("[realm.default]\n{keys}\n");
        let origins = "public_origins = [\"https://app.example.com\"]\n";
        let policy = |keys: &str| format!("[policy.p]\nlogin_url = \"/login\"\n{keys}\n");
        for (text, says) in [
            (format!("{}{}", realm(origins), policy("")), "needs trusted_proxies"),
            (format!("{proxies}{}{}", realm(""), policy("")), "needs public_origins"),
            (format!("{proxies}{}{}", realm(origins), policy("optional = true")), "can't stand beside login_url"),
            (format!("{proxies}{}{}", realm(&format!("{origins}accept = [\"bearer\"]")), policy("")), "in a cookie"),
            (format!("{proxies}{}{}", realm(origins), policy("return_parameter = \"\"")), "return_parameter has"),
            (format!("{proxies}{}{}", realm(origins), policy("return_parameter = \"a&b\"")), "return_parameter has"),
            (
                format!("{AROUND}login_url = \"/login?next=%2F&return%5Fto=x\""),
                "has the return_parameter in its query already",
            ),
        ] {
            let refused = site(&text).expect_err(says);
            assert!(refused.starts_with("policy.p: ") && refused.contains(says), "{says}: {refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
        assert!(site(&format!("{proxies}{}{}", realm(origins), policy(""))).is_ok());
    }
}
