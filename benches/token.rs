//! What a token costs: ours against the limit (`ring` alone on the same bytes) and against what one would pick instead;
//! sealed, opened and refused, for claims of three sizes and rings of 1, 4 and 16 keys.
//!
//! `cargo bench --bench token` prints tables that were made in one run each; the ratios are what counts.

#[path = "support/rig.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod rig;
#[path = "support/stats.rs"]
mod stats;
#[path = "support/turns.rs"]
mod turns;

use actix_session::storage::CookieSessionStore;
use actix_session::{SessionExt as _, SessionMiddleware};
use actix_web::cookie::Key as ActixKey;
use actix_web::dev::Service as _;
use actix_web::{App, HttpRequest, HttpResponse, test, web};
use cookie::{Cookie, CookieJar, Key};
use rig::Login;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::Keys;
use sealpass::seal::Purpose;
use sealpass::token::{self, Binding, Scratch};
use stats::{median, ratio};
use turns::{Subject, measure};

const FACTS: usize = 10_000;
const JSON: &str = r#"{"subject":"alice.smith","roles":["editor","billing"],"started":1790000000000,"amr":["pwd"]}"#;

fn main() {
    of_a_session();
    for login in [Login::small(), Login::typical(), Login::large()] {
        of_a_token(&login);
    }
}

/// Sealing and opening alone: no clock, no fact.
fn of_a_token(login: &Login) {
    println!(
        "\n{:<52}{:>9}{:>12}{:>18}{:>14}",
        "claims, keys, what", "ns", "x limit", "least–greatest", "a second a core"
    );
    let (realm, entropy) = (rig::realm(), SystemEntropy::new());
    let binding = Binding::new(Purpose::Session, realm.cookie(), realm.name());
    for count in [1, 4, 16] {
        let ring = rig::ring(count);
        let keys = Keys::new(&ring, &entropy).expect("random bytes");
        let issued = rig::sessions(&ring, rig::facts(0)).issue(&realm, &login.new_session()).expect("fits").token;
        let text = issued.expose();
        let (changed, unknown) = (rig::changed(text, 100), rig::changed(text, 3));
        let mut rooms: [Scratch; 4] = std::array::from_fn(|_| Scratch::default());
        let [room, room_of_changed, room_of_unknown, room_of_claims] = &mut rooms;
        let claims = token::open(&keys, &binding, text.as_bytes(), room_of_claims).expect("ours");
        let mut subjects = [
            Subject::new("ring alone", raw_ring(text.len() / 4 * 3 - 45)),
            Subject::new("open", || token::open(&keys, &binding, text.as_bytes(), room).is_ok()),
            Subject::new("refuse, changed", || {
                token::open(&keys, &binding, changed.as_bytes(), room_of_changed).is_ok()
            }),
            Subject::new("refuse, unknown key", || {
                token::open(&keys, &binding, unknown.as_bytes(), room_of_unknown).is_ok()
            }),
            Subject::new("seal", || token::seal(&keys, &binding, &claims, &entropy).expect("fits")),
        ];
        let figures = measure(&mut subjects);
        for (subject, times) in subjects.iter().zip(&figures) {
            row(&format!("{}, {count}, {}", login.name, subject.name), times, &figures[0]);
        }
    }
}

/// One line of a table.
fn row(what: &str, times: &[f64], limit: &[f64]) {
    let (middle, least, greatest) = ratio(times, limit);
    let spread = format!("{least:.2}–{greatest:.2}");
    println!("{what:<52}{:>9.0}{middle:>12.2}{spread:>18}{:>14.0}", median(times), 1e9 / median(times));
}

/// A whole verify among as many facts as a busy service holds, against what one would pick instead.
fn of_a_session() {
    let ring = rig::ring(1);
    let (sessions, realm, login) = (rig::sessions(&ring, rig::facts(FACTS)), rig::realm(), Login::typical());
    let login = login.new_session();
    let token = sessions.issue(&realm, &login).expect("fits").token;
    let text = token.expose().as_bytes().to_vec();
    let tampered = rig::changed(token.expose(), 100);
    let unknown = rig::changed(token.expose(), 3);
    let (tampered, unknown) = (tampered.as_bytes(), unknown.as_bytes());
    let mut rooms: [Scratch; 5] = std::array::from_fn(|_| Scratch::default());
    let [room, room_of_tampered, room_of_unknown, room_of_junk, room_of_opened] = &mut rooms;
    let opened = sessions.verify(&realm, &[&text], room_of_opened).expect("ours");
    let mut limit = raw_ring(text.len() / 4 * 3 - 45);
    let (jar_key, jar_cookie) = private_jar();
    let ActixSession { mut baseline, mut load } = ActixSession::new();
    let mut subjects = [
        Subject::new("ring AES-256-GCM open, same bytes (the limit)", &mut limit),
        Subject::new("sealpass verify: text to judged session", || {
            sessions.verify(&realm, &[&text], room).map(|session| session.renewal_due)
        }),
        Subject::new("sealpass verify, tampered token: refused", || {
            sessions.verify(&realm, &[tampered], room_of_tampered).map(|session| session.renewal_due)
        }),
        Subject::new("sealpass verify, unknown key: refused", || {
            sessions.verify(&realm, &[unknown], room_of_unknown).map(|session| session.renewal_due)
        }),
        Subject::new("sealpass verify, not spelled as a token: refused", || {
            sessions.verify(&realm, &[b"GA1.2.1234567890.1700000000"], room_of_junk).map(|session| session.renewal_due)
        }),
        Subject::new("sealpass renew: claims to sealed text", || sessions.renew(&realm, &opened).expect("fits").token),
        Subject::new("sealpass issue: a new session, sealed", || sessions.issue(&realm, &login).expect("fits").token),
        Subject::new("cookie PrivateJar open, and JSON", || {
            let mut jar = CookieJar::new();
            jar.add_original(jar_cookie.clone());
            let opened = jar.private(&jar_key).get("session").expect("ours");
            serde_json::from_str::<serde_json::Value>(opened.value()).expect("JSON")
        }),
        Subject::new("actix-web test request, no session (baseline)", &mut baseline),
        Subject::new("the same with actix-session's cookie store", &mut load),
    ];
    let figures = measure(&mut subjects);
    println!("\n{:<52}{:>9}{:>12}{:>18}{:>14}", "what", "ns", "x limit", "least–greatest", "a second a core");
    for (subject, times) in subjects.iter().zip(&figures) {
        row(subject.name, times, &figures[0]);
    }
    drop(subjects);
    let load: Vec<f64> = figures[9].iter().zip(&figures[8]).map(|(with, without)| with - without).collect();
    report(&figures, &load, text.len());
    let allocations = |value: &[u8]| {
        let mut scratch = Scratch::default();
        allocation_counter::measure(|| {
            let _ = sessions.verify(&realm, &[value], &mut scratch).map(|session| session.renewal_due);
        })
        .count_total
    };
    println!(
        "allocations a verify: accepted {}, tampered {}, unknown key {}, not a token {}",
        allocations(&text),
        allocations(tampered),
        allocations(unknown),
        allocations(b"x")
    );
}

fn report(figures: &[Vec<f64>], load: &[f64], characters: usize) {
    let line = |what: &str, (middle, least, greatest): (f64, f64, f64), goal: &str| {
        println!("{what:<64}{middle:>7.2}  ({least:.2}–{greatest:.2})  goal {goal}");
    };
    println!();
    line("verify / the limit", ratio(&figures[1], &figures[0]), "≤ 4.5");
    line("actix-session's load (less the baseline) / verify", ratio(load, &figures[1]), "≥ 4");
    line("renew / the limit", ratio(&figures[5], &figures[0]), "≤ 7");
    line("PrivateJar / verify", ratio(&figures[7], &figures[1]), "≥ 2.4");
    line("verify of a tampered token / verify", ratio(&figures[2], &figures[1]), "< 1");
    line("verify under an unknown key / verify", ratio(&figures[3], &figures[1]), "< 1");
    println!("characters of a typical token (subject of 11 bytes, 2 roles): {characters}, goal ≤ 200");
}

fn raw_ring(payload: usize) -> impl FnMut() -> usize {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"));
    let aad = [1; 43];
    let mut sealed = vec![9; payload];
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::from(&aad), &mut sealed);
    sealed.extend_from_slice(tag.expect("short").as_ref());
    let mut buffer = sealed.clone();
    move || {
        buffer.copy_from_slice(&sealed);
        let opened = key.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::from(&aad), &mut buffer);
        opened.expect("ours").len()
    }
}

fn private_jar() -> (Key, Cookie<'static>) {
    let key = Key::from(&[7; 64]);
    let mut jar = CookieJar::new();
    jar.private_mut(&key).add(Cookie::new("session", JSON));
    let sealed = jar.get("session").expect("just added").clone();
    (key, sealed)
}

/// actix-web in process, with and without its session middleware; the difference is what loading a session costs.
struct ActixSession {
    baseline: Box<dyn FnMut() -> u16>,
    load: Box<dyn FnMut() -> u16>,
}

impl ActixSession {
    fn new() -> Self {
        let system = std::rc::Rc::new(actix_web::rt::System::new());
        let key = ActixKey::from(&[7; 64]);
        let middleware = move || {
            let builder = SessionMiddleware::builder(CookieSessionStore::default(), key.clone());
            builder.cookie_name("session".to_owned()).build()
        };
        let with = system.block_on(test::init_service(
            App::new().wrap(middleware()).route("/set", web::get().to(set)).route("/get", web::get().to(get)),
        ));
        let plain = system.block_on(test::init_service(App::new().route("/get", web::get().to(nothing))));
        let set = system.block_on(test::call_service(&with, test::TestRequest::get().uri("/set").to_request()));
        let cookie = set.response().cookies().next().expect("it sets one").into_owned();
        let request = move || test::TestRequest::get().uri("/get").cookie(cookie.clone()).to_request();
        let (request2, system2) = (request.clone(), std::rc::Rc::clone(&system));
        Self {
            baseline: Box::new(move || system.block_on(plain.call(request())).expect("answers").status().as_u16()),
            load: Box::new(move || system2.block_on(with.call(request2())).expect("answers").status().as_u16()),
        }
    }
}

async fn set(request: HttpRequest) -> HttpResponse {
    let session = request.get_session();
    session.insert("subject", "alice.smith").expect("JSON");
    session.insert("roles", ["editor", "billing"]).expect("JSON");
    session.insert("started", 1_790_000_000_000_u64).expect("JSON");
    session.insert("amr", ["pwd"]).expect("JSON");
    HttpResponse::Ok().finish()
}

async fn get(request: HttpRequest) -> HttpResponse {
    let subject: Option<String> = request.get_session().get("subject").expect("JSON");
    assert!(subject.is_some(), "the session was loaded");
    HttpResponse::Ok().finish()
}

async fn nothing() -> HttpResponse {
    HttpResponse::Ok().finish()
}
