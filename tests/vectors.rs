//! The vectors in `tests/vectors/`: one case a file, made here, judged here, and compared with what is committed. The
//! bytes of a released version stay for ever.
//!
//! `SEALPASS_WRITE_VECTORS=1 cargo test --test vectors` writes them anew; `git diff` then shows what changed.

#[path = "bound/vectors.rs"]
mod devices;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sealpass::claims::{Claims, CookieName, Extension, Names, RealmName, SessionId, Tags};
use sealpass::clock::{ManualClock, Timestamp};
use sealpass::entropy::{Entropy, EntropyError};
use sealpass::keyring::{KeyRing, Keys, Kid};
use sealpass::revocation::MemoryFacts;
use sealpass::seal::{Purpose, PurposeKey};
use sealpass::secret::Secret;
use sealpass::sessions::{ChallengeError, Lifetimes, Realm, Refusal, Sessions};
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
        match judge(case.purpose, case.now, &case.token) {
            Ok(claims) => assert_eq!(("ok", &claims), (case.expect, &case.claims), "{}", case.name),
            Err(class) => assert_eq!(class, case.expect, "{}", case.name),
        }
    }
}

#[test]
fn what_is_refused_is_accepted_without_its_fault() {
    for case in cases().iter().filter(|case| case.expect != "ok") {
        let (now, token) = case.sibling.as_ref().expect(case.name);
        assert_eq!(judge(case.purpose, *now, token).err(), None, "the sibling of {}", case.name);
    }
}

#[test]
fn parts_are_what_the_library_encodes() {
    assert_eq!(parts().bytes(), payload(&typical()));
    assert_eq!(parts().token(), sealed(&typical()));
    let csrf = raw_token(&root(), Purpose::Csrf, COOKIE, REALM, &padded(csrf_payload()));
    assert_eq!(csrf, csrf_sealed());
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
    purpose: Purpose,
    expect: &'static str,
    why: &'static str,
    now: u64,
    token: Vec<u8>,
    claims: String,
    /// For a refusal, a moment and a token without the one fault that the case is about: accepted.
    sibling: Option<(u64, Vec<u8>)>,
}

impl Case {
    fn render(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "comment: {}\nexpect: {}\npurpose: {}", self.why, self.expect, self.purpose.name());
        let cookie = if self.purpose == Purpose::Anchor { devices::ANCHOR_COOKIE } else { COOKIE };
        let _ = writeln!(out, "cookie: {cookie}\nrealm: {REALM}\nnow: {}", self.now);
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
}

/// The claims of `token` as the vectors write them, or the class of its refusal.
fn judge(purpose: Purpose, now: u64, token: &[u8]) -> Result<String, String> {
    let class = |refusal: Refusal| refusal.code().replace('_', "-");
    if purpose == Purpose::Csrf {
        let binding = Binding::new(purpose, &cookie(COOKIE), &realm());
        let sid = token::open_csrf(&keys(), &binding, token, &mut Scratch::default());
        return sid.map(csrf_json).map_err(|refusal| class(refusal.into()));
    }
    let clock = Arc::new(ManualClock::at(at(now)));
    let sessions = Sessions::new(keys(), Arc::new(MemoryFacts::default()), clock, Arc::new(Counting::default()));
    let realm = Realm::new(realm(), cookie(COOKIE), Lifetimes::DEFAULT);
    if matches!(purpose, Purpose::Anchor | Purpose::Challenge) {
        return devices::judge_device(purpose, &sessions, &realm, token);
    }
    let session = sessions.verify(&realm, &[token], &mut Scratch::default()).map(|session| json(&session.claims));
    session.map_err(class)
}

/// Counts upwards: the same in every run. For vectors only.
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

const NOW: u64 = 1_790_000_000_000; // 2026-09-21T13:33:20Z
/// The last millisecond of the year 9999, and how far it is from [`NOW`].
const MAX: u64 = Timestamp::MAX.as_millis();
const TO_MAX: u64 = MAX - NOW;
const COOKIE: &str = "__Host-sealpass";
const REALM: &str = "default";
const SID: [u8; 16] = *b"vector session 1";
const NAME: &[u8] = b"alice.smith";

fn cases() -> Vec<Case> {
    let mut cases = accepted();
    cases.extend(misspelt());
    cases.extend(forged());
    cases.extend(unreadable());
    cases.extend(untimely());
    cases.extend(of_csrf());
    cases.extend(devices::of_devices());
    cases
}

fn accepted() -> Vec<Case> {
    let unicode = Claims { subject: Some("山田 müller 🦭"), roles: ["a,b", "größe"].into(), ..typical() };
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
    let resealed =
        Claims { claims_at: at(NOW + 60_000), sealed: at(NOW + 60_000), roles: Names::default(), ..typical() };
    let earlier = Claims { authenticated: at(NOW - 86_400_000), ..typical() };
    let repeated = [(900, "first"), (7, ""), (900, "second")];
    let repeated = repeated.map(|(tag, data)| Extension { tag, critical: false, data: data.as_bytes() });
    let repeated = Claims { ext: repeated.into(), ..typical() };
    let any_order = Claims {
        authenticated: Timestamp::MAX,
        claims_at: at(0),
        sealed: at(NOW - 1_000),
        expires: Timestamp::MAX,
        ..typical()
    };
    let beyond = Claims {
        subject: Some("\r\n"),
        aal: u8::MAX,
        roles: [""].into(),
        data: vec![("b", "1"), ("a", "2"), ("a", "3")],
        ..typical()
    };
    let mut cases = Vec::new();
    let mut ok = |name, why, now, claims: &Claims<'_>| {
        cases.push(accepted_as(name, why, now, sealed(claims), claims));
    };
    ok("ok-typical", "a subject of 11 bytes, two roles, a password", NOW, &typical());
    ok("ok-anonymous", "nobody: no subject, no role", NOW, &anonymous());
    ok("ok-persistent", "idle 14 days, absolute 30 days", NOW, &persistent);
    ok("ok-unicode", "names of every language; a comma inside a role", NOW, &unicode);
    ok("ok-data", "the application's data, keys ascending", NOW, &data);
    ok("ok-handles", "five tags: the subject's and four handles'", NOW, &handles);
    ok("ok-extension", "an unknown extension that is not critical is passed over", NOW, &ext);
    ok("ok-extension-repeated", "three extensions, one tag twice: all kept, in their order", NOW, &repeated);
    ok("ok-renewed", "sealed 20 minutes after it started, and as long as the first", NOW + 1_200_000, &renewed);
    ok("ok-resealed", "claims newer than the start", NOW + 60_000, &resealed);
    ok("ok-authenticated-earlier", "the user authenticated a day before", NOW, &earlier);
    let why = "claims of 1970, sealed before it started, authenticated when it expires, in 9999: any order will do";
    ok("ok-times-any-order", why, NOW, &any_order);
    ok("ok-beyond-sealer", "what the limits of section 7 forbid the sealer: no verifier looks at it", NOW, &beyond);
    ok("ok-last-millisecond", "one millisecond before the idle limit", NOW + 1_799_999, &typical());
    ok("ok-sealed-ahead", "sealed 5 s ahead of this clock: still accepted", NOW - 5_000, &typical());
    let long = "x".repeat(2_048);
    let rest = "y".repeat(MAX_PAYLOAD - payload(&typical()).len() - long.len() - 8);
    let largest = Claims { data: vec![("a", &long), ("b", &rest)], ..typical() };
    ok("ok-largest", "a payload of exactly 2,784 bytes: 3,772 characters", NOW, &largest);
    let fitting = Claims { data: vec![("a", "bbbbbbbbb")], ..typical() };
    assert_eq!(payload(&fitting).len(), 96);
    ok("ok-fitting", "a payload of exactly 96 bytes: no padding", NOW, &fitting);
    let longer = parts().with("variant", stretched(0, 5)).with("idle", stretched(1_800, 5)).token();
    let why = "the variant and idle in five bytes each: readers accept varints longer than needed";
    cases.push(accepted_as("ok-varint-longer", why, NOW, longer, &typical()));
    cases
}

fn accepted_as(name: &'static str, why: &'static str, now: u64, token: Vec<u8>, claims: &Claims<'_>) -> Case {
    Case { name, purpose: Purpose::Session, expect: "ok", why, now, token, claims: json(claims), sibling: None }
}

fn misspelt() -> Vec<Case> {
    // One without spare bits in its last character, one with two of them, one with four.
    let (none, two, four) = (sealed(&typical()), filled(128).token(), sealed(&anonymous()));
    assert_eq!([&none, &two, &four].map(|token| token.len() % 4), [0, 3, 2]);
    let largest = filled(MAX_PAYLOAD).token();
    let with = |from: usize, what: &[u8]| [&none[..from], what, &none[from + 1..]].concat();
    let place = |of: u8| none.iter().position(|&byte| byte == of).expect("the typical token has it");
    let set_bit = |token: &[u8]| {
        let (last, front) = token.split_last().expect("not empty");
        [front, &[last + 1]].concat()
    };
    let mut cases = Vec::new();
    let mut bad = |name, why, token: Vec<u8>, sibling: &[u8]| {
        cases.push(Case { sibling: Some((NOW, sibling.to_vec())), ..refused(name, "malformed", why, token) });
    };
    bad("malformed-empty", "no character at all", Vec::new(), &none);
    bad("malformed-one-character", "one character", b"A".to_vec(), &none);
    bad("malformed-short", "102 characters: no room for one block", none[..102].to_vec(), &none);
    bad(
        "malformed-long",
        "3,815 characters: authentic, and one block too many",
        filled(MAX_PAYLOAD + 32).token(),
        &largest,
    );
    bad("malformed-length-1-of-4", "a length that no base64 text has", [&none[..], b"A"].concat(), &none);
    bad("malformed-padded", "the padding of other base64 behind", [&four[..], b"=="].concat(), &four);
    bad("malformed-plus", "+ of the other base64 alphabet for -", with(place(b'-'), b"+"), &none);
    bad("malformed-slash", "/ of the other base64 alphabet for _", with(place(b'_'), b"/"), &none);
    bad("malformed-space", "a space inside", [&four[..60], b" ", &four[60..]].concat(), &four);
    bad("malformed-newline", "a newline behind", [&four[..], b"\n"].concat(), &four);
    bad("malformed-quoted", "in double quotes", [b"\"", &none[..], b"\""].concat(), &none);
    bad("malformed-percent", "a character percent-encoded", with(60, format!("%{:02X}", none[60]).as_bytes()), &none);
    bad("malformed-dot", "a dot, as in a JWT", with(60, b"."), &none);
    bad("malformed-not-ascii", "a byte over 127", with(60, b"\xe9"), &none);
    bad("malformed-nul", "a NUL byte", with(60, b"\0"), &none);
    bad("malformed-not-a-block", "authentic, and not padded to whole blocks", token_of(&parts().bytes()), &none);
    bad("malformed-trailing-bits-2", "the last of 2 unused bits is not zero", set_bit(&two), &two);
    bad("malformed-trailing-bits-4", "the last of 4 unused bits is not zero", set_bit(&four), &four);
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
        refused("bad-tag-purpose", "bad-tag", "sealed as a csrf token", under(Purpose::Csrf, COOKIE, REALM)),
        refused("bad-tag-cookie", "bad-tag", "another cookie's", under(Purpose::Session, "__Host-other", REALM)),
        refused("bad-tag-realm", "bad-tag", "another realm's", under(Purpose::Session, COOKIE, "staging")),
    ]
}

fn unreadable() -> Vec<Case> {
    let mut cases = badly_padded();
    cases.extend(parts_wrong());
    cases.extend(numbers_out_of_type());
    cases.extend(times_out_of_range());
    cases
}

fn badly_padded() -> Vec<Case> {
    let good = parts().bytes();
    let mut not_zero = padded(good.clone());
    *not_zero.last_mut().expect("padding") = 1;
    let over = [padded(good.clone()), vec![0; 32]].concat();
    let full = filled(96).bytes();
    let behind = [&full[..], &[0; 32]].concat();
    let mut cases = Vec::new();
    let mut bad = |name, why, payload: &[u8], fine: &[u8]| {
        let sibling = Some((NOW, token_of(&padded(fine.to_vec()))));
        cases.push(Case { sibling, ..refused(name, "bad-payload", why, token_of(payload)) });
    };
    bad("bad-payload-zeros", "nothing but zeros: no tag, and an idle limit of 0", &[0; 32], &good);
    bad("bad-payload-padding", "padding that is not zero", &not_zero, &good);
    bad("bad-payload-over-padded", "a whole block of padding too much", &over, &good);
    bad("bad-payload-fitting", "a block of padding where none is needed", &behind, &full);
    bad("bad-payload-cut", "the payload ends inside a field", &good[..32], &good);
    cases
}

/// The typical payload with one part wrong; its sibling has the same part just right.
fn part_wrong(name: &'static str, why: &'static str, part: &str, wrong: Vec<u8>, right: Vec<u8>) -> Case {
    in_parts(&parts(), NOW, name, why, (part, wrong, right))
}

fn in_parts(
    base: &Parts,
    now: u64,
    name: &'static str,
    why: &'static str,
    (part, wrong, right): (&str, Vec<u8>, Vec<u8>),
) -> Case {
    let sibling = Some((now, base.with(part, right).token()));
    Case { now, sibling, ..refused(name, "bad-payload", why, base.with(part, wrong).token()) }
}

fn times_out_of_range() -> Vec<Case> {
    let bad = part_wrong;
    let (now, max) = (NOW.cast_signed(), TO_MAX.cast_signed());
    // Without a lifetime, so that it can start at the very end; and one that lives to the end, to be judged there.
    let (starts, ends) = (parts().with("lifetime", vec![0]), parts().with("lifetime", varint(TO_MAX)));
    let started = ("started", varint(MAX + 1), varint(MAX));
    let sealed = ("sealed", varint(MAX + 1), varint(MAX));
    let (lifetime, claims) = ("expires after the year 9999", "claims of after the year 9999");
    let time = "started after the year 9999, and so all that is counted from there";
    let (negative, least) = ("authenticated before 1970", "the least i64 as a distance");
    vec![
        in_parts(&starts, NOW, "bad-payload-time", time, started),
        in_parts(&ends, MAX - 1, "bad-payload-sealed", "sealed after the year 9999", sealed),
        bad("bad-payload-lifetime", lifetime, "lifetime", varint(TO_MAX + 1), varint(TO_MAX)),
        bad("bad-payload-claims-at", claims, "claims_at", zigzag(max + 1), zigzag(max)),
        bad("bad-payload-negative-time", negative, "authenticated", zigzag(-now - 1), zigzag(-now)),
        bad("bad-payload-least-time", least, "authenticated", zigzag(i64::MIN), zigzag(-now)),
        bad("bad-payload-idle", "an idle limit of 0", "idle", varint(0), varint(1)),
    ]
}

/// What a reader that drops bits, or does not count bytes, would take for a good number.
fn numbers_out_of_type() -> Vec<Case> {
    let bad = part_wrong;
    let ext = |tag: &[u8]| extension(tag, 0);
    let idle = varint((1 << 32) + 1_800);
    let (sealed, now) = (stretched(u128::from(NOW) + (1 << 64), 10), u128::from(NOW));
    vec![
        bad("bad-payload-idle-wide", "1,800 + 2^32 in a u32", "idle", idle, varint((1 << 32) - 1)),
        bad("bad-payload-idle-long", "a u32 in six bytes", "idle", stretched(1_800, 6), stretched(1_800, 5)),
        bad("bad-payload-sealed-wide", "a time + 2^64 in a u64", "sealed", sealed, stretched(now, 10)),
        bad("bad-payload-sealed-long", "a u64 in eleven bytes", "sealed", stretched(now, 11), stretched(now, 10)),
        bad("bad-payload-variant-wide", "2^32 as a variant", "variant", varint(1 << 32), stretched(0, 5)),
        bad("bad-payload-ext-wide", "2^16 in a u16", "ext", ext(&varint(1 << 16)), ext(&varint((1 << 16) - 1))),
        bad("bad-payload-ext-long", "a u16 in four bytes", "ext", ext(&stretched(900, 4)), ext(&stretched(900, 3))),
        bad("bad-payload-count", "a list of 2^64 - 1 entries", "roles", varint(u64::MAX), varint(0)),
    ]
}

fn parts_wrong() -> Vec<Case> {
    let bad = part_wrong;
    let some = |text: &[u8]| [&[1][..], &counted(text)].concat();
    let option = [&[2], &some(NAME)[1..]].concat();
    let length = [&[1][..], &varint(u64::MAX), NAME].concat();
    let [fine, critical, neither] = [0, 1, 2].map(|flag| extension(&varint(900), flag));
    let variant = "a variant that this version does not have";
    vec![
        bad("bad-payload-variant", variant, "variant", vec![1], vec![0]),
        bad("bad-payload-option", "an option that is neither 0 nor 1", "subject", option, some(NAME)),
        bad("bad-payload-bool", "a bool that is neither 0 nor 1", "persistent", vec![2], vec![1]),
        bad("bad-payload-utf8", "a subject that is not UTF-8", "subject", some(b"\xfflice.smith"), some(NAME)),
        bad("bad-payload-surrogate", "a surrogate, U+D800", "subject", some(b"\xed\xa0\x80"), some(b"\xed\x9f\xbf")),
        bad("bad-payload-overlong", "A in two bytes of UTF-8", "subject", some(b"\xc1\x81"), some(b"\xc3\x81")),
        bad("bad-payload-length", "text of 2^64 - 1 bytes", "subject", length, some(NAME)),
        bad("bad-payload-critical", "a critical extension that no version knows", "ext", critical, fine.clone()),
        bad("bad-payload-critical-bool", "critical is neither 0 nor 1", "ext", neither, fine),
        bad("bad-payload-no-tags", "no tag", "tags", counted(&[]), counted(&[1; 8])),
        bad("bad-payload-odd-tags", "seven bytes of tags", "tags", counted(&[1; 7]), counted(&[1; 8])),
        bad("bad-payload-half-tag", "a tag and a half", "tags", counted(&[1; 12]), counted(&[1; 16])),
        bad("bad-payload-six-tags", "six tags", "tags", counted(&[1; 48]), counted(&[1; 40])),
    ]
}

/// One extension, `later`.
fn extension(tag: &[u8], critical: u8) -> Vec<u8> {
    [&[1], tag, &[critical], &counted(b"later")].concat()
}

fn untimely() -> Vec<Case> {
    let token = sealed(&typical());
    let renewed = sealed(&Claims { sealed: at(NOW + 43_000_000), ..typical() });
    let mut cases = Vec::new();
    let mut bad = |name, expect, why, now, good, token: &[u8]| {
        let sibling = Some((good, token.to_vec()));
        cases.push(Case { now, sibling, ..refused(name, expect, why, token.to_vec()) });
    };
    bad("clock-ahead", "clock", "sealed 5,001 ms ahead of this clock", NOW - 5_001, NOW - 5_000, &token);
    bad("clock-far-ahead", "clock", "sealed ten minutes ahead of this clock", NOW - 600_000, NOW, &token);
    bad("expired-idle", "expired-idle", "at its idle limit", NOW + 1_800_000, NOW + 1_799_999, &token);
    let (end, why) = (NOW + 43_200_000, "renewed in time, at its absolute expiry");
    bad("expired-absolute", "expired-absolute", why, end, end - 1, &renewed);
    bad("expired-both", "expired-absolute", "absolute expiry is looked at first", NOW + 90_000_000, NOW, &token);
    cases
}

fn refused(name: &'static str, expect: &'static str, why: &'static str, token: Vec<u8>) -> Case {
    let sibling = Some((NOW, sealed(&typical())));
    Case { name, purpose: Purpose::Session, expect, why, now: NOW, token, claims: String::new(), sibling }
}

/// CSRF tokens where they are expected and where they are not, and what stands in their place.
fn of_csrf() -> Vec<Case> {
    let (purpose, good) = (Purpose::Csrf, csrf_sealed());
    let claims = csrf_json(SessionId(SID));
    let why = "the id of a session, and nothing else";
    let mut cases = vec![
        Case { name: "ok-csrf", purpose, expect: "ok", why, now: NOW, token: good.clone(), claims, sibling: None },
        refused("bad-tag-csrf-for-session", "bad-tag", "a CSRF token as a session", good.clone()),
    ];
    let payload = csrf_payload();
    let under = |root: &Secret<32>, cookie, realm, payload: &[u8]| raw_token(root, purpose, cookie, realm, payload);
    let ours = |payload: &[u8]| under(&root(), COOKIE, REALM, payload);
    let mut bad = |name, expect, why, token: Vec<u8>| {
        let sibling = Some((NOW, good.clone()));
        cases.push(Case { purpose, sibling, ..refused(name, expect, why, token) });
    };
    let whole = padded(payload.clone());
    let (cookies, realms) = (under(&root(), "__Host-other", REALM, &whole), under(&root(), COOKIE, "staging", &whole));
    bad("bad-tag-session-for-csrf", "bad-tag", "a session's token as a CSRF token", sealed(&typical()));
    bad("bad-tag-csrf-cookie", "bad-tag", "another cookie's CSRF token", cookies);
    bad("bad-tag-csrf-realm", "bad-tag", "another realm's CSRF token", realms);
    bad("unknown-key-csrf", "unknown-key", "under another key", under(&other_root(), COOKIE, REALM, &whole));
    bad("malformed-csrf-padded", "malformed", "padded as other base64", [&good[..], b"="].concat());
    let variant = padded([&[1], &payload[1..]].concat());
    bad("bad-payload-csrf-variant", "bad-payload", "a variant that this version does not have", ours(&variant));
    let why = "a session's payload under this purpose: not zero behind the id";
    bad("bad-payload-csrf-session", "bad-payload", why, ours(&padded(parts().bytes())));
    let mut not_zero = whole.clone();
    not_zero[31] = 1;
    bad("bad-payload-csrf-padding", "bad-payload", "padding that is not zero", ours(&not_zero));
    let over = [&whole[..], &[0; 32]].concat();
    bad("bad-payload-csrf-over-padded", "bad-payload", "a whole block of padding too much", ours(&over));
    cases
}

/// Through the library's own `seal_csrf`.
fn csrf_sealed() -> Vec<u8> {
    let binding = Binding::new(Purpose::Csrf, &cookie(COOKIE), &realm());
    let token = token::seal_csrf(&keys(), &binding, SessionId(SID), at(NOW), &Fresh).expect("a key");
    token.expose().as_bytes().to_vec()
}

/// By hand.
fn csrf_payload() -> Vec<u8> {
    [&[0], &SID[..]].concat()
}

fn csrf_json(sid: SessionId) -> String {
    serde_json::json!({ "sid": hex(&sid.0) }).to_string()
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
        amr: ["pwd"].into(),
        aal: 1,
        roles: ["editor", "billing"].into(),
        data: Vec::new(),
        persistent: false,
        tags: tags(b"subject1"),
        ext: Vec::new(),
    }
}

fn anonymous<'a>() -> Claims<'a> {
    Claims {
        subject: None,
        roles: Names::default(),
        amr: Names::default(),
        aal: 0,
        tags: tags(b"nobody 1"),
        ..typical()
    }
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

/// The parts of a payload, by the names of the format page and in its order, so that one can be made wrong.
#[derive(Clone)]
struct Parts(Vec<(&'static str, Vec<u8>)>);

/// Those of [`typical`], written by hand.
fn parts() -> Parts {
    Parts(vec![
        ("variant", vec![0]),
        ("sid", SID.to_vec()),
        ("subject", [&[1], &counted(NAME)[..]].concat()),
        ("started", varint(NOW)),
        ("authenticated", zigzag(0)),
        ("claims_at", zigzag(0)),
        ("sealed", varint(NOW)),
        ("lifetime", varint(43_200_000)),
        ("idle", varint(1_800)),
        ("amr", [&[1], &counted(b"pwd")[..]].concat()),
        ("aal", vec![1]),
        ("roles", [&[2], &counted(b"editor")[..], &counted(b"billing")].concat()),
        ("data", vec![0]),
        ("persistent", vec![0]),
        ("tags", counted(b"subject1")),
        ("ext", vec![0]),
    ])
}

/// Those of [`typical`], with an entry of data that makes them `len` bytes long.
fn filled(len: usize) -> Parts {
    let with_value = |n| parts().with("data", [&[1], &counted(b"a")[..], &counted(&vec![b'b'; n])].concat());
    (0..len).map(with_value).find(|parts| parts.bytes().len() == len).expect("a value that fits")
}

impl Parts {
    fn with(&self, name: &str, bytes: Vec<u8>) -> Self {
        let mut parts = self.clone();
        parts.0.iter_mut().find(|part| part.0 == name).expect("a part of a payload").1 = bytes;
        parts
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|part| &part.1).copied().collect()
    }

    fn token(&self) -> Vec<u8> {
        token_of(&padded(self.bytes()))
    }
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

fn token_of(payload: &[u8]) -> Vec<u8> {
    raw_token(&root(), Purpose::Session, COOKIE, REALM, payload)
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

fn varint(value: u64) -> Vec<u8> {
    stretched(value.into(), (64 - value.leading_zeros()).div_ceil(7).max(1) as usize)
}

/// A varint of `len` bytes, needed or not.
fn stretched(value: u128, len: usize) -> Vec<u8> {
    let byte = |i: usize| u8::try_from((value >> (7 * i)) & 0x7f).expect("seven bits");
    (0..len).map(|i| byte(i) | if i + 1 < len { 0x80 } else { 0 }).collect()
}

/// A varint of an `i64`.
fn zigzag(value: i64) -> Vec<u8> {
    varint(((value << 1) ^ (value >> 63)).cast_unsigned())
}

/// The length as a varint, then the bytes.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
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
        "amr": claims.amr[..],
        "aal": claims.aal,
        "roles": claims.roles[..],
        "data": claims.data,
        "persistent": claims.persistent,
        "tags": hex(claims.tags.as_bytes()),
        "ext": claims.ext.iter().map(|e| (e.tag, e.critical, hex(e.data))).collect::<Vec<_>>(),
    });
    value.to_string()
}
