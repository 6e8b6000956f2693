//! How many calls one credential may make.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// How many calls each credential may make, on each replica.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Sessions that it may issue.
    pub issue: Rate,
    /// Calls of any kind, those among them.
    pub calls: Rate,
}

/// So many in a time, all of them at one moment as well; or without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(Option<(NonZeroU32, Unit)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Rate {
    /// How many in which time; `None` for without end.
    pub fn per(self) -> Option<(NonZeroU32, Duration)> {
        self.0.map(|(count, unit)| (count, unit.long()))
    }

    const fn a_second(count: u32) -> Self {
        match NonZeroU32::new(count) {
            Some(count) => Self(Some((count, Unit::Second))),
            None => Self(None),
        }
    }
}

impl Unit {
    fn long(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        })
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "none" {
            return Ok(Self(None));
        }
        let rate = text.split_once('/').and_then(|(count, unit)| {
            let unit = match unit {
                "s" => Unit::Second,
                "m" => Unit::Minute,
                "h" => Unit::Hour,
                _ => return None,
            };
            Some((count.parse().ok()?, unit))
        });
        rate.map(|rate| Self(Some(rate)))
            .ok_or_else(|| format!("a rate is written as 100/s, 600/m, 5000/h or none, not {text:?}"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some((count, Unit::Second)) => write!(f, "{count}/s"),
            Some((count, Unit::Minute)) => write!(f, "{count}/m"),
            Some((count, Unit::Hour)) => write!(f, "{count}/h"),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { issue: Rate::a_second(2_000), calls: Rate::a_second(10_000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_in_a_time() {
        let read = |text: &str| Rate::try_from(text.to_owned());
        for (text, seconds) in [("100/s", 1), ("600/m", 60), ("1/h", 3_600)] {
            let rate = read(text).expect(text);
            assert_eq!(
                (rate.to_string(), rate.per().map(|(_, time)| time.as_secs())),
                (text.to_owned(), Some(seconds))
            );
        }
        assert_eq!(read("none").map(Rate::per), Ok(None));
        for text in ["", "0/s", "-1/s", "1", "1/d", "/s", "1/s/s", "1.5/s", "5000000000/s", "unlimited"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
