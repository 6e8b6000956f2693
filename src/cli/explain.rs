//! `sealpass explain`: why was somebody refused? What is in force about a subject or a session, and what was decided in a request,
//! as one replica knows it.

use clap::Args;
use sealpass::clock::Timestamp;
use sealpass::http::{Explained, ExplainedRequest};
use sealpass::sessions::{InForce, Pseudonym};
use sealpass::telemetry::Decided;
use serde_json::json;

use super::one_replica::OneReplica;
use super::table::{plain, table};
use super::{Common, Failure};

/// Say what is in force about a subject or a session, or what was decided in a request
///
/// Asks one replica over its control listener. Only pseudonyms are shown, as the audit trail has them; that it was asked, and by
/// whom, is written there. Each replica remembers refusals, endings and refused calls by the id of the request, for an hour at the
/// most: ask the one that answered it, or each.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    whom: Whom,
    /// In which realm
    #[arg(long, default_value = "default")]
    realm: String,
    #[command(flatten)]
    replica: OneReplica,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A user
    #[arg(long, allow_hyphen_values = true)]
    subject: Option<String>,
    /// A session, by its id as the application was given it
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    session_id: Option<String>,
    /// A request, by its X-Request-Id
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    request_id: Option<String>,
}

impl Explain {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let Whom { subject, session_id, request_id } = &self.whom;
        let asked = match (subject, session_id) {
            (Some(subject), _) => json!({"realm": self.realm, "subject": subject}),
            (None, Some(id)) => json!({"realm": self.realm, "session_id": id}),
            (None, None) => json!({"realm": self.realm, "request_id": request_id}),
        };
        let explained: Explained = self.replica.remote(common)?.post("explain", &asked)?;
        self.replica.show(&explained, shown)
    }
}

fn shown(explained: &Explained) -> String {
    let of = &explained.explanation;
    let mut lines = Vec::new();
    let name = if explained.replica.is_empty() { "this replica" } else { &explained.replica };
    lines.push(format!("Realm {}, as {} knows it at {}.", plain(&of.realm), plain(name), of.now.rfc3339()));
    if !explained.ready {
        lines.push("It is not ready: others may know more. Look at `sealpass cluster status`.".to_owned());
    }
    if let Some(request) = &explained.request {
        lines.extend(told(request, name));
    }
    lines.push(String::new());
    let subject = of.subject.iter().map(|name| ("subject", name));
    let steps = of.sessions.iter().enumerate();
    let follows = |at: usize| at > 0 && explained.request.is_none();
    let sessions = steps.map(|(at, name)| (if follows(at) { "rotated to" } else { "session" }, name));
    let names: Vec<_> = subject.chain(sessions).collect();
    lines.extend(names.iter().map(|(what, name)| format!("{what:<10}  {name}")));
    if !names.is_empty() {
        lines.push(String::new());
    }
    if of.facts.is_empty() {
        lines.push(match &explained.request {
            None => "Nothing is in force that ends or outdates it.".to_owned(),
            Some(_) => "Nothing is in force about all sessions of the subject or of the realm.".to_owned(),
        });
    } else {
        let head = ["what", "of", "since", "kept until", "meaning"].map(str::to_owned);
        lines.push(table(&[head].into_iter().chain(of.facts.iter().map(row)).collect::<Vec<_>>()));
    }
    if of.sessions.is_empty() && explained.request.is_none() {
        lines.push("Endings of single sessions are kept by their ids: ask with --session-id.".to_owned());
    }
    let request = explained.request.iter().map(|request| plain(&request.request_id).replace('.', "[.]"));
    let pattern: Vec<_> = names.iter().map(|(_, name)| name.to_string()).chain(request).collect();
    lines.push(String::new());
    lines.push(plain(&explained.who));
    lines.push(format!("  grep -E '{}' audit.jsonl", pattern.join("|")));
    lines.join("\n")
}

/// What was decided in a request, and what other requests did about it.
fn told(request: &ExplainedRequest, replica: &str) -> Vec<String> {
    let (id, replica, since) = (plain(&request.request_id), plain(replica), request.kept.since.rfc3339());
    let mut lines = vec![String::new()];
    if request.decided.is_empty() {
        lines.push(format!("{replica} remembers nothing of the request {id}."));
        lines.push(format!(
            "It has refusals, endings and refused calls since {since}, its own alone: ask the other replicas too (--control)."
        ));
        lines.push(
            "A request that was let through leaves nothing, and so does one without an id of a trusted proxy."
                .to_owned(),
        );
        return lines;
    }
    lines.push(format!("In the request {id}, by {replica}:"));
    lines.extend(request.decided.iter().map(decided));
    if !request.related.is_empty() {
        lines.push("What other requests did to that session or subject here:".to_owned());
        lines.extend(request.related.iter().map(|one| format!("{}, request {}", decided(one), plain(&one.request_id))));
    }
    lines
}

fn decided(one: &Decided) -> String {
    let mut line = format!("  {}  {}", one.at.rfc3339(), plain(&one.event));
    let reason = one.reason.as_deref().map(|reason| match meaning(reason) {
        Some(meaning) => format!("{reason} ({meaning})"),
        None => reason.to_owned(),
    });
    let path = one.path.as_ref().map(|path| match one.status {
        Some(status) => format!("{path} answered {status}"),
        None => path.clone(),
    });
    let named = |what: &str, name: &Option<String>| name.as_ref().map(|name| format!("{what} {name}"));
    let tag = |what: &str, name: Option<Pseudonym>| name.map(|name| format!("{what} {name}"));
    let parts = [
        reason,
        path,
        Some(format!("by {}", one.by)),
        named("credential", &one.credential),
        named("realm", &one.realm),
        named("policy", &one.policy),
        tag("session", one.session),
        tag("next", one.next),
        tag("subject", one.subject),
    ];
    for (at, part) in parts.into_iter().flatten().enumerate() {
        line += if at == 0 { ": " } else { ", " };
        line += &plain(&part);
    }
    line
}

/// What a reason means, for people: those of verify. The names of problems say what they are.
fn meaning(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "missing" => "no session cookie came",
        "too_many" => "too many cookies of this name",
        "malformed" | "unknown_version" | "bad_payload" => "what came is no token of this service",
        "unknown_key" => "sealed with a key that is not in the ring",
        "bad_tag" => "changed on its way, or of another cookie or realm",
        "expired_idle" => "not used for longer than its idle limit",
        "expired_absolute" => "older than a session may get",
        "clock" => "sealed in the future: the clocks of the replicas disagree",
        "ended" => "the session had been ended",
        "cut_off" => "all sessions of the subject had been ended",
        "superseded" => "an older token of a session that has newer claims",
        "floored" => "all sessions of the realm had been ended",
        "subjects_differ" => "cookies of more than one subject",
        "forbidden" => "a valid session without the role, or a route that can't be understood",
        "step_up" => "a valid session that has to authenticate anew",
        "anonymous" => "an anonymous session, where a subject is demanded",
        "stale" => "a valid session whose claims are out of date",
        "csrf" => "a valid session without its CSRF token",
        "not_ready" => "503: the replica could not tell",
        "unbound" => "a token without a device, of a session that is bound to one",
        "not_bound" => "a valid session that is bound to no device",
        _ => return None,
    })
}

fn row(fact: &InForce) -> [String; 5] {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), Timestamp::rfc3339);
    let of = fact.pseudonym.map_or_else(|| fact.of.clone(), |name| format!("{} {name}", fact.of));
    [fact.kind.clone(), of, time(fact.since), time(fact.until), fact.meaning.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealpass::sessions::Refusal;
    use sealpass::telemetry::Decision;

    #[test]
    fn every_reason_is_told_for_people() {
        for code in Refusal::CODES.into_iter().chain(Decision::OTHERS.map(Decision::code)) {
            assert!(code == "ok" || meaning(code).is_some(), "{code}");
        }
    }
}
