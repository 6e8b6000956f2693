//! What a verify request costs in a running service: CPU time against a bare actix handler that returns the same headers,
//! and the memory of an idle service. Linux only (it reads /proc).
//!
//! `cargo bench --bench http` starts both as processes of their own, with one worker each, and asks them in turn.

#[path = "support/stats.rs"]
mod stats;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use sealpass::clock::{Clock, SystemClock};
use sealpass::config::{Settings, Site};
use sealpass::custody::Elsewhere;
use sealpass::entropy::SystemEntropy;
use sealpass::http::{Inherited, Readiness, Service, Sockets, start};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::sessions::{NewSession, Sessions};
use sealpass::store::CachedFacts;
use sealpass::telemetry::{Audit, Metrics, Recent, Traces};
use stats::{median, ratio};

const REQUESTS: u32 = 20_000;
const ROUNDS: usize = 7;
const ROLE: &str = "SEALPASS_BENCH_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("ours") => return ours(),
        Ok("bare") => return bare(),
        _ => {}
    }
    let mut ours = Server::start("ours");
    let idle = ours.memory();
    let cookie = std::mem::take(&mut ours.line);
    let request = |cookie: &str| {
        format!(
            "GET /verify/ HTTP/1.1\r\nHost: app.example.com\r\nX-Real-IP: 192.0.2.1\r\nX-Original-URI: /page?x=1\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: text/html\r\n\
             Accept-Language: en-US,en;q=0.5\r\nCookie: theme=dark; __Host-sealpass={cookie}; lang=en\r\n\r\n"
        )
    };
    let (good, bad) = (request(&cookie), request(&cookie.replace(&cookie[90..110], "AAAAAAAAAAAAAAAAAAAA")));
    let bare = Server::start("bare");
    let (mut of_ours, mut of_bare, mut of_bad) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_bare.push(bare.cpu_a_request(&good, "200"));
        of_ours.push(ours.cpu_a_request(&good, "200"));
        of_bad.push(ours.cpu_a_request(&bad, "401"));
    }
    println!(
        "\nCPU µs a request: bare handler {:.2}, verify {:.2}, refused {:.2}",
        median(&of_bare),
        median(&of_ours),
        median(&of_bad)
    );
    let (middle, least, greatest) = ratio(&of_ours, &of_bare);
    println!("verify / bare handler with the same headers  {middle:.3}  ({least:.3}–{greatest:.3})  goal ≤ 1.15");
    let (middle, least, greatest) = ratio(&of_bad, &of_ours);
    println!("refused / accepted                           {middle:.3}  ({least:.3}–{greatest:.3})  goal < 1");
    println!("resident memory of an idle service: {:.1} MiB", f64::from(idle) / 1_024.0);
}

/// A server in a process of its own, ended with this value.
struct Server {
    child: Child,
    address: SocketAddr,
    /// What it printed behind its address.
    line: String,
}

impl Server {
    fn start(role: &str) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut child = Command::new(this).env(ROLE, role).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it prints a line");
        let (address, rest) = line.trim().split_once(' ').expect("an address, and more");
        Self { address: address.parse().expect("an address"), line: rest.to_owned(), child }
    }

    /// Microseconds of CPU time that all of its threads spend on a request.
    fn cpu_a_request(&self, request: &str, status: &str) -> f64 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let begin = self.cpu_time();
        let mut buffer = [0; 8_192];
        for _ in 0..REQUESTS {
            stream.write_all(request.as_bytes()).expect("it reads");
            let mut read = 0;
            while !buffer[..read].ends_with(b"\r\n\r\n") {
                read += stream.read(&mut buffer[read..]).expect("it answers");
            }
            assert_eq!(&buffer[9..12], status.as_bytes());
        }
        self.cpu_time().saturating_sub(begin).as_secs_f64() * 1e6 / f64::from(REQUESTS)
    }

    fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("Linux");
        let nanos = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
        };
        tasks.filter_map(|task| nanos(task.ok()?)).sum()
    }

    /// Kibibytes.
    fn memory(&self) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ours() {
    let entropy = Arc::new(SystemEntropy::new());
    let ring = KeyRing::init(&*entropy, SystemClock.now()).expect("random bytes");
    let keys = Keys::new(&ring, &*entropy).expect("random bytes");
    let facts = Arc::new(CachedFacts::new(Arc::new(SystemClock)));
    let sessions = Sessions::new(keys, facts, Arc::new(SystemClock), entropy);
    let mut settings = Settings::default();
    settings.public.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
    settings.control.listen = settings.public.listen.clone();
    settings.public.workers = 1;
    let site = Site::new(&settings).expect("the defaults hold");
    let roles = ["editor".to_owned(), "billing".to_owned()];
    let login = NewSession { subject: Some("alice.smith"), roles: &roles, ..NewSession::default() };
    let realm = &site.realm("default").expect("there").realm;
    let token = sessions.issue(realm, &login).expect("fits").token;
    let readiness = Arc::new(Readiness::new());
    readiness.confirm_ring(Duration::MAX);
    let service = Service {
        sessions: Arc::new(sessions),
        custodian: Arc::new(Elsewhere),
        readiness,
        site,
        credentials: Arc::default(),
        metrics: Arc::new(Metrics::new()),
        audit: Audit::none(),
        console: false,
        recent: Recent::new(SystemClock.now()),
        traces: Traces::none(),
        dev: false,
    };
    System::new().block_on(async {
        let sockets = Sockets::open(&settings, Inherited::default()).expect("free ports");
        let running = start(Arc::new(service), sockets).expect("it starts");
        println!("{} {}", running.public.listen, token.expose());
        running.until_stopped().await.expect("until it is killed");
    });
}

fn bare() {
    System::new().block_on(async {
        let server = HttpServer::new(|| {
            let headers = headers();
            App::new().app_data(web::Data::new(headers)).default_service(web::to(answer))
        });
        let server = server.workers(1).bind("127.0.0.1:0").expect("a free port");
        println!("{} bare", server.addrs()[0]);
        server.run().await.expect("until it is killed");
    });
}

/// Those of a verify answer for the session above, made beforehand.
fn headers() -> Vec<(HeaderName, HeaderValue)> {
    let headers = [
        ("cache-control", "no-store"),
        ("x-session-valid", "true"),
        ("x-session-subject", "alice.smith"),
        ("x-session-id", "NJ0Zy-RXYqvoVWlYaDlAaw"),
        ("x-session-roles", "editor,billing"),
        ("x-session-auth-time", "1795636628"),
        ("x-session-started", "1795636628"),
        ("x-session-amr", ""),
        ("x-session-aal", ""),
        ("x-session-expires", "1795679828"),
        ("x-session-fresh", "true"),
        ("x-session-anonymous", "false"),
        ("x-session-realm", "default"),
        ("x-session-data", ""),
        ("x-session-reason", ""),
    ];
    headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).to_vec()
}

async fn answer(headers: web::Data<Vec<(HeaderName, HeaderValue)>>) -> HttpResponse {
    let mut response = HttpResponse::new(actix_web::http::StatusCode::OK);
    for (name, value) in headers.iter() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}
