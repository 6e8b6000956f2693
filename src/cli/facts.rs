//! The fact store of a service that starts: its journal, its budgets, and the thread that looks after it.

use std::sync::Arc;
use std::time::Duration;

use sealpass::clock::Clock;
use sealpass::config::{Settings, Site};
use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::Kept;
use sealpass::store::{Budget, CachedFacts, Journal};
use sealpass::telemetry::FactMetrics;

use super::Failure;

/// Opens the store with what its journal holds. Nobody may be answered before what comes with it is kept.
pub fn open(
    settings: &Settings,
    site: &Site,
    clock: Arc<dyn Clock>,
    metrics: FactMetrics,
    (ring, keys, restored): (&KeyRing, &Keys, bool),
) -> Result<(Arc<CachedFacts>, Kept), Failure> {
    let journal = Journal::place(settings.journal.as_deref(), &settings.keys);
    let journal = journal.as_deref().map(|path| Journal::open(path, metrics.journal.clone())).transpose()?;
    if journal.is_none() {
        tracing::warn!("journal = \"none\": endings are kept in memory alone, and every start ends all sessions");
    }
    let facts = Arc::new(CachedFacts::with(clock, journal, budgets(site), metrics));
    let kept = facts.start(ring, keys, restored)?;
    keep_clean(Arc::clone(&facts))?;
    Ok((facts, kept))
}

fn budgets(site: &Site) -> impl Iterator<Item = Budget> {
    site.realms().map(|site| {
        let lifetimes = site.realm.lifetimes();
        let (facts, per_subject) = site.max_facts;
        let longest = [false, true].map(|persistent| lifetimes.of(persistent).1).into_iter().max().unwrap_or_default();
        Budget { realm: site.realm.name().clone(), facts, per_subject, longest }
    })
}

/// A cache without traffic drops nothing by itself.
fn keep_clean(facts: Arc<CachedFacts>) -> Result<(), Failure> {
    let clean = move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            facts.maintain();
        }
    };
    let thread = std::thread::Builder::new().name("facts".to_owned()).spawn(clean);
    thread.map(drop).map_err(|error| Failure::Io { what: "can't start a thread".to_owned(), error })
}

/// What `check` says of the journal.
pub fn describe(settings: &Settings) -> String {
    match Journal::place(settings.journal.as_deref(), &settings.keys) {
        None => "none: every start ends all sessions".to_owned(),
        Some(path) if path.symlink_metadata().is_err() => format!("{}: will be made", path.display()),
        Some(path) => path.display().to_string(),
    }
}
