//! One deployment: a proxy with its documented configuration, the real `sealpass`, an application. All of it on loopback,
//! in a directory of its own, and gone when the rig is dropped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;
use crate::checks::Check;
use crate::tls;
use crate::wire::{Answer, Wire};

/// A reverse proxy with its documented configuration.
pub struct Proxy {
    /// As `sealpass proxy-config` calls it.
    pub name: &'static str,
    /// Names of its program, the best first.
    pub programs: &'static [&'static str],
    /// The version that its configuration needs, where distributions have an older one.
    pub at_least: Option<[u32; 3]>,
    /// Starts it. What it prints goes to `Place::log`.
    pub start: fn(&Place) -> Running,
    /// What it needs in every policy.
    pub policy: &'static str,
    /// In what it rightly differs.
    pub quirks: Quirks,
    /// What holds behind this one alone.
    pub own: &'static [Check],
}

/// In what proxies rightly differ. Each of these is safe, and stands in the manual.
#[derive(Clone, Copy)]
pub struct Quirks {
    /// Whether it sends browsers to the login page itself, where others relay the answer of Sealpass.
    pub own_login_redirect: bool,
    /// Whether it reads a body that is announced before it denies a request.
    pub reads_bodies_first: bool,
    /// Whether Sealpass gets all headers of the client, of which it takes 96 and refuses more with a 431.
    pub hands_on_every_header: bool,
    /// Whether its 503 does not say when to ask again.
    pub no_retry_after: bool,
    /// Whether it can't say of an answer with a renewal that no cache may keep it.
    pub renewals_cacheable: bool,
    /// Whether it answers 400 to a method that is in no registry.
    pub known_methods_only: bool,
}

impl Quirks {
    /// It differs in nothing.
    pub const NONE: Self = Self {
        own_login_redirect: false,
        reads_bodies_first: false,
        hands_on_every_header: false,
        no_retry_after: false,
        known_methods_only: false,
        renewals_cacheable: false,
    };
}

/// Where a proxy is started, and between what.
pub struct Place<'a> {
    pub dir: &'a Path,
    pub program: PathBuf,
    pub listen: SocketAddr,
    pub sealpass: SocketAddr,
    pub app: SocketAddr,
    pub tls: Option<tls::Files>,
}

pub struct Rig {
    pub proxy: SocketAddr,
    pub quirks: Quirks,
    pub app: App,
    control: SocketAddr,
    credential: String,
    sealpass: Running,
    /// It ends with the rig.
    _in_front: Running,
    dir: TempDir,
}

/// A program that ends with whoever has this, also where a check panics before there is a rig.
pub struct Running(pub Child);

impl Proxy {
    /// Its program, if it is installed, and not older than its configuration says.
    pub fn program(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        let places = || std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        let found =
            self.programs.iter().find_map(|name| places().map(|dir| dir.join(name)).find(|file| file.is_file()))?;
        self.at_least.is_none_or(|least| version(&found) >= Some(least)).then_some(found)
    }
}

impl Place<'_> {
    /// Writes the documented configuration for this place to its directory.
    pub fn print(&self, proxy: &str, more: &[&str]) {
        let addresses = [("--upstream", self.app), ("--sealpass", self.sealpass), ("--listen", self.listen)];
        let mut command = sealpass(self.dir);
        command.args(["proxy-config", proxy, "--to", "."]).args(ROUTES).args(more);
        match &self.tls {
            None => command.arg("--plain"),
            Some(tls::Files { certificate, key }) => {
                command.arg("--certificate").arg(certificate).arg("--certificate-key").arg(key)
            }
        };
        for (flag, address) in addresses {
            command.args([flag, &address.to_string()]);
        }
        let done = command.output().expect("sealpass runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A command of the proxy in its directory, whose output goes to its log.
    pub fn command(&self) -> Command {
        let log = File::create(self.log()).expect("a log");
        let mut command = Command::new(&self.program);
        command.current_dir(self.dir).stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        command
    }

    /// What the proxy writes.
    pub fn log(&self) -> PathBuf {
        self.dir.join("proxy.log")
    }
}

impl Rig {
    /// Without TLS. `idle` is the idle limit of the sessions, as in a configuration.
    pub fn start(proxy: &Proxy, idle: &str) -> Self {
        Self::start_with(proxy, idle, App::start(), |_| None)
    }

    /// With TLS.
    pub fn start_tls(proxy: &Proxy) -> Self {
        Self::start_with(proxy, "30m", App::start(), |dir| Some(tls::files(dir)))
    }

    /// With TLS and `sealpass echo` as the application; a renewal is due every five seconds.
    pub fn start_echo(proxy: &Proxy) -> Self {
        Self::start_with(proxy, "30s", App::echo(), |dir| Some(tls::files(dir)))
    }

    fn start_with(proxy: &Proxy, idle: &str, app: App, tls: impl FnOnce(&Path) -> Option<tls::Files>) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let listen = free();
        let credential = prepare(dir.path(), idle, proxy.policy, listen.port());
        let log = dir.path().join("sealpass.log");
        let output = File::create(&log).expect("a log");
        let sealpass = Running::of(sealpass(dir.path()).arg("serve").stdout(Stdio::null()).stderr(output));
        let (public, control) = until("sealpass listens", || addresses(&fs::read_to_string(&log).ok()?));
        let program = proxy.program().expect("it is installed");
        let place = Place { dir: dir.path(), program, listen, sealpass: public, app: app.at, tls: tls(dir.path()) };
        let mut in_front = (proxy.start)(&place);
        until("the proxy listens", || {
            let wrote = || fs::read_to_string(place.log()).unwrap_or_default();
            assert!(in_front.0.try_wait().expect("a child").is_none(), "{} ended:\n{}", proxy.name, wrote());
            TcpStream::connect(listen).ok()
        });
        Self { proxy: listen, quirks: proxy.quirks, app, control, credential, sealpass, _in_front: in_front, dir }
    }

    /// One request on a connection of its own: `head` is all lines but the Host header.
    pub fn ask(&self, head: impl AsRef<[u8]>) -> Answer {
        self.try_ask(head.as_ref()).unwrap_or_else(|error| panic!("{error} after {}", show(head.as_ref())))
    }

    fn try_ask(&self, head: &[u8]) -> std::io::Result<Answer> {
        let mut wire = Wire::open(self.proxy)?;
        wire.send(&[head, b"\r\nHost: app.example.com\r\n\r\n"].concat())?;
        wire.answer(head.starts_with(b"HEAD "))
    }

    /// A GET with these cookies.
    pub fn get(&self, path: &str, cookies: impl AsRef<[u8]>) -> Answer {
        self.ask([format!("GET {path} HTTP/1.1\r\nCookie: ").as_bytes(), cookies.as_ref()].concat())
    }

    /// Logs somebody in, as an application does: `name=value` of the cookie.
    pub fn log_in(&self, session: &Value) -> String {
        self.try_log_in(session).expect("the session fits a cookie")
    }

    /// The same, or nothing if the session is too large.
    pub fn try_log_in(&self, session: &Value) -> Option<String> {
        let answer = self.control("/v1/sessions", session);
        assert!(matches!(answer.status, 201 | 422), "{}", String::from_utf8_lossy(&answer.body));
        answer.cookie()
    }

    pub fn alice(&self) -> String {
        self.log_in(&json!({"subject": "alice", "roles": ["editor"]}))
    }

    fn control(&self, path: &str, body: &Value) -> Answer {
        let (body, credential) = (body.to_string(), &self.credential);
        let mut wire = Wire::open(self.control).expect("the control listener");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: control\r\nAuthorization: Bearer {credential}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.send(head.as_bytes()).expect("sent");
        wire.answer(false).expect("answered")
    }

    /// Lets Sealpass answer nothing while its socket still accepts (`STOP`), or go on (`CONT`).
    pub fn signal_sealpass(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.sealpass.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    }

    pub fn stop_sealpass(&mut self) {
        self.sealpass.end();
    }

    /// What `sealpass doctor` says of all this: its exit code and its report.
    pub fn doctor(&self, proxy: &str) -> (i32, Value) {
        let mut command = sealpass(self.dir.path());
        let through = format!("https://app.example.com:{}/", self.proxy.port());
        let control = format!("http://{}", self.control);
        let closed = free();
        command.args(["doctor", "--json", "--proxy", proxy, "--through", &through, "--control", &control]);
        command.args(["--connect", &self.proxy.to_string(), "--ca", "test.pem", "--credential", "app.credential"]);
        command.args(["--policy-path", "/admin", "--optional-path", "/news", "--csrf-path", "/forms"]);
        command.args(["--preflight-path", "/api", "--page-path", "/account", "--direct", &format!("http://{closed}/")]);
        let done = command.output().expect("sealpass runs");
        let error = String::from_utf8_lossy(&done.stderr);
        let report = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| json!({"error": error}));
        (done.status.code().expect("it ended by itself"), report)
    }

    /// The end of what the proxy complained about.
    pub fn log(&self) -> String {
        let wrote = fs::read_to_string(self.dir.path().join("proxy.log")).unwrap_or_default();
        wrote.lines().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Running {
    /// # Panics
    /// If it can't be started.
    pub fn of(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The request that reached the application.
pub struct Reached(Value);

impl Reached {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        Self(serde_json::from_slice(&answer.body).expect("the application's JSON"))
    }

    /// All values of a header, whatever the case of its name and be its dashes underscores.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |known: &str| known.replace('_', "-").eq_ignore_ascii_case(name);
        self.headers().filter(|(known, _)| same(known)).map(|(_, value)| value).collect()
    }

    /// The same, but for empty ones: some proxies take those out, and some hand them on.
    pub fn said(&self, name: &str) -> Vec<&str> {
        self.all(name).into_iter().filter(|value| !value.is_empty()).collect()
    }

    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0["headers"].as_array().expect("a list");
        lines.iter().map(|line| (line[0].as_str().expect("text"), line[1].as_str().expect("text")))
    }

    /// The request line.
    pub fn line(&self) -> &str {
        self.0["request"].as_str().expect("text")
    }

    /// All of it, as JSON.
    pub fn whole(&self) -> String {
        self.0.to_string()
    }

    /// How many bytes of body there were.
    pub fn body(&self) -> u64 {
        self.0["body"].as_u64().expect("a number")
    }
}

/// Waits, a bounded time, until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        sleep(Duration::from_millis(20));
    }
}

pub fn sealpass(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpass"));
    // Every SEALPASS_ variable is a key of the configuration, SEALPASS_REQUIRE_NGINX too.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEALPASS_")) {
        command.env_remove(name);
    }
    command.arg("--config").arg(dir.join("sealpass.toml")).current_dir(dir);
    command
}

/// Writes configuration, keys and a credential; returns the credential.
fn prepare(dir: &Path, idle: &str, policy: &str, port: u16) -> String {
    let config = format!(
        r#"credentials = "credentials.toml"
        trusted_proxies = ["127.0.0.1"]
        [public]
        listen = "127.0.0.1:0"
        workers = 2
        [control]
        listen = "127.0.0.1:0"
        [realm.default]
        idle = "{idle}"
        public_origins = ["https://app.example.com", "http://app.example.com", "https://app.example.com:{port}"]
        [realm.staff]
        cookie.name = "__Host-staff.1"
        "#
    );
    let policies = POLICIES.map(|(name, settings)| format!("[policy.{name}]\n{settings}\n{policy}\n"));
    let config = config + &policies.concat();
    fs::write(dir.join("sealpass.toml"), config).expect("writable");
    let keys = sealpass(dir).args(["keys", "init"]).output().expect("sealpass runs");
    assert!(keys.status.success(), "{}", String::from_utf8_lossy(&keys.stderr));
    let made = sealpass(dir).args(["credential", "new", "--name", "app"]).output().expect("sealpass runs");
    sealpass::store::create_private(&dir.join("credentials.toml"), &made.stdout).expect("writable");
    let credential = String::from_utf8(made.stderr).expect("text").trim().to_owned();
    sealpass::store::create_private(&dir.join("app.credential"), credential.as_bytes()).expect("writable");
    credential
}

/// Both addresses, from `sealpass: public on http://…, control on http://…`.
fn addresses(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (public, control) = log.split_once("public on http://")?.1.split_once(", control on http://")?;
    Some((public.parse().ok()?, control.split_once('\n')?.0.parse().ok()?))
}

/// What the program says of itself under `version`: the first three numbers with dots between.
fn version(program: &Path) -> Option<[u32; 3]> {
    let said = Command::new(program).arg("version").output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut words = text.split(|char: char| !char.is_ascii_digit() && char != '.');
    let three =
        |word: &str| word.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()?.try_into().ok();
    words.find_map(three)
}

/// A port that nobody listens on, outside of those that the system gives to connections: such a one could be taken before
/// the proxy listens on it.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let from = std::process::id().wrapping_mul(64);
    let tried = (0..12_000).map(|_| from.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000 + 20_000);
    let mut addresses = tried.filter_map(|port| Some(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?))));
    addresses.find(|address| TcpListener::bind(address).is_ok()).expect("a port on loopback")
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

/// The policies of the documented example.
const POLICIES: [(&str, &str); 6] = [
    ("default", ""),
    ("admin", "role = ['admin']"),
    ("form", "csrf = 'require'"),
    ("optional", "optional = true"),
    ("api", "preflight = true"),
    ("page", "login_url = '/login'"),
];

/// The routes of the documented example.
pub const ROUTES: [&str; 10] = [
    "--policy",
    "/admin=admin",
    "--policy",
    "/forms=form",
    "--policy",
    "/api=api",
    "--optional",
    "/news",
    "--page",
    "/account",
];
