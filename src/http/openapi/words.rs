//! The kinds of words that stand in bodies, for the description alone.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::claims::{MAX_ENTRIES, MAX_TEXT, MAX_VALUE};

/// A subject, handle, role or authentication method.
pub enum Name {}
/// A value of the application's data.
pub enum Value {}
/// The key of an import.
pub enum ImportKey {}
/// The application's data.
pub enum Data {}
/// The name of a realm.
pub enum Named {}
/// The id of a session.
pub enum Id {}
/// The id of a request.
pub enum NamedRequest {}
/// An instant.
pub enum Time {}
/// The word `true`.
pub enum Yes {}
/// The word `false`.
pub enum No {}

macro_rules! word {
    ($kind:ident, $name:literal, $schema:expr) => {
        impl PartialSchema for $kind {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema.build()).into()
            }
        }

        impl ToSchema for $kind {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

word!(Name, "Name", name());
word!(Value, "Value", {
    string("Text without control characters").max_length(Some(MAX_VALUE)).pattern(Some(NO_CONTROL))
});
word!(ImportKey, "ImportKey", {
    string("What the session was called elsewhere: the same key is the same session")
        .min_length(Some(1))
        .max_length(Some(MAX_VALUE))
        .pattern(Some(NO_CONTROL))
});
word!(Data, "Data", {
    ObjectBuilder::new()
        .description(Some("What the application keeps in the session; keys are as names are"))
        .max_properties(Some(MAX_ENTRIES))
        .property_names(Some(Schema::from(name().build())))
        .additional_properties(Some(Value::schema()))
});
word!(Named, "RealmName", { string("The name of a realm that is configured").pattern(Some("^[a-z0-9_-]{1,64}$")) });
word!(Id, "SessionId", { string("16 bytes as base64url").pattern(Some("^[A-Za-z0-9_-]{21}[AQgw]$")) });
word!(NamedRequest, "RequestId", { string("As X-Request-Id has it").pattern(Some("^[A-Za-z0-9._-]{1,64}$")) });
word!(Time, "Time", { string("RFC 3339").format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))) });

word!(Yes, "Yes", ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])));
word!(No, "No", ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])));

fn name() -> ObjectBuilder {
    string("A subject, handle, role or authentication method: no control characters")
        .min_length(Some(1))
        .max_length(Some(MAX_TEXT))
        .pattern(Some(NO_CONTROL))
}

fn string(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

const NO_CONTROL: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
