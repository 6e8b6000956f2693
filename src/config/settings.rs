//! What is written down. Unknown keys are refused, so that a typing error is not a silent default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, Environment, File, FileFormat};
use serde::Deserialize;

use super::audit::AuditSettings;
use super::cluster::ClusterSettings;
use super::dbsc::DbscSettings;
use super::limits::LimitSettings;
use super::listener::Listener;
use super::operation::{LogSettings, RotationSettings};
use super::policy::PolicySettings;
use super::values::{duration, list};

/// The commented configuration that `sealpass check --print-default` prints. All of it is what holds without a file.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of the ring.
    pub keys: PathBuf,
    /// The cluster secret; by default `cluster.secret` in `keys`.
    pub cluster_secret: Option<PathBuf>,
    /// A read-only ring file elsewhere, of which the ring learns.
    pub ring_seed: Option<PathBuf>,
    /// How keys are rotated.
    pub rotation: RotationSettings,
    /// Where endings are kept; by default `facts.redb` in `keys`, and nowhere if `none`.
    pub journal: Option<PathBuf>,
    /// The other replicas.
    pub cluster: ClusterSettings,
    /// For proxies and browsers.
    pub public: Listener,
    /// For applications and operators.
    pub control: Listener,
    /// Whether the control listener has a page for operators, at `/console`.
    pub console: bool,
    /// Credentials of the control listener.
    pub credentials: Option<PathBuf>,
    /// How many calls each of them may make.
    pub limits: LimitSettings,
    /// Networks of the proxies whose word about the client's method counts.
    #[serde(deserialize_with = "list")]
    pub trusted_proxies: Vec<String>,
    /// How long it goes on answering while `/readyz` says that it stops.
    #[serde(deserialize_with = "duration")]
    pub drain: Duration,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where it is written what happened to sessions.
    pub audit: AuditSettings,
    /// Families of sessions, by name.
    pub realm: BTreeMap<String, RealmSettings>,
    /// What routes demand, by name.
    pub policy: BTreeMap<String, PolicySettings>,
}

/// A family of sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RealmSettings {
    /// Its cookie.
    pub cookie: CookieSettings,
    /// How long a session lives unless it is used.
    #[serde(deserialize_with = "duration")]
    pub idle: Duration,
    /// How long it lives at most.
    #[serde(deserialize_with = "duration")]
    pub absolute: Duration,
    /// As `idle`, for sessions that outlive the browser.
    #[serde(deserialize_with = "duration")]
    pub persistent_idle: Duration,
    /// As `absolute`, for sessions that outlive the browser.
    #[serde(deserialize_with = "duration")]
    pub persistent_absolute: Duration,
    /// Where a token may come from.
    #[serde(deserialize_with = "list")]
    pub accept: Vec<Access>,
    /// Origins from which browsers may post to `/renew` and `/logout`, besides the very origin they are served from.
    #[serde(deserialize_with = "list")]
    pub public_origins: Vec<String>,
    /// What `/logout` asks the browser to clear (the Clear-Site-Data header).
    #[serde(deserialize_with = "list")]
    pub clear_site_data: Vec<String>,
    /// Whether sessions that began elsewhere may be imported. Endings are then kept for longer.
    pub import: bool,
    /// Whether browsers may bind sessions to their device.
    pub dbsc: DbscSettings,
    /// How many facts it may have.
    pub max_facts: usize,
    /// How many endings of one subject may be kept one by one.
    pub max_facts_per_subject: usize,
}

/// Where a token may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// The cookie.
    Cookie,
    /// An `Authorization: Bearer` header (RFC 6750), for clients without a cookie jar.
    Bearer,
}

/// A cookie, as RFC 6265bis has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CookieSettings {
    /// Its name.
    pub name: String,
    /// For sub-domains; needs a name with `__Secure-`.
    pub domain: Option<String>,
    /// Where it is sent.
    pub path: String,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// Whether other sites' requests carry it.
    pub same_site: SameSite,
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// Never with other sites' requests.
    Strict,
    /// With top-level navigation.
    Lax,
    /// With all.
    None,
}

/// The configuration can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file is not there or can't be read.
    #[error("{}: {error}; give the configuration's path with --config", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A key or a value is wrong.
    #[error("configuration: {0}; `sealpass check --print-default` prints every key with its meaning")]
    Wrong(String),
}

impl Settings {
    /// Reads `file` if one is given; `environment` over it (`SEALPASS_PUBLIC__LISTEN` is `public.listen`); then
    /// `flags`.
    ///
    /// # Errors
    /// [`SettingsError`] names the file or the key.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Self, SettingsError> {
        let wrong = |error: config::ConfigError| SettingsError::Wrong(error.to_string());
        let mut builder = Config::builder();
        if let Some(path) = file {
            let text =
                std::fs::read_to_string(path).map_err(|error| SettingsError::File { path: path.to_owned(), error })?;
            check_syntax(path, &text)?;
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let ours = environment.into_iter().filter(|(name, _)| !is_no_key(name)).collect();
        let environment = Environment::with_prefix("SEALPASS").prefix_separator("_").separator("__").source(Some(ours));
        builder = builder.add_source(environment);
        for (key, value) in flags {
            builder = builder.set_override(*key, value.as_str()).map_err(wrong)?;
        }
        builder.build().and_then(Config::try_deserialize).map_err(wrong)
    }
}

/// The library's own text of a syntax error has several lines, and shows the line it is about.
fn check_syntax(path: &Path, text: &str) -> Result<(), SettingsError> {
    let Err(error) = toml::from_str::<toml::Table>(text) else { return Ok(()) };
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Err(SettingsError::Wrong(format!("{}, line {line}: {}", path.display(), error.message())))
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: "keys".into(),
            cluster_secret: None,
            ring_seed: None,
            rotation: RotationSettings::default(),
            journal: None,
            cluster: ClusterSettings::default(),
            public: Listener::plain(SocketAddr::from(([127, 0, 0, 1], 8080)), 0),
            control: Listener::plain(SocketAddr::from(([127, 0, 0, 1], 8081)), 1),
            console: true,
            credentials: None,
            limits: LimitSettings::default(),
            trusted_proxies: Vec::new(),
            drain: DRAIN,
            log: LogSettings::default(),
            audit: AuditSettings::default(),
            realm: BTreeMap::new(),
            policy: BTreeMap::new(),
        }
    }
}

impl Default for RealmSettings {
    fn default() -> Self {
        let lifetimes = crate::sessions::Lifetimes::DEFAULT;
        let ((idle, absolute), (persistent_idle, persistent_absolute)) = (lifetimes.of(false), lifetimes.of(true));
        Self {
            cookie: CookieSettings::default(),
            idle,
            absolute,
            persistent_idle,
            persistent_absolute,
            accept: vec![Access::Cookie],
            public_origins: Vec::new(),
            clear_site_data: vec!["storage".to_owned()],
            import: false,
            dbsc: DbscSettings::default(),
            max_facts: 1_000_000,
            max_facts_per_subject: 1_000,
        }
    }
}

impl Default for CookieSettings {
    fn default() -> Self {
        let name = "__Host-sealpass".to_owned();
        Self { name, domain: None, path: "/".to_owned(), secure: true, same_site: SameSite::Lax }
    }
}

/// The path of the file itself, and what Kubernetes sets in every container beside a service called `sealpass`.
fn is_no_key(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("SEALPASS_") else { return false };
    matches!(rest, "CONFIG" | "PORT" | "SERVICE_HOST") || rest.starts_with("PORT_") || rest.starts_with("SERVICE_PORT")
}

/// Longer than the second or two at which load balancers look, and well below the 10 s after which containers are killed.
const DRAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, String)]) -> Result<Settings, SettingsError> {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("sealpass.toml");
        std::fs::write(&path, text).expect("writable");
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(Some(&path), env, flags)
    }

    #[test]
    fn the_printed_default_is_the_default() {
        let printed = load(DEFAULT_FILE, &[], &[]).expect("it must load");
        let shown = |settings: &Settings| format!("{settings:?}");
        let mut default = Settings::default();
        default.realm.insert("default".to_owned(), RealmSettings::default());
        default.policy.insert("default".to_owned(), PolicySettings::default());
        assert_eq!(shown(&printed), shown(&default));
    }

    #[test]
    fn the_environment_beats_the_file_and_flags_beat_both() {
        let text = "[public]\nlisten = \"127.0.0.1:1\"\n[realm.default]\nidle = \"5m\"\n";
        let env = [
            ("SEALPASS_PUBLIC__LISTEN", "127.0.0.1:2"),
            ("SEALPASS_REALM__DEFAULT__IDLE", "6m"),
            ("SEALPASS_REALM__DEFAULT__PUBLIC_ORIGINS", "https://a.example, https://b.example"),
            ("SEALPASS_CONFIG", "elsewhere"),
        ];
        let settings = load(text, &env, &[("public.listen", "127.0.0.1:3".to_owned())]).expect("all known");
        assert_eq!(settings.public.listen.to_string(), "127.0.0.1:3");
        assert_eq!(settings.realm["default"].idle, Duration::from_secs(360));
        assert_eq!(settings.realm["default"].public_origins, ["https://a.example", "https://b.example"]);
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused_by_name() {
        for (text, names) in [
            ("listne = 1", "listne"),
            ("[public]\nlisten = \"127.0.0.1:1\"\nworker = 2", "worker"),
            ("[realm.default]\nidle = \"soon\"", "idle"),
            ("[policy.p]\ncsrf = \"requires\"", "csrf"),
            ("[policy.p]\nbound = \"required\"", "bound"),
            ("[policy.p]\nheaders = [\"x-forwarded\"]", "x-forwarded"),
            ("[realm.default]\naccept = [\"query\"]", "query"),
            ("not toml", "toml"),
        ] {
            let text = load(text, &[], &[]).expect_err(text).to_string();
            assert!(text.contains(names), "{names}: {text}");
        }
        for empty in ["", ",", "a,,b"] {
            let text =
                load("", &[("SEALPASS_POLICY__DEFAULT__ROLE", empty)], &[]).expect_err("a demand lost").to_string();
            assert!(text.contains("no empty entry"), "{text}");
        }
        let links = [("SEALPASS_PORT", "tcp://192.0.2.1:8080"), ("SEALPASS_SERVICE_HOST", "192.0.2.1")];
        assert!(load("", &links, &[]).is_ok(), "what Kubernetes sets is no key");
        let unknown = load("", &[("SEALPASS_LISTEN", "x")], &[]).expect_err("no such key").to_string();
        assert!(unknown.contains("listen"), "{unknown}");
    }
}
