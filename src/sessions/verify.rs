//! Who is it? From a cookie's values to a judged session.

use super::{Realm, Sessions};
use crate::claims::{Claims, PublicKey, Tag};
use crate::clock::Timestamp;
use crate::keyring::Keys;
use crate::revocation::{Ending, SEALED_AHEAD, reaches};
use crate::token::{Binding, Scratch, Unopenable, open};

/// Most cookies of one name in a request; with more, none counts.
pub const MAX_CANDIDATES: usize = 4;

/// A session that is good at this moment.
#[derive(Debug)]
pub struct Session<'s> {
    /// What it says.
    pub claims: Claims<'s>,
    /// Whether a renewed token is due.
    pub renewal_due: bool,
    /// Whether roles and data are out of date: then the roles are not to be relied on.
    pub stale: bool,
    /// Whether its end is set: it was rotated with some grace, or is bound to a device meanwhile and does not say so. It lives
    /// until that is over, and is neither renewed nor changed.
    pub ending: bool,
    /// The key of its device, if it is bound to one and its anchor is at hand: see [`Session::with_anchor`]. Whoever changes
    /// it needs it.
    pub key: Option<PublicKey>,
    /// When it was judged.
    pub at: Timestamp,
}

/// Why nobody is recognised. For logs and metrics; a client learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No cookie of ours.
    #[error("no session cookie")]
    Missing,
    /// More cookies of one name than anybody has by accident.
    #[error("more than {MAX_CANDIDATES} cookies of this name")]
    TooMany,
    /// No token of ours.
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
    /// Not renewed within its idle limit.
    #[error("idle for longer than its limit")]
    ExpiredIdle,
    /// Older than any session may get.
    #[error("past its absolute expiry")]
    ExpiredAbsolute,
    /// Sealed further in the future than clocks may differ.
    #[error("sealed in the future: the clocks of the replicas disagree")]
    SealedAhead,
    /// Ended, cut off or outdated.
    #[error("ended or outdated")]
    Ended(Ending),
    /// Several cookies, of more than one subject.
    #[error("cookies of more than one subject")]
    SubjectsDiffer,
}

impl Refusal {
    /// A short, stable name for metrics and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooMany => "too_many",
            Self::Unopenable(Unopenable::Malformed) => "malformed",
            Self::Unopenable(Unopenable::UnknownVersion) => "unknown_version",
            Self::Unopenable(Unopenable::UnknownKey) => "unknown_key",
            Self::Unopenable(Unopenable::BadTag) => "bad_tag",
            Self::Unopenable(Unopenable::BadPayload) => "bad_payload",
            Self::ExpiredIdle => "expired_idle",
            Self::ExpiredAbsolute => "expired_absolute",
            Self::SealedAhead => "clock",
            Self::Ended(Ending::Denied) => "ended",
            Self::Ended(Ending::CutOff) => "cut_off",
            Self::Ended(Ending::Superseded) => "superseded",
            Self::Ended(Ending::Floored) => "floored",
            Self::Ended(Ending::Unbound) => "unbound",
            Self::SubjectsDiffer => "subjects_differ",
        }
    }

    /// Whether the session was ended. A token that newer claims made out of date is no such case, nor is one without the
    /// mark of a session that is bound to a device: its session lives.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended(Ending::Denied | Ending::CutOff | Ending::Floored))
    }

    /// Whether a session was presented that can be named, though it does not count.
    pub fn knows_session(self) -> bool {
        matches!(self, Self::ExpiredIdle | Self::ExpiredAbsolute | Self::SealedAhead | Self::Ended(_))
    }

    /// Every code there is, so that metrics can begin at zero.
    pub const CODES: [&'static str; 16] = [
        "missing",
        "too_many",
        "malformed",
        "unknown_version",
        "unknown_key",
        "bad_tag",
        "bad_payload",
        "expired_idle",
        "expired_absolute",
        "clock",
        "ended",
        "cut_off",
        "superseded",
        "floored",
        "unbound",
        "subjects_differ",
    ];
}

impl Sessions {
    /// Judges the `candidates`: the values of all cookies with the realm's name, as they came.
    ///
    /// With several (a browser never has them; an attacker who plants cookies does): expired and unreadable ones do not
    /// count, all others have to be one subject's, none of them ended, and the newest gives the claims.
    ///
    /// # Errors
    /// [`Refusal`], and nothing a client should hear of it.
    pub fn verify<'s>(
        &self,
        realm: &Realm,
        candidates: &[&[u8]],
        scratch: &'s mut Scratch,
    ) -> Result<Session<'s>, Refusal> {
        self.verify_as((realm, realm.session()), candidates, scratch)
    }

    /// The same of tokens of either kind: sessions, or anchors.
    pub(super) fn verify_as<'s>(
        &self,
        kind: Kind<'_>,
        candidates: &[&[u8]],
        scratch: &'s mut Scratch,
    ) -> Result<Session<'s>, Refusal> {
        let (keys, now) = (self.keys.load(), self.now());
        let value = match candidates {
            [] => return Err(Refusal::Missing),
            [one] => one,
            several if several.len() > MAX_CANDIDATES => return Err(Refusal::TooMany),
            several => self.newest(&keys, kind, several, now, scratch)?,
        };
        let claims = open(&keys, kind.1, value, scratch)?;
        let Good { stale, ending } = self.judge(kind.0, &claims, now)?;
        // What is bound to a device, that one alone renews.
        let renewal_due = !ending && slot(&claims, now) > slot(&claims, claims.sealed) && !claims.is_bound();
        Ok(Session { claims, renewal_due, stale, ending, key: None, at: now })
    }

    /// What an authentic token says, whether or not it is still good: to end its session. `None` for anything else.
    pub fn recognise<'s>(&self, realm: &Realm, value: &[u8], scratch: &'s mut Scratch) -> Option<Claims<'s>> {
        open(&self.keys.load(), realm.session(), value, scratch).ok()
    }

    /// The one of several values that counts.
    fn newest<'c>(
        &self,
        keys: &Keys,
        (realm, binding): Kind<'_>,
        candidates: &[&'c [u8]],
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Result<&'c [u8], Refusal> {
        let mut best: Option<(Rank, &'c [u8])> = None;
        let mut passed_over = Refusal::Missing;
        for value in candidates {
            let opened = open(keys, binding, value, scratch).map_err(Refusal::from);
            match opened.and_then(|claims| self.judge(realm, &claims, now).map(|_| Rank::of(&claims))) {
                Ok(rank) => match &best {
                    Some((known, _)) if known.subject != rank.subject => return Err(Refusal::SubjectsDiffer),
                    Some((known, _)) if known.newness >= rank.newness => {}
                    _ => best = Some((rank, value)),
                },
                Err(refusal) if refusal.is_over() => return Err(refusal),
                Err(refusal) => passed_over = refusal,
            }
        }
        best.map(|(_, value)| value).ok_or(passed_over)
    }

    /// One token that is authentic: in time, not ended.
    fn judge(&self, realm: &Realm, claims: &Claims<'_>, now: Timestamp) -> Result<Good, Refusal> {
        if claims.sealed > now.plus(SEALED_AHEAD) {
            return Err(Refusal::SealedAhead);
        }
        if now >= claims.expires {
            return Err(Refusal::ExpiredAbsolute);
        }
        if now >= claims.sealed.plus(claims.idle) {
            return Err(Refusal::ExpiredIdle);
        }
        self.standing(realm, claims, now).map_err(Refusal::Ended)
    }

    /// What the facts say: one look-up for the realm, one for the session and one for each tag.
    pub(super) fn standing(&self, realm: &Realm, claims: &Claims<'_>, now: Timestamp) -> Result<Good, Ending> {
        if self.facts.floor(realm.id()).is_some_and(|at| reaches(at, claims.started)) {
            return Err(Ending::Floored);
        }
        let mut good = Good::default();
        if let Some(own) = self.facts.session(realm.key(claims.sid)) {
            own.judge(claims, now).map_or(Ok(()), Err)?;
            good.ending = own.ends(claims);
        }
        for tag in claims.tags.iter() {
            if let Some(facts) = self.facts.tag(realm.tag_key(tag)) {
                if facts.cuts_off(claims.started) {
                    return Err(Ending::CutOff);
                }
                good.stale |= facts.outdates(claims.claims_at);
            }
        }
        Ok(good)
    }
}

/// Of which realm, and what its tokens are bound to.
pub(super) type Kind<'r> = (&'r Realm, &'r Binding);

/// What the facts say of a session that they do not end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Good {
    pub stale: bool,
    pub ending: bool,
}

/// What several tokens are compared by.
struct Rank {
    subject: Option<Tag>,
    newness: (Timestamp, Timestamp, Timestamp),
}

impl Rank {
    fn of(claims: &Claims<'_>) -> Self {
        Self { subject: claims.tags.iter().next(), newness: (claims.started, claims.claims_at, claims.sealed) }
    }
}

/// Which slot of a session `at` lies in. A slot is a sixth of the idle limit; the session's id shifts where slots begin,
/// so that sessions of one moment do not renew in one moment.
fn slot(claims: &Claims<'_>, at: Timestamp) -> u64 {
    let width = (claims.idle.as_secs().saturating_mul(1_000) / 6).max(1); // not `as_millis`: dividing a u128 is slow
    let shift = u64::from_be_bytes(std::array::from_fn(|i| claims.sid.0[i])) % width;
    (at.as_millis() + shift) / width
}
