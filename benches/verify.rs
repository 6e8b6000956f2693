//! What a whole request of a reverse proxy costs in process: from a head that was parsed to the answer that is not written
//! yet, against a bare handler that answers with the same headers in an application of actix-web, as handlers do; and how
//! often it allocates.
//!
//! `cargo bench --bench verify`. What making the request costs is taken off; the ratios are of one run.

#[path = "support/handler.rs"]
mod handler;
#[path = "support/rig.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod rig;
#[path = "support/stats.rs"]
mod stats;
#[path = "support/turns.rs"]
mod turns;

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, Service, ServiceFactory as _};
use actix_web::http::header::COOKIE;
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error};
use pollster::block_on;
use rig::Login;
use sealpass::config::Settings;
use sealpass::http::public_service;
use stats::{median, ratio};
use turns::{Subject, measure};

const FACTS: usize = 10_000;

fn main() {
    let system = System::new();
    let service = rig::service(rig::sessions(&rig::ring(1), rig::facts(FACTS)), &Settings::default());
    let realm = &service.site.realm("default").expect("there").realm;
    let issue = |login: &Login| service.sessions.issue(realm, &login.new_session()).expect("fits").token;
    let (small, typical, large) = (issue(&Login::small()), issue(&Login::typical()), issue(&Login::large()));
    let changed = rig::changed(typical.expose(), 100);
    let unknown = rig::changed(typical.expose(), 3);
    let ours = public_service(&Arc::new(service)).new_service(AppConfig::default());
    let ours = system.block_on(ours).expect("it starts");
    let bare = system.block_on(init_service(App::new().configure(handler::routes)));
    let request = |token: &str| {
        let request = TestRequest::get().uri("/verify/").insert_header(("x-real-ip", "192.0.2.1"));
        let cookie = format!("theme=dark; __Host-sealpass={token}; lang=en");
        request.insert_header(("x-original-uri", "/page?x=1")).insert_header((COOKIE, cookie))
    };
    let tokens = [
        ("accepted, small claims", small.expose()),
        ("accepted, typical claims", typical.expose()),
        ("accepted, large claims", large.expose()),
        ("refused: a changed token", &*changed),
        ("refused: an unknown key", &*unknown),
        ("refused: what is no token", "GA1.2.1234567890.1700000000"),
    ];
    let mut subjects = vec![
        Subject::new("making the request", || request(typical.expose()).to_request()),
        Subject::new("a bare handler with the same headers", || status(&bare, request(typical.expose()).to_request())),
    ];
    for (name, token) in tokens {
        let (request, ours) = (&request, &ours);
        subjects.push(Subject::new(name, move || status(ours, request(token).to_request())));
    }
    let figures = measure(&mut subjects);
    let less: Vec<Vec<f64>> = figures
        .iter()
        .map(|times| times.iter().zip(&figures[0]).map(|(with, without)| with - without).collect())
        .collect();
    println!("\n{:<40}{:>9}{:>14}{:>18}{:>14}", "a request", "ns", "x bare", "least–greatest", "allocations");
    println!("{:<40}{:>9.0}", subjects[0].name, median(&figures[0]));
    for (at, subject) in subjects.iter().enumerate().skip(1) {
        let (middle, least, greatest) = ratio(&less[at], &less[1]);
        let spread = format!("{least:.2}–{greatest:.2}");
        let allocations = match at.checked_sub(2) {
            None => allocations(&bare, request(typical.expose()).to_request()),
            Some(at) => allocations(&ours, request(tokens[at].1).to_request()),
        };
        println!("{:<40}{:>9.0}{middle:>14.2}{spread:>18}{allocations:>14}", subject.name, median(&less[at]));
    }
}

fn status<R, A>(app: &impl Service<R, Response = A, Error = Error>, request: R) -> u16
where
    Response<BoxBody>: From<A>,
{
    Response::from(block_on(app.call(request)).expect("it answers")).status().as_u16()
}

/// How often answering allocates; the request was made before.
fn allocations<R, A>(app: &impl Service<R, Response = A, Error = Error>, request: R) -> u64
where
    Response<BoxBody>: From<A>,
{
    allocation_counter::measure(|| drop(Response::from(block_on(app.call(request)).expect("it answers")))).count_total
}
