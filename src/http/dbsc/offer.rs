//! What a login hands over for a browser that can bind the session to its device. All others pass it over.

use super::{REGISTRATION, Step, path};
use crate::config::RealmSite;
use crate::dbsc::registration;
use crate::http::control::Offer;
use crate::http::{Service, cookie};
use crate::sessions::{Issued, REGISTERS_WITHIN};
use crate::token::SealError;

/// The offer to the browser of a session that was just issued. None is made where the realm makes none, nor if something
/// of it can't be sealed: the session is good without it.
pub fn offer(service: &Service, site: &RealmSite, issued: &Issued) -> Offer {
    // An anonymous session is worth no theft.
    if site.dbsc.is_none() || issued.subject.is_none() {
        return Offer::default();
    }
    sealed(service, site, issued).unwrap_or_else(|error| {
        tracing::warn!("a login can't be bound to its device: {error}");
        Offer::default()
    })
}

fn sealed(service: &Service, site: &RealmSite, issued: &Issued) -> Result<Offer, SealError> {
    let anchor = service.sessions.anchor_for(&site.realm, issued)?;
    let challenge = service.sessions.challenge(&site.realm, issued.sid)?;
    let header = registration(&path(site, Step::Registration), challenge.expose());
    Ok(Offer {
        // Of no use after the time within which a device can be bound.
        anchor: Some(cookie::set_anchor(site, &anchor, Some(REGISTERS_WITHIN), service.sessions.now())),
        header: header.map(|header| (REGISTRATION.clone(), header)),
    })
}
