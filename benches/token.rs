//! What a token costs: ours against the limit (`ring` alone on the same bytes) and against what one would pick instead.
//!
//! `cargo bench --bench token` prints one table, made in one run; the ratios are what counts.

#[path = "support/stats.rs"]
mod stats;
#[path = "support/turns.rs"]
mod turns;

use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::CookieSessionStore;
use actix_session::{SessionExt as _, SessionMiddleware};
use actix_web::cookie::Key as ActixKey;
use actix_web::dev::Service as _;
use actix_web::{App, HttpRequest, HttpResponse, test, web};
use cookie::{Cookie, CookieJar, Key};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sealpass::claims::{CookieName, RealmId, RealmName, SessionId};
use sealpass::clock::{Clock, SystemClock};
use sealpass::entropy::{SystemEntropy, random};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{AT_ONCE, Fact, FactStore, SessionKey, TagKey};
use sealpass::sessions::{Lifetimes, NewSession, Realm, Sessions};
use sealpass::store::CachedFacts;
use sealpass::token::Scratch;
use stats::{median, ratio};
use turns::{Subject, measure};

const FACTS: usize = 10_000;
const JSON: &str = r#"{"subject":"alice.smith","roles":["editor","billing"],"started":1790000000000,"amr":["pwd"]}"#;

fn main() {
    let entropy = Arc::new(SystemEntropy::new());
    let ring = KeyRing::init(&*entropy, SystemClock.now()).expect("random bytes");
    let keys = Keys::new(&ring, &*entropy).expect("random bytes");
    let facts = Arc::new(CachedFacts::new(Arc::new(SystemClock)));
    fill(&facts);
    let sessions = Sessions::new(keys, facts, Arc::new(SystemClock), entropy);
    let name = |text| CookieName::new(text).expect("a name");
    let realm = Realm::new(RealmName::new("default").expect("a name"), name("__Host-sealpass"), Lifetimes::DEFAULT);
    let roles = ["editor".to_owned(), "billing".to_owned()];
    let amr = ["pwd".to_owned()];
    let login = NewSession { subject: Some("alice.smith"), roles: &roles, amr: &amr, ..NewSession::default() };
    let token = sessions.issue(&realm, &login).expect("fits").token;
    let text = token.expose().as_bytes().to_vec();
    let mut tampered = text.clone();
    tampered[100] = if tampered[100] == b'A' { b'B' } else { b'A' };
    let mut unknown = text.clone();
    unknown[3] = if unknown[3] == b'A' { b'B' } else { b'A' };
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
            sessions.verify(&realm, &[&tampered], room_of_tampered).map(|session| session.renewal_due)
        }),
        Subject::new("sealpass verify, unknown key: refused", || {
            sessions.verify(&realm, &[&unknown], room_of_unknown).map(|session| session.renewal_due)
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
    println!("\n{:<52}{:>9}{:>12}{:>18}", "what", "ns", "x limit", "least–greatest");
    for (subject, times) in subjects.iter().zip(&figures) {
        let (middle, least, greatest) = ratio(times, &figures[0]);
        println!("{:<52}{:>9.0}{middle:>12.2}{:>18}", subject.name, median(times), format!("{least:.2}–{greatest:.2}"));
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
        allocations(&tampered),
        allocations(&unknown),
        allocations(b"x")
    );
}

fn report(figures: &[Vec<f64>], load: &[f64], characters: usize) {
    let line = |what: &str, (middle, least, greatest): (f64, f64, f64), goal: &str| {
        println!("{what:<64}{middle:>7.2}  ({least:.2}–{greatest:.2})  goal {goal}");
    };
    println!();
    line("verify / the limit", ratio(&figures[1], &figures[0]), "≤ 6");
    line("actix-session's load (less the baseline) / verify", ratio(load, &figures[1]), "≥ 3");
    line("PrivateJar / verify", ratio(&figures[7], &figures[1]), "");
    line("verify of a tampered token / verify", ratio(&figures[2], &figures[1]), "< 1");
    line("verify under an unknown key / verify", ratio(&figures[3], &figures[1]), "< 1");
    println!("characters of a typical token (subject of 11 bytes, 2 roles): {characters}, goal ≤ 200");
}

/// Endings of other sessions and subjects, as many as a busy service holds.
fn fill(facts: &CachedFacts) {
    let until = SystemClock.now().plus(Duration::from_secs(3_600));
    let realm = RealmId::of(&RealmName::new("default").expect("a name"));
    for _ in 0..FACTS / 2 {
        let sid = SessionId(random(&SystemEntropy::new()).expect("random bytes"));
        let tag = random(&SystemEntropy::new()).expect("random bytes");
        let now = SystemClock.now();
        let session = SessionKey { realm, sid };
        drop(facts.record(Fact::Deny { session, from: AT_ONCE, rotated: false, of: Some((tag, now)), until }, now));
        drop(facts.record(Fact::Cutoff { tag: TagKey { realm, tag }, at: now, until }, now));
    }
    facts.maintain();
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
