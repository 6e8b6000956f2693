//! Every call: what it takes, what it answers, and with which status.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, PathsBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, Type};

use super::call::Call;
use super::explained::Explained;
use super::told;
use crate::http::answered::{Acknowledged, AllBecame, AllChecked, Introspected, Sealed};
use crate::http::asked::{Check, Explain, Floor, Handles, Issue, Revoke, Subjects, Update, Which};

/// All calls, and the schemas that they name.
pub fn all() -> (PathsBuilder, ComponentsBuilder) {
    let calls = sessions().into_iter().chain(groups()).chain(operators()).chain(keys());
    calls.fold((PathsBuilder::new(), ComponentsBuilder::new()), |(paths, components), call| {
        call.add_to(paths, components)
    })
}

fn sessions() -> [Call; 7] {
    [
        post::<Issue>("/v1/sessions", "issue", "Issues a session for a login.", APP)
            .sealed(201, "Issued: pass the cookie on.")
            .or(409, "The session that was to be imported is over, or ended meanwhile.")
            .or(503, NOT_READY),
        post::<Which>("/v1/sessions/renew", "renew", "Renews a session as it is.", APP)
            .sealed(200, "Renewed: pass the cookie on.")
            .changing(),
        post::<Update>("/v1/sessions/reseal", "reseal", "Changes what a session says; what came before is over.", APP)
            .sealed(200, "Resealed: pass the cookie on.")
            .changing(),
        post::<Update>("/v1/sessions/rotate", "rotate", "As reseal, and gives the session a new id.", APP)
            .sealed(200, "Rotated: pass the cookie on.")
            .changing(),
        post::<Revoke>("/v1/sessions/revoke", "revokeSessions", "Ends a session, or many.", APP)
            .acknowledged()
            .of_many(),
        post::<Which>("/v1/sessions/introspect", "introspect", "Says what is in a session.", APP)
            .json::<Introspected<'static>>(200, "What is in it, if it is valid.")
            .or(503, NOT_READY),
        post::<Check>("/v1/sessions/check", "check", "Says where sessions stand, without their tokens.", APP)
            .json::<AllChecked>(200, "Where each stands, in their order.")
            .or(503, NOT_READY),
    ]
}

fn groups() -> [Call; 4] {
    [
        post::<Subjects>("/v1/subjects/revoke", "revokeSubjects", "Logs a subject out everywhere, or many.", APP)
            .acknowledged()
            .of_many()
            .sealed(200, "Over. If one session was to be kept, this is its next cookie: pass it on.")
            .or(404, NO_SESSION),
        post::<Subjects>(
            "/v1/subjects/stale",
            "outdateSubjects",
            "Puts the claims of a subject out of date, or of many.",
            APP,
        )
        .acknowledged()
        .of_many(),
        post::<Handles>("/v1/handles/revoke", "revokeHandles", "Ends all sessions of a handle, or of many.", APP)
            .acknowledged()
            .of_many(),
        post::<Floor>("/v1/floor", "raiseFloor", "Ends all sessions of a realm, or of all realms.", ADMIN)
            .acknowledged(),
    ]
}

fn operators() -> [Call; 4] {
    [
        post::<Explain>(
            "/v1/explain",
            "explain",
            "Says what is in force about a subject or a session, or what was decided in a request.",
            ADMIN,
        )
        .json::<Explained>(200, "As it is, under the names of the audit trail."),
        get("/v1/cluster", "cluster", "Shows every replica as this one sees it.", ADMIN)
            .json::<told::Cluster>(200, "As it is.")
            .or(403, FORBIDDEN),
        get("/metrics", "metrics", "Counters, for Prometheus.", ANY).other(
            OPENMETRICS,
            "OpenMetrics text.",
            Type::String,
        ),
        get("/openapi.json", "describe", "This description.", ANY).other(
            "application/json",
            "OpenAPI 3.1.",
            Type::Object,
        ),
    ]
}

fn keys() -> [Call; 6] {
    [
        get("/v1/keys", "keys", "Shows the key ring.", OPERATOR)
            .json::<told::Ring>(200, "As it is.")
            .or(403, FORBIDDEN)
            .or(503, "The key ring can't be read."),
        post::<told::Rotate>("/v1/keys/rotate", "rotateKeys", "Makes the next key.", OPERATOR).receipt(),
        post::<told::Postpone>("/v1/keys/postpone", "postponeKey", "Puts the next key off.", OPERATOR).receipt(),
        post::<told::OfKey>("/v1/keys/revoke", "revokeKey", "Ends every session under a key.", OPERATOR)
            .receipt()
            .or(404, "No such key."),
        post::<told::OfKey>("/v1/keys/destroy", "destroyKey", "Wipes a key.", OPERATOR)
            .receipt()
            .or(404, "No such key."),
        post::<told::Replace>(
            "/v1/keys/replace-ring",
            "replaceRing",
            "Takes a new ring: everybody logs in again.",
            OPERATOR,
        )
        .receipt(),
    ]
}

impl Call {
    fn sealed(self, status: u16, about: &str) -> Self {
        let token = json!({"token": "$response.body#/token"});
        ["renew", "reseal", "rotate", "introspect", "revokeSessions"]
            .into_iter()
            .fold(self.json::<Sealed<'static>>(status, about).cookie(status), |call, next| {
                call.then(status, next, token.clone())
            })
    }

    /// A session that goes on.
    fn changing(self) -> Self {
        self.or(404, NO_SESSION).or(409, "It was changed or ended meanwhile.").or(503, NOT_READY)
    }

    /// An ending.
    fn acknowledged(self) -> Self {
        self.empty(204, "It is in force and kept, by a replica that is alone.")
            .json::<Acknowledged>(200, "It has come as far as was asked for.")
            .json::<Acknowledged>(
                202,
                "It is in force here and on its way, and has not come as far as was asked for in time.",
            )
            .or(409, "A session was changed meanwhile.")
            .or(503, "It could not be kept, or no majority answered.")
    }

    /// With a result for each, under the status of the worst.
    fn of_many(self) -> Self {
        [200, 202, 409, 422, 503].into_iter().fold(self, |call, status| call.json::<AllBecame>(status, ""))
    }

    fn receipt(self) -> Self {
        self.json::<told::Receipt>(200, "Done, or with `dry_run` what it would come to.")
            .json::<told::Receipt>(202, "Done here, and on its way to other replicas.")
            .or(409, "The ring is not in a state for it.")
            .or(503, "The key ring can't be changed.")
    }
}

fn get(path: &'static str, id: &'static str, summary: &'static str, needs: &'static str) -> Call {
    Call::new(HttpMethod::Get, path, id, summary, needs)
}

/// A call with a body, with all that can be wrong with one.
fn post<T: ToSchema>(path: &'static str, id: &'static str, summary: &'static str, needs: &'static str) -> Call {
    Call::new(HttpMethod::Post, path, id, summary, needs)
        .takes::<T>()
        .or(400, "No whole JSON object.")
        .or(403, FORBIDDEN)
        .or(408, "The body did not arrive in time.")
        .or(413, "The body is too large.")
        .or(415, "The body is not JSON.")
        .or(422, "A field is wrong; the problem names it where it can.")
}

const APP: &str = "Needs a credential with the scope `app` that is good in the realm.";
const ADMIN: &str = "Needs a credential with the scope `admin`; for one realm, one that is good there.";
const OPERATOR: &str = "Needs a credential with the scope `admin` and all realms.";
const ANY: &str = "Needs a credential, of any scope.";

const FORBIDDEN: &str = "The credential is not good for that.";
const NO_SESSION: &str = "What was handed over is no valid session.";
const NOT_READY: &str = "This replica can't tell now, or could not keep it.";
const OPENMETRICS: &str = "application/openmetrics-text";
