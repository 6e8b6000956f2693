//! What a session that is bound to a device costs: to verify it, beside one that is not, and to refresh it.
//!
//! `cargo bench --bench bound` prints one table, made in one run; the ratios are what counts.

#[path = "support/stats.rs"]
mod stats;
#[path = "support/turns.rs"]
mod turns;

use std::sync::Arc;
use std::time::Duration;

use sealpass::claims::{CookieName, PublicKey, RealmName};
use sealpass::clock::{Clock, SystemClock};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Keys};
use sealpass::sessions::{Issued, Lifetimes, NewSession, Realm, Sessions, Terms};
use sealpass::store::CachedFacts;
use sealpass::token::Scratch;
use stats::{median, ratio};
use turns::{Subject, measure};

/// Sessions that are bound beside the one that is measured.
const OTHERS: usize = 10_000;
const TERMS: Terms = Terms { tolerance: Duration::from_secs(300), life: Duration::from_secs(600) };

fn main() {
    let entropy = Arc::new(SystemEntropy::new());
    let ring = KeyRing::init(&*entropy, SystemClock.now()).expect("random bytes");
    let keys = Keys::new(&ring, &*entropy).expect("random bytes");
    let facts = Arc::new(CachedFacts::new(Arc::new(SystemClock)));
    let sessions = Sessions::new(keys, Arc::clone(&facts) as _, Arc::new(SystemClock), entropy);
    let cookie = CookieName::new("__Host-sealpass").expect("a name");
    let realm = Realm::new(RealmName::new("default").expect("a name"), cookie, Lifetimes::DEFAULT);
    for _ in 0..OTHERS {
        drop(bound(&sessions, &realm));
    }
    let (plain, (before, both)) = (login(&sessions, &realm), bound(&sessions, &realm));
    let [plain, before, own] = [&plain, &before, &both].map(|issued| issued.token.expose().as_bytes());
    let anchor = both.anchor.as_ref().expect("it is bound").token.expose().as_bytes();
    let mut rooms: [Scratch; 5] = std::array::from_fn(|_| Scratch::default());
    let [first, second, third, fourth, fifth] = &mut rooms;
    let judged = sessions.judge_anchor(&realm, &[anchor], fifth).expect("ours");
    let challenge = sessions.challenge(&realm, both.sid).expect("a key is active");
    let verify = |text: &[u8], room: &mut Scratch| {
        sessions.verify(&realm, &[text], room).map(|session| (session.renewal_due, session.claims.is_bound()))
    };
    let mut subjects = [
        Subject::new("verify a session that is not bound", || verify(plain, first)),
        Subject::new("verify one that is bound, by its own token", || verify(own, second)),
        Subject::new("verify one that is bound, by that of before", || verify(before, third)),
        Subject::new("judge an anchor", || sessions.judge_anchor(&realm, &[anchor], fourth).map(|anchor| anchor.key())),
        Subject::new("refresh: both tokens, from a judged anchor", || {
            sessions.refresh(&realm, &judged, TERMS.life).expect("ours").token
        }),
        Subject::new("give a challenge", || sessions.challenge(&realm, both.sid).expect("a key is active")),
        Subject::new("open a challenge", || sessions.open_challenge(&realm, challenge.expose().as_bytes())),
        Subject::new("an anchor at login, beside the session's token", || {
            let issued = login(&sessions, &realm);
            sessions.anchor_for(&realm, &issued).expect("it fits").token
        }),
    ];
    let figures = measure(&mut subjects);
    println!("\n{:<52}{:>9}{:>12}{:>18}", "what", "ns", "x the first", "least–greatest");
    for (subject, times) in subjects.iter().zip(&figures) {
        let (middle, least, greatest) = ratio(times, &figures[0]);
        println!("{:<52}{:>9.0}{middle:>12.2}{:>18}", subject.name, median(times), format!("{least:.2}–{greatest:.2}"));
    }
    drop(subjects);
    let characters = [plain, own, anchor].map(<[u8]>::len);
    println!("characters: not bound {}, bound {}, its anchor {}", characters[0], characters[1], characters[2]);
}

fn login(sessions: &Sessions, realm: &Realm) -> Issued {
    let (roles, amr) = (["editor".to_owned(), "billing".to_owned()], ["pwd".to_owned()]);
    let new = NewSession { subject: Some("alice.smith"), roles: &roles, amr: &amr, ..NewSession::default() };
    sessions.issue(realm, &new).expect("it fits")
}

/// What a login gave, and what its device has after that.
fn bound(sessions: &Sessions, realm: &Realm) -> (Issued, Issued) {
    let issued = login(sessions, realm);
    let anchor = sessions.anchor_for(realm, &issued).expect("it fits");
    let mut scratch = Scratch::default();
    let anchor = sessions.judge_anchor(realm, &[anchor.token.expose().as_bytes()], &mut scratch).expect("ours");
    let key = PublicKey::from_coordinates(&[1; 32], &[2; 32]);
    let registered = sessions.register(realm, &anchor, key, TERMS).expect("it is new");
    (issued, registered.into_outcome())
}
