//! Values of a realm that are checked by themselves.

use super::settings::RealmSettings;
use super::site_error::SiteError;

/// The value of Clear-Site-Data; empty for none.
pub fn clear_site_data(realm: &str, types: &[String]) -> Result<String, SiteError> {
    let known = ["cache", "cookies", "storage", "executionContexts"];
    if types.iter().any(|kind| !known.contains(&kind.as_str())) {
        return Err(SiteError::ClearSiteData(realm.to_owned()));
    }
    Ok(types.iter().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(", "))
}

/// How many facts a realm may have, and one subject of it.
pub fn max_facts(realm: &str, settings: &RealmSettings) -> Result<(usize, usize), SiteError> {
    let RealmSettings { max_facts, max_facts_per_subject: subject, .. } = *settings;
    let right = max_facts >= 1_000 && (2..=max_facts).contains(&subject);
    if right { Ok((max_facts, subject)) } else { Err(SiteError::MaxFacts(realm.to_owned())) }
}
