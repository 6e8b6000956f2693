//! A browser proves that it still has the key, and gets the next cookie.

use actix_web::HttpResponse;

use super::{Asked, Denial, SESSION_ID, SPENT};
use crate::dbsc::{Proof, PublicPoint, identifier, named};
use crate::http::presented::{anchors, with_scratch};
use crate::http::trail;
use crate::revocation::Ending;
use crate::sessions::{Anchor, Refusal};
use crate::telemetry::{By, Kind};

/// The next cookies of a bound session, from its anchor and the proof.
pub fn refresh(asked: Asked<'_>) -> Result<HttpResponse, Denial> {
    let Asked { service, request, site, .. } = asked;
    let id = asked.one(&SESSION_ID)?.and_then(|value| named(value.as_bytes())).ok_or(Denial::Refused("no_id"))?;
    let values = anchors(request.headers(), site);
    let judged = with_scratch(|scratch| match service.sessions.judge_anchor(&site.realm, &values, scratch) {
        Ok(anchor) => Ok(of_anchor(asked, &anchor, &id)),
        Err(refusal) => Err(refusal),
    });
    judged.unwrap_or_else(|refusal| Err(of_refusal(asked, &values, refusal)))
}

/// What becomes of the browser's part of a session whose anchor does not count.
fn of_refusal(asked: Asked<'_>, values: &[&[u8]], refusal: Refusal) -> Denial {
    let Asked { service, site, .. } = asked;
    let went_on = |value: &&[u8]| {
        with_scratch(|scratch| {
            let claims = service.sessions.recognise_anchor(&site.realm, value, scratch);
            claims.is_some_and(|claims| service.sessions.went_on(&site.realm, claims.sid))
        })
    };
    match refusal {
        // Nothing can be told of the session. It may be there all the same, and the browser let the cookie out.
        Refusal::Missing => Denial::NotNow("no_anchor"),
        // The next one is on its way.
        Refusal::Ended(Ending::Superseded) | Refusal::SealedAhead => Denial::NotNow(refusal.code()),
        Refusal::Ended(Ending::Denied) if values.iter().any(went_on) => Denial::NotNow("rotated"),
        refusal => Denial::Over(refusal.code()),
    }
}

fn of_anchor(asked: Asked<'_>, anchor: &Anchor<'_>, id: &str) -> Result<HttpResponse, Denial> {
    let Asked { service, site, terms, .. } = asked;
    let Some(key) = anchor.key().map(|key| *key.as_bytes()).filter(|key| identifier(key) == id) else {
        // Another login has taken the place of the session that the browser means.
        return Err(Denial::Over("replaced"));
    };
    proven(asked, anchor, &key, id)?;
    let bound = service.sessions.refresh(&site.realm, anchor, terms.lifetime);
    let bound = bound.map_err(|_| Denial::NotNow("not_sealed"))?;
    service.metrics.sessions.renewed();
    trail::sealed(service, By::Dbsc, Kind::Renewed, site, &bound);
    Ok(asked.keep_up(&bound, &key))
}

/// Whether the browser has shown that it has the key, by a challenge of this session that nobody answered before.
fn proven(asked: Asked<'_>, anchor: &Anchor<'_>, key: &PublicPoint, id: &str) -> Result<(), Denial> {
    let Asked { service, site, .. } = asked;
    let claims = anchor.claims();
    let prove = |reason| match service.sessions.challenge(&site.realm, claims.sid) {
        Ok(challenge) => Denial::Prove { reason, challenge: challenge.expose().to_owned(), id: id.to_owned() },
        Err(_) => Denial::NotNow("not_sealed"),
    };
    // Whoever comes with an anchor and a wrong proof may have stolen it.
    let refused = |reason| {
        let whose = trail::Whose { session: claims.sid, subject: claims.subject_tag() };
        trail::unproven(service, site, whose, reason);
        Denial::Refused(reason)
    };
    let jwt = asked.proof()?.ok_or_else(|| prove("no_proof"))?;
    let proof = Proof::of_refresh(&jwt).map_err(|error| refused(error.code()))?;
    if !proof.is_signed_by(key) {
        return Err(refused("signature"));
    }
    match service.sessions.open_challenge(&site.realm, proof.untrusted_challenge().as_bytes()) {
        Ok(challenge) if challenge.sid == claims.sid => {}
        Ok(_) => return Err(prove("other_session")),
        Err(_) => return Err(prove("challenge")),
    }
    if SPENT.spend(proof.untrusted_challenge(), service.sessions.now()) { Ok(()) } else { Err(prove("replayed")) }
}
