//! What holds for every input, tried on many: no header makes the scan or verify panic, nothing but the untouched token
//! is accepted, and rings and facts merge to the same whatever their order.
//!
//! Seeded, so that a failure comes back.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sealpass::claims::{Claims, CookieName, Names, RealmId, RealmName, Registration, SessionId, Tags};
use sealpass::clock::{Clock, ManualClock, Timestamp};
use sealpass::entropy::SystemEntropy;
use sealpass::http::cookie_values;
use sealpass::keyring::{KeyRecord, KeyRing, Keys, Kid, MergeError, file};
use sealpass::revocation::{Fact, FactStore, MemoryFacts, Recorded, SessionFacts, SessionKey, TagFacts, TagKey};
use sealpass::seal::Cipher;
use sealpass::secret::Secret;
use sealpass::sessions::{Lifetimes, NewSession, Realm, Refusal, Sessions};
use sealpass::store::CachedFacts;
use sealpass::token::Scratch;

const NAME: &str = "__Host-sealpass";

const HEADERS: u32 = 1_000_000;

#[test]
fn no_cookie_header_panics_and_none_but_the_token_is_accepted() {
    let world = World::new();
    let token = world.token("alice");
    let other = world.token("bob");
    let pair = format!("{NAME}={token}");
    let pieces: [&[u8]; 15] = [
        NAME.as_bytes(),
        token.as_bytes(),
        other.as_bytes(),
        pair.as_bytes(),
        pair.as_bytes(),
        b"=",
        b";",
        b"; ",
        b" ",
        b"\t",
        b"\"",
        b"%3D",
        b"\xc2\xa0",
        b"a=b",
        b"",
    ];
    let mut random = Random(0x5ea1_9a55);
    let (mut accepted, mut scratch) = (0, Scratch::default());
    for _ in 0..HEADERS {
        let mut line = Vec::new();
        for _ in 0..random.below(7) {
            match random.below(8) {
                0 => line.push(random.byte()),
                1 => line.extend((0..random.below(40)).map(|_| random.byte())),
                _ => line.extend_from_slice(random.of(&pieces)),
            }
        }
        for _ in 0..random.below(3) {
            mutate(&mut line, &mut random);
        }
        // Cut anywhere into the lines of a request.
        let cut = random.below(line.len() + 1);
        let lines = if random.below(2) == 0 { vec![&line[..]] } else { vec![&line[..cut], &line[cut..]] };
        let values = cookie_values(lines.iter().copied(), NAME.as_bytes());
        assert!(values.len() <= 5);
        if let Ok(session) = world.sessions.verify(&world.realm, &values, &mut scratch) {
            let whole = [token.as_bytes(), other.as_bytes()].map(|token| values.contains(&token));
            let subject = session.claims.subject;
            assert_eq!(whole, [subject == Some("alice"), subject == Some("bob")], "{}", String::from_utf8_lossy(&line));
            accepted += 1;
        }
    }
    assert!(accepted > HEADERS / 200, "the untouched token is among them: {accepted}");
}

#[test]
fn every_small_change_of_a_token_is_refused() {
    let world = World::new();
    let token = world.token("alice").into_bytes();
    let mut scratch = Scratch::default();
    let mut refused = |changed: &[u8], what: &str| {
        let result = world.sessions.verify(&world.realm, &[changed], &mut scratch);
        assert!(matches!(result, Err(Refusal::Unopenable(_))), "{what}: {}", String::from_utf8_lossy(changed));
    };
    for bit in 0..8 * token.len() {
        let mut changed = token.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        refused(&changed, "a flipped bit");
    }
    for length in 0..token.len() {
        refused(&token[..length], "the first part");
        refused(&token[token.len() - length..], "the last part");
    }
    for at in 0..=token.len() {
        for byte in *b"A_-=+/ \0\n;\"%.9z\xff" {
            let mut changed = token.clone();
            changed.insert(at, byte);
            refused(&changed, "one byte more");
        }
    }
    for at in 0..token.len() {
        let mut changed = token.clone();
        changed.remove(at);
        refused(&changed, "one byte less");
        if at > 0 && token[at] != token[at - 1] {
            let mut changed = token.clone();
            changed.swap(at, at - 1);
            refused(&changed, "two neighbours swapped");
        }
        for byte in *b"A_-=+/9z" {
            if byte != token[at] {
                let mut changed = token.clone();
                changed[at] = byte;
                refused(&changed, "another character");
            }
        }
    }
    for tail in [&b"A"[..], b"AA", b"AAA", b"AAAA", b"=", b"==", b"\r\n", b" "] {
        refused(&[&token, tail].concat(), "a tail");
        refused(&[tail, &token].concat(), "a head");
    }
    refused(&token.repeat(2), "twice");
    let mut scratch = Scratch::default();
    assert!(world.sessions.verify(&world.realm, &[&token], &mut scratch).is_ok(), "and untouched it is good");
}

#[test]
fn parts_of_two_tokens_make_none() {
    let world = World::new();
    let (a, b) = (world.token("alice"), world.token("alice"));
    assert_eq!(a.len(), b.len());
    let mut scratch = Scratch::default();
    for cut in 1..a.len() {
        let spliced = [&a.as_bytes()[..cut], &b.as_bytes()[cut..]].concat();
        if spliced != a.as_bytes() && spliced != b.as_bytes() {
            assert!(world.sessions.verify(&world.realm, &[&spliced], &mut scratch).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn random_texts_of_the_right_alphabet_are_refused() {
    let world = World::new();
    let token = world.token("alice");
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut random, mut scratch) = (Random(7), Scratch::default());
    for _ in 0..HEADERS / 10 {
        let mut text: Vec<_> = (0..random.below(400)).map(|_| random.of(alphabet)).collect();
        // Version and key id are public: most of these get as far as the cipher.
        let known = random.below(2) * 7;
        text.splice(..known.min(text.len()), token.bytes().take(known));
        assert!(world.sessions.verify(&world.realm, &[&text], &mut scratch).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn rings_merge_in_any_order_and_what_ended_stays_ended(replicas in prop::collection::vec(ring(), 3)) {
        let merged = |order: &[usize]| {
            let mut ring = replicas[order[0]].open();
            for &next in &order[1..] {
                ring.merge(replicas[next].open()).expect("one ring");
            }
            ring
        };
        let ring = merged(&[0, 1, 2]);
        let expected = shown(&ring);
        for order in [&[0, 2, 1][..], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0], &[0, 1, 1, 2, 0, 1, 2, 2]] {
            prop_assert_eq!(&shown(&merged(order)), &expected, "{:?}", order);
        }
        let mut right = replicas[1].open();
        right.merge(replicas[2].open()).expect("one ring");
        let mut whole = replicas[0].open();
        whole.merge(right).expect("one ring");
        prop_assert_eq!(&shown(&whole), &expected, "associative");

        for (record, now) in ring.records().iter().zip([0, 3, 6, 9].into_iter().cycle()) {
            let known: Vec<_> =
                replicas.iter().flat_map(|ring| &ring.records).filter(|other| other.kid == record.kid().0).collect();
            let destroyed = known.iter().any(|record| record.destroyed.is_some());
            let revoked = known.iter().any(|record| record.revoked.is_some());
            prop_assert_eq!((record.destroyed.is_some(), record.revoked.is_some()), (destroyed, revoked));
            prop_assert_eq!(record.opens(), !destroyed && !revoked);
            prop_assert!(record.opens() || ring.sealing(at(now)) != Some(record.kid()));
            prop_assert_eq!(record.not_before.map(Timestamp::as_millis), known.iter().filter_map(|record| record.not_before).max());
        }
    }

    #[test]
    fn facts_of_a_session_merge_in_any_order(facts in prop::collection::vec(session_fact(), 0..8), turn in 0..8_usize) {
        let merge = |facts: &[Fact]| facts.iter().fold(SessionFacts::default(), SessionFacts::with);
        let expected = merge(&facts);
        let mut other = facts.clone();
        other.reverse();
        prop_assert_eq!(merge(&other), expected);
        other.rotate_left(turn.min(facts.len()));
        other.extend_from_slice(&facts);
        prop_assert_eq!(merge(&other), expected);
        // No fact softens what the others say.
        for left_out in 0..facts.len() {
            let mut others = facts.clone();
            others.remove(left_out);
            let before = merge(&others);
            prop_assert!(expected.superseded >= before.superseded && expected.until >= before.until);
            if let Some(known) = before.bound {
                let still = expected.bound.expect("what is bound stays bound");
                prop_assert!(still.by <= known.by && still.of >= known.of, "the earlier registration holds");
            }
            if let Some(known) = before.deny {
                let still = expected.deny.expect("an ending stays");
                prop_assert!(still.from <= known.from && still.rotated <= known.rotated && still.of >= known.of);
                prop_assert!(still.succeeded >= known.succeeded, "once known, it stays");
            }
        }
    }

    #[test]
    fn merging_what_others_know_of_a_session_is_a_join(
        first in prop::collection::vec(session_fact(), 0..5),
        second in prop::collection::vec(session_fact(), 0..5),
        third in prop::collection::vec(session_fact(), 0..5),
    ) {
        let of = |facts: &[Fact]| facts.iter().fold(SessionFacts::default(), SessionFacts::with);
        let join = |a: SessionFacts, b: SessionFacts| b.facts(SESSION).fold(a, |known, fact| known.with(&fact));
        let (a, b, c) = (of(&first), of(&second), of(&third));
        prop_assert_eq!(join(a, b), join(b, a));
        prop_assert_eq!(join(join(a, b), c), join(a, join(b, c)));
        prop_assert_eq!(join(a, a), a);
        prop_assert_eq!(join(join(a, b), b), join(a, b));
        prop_assert!(!join(a, b).raised_over(&join(b, a)));
        // Who is refused by either is refused by both, but for whom a later registration alone would let in.
        prop_assert_eq!(join(a, b).bound.map(|bound| bound.by), a.bound.into_iter().chain(b.bound).map(|bound| bound.by).min());
    }

    #[test]
    fn what_is_known_is_handed_over_as_facts_that_say_the_same(
        facts in prop::collection::vec(session_fact(), 0..8),
        of_tag in prop::collection::vec(tag_fact(), 0..8),
    ) {
        let known = facts.iter().fold(SessionFacts::default(), SessionFacts::with);
        let handed: Vec<_> = known.facts(SESSION).collect();
        prop_assert_eq!(handed.iter().fold(SessionFacts::default(), SessionFacts::with), known);
        prop_assert_eq!(handed.iter().rev().fold(SessionFacts::default(), SessionFacts::with), known);
        let rotated = facts.iter().any(|fact| matches!(fact, Fact::Deny { rotated: true, .. }));
        prop_assert_eq!(known.succeeded(), rotated, "whatever else ended it");
        let known = of_tag.iter().fold(TagFacts::default(), TagFacts::with);
        prop_assert_eq!(known.facts(TAG).collect::<Vec<_>>().iter().fold(TagFacts::default(), TagFacts::with), known);
    }

    #[test]
    fn facts_of_a_tag_merge_in_any_order(facts in prop::collection::vec(tag_fact(), 0..8)) {
        let merge = |facts: &[Fact]| facts.iter().fold(TagFacts::default(), TagFacts::with);
        let mut other = facts.clone();
        other.reverse();
        other.extend_from_slice(&facts);
        prop_assert_eq!(merge(&other), merge(&facts));
        let cutoff = |fact: &Fact| if let Fact::Cutoff { at, .. } = fact { Some(*at) } else { None };
        let stale = |fact: &Fact| if let Fact::Stale { at, .. } = fact { Some(*at) } else { None };
        prop_assert_eq!(merge(&facts).cutoff, facts.iter().filter_map(cutoff).max());
        prop_assert_eq!(merge(&facts).stale, facts.iter().filter_map(stale).max());
    }

    #[test]
    fn s13_what_facts_refuse_no_fact_that_comes_later_lets_through(
        facts in prop::collection::vec(prop_oneof![session_fact(), tag_fact()], 0..8),
        late in prop::collection::vec(prop_oneof![session_fact(), tag_fact()], 0..8),
        (started, claims_at, now) in (time(), time(), time()),
    ) {
        let tags = [TAG.tag].concat();
        let claims = claims(SESSION.sid, started, claims_at, &tags);
        let judge = |facts: &[Fact]| {
            let session = facts.iter().fold(SessionFacts::default(), SessionFacts::with);
            let tag = facts.iter().fold(TagFacts::default(), TagFacts::with);
            let over = session.judge(&claims, now).is_some() || tag.cuts_off(claims.started);
            (over, tag.outdates(claims.claims_at))
        };
        let before = judge(&facts);
        let after = judge(&[facts.clone(), late.clone()].concat());
        prop_assert!(after.0 >= before.0 && after.1 >= before.1, "ended or stale before, and not any more");
        prop_assert_eq!(after, judge(&[late, facts.clone(), facts].concat()), "in any order, and twice");
    }

    #[test]
    fn both_stores_keep_what_the_merge_says(facts in prop::collection::vec(prop_oneof![session_fact(), tag_fact()], 0..12)) {
        let stores: [Box<dyn FactStore>; 2] =
            [Box::new(CachedFacts::new(Arc::new(ManualClock::at(at(0))))), Box::new(MemoryFacts::default())];
        for store in stores {
            let (mut session, mut tag) = (None::<SessionFacts>, None::<TagFacts>);
            for fact in &facts {
                let recorded = store.record(*fact, at(0));
                let expected = if let Fact::Cutoff { .. } | Fact::Stale { .. } = fact {
                    let before = tag.unwrap_or_default();
                    let after = *tag.insert(before.with(fact));
                    (after.raised_over(&before), false, false, true)
                } else {
                    let before = session.unwrap_or_default();
                    let after = *session.insert(before.with(fact));
                    (after.raised_over(&before), before.rotated(), after.succeeded(), after.over())
                };
                let Recorded { raised, was_rotated, succeeded, over, .. } = recorded;
                prop_assert_eq!((raised, was_rotated, succeeded, over), expected);
            }
            prop_assert_eq!((store.session(SESSION), store.tag(TAG)), (session, tag));
            prop_assert_eq!(store.floor(SESSION.realm), None);
        }
    }

    #[test]
    fn a_floor_is_the_latest_of_the_realm_s_and_of_all(floors in prop::collection::vec((any::<Option<bool>>(), time()), 0..8)) {
        let stores: [Box<dyn FactStore>; 2] =
            [Box::new(CachedFacts::new(Arc::new(ManualClock::at(at(0))))), Box::new(MemoryFacts::default())];
        let realm = |other: bool| RealmId([u8::from(other); 8]);
        for store in stores {
            for (of, time) in &floors {
                let fact = Fact::Floor { realm: of.map(realm), at: *time, until: at(9_000_000) };
                drop(store.record(fact, at(0)));
            }
            for other in [false, true] {
                let own = floors.iter().filter(|(of, _)| of.is_none_or(|of| of == other)).map(|(_, at)| *at).max();
                prop_assert_eq!(store.floor(realm(other)), own);
            }
        }
    }
}

#[test]
fn rings_of_two_deployments_never_merge() {
    let ring = || KeyRing::init(&SystemEntropy::new(), at(1)).expect("random bytes");
    assert_eq!(ring().merge(ring()).err(), Some(MergeError::OtherRing));
}

/// 100 logouts a second for three days, and one a second where the tests are not optimised.
#[test]
fn endings_are_kept_for_as_long_as_the_rule_says_and_no_longer() {
    let rate = if cfg!(debug_assertions) { 1 } else { 100 };
    let day = 24 * 60 * 60;
    let start = at(1_790_000_000_000);
    let entropy = Arc::new(SystemEntropy::new());
    let mut ring = KeyRing::init(&*entropy, start).expect("random bytes");
    let minutes = |minutes: u64| std::time::Duration::from_secs(minutes * 60);
    let lifetimes = Lifetimes::new(minutes(30), minutes(12 * 60), minutes(30), minutes(12 * 60)).expect("they fit");
    assert!(ring.note_limits(lifetimes.longest(), start));
    let keys = Keys::new(&ring, &*entropy).expect("random bytes");
    let (facts, clock) = (Arc::new(MemoryFacts::default()), Arc::new(ManualClock::at(start)));
    let sessions = Sessions::new(keys, Arc::clone(&facts) as Arc<dyn FactStore>, Arc::clone(&clock) as _, entropy);
    let realm =
        Realm::new(RealmName::new("default").expect("a name"), CookieName::new(NAME).expect("a name"), lifetimes);
    // Idle limit, staleness, sealing ahead, clocks: younger than 30 min + 5 s + 5 s + 2 s.
    let steady = 30 * 60 + 5 + 5 + 2 - 1;
    let (mut random, mut sid) = (Random(1), 0_u128);
    for second in 0..3 * day {
        for _ in 0..rate {
            sid += 1;
            let tags = random.next().to_be_bytes();
            let mut claims = claims(
                SessionId((sid << 64 | u128::from(random.next())).to_be_bytes()),
                clock.now(),
                clock.now(),
                &tags,
            );
            claims.expires = claims.started.plus(minutes(12 * 60));
            claims.idle = minutes(30);
            drop(sessions.end(&realm, &claims));
        }
        clock.advance(std::time::Duration::from_secs(1));
        if second % 10_000 == 0 || second + 1 == 3 * day {
            assert_eq!(facts.count(clock.now()), rate * steady.min(second + 1), "after {second} s");
        }
    }
}

/// Claims of which only this matters.
fn claims(sid: SessionId, started: Timestamp, claims_at: Timestamp, tags: &[u8]) -> Claims<'_> {
    Claims {
        sid,
        subject: Some("alice"),
        started,
        authenticated: started,
        claims_at,
        sealed: started,
        expires: Timestamp::MAX,
        idle: std::time::Duration::from_secs(1),
        amr: Names::default(),
        aal: 0,
        roles: Names::default(),
        data: Vec::new(),
        persistent: false,
        tags: Tags::from_bytes(tags).expect("whole tags"),
        ext: Vec::new(),
    }
}

struct World {
    sessions: Sessions,
    realm: Realm,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").expect("a time");
        let entropy = Arc::new(SystemEntropy::new());
        let ring = KeyRing::init(&*entropy, now).expect("random bytes");
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        let facts = Arc::new(MemoryFacts::default());
        let sessions = Sessions::new(keys, facts, Arc::new(ManualClock::at(now)), entropy);
        let name = CookieName::new(NAME).expect("a name");
        Self { sessions, realm: Realm::new(RealmName::new("default").expect("a name"), name, Lifetimes::DEFAULT) }
    }

    fn token(&self, subject: &str) -> String {
        let new = NewSession { subject: Some(subject), ..NewSession::default() };
        self.sessions.issue(&self.realm, &new).expect("a key").token.expose().to_owned()
    }
}

/// `SplitMix64`: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn mutate(line: &mut Vec<u8>, random: &mut Random) {
    if line.is_empty() {
        return;
    }
    let at = random.below(line.len());
    match random.below(6) {
        0 => line[at] ^= 1 << random.below(8),
        1 => line.insert(at, random.byte()),
        2 => drop(line.remove(at)),
        3 => line.truncate(at),
        4 => line.swap(at, at.saturating_sub(1)),
        _ => line.extend_from_within(at..),
    }
}

const SESSION: SessionKey = SessionKey { realm: RealmId([8; 8]), sid: SessionId([7; 16]) };
const TAG: TagKey = TagKey { realm: RealmId([8; 8]), tag: [7; 8] };

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

/// Times are few, so that they collide.
fn time() -> impl Strategy<Value = Timestamp> {
    (1..6_u64).prop_map(|minute| at(minute * 60_000))
}

fn session_fact() -> impl Strategy<Value = Fact> {
    (0..3_u8, any::<bool>(), time(), time()).prop_map(|(kind, flag, from, until)| match kind {
        0 => Fact::Deny { session: SESSION, from, rotated: flag, of: flag.then_some((TAG.tag, from)), until },
        1 => Fact::Superseded { session: SESSION, at: from, until },
        _ => {
            let by = Registration { at: from, key: [u8::from(flag); 8] };
            Fact::Bound { session: SESSION, by, of: (TAG.tag, until), until }
        }
    })
}

fn tag_fact() -> impl Strategy<Value = Fact> {
    (any::<bool>(), time(), time()).prop_map(|(cutoff, at, until)| match cutoff {
        true => Fact::Cutoff { tag: TAG, at, until },
        false => Fact::Stale { tag: TAG, at, until },
    })
}

/// What a ring file holds, written down a second time: the library gives no way to make such rings, on purpose.
#[derive(Clone, Debug, serde::Serialize)]
struct Ring {
    ring_id: [u8; 16],
    epoch: u64,
    tag_secret: [u8; 32],
    log_secret: [u8; 32],
    records: Vec<Record>,
    limits: Vec<Limit>,
    replaces: Option<[u8; 16]>,
}

#[derive(Clone, Debug, serde::Serialize)]
struct Record {
    kid: [u8; 4],
    root: Option<[u8; 32]>,
    created: u64,
    not_before: Option<u64>,
    revoked: Option<u64>,
    destroyed: Option<u64>,
}

#[derive(Clone, Debug, serde::Serialize)]
struct Limit {
    lifetime_seconds: u64,
    idle_seconds: u64,
    since: u64,
    ended: Option<u64>,
}

fn ring() -> impl Strategy<Value = Ring> {
    let maybe = || prop::option::of(0..10_u64);
    let record =
        (0..5_u8, 0..10_u64, maybe(), prop::option::weighted(0.2, 0..10_u64), prop::option::weighted(0.2, 0..10_u64));
    let record = record.prop_map(|(root, created, not_before, revoked, destroyed)| {
        let root = [root; 32];
        let kid = Kid::of(&Secret::from_slice(&root).expect("32 bytes")).0;
        Record { kid, root: Some(root).filter(|_| destroyed.is_none()), created, not_before, revoked, destroyed }
    });
    let limit = (1..3_u64, 1..3_u64, 0..10_u64, maybe());
    let limit = limit.prop_map(|(lifetime_seconds, idle_seconds, since, ended)| Limit {
        lifetime_seconds,
        idle_seconds,
        since,
        ended,
    });
    let parts = (prop::collection::vec(record, 0..6), prop::collection::vec(limit, 0..4), 1..9_u64);
    parts.prop_map(|(mut records, mut limits, epoch)| {
        records.sort_by_key(|record| record.kid);
        records.dedup_by_key(|record| record.kid);
        limits.sort_by_key(|limit| (limit.lifetime_seconds, limit.idle_seconds));
        limits.dedup_by_key(|limit| (limit.lifetime_seconds, limit.idle_seconds));
        Ring { ring_id: [1; 16], epoch, tag_secret: [2; 32], log_secret: [3; 32], records, limits, replaces: None }
    })
}

impl Ring {
    /// Through the bytes of a ring file, as the format page has them.
    fn open(&self) -> KeyRing {
        let (secret, data_key) = (Secret::from_slice(&[4; 32]).expect("32 bytes"), [5; 32]);
        let (nonce, id): ([u8; 24], [u8; 8]) = ([6; 24], secret.derive_public(b"ring slot id"));
        let mut wrapped = data_key;
        let tag = Cipher::new(&secret.derive(b"ring wrap")).seal_in_place(&nonce, &id, &mut wrapped);
        let mut body = vec![0]; // the variant V1
        body.extend(postcard::to_stdvec(self).expect("it has a form"));
        let cipher = Cipher::new(&Secret::from_slice(&data_key).expect("32 bytes"));
        let body_tag = cipher.seal_in_place(&nonce, file::MAGIC, &mut body);
        body.extend_from_slice(&body_tag);
        let slots = [(0_u8, id, nonce, wrapped, tag)];
        let envelope = postcard::to_stdvec(&(&slots[..], nonce, body.as_slice())).expect("it has a form");
        file::open(&[file::MAGIC, envelope.as_slice()].concat(), &secret).expect("a ring file")
    }
}

/// All that the public API tells of a ring.
fn shown(ring: &KeyRing) -> String {
    let record = |record: &KeyRecord| {
        let KeyRecord { created, not_before, revoked, destroyed, .. } = record;
        format!("{} {created:?} {not_before:?} {revoked:?} {destroyed:?} {}\n", record.kid(), record.opens())
    };
    let records: String = ring.records().iter().map(record).collect();
    let sealing: Vec<_> = (0..10).map(|now| ring.sealing(at(now))).collect();
    format!("{:?} {} {records} {:?} {sealing:?}", ring.id(), ring.epoch(), ring.limits())
}
