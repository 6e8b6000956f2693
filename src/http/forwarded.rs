//! What a trusted proxy says about its client's request: the method, and the address that was asked for.
//!
//! It counts if the peer of the TCP connection is in `trusted_proxies`. What is said twice, or in two ways that differ, is not
//! known: a client may have added its own beside the proxy's.

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use url::{Origin, Url};

use super::Service;
use super::head::Head;
use crate::config::RealmSite;

/// What a trusted proxy says.
pub struct Forwarded<'r> {
    request: Head<'r>,
}

/// A method, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'r> {
    /// The proxy says nothing about it.
    Unsaid,
    /// The proxy says it.
    Said(&'r [u8]),
    /// There are several lines.
    Unclear,
}

/// The address that the client asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host and port: one of the realm's public origins.
    pub origin: Origin,
    /// The whole of it. `None` if it is not known, or nowhere to send anybody.
    pub page: Option<Url>,
}

/// Said twice, or in two ways, or not in ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

impl<'r> Forwarded<'r> {
    /// `None` if the peer is nobody whose word counts.
    pub fn of(service: &Service, request: Head<'r>) -> Option<Self> {
        let trusted = if request.is_over_unix() {
            service.site.trusts_unix()
        } else {
            request.peer().is_some_and(|peer| service.site.trusts_proxy(peer))
        };
        trusted.then_some(Self { request })
    }

    /// What it says of the method: one line of one of the headers.
    pub fn method(&self) -> Method<'r> {
        let mut lines = METHOD.iter().flat_map(|name| self.request.headers().get_all(name));
        match (lines.next(), lines.next()) {
            (None, _) => Method::Unsaid,
            (Some(line), None) => Method::Said(line.as_bytes()),
            (Some(_), Some(_)) => Method::Unclear,
        }
    }

    /// The same; where it says nothing, the method with which it asks, as Envoy asks with its client's.
    ///
    /// Behind a proxy that says nothing and always asks with GET it is GET, whatever the client sent. So it is good for what
    /// lets nobody in: where to send a browser, and what is a preflight.
    pub fn method_or_own(&self) -> Option<&'r [u8]> {
        match self.method() {
            Method::Said(method) => Some(method),
            Method::Unsaid => Some(self.request.method().as_str().as_bytes()),
            Method::Unclear => None,
        }
    }

    /// The address that was asked for, if it is on one of the realm's public origins.
    pub fn address(&self, site: &RealmSite) -> Option<Address> {
        let Parts { proto, host, uri } = Parts::of(self.request.headers()).ok()?;
        let origin = public_origin(site, proto?, host?)?;
        let page = uri.and_then(|uri| page(&origin, uri));
        Some(Address { origin, page })
    }
}

/// The one line of a header.
pub fn one<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, Unclear> {
    let mut lines = headers.get_all(name);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => line.to_str().map(Some).map_err(|_| Unclear),
        (Some(_), Some(_)) => Err(Unclear),
    }
}

/// A page of one of the realm's public origins, written as a whole address.
pub fn page_of_ours(site: &RealmSite, written: &str) -> Option<Url> {
    let mut url = Url::parse(written).ok().filter(|_| is_plain(written))?;
    url.set_fragment(None);
    // An address such as blob:https://… has an origin, and is no page of it.
    let nobody = url.has_host() && url.username().is_empty() && url.password().is_none();
    (nobody && site.public_origins.contains(&url.origin()) && is_wholesome(&url)).then_some(url)
}

/// What headers say about an address, piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts<'r> {
    proto: Option<&'r str>,
    host: Option<&'r str>,
    /// Path and query.
    uri: Option<&'r str>,
}

impl<'r> Parts<'r> {
    fn of(headers: &'r HeaderMap) -> Result<Self, Unclear> {
        let said = |name| one(headers, name);
        let forwarded = Self { proto: said(&PROTO)?, host: said(&HOST)?, uri: said(&URI)? };
        let original = Self { uri: said(&ORIGINAL_URI)?, ..Self::default() };
        let whole = said(&ORIGINAL_URL)?.map(Self::of_url).transpose()?.unwrap_or_default();
        let standard = said(&FORWARDED)?.map(Self::of_element).transpose()?.unwrap_or_default();
        forwarded.and(original)?.and(whole)?.and(standard)
    }

    /// Of `https://app.example.com/path?query`, or `/path?query`.
    fn of_url(url: &'r str) -> Result<Self, Unclear> {
        if url.starts_with('/') {
            return Ok(Self { uri: Some(url), ..Self::default() });
        }
        let (proto, rest) = url.split_once("://").ok_or(Unclear)?;
        let (host, uri) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        Ok(Self { proto: Some(proto), host: Some(host), uri: Some(if uri.is_empty() { "/" } else { uri }) })
    }

    /// Of the one element of a Forwarded line (RFC 7239, section 4). Several are the words of several proxies, and the first
    /// ones may be the client's.
    fn of_element(line: &'r str) -> Result<Self, Unclear> {
        let mut parts = Self::default();
        if line.contains([',', '\\']) {
            return Err(Unclear);
        }
        for pair in line.split(';') {
            let (name, value) = pair.trim().split_once('=').ok_or(Unclear)?;
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"').ok_or(Unclear)?,
                None => value,
            };
            let place = match name {
                _ if name.eq_ignore_ascii_case("proto") => &mut parts.proto,
                _ if name.eq_ignore_ascii_case("host") => &mut parts.host,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Unclear);
            }
        }
        Ok(parts)
    }

    fn and(self, other: Self) -> Result<Self, Unclear> {
        let agreed = |one: Option<&'r str>, other: Option<&'r str>| match (one, other) {
            (Some(one), Some(other)) if one != other => Err(Unclear),
            _ => Ok(one.or(other)),
        };
        Ok(Self {
            proto: agreed(self.proto, other.proto)?,
            host: agreed(self.host, other.host)?,
            uri: agreed(self.uri, other.uri)?,
        })
    }
}

fn public_origin(site: &RealmSite, proto: &str, host: &str) -> Option<Origin> {
    // What a URL's host can't hold as it stands would be something else to whoever reads it: a user, a path, a second host.
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b':' | b'[' | b']');
    let right = matches!(proto, "http" | "https") && !host.is_empty() && host.bytes().all(plain);
    site.public_origin(&format!("{proto}://{host}")).filter(|_| right)
}

fn page(origin: &Origin, uri: &str) -> Option<Url> {
    if !uri.starts_with('/') || uri.contains('#') || !is_plain(uri) {
        return None;
    }
    let url = Url::parse(&format!("{}{uri}", origin.ascii_serialization())).ok()?;
    (url.origin() == *origin && is_wholesome(&url)).then_some(url)
}

/// Whether browsers read it as it stands: they drop tabs and line breaks, and take `\` for `/`.
fn is_plain(text: &str) -> bool {
    text.len() <= MAX_PAGE && text.bytes().all(|c| c.is_ascii_graphic() && c != b'\\')
}

/// Whether its path stays a path on this host for an application that decodes it, and takes it alone: `//evil.example` and
/// `/\evil.example` are other hosts to a browser.
fn is_wholesome(url: &Url) -> bool {
    let mut decoded = percent_decode_str(url.path());
    let other_host = decoded.clone().take(2).eq(*b"//");
    !other_host && !decoded.any(|c| c.is_ascii_control() || c == b'\\')
}

/// Longest address that anybody is sent back to, in octets before it is percent-encoded.
const MAX_PAGE: usize = 2_048;

/// Where proxies write the client's method: Traefik and Caddy the first, ingress-nginx and Authelia's snippets the second.
static METHOD: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
static ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Site;

    fn site() -> Site {
        let text = "[realm.default]\npublic_origins = [\"https://app.example.com\", \"http://127.0.0.1:8080\"]\n";
        Site::new(&toml::from_str(text).expect("known keys")).expect("origins")
    }

    #[test]
    fn s49_an_origin_is_one_of_ours_or_none() {
        let site = site();
        let realm = site.realm("default").expect("there");
        for (proto, host) in [
            ("https", "app.example.com"),
            ("https", "App.Example.COM"),
            ("https", "app.example.com:443"),
            ("http", "127.0.0.1:8080"),
        ] {
            assert!(public_origin(realm, proto, host).is_some(), "{proto} {host}");
        }
        for (proto, host) in [
            ("http", "app.example.com"),
            ("HTTPS", "app.example.com"),
            ("https ", "app.example.com"),
            ("wss", "app.example.com"),
            ("javascript", "app.example.com"),
            ("https,http", "app.example.com"),
            ("", "app.example.com"),
            ("https", ""),
            ("https", "evil.example"),
            ("https", "app.example.com.evil.example"),
            ("https", "app.example.com."),
            ("https", "xapp.example.com"),
            ("https", "example.com"),
            ("https", "app-example.com"),
            ("https", "app.example.com:8443"),
            ("https", "app.example.com:443:443"),
            ("https", "user@app.example.com"),
            ("https", "app.example.com@evil.example"),
            ("https", "app.example.com:443@evil.example"),
            ("https", "evil.example\\@app.example.com"),
            ("https", "evil.example/app.example.com"),
            ("https", "app.example.com/"),
            ("https", "app.example.com?"),
            ("https", "app.example.com#"),
            ("https", "app.exam\tple.com"),
            ("https", " app.example.com"),
            ("https", "app%2eexample.com"),
            ("https", "app.example.com, evil.example"),
            ("https", "evil.example, app.example.com"),
            ("https", "\u{430}pp.example.com"),
            ("https", "app。example。com"),
            ("https", "xn--pp-6kc.example.com"),
            ("http", "127.0.0.1"),
            ("http", "127.0.0.1:80"),
            ("http", "[::1]:8080"),
        ] {
            assert_eq!(public_origin(realm, proto, host), None, "{proto} {host}");
        }
    }

    #[test]
    fn s49_a_page_is_a_path_of_ours_however_it_is_taken_apart() {
        let origin = Url::parse("https://app.example.com").expect("an address").origin();
        for (uri, same) in [
            ("/", "https://app.example.com/"),
            ("/a?page=2&x=//evil.example", "https://app.example.com/a?page=2&x=//evil.example"),
            ("/a?next=%2F%2Fevil.example%0a", "https://app.example.com/a?next=%2F%2Fevil.example%0a"),
            ("/a//b", "https://app.example.com/a//b"),
            ("/a@b:80", "https://app.example.com/a@b:80"),
            ("/caf%C3%A9", "https://app.example.com/caf%C3%A9"),
            ("/a/../b", "https://app.example.com/b"),
            ("/:80/", "https://app.example.com/:80/"),
        ] {
            assert_eq!(page(&origin, uri).as_ref().map(Url::as_str), Some(same), "{uri}");
        }
        for uri in [
            "",
            "a",
            "@evil.example/",
            ".evil.example/",
            ":80/",
            "?a",
            "*",
            "https://evil.example/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\0",
            "/a b",
            "/a\u{7f}",
            "/a\u{e9}",
            "/a#b",
            "/%09/evil.example",
            "/%0a/evil.example",
            "/%0D/evil.example",
            "/a%00",
            "/a%7f",
            "/a%1F",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/a%5Cb",
            "/a\\b",
            "/.//evil.example",
            "/./%2fevil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/%2E%2e//evil.example",
            "/%09%2fevil.example",
            "/a?b\\c",
        ] {
            assert_eq!(page(&origin, uri), None, "{uri}");
        }
        let long = |octets: usize| format!("/{}", "a".repeat(octets - 1));
        assert!(page(&origin, &long(MAX_PAGE)).is_some());
        assert_eq!(page(&origin, &long(MAX_PAGE + 1)), None);
    }

    proptest::proptest! {
        /// An application may take the address whole or its path alone, as it stands or decoded: a browser stays here.
        #[test]
        fn s49_no_way_to_take_a_page_apart_leads_elsewhere(uri in "/(/|\\\\|%2[fF]|%5[cC]|%0[9aAdD]|\\.|%2[eE]|[@:?a]){0,6}") {
            let origin = Url::parse("https://app.example.com").expect("an address").origin();
            if let Some(page) = page(&origin, &uri) {
                let decoded = percent_decode_str(page.path()).decode_utf8().expect("ASCII");
                for written in [page.as_str(), page.path(), &decoded, &page[url::Position::BeforePath..]] {
                    let followed = page.join(written).expect("an address");
                    proptest::prop_assert_eq!(followed.origin(), origin.clone(), "{}", written);
                }
            }
        }
    }

    #[test]
    fn a_referer_is_a_page_of_ours_or_none() {
        let site = site();
        let realm = site.realm("default").expect("there");
        let page = |text: &str| page_of_ours(realm, text).map(String::from);
        let of_form = Some("https://app.example.com/form?x".to_owned());
        assert_eq!(page("https://app.example.com/form?x#y"), of_form);
        assert_eq!(page("https://app.example.com:443/form?x"), of_form);
        for text in [
            "",
            "/form",
            "null",
            "about:blank",
            "https://evil.example/",
            "https://app.example.com.evil.example/",
            "http://app.example.com/",
            "https://app.example.com:8443/",
            "https://u@app.example.com/",
            "https://:p@app.example.com/",
            "https://app.example.com@evil.example/",
            "https://app.example.com//evil.example",
            "https://app.example.com/\\evil.example",
            "https://app.example.com/%09/evil.example",
            "https:\\\\app.example.com/",
            "https://app.example.com/\t/evil.example",
            "blob:https://app.example.com/x",
        ] {
            assert_eq!(page(text), None, "{text}");
        }
        assert_eq!(page(&format!("https://app.example.com/{}", "a".repeat(MAX_PAGE))), None);
    }

    #[test]
    fn a_forwarded_line_is_one_element() {
        let parts = |proto, host| Ok(Parts { proto, host, uri: None });
        for (line, found) in [
            ("proto=https;host=a.example", parts(Some("https"), Some("a.example"))),
            ("for=192.0.2.1; Proto=https ;HOST=\"a.example:443\"", parts(Some("https"), Some("a.example:443"))),
            ("for=\"[2001:db8::1]:4711\";by=_x", parts(None, None)),
            ("host=a.example, host=b.example", Err(Unclear)),
            ("for=192.0.2.1, proto=https;host=a.example", Err(Unclear)),
            ("host=a.example;host=a.example", Err(Unclear)),
            ("host=\"a.example", Err(Unclear)),
            ("host=\"a\\.example\"", Err(Unclear)),
            ("host", Err(Unclear)),
            ("", Err(Unclear)),
            ("host=a.example;", Err(Unclear)),
        ] {
            assert_eq!(Parts::of_element(line), found, "{line}");
        }
    }
}
