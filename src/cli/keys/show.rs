//! The ring and what became of an order, as text.

use sealpass::clock::Timestamp;
use sealpass::custody::{Holder, KeyReport, Receipt, Report};

use super::times::{both, from_now, short, words};

/// A table of all keys, and the life of each as a line.
pub fn ring(report: &Report) -> String {
    let mut lines =
        vec![format!("{:<10}{:<13}{:<19}{:<19}until when it is needed", "key", "state", "created", "seals from")];
    for key in &report.keys {
        let from = key.seals_from.map_or_else(|| "not dated yet".to_owned(), short);
        let needed = needed_until(key);
        lines.push(format!("{:<10}{:<13}{:<19}{from:<19}{needed}", key.key, key.state, short(key.created_at)));
    }
    lines.push(String::new());
    lines.extend(timeline(report));
    lines.push(String::new());
    lines.extend(replicas(report));
    lines.push(format!(
        "Epoch {}. A new key seals {} after it is made.",
        report.epoch,
        words(std::time::Duration::from_secs(report.activation_seconds))
    ));
    lines.join("\n")
}

/// What became of an order.
pub fn receipt(receipt: &Receipt) -> String {
    let mut lines = Vec::new();
    if receipt.dry_run {
        lines.push("Nothing is done; this is what would happen.".to_owned());
    }
    match receipt.outcome.as_str() {
        "rotating" => rotating(receipt, &mut lines),
        "proposed" => proposed(receipt, &mut lines),
        "revoked" => revoked(receipt, &mut lines),
        "replaced" => {
            lines.push("A new ring is in the place of the old one.".to_owned());
            lines.push("Every session has ended: everybody has to log in again.".to_owned());
        }
        _ if receipt.changed => lines.push(format!("Key {} is destroyed.", receipt.key)),
        _ => lines.push(format!("Key {} was destroyed before; nothing changed.", receipt.key)),
    }
    for key in &receipt.destroyed {
        lines.push(format!("Key {key} is destroyed: nothing needed it any more."));
    }
    if let Some(among) = &receipt.among {
        let rest = if among.reached { "" } else { "; the others get it as soon as they answer" };
        lines.push(format!("{} of {} replicas of the core have it{rest}.", among.applied, among.core));
    }
    lines.join("\n")
}

fn proposed(receipt: &Receipt, lines: &mut Vec<String>) {
    let key = if receipt.dry_run && receipt.changed { "A new key" } else { &format!("Key {}", receipt.key) };
    let made = if receipt.changed { "is made" } else { "was made before" };
    lines.push(format!("{key} {made}. It gets its time, by itself, once a majority of the replicas has it."));
}

fn rotating(receipt: &Receipt, lines: &mut Vec<String>) {
    let (key, now) = (&receipt.key, receipt.ring.now);
    let key = if receipt.dry_run && receipt.changed { "A new key" } else { &format!("Key {key}") };
    let Some(from) = receipt.seals_from else { return };
    lines.push(match receipt.changed {
        true => format!("{key} seals {}, from {} on.", from_now(from, now), both(from)),
        false => format!(
            "A rotation is pending already: key {} seals {}, from {} on. Nothing changed.",
            receipt.key,
            from_now(from, now),
            both(from)
        ),
    });
    for active in receipt.ring.keys.iter().filter(|key| key.state == "active") {
        if let Some(until) = active.opens_until {
            lines.push(format!(
                "Until then key {} seals. Its sessions live on: they are renewed under the new key as they are used, and it opens until {} ({}).",
                active.key,
                both(until),
                from_now(until, now)
            ));
        }
    }
}

fn revoked(receipt: &Receipt, lines: &mut Vec<String>) {
    let of = receipt.ring.key(&receipt.key);
    let called_off = of.is_some_and(|key| key.seals_from.is_none() || key.seals_from > key.revoked_at);
    lines.push(match (receipt.changed, &receipt.fresh_key) {
        (true, None) if called_off => {
            format!("Key {} is revoked: its rotation is called off, and no session ends.", receipt.key)
        }
        (true, Some(_)) if receipt.dry_run => {
            format!("Key {} is revoked: every session under it is over. A new key seals in its place.", receipt.key)
        }
        (false, _) => format!("Key {} was revoked before; nothing changed.", receipt.key),
        (true, Some(fresh)) => {
            format!("Key {} is revoked: every session under it is over. Key {fresh} seals in its place.", receipt.key)
        }
        (true, None) => format!("Key {} is revoked: whatever it sealed is over. The active key stays.", receipt.key),
    });
}

/// A line for each replica of the core, where there are several.
fn replicas(report: &Report) -> Vec<String> {
    let line = |replica: &Holder| {
        let has = match (replica.has_ring, replica.up) {
            (true, true) => "has this ring",
            (true, false) => "had this ring, and does not answer",
            (false, true) => "lacks this ring",
            (false, false) => "does not answer",
        };
        format!("{:<20}{has}", replica.name)
    };
    let mut lines: Vec<_> = report.replicas.iter().map(line).collect();
    lines.extend((!lines.is_empty()).then(String::new));
    lines
}

fn needed_until(key: &KeyReport) -> String {
    match (key.destroyed_at, key.revoked_at, key.opens_until) {
        (Some(at), _, _) => format!("destroyed {}", short(at)),
        (_, Some(at), _) => format!("revoked {}", short(at)),
        (_, _, Some(until)) => short(until),
        _ => "-".to_owned(),
    }
}

/// One line a key: `.` known, `#` seals, `-` opens only, `x` revoked or destroyed. Not to scale: what happens at one
/// moment and at the next stands equally far apart, whether minutes or weeks lie between.
fn timeline(report: &Report) -> Vec<String> {
    let shown = report.keys.iter().filter(|key| key.destroyed_at.is_none());
    let mut moments: Vec<_> = shown
        .clone()
        .flat_map(|key| [Some(key.created_at), key.seals_from, key.revoked_at, key.opens_until])
        .chain([Some(report.now)])
        .flatten()
        .collect();
    moments.sort_unstable();
    moments.dedup_by_key(|at| at.as_secs());
    let width = (COLUMNS / moments.len()).clamp(3, 12);
    let next = moments.iter().skip(1).map(|at| at.as_millis()).chain([u64::MAX]);
    let between: Vec<_> = moments.iter().zip(next).map(|(from, to)| middle(*from, to)).collect();
    let line = |key: &KeyReport| between.iter().map(|at| sign(key, *at).to_string().repeat(width)).collect::<String>();
    let mut lines: Vec<_> = shown.map(|key| format!("{:<10}{}", key.key, line(key).trim_end())).collect();
    let letters = (b'a'..=b'z').chain(b'A'..=b'Z').map(char::from).chain(std::iter::repeat('+'));
    let named: Vec<_> = letters.zip(&moments).collect();
    lines.push(format!(
        "{:<10}{}",
        "",
        named.iter().map(|(name, _)| format!("{name:<width$}")).collect::<String>().trim_end()
    ));
    for (name, at) in named {
        let now = if at.as_secs() == report.now.as_secs() { " now" } else { "" };
        lines.push(format!("{:<10}{name}  {}{now}", "", short(*at)));
    }
    lines.push(format!("{:<10}. known, # seals, - opens, x revoked", ""));
    lines
}

fn middle(from: Timestamp, to: u64) -> Timestamp {
    Timestamp::from_millis(from.as_millis().midpoint(to)).unwrap_or(Timestamp::MAX)
}

fn sign(key: &KeyReport, at: Timestamp) -> char {
    let past = |time: Option<Timestamp>| time.is_some_and(|time| time <= at);
    match () {
        () if past(key.revoked_at) => 'x',
        () if past(key.opens_until) || at < key.created_at && !past(key.seals_from) => ' ',
        () if past(key.seals_until) => '-',
        () if past(key.seals_from) => '#',
        () => '.',
    }
}

const COLUMNS: usize = 64;
