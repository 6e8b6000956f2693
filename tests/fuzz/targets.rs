//! What has to hold for any bytes. Run by `cargo fuzz` with bytes of its own, and by `tests/fuzz_corpus.rs` with those that
//! are committed in `corpus/`. Each tells whether the bytes were accepted, so that a corpus can be seen to get that far.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpass::claims::{Claims, CookieName, RealmName};
use sealpass::clock::{ManualClock, Timestamp};
use sealpass::entropy::{Entropy, EntropyError};
use sealpass::http::{QueryDemands, cookie_values};
use sealpass::keyring::file::{self, ClusterSecret, MAGIC};
use sealpass::keyring::{KeyRecord, KeyRing, Keys, Kid};
use sealpass::revocation::{MemoryFacts, encoding};
use sealpass::seal::{Cipher, Purpose, PurposeKey};
use sealpass::secret::{Secret, length_prefix};
use sealpass::sessions::{Lifetimes, MAX_CANDIDATES, Realm, Sessions};
use sealpass::token::{MAX_PAYLOAD, Scratch};

/// Whether the bytes were accepted; it panics if something does not hold.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is that of its directory in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("anchor", anchor),
    ("cookie", cookie),
    ("demands", demands),
    ("fact", fact),
    ("payload", payload),
    ("ring_body", ring_body),
    ("ring_file", ring_file),
    ("token", token),
];

/// Cookie lines, one a line: the scan finds what a plain reading of its rules finds.
pub fn cookie(bytes: &[u8]) -> bool {
    let lines = || bytes.split(|&byte| byte == b'\n');
    let pairs = lines().flat_map(|line| line.split(|&byte| byte == b';'));
    let named = pairs.filter_map(|pair| {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        (trim(&pair[..at]) == COOKIE.as_bytes()).then(|| trim(&pair[at + 1..]))
    });
    let expected: Vec<_> = named.take(MAX_CANDIDATES + 1).collect();
    let found = cookie_values(lines(), COOKIE.as_bytes());
    assert_eq!(found.as_slice(), expected);
    !found.is_empty()
}

/// A query: what is understood is understood once, and only to the end.
pub fn demands(bytes: &[u8]) -> bool {
    let Ok(query) = std::str::from_utf8(bytes) else { return false };
    let Ok(demands) = QueryDemands::parse(query) else { return false };
    assert_eq!(demands.is_empty(), query.is_empty());
    if !query.is_empty() {
        assert!(QueryDemands::parse(&format!("{query}&{query}")).is_err(), "a demand twice");
    }
    assert!(QueryDemands::parse(&format!("{query}&optional=true")).is_err(), "an unknown one behind");
    true
}

/// A fact: whatever is read has one spelling.
pub fn fact(bytes: &[u8]) -> bool {
    let Some(fact) = encoding::decode(bytes) else { return false };
    assert_eq!(encoding::encode(&fact), bytes, "a second spelling");
    assert_eq!(encoding::decode(&[bytes, &[0]].concat()), None, "something behind it");
    true
}

/// A cookie's value: whatever opens has one spelling.
pub fn token(bytes: &[u8]) -> bool {
    let mut scratch = Scratch::default();
    let opens = |value: &[u8], scratch: &mut Scratch| SETUP.sessions.verify(&SETUP.realm, &[value], scratch).is_ok();
    if !opens(bytes, &mut scratch) {
        return false;
    }
    for other in [&[bytes, b"="].concat()[..], &[b" ", bytes].concat(), &bytes[..bytes.len() - 1]] {
        assert!(!opens(other, &mut scratch), "a second spelling");
    }
    true
}

/// A payload, sealed as it is: a session that is read is the same after a renewal.
pub fn payload(bytes: &[u8]) -> bool {
    let value = sealed(Purpose::Session, COOKIE, bytes);
    let (mut scratch, mut second) = (Scratch::default(), Scratch::default());
    let Ok(session) = SETUP.sessions.verify(&SETUP.realm, &[value.as_bytes()], &mut scratch) else { return false };
    let Ok(renewed) = SETUP.sessions.renew(&SETUP.realm, &session) else { return false };
    let renewed = SETUP.sessions.verify(&SETUP.realm, &[renewed.token.expose().as_bytes()], &mut second);
    let mut renewed = renewed.expect("a renewed session is good").claims;
    assert!(renewed.sealed >= session.claims.sealed, "sealed went back");
    renewed.sealed = session.claims.sealed;
    assert_eq!(renewed, session.claims);
    true
}

/// A payload, sealed as an anchor: what its device is given says the same, and is bound to it.
pub fn anchor(bytes: &[u8]) -> bool {
    let value = sealed(Purpose::Anchor, ANCHOR_COOKIE, bytes);
    let mut scratch: [Scratch; 3] = Default::default();
    let [first, second, third] = &mut scratch;
    let Ok(anchor) = SETUP.sessions.judge_anchor(&SETUP.realm, &[value.as_bytes()], first) else { return false };
    assert_eq!(anchor.claims().is_bound(), anchor.key().is_some(), "a mark without a key, or a key without a mark");
    let refreshed = SETUP.sessions.refresh(&SETUP.realm, &anchor, Duration::from_secs(600));
    let Ok(issued) = refreshed else { return anchor.key().is_none() };
    let next = issued.anchor.expect("it is bound");
    let next = SETUP.sessions.judge_anchor(&SETUP.realm, &[next.token.expose().as_bytes()], second);
    let next = next.expect("a refreshed anchor is good");
    let session = SETUP.sessions.verify(&SETUP.realm, &[issued.token.expose().as_bytes()], third);
    let session = session.expect("so is its session").claims;
    assert_eq!((next.key(), next.claims().mark()), (anchor.key(), anchor.claims().mark()));
    assert_eq!((session.mark(), session.public_key()), (anchor.claims().mark(), None));
    let said = |claims: &Claims<'_>| {
        (claims.sid, claims.started, claims.authenticated, claims.claims_at, claims.expires, claims.roles.len())
    };
    assert_eq!((said(next.claims()), said(&session)), (said(anchor.claims()), said(anchor.claims())));
    assert!(session.idle <= next.claims().idle);
    true
}

/// The bytes as the payload of a token.
fn sealed(purpose: Purpose, cookie: &str, bytes: &[u8]) -> String {
    let mut text = bytes[..bytes.len().min(MAX_PAYLOAD)].to_vec();
    text.resize(text.len().next_multiple_of(32).max(32), 0);
    let kid = Kid::of(&SETUP.root).0;
    let mut aad = [&[1], &kid[..]].concat();
    for part in [purpose.name(), cookie, REALM] {
        aad.extend(length_prefix(part.as_bytes()));
        aad.extend(part.as_bytes());
    }
    let nonce = [7; 24];
    let tag = PurposeKey::derive(&SETUP.root, purpose).cipher().seal_in_place(&nonce, &aad, &mut text);
    URL_SAFE_NO_PAD.encode([&[1], &kid[..], &nonce, &text, &tag].concat())
}

/// A ring file: what opens can be sealed and opened again.
pub fn ring_file(bytes: &[u8]) -> bool {
    let Ok(ring) = file::open(bytes, &SETUP.secret) else { return false };
    let again = file::seal(&ring, &[&SETUP.secret], &Counting::default()).expect("never fails");
    let again = file::open(&again, &SETUP.secret).expect("what was sealed opens");
    assert_eq!((again.id(), again.epoch(), again.limits()), (ring.id(), ring.epoch(), ring.limits()));
    assert!(again.records().iter().map(KeyRecord::kid).eq(ring.records().iter().map(KeyRecord::kid)));
    Keys::new(&ring, &Counting::default()).expect("every ring makes keys");
    true
}

/// The inside of a ring file, sealed as it is.
pub fn ring_body(bytes: &[u8]) -> bool {
    let secret = &SETUP.secret;
    let (id, nonce) = (secret.derive_public::<8>(b"ring slot id"), [9; 24]);
    let mut data_key = [3; 32];
    let mut body = bytes[..bytes.len().min(100_000)].to_vec();
    let tag = Cipher::new(&Secret::from_slice(&data_key).expect("32 bytes")).seal_in_place(&nonce, MAGIC, &mut body);
    body.extend(tag);
    let key_tag = Cipher::new(&secret.derive(b"ring wrap")).seal_in_place(&nonce, &id, &mut data_key);
    let slot = [&[1, 0], &id[..], &nonce, &data_key, &key_tag].concat();
    ring_file(&[&MAGIC[..], &slot, &nonce, &varint(body.len()), &body].concat())
}

struct Setup {
    sessions: Sessions,
    realm: Realm,
    root: Secret<32>,
    secret: ClusterSecret,
}

/// Key and clock of the vectors, so that those are a corpus.
static SETUP: LazyLock<Setup> = LazyLock::new(|| {
    let now = Timestamp::from_millis(1_790_000_000_000).expect("in range");
    let day_before = Timestamp::from_millis(1_790_000_000_000 - 86_400_000).expect("in range");
    let ring = KeyRing::init(&Counting::default(), day_before).expect("never fails");
    let root = Secret::from_slice(&std::array::from_fn::<u8, 32, _>(|at| at.to_le_bytes()[0] + 80)).expect("32 bytes");
    assert_eq!(ring.records()[0].kid(), Kid::of(&root), "the ring's root is the vectors'");
    let keys = Keys::new(&ring, &Counting::default()).expect("never fails");
    let clock = Arc::new(ManualClock::at(now));
    let sessions = Sessions::new(keys, Arc::new(MemoryFacts::default()), clock, Arc::new(Counting::default()));
    let realm = Realm::new(
        RealmName::new(REALM).expect("a name"),
        CookieName::new(COOKIE).expect("a name"),
        Lifetimes::DEFAULT,
    );
    Setup { sessions, realm, root, secret: Secret::from_slice(&[1; 32]).expect("32 bytes") }
});

const COOKIE: &str = "__Host-sealpass";
const ANCHOR_COOKIE: &str = "__Host-sealpass-anchor";
const REALM: &str = "default";

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
    out
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Counts upwards: the same in every run. For tests only.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        for byte in out {
            *byte = self.0.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}
