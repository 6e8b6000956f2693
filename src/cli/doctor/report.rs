//! What was found, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::remedies::{self, PROXIES, Remedy};

/// What a check says when it does not find all right.
#[derive(Clone, Debug)]
pub enum Not {
    /// It is wrong, and this was seen.
    Right(String),
    /// It could not be told, for this reason.
    Checked(String),
}

/// What a check found: right, with what was seen, or not.
pub type Found = Result<String, Not>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Right,
    Wrong,
    NotChecked,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Line {
    pub id: &'static str,
    pub what: &'static str,
    pub verdict: Verdict,
    /// What was seen, or why it was not checked.
    pub seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The same for one proxy or another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_proxy: Vec<(&'static str, &'static str)>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub through: String,
    /// The same as browsers call it in `Origin`: what a remedy says where it says `{origin}`.
    #[serde(skip)]
    pub origin: String,
    /// Whose sessions the doctor's own were.
    pub subject: String,
    /// The proxy, if it is known which.
    pub proxy: Option<&'static str>,
    pub checks: Vec<Line>,
}

impl Not {
    pub fn into_text(self) -> String {
        match self {
            Self::Right(text) | Self::Checked(text) => text,
        }
    }
}

impl Report {
    pub fn add(&mut self, id: &'static str, what: &'static str, found: Found) {
        let (verdict, seen) = match found {
            Ok(seen) => (Verdict::Right, seen),
            Err(Not::Right(seen)) => (Verdict::Wrong, seen),
            Err(Not::Checked(why)) => (Verdict::NotChecked, why),
        };
        let remedy = (verdict == Verdict::Wrong).then(|| remedies::of(id));
        let by_proxy = remedy.map(|remedy| self.hints(remedy)).unwrap_or_default();
        let remedy = remedy.map(|remedy| remedy.all.replace("{origin}", &self.origin));
        self.checks.push(Line { id, what, verdict, seen: plain(&seen), remedy, by_proxy });
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|line| line.verdict == verdict).count()
    }

    /// What there is to say for the proxy at hand, or for every one if it is not known.
    fn hints(&self, remedy: &Remedy) -> Vec<(&'static str, &'static str)> {
        let all = PROXIES.iter().copied().zip(remedy.by_proxy());
        all.filter(|(name, hint)| !hint.is_empty() && self.proxy.is_none_or(|known| known == *name)).collect()
    }

    pub fn table(&self) -> String {
        let width = self.checks.iter().map(|line| line.id.len()).max().unwrap_or_default();
        let mut out = format!("{}\n\n", self.through);
        for line in &self.checks {
            let (sign, colon) = match line.verdict {
                Verdict::Right if line.seen.starts_with("note: ") => ('✓', "; "),
                Verdict::Right => ('✓', ""),
                Verdict::Wrong => ('✗', ": "),
                Verdict::NotChecked => ('–', ": "),
            };
            let seen = if colon.is_empty() { String::new() } else { format!("{colon}{}", line.seen) };
            let _ = writeln!(out, "{sign} {:<width$}  {}{seen}", line.id, line.what);
            if let Some(remedy) = &line.remedy {
                let _ = writeln!(out, "  {:<width$}  → {remedy}", "");
            }
            for (name, hint) in &line.by_proxy {
                let _ = writeln!(out, "  {:<width$}    {name}: {hint}", "");
            }
        }
        let _ = write!(out, "\n{}", self.summary());
        out
    }

    fn summary(&self) -> String {
        let [right, wrong, open] =
            [Verdict::Right, Verdict::Wrong, Verdict::NotChecked].map(|verdict| self.count(verdict));
        let mut out = format!("{right} right, {wrong} wrong, {open} not checked.");
        if wrong > 0 {
            let proxy = self.proxy.unwrap_or("PROXY");
            let _ = write!(
                out,
                " `sealpass proxy-config {proxy}` prints a configuration of the proxy that has none of these faults."
            );
        }
        if self.proxy.is_none() && self.checks.iter().any(|line| !line.by_proxy.is_empty()) {
            let _ = write!(out, " `--proxy NAME` shows the remedies of one proxy alone.");
        }
        out
    }
}

/// One line of visible text, and not too long, whatever an answer held.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let Some((end, _)) = text.char_indices().nth(MAX_SEEN) else { return text };
    let cut = &text[..end];
    // Between words, unless one is very long.
    let words = cut.rfind(' ').filter(|at| *at > end / 2).map_or(cut, |at| &cut[..at]);
    format!("{words} …")
}

const MAX_SEEN: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_words() {
        let long = "x-session-valid, ".repeat(30);
        let cut = plain(&long);
        assert!(cut.ends_with(", x-session-valid, …") && cut.chars().count() <= MAX_SEEN + 2, "{cut}");
        assert_eq!(plain(&"ü".repeat(400)), "ü".repeat(MAX_SEEN) + " …");
        assert_eq!(plain("a\nb"), "ab");
    }
}
