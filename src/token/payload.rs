//! Claims as bytes: postcard of an append-only enum.
//!
//! Times other than `started` and `sealed` stand as distances from `started`. `sealed` stands whole, so that a renewed
//! token has the length of the first.

use std::time::Duration;

use serde::Serialize;

use super::is_padding;
use super::read::Reader;
use crate::claims::{Claims, Extension, SessionId, Tags, are_readable};
use crate::clock::Timestamp;

/// Append-only: a variant, once released, keeps its place and its fields for ever. postcard does not evolve a struct
/// (`#[serde(default)]` does nothing there), so a new field is a new variant or an extension.
#[derive(Serialize)]
enum Payload<'a> {
    V1(V1<'a>),
}

#[derive(Serialize)]
struct V1<'a> {
    sid: [u8; 16],
    subject: Option<&'a str>,
    started: u64,
    authenticated: i64,
    claims_at: i64,
    sealed: u64,
    lifetime: u64,
    idle_seconds: u32,
    amr: &'a [&'a str],
    aal: u8,
    roles: &'a [&'a str],
    data: &'a [(&'a str, &'a str)],
    persistent: bool,
    tags: &'a [u8],
    ext: &'a [Extension<'a>],
}

/// Appends the bytes of `claims`, not padded yet, to `out`.
pub(super) fn encode(claims: &Claims<'_>, out: Vec<u8>) -> Vec<u8> {
    let started = claims.started.as_millis();
    let distance = |at: Timestamp| at.as_millis().cast_signed() - started.cast_signed();
    let payload = Payload::V1(V1 {
        sid: claims.sid.0,
        subject: claims.subject,
        started,
        authenticated: distance(claims.authenticated),
        claims_at: distance(claims.claims_at),
        sealed: claims.sealed.as_millis(),
        lifetime: claims.expires.since(claims.started).as_millis().try_into().unwrap_or(u64::MAX),
        idle_seconds: claims.idle.as_secs().try_into().unwrap_or(u32::MAX),
        amr: &claims.amr,
        aal: claims.aal,
        roles: &claims.roles,
        data: &claims.data,
        persistent: claims.persistent,
        tags: claims.tags.as_bytes(),
        ext: &claims.ext,
    });
    postcard::to_extend(&payload, out).expect("a growing buffer takes every payload")
}

/// Reads an authentic, padded payload, of an anchor or of a session's token; `None` if this release can't.
pub(super) fn decode(plaintext: &[u8], anchor: bool) -> Option<Claims<'_>> {
    let mut fields = Reader::new(plaintext);
    if fields.number(32)? != V1_PLACE {
        return None;
    }
    let sid = SessionId(fields.array()?);
    let subject = fields.optional(Reader::text)?;
    let begin = fields.number(64)?;
    let started = Timestamp::from_millis(begin)?;
    let at = |distance: i64| Timestamp::from_millis(begin.checked_add_signed(distance)?);
    let authenticated = at(fields.signed()?)?;
    let claims_at = at(fields.signed()?)?;
    let sealed = Timestamp::from_millis(fields.number(64)?)?;
    let expires = Timestamp::from_millis(begin.checked_add(fields.number(64)?)?)?;
    // A limit of 0 has no use: the token is dead when it is sealed. And the slots of renewal, a sixth of the limit
    // wide, would have no width for whoever divides by it.
    let idle = Some(Duration::from_secs(fields.number(32)?)).filter(|idle| !idle.is_zero())?;
    let amr = fields.list(Reader::text)?;
    let aal = fields.byte()?;
    let roles = fields.list(Reader::text)?;
    let data = fields.list(|fields| Some((fields.text()?, fields.text()?)))?;
    let persistent = fields.flag()?;
    let tags = Tags::from_bytes(fields.bytes()?)?;
    let ext: Vec<_> = fields.list(|fields| {
        let tag = u16::try_from(fields.number(16)?).ok()?;
        Some(Extension { tag, critical: fields.flag()?, data: fields.bytes()? })
    })?;
    // A critical extension that is not known here must not be passed over.
    if (!ext.is_empty() && !are_readable(&ext, anchor)) || !is_padding(fields.rest()) {
        return None;
    }
    Some(Claims {
        sid,
        subject,
        started,
        authenticated,
        claims_at,
        sealed,
        expires,
        idle,
        amr,
        aal,
        roles,
        data,
        persistent,
        tags,
        ext,
    })
}

/// The place of [`Payload::V1`] in its enum.
const V1_PLACE: u64 = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::token::{BLOCK, unpadded};

    /// The payload as serde reads it.
    #[derive(Deserialize)]
    enum ReadBySerde<'a> {
        #[serde(borrow)]
        V1(Fields<'a>),
    }

    #[derive(Deserialize)]
    struct Fields<'a> {
        sid: [u8; 16],
        subject: Option<&'a str>,
        started: u64,
        authenticated: i64,
        claims_at: i64,
        sealed: u64,
        lifetime: u64,
        idle_seconds: u32,
        #[serde(borrow)]
        amr: Vec<&'a str>,
        aal: u8,
        #[serde(borrow)]
        roles: Vec<&'a str>,
        #[serde(borrow)]
        data: Vec<(&'a str, &'a str)>,
        persistent: bool,
        tags: &'a [u8],
        #[serde(borrow)]
        ext: Vec<Extension<'a>>,
    }

    fn read_by_serde(plaintext: &[u8], anchor: bool) -> Option<Claims<'_>> {
        let ReadBySerde::V1(v1) = unpadded(plaintext)?;
        let at = |distance: i64| Timestamp::from_millis(v1.started.checked_add_signed(distance)?);
        let refused = v1.idle_seconds == 0 || !are_readable(&v1.ext, anchor);
        Some(Claims {
            sid: SessionId(v1.sid),
            subject: v1.subject,
            started: at(0)?,
            authenticated: at(v1.authenticated)?,
            claims_at: at(v1.claims_at)?,
            sealed: Timestamp::from_millis(v1.sealed)?,
            expires: Timestamp::from_millis(v1.started.checked_add(v1.lifetime)?)?,
            idle: Duration::from_secs(v1.idle_seconds.into()),
            amr: v1.amr,
            aal: v1.aal,
            roles: v1.roles,
            data: v1.data,
            persistent: v1.persistent,
            tags: Tags::from_bytes(v1.tags)?,
            ext: v1.ext,
        })
        .filter(|_| !refused)
    }

    fn time() -> impl Strategy<Value = Timestamp> {
        prop_oneof![0..1_u64 << 14, 0..=Timestamp::MAX.as_millis()]
            .prop_map(|millis| Timestamp::from_millis(millis).expect("within the limits"))
    }

    prop_compose! {
        /// Claims, written down.
        fn written()(
            sid: [u8; 16],
            subject in proptest::option::of(".{0,40}"),
            times in proptest::array::uniform5(time()),
            idle in prop_oneof![0..200_u64, 0..=u64::from(u32::MAX)],
            amr in proptest::collection::vec(".{0,8}", 0..5),
            roles in proptest::collection::vec(".{0,140}", 0..6),
            data in proptest::collection::vec((".{0,8}", ".{0,200}"), 0..4),
            (aal, persistent, tags) in (any::<u8>(), any::<bool>(), 1..=5_usize),
            ext in proptest::collection::vec((prop_oneof![0..4_u16, any::<u16>()], proptest::bool::weighted(0.1), ".{0,4}"), 0..3),
        ) -> Vec<u8> {
            let [started, authenticated, claims_at, sealed, expires] = times;
            let tags = [7; 40].split_at(tags * 8).0.to_vec();
            let claims = Claims {
                sid: SessionId(sid),
                subject: subject.as_deref(),
                started,
                authenticated,
                claims_at,
                sealed,
                expires,
                idle: Duration::from_secs(idle),
                amr: amr.iter().map(String::as_str).collect(),
                aal,
                roles: roles.iter().map(String::as_str).collect(),
                data: data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
                persistent,
                tags: Tags::from_bytes(&tags).expect("whole ones"),
                ext: ext.iter().map(|(tag, critical, data)| {
                    Extension { tag: *tag, critical: *critical, data: data.as_bytes() }
                }).collect(),
            };
            let mut bytes = encode(&claims, Vec::new());
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
            bytes
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_serde_reads_it(bytes in written(), anchor: bool) {
            prop_assert!(decode(&bytes, anchor) == read_by_serde(&bytes, anchor));
        }

        #[test]
        fn what_serde_refuses_is_refused(
            mut bytes in written(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
                Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>(),
            ]), 1..12),
            (cut, anchor) in (0..70_usize, any::<bool>()),
        ) {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            prop_assert!(decode(&bytes, anchor) == read_by_serde(&bytes, anchor));
        }
    }

    #[test]
    fn numbers_are_taken_and_refused_as_postcard_does() {
        for last in 0..=255 {
            for length in 0..11 {
                for filler in [0x80, 0xff, 0x81] {
                    let bytes = [&vec![filler; length][..], &[last, 0x55]].concat();
                    let read = |bits| Reader::new(&bytes).number(bits);
                    assert_eq!(read(64), postcard::take_from_bytes(&bytes).ok().map(|(n, _): (u64, _)| n));
                    assert_eq!(read(32), postcard::take_from_bytes(&bytes).ok().map(|(n, _): (u32, _)| n.into()));
                    assert_eq!(read(16), postcard::take_from_bytes(&bytes).ok().map(|(n, _): (u16, _)| n.into()));
                    let signed = postcard::take_from_bytes(&bytes).ok().map(|(n, _): (i64, _)| n);
                    assert_eq!(Reader::new(&bytes).signed(), signed, "{bytes:?}");
                }
            }
        }
    }
}
