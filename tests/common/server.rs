//! The service in this process, through the library's public API.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::config::{Listener, Settings, Site};
use sealpass::custody::Custodian;
use sealpass::entropy::{Entropy, SystemEntropy};
use sealpass::http::{CredentialWatch, Inherited, Readiness, Service, Sockets, start};
use sealpass::keyring::{KeyRing, Keys, Order, Timing};
use sealpass::revocation::FactStore;
use sealpass::sessions::Sessions;
use sealpass::store::{CachedFacts, RingDir, RingOffice, RingWatch, create_private};
use sealpass::telemetry::{Audit, Metrics, Recent, Traces};
use serde_json::{Value, json};

use super::client::{Connection, Response, head, with_lines};
use super::watched;

/// A credential that is good for everything.
pub const CREDENTIAL: &str = "sealpass_test-credential";
/// The cookie of the default realm.
pub const NAME: &str = "__Host-sealpass";

/// When the clock of every service starts.
pub fn start_of_time() -> Timestamp {
    Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").expect("a time")
}

/// A service that stops when it is dropped.
pub struct Server {
    pub public: SocketAddr,
    pub control: SocketAddr,
    pub clock: Arc<ManualClock>,
    pub service: Arc<Service>,
    pub watch: Arc<RingWatch>,
    dir: Arc<tempfile::TempDir>,
    agent: ureq::Agent,
    handles: [ServerHandle; 2],
    thread: Option<JoinHandle<()>>,
}

/// What stands for other replicas.
struct Others<'a> {
    facts: Box<dyn FnOnce(CachedFacts) -> Arc<dyn FactStore> + 'a>,
    readiness: Readiness,
    custodian: Option<Arc<dyn Custodian>>,
}

impl Others<'_> {
    fn none() -> Self {
        Self { facts: Box::new(alone), readiness: Readiness::new(), custodian: None }
    }
}

/// A session as the application was given it.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    pub token: String,
    pub set_cookie: String,
    pub answer: Value,
}

impl Server {
    /// With nothing configured.
    pub fn plain() -> Self {
        Self::with("")
    }

    /// With this configuration.
    pub fn with(config: &str) -> Self {
        Self::new(config, "", None, Others::none())
    }

    /// As [`Server::with`], and with these credentials beside [`CREDENTIAL`].
    pub fn with_credentials(config: &str, credentials: &str) -> Self {
        Self::new(config, credentials, None, Others::none())
    }

    /// Another replica with the key ring of `other`, and facts of its own.
    pub fn with_ring_of(other: &Self, config: &str) -> Self {
        Self::new(config, "", Some(Arc::clone(&other.dir)), Others::none())
    }

    /// With nothing configured, and orders on the ring carried out by `custodian`.
    pub fn with_custodian(custodian: Arc<dyn Custodian>) -> Self {
        Self::new("", "", None, Others { custodian: Some(custodian), ..Others::none() })
    }

    /// With its facts behind something that stands for other replicas.
    pub fn among(config: &str, others: impl FnOnce(CachedFacts) -> Arc<dyn FactStore>) -> Self {
        Self::new(config, "", None, Others { facts: Box::new(others), ..Others::none() })
    }

    /// The same, ready when `readiness` says so.
    pub fn among_when(readiness: Readiness, others: impl FnOnce(CachedFacts) -> Arc<dyn FactStore>) -> Self {
        Self::new("", "", None, Others { facts: Box::new(others), readiness, ..Others::none() })
    }

    /// Ready when `readiness` says so.
    pub fn when(config: &str, readiness: Readiness) -> Self {
        Self::new(config, "", None, Others { readiness, ..Others::none() })
    }

    fn new(config: &str, credentials: &str, dir: Option<Arc<tempfile::TempDir>>, others: Others<'_>) -> Self {
        watched::begin();
        let dir = dir.unwrap_or_else(|| {
            let dir = tempfile::tempdir().expect("a directory for the test");
            let ring = KeyRing::init(&SystemEntropy::new(), start_of_time()).expect("random bytes");
            RingDir::new(dir.path(), None).init(&ring, &SystemEntropy::new()).expect("an empty directory");
            Arc::new(dir)
        });
        let own = tempfile::tempdir().expect("a directory for the test");
        let file = own.path().join("sealpass.toml");
        std::fs::write(&file, config).expect("writable");
        let mut settings = Settings::load(Some(&file), [], &[]).expect("a right configuration");
        let listener = Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0)), 2);
        (settings.public, settings.control) = (listener.clone(), listener);
        let path = own.path().join("credentials.toml");
        create_private(&path, credentials.as_bytes()).expect("writable");
        let credentials = CredentialWatch::open(Some(&path)).expect("right credentials").limited(&settings.limits);
        let metrics = Metrics::new();
        let credentials = credentials.counted(&metrics.credentials);
        let credentials = Arc::new(credentials.and_all_powerful("test", CREDENTIAL));
        let clock = Arc::new(ManualClock::at(start_of_time()));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let ring = RingDir::new(dir.path(), None).load().expect("a ring");
        let entropy = Arc::new(SystemEntropy::new());
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        let facts = (others.facts)(CachedFacts::new(Arc::clone(&shared)));
        let site = Site::new(&settings).expect("a right configuration");
        let sessions =
            Arc::new(Sessions::new(keys, facts, Arc::clone(&shared), Arc::clone(&entropy) as Arc<dyn Entropy>));
        let office = RingOffice::new(RingDir::new(dir.path(), None), site.timing(), site.longest(), shared, entropy);
        office.note_limits().expect("writable");
        let readiness = Arc::new(others.readiness);
        let (user, ready) = (Arc::clone(&sessions), Arc::clone(&readiness));
        let watch =
            RingWatch::new(office, move |_, keys| user.replace_keys(keys), move |_| ready.confirm_ring(LIMIT * 100));
        let watch = Arc::new(watch);
        watch.look().expect("a ring");
        let service = Arc::new(Service {
            sessions,
            custodian: others.custodian.unwrap_or_else(|| Arc::clone(&watch) as Arc<dyn Custodian>),
            readiness,
            site,
            credentials,
            audit: Audit::start(&settings.audit.to, &metrics).expect("a place for the trail"),
            recent: Recent::new(start_of_time()),
            traces: Traces::none(),
            metrics: Arc::new(metrics),
            console: settings.console,
            dev: false,
        });
        let (told, bound) = mpsc::channel();
        let of_thread = Arc::clone(&service);
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let sockets = Sockets::open(&settings, Inherited::default()).expect("free ports");
                let running = start(of_thread, sockets).expect("it starts");
                let at = |listener: &Listener| listener.listen.address().expect("an address");
                told.send((at(&running.public), at(&running.control), running.handles())).expect("the test waits");
                running.until_stopped().await.expect("it runs");
            });
        });
        let (public, control, handles) = bound.recv_timeout(LIMIT).expect("it starts");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(LIMIT))
            .max_redirects(0)
            .build()
            .into();
        Self { public, control, clock, service, watch, dir, agent, handles, thread: Some(thread) }
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A second key joins the ring, and seals as soon as the clock gets there.
    pub fn rotate_keys(&self) {
        let (entropy, now) = (SystemEntropy::new(), self.clock.now());
        let mut ring = RingDir::new(self.dir.path(), None).load().expect("a ring");
        let rotate = Order::Rotate { after: None };
        ring.carry_out(rotate, now, Timing::DEFAULT, &entropy).expect("carried out");
        self.service.sessions.replace_keys(Keys::new(&ring, &entropy).expect("random bytes"));
        self.advance(Timing::DEFAULT.activation());
    }

    /// A request on the public listener.
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut connection = Connection::open(self.public);
        connection.send(&head(method, target, headers));
        connection.answer_to(method)
    }

    /// Asks `target` with these Cookie lines.
    pub fn ask_with(&self, target: &str, lines: &[&[u8]]) -> Response {
        let mut connection = Connection::open(self.public);
        let lines: Vec<_> = lines.iter().map(|line| ("Cookie", *line)).collect();
        connection.send(&with_lines("GET", target, &lines));
        connection.answer()
    }

    /// Verifies a Cookie line under the default policy.
    pub fn verify(&self, line: &str) -> Response {
        self.ask_with("/verify/", &[line.as_bytes()])
    }

    /// Whether the default policy lets this token in.
    pub fn accepts(&self, token: &str) -> bool {
        match self.verify(&format!("{NAME}={token}")).status {
            200 => true,
            401 => false,
            other => panic!("verify answers {other}"),
        }
    }

    /// A GET by an ordinary client.
    pub fn fetch(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.agent.get(format!("http://{}{path}", self.public));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.call().expect("an answer"))
    }

    /// A call of the control API by an ordinary client.
    pub fn call(&self, path: &str, body: &Value) -> Response {
        self.call_as(CREDENTIAL, path, body)
    }

    pub fn call_as(&self, credential: &str, path: &str, body: &Value) -> Response {
        let request = self.agent.post(format!("http://{}{path}", self.control));
        let request = request.header("Authorization", format!("Bearer {credential}"));
        read(request.content_type("application/json").send(body.to_string()).expect("an answer"))
    }

    /// A GET on the control listener.
    pub fn get_as(&self, credential: &str, path: &str) -> Response {
        let request = self.agent.get(format!("http://{}{path}", self.control));
        read(request.header("Authorization", format!("Bearer {credential}")).call().expect("an answer"))
    }

    pub fn metrics(&self) -> String {
        let response = self.get_as(CREDENTIAL, "/metrics");
        assert_eq!(response.status, 200);
        String::from_utf8(response.body).expect("text")
    }

    /// What the replica knows of itself and of the others.
    pub fn cluster(&self) -> Value {
        let response = self.get_as(CREDENTIAL, "/v1/cluster");
        assert_eq!(response.status, 200);
        response.json()
    }

    /// How often verify decided for `reason`.
    pub fn decided(&self, reason: &str) -> u64 {
        let label = format!("sealpass_verify_decisions_total{{reason=\"{reason}\"}} ");
        let metrics = self.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&label)).unwrap_or_else(|| panic!("{metrics}"));
        line.parse().expect("a number")
    }

    /// Issues what `asked` says.
    pub fn issue(&self, asked: &Value) -> Session {
        Session::of(&self.call("/v1/sessions", asked), 201)
    }

    /// Logs somebody in.
    pub fn login(&self, subject: &str) -> Session {
        self.issue(&json!({"subject": subject}))
    }

    /// A call that gives a session its next token.
    pub fn change(&self, path: &str, body: &Value) -> Session {
        Session::of(&self.call(path, body), 200)
    }

    pub fn revoke(&self, body: &Value) {
        assert_eq!(self.call("/v1/sessions/revoke", body).status, 204);
    }

    pub fn introspect(&self, token: &str) -> Value {
        self.introspect_in("default", token)
    }

    pub fn introspect_in(&self, realm: &str, token: &str) -> Value {
        let response = self.call("/v1/sessions/introspect", &json!({"realm": realm, "token": token}));
        assert_eq!(response.status, 200);
        response.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            watched::assert_no_leak();
        }
        for handle in &self.handles {
            drop(handle.stop(false));
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the service panicked");
        }
    }
}

impl Session {
    pub fn of(response: &Response, status: u16) -> Self {
        assert_eq!(response.status, status, "{}", String::from_utf8_lossy(&response.body));
        let answer = response.json();
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned();
        let session = Self { id: text("session_id"), token: text("token"), set_cookie: text("set_cookie"), answer };
        assert_eq!(response.header("set-cookie"), Some(&*session.set_cookie));
        let csrf = session.answer["csrf_token"].as_str();
        [Some(&*session.id), Some(&*session.token), csrf].into_iter().flatten().for_each(watched::secret);
        session
    }

    /// The Cookie line of a browser that has it.
    pub fn cookie(&self) -> String {
        format!("{NAME}={}", self.token)
    }
}

fn alone(facts: CachedFacts) -> Arc<dyn FactStore> {
    Arc::new(facts)
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Response {
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().expect("visible ASCII").to_owned()))
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_vec().expect("a body");
    Response { status, headers, body, raw: Vec::new() }
}

const LIMIT: Duration = Duration::from_secs(20);
