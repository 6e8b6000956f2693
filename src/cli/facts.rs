//! The fact store of a service that starts: its journal, its budgets, and the thread that looks after it.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sealpass::clock::{Clock, SystemClock};
use sealpass::config::{Settings, Site};
use sealpass::sessions::Sessions;
use sealpass::store::{Budget, CachedFacts, Fold, Folded, Journal};
use sealpass::telemetry::{Audit, By, Event, FactMetrics, Kind};

use super::Failure;

/// Opens the store and its journal. It knows nothing before it is started. Among others it goes by the clock of the
/// sessions, which is the one that is compared with theirs.
pub fn open(
    settings: &Settings,
    site: &Site,
    metrics: FactMetrics,
    among_others: Option<Arc<dyn Clock>>,
) -> Result<CachedFacts, Failure> {
    let journal = Journal::place(settings.journal.as_deref(), &settings.keys);
    let journal = journal.as_deref().map(|path| Journal::open(path, metrics.journal.clone())).transpose()?;
    if journal.is_none() {
        tracing::warn!(
            "journal = \"none\": endings are kept in memory alone, and {}",
            without_journal(among_others.is_some())
        );
    }
    Ok(match among_others {
        Some(clock) => CachedFacts::in_fleet(clock, journal, budgets(site), metrics),
        // By the wall clock itself: the store has to see when that is set back.
        None => CachedFacts::with(Arc::new(SystemClock), journal, budgets(site), metrics),
    })
}

/// Writes folds into the audit trail. The sessions, which know the pseudonyms, come to be after the store.
pub fn note_folds(
    audit: Audit,
    site: &Site,
    sessions: Arc<OnceLock<Weak<Sessions>>>,
) -> impl Fn(&Fold) + Send + Sync + 'static {
    let names: Vec<_> = site.realms().map(|site| (site.realm.id(), site.realm.name().clone())).collect();
    move |fold| {
        let name = names.iter().find(|(id, _)| *id == fold.realm).map_or("", |(_, name)| name.as_str());
        let known = sessions.get().and_then(Weak::upgrade);
        audit.record(SystemClock.now(), || {
            let mut event = Event::new(Kind::Folded, name, By::Service);
            event.count = u64::try_from(fold.facts).ok();
            (event.reason, event.subject) = match fold.into {
                Folded::Cutoff(tag) => ("subject".into(), known.map(|sessions| sessions.subject_pseudonym(tag))),
                Folded::Floor => ("floor".into(), None),
            };
            event
        });
    }
}

fn budgets(site: &Site) -> impl Iterator<Item = Budget> {
    site.realms().map(|site| {
        let lifetimes = site.realm.lifetimes();
        let (facts, per_subject) = site.max_facts;
        Budget { realm: site.realm.name().clone(), facts, per_subject, longest: lifetimes.longest().lifetime }
    })
}

/// A cache without traffic drops nothing by itself.
pub fn keep_clean(facts: Arc<CachedFacts>) -> Result<(), Failure> {
    let clean = move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            facts.maintain();
        }
    };
    let thread = std::thread::Builder::new().name("facts".to_owned()).spawn(clean);
    thread.map(drop).map_err(|error| Failure::Io { what: "can't start a thread".to_owned(), error })
}

/// Whether endings are kept in a file.
pub fn has_journal(settings: &Settings) -> bool {
    Journal::place(settings.journal.as_deref(), &settings.keys).is_some()
}

/// What `check` says of the journal.
pub fn describe(settings: &Settings) -> String {
    let many = settings.cluster.is_of_many();
    match Journal::place(settings.journal.as_deref(), &settings.keys) {
        None => format!("none: {}", without_journal(many)),
        Some(path) if path.symlink_metadata().is_err() => {
            let then = match many {
                true => "what ended so far comes from the other replicas",
                false => "unless the ring was never served, every session so far ends then",
            };
            format!("{}: will be made; {then}", path.display())
        }
        Some(path) => path.display().to_string(),
    }
}

/// What it comes to if endings are in memory alone.
fn without_journal(among_others: bool) -> &'static str {
    match among_others {
        true => "every start learns them from the other replicas; if most of those start at one time, all sessions end",
        false => "every start ends all sessions",
    }
}
