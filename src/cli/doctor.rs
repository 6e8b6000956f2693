//! `sealpass doctor`: proves from the outside that proxy, Sealpass and application fit together.

mod chain;
mod checks;
mod own;
mod remedies;
mod report;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sealpass::config::Preset;
use sealpass::entropy::{SystemEntropy, random};
use url::Url;

use super::remote::trust::Tls;
use super::remote::{Door, Remote};
use super::{Common, Failure, say};
use chain::{Ask, Chain};
use checks::CHECKS;
use own::{Claims, Own};
use report::{Not, Report, Verdict};
use wire::Wire;

/// Prove that your proxy, Sealpass and your application fit together
///
/// Asks as a client does, with sessions of its own that it ends when it is done, and tries what an attacker would:
/// forged identity headers, odd paths and methods, a session that has ended. Says of each check whether it is right
/// (✓), wrong (✗, with the remedy) or could not be told (–, and why). Exit code 0 if nothing is wrong, 1 if something
/// is, 3 if it could not check.
#[derive(Debug, Args)]
pub struct Doctor {
    /// A guarded page behind the proxy, such as `https://app.example.com/`
    #[arg(long, value_name = "URL", value_parser = http_url)]
    through: Url,
    /// The control listener of Sealpass [default: that of the configuration]
    #[arg(long, value_name = "URL")]
    control: Option<Door>,
    /// Trust the certificates in this PEM file, and no others, in a control listener under TLS [default: the system's]
    #[arg(long, value_name = "FILE")]
    control_ca: Option<PathBuf>,
    /// The file with a credential of the scope app
    #[arg(long, value_name = "FILE")]
    credential: PathBuf,
    #[command(flatten)]
    paths: Paths,
    #[command(flatten)]
    claims: Claims,
    /// The realm of the doctor's sessions
    #[arg(long, value_name = "REALM", default_value = "default")]
    realm: String,
    /// Which families of identity headers your policies send; may be given several times
    #[arg(long, value_name = "FAMILY", value_enum, default_value = "sealpass")]
    headers: Vec<Family>,
    /// Connect to this address, wherever the name in --through leads
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect: Option<SocketAddr>,
    /// Trust the certificates in this PEM file, and no others
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Trust every certificate
    #[arg(long)]
    insecure: bool,
    /// Remedies for this proxy alone [default: the one that says its name, or all]
    #[arg(long, value_name = "PROXY", value_parser = remedies::PROXIES)]
    proxy: Option<String>,
    /// How long to wait for a renewal to be due
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10s")]
    wait: Duration,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "5s")]
    timeout: Duration,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Paths behind the proxy on which more can be checked.
#[derive(Clone, Debug, Args)]
pub struct Paths {
    /// A guarded path that `sealpass echo` answers [default: the path of --through]
    #[arg(long, value_name = "PATH", value_parser = path)]
    echo_path: Option<String>,
    /// A path whose policy demands a role that the doctor's sessions lack
    #[arg(long, value_name = "PATH", value_parser = path)]
    policy_path: Option<String>,
    /// A path whose policy is optional
    #[arg(long, value_name = "PATH", value_parser = path)]
    optional_path: Option<String>,
    /// A path where sessions begin, which no policy guards, and that `sealpass echo` answers [default: /login]
    #[arg(long, value_name = "PATH", value_parser = path)]
    session_path: Option<String>,
    /// A path whose policy demands a CSRF token
    #[arg(long, value_name = "PATH", value_parser = path)]
    csrf_path: Option<String>,
    /// A path whose policy lets CORS preflights in
    #[arg(long, value_name = "PATH", value_parser = path)]
    preflight_path: Option<String>,
    /// A page from which browsers without a session are sent to log in
    #[arg(long, value_name = "PATH", value_parser = path)]
    page_path: Option<String>,
    /// Where browsers log out; "none" if not through Sealpass
    #[arg(long, value_name = "PATH", value_parser = path, default_value = "/logout")]
    logout_path: String,
    /// Where browsers renew; "none" if not at all
    #[arg(long, value_name = "PATH", value_parser = path, default_value = "/renew")]
    renew_path: String,
    /// Where the application itself listens: it must not answer there
    #[arg(long, value_name = "URL", value_parser = http_url)]
    direct: Option<Url>,
    /// Where the proxy listens without TLS [default: that of --through, at port 80]
    #[arg(long, value_name = "URL", value_parser = http_url)]
    plain_http: Option<Url>,
}

/// A family of identity headers, as policies call it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Family {
    Sealpass,
    XAuthRequest,
    Remote,
    Authgear,
}

/// What the checks have to know of all that.
pub struct Options {
    pub through: Url,
    pub echo_path: Option<String>,
    pub policy_path: Option<String>,
    pub optional_path: Option<String>,
    pub session_path: Option<String>,
    pub csrf_path: Option<String>,
    pub preflight_path: Option<String>,
    pub page_path: Option<String>,
    pub logout_path: Option<String>,
    pub renew_path: Option<String>,
    pub direct: Option<Url>,
    pub plain_http: Option<Url>,
    pub headers: Vec<Preset>,
    pub connect: Option<SocketAddr>,
    pub insecure: bool,
    pub tls: Tls,
    pub wait: Duration,
}

impl Doctor {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let chain = self.chain(common)?;
        let mut report = Report {
            through: self.through.to_string(),
            origin: self.through.origin().ascii_serialization(),
            subject: chain.own.subject.clone(),
            proxy: self.which(&chain),
            checks: Vec::new(),
        };
        for check in CHECKS {
            report.add(check.id, check.what, (check.run)(&chain));
        }
        report.add("doctor-cleaned-up", "the doctor's own sessions are ended", chain.end_all());
        if self.json {
            let text = serde_json::to_string_pretty(&report);
            say(text.map_err(|error| Failure::Io { what: "can't be shown".to_owned(), error: error.into() })?)?;
        } else {
            say(report.table())?;
        }
        match report.count(Verdict::Wrong) {
            0 => Ok(()),
            1 => Err(Failure::Refused("one check found a fault".to_owned())),
            wrong => Err(Failure::Refused(format!("{wrong} checks found a fault"))),
        }
    }

    /// All that has to be there to check anything.
    fn chain(&self, common: &Common) -> Result<Chain, Failure> {
        let door = Door::given_or_configured(self.control.as_ref(), common)?;
        let remote = Remote::new(&door, self.control_ca.as_deref(), &self.credential)
            .map_err(|error| Failure::Unchecked(format!("{error}; nothing was checked")))?;
        let mark: String = random::<5>(&SystemEntropy::new())?.iter().map(|byte| format!("{byte:02x}")).collect();
        let options = self.options()?;
        let mut wire = Wire::new(&self.through, self.connect, options.tls.clone(), self.timeout);
        let distrust = wire.distrust();
        if distrust.is_some() {
            // That is one finding. The others are worth having, and all that is sent is the doctor's own.
            wire = wire.with_tls(Tls::any());
        }
        let own = Own::new(remote, &self.realm, &mark, &self.claims);
        let unchecked = |error| Failure::Unchecked(format!("no session can be made, so nothing was checked: {error}"));
        let chain = Chain::new(options, wire, own, mark, distrust).map_err(unchecked)?;
        // Before any request with a session: nothing of one can be cached yet.
        match chain.guard() {
            Ok(_) => Ok(chain),
            Err(why) => {
                let _ = chain.end_all();
                let why = why.into_text();
                let why = why.strip_prefix(&format!("{}: ", chain.path)).unwrap_or(&why);
                Err(Failure::Unchecked(format!("{}: {why}; nothing was checked", self.through)))
            }
        }
    }

    fn options(&self) -> Result<Options, Failure> {
        let tls = match &self.ca {
            _ if self.insecure => Tls::any(),
            None => Tls::usual(),
            Some(file) => Tls::only_in(file).map_err(Failure::Unchecked)?,
        };
        let Paths { logout_path, renew_path, .. } = &self.paths;
        let unless_none = |path: &String| Some(path.clone()).filter(|path| path != NONE);
        let paths = self.paths.clone();
        Ok(Options {
            through: self.through.clone(),
            logout_path: unless_none(logout_path),
            renew_path: unless_none(renew_path),
            echo_path: paths.echo_path,
            policy_path: paths.policy_path,
            optional_path: paths.optional_path,
            session_path: paths.session_path,
            csrf_path: paths.csrf_path,
            preflight_path: paths.preflight_path,
            page_path: paths.page_path,
            direct: paths.direct,
            plain_http: paths.plain_http,
            headers: self.headers.iter().map(|family| family.preset()).collect(),
            connect: self.connect,
            insecure: self.insecure,
            tls,
            wait: self.wait,
        })
    }

    /// Which proxy it is: as told, or as it says itself.
    fn which(&self, chain: &Chain) -> Option<&'static str> {
        let server = || {
            let answer = chain.ask(&Ask::get(&chain.path)).ok()?;
            let said = ["server", "via"].map(|name| answer.header(name).unwrap_or_default().to_ascii_lowercase());
            Some(said.concat())
        };
        let name = self.proxy.clone().or_else(server)?;
        remedies::PROXIES.into_iter().find(|known| name.contains(known))
    }
}

impl Family {
    fn preset(self) -> Preset {
        match self {
            Self::Sealpass => Preset::Sealpass,
            Self::XAuthRequest => Preset::XAuthRequest,
            Self::Remote => Preset::Remote,
            Self::Authgear => Preset::Authgear,
        }
    }
}

impl Chain {
    fn end_all(&self) -> Result<String, Not> {
        for subject in self.own.subjects() {
            self.own.end_all_of(&subject).map_err(|error| Not::Right(error.to_string()))?;
        }
        Ok("all of them".to_owned())
    }
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let right = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if right { Ok(url) } else { Err("write it as https://HOST/PATH".to_owned()) }
}

fn path(text: &str) -> Result<String, String> {
    let right =
        text == NONE || text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if right { Ok(text.to_owned()) } else { Err("a path begins with / and has no spaces".to_owned()) }
}

const NONE: &str = "none";
