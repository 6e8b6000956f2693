//! Claims as bytes: postcard of an append-only enum.
//!
//! Times other than `started` and `sealed` stand as distances from `started`. `sealed` stands whole, so that a renewed
//! token has the length of the first.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::unpadded;
use crate::claims::{Claims, Extension, Names, SessionId, Tags, are_readable};
use crate::clock::Timestamp;

/// Append-only: a variant, once released, keeps its place and its fields for ever. postcard does not evolve a struct
/// (`#[serde(default)]` does nothing there), so a new field is a new variant or an extension.
#[derive(Serialize, Deserialize)]
enum Payload<'a> {
    #[serde(borrow)]
    V1(V1<'a>),
}

#[derive(Serialize, Deserialize)]
struct V1<'a> {
    sid: [u8; 16],
    subject: Option<&'a str>,
    started: u64,
    authenticated: i64,
    claims_at: i64,
    sealed: u64,
    lifetime: u64,
    idle_seconds: u32,
    #[serde(borrow)]
    amr: Names<'a>,
    aal: u8,
    #[serde(borrow)]
    roles: Names<'a>,
    #[serde(borrow)]
    data: Vec<(&'a str, &'a str)>,
    persistent: bool,
    tags: &'a [u8],
    #[serde(borrow)]
    ext: Vec<Extension<'a>>,
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
        amr: claims.amr.clone(),
        aal: claims.aal,
        roles: claims.roles.clone(),
        data: claims.data.clone(),
        persistent: claims.persistent,
        tags: claims.tags.as_bytes(),
        ext: claims.ext.clone(),
    });
    postcard::to_extend(&payload, out).expect("a growing buffer takes every payload")
}

/// Reads an authentic, padded payload, of an anchor or of a session's token; `None` if this release can't.
pub(super) fn decode(plaintext: &[u8], anchor: bool) -> Option<Claims<'_>> {
    let Payload::V1(v1) = unpadded(plaintext)?;
    let started = Timestamp::from_millis(v1.started)?;
    let at = |distance: i64| Timestamp::from_millis(v1.started.checked_add_signed(distance)?);
    // A critical extension that is not known here must not be passed over.
    if !v1.ext.is_empty() && !are_readable(&v1.ext, anchor) {
        return None;
    }
    // A limit of 0 has no use: the token is dead when it is sealed. And the slots of renewal, a sixth of the limit
    // wide, would have no width for whoever divides by it.
    if v1.idle_seconds == 0 {
        return None;
    }
    Some(Claims {
        sid: SessionId(v1.sid),
        subject: v1.subject,
        started,
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
}
