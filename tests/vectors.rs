//! The vectors in `tests/vectors/`: one case a file, made here, judged here, and compared with what is committed. The
//! bytes of a released version stay for ever.
//!
//! `SEALPASS_WRITE_VECTORS=1 cargo test --test vectors` writes them anew; `git diff` then shows what changed.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sealpass::claims::{Claims, CookieName, Extension, RealmName, SessionId, Tags};
use sealpass::clock::{ManualClock, Timestamp};
use sealpass::entropy::{Entropy, EntropyError};
use sealpass::keyring::{KeyRing, Keys, Kid};
use sealpass::revocation::MemoryFacts;
use sealpass::seal::{Purpose, PurposeKey};
use sealpass::secret::Secret;
use sealpass::sessions::{Lifetimes, Realm, Sessions};
use sealpass::token::{self, Binding, MAX_PAYLOAD, Scratch};

#[test]
fn committed_vectors_are_what_this_release_makes() {
    let dir = dir();
    let cases = cases();
    if std::env::var_os("SEALPASS_WRITE_VECTORS").is_some() {
        for old in fs::read_dir(&dir).expect("tests/vectors") {
            fs::remove_file(old.expect("entry").path()).expect("removable");
        }
        for case in &cases {
            fs::write(dir.join(format!("{}.txt", case.name)), case.render()).expect("writable");
        }
    }
    for case in &cases {
        let committed = fs::read_to_string(dir.join(format!("{}.txt", case.name))).expect(case.name);
        assert_eq!(committed, case.render(), "{}: the format changed, or the file", case.name);
    }
    let files = fs::read_dir(&dir).expect("tests/vectors").count();
    assert_eq!(files, cases.len(), "a file without a case, or two cases of one name");
}

#[test]
fn there_are_enough_and_most_are_refusals() {
    let cases = cases();
    let refusals = cases.iter().filter(|case| case.expect != "ok").count();
    assert!(cases.len() >= 45, "{} cases", cases.len());
    assert!(refusals * 4 >= cases.len() * 3, "{refusals} refusals of {}", cases.len());
}

#[test]
fn every_vector_ends_as_it_says() {
    for case in cases() {
        assert_eq!(case.judge(), case.expect, "{}", case.name);
    }
}

#[test]
fn the_worked_example_of_the_format_page_is_the_typical_vector() {
    let page = fs::read_to_string("src/manual/format.md").expect("the format page");
    let begin = "<!-- worked example: begin -->\n";
    let (head, rest) = page.split_once(begin).expect("its begin mark");
    let (shown, tail) = rest.split_once("<!-- worked example: end -->").expect("its end mark");
    let made = worked_example();
    if std::env::var_os("SEALPASS_WRITE_VECTORS").is_some() {
        let page = format!("{head}{begin}{made}<!-- worked example: end -->{tail}");
        fs::write("src/manual/format.md", page).expect("writable");
    } else {
        assert_eq!(shown, made);
    }
}

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

struct Case {
    name: &'static str,
    expect: &'static str,
    why: &'static str,
    now: u64,
    token: Vec<u8>,
    claims: String,
}

impl Case {
    fn render(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "comment: {}\nexpect: {}\npurpose: session", self.why, self.expect);
        let _ = writeln!(out, "cookie: {COOKIE}\nrealm: {REALM}\nnow: {}", self.now);
        let _ = writeln!(out, "key: {} {}", Kid::of(&root()), hex(root().expose()));
        match std::str::from_utf8(&self.token) {
            Ok(text) if !text.contains(char::is_control) => writeln!(out, "token: {text}"),
            _ => writeln!(out, "token-hex: {}", hex(&self.token)),
        }
        .expect("a string takes all");
        if !self.claims.is_empty() {
            let _ = writeln!(out, "claims: {}", self.claims);
        }
        out
    }

    fn judge(&self) -> String {
        let clock = Arc::new(ManualClock::at(at(self.now)));
        let sessions = Sessions::new(keys(), Arc::new(MemoryFacts::default()), clock, Arc::new(Counting::default()));
        let realm = Realm::new(realm(), cookie(COOKIE), Lifetimes::DEFAULT);
        let mut scratch = Scratch::default();
        match sessions.verify(&realm, &[&self.token], &mut scratch) {
            Ok(session) => {
                assert_eq!(json(&session.claims), self.claims, "{}", self.name);
                "ok".to_owned()
            }
            Err(refusal) => refusal.code().replace('_', "-"),
        }
    }
}

/// Counts upwards: the same in every run. For vectors only.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
}

const NOW: u64 = 1_790_000_000_000; // 2026-09-21T13:33:20Z
const COOKIE: &str = "__Host-sealpass";
const REALM: &str = "default";
const SID: [u8; 16] = *b"vector session 1";

fn cases() -> Vec<Case> {
    let mut cases = accepted();
    cases.extend(misspelt());
    cases.extend(forged());
    cases.extend(unreadable());
    cases.extend(untimely());
    cases
}

fn accepted() -> Vec<Case> {
    let unicode = Claims { subject: Some("山田 müller 🦭"), roles: vec!["a,b", "größe"], ..typical() };
    let data = Claims { data: vec![("email", "a@example.com"), ("theme", "dark\u{2028}")], ..typical() };
    let handles = Claims { tags: tags(&[7; 40]), ..typical() };
    let ext = Claims { ext: vec![Extension { tag: 900, critical: false, data: b"later" }], ..typical() };
    let persistent = Claims {
        persistent: true,
        idle: Duration::from_secs(14 * 86_400),
        expires: at(NOW).plus(Duration::from_secs(30 * 86_400)),
        ..typical()
    };
    let renewed = Claims { sealed: at(NOW + 1_200_000), ..typical() };
    let resealed = Claims { claims_at: at(NOW + 60_000), sealed: at(NOW + 60_000), roles: vec![], ..typical() };
    let earlier = Claims { authenticated: at(NOW - 86_400_000), ..typical() };
    let mut cases = Vec::new();
    let mut ok = |name, why, now, claims: &Claims<'_>| {
        cases.push(Case { name, expect: "ok", why, now, token: sealed(claims), claims: json(claims) });
    };
    ok("ok-typical", "a subject of 11 bytes, two roles, a password", NOW, &typical());
    ok("ok-anonymous", "nobody: no subject, no role", NOW, &anonymous());
    ok("ok-persistent", "idle 14 days, absolute 30 days", NOW, &persistent);
    ok("ok-unicode", "names of every language; a comma inside a role", NOW, &unicode);
    ok("ok-data", "the application's data, keys ascending", NOW, &data);
    ok("ok-handles", "five tags: the subject's and four handles'", NOW, &handles);
    ok("ok-extension", "an unknown extension that is not critical is passed over", NOW, &ext);
    ok("ok-renewed", "sealed 20 minutes after it started, and as long as the first", NOW + 1_200_000, &renewed);
    ok("ok-resealed", "claims newer than the start", NOW + 60_000, &resealed);
    ok("ok-authenticated-earlier", "the user authenticated a day before", NOW, &earlier);
    ok("ok-last-millisecond", "one millisecond before the idle limit", NOW + 1_799_999, &typical());
    ok("ok-sealed-ahead", "sealed 5 s ahead of this clock: still accepted", NOW - 5_000, &typical());
    let long = "x".repeat(2_048);
    let rest = "y".repeat(MAX_PAYLOAD - payload(&typical()).len() - long.len() - 8);
    let largest = Claims { data: vec![("a", &long), ("b", &rest)], ..typical() };
    ok("ok-largest", "a payload of exactly 2,784 bytes: 3,772 characters", NOW, &largest);
    cases
}

fn misspelt() -> Vec<Case> {
    let good = sealed(&typical());
    let with = |from: usize, what: &[u8]| [&good[..from], what, &good[from + 1..]].concat();
    let mut cases = Vec::new();
    let mut bad = |name, why, token: Vec<u8>| cases.push(refused(name, "malformed", why, token));
    bad("malformed-empty", "no character at all", Vec::new());
    bad("malformed-one-character", "one character", b"A".to_vec());
    bad("malformed-short", "102 characters: no room for one block", good[..102].to_vec());
    bad("malformed-long", "3,804 characters", b"AQ".repeat(1_902));
    bad("malformed-length-1-of-4", "a length that no base64 text has", [good.as_slice(), b"A"].concat());
    bad("malformed-padded", "padding characters", [&good[..good.len() - 2], b"=="].concat());
    bad("malformed-plus", "+ of the other base64 alphabet", with(60, b"+"));
    bad("malformed-slash", "/ of the other base64 alphabet", with(60, b"/"));
    bad("malformed-space", "a space inside", with(60, b" "));
    bad("malformed-newline", "a newline behind", [&good[..good.len() - 1], b"\n"].concat());
    bad("malformed-quoted", "in double quotes", [b"\"", &good[..good.len() - 2], b"\""].concat());
    bad("malformed-percent", "percent-encoded", with(60, b"%41%41"));
    bad("malformed-dot", "a dot, as in a JWT", with(60, b"."));
    bad("malformed-not-ascii", "a byte over 127", with(60, b"\xe9"));
    bad("malformed-nul", "a NUL byte", with(60, b"\0"));
    bad("malformed-not-a-block", "one byte of ciphertext missing", encode(&decode(&good)[..decode(&good).len() - 1]));
    // 106 bytes: two characters stand for the last byte and have four bits to spare.
    let mut trailing = encode(&[&[1], kid().as_slice(), &[9; 105 - 4]].concat());
    *trailing.last_mut().expect("not empty") += 1;
    bad("malformed-trailing-bits", "unused bits of the last character are not zero", trailing);
    cases
}

fn forged() -> Vec<Case> {
    let good = decode(&sealed(&typical()));
    let flip = |place: usize| {
        let mut raw = good.clone();
        raw[place] ^= 1;
        encode(&raw)
    };
    let mut swapped = good.clone();
    let (first, second) = swapped[29..93].split_at_mut(32);
    first.swap_with_slice(second);
    let padded = padded(payload(&typical()));
    let under = |purpose, cookie, realm| raw_token(&root(), purpose, cookie, realm, &padded);
    let mut other = decode(&raw_token(&other_root(), Purpose::Session, COOKIE, REALM, &padded));
    let unknown = encode(&other);
    other[1..5].copy_from_slice(&kid());
    vec![
        refused("unknown-version-0", "unknown-version", "version 0", encode(&[&[0], &good[1..]].concat())),
        refused("unknown-version-2", "unknown-version", "version 2", encode(&[&[2], &good[1..]].concat())),
        refused("unknown-key-other", "unknown-key", "sealed under a key that is not in the ring", unknown),
        refused("unknown-key-flipped", "unknown-key", "one bit of the kid changed", flip(4)),
        refused("bad-tag-nonce", "bad-tag", "one bit of the nonce changed", flip(5)),
        refused("bad-tag-first", "bad-tag", "one bit of the first ciphertext byte changed", flip(29)),
        refused("bad-tag-last", "bad-tag", "one bit of the last ciphertext byte changed", flip(good.len() - 17)),
        refused("bad-tag-tag", "bad-tag", "one bit of the tag changed", flip(good.len() - 1)),
        refused("bad-tag-truncated", "bad-tag", "the last 32 bytes cut off", encode(&good[..good.len() - 32])),
        refused("bad-tag-extended", "bad-tag", "32 zero bytes behind", encode(&[&good[..], &[0; 32]].concat())),
        refused("bad-tag-swapped", "bad-tag", "two blocks of ciphertext exchanged", encode(&swapped)),
        refused("bad-tag-forged-kid", "bad-tag", "another key's token under our kid", encode(&other)),
        refused("bad-tag-purpose", "bad-tag", "a csrf token", under(Purpose::Csrf, COOKIE, REALM)),
        refused("bad-tag-cookie", "bad-tag", "another cookie's", under(Purpose::Session, "__Host-other", REALM)),
        refused("bad-tag-realm", "bad-tag", "another realm's", under(Purpose::Session, COOKIE, "staging")),
    ]
}

fn unreadable() -> Vec<Case> {
    let good = payload(&typical());
    let edit = |at: usize, bytes: &[u8]| {
        let mut payload = good.clone();
        payload[at..at + bytes.len()].copy_from_slice(bytes);
        padded(payload)
    };
    let of = |claims: &Claims<'_>| padded(payload(claims));
    let mut not_zero = padded(good.clone());
    *not_zero.last_mut().expect("padding") = 1;
    let over = [padded(good.clone()), vec![0; 32]].concat();
    let no_tags = [&payload(&anonymous())[..payload(&anonymous()).len() - 10], &[0, 0]].concat();
    let seven = [&no_tags[..no_tags.len() - 2], &[7, 1, 2, 3, 4, 5, 6, 7, 0]].concat();
    let six = [&no_tags[..no_tags.len() - 2], &[48], [1; 48].as_slice(), &[0]].concat();
    // variant, sid, no subject, then `started` one past the year 9999
    let late = [&[0], &SID[..], &[0], &varint(253_402_300_800_000), &payload(&anonymous())[24..]].concat();
    let overflow = [&[0], &SID[..], &[0], &varint(NOW), &varint(u64::MAX), &payload(&anonymous())[25..]].concat();
    let critical = Claims { ext: vec![Extension { tag: 900, critical: true, data: b"later" }], ..typical() };
    let mut cases = Vec::new();
    let mut bad = |name, why, payload: &[u8]| {
        let token = raw_token(&root(), Purpose::Session, COOKIE, REALM, payload);
        cases.push(refused(name, "bad-payload", why, token));
    };
    bad("bad-payload-variant", "a variant that this version does not have", &edit(0, &[1]));
    bad("bad-payload-zeros", "nothing but zeros: no tag", &[0; 64]);
    bad("bad-payload-padding", "padding that is not zero", &not_zero);
    bad("bad-payload-over-padded", "a whole block of padding too much", &over);
    bad("bad-payload-cut", "the payload ends inside a field", &good[..32]);
    bad("bad-payload-utf8", "a subject that is not UTF-8", &edit(19, &[0xff]));
    bad("bad-payload-option", "an option that is neither 0 nor 1", &edit(17, &[2]));
    bad("bad-payload-time", "started after the year 9999", &padded(late));
    bad("bad-payload-negative-time", "authenticated before 1970", &padded(overflow));
    bad("bad-payload-critical", "a critical extension that this version does not know", &of(&critical));
    bad("bad-payload-no-tags", "no tag", &padded(no_tags));
    bad("bad-payload-odd-tags", "seven bytes of tags", &padded(seven));
    bad("bad-payload-six-tags", "six tags", &padded(six));
    cases
}

fn untimely() -> Vec<Case> {
    let token = sealed(&typical());
    let renewed = sealed(&Claims { sealed: at(NOW + 43_000_000), ..typical() });
    let at = |name, expect, why, now, token: &[u8]| Case { now, ..refused(name, expect, why, token.to_vec()) };
    vec![
        at("clock-ahead", "clock", "sealed 5,001 ms ahead of this clock", NOW - 5_001, &token),
        at("clock-far-ahead", "clock", "sealed ten minutes ahead of this clock", NOW - 600_000, &token),
        at("expired-idle", "expired-idle", "at its idle limit", NOW + 1_800_000, &token),
        at(
            "expired-absolute",
            "expired-absolute",
            "renewed in time, at its absolute expiry",
            NOW + 43_200_000,
            &renewed,
        ),
        at("expired-both", "expired-absolute", "absolute expiry is looked at first", NOW + 90_000_000, &token),
    ]
}

fn refused(name: &'static str, expect: &'static str, why: &'static str, token: Vec<u8>) -> Case {
    Case { name, expect, why, now: NOW, token, claims: String::new() }
}

fn typical<'a>() -> Claims<'a> {
    Claims {
        sid: SessionId(SID),
        subject: Some("alice.smith"),
        started: at(NOW),
        authenticated: at(NOW),
        claims_at: at(NOW),
        sealed: at(NOW),
        expires: at(NOW).plus(Duration::from_secs(12 * 3_600)),
        idle: Duration::from_secs(1_800),
        amr: vec!["pwd"],
        aal: 1,
        roles: vec!["editor", "billing"],
        data: Vec::new(),
        persistent: false,
        tags: tags(b"subject1"),
        ext: Vec::new(),
    }
}

fn anonymous<'a>() -> Claims<'a> {
    Claims { subject: None, roles: vec![], amr: vec![], aal: 0, tags: tags(b"nobody 1"), ..typical() }
}

fn worked_example() -> String {
    let raw = decode(&sealed(&typical()));
    let payload = payload(&typical());
    let both: Secret<64> = root().derive(b"session");
    let binding = aad(Purpose::Session, COOKIE, REALM, &kid());
    let mut out = String::from("```text\n");
    let mut line = |name: &str, value: &str| {
        let (first, rest) = value.split_at(value.len().min(88));
        let _ = writeln!(out, "{name:<12} {first}");
        for more in rest.as_bytes().chunks(88) {
            let _ = writeln!(out, "{:<12} {}", "", String::from_utf8_lossy(more));
        }
    };
    line("root", &hex(root().expose()));
    line("kid", &hex(&kid()));
    line("sealing key", &hex(&both.expose()[..32]));
    line("hedge key", &hex(&both.expose()[32..]));
    line("r", &hex(&FRESH));
    line("aad", &hex(&binding));
    line("payload", &hex(&payload));
    line("padding", &hex(&padded(payload.clone())[payload.len()..]));
    line("nonce", &hex(&raw[5..29]));
    line("ciphertext", &hex(&raw[29..raw.len() - 16]));
    line("tag", &hex(&raw[raw.len() - 16..]));
    line("token", &String::from_utf8_lossy(&encode(&raw)));
    out + "```\n"
}

/// Through the library's own `seal`.
fn sealed(claims: &Claims<'_>) -> Vec<u8> {
    let binding = Binding::new(Purpose::Session, &cookie(COOKIE), &realm());
    let token = token::seal(&keys(), &binding, claims, &Fresh).expect("fits");
    token.expose().as_bytes().to_vec()
}

/// Around the library's `seal`, by hand, for what it would never make.
fn raw_token(root: &Secret<32>, purpose: Purpose, cookie: &str, realm: &str, payload: &[u8]) -> Vec<u8> {
    let key = PurposeKey::derive(root, purpose);
    let binding = aad(purpose, cookie, realm, &Kid::of(root).0);
    let nonce = key.nonce(&Fresh, &binding, payload).expect("never fails");
    let mut text = payload.to_vec();
    let tag = key.cipher().seal_in_place(&nonce, &binding, &mut text);
    encode(&[&[1], &Kid::of(root).0[..], &nonce, &text, &tag].concat())
}

fn aad(purpose: Purpose, cookie: &str, realm: &str, kid: &[u8]) -> Vec<u8> {
    let mut aad = [&[1], kid].concat();
    for part in [purpose.name(), cookie, realm] {
        aad.extend_from_slice(&u16::try_from(part.len()).expect("short").to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

/// The payload that `sealed` would seal, without its padding.
fn payload(claims: &Claims<'_>) -> Vec<u8> {
    let token = decode(&sealed(claims));
    let key = PurposeKey::derive(&root(), Purpose::Session);
    let nonce = std::array::from_fn(|i| token[5 + i]);
    let mut sealed = token[29..].to_vec();
    let binding = aad(Purpose::Session, COOKIE, REALM, &kid());
    let text = key.cipher().open_in_place(&nonce, &binding, &mut sealed).expect("ours").to_vec();
    // The last field is the number of extensions: what is behind it is padding, and 0 is both.
    let end = text.iter().rposition(|&byte| byte != 0).expect("a session") + 1;
    text[..end + usize::from(claims.ext.is_empty())].to_vec()
}

fn padded(mut payload: Vec<u8>) -> Vec<u8> {
    payload.resize(payload.len().next_multiple_of(32), 0);
    payload
}

const FRESH: [u8; 24] = [0xA5; 24];

/// A stuck generator, which hedging makes harmless.
struct Fresh;

impl Entropy for Fresh {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0xA5);
        Ok(())
    }
}

fn keys() -> Keys {
    let ring = KeyRing::init(&Counting::default(), at(NOW - 86_400_000)).expect("never fails");
    assert_eq!(ring.records()[0].kid(), Kid::of(&root()), "the ring's root is the one that the files name");
    Keys::new(&ring, &Counting::default()).expect("never fails")
}

/// What [`Counting`] gives a new ring behind its id and its two secrets. A test key.
fn root() -> Secret<32> {
    Secret::from_slice(&std::array::from_fn::<u8, 32, _>(|i| u8::try_from(80 + i).expect("small"))).expect("32 bytes")
}

fn other_root() -> Secret<32> {
    Secret::from_slice(&[0xEE; 32]).expect("32 bytes")
}

fn kid() -> [u8; 4] {
    Kid::of(&root()).0
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

fn tags(bytes: &[u8]) -> Tags<'_> {
    Tags::from_bytes(bytes).expect("whole tags")
}

fn cookie(name: &str) -> CookieName {
    CookieName::new(name).expect("a name")
}

fn realm() -> RealmName {
    RealmName::new(REALM).expect("a name")
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn encode(raw: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(raw).into_bytes()
}

fn decode(token: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).expect("base64url")
}

fn json(claims: &Claims<'_>) -> String {
    let value = serde_json::json!({
        "sid": hex(&claims.sid.0),
        "subject": claims.subject,
        "started": claims.started.as_millis(),
        "authenticated": claims.authenticated.as_millis(),
        "claims_at": claims.claims_at.as_millis(),
        "sealed": claims.sealed.as_millis(),
        "expires": claims.expires.as_millis(),
        "idle": claims.idle.as_secs(),
        "amr": claims.amr.as_slice(),
        "aal": claims.aal,
        "roles": claims.roles.as_slice(),
        "data": claims.data,
        "persistent": claims.persistent,
        "tags": hex(claims.tags.as_bytes()),
        "ext": claims.ext.iter().map(|e| (e.tag, e.critical, hex(e.data))).collect::<Vec<_>>(),
    });
    value.to_string()
}
