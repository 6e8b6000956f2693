//! What a verify request costs in a running service: CPU time against a bare actix handler that returns the same headers,
//! refusals against acceptances with equally large heads, and the memory of an idle service. Linux only (it reads /proc).
//!
//! `cargo bench --bench http` starts both as processes of their own, with one worker each, and asks them in turn.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "support/handler.rs"]
mod handler;
#[path = "support/rig.rs"]
#[expect(dead_code, reason = "other benchmarks log in otherwise")]
mod rig;
#[path = "support/stats.rs"]
mod stats;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use std::time::Duration;

use actix_web::rt::System;
use actix_web::{App, HttpServer};
use rig::Login;
use sealpass::config::Settings;
use sealpass::http::{Inherited, Sockets, start};
use stats::{median, ratio};

const REQUESTS: usize = 10_000;
const ROUNDS: usize = 7;
const FACTS: usize = 10_000;
const ROLE: &str = "SEALPASS_BENCH_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("ours") => return ours(),
        Ok("bare") => return bare(),
        _ => {}
    }
    let (mut ours, bare) = (Server::start("ours"), Server::start("bare"));
    let idle = ours.memory();
    let token = std::mem::take(&mut ours.line);
    let cases = cases(&token);
    let mut of_bare = Vec::new();
    let mut figures = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        of_bare.push(bare.cpu_a_request(&cases[0]));
        for (case, figures) in cases.iter().zip(&mut figures) {
            figures.push(ours.cpu_a_request(case));
        }
    }
    println!("\n{:<52}{:>9}{:>12}{:>16}", "what", "CPU µs", "x", "least–greatest");
    let line = |what: &str, times: &[f64], to: &[f64], goal: &str| {
        let (middle, least, greatest) = ratio(times, to);
        println!("{what:<52}{:>9.2}{middle:>12.3}{:>16}  {goal}", median(times), format!("{least:.3}–{greatest:.3}"));
    };
    line("a bare handler with the same headers", &of_bare, &of_bare, "");
    line("accepted, to the bare handler", &figures[0], &of_bare, "goal ≤ 1.12");
    for (at, case) in cases.iter().enumerate().skip(1) {
        match case.like {
            None => line(case.name, &figures[at], &figures[0], "to an accepted one with a small head"),
            Some(accepted) => line(case.name, &figures[at], &figures[accepted], "goal ≤ 1"),
        }
    }
    println!("resident memory of an idle service among {FACTS} facts: {:.1} MiB", f64::from(idle) / 1_024.0);
}

/// Requests of one kind, sent in turn.
struct Case {
    name: &'static str,
    status: &'static str,
    heads: Vec<String>,
    /// The place of the acceptance whose heads are as large.
    like: Option<usize>,
}

fn cases(token: &str) -> Vec<Case> {
    let accepted = |name, fillers: &[usize]| {
        let heads = fillers.iter().map(|filler| head(token, *filler)).collect();
        Case { name, status: "200", heads, like: None }
    };
    let refused = |name, like, heads| Case { name, status: "401", heads, like: Some(like) };
    // Lengths of a filler in front of a good token, and of junk in its place, that make heads of one length.
    let lengths: Vec<_> = (0..64).map(|n| 17 * n).collect();
    let junk = |length| head(&"A".repeat(length + token.len()), 0);
    let kids = ('A'..='Z').map(|c| head(&format!("{}{c}{}", &token[..3], &token[4..]), 0));
    vec![
        accepted("accepted", &[0]),
        refused("refused: a changed token", 0, vec![head(&rig::changed(token, 100), 0)]),
        refused("refused: unknown keys", 0, kids.filter(|head| !head.contains(token)).collect()),
        refused("refused: junk for a token", 0, vec![head(&"!".repeat(token.len()), 0)]),
        accepted("accepted, heads of all lengths", &lengths),
        refused("refused: junk of all lengths", 4, lengths.iter().map(|length| junk(*length)).collect()),
        accepted("accepted, heads of 60 KiB", &[60 << 10]),
        refused("refused: a changed token in a head of 60 KiB", 6, vec![head(&rig::changed(token, 100), 60 << 10)]),
        refused("refused: junk of 60 KiB", 6, vec![junk(60 << 10)]),
    ]
}

/// As a proxy asks, with a cookie of another's that has `filler` bytes.
fn head(token: &str, filler: usize) -> String {
    format!(
        "GET /verify/ HTTP/1.1\r\nHost: app.example.com\r\nX-Real-IP: 192.0.2.1\r\nX-Original-URI: /page?x=1\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: text/html\r\n\
         Accept-Language: en-US,en;q=0.5\r\nCookie: theme={}; __Host-sealpass={token}; lang=en\r\n\r\n",
        "d".repeat(filler)
    )
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
    fn cpu_a_request(&self, case: &Case) -> f64 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let begin = self.cpu_time();
        let mut buffer = [0; 8_192];
        for head in case.heads.iter().cycle().take(REQUESTS) {
            stream.write_all(head.as_bytes()).expect("it reads");
            let mut read = 0;
            while !buffer[..read].ends_with(b"\r\n\r\n") {
                read += stream.read(&mut buffer[read..]).expect("it answers");
            }
            assert_eq!(&buffer[9..12], case.status.as_bytes(), "{}", case.name);
        }
        self.cpu_time().saturating_sub(begin).as_secs_f64() * 1e6 / REQUESTS as f64
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
    let mut settings = Settings::default();
    settings.public.listen = SocketAddr::from(([127, 0, 0, 1], 0)).into();
    settings.control.listen = settings.public.listen.clone();
    settings.public.workers = 1;
    let service = rig::service(rig::sessions(&rig::ring(1), rig::facts(FACTS)), &settings);
    let realm = &service.site.realm("default").expect("there").realm;
    let token = service.sessions.issue(realm, &Login::typical().new_session()).expect("fits").token;
    System::new().block_on(async {
        let sockets = Sockets::open(&settings, Inherited::default()).expect("free ports");
        let running = start(Arc::new(service), sockets).expect("it starts");
        println!("{} {}", running.public.listen, token.expose());
        running.until_stopped().await.expect("until it is killed");
    });
}

fn bare() {
    System::new().block_on(async {
        let server = HttpServer::new(|| App::new().configure(handler::routes));
        let server = server.workers(1).bind("127.0.0.1:0").expect("a free port");
        println!("{} bare", server.addrs()[0]);
        server.run().await.expect("until it is killed");
    });
}
