//! A browser has made a key for the session that just began.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::{Asked, Denial, SPENT};
use crate::claims::{PublicKey, SessionId};
use crate::dbsc::Proof;
use crate::http::patience::Patience;
use crate::http::presented::{anchors, with_scratch};
use crate::http::trail;
use crate::sessions::{Anchor, BindError, Terms};
use crate::telemetry::{By, Kind};

/// Binds the session to the key that the proof brings. Nothing is handed out before a majority knows of it.
pub async fn register(asked: Asked<'_>) -> Result<HttpResponse, Denial> {
    let Asked { service, site, terms, .. } = asked;
    let jwt = asked.proof()?.ok_or(Denial::Refused("no_proof"))?;
    let (proof, key) = Proof::of_registration(&jwt).map_err(|error| Denial::Refused(error.code()))?;
    let challenge = service.sessions.open_challenge(&site.realm, proof.untrusted_challenge().as_bytes());
    let challenge = challenge.map_err(|_| Denial::Refused("challenge"))?;
    if !proof.is_signed_by(&key) {
        return Err(Denial::Refused("signature"));
    }
    let public = PublicKey::from_bytes(&key).ok_or(Denial::Refused("no_key"))?;
    let patience = Patience::usual(service);
    // Another replica may know of an ending, or of another device.
    let ask = |anchor: &Anchor<'_>| Ok(service.sessions.ask_before_change(&site.realm, anchor.claims()));
    let learned = with_anchor(asked, challenge.sid, ask)?;
    patience.learned(learned).await.map_err(|_| Denial::NotNow("no_majority"))?;
    if !service.is_ready() {
        return Err(Denial::NotNow("not_ready"));
    }
    if !SPENT.spend(proof.untrusted_challenge(), service.sessions.now()) {
        return Err(Denial::Refused("replayed"));
    }
    let terms = Terms { tolerance: terms.tolerance, life: terms.lifetime };
    let begun = with_anchor(asked, challenge.sid, |anchor| {
        service.sessions.register(&site.realm, anchor, public, terms).map_err(|error| of_bind(&error))
    })?;
    let bound = patience.settled(service, Ok(begun)).await.map_err(|problem| match problem.status() {
        StatusCode::CONFLICT => Denial::Refused("conflict"),
        _ => Denial::NotNow("no_majority"),
    })?;
    trail::sealed(service, By::Dbsc, Kind::Bound, site, &bound);
    Ok(asked.keep_up(&bound, &key))
}

/// The anchor of the session that the challenge was made for.
fn with_anchor<T>(
    asked: Asked<'_>,
    sid: SessionId,
    then: impl FnOnce(&Anchor<'_>) -> Result<T, Denial>,
) -> Result<T, Denial> {
    let Asked { service, request, site, .. } = asked;
    with_scratch(|scratch| {
        match service.sessions.judge_anchor(&site.realm, &anchors(request.headers(), site), scratch) {
            Ok(anchor) if anchor.claims().sid == sid => then(&anchor),
            Ok(_) => Err(Denial::Refused("other_session")),
            Err(refusal) => Err(Denial::Refused(refusal.code())),
        }
    })
}

fn of_bind(error: &BindError) -> Denial {
    match error {
        BindError::Seal(_) => Denial::NotNow("not_sealed"),
        BindError::Bound => Denial::Refused("bound_before"),
        BindError::TooOld => Denial::Refused("too_late"),
        _ => Denial::Refused("conflict"),
    }
}
