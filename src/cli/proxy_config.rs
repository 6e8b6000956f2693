//! `sealpass proxy-config`: the configuration of a reverse proxy, for one's own names. The templates are those of which
//! the tests run every rendering behind the real programs.

mod deployment;
mod files;
mod names;

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sealpass::config::{Policy, Settings, Site};

use self::deployment::{Deployment, Given, Route, Tls};
use self::files::Rendered;
use self::names::{Authority, Host, LoginUrl, NameError, Routed, SessionPath, TlsFile};
use super::{Common, Failure, say};

/// Print the configuration of a reverse proxy for your own names
///
/// Every path of the public host is guarded by the policy `default`; --policy, --optional, --page and --session-path
/// say which are not. Names of policies are compared with the configuration if there is one (--config).
///
/// One file is printed as it is. Of several, each is headed by its name; --to writes them to a directory, --file prints one.
/// What the policies have to say stands in the first lines of each.
#[derive(Debug, Args)]
pub struct ProxyConfig {
    /// Which proxy
    #[arg(value_enum)]
    proxy: Proxy,
    /// Where the application listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    upstream: Authority,
    /// The host name by which browsers know the application
    #[arg(long, value_name = "NAME", default_value = "app.example.com")]
    public_host: Host,
    /// Where Sealpass listens for proxies [default: public.listen of the configuration]; for nginx, once for each replica
    #[arg(long, value_name = "HOST:PORT")]
    sealpass: Vec<Authority>,
    /// Where the proxy listens [default: 0.0.0.0:443, with --plain 0.0.0.0:80]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<Authority>,
    /// The certificate, in PEM [default: /etc/ssl/certs/NAME.pem]
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    certificate: Option<TlsFile>,
    /// Its private key, in PEM [default: /etc/ssl/private/NAME.key]
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    certificate_key: Option<TlsFile>,
    /// Without TLS, because something in front of the proxy ends it
    #[arg(long)]
    plain: bool,
    /// A path, and what is below, that another policy guards; can be given several times
    #[arg(long, value_name = "PATH=POLICY")]
    policy: Vec<Routed>,
    /// A path that everybody passes, and the application learns who it is [policy: optional]
    #[arg(long, value_name = "PATH[=POLICY]")]
    optional: Vec<Routed>,
    /// A path with pages for people: without a session, a browser goes to the login page
    /// [policy: page, which needs a `login_url`; behind nginx, which does that by itself, default]
    #[arg(long, value_name = "PATH[=POLICY]")]
    page: Vec<Routed>,
    /// An exact path on which the application writes sessions: it needs none, and the application sees our cookie
    #[arg(long, value_name = "PATH", default_values_t = [SessionPath::login()])]
    session_path: Vec<SessionPath>,
    /// The login page [default: the first session path]
    #[arg(long, value_name = "PATH or URL")]
    login_url: Option<LoginUrl>,
    /// The Kubernetes form, where there is one
    #[arg(long)]
    ingress: bool,
    /// Write the files to this directory instead of printing them
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Print this file alone
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    file: Option<String>,
}

/// The proxies whose configurations are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Proxy {
    /// `ext_authz`
    Envoy,
    /// `auth_request`
    Nginx,
    /// `ForwardAuth`
    Traefik,
    /// `forward_auth`
    Caddy,
    /// A Lua action
    Haproxy,
}

impl Proxy {
    /// What guards pages for people if nothing is said. nginx can't pass on a redirect of Sealpass, and makes its own.
    fn page_policy(self) -> &'static str {
        if self == Self::Nginx { "default" } else { "page" }
    }
}

impl ProxyConfig {
    pub fn run(self, common: &Common) -> Result<(), Failure> {
        let settings = common.settings(&[])?;
        let site = Common::site(&settings)?;
        let (proxy, ingress, to, file) = (self.proxy, self.ingress, self.to.clone(), self.file.clone());
        let deployment = self.deployment(&settings, &site)?;
        if common.config.is_some() {
            know_policies(&site, &deployment)?;
            warn_of_policies(proxy, &site, &deployment);
        }
        let rendered = match ingress {
            true => vec![files::ingress(proxy, &deployment).ok_or_else(|| no_ingress(proxy))?],
            false => files::render(proxy, &deployment),
        };
        match (to, file) {
            (Some(dir), _) => write(&dir, &rendered),
            (None, Some(name)) => {
                let one = rendered.iter().find(|one| one.name == name).ok_or_else(|| no_file(&name, &rendered))?;
                say(one.text.trim_end())
            }
            (None, None) => print(&rendered),
        }
    }

    fn deployment(self, settings: &Settings, site: &Site) -> Result<Deployment, Failure> {
        let tls = (!self.plain).then(|| Tls::of(&self.public_host, self.certificate, self.certificate_key));
        let listen = self.listen.unwrap_or_else(|| Authority::any(if self.plain { 80 } else { 443 }));
        let mut sealpass = self.sealpass.into_iter();
        let own = settings.public.listen.address().map(Authority::reaching);
        let first = sealpass.next().or(own).ok_or_else(no_address)?;
        if sealpass.len() > 0 && (self.proxy != Proxy::Nginx || self.ingress) {
            return Err(Failure::Refused(
                "several --sealpass are for nginx; give this one an address or a Service that leads to all".to_owned(),
            ));
        }
        let binding = || site.realms().filter(|site| site.dbsc.is_some());
        let anchors = binding().map(|site| site.realm.anchor_cookie());
        let cookies = site.realms().map(|site| site.realm.cookie()).chain(anchors);
        let mut cookies: Vec<_> = cookies.map(|cookie| cookie.as_str().to_owned()).collect();
        cookies.sort();
        cookies.dedup();
        let policies = self.policy.into_iter().map(Routed::guarded);
        let optional = self.optional.into_iter().map(|given| Ok(given.or("optional").for_everybody()));
        let pages = self.page.into_iter().map(|given| Ok(given.or(self.proxy.page_policy()).for_people()));
        let routes: Result<Vec<_>, NameError> = policies.chain(optional).chain(pages).collect();
        Deployment::new(Given {
            public_host: self.public_host,
            listen,
            tls,
            upstream: self.upstream,
            sealpass: (first, sealpass.collect()),
            cookies,
            dbsc_paths: binding().flat_map(|site| site.dbsc_paths()).collect(),
            routes: routes.map_err(|error| Failure::Refused(error.to_string()))?,
            session_paths: self.session_path,
            login_url: self.login_url,
        })
        .map_err(|error| Failure::Refused(error.to_string()))
    }
}

fn no_address() -> Failure {
    Failure::Refused(
        "public.listen is a Unix socket, which not every proxy reaches; give --sealpass HOST:PORT".to_owned(),
    )
}

fn know_policies(site: &Site, deployment: &Deployment) -> Result<(), Failure> {
    let unknown = deployment.policies().find(|name| site.policy(name).is_none());
    unknown.map_or(Ok(()), |name| {
        let text = format!(
            "the configuration has no [policy.{name}], so Sealpass would answer 403; add it, or correct the name"
        );
        Err(Failure::Refused(text))
    })
}

/// Says on standard error of which settings the printed file will not be what was asked for.
fn warn_of_policies(proxy: Proxy, site: &Site, deployment: &Deployment) {
    let lacks = |name: &str, has: fn(&Policy) -> bool| site.policy(name).is_some_and(|policy| !has(policy));
    let without_cookies = |name: &&str| proxy == Proxy::Traefik && lacks(name, |policy| policy.pass_cookies);
    for name in deployment.policies().filter(without_cookies) {
        eprintln!(
            "sealpass: [policy.{name}] needs pass_cookies = true: behind Traefik the application gets no cookie otherwise"
        );
    }
    let without_login = |name: &&str| proxy != Proxy::Nginx && lacks(name, |policy| policy.login.is_some());
    for name in deployment.page_policies().filter(without_login) {
        eprintln!("sealpass: [policy.{name}] has no login_url, so browsers get a 401 and no login page");
    }
    for (path, name, wanted) in deployment.routes().iter().map(Route::meant) {
        match site.policy(name).map(|policy| policy.optional) {
            Some(false) if wanted => eprintln!(
                "sealpass: [policy.{name}] is not optional, so nobody without a session passes {path}: it needs optional = true"
            ),
            Some(true) if !wanted => eprintln!(
                "sealpass: [policy.{name}] is optional, so everybody passes {path}: if that is meant, say it with --optional"
            ),
            _ => {}
        }
    }
}

fn print(rendered: &[Rendered]) -> Result<(), Failure> {
    if let [one] = rendered {
        return say(one.text.trim_end());
    }
    rendered.iter().try_for_each(|one| say(format_args!("# ===== {} =====\n{}", one.name, one.text)))
}

fn write(dir: &std::path::Path, rendered: &[Rendered]) -> Result<(), Failure> {
    let failed = |path: &std::path::Path| {
        let what = format!("can't write {}", path.display());
        move |error| Failure::Io { what, error }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    for one in rendered {
        let path = dir.join(one.name);
        fs::write(&path, &one.text).map_err(failed(&path))?;
        say(path.display())?;
    }
    Ok(())
}

fn no_ingress(proxy: Proxy) -> Failure {
    let name = proxy.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    Failure::Refused(format!(
        "{name} has no Kubernetes form that could do all of this; run it as a Deployment with the plain one"
    ))
}

fn no_file(name: &str, rendered: &[Rendered]) -> Failure {
    let known: Vec<_> = rendered.iter().map(|one| one.name).collect();
    Failure::Refused(format!("there is no file called {name:?}; there is {}", known.join(", ")))
}
