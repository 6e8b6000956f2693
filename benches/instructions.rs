//! How many instructions the path of verify takes, as callgrind counts them: the same on a busy machine as on an idle one.
//!
//! `cargo bench --bench instructions` needs valgrind (`apt-get install valgrind`), and fails where a figure is more than 5 %
//! above the one in `benches/instructions.txt`. What makes it slower for a good reason changes that file in the same commit:
//! `SEALPASS_WRITE_INSTRUCTIONS=1` writes it anew. The figures are of x86-64 with AES, carry-less multiplication and AVX2.

#[path = "support/rig.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod rig;

use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use actix_web::dev::{AppConfig, Service as _, ServiceFactory as _};
use actix_web::http::header::COOKIE;
use actix_web::rt::System;
use actix_web::test;
use pollster::block_on;
use rig::Login;
use sealpass::config::Settings;
use sealpass::entropy::SystemEntropy;
use sealpass::http::public_service;
use sealpass::keyring::Keys;
use sealpass::seal::Purpose;
use sealpass::token::{self, Binding, Scratch};

fn main() -> ExitCode {
    match std::env::var(ASKED) {
        Ok(scenario) => {
            run(&scenario);
            ExitCode::SUCCESS
        }
        Err(_) => guard(),
    }
}

/// Counts every scenario, and holds the figures against those that were written down.
fn guard() -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("no instructions are counted: there is no valgrind (apt-get install valgrind)");
        return if std::env::var_os(REQUIRED).is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let written = fs::read_to_string(FIGURES).unwrap_or_default();
    let figures = SCENARIOS.map(|scenario| (scenario, count(scenario)));
    println!("\n{:<34}{:>10}{:>10}{:>9}", "instructions", "now", "written", "change");
    let mut over = false;
    for (scenario, now) in figures {
        let known = written.lines().find_map(|line| line.strip_prefix(scenario)?.trim().parse::<u64>().ok());
        let known = known.unwrap_or_default();
        let tenths = (now * 1_000).checked_div(known).map_or(9_999, |now| now.cast_signed() - 1_000);
        over |= tenths > 50;
        println!("{scenario:<34}{now:>10}{known:>10}{:>6}.{} %", tenths / 10, tenths.abs() % 10);
    }
    if std::env::var_os(WRITE).is_some() {
        let lines = figures.map(|(scenario, now)| format!("{scenario:<34}{now:>10}\n"));
        fs::write(FIGURES, lines.concat()).expect("the figures can be written");
    } else if over && cfg!(target_arch = "x86_64") {
        println!("more than 5 % above {FIGURES}: make it faster, or write the figures anew with {WRITE}=1 and say why");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Instructions a run of one scenario, in a process of its own.
fn count(scenario: &str) -> u64 {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("callgrind.out");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*measured*", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("this program"))
        .env(ASKED, scenario)
        .output()
        .expect("valgrind starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let profile = fs::read_to_string(&out).expect("callgrind wrote it");
    if let Some(kept) = std::env::var_os(KEEP) {
        let name = format!("callgrind.{}", scenario.replace([' ', ',', ':'], "_"));
        fs::copy(&out, std::path::Path::new(&kept).join(name)).expect("the profile can be kept");
    }
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")?.parse::<u64>().ok());
    total.expect("callgrind sums up") / RUNS
}

fn run(scenario: &str) {
    match scenario.split_once(' ') {
        Some(("request", what)) => request(what),
        _ => in_process(scenario),
    }
}

fn in_process(scenario: &str) {
    let (ring, realm, login) = (rig::ring(1), rig::realm(), Login::typical());
    let entropy = SystemEntropy::new();
    let keys = Keys::new(&ring, &entropy).expect("random bytes");
    let binding = Binding::new(Purpose::Session, realm.cookie(), realm.name());
    let facts = if scenario == "verify, no fact at all" { 0 } else { FACTS };
    let sessions = rig::sessions(&ring, rig::facts(facts));
    let token = sessions.issue(&realm, &login.new_session()).expect("fits").token;
    let (mut room, mut scratch) = (Scratch::default(), Scratch::default());
    let claims = token::open(&keys, &binding, token.expose().as_bytes(), &mut room).expect("ours");
    let session = &mut Scratch::default();
    let session = sessions.verify(&realm, &[token.expose().as_bytes()], session).expect("good");
    let presented = match scenario {
        "refuse a changed token" => rig::changed(token.expose(), 100),
        "refuse an unknown key" => rig::changed(token.expose(), 3),
        "refuse what is no token" => "GA1.2.1234567890.1700000000".to_owned(),
        _ => token.expose().to_owned(),
    };
    let mut verify = || sessions.verify(&realm, &[presented.as_bytes()], &mut scratch).is_ok();
    match scenario {
        "open" => {
            let mut scratch = Scratch::default();
            measured(|| token::open(&keys, &binding, presented.as_bytes(), &mut scratch).is_ok());
        }
        "seal" => measured(|| token::seal(&keys, &binding, &claims, &entropy)),
        "issue" => measured(|| sessions.issue(&realm, &login.new_session())),
        "renew" => measured(|| sessions.renew(&realm, &session)),
        _ => {
            assert_eq!(verify(), !scenario.starts_with("refuse"));
            measured(verify);
        }
    }
}

/// A request of a reverse proxy, from the head that was parsed to the answer that is not written yet.
fn request(scenario: &str) {
    let service = rig::service(rig::sessions(&rig::ring(1), rig::facts(FACTS)), &Settings::default());
    let realm = &service.site.realm("default").expect("there").realm;
    let token = service.sessions.issue(realm, &Login::typical().new_session()).expect("fits").token;
    let presented = match scenario {
        "refused" => rig::changed(token.expose(), 100),
        "with an unknown key" => rig::changed(token.expose(), 3),
        "with junk" => "GA1.2.1234567890.1700000000".to_owned(),
        _ => token.expose().to_owned(),
    };
    let cookie = format!("theme=dark; __Host-sealpass={presented}; lang=en");
    System::new().block_on(async {
        let app = public_service(&Arc::new(service)).new_service(AppConfig::default()).await.expect("it starts");
        let request = || {
            test::TestRequest::get()
                .uri("/verify/")
                .insert_header(("x-real-ip", "192.0.2.1"))
                .insert_header(("x-original-uri", "/page?x=1"))
                .insert_header(("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"))
                .insert_header((COOKIE, &*cookie))
                .to_request()
        };
        let accepted = app.call(request()).await.expect("it answers").status().is_success();
        assert_eq!(accepted, scenario == "accepted");
        // Made beforehand, so that they are not counted.
        let mut requests: Vec<_> = (0..RUNS).map(|_| request()).collect();
        measured(|| block_on(app.call(requests.pop().expect("one a run"))));
    });
}

/// What callgrind counts: it is told to begin and to end at functions of this name.
#[inline(never)]
fn measured<T>(mut run: impl FnMut() -> T) {
    for _ in 0..RUNS {
        drop(black_box(run()));
    }
}

const SCENARIOS: [&str; 12] = [
    "open",
    "seal",
    "verify",
    "verify, no fact at all",
    "refuse a changed token",
    "refuse an unknown key",
    "refuse what is no token",
    "issue",
    "renew",
    "request accepted",
    "request refused",
    "request with junk",
];
const RUNS: u64 = 500;
const FACTS: usize = 10_000;
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
/// Names the scenario that a process of its own is to run.
const ASKED: &str = "SEALPASS_INSTRUCTIONS_OF";
/// Fails where there is no valgrind.
const REQUIRED: &str = "SEALPASS_REQUIRE_VALGRIND";
const WRITE: &str = "SEALPASS_WRITE_INSTRUCTIONS";
/// A directory for the profiles.
const KEEP: &str = "SEALPASS_KEEP_PROFILES";
