//! A replica that is alone: it has its ring in its files, and asks nobody.

use std::sync::Arc;

use sealpass::keyring::{KeyRing, Keys};
use sealpass::revocation::{FactStore, Kept};
use sealpass::sessions::Sessions;
use sealpass::store::RingWatch;

use super::super::{Failure, facts};
use super::parts::{Parts, begin};

/// The sessions, who watches the ring, and what has to be kept before anybody is answered.
pub type Begun = (Arc<Sessions>, Arc<RingWatch>, Kept);

/// Begins with the ring of its files.
pub fn start(parts: &Parts, ring: &KeyRing, restored: bool) -> Result<Begun, Failure> {
    let keys = Keys::new(ring, &*parts.entropy)?;
    let kept = parts.facts.start(ring, &keys, begin(&parts.office(), restored))?;
    facts::keep_clean(Arc::clone(&parts.facts))?;
    let sessions = parts.sessions()(keys, Arc::clone(&parts.facts) as Arc<dyn FactStore>);
    let watch = watch(parts, &sessions)?;
    Ok((sessions, watch, kept))
}

/// Keeps the keys of `sessions` what the ring says, and the service not ready when that can't be told.
fn watch(parts: &Parts, sessions: &Arc<Sessions>) -> Result<Arc<RingWatch>, Failure> {
    let (user, facts, changes) = (Arc::clone(sessions), Arc::clone(&parts.facts), Arc::clone(&parts.metrics));
    let take_up = move |ring: &KeyRing, keys| {
        if let Err(error) = facts.use_ring(ring, &keys) {
            tracing::error!("the journal did not take note of the key ring in use: {error}");
        }
        user.replace_keys(keys);
        changes.ring_changed();
    };
    let watch = Arc::new(RingWatch::new(parts.office(), take_up, parts.confirm()));
    watch.look()?;
    Arc::clone(&watch).keep_looking();
    Ok(watch)
}
