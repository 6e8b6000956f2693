//! A deployment as templates see it.

use serde::Serialize;

use super::names::{Authority, Host, LoginUrl, NameError, Routed, SessionPath, TlsFile};

/// How the proxy speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    certificate: String,
    key: String,
}

/// A path that is not guarded by the policy `default`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    path: String,
    /// The path for a regular expression, with what is special in it escaped.
    pattern: String,
    policy: String,
    /// Whether browsers without a session are sent to the login page.
    page: bool,
    /// Whether everybody is to pass.
    optional: bool,
    /// Unique, and fit for an identifier.
    name: String,
}

/// A cookie of ours.
#[derive(Debug, Serialize)]
pub struct Cookie {
    name: String,
    /// The name for a regular expression.
    pattern: String,
}

/// What was given.
pub struct Given {
    pub public_host: Host,
    pub listen: Authority,
    pub tls: Option<Tls>,
    pub upstream: Authority,
    /// One replica, and those beside it.
    pub sealpass: (Authority, Vec<Authority>),
    /// Those of all realms: whichever a policy is of, the application gets none of them.
    pub cookies: Vec<String>,
    /// Where browsers bind sessions to their device.
    pub dbsc_paths: Vec<String>,
    pub routes: Vec<Route>,
    pub session_paths: Vec<SessionPath>,
    pub login_url: Option<LoginUrl>,
}

/// What a template is told.
#[derive(Debug, Serialize)]
pub struct Deployment {
    public_host: String,
    listen: String,
    listen_host: String,
    listen_port: u16,
    tls: Option<Tls>,
    upstream: String,
    upstream_host: String,
    upstream_port: u16,
    sealpass: String,
    /// All replicas, where the proxy is told each.
    replicas: Vec<String>,
    sealpass_host: String,
    sealpass_port: u16,
    cookies: Vec<Cookie>,
    dbsc_paths: Vec<String>,
    /// The longest path first, so that the first one that fits is the closest.
    routes: Vec<Route>,
    /// The policies of the routes, each once.
    policies: Vec<String>,
    session_paths: Vec<String>,
    login_url: String,
    identity_headers: [&'static str; 15],
    identity_headers_lower: Vec<String>,
}

impl Deployment {
    /// # Errors
    /// A path that is given twice, or is Sealpass's own; a cookie's name that no proxy can be told.
    pub fn new(given: Given) -> Result<Self, NameError> {
        let Given {
            public_host,
            listen,
            tls,
            upstream,
            sealpass: (sealpass, others),
            cookies,
            dbsc_paths,
            mut routes,
            session_paths,
            login_url,
        } = given;
        // A name goes into regular expressions, and one that means something there would let our cookie through.
        let plain = |cookie: &String| cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if let Some(odd) = cookies.iter().find(|cookie| !plain(cookie)) {
            return Err(NameError::Cookie(odd.clone()));
        }
        let cookies = cookies.into_iter().map(|name| Cookie { pattern: pattern(&name), name }).collect();
        let session_paths: Vec<_> = session_paths.into_iter().map(|path| path.0).collect();
        are_apart(&routes, &session_paths, &dbsc_paths)?;
        routes.sort_by_key(|route| (std::cmp::Reverse(route.path.len()), route.path.clone()));
        let mut policies: Vec<_> = routes.iter().map(|route| route.policy.clone()).collect();
        policies.sort();
        policies.dedup();
        let login_url = login_url.map(|url| url.0).or_else(|| session_paths.first().cloned());
        Ok(Self {
            public_host: public_host.0,
            listen: listen.to_string(),
            listen_host: listen.host,
            listen_port: listen.port,
            tls,
            upstream: upstream.to_string(),
            upstream_host: upstream.host,
            upstream_port: upstream.port,
            sealpass: sealpass.to_string(),
            replicas: std::iter::once(&sealpass).chain(&others).map(ToString::to_string).collect(),
            sealpass_host: sealpass.host,
            sealpass_port: sealpass.port,
            cookies,
            dbsc_paths,
            routes,
            policies,
            session_paths,
            login_url: login_url.unwrap_or_else(|| "/login".to_owned()),
            identity_headers: IDENTITY_HEADERS,
            identity_headers_lower: IDENTITY_HEADERS.map(str::to_ascii_lowercase).to_vec(),
        })
    }

    /// The policies of pages for people.
    pub fn page_policies(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().filter(|route| route.page).map(|route| route.policy.as_str())
    }

    /// The paths that are not guarded by the policy `default`.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The policies that it takes.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(String::as_str).chain(["default"])
    }
}

impl Routed {
    /// A path for which a policy has to be named.
    pub fn guarded(self) -> Result<Route, NameError> {
        match self.policy {
            Some(_) => Ok(self.or("")),
            None => Err(NameError::NoPolicy(self.path)),
        }
    }

    /// The same, with the policy that guards it if none was named.
    pub fn or(self, policy: &str) -> Route {
        let pattern = pattern(&self.path);
        let policy = self.policy.unwrap_or_else(|| policy.to_owned());
        let letters = self.path.trim_start_matches('/').chars().map(|char| match char {
            '/' => "__".to_owned(),
            char if char.is_ascii_alphanumeric() => char.to_string(),
            char => format!("_{:x}_", u32::from(char)),
        });
        let name = letters.collect();
        Route { path: self.path, pattern, policy, page: false, optional: false, name }
    }
}

impl Route {
    /// The same, and browsers without a session are sent to the login page.
    pub fn for_people(self) -> Self {
        Self { page: true, ..self }
    }

    /// The same, and everybody is to pass.
    pub fn for_everybody(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The path, what guards it, and whether everybody is to pass.
    pub fn meant(&self) -> (&str, &str, bool) {
        (&self.path, &self.policy, self.optional)
    }
}

impl Tls {
    /// The files that were given, or where Debian keeps them.
    pub fn of(host: &Host, certificate: Option<TlsFile>, key: Option<TlsFile>) -> Self {
        let host = &host.0;
        Self {
            certificate: certificate.map_or_else(|| format!("/etc/ssl/certs/{host}.pem"), |file| file.0),
            key: key.map_or_else(|| format!("/etc/ssl/private/{host}.key"), |file| file.0),
        }
    }
}

/// Whether each path is given once, and none is Sealpass's own.
fn are_apart(routes: &[Route], session_paths: &[String], dbsc_paths: &[String]) -> Result<(), NameError> {
    let mut paths: Vec<_> = routes.iter().map(|route| &route.path).chain(session_paths).collect();
    paths.sort();
    if let Some(ours) = paths.iter().find(|path| OURS.contains(&path.as_str()) || dbsc_paths.contains(path)) {
        return Err(NameError::Ours((*ours).clone()));
    }
    let twice = paths.windows(2).find(|pair| pair[0] == pair[1]);
    twice.map_or(Ok(()), |pair| Err(NameError::Twice(pair[0].clone())))
}

/// A name for a regular expression: of all that a name may have, the dot alone means something there.
fn pattern(name: &str) -> String {
    name.replace('.', "\\.")
}

/// Paths that Sealpass answers itself.
const OURS: [&str; 2] = ["/logout", "/renew"];

const IDENTITY_HEADERS: [&str; 15] = [
    "X-Session-Valid",
    "X-Session-Subject",
    "X-Session-Id",
    "X-Session-Roles",
    "X-Session-Auth-Time",
    "X-Session-Started",
    "X-Session-Amr",
    "X-Session-Aal",
    "X-Session-Expires",
    "X-Session-Fresh",
    "X-Session-Anonymous",
    "X-Session-Realm",
    "X-Session-Data",
    "X-Session-Reason",
    "X-Session-Csrf",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_path_comes_first_and_names_stand_for_themselves() {
        let named = |routes: &[&str], cookie: &str| {
            let routes = routes.iter().map(|text| text.parse::<Routed>().expect("right").or("p")).collect();
            Deployment::new(Given {
                public_host: "A.example".parse().expect("right"),
                listen: Authority::any(443),
                tls: None,
                upstream: "127.0.0.1:1".parse().expect("right"),
                sealpass: (Authority::reaching(([0, 0, 0, 0], 8080).into()), Vec::new()),
                cookies: vec![cookie.to_owned()],
                dbsc_paths: vec!["/dbsc/default/refresh".to_owned()],
                routes,
                session_paths: vec![SessionPath::login()],
                login_url: None,
            })
        };
        let given = |routes: &[&str]| named(routes, "__Host-s");
        let sorted = given(&["/a", "/a/b", "/a_b", "/a.b", "/a-b", "/a__b"]).expect("all different");
        assert_eq!(sorted.routes[0].path, "/a__b");
        assert_eq!(sorted.routes.last().map(|route| route.path.as_str()), Some("/a"));
        let mut unique: Vec<_> = sorted.routes.iter().map(|route| &route.name).collect();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 6, "{unique:?}");
        assert_eq!((sorted.public_host.as_str(), sorted.sealpass.as_str()), ("a.example", "127.0.0.1:8080"));
        assert_eq!(given(&["/a", "/a"]).err(), Some(NameError::Twice("/a".to_owned())));
        assert_eq!(given(&["/login"]).err(), Some(NameError::Twice("/login".to_owned())));
        assert_eq!(given(&["/logout"]).err(), Some(NameError::Ours("/logout".to_owned())));
        assert_eq!(given(&["/dbsc/default/refresh"]).err(), Some(NameError::Ours("/dbsc/default/refresh".to_owned())));
        assert_eq!(named(&[], "s.id").map(|right| right.cookies[0].pattern.clone()), Ok("s\\.id".to_owned()));
        for cookie in ["a+b", "a*", "a|b", "a^", "$a", "a'b", "a`"] {
            assert_eq!(named(&[], cookie).err(), Some(NameError::Cookie(cookie.to_owned())));
        }
    }
}
