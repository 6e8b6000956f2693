//! What `/v1/explain` answers, described. As in [`super::told`], each type stands for the one that it names.

use utoipa::ToSchema;

use super::words::Time;

/// What a replica knows of a subject or a session.
#[derive(ToSchema)]
pub struct Explained {
    /// Which replica says so.
    replica: String,
    /// Whether it is ready. One that is not may lack what others know.
    ready: bool,
    /// Who did it, and whether that is known.
    who: String,
    /// What was decided in the request that was asked about.
    #[schema(nullable = false)]
    request: Option<ExplainedRequest>,
    realm: String,
    now: Time,
    /// What the audit trail calls the subject, where it is known.
    #[schema(nullable = false)]
    subject: Option<String>,
    /// What it calls the session, and what rotation made of it.
    #[schema(nullable = false)]
    sessions: Option<Vec<String>>,
    /// What is in force.
    facts: Vec<InForce>,
}

/// What this replica remembers of a request.
#[derive(ToSchema)]
pub struct ExplainedRequest {
    request_id: String,
    /// What was decided in it. Nothing, if it was let through, or answered by another replica, or too long ago.
    decided: Vec<Decided>,
    /// What other requests did to the same session, or to all of the subject's.
    related: Vec<Decided>,
    kept: Kept,
}

/// One thing that was decided.
#[derive(ToSchema)]
pub struct Decided {
    at: Time,
    request_id: String,
    /// `refused`, or what the audit trail calls it.
    event: String,
    /// Who was asked, or who did it.
    by: String,
    /// The name of the credential, if there was one.
    #[schema(nullable = false)]
    credential: Option<String>,
    #[schema(nullable = false)]
    realm: Option<String>,
    #[schema(nullable = false)]
    policy: Option<String>,
    /// Which call of the control API.
    #[schema(nullable = false)]
    path: Option<String>,
    /// With which status that was answered.
    #[schema(nullable = false)]
    status: Option<u16>,
    /// Why: as verify counts it, or the name of the problem.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// What the audit trail calls the session.
    #[schema(nullable = false)]
    session: Option<String>,
    /// What it calls the one that it goes on as.
    #[schema(nullable = false)]
    next: Option<String>,
    /// What it calls the subject.
    #[schema(nullable = false)]
    subject: Option<String>,
}

/// How much is remembered.
#[derive(ToSchema)]
pub struct Kept {
    /// How many refusals at the most, and as many endings, changes and refused calls.
    entries: usize,
    /// For how long at the most.
    seconds: u64,
    /// Since when nothing was dropped.
    since: Time,
}

/// One thing that is in force.
#[derive(ToSchema)]
pub struct InForce {
    /// In one word, as refusals have it.
    kind: String,
    /// `session`, `subject` or `realm`.
    of: String,
    #[schema(nullable = false)]
    pseudonym: Option<String>,
    /// The time that tokens are compared with.
    #[schema(nullable = false)]
    since: Option<Time>,
    /// Until when it is kept.
    #[schema(nullable = false)]
    until: Option<Time>,
    /// For people.
    meaning: String,
    /// The audit events by which it may have come about.
    events: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::http::explained::{Explained as Answer, ExplainedRequest as OfRequest};
    use crate::sessions::{Explanation, InForce as Fact};
    use crate::telemetry::{Decided as Entry, Kept as Bounds};
    use serde::Serialize;
    use serde_json::{Value, json};

    const AT: Timestamp = Timestamp::MAX;

    #[test]
    fn an_answer_has_the_fields_that_are_described() {
        let explained = explained();
        same_fields::<Explained>(&explained);
        same_fields::<InForce>(&explained.explanation.facts[0]);
        let request = explained.request.expect("there");
        same_fields::<ExplainedRequest>(&request);
        same_fields::<Decided>(&request.decided[0]);
        same_fields::<Kept>(&request.kept);
    }

    /// `full` has something in each of its fields.
    fn same_fields<T: ToSchema>(full: &impl Serialize) {
        let names = |value: &Value| value.as_object().expect("fields").keys().cloned().collect::<Vec<_>>();
        let described = json!(T::schema());
        assert_eq!(names(&described["properties"]), names(&json!(full)), "{}", T::name());
    }

    fn explained() -> Answer {
        let pseudonym = serde_json::from_str("\"0123456789abcdef\"").expect("a pseudonym");
        let fact = Fact {
            kind: String::new(),
            of: String::new(),
            pseudonym: Some(pseudonym),
            since: Some(AT),
            until: Some(AT),
            meaning: String::new(),
            events: Vec::new(),
        };
        let (subject, sessions) = (Some(pseudonym), vec![pseudonym]);
        let explanation = Explanation { realm: String::new(), now: AT, subject, sessions, facts: vec![fact] };
        let decided = Entry {
            at: AT,
            request_id: String::new(),
            event: "".into(),
            by: "".into(),
            credential: Some(String::new()),
            realm: Some(String::new()),
            policy: Some(String::new()),
            path: Some(String::new()),
            status: Some(0),
            reason: Some("".into()),
            session: Some(pseudonym),
            next: Some(pseudonym),
            subject: Some(pseudonym),
            tag: None,
        };
        let kept = Bounds { entries: 0, seconds: 0, since: AT };
        let request_id = String::new();
        let request = OfRequest { request_id, decided: vec![decided], related: Vec::new(), kept };
        Answer { request: Some(request), ..Answer::new(explanation, String::new(), true) }
    }
}
