//! What the listeners tell the audit trail. Nothing is put together unless there is one.

use super::Service;
use crate::claims::{SessionId, Tag};
use crate::config::RealmSite;
use crate::sessions::{Explanation, Issued, Refusal};
use crate::telemetry::{By, Event, Kind};
use crate::token::Scratch;

/// A session began, or has another token: `kind` says which.
pub fn sealed(service: &Service, by: By<'_>, kind: Kind, site: &RealmSite, issued: &Issued) {
    note(service, by, kind, site, |event| of(service, event, issued.sid, issued.subject));
}

/// The session `old` goes on as another one.
pub fn rotated(service: &Service, by: By<'_>, site: &RealmSite, old: SessionId, issued: &Issued) {
    note(service, by, Kind::Rotated, site, |event| {
        of(service, event, old, issued.subject);
        event.next = Some(service.sessions.session_pseudonym(issued.sid));
    });
}

/// A session is over. Of one that was named by its id alone, the subject is not known.
pub fn ended(service: &Service, by: By<'_>, site: &RealmSite, sid: SessionId, subject: Option<Tag>) {
    note(service, by, Kind::Ended, site, |event| of(service, event, sid, subject));
}

/// All sessions of a subject are over, or their claims out of date: `kind` says which. `subject` is its tag; none for all
/// of a realm or a handle.
pub fn together(service: &Service, by: By<'_>, kind: Kind, realm: &str, subject: Option<Tag>, reason: &'static str) {
    service.audit.record(service.sessions.now(), || {
        let mut event = Event::new(kind, realm, by);
        event.subject = subject.map(|tag| service.sessions.subject_pseudonym(tag));
        event.reason = Some(reason);
        event
    });
}

/// An operator was told what is in force about a session or a subject.
pub fn explained(service: &Service, by: By<'_>, site: &RealmSite, explanation: &Explanation) {
    note(service, by, Kind::Explained, site, |event| {
        event.session = explanation.sessions.first().copied();
        event.subject = explanation.subject;
    });
}

/// Somebody came with `values`, and was refused because a session among them had been ended.
pub fn refused(
    service: &Service,
    by: By<'_>,
    site: &RealmSite,
    values: &[&[u8]],
    refusal: Refusal,
    scratch: &mut Scratch,
) {
    if !refusal.is_over() || !service.audit.is_on() {
        return;
    }
    for value in values {
        let judged = service.sessions.verify(&site.realm, &[value], scratch).map(drop);
        let Err(refusal) = judged else { continue };
        let Some(claims) = service.sessions.recognise(&site.realm, value, scratch) else { continue };
        if refusal.is_over() {
            note(service, by, Kind::Refused, site, |event| {
                of(service, event, claims.sid, claims.subject_tag());
                event.reason = Some(refusal.code());
            });
        }
    }
}

/// Somebody has the anchor of a session that is bound to a device, and could not prove that he has the device.
#[cfg(feature = "dbsc")]
pub fn unproven(service: &Service, site: &RealmSite, sid: SessionId, subject: Option<Tag>, reason: &'static str) {
    note(service, By::Dbsc, Kind::Refused, site, |event| {
        of(service, event, sid, subject);
        event.reason = Some(reason);
    });
}

fn note<'e>(service: &Service, by: By<'e>, kind: Kind, site: &'e RealmSite, complete: impl FnOnce(&mut Event<'e>)) {
    service.audit.record(service.sessions.now(), || {
        let mut event = Event::new(kind, site.realm.name().as_str(), by);
        complete(&mut event);
        event
    });
}

fn of(service: &Service, event: &mut Event<'_>, sid: SessionId, subject: Option<Tag>) {
    event.session = Some(service.sessions.session_pseudonym(sid));
    event.subject = subject.map(|tag| service.sessions.subject_pseudonym(tag));
}
