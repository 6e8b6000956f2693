//! Times as people read them.

use std::time::Duration;

use sealpass::clock::Timestamp;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// In local time and in UTC.
pub fn both(at: Timestamp) -> String {
    let Some(utc) = of(at) else { return at.rfc3339() };
    let spelled = |at: OffsetDateTime| {
        at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]")).unwrap_or_default()
    };
    match UtcOffset::local_offset_at(utc) {
        Ok(offset) if !offset.is_utc() => {
            let (hours, minutes, _) = offset.as_hms();
            let sign = if offset.is_negative() { '-' } else { '+' };
            let (hours, minutes) = (hours.unsigned_abs(), minutes.unsigned_abs());
            format!("{} {sign}{hours:02}:{minutes:02} ({} UTC)", spelled(utc.to_offset(offset)), spelled(utc))
        }
        _ => format!("{} UTC", spelled(utc)),
    }
}

/// In UTC, to the minute.
pub fn short(at: Timestamp) -> String {
    let minutes = format_description!("[year]-[month]-[day] [hour]:[minute]Z");
    of(at).and_then(|at| at.format(minutes).ok()).unwrap_or_else(|| at.rfc3339())
}

/// From `now` to `at`, in words.
pub fn from_now(at: Timestamp, now: Timestamp) -> String {
    match at > now {
        true => format!("in {}", words(at.since(now))),
        false => format!("{} ago", words(now.since(at))),
    }
}

/// A duration by its two largest units.
pub fn words(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, size) in [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)] {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(" ") }
}

fn of(at: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at.as_secs()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_by_their_two_largest_units() {
        for (seconds, said) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (600, "10 minutes"),
            (3_661, "1 hour 1 minute"),
            (86_400, "1 day"),
            (86_401, "1 day"),
            (90_000, "1 day 1 hour"),
        ] {
            assert_eq!(words(Duration::from_secs(seconds)), said);
        }
    }
}
