//! What the listeners tell the audit trail, and keep of refusals and changes for whoever asks by the id of a request.

use super::head::Head;
use super::{Service, observed};
use crate::claims::{SessionId, Tag};
use crate::config::{Policy, RealmSite};
use crate::sessions::{Explanation, Issued, Refusal};
use crate::telemetry::{By, Decided, Decision, Event, Kind};
use crate::token::Scratch;

/// Whose request it was.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// Which session.
    pub session: SessionId,
    /// Whose; an anonymous one is nobody's.
    pub subject: Option<Tag>,
}

/// A session began, or has another token: `kind` says which.
pub fn sealed(service: &Service, by: By<'_>, kind: Kind, site: &RealmSite, issued: &Issued) {
    let whose = Whose { session: issued.sid, subject: issued.subject };
    note(service, by, kind, site, Some(whose), |_| {});
}

/// The session `old` goes on as another one.
pub fn rotated(service: &Service, by: By<'_>, site: &RealmSite, old: SessionId, issued: &Issued) {
    let whose = Whose { session: old, subject: issued.subject };
    let next = |event: &mut Event<'_>| event.next = Some(service.sessions.session_pseudonym(issued.sid));
    note(service, by, Kind::Rotated, site, Some(whose), next);
}

/// A session is over. Of one that was named by its id alone, the subject is not known.
pub fn ended(service: &Service, by: By<'_>, site: &RealmSite, sid: SessionId, subject: Option<Tag>) {
    note(service, by, Kind::Ended, site, Some(Whose { session: sid, subject }), |_| {});
}

/// All sessions of a subject are over, or their claims out of date: `kind` says which. `subject` is its tag; none for all
/// of a realm or a handle.
pub fn together(service: &Service, by: By<'_>, kind: Kind, realm: &str, subject: Option<Tag>, reason: &'static str) {
    write(service, Event::new(kind, realm, by), subject, |event| {
        event.subject = subject.map(|tag| service.sessions.subject_pseudonym(tag));
        event.reason = Some(reason);
    });
}

/// An operator was told what is in force about a session or a subject.
pub fn explained(service: &Service, by: By<'_>, site: &RealmSite, explanation: &Explanation) {
    note(service, by, Kind::Explained, site, None, |event| {
        event.session = explanation.sessions.first().copied();
        event.subject = explanation.subject;
    });
}

/// Somebody came with `values`, and was refused. If a session among them had been ended, the audit trail is told. Whose it
/// was, if that can be told and anybody could ask for it.
pub fn refused(
    service: &Service,
    request: Head<'_>,
    by: By<'_>,
    site: &RealmSite,
    values: &[&[u8]],
    refusal: Refusal,
    scratch: &mut Scratch,
) -> Option<Whose> {
    let (told, kept) = (refusal.is_over() && service.audit.is_on(), observed::is_named(service, request));
    if !refusal.knows_session() || !(told || kept) {
        return None;
    }
    let mut first = None;
    for value in values {
        let judged = service.sessions.verify(&site.realm, &[value], scratch).map(drop);
        let Err(refusal) = judged else { continue };
        let Some(claims) = service.sessions.recognise(&site.realm, value, scratch) else { continue };
        let whose = Whose { session: claims.sid, subject: claims.subject_tag() };
        first.get_or_insert(whose);
        if told && refusal.is_over() {
            service.audit.record(service.sessions.now(), || {
                let mut event = Event::new(Kind::Refused, site.realm.name().as_str(), by);
                of(service, &mut event, whose);
                event.reason = Some(refusal.code());
                event
            });
        }
    }
    first
}

/// A request was not let through. It is kept if a trusted proxy gave it an id, by which somebody may ask why.
pub fn kept(
    service: &Service,
    request: Head<'_>,
    by: By<'_>,
    policy: Option<&Policy>,
    decision: Decision,
    whose: Option<Whose>,
) {
    let Some(id) = observed::said(service, request) else { return };
    let refusal = Decided::refused(service.sessions.now(), &id, by.name(), decision.code());
    service.recent.refused(Decided {
        realm: policy.map(|policy| policy.realm.realm.name().as_str().to_owned()),
        policy: policy.map(|policy| policy.name.clone()),
        session: whose.map(|whose| service.sessions.session_pseudonym(whose.session)),
        subject: whose.and_then(|whose| whose.subject).map(|tag| service.sessions.subject_pseudonym(tag)),
        tag: whose.and_then(|whose| whose.subject),
        ..refusal
    });
}

/// Somebody has the anchor of a session that is bound to a device, and could not prove that he has the device.
#[cfg(feature = "dbsc")]
pub fn unproven(service: &Service, site: &RealmSite, whose: Whose, reason: &'static str) {
    note(service, By::Dbsc, Kind::Refused, site, Some(whose), |event| event.reason = Some(reason));
}

fn note(
    service: &Service,
    by: By<'_>,
    kind: Kind,
    site: &RealmSite,
    whose: Option<Whose>,
    complete: impl FnOnce(&mut Event<'_>),
) {
    write(service, Event::new(kind, site.realm.name().as_str(), by), whose.and_then(|whose| whose.subject), |event| {
        if let Some(whose) = whose {
            of(service, event, whose);
        }
        complete(event);
    });
}

/// To the trail, and to what is kept if it ended or changed something in a request that can be asked for. Where it goes
/// nowhere, it is not completed.
fn write(service: &Service, mut event: Event<'_>, tag: Option<Tag>, complete: impl FnOnce(&mut Event<'_>)) {
    let kept = event.is_kept();
    if !kept && !service.audit.is_on() {
        return;
    }
    complete(&mut event);
    let now = service.sessions.now();
    if kept && let Some(decided) = Decided::of(now, &event) {
        service.recent.happened(Decided { tag, ..decided });
    }
    service.audit.record(now, || event);
}

fn of(service: &Service, event: &mut Event<'_>, whose: Whose) {
    event.session = Some(service.sessions.session_pseudonym(whose.session));
    event.subject = whose.subject.map(|tag| service.sessions.subject_pseudonym(tag));
}
