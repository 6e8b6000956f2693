//! Waiting until the replicas have the next key, and saying so of each as it comes.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use sealpass::custody::{Custodian, CustodyError, Receipt, Report};

use super::super::{Failure, say};

/// Which replicas are waited for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Who {
    /// More than half of the core
    Majority,
    /// Every replica of the core
    All,
}

/// Waits until the key of `receipt` has its time and as many replicas as asked for have it, and tells each unless
/// `silent`. The receipt then has the ring as it is by now. A service that is alone has nobody to wait for.
pub fn wait(
    custodian: &dyn Custodian,
    mut receipt: Receipt,
    who: Who,
    at_most: Duration,
    silent: bool,
) -> Result<Receipt, Failure> {
    let (begun, mut told) = (Instant::now(), BTreeSet::new());
    loop {
        let news = receipt.ring.replicas.iter().filter(|replica| replica.has_ring);
        for replica in news.filter(|replica| told.insert(replica.name.clone())).filter(|_| !silent) {
            say(format_args!("{} has key {}.", replica.name, receipt.key))?;
        }
        if is_there(&receipt.ring, &receipt.key, who) {
            return Ok(receipt);
        }
        if begun.elapsed() >= at_most {
            return Err(Failure::Refused(missing(&receipt)));
        }
        thread::sleep(PAUSE);
        receipt.ring = again(custodian, begun + at_most)?;
        receipt.seals_from = receipt.ring.key(&receipt.key).and_then(|key| key.seals_from);
    }
}

/// The ring as it is now. One answer that does not come is no reason to give up.
fn again(custodian: &dyn Custodian, until: Instant) -> Result<Report, CustodyError> {
    loop {
        match custodian.report() {
            Err(_) if Instant::now() < until => thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

fn is_there(ring: &Report, key: &str, who: Who) -> bool {
    let (all, have) = (ring.replicas.len(), ring.replicas.iter().filter(|replica| replica.has_ring).count());
    let dated = ring.key(key).is_some_and(|key| key.seals_from.is_some());
    dated
        && match who {
            Who::Majority => all == 0 || have > all / 2,
            Who::All => have == all,
        }
}

fn missing(receipt: &Receipt) -> String {
    let lacking = receipt.ring.replicas.iter().filter(|replica| !replica.has_ring);
    let names: Vec<_> = lacking
        .map(|replica| format!("{} ({})", replica.name, if replica.up { "up" } else { "does not answer" }))
        .collect();
    if names.is_empty() {
        return format!("key {} has no time yet; a majority of the core has to be up for that", receipt.key);
    }
    format!(
        "key {} has not come everywhere yet; it is missing at {}. It gets there by itself; `keys rotate --wait` again tells when",
        receipt.key,
        names.join(", ")
    )
}

const PAUSE: Duration = Duration::from_millis(200);
