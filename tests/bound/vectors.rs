//! The vectors of sessions that are bound to a device: their tokens, anchors and challenges.

use sealpass::claims::{MARK, Mark, PUBLIC_KEY, PublicKey, Registration};
use sealpass::token::Challenge;

use super::*;

/// The cookie of anchors, where sessions are in [`COOKIE`].
pub const ANCHOR_COOKIE: &str = "__Host-sealpass-anchor";

/// Tokens, anchors and challenges, and what is none of them.
pub fn of_devices() -> Vec<Case> {
    let mut cases = good();
    cases.extend(badly_marked());
    cases.extend(bad_anchors());
    cases.extend(bad_challenges());
    cases.extend(exchanged());
    cases.extend(too_late());
    cases
}

/// What an anchor or a challenge says, or the class of its refusal.
pub fn judge_device(purpose: Purpose, sessions: &Sessions, realm: &Realm, token: &[u8]) -> Result<String, String> {
    let class = |refusal: Refusal| refusal.code().replace('_', "-");
    if purpose == Purpose::Anchor {
        let mut scratch = Scratch::default();
        return sessions.judge_anchor(realm, &[token], &mut scratch).map(|anchor| json(anchor.claims())).map_err(class);
    }
    match sessions.open_challenge(realm, token) {
        Ok(challenge) => Ok(challenge_json(&challenge)),
        Err(ChallengeError::Unopenable(unopenable)) => Err(class(unopenable.into())),
        Err(_) => Err("expired-absolute".to_owned()),
    }
}

#[test]
fn parts_of_devices_are_what_the_library_encodes() {
    assert_eq!(session(&[marked()]), sealed_as(Purpose::Session, &bound()));
    assert_eq!(anchor(&[marked(), keyed()]), sealed_as(Purpose::Anchor, &anchored()));
    assert_eq!(of_challenge(&challenge_payload(NOW + LIFE)), challenge_sealed());
    let realm = Realm::new(realm(), cookie(COOKIE), Lifetimes::DEFAULT);
    assert_eq!(realm.anchor_cookie().as_str(), ANCHOR_COOKIE);
}

fn good() -> Vec<Case> {
    let ok = |name, purpose, why, token, claims| Case {
        name,
        purpose,
        expect: "ok",
        why,
        now: NOW,
        token,
        claims,
        sibling: None,
    };
    let (session, anchor, challenge) = (Purpose::Session, Purpose::Anchor, Purpose::Challenge);
    let why = "the token of a session that is bound to a device: marked, and good for ten minutes";
    let mut cases = vec![ok("ok-bound", session, why, sealed_as(session, &bound()), json(&bound()))];
    let why = "the anchor of a session that is not bound: all that the session's own token says";
    cases.push(ok("ok-anchor", anchor, why, sealed_as(anchor, &typical()), json(&typical())));
    let why = "the anchor of a session that is bound: the mark, and the key of its device";
    cases.push(ok("ok-anchor-bound", anchor, why, sealed_as(anchor, &anchored()), json(&anchored())));
    let why = "a challenge: the id of a session, and two minutes";
    cases.push(ok("ok-challenge", challenge, why, challenge_sealed(), challenge_json(&given())));
    cases
}

/// A session's token with one thing about its mark wrong.
fn badly_marked() -> Vec<Case> {
    let bad = |name, why, extensions: &[Ext]| Case {
        sibling: Some((NOW, session(&[marked()]))),
        ..refused(name, "bad-payload", why, session(extensions))
    };
    let with = |at: usize, byte: u8| {
        let mut mark = marked();
        mark.2[at] = byte;
        mark
    };
    let short = |mut ext: Ext| {
        ext.2.pop();
        ext
    };
    let no_idle = (MARK, 1, [&[0; 4], &marked().2[4..]].concat());
    vec![
        bad("bad-payload-mark-plain", "a mark that is not critical", &[(MARK, 0, marked().2)]),
        bad("bad-payload-mark-short", "a mark of 19 bytes", &[short(marked())]),
        bad("bad-payload-mark-long", "a mark of 21 bytes", &[(MARK, 1, [&marked().2[..], &[0]].concat())]),
        bad("bad-payload-mark-idle", "an idle limit of 0 in the mark", &[no_idle]),
        bad("bad-payload-mark-time", "registered after the year 9999", &[with(4, 1)]),
        bad("bad-payload-mark-twice", "two marks", &[marked(), marked()]),
        bad("bad-payload-mark-key", "a device's key in a session's token", &[marked(), keyed()]),
    ]
}

fn bad_anchors() -> Vec<Case> {
    let bad = |name, why, extensions: &[Ext]| Case {
        purpose: Purpose::Anchor,
        sibling: Some((NOW, anchor(&[marked(), keyed()]))),
        ..refused(name, "bad-payload", why, anchor(extensions))
    };
    let key = keyed().2;
    let compressed = (PUBLIC_KEY, 1, [&[2], &key[1..]].concat());
    vec![
        bad("bad-payload-anchor-mark", "a mark, and no key", &[marked()]),
        bad("bad-payload-anchor-key", "a key, and no mark", &[keyed()]),
        bad("bad-payload-anchor-key-plain", "a key that is not critical", &[marked(), (PUBLIC_KEY, 0, key.clone())]),
        bad("bad-payload-anchor-key-short", "a key of 64 bytes", &[marked(), (PUBLIC_KEY, 1, key[..64].to_vec())]),
        bad("bad-payload-anchor-key-form", "a key that is no uncompressed point", &[marked(), compressed]),
        bad("bad-payload-anchor-keys", "two keys", &[marked(), keyed(), keyed()]),
        bad("bad-payload-anchor-critical", "another critical extension", &[marked(), keyed(), (900, 1, vec![])]),
    ]
}

fn bad_challenges() -> Vec<Case> {
    let good = challenge_payload(NOW + LIFE);
    let bad = |name, why, payload: Vec<u8>| Case {
        purpose: Purpose::Challenge,
        sibling: Some((NOW, challenge_sealed())),
        ..refused(name, "bad-payload", why, of_challenge(&payload))
    };
    let variant = [&[1], &good[1..]].concat();
    let padding = [&padded(good.clone())[..31], &[1]].concat();
    let over = [padded(good), vec![0; 32]].concat();
    vec![
        bad("bad-payload-challenge-variant", "a variant that this version does not have", variant),
        bad("bad-payload-challenge-time", "good until after the year 9999", challenge_payload(MAX + 1)),
        bad("bad-payload-challenge-padding", "padding that is not zero", padding),
        bad("bad-payload-challenge-over-padded", "a whole block of padding too much", over),
        bad("bad-payload-challenge-session", "a session's payload under this purpose", parts().bytes()),
    ]
}

/// One kind of token where another is expected.
fn exchanged() -> Vec<Case> {
    let bound = sealed_as(Purpose::Session, &bound());
    let anchor = anchor(&[marked(), keyed()]);
    let case = |name, purpose, why, token: Vec<u8>, good: &[u8]| Case {
        purpose,
        sibling: Some((NOW, good.to_vec())),
        ..refused(name, "bad-tag", why, token)
    };
    let challenge = challenge_sealed();
    let other = raw_token(&root(), Purpose::Anchor, COOKIE, REALM, &padded(payload_with(1_800, &[marked(), keyed()])));
    vec![
        case("bad-tag-anchor-for-session", Purpose::Session, "an anchor as a session", anchor.clone(), &bound),
        case("bad-tag-session-for-anchor", Purpose::Anchor, "a bound session's token as an anchor", bound, &anchor),
        case("bad-tag-anchor-cookie", Purpose::Anchor, "an anchor for the session's cookie", other, &anchor),
        case(
            "bad-tag-csrf-for-challenge",
            Purpose::Challenge,
            "a CSRF token as a challenge",
            csrf_sealed(),
            &challenge,
        ),
        case("bad-tag-challenge-for-csrf", Purpose::Csrf, "a challenge as a CSRF token", challenge, &csrf_sealed()),
    ]
}

fn too_late() -> Vec<Case> {
    let case = |name, purpose, expect, why, (now, good), token: Vec<u8>| Case {
        purpose,
        now,
        sibling: Some((good, token.clone())),
        ..refused(name, expect, why, token)
    };
    let (bound, anchored) = (session(&[marked()]), anchor(&[marked(), keyed()]));
    let (ten, thirty) = (NOW + 600_000, NOW + 1_800_000);
    let why = "a bound session's token after ten minutes: its own idle limit, not that in its mark";
    vec![
        case("expired-idle-bound", Purpose::Session, "expired-idle", why, (ten, ten - 1), bound),
        case(
            "expired-idle-anchor",
            Purpose::Anchor,
            "expired-idle",
            "at its idle limit",
            (thirty, thirty - 1),
            anchored,
        ),
        case(
            "expired-challenge",
            Purpose::Challenge,
            "expired-absolute",
            "when its two minutes are over",
            (NOW + LIFE, NOW + LIFE - 1),
            challenge_sealed(),
        ),
    ]
}

/// Tag, critical, content.
type Ext = (u16, u8, Vec<u8>);

/// By hand: registered at [`NOW`], with five minutes of tolerance, in a session that may be idle for half an hour.
fn marked() -> Ext {
    let at = (NOW + 300_000).to_be_bytes();
    (MARK, 1, [&1_800_u32.to_be_bytes()[..], &at, &key().fingerprint()].concat())
}

fn keyed() -> Ext {
    (PUBLIC_KEY, 1, [&[4][..], &[0x11; 32], &[0x22; 32]].concat())
}

fn session(extensions: &[Ext]) -> Vec<u8> {
    token_of(&padded(payload_with(600, extensions)))
}

fn anchor(extensions: &[Ext]) -> Vec<u8> {
    raw_token(&root(), Purpose::Anchor, ANCHOR_COOKIE, REALM, &padded(payload_with(1_800, extensions)))
}

fn payload_with(idle: u64, extensions: &[Ext]) -> Vec<u8> {
    let each = extensions.iter().map(|(tag, critical, data)| [varint((*tag).into()), vec![*critical], counted(data)]);
    let ext = [varint(extensions.len() as u64), each.flatten().flatten().collect()].concat();
    parts().with("idle", varint(idle)).with("ext", ext).bytes()
}

fn of_challenge(payload: &[u8]) -> Vec<u8> {
    raw_token(&root(), Purpose::Challenge, COOKIE, REALM, &padded(payload.to_vec()))
}

fn challenge_payload(expires: u64) -> Vec<u8> {
    [&[0], &SID[..], &varint(expires)].concat()
}

fn given() -> Challenge {
    Challenge { sid: SessionId(SID), expires: at(NOW + LIFE) }
}

/// Through the library's own `seal_challenge`.
fn challenge_sealed() -> Vec<u8> {
    let binding = Binding::new(Purpose::Challenge, &cookie(COOKIE), &realm());
    let token = token::seal_challenge(&keys(), &binding, given(), at(NOW), &Fresh).expect("a key");
    token.expose().as_bytes().to_vec()
}

fn challenge_json(challenge: &Challenge) -> String {
    serde_json::json!({ "sid": hex(&challenge.sid.0), "expires": challenge.expires.as_millis() }).to_string()
}

/// Not a point of the curve: whoever opens a token does not look.
fn key() -> PublicKey {
    PublicKey::from_coordinates(&[0x11; 32], &[0x22; 32])
}

fn mark() -> &'static [u8; 20] {
    static MARK: std::sync::LazyLock<[u8; 20]> = std::sync::LazyLock::new(|| {
        let by = Registration { at: at(NOW + 300_000), key: key().fingerprint() };
        Mark { by, idle: Duration::from_secs(1_800) }.to_bytes()
    });
    &MARK
}

fn bound() -> Claims<'static> {
    let ext = vec![Extension { tag: MARK, critical: true, data: mark() }];
    Claims { idle: Duration::from_secs(600), ext, ..typical() }
}

fn anchored() -> Claims<'static> {
    static KEY: std::sync::LazyLock<PublicKey> = std::sync::LazyLock::new(key);
    let mut claims = Claims { idle: Duration::from_secs(1_800), ..bound() };
    claims.ext.push(Extension { tag: PUBLIC_KEY, critical: true, data: KEY.as_bytes() });
    claims
}

/// Through the library's own `seal`.
fn sealed_as(purpose: Purpose, claims: &Claims<'_>) -> Vec<u8> {
    let name = if purpose == Purpose::Anchor { ANCHOR_COOKIE } else { COOKIE };
    let binding = Binding::new(purpose, &cookie(name), &realm());
    token::seal(&keys(), &binding, claims, &Fresh).expect("fits").expose().as_bytes().to_vec()
}

/// How long a challenge is good.
const LIFE: u64 = 120_000;
