//! What the calls of the control API take, as JSON objects. Unknown fields are refused. Endings take `wait` and
//! `timeout_ms`: how far they have to have come among the replicas before they are answered, and for how long to wait
//! for that.
//!
//! What stands inside of a body as an object is taken from a JSON object alone. By itself serde would take a list too, for
//! the fields in their order; of the body itself [`super::call`] sees to that.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use super::openapi::{Data, Id, ImportKey, Name, Named, NamedRequest, Time, Wait};
use crate::claims::RealmName;

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    #[schema(value_type = Option<Name>)]
    pub subject: Option<String>,
    #[schema(value_type = Vec<Name>, max_items = 4)]
    #[serde(default)]
    pub handles: Vec<String>,
    #[schema(value_type = Vec<Name>, max_items = 256)]
    #[serde(default)]
    pub roles: Vec<String>,
    #[schema(value_type = Data)]
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    #[schema(value_type = Vec<Name>, max_items = 256)]
    #[serde(default)]
    pub amr: Vec<String>,
    #[schema(maximum = 3)]
    #[serde(default)]
    pub aal: u8,
    #[schema(value_type = Option<Time>)]
    pub authenticated_at: Option<String>,
    #[serde(default)]
    pub persistent: bool,
    pub replaces: Option<Visitor>,
    pub import: Option<Imported>,
}

/// The session of a visitor, as they came with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Visitor {
    pub token: Option<String>,
    pub cookie: Option<String>,
}

/// A session that began elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Imported {
    #[schema(value_type = ImportKey)]
    pub key: String,
    #[schema(value_type = Time)]
    pub started_at: String,
}

/// A session that goes on, and what changes in it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Update {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
    #[schema(value_type = Option<Vec<Name>>, max_items = 256)]
    pub roles: Option<Vec<String>>,
    #[schema(value_type = Option<Data>)]
    pub data: Option<BTreeMap<String, String>>,
    #[schema(value_type = Option<Vec<Name>>, max_items = 256)]
    pub amr: Option<Vec<String>>,
    #[schema(maximum = 3)]
    pub aal: Option<u8>,
    #[schema(value_type = Option<Time>)]
    pub authenticated_at: Option<String>,
    #[schema(maximum = 10)]
    pub grace_seconds: Option<u64>,
}

/// Which session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
}

/// Which session, by its token, its cookie or its id; or several, by their ids.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    pub token: Option<String>,
    pub cookie: Option<String>,
    #[schema(value_type = Option<Id>)]
    pub session_id: Option<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 500)]
    pub session_ids: Option<Vec<String>>,
    #[schema(value_type = Option<Wait>)]
    pub wait: Option<String>,
    #[schema(minimum = 1, maximum = 30_000)]
    pub timeout_ms: Option<u64>,
}

/// One subject or several, and which of one's sessions goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    #[schema(value_type = Option<Name>)]
    pub subject: Option<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 500)]
    pub subjects: Option<Vec<String>>,
    pub keep: Option<Visitor>,
    #[schema(value_type = Option<Wait>)]
    pub wait: Option<String>,
    #[schema(minimum = 1, maximum = 30_000)]
    pub timeout_ms: Option<u64>,
}

/// One handle or several.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Handles {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    #[schema(value_type = Option<Name>)]
    pub handle: Option<String>,
    #[schema(value_type = Option<Vec<String>>, max_items = 500)]
    pub handles: Option<Vec<String>>,
    #[schema(value_type = Option<Wait>)]
    pub wait: Option<String>,
    #[schema(minimum = 1, maximum = 30_000)]
    pub timeout_ms: Option<u64>,
}

/// One realm, or all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    #[schema(value_type = Option<Named>)]
    pub realm: Option<String>,
    pub all: Option<bool>,
    #[schema(value_type = Option<Wait>)]
    pub wait: Option<String>,
    #[schema(minimum = 1, maximum = 30_000)]
    pub timeout_ms: Option<u64>,
}

/// A subject or a session, of which an operator wants to know what is in force, or a request of which they want to know why it
/// was refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    #[schema(value_type = Option<Name>)]
    pub subject: Option<String>,
    #[schema(value_type = Option<Id>)]
    pub session_id: Option<String>,
    #[schema(value_type = Option<NamedRequest>)]
    pub request_id: Option<String>,
}

/// Sessions whose tokens are not at hand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    #[schema(value_type = Named, default = "default")]
    #[serde(default = "default_realm")]
    pub realm: String,
    #[schema(max_items = 500)]
    pub sessions: Vec<CheckedSession>,
}

/// What an application remembers of a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CheckedSession {
    #[schema(value_type = Id)]
    pub session_id: String,
    #[schema(value_type = Option<Name>)]
    pub subject: Option<String>,
    #[schema(value_type = Vec<Name>, max_items = 4)]
    #[serde(default)]
    pub handles: Vec<String>,
    #[schema(value_type = Time)]
    pub started_at: String,
    #[schema(value_type = Option<Time>)]
    pub claims_at: Option<String>,
}

macro_rules! from_objects_only {
    ($($kind:ident)*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Object;

                impl<'de> de::Visitor<'de> for Object {
                    type Value = $kind;

                    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                        to.write_str("an object")
                    }

                    fn visit_map<A: de::MapAccess<'de>>(self, fields: A) -> Result<$kind, A::Error> {
                        // The derived one, which `remote` makes no implementation of the trait.
                        $kind::deserialize(de::value::MapAccessDeserializer::new(fields))
                    }
                }

                from.deserialize_map(Object)
            }
        }
    )*};
}

from_objects_only!(Visitor Imported CheckedSession);

fn default_realm() -> String {
    RealmName::DEFAULT.to_owned()
}
