//! One call, as it comes to be described.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, ComponentsBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required};

use crate::http::answer::Problem;

/// A call of the control API.
pub struct Call {
    method: HttpMethod,
    path: &'static str,
    about: OperationBuilder,
    answers: BTreeMap<u16, Answer>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// What is answered with one status.
#[derive(Default)]
struct Answer {
    about: String,
    json: Vec<Ref>,
    problem: bool,
    other: Option<(&'static str, Schema)>,
    headers: Vec<(&'static str, &'static str, Type)>,
    links: Vec<(&'static str, serde_json::Value)>,
}

impl Call {
    /// With what every call can answer.
    pub fn new(
        method: HttpMethod,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        needs: &'static str,
    ) -> Self {
        let about = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).description(Some(needs));
        let mut call = Self { method, path, about, answers: BTreeMap::new(), schemas: Vec::new() };
        call.register::<Problem>();
        let mut call = call.or(401, "No valid credential.").or(429, "The credential makes too many calls.");
        call.answer(401, "").headers.push(("WWW-Authenticate", "That a bearer credential is needed.", Type::String));
        call
    }

    /// Takes a JSON body.
    pub fn takes<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.register::<T>())).build();
        let body =
            RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build();
        Self { about: self.about.request_body(Some(body)), ..self }
    }

    /// Answers with a JSON object of this kind, or of another one that was named before.
    pub fn json<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.register::<T>();
        self.answer(status, about).json.push(schema);
        self
    }

    /// Answers with a Set-Cookie line.
    pub fn cookie(mut self, status: u16) -> Self {
        self.answer(status, "").headers.push(("Set-Cookie", "As `set_cookie`.", Type::String));
        self
    }

    /// What can be done next with what is answered: an operation, and the body that it takes.
    pub fn then(mut self, status: u16, operation: &'static str, body: serde_json::Value) -> Self {
        self.answer(status, "").links.push((operation, body));
        self
    }

    /// Answers with nothing but the status.
    pub fn empty(mut self, status: u16, about: &str) -> Self {
        self.answer(status, about);
        self
    }

    /// Answers 200 with content of another kind.
    pub fn other(mut self, kind: &'static str, about: &str, of: Type) -> Self {
        self.answer(200, about).other = Some((kind, plain(of)));
        self
    }

    /// Answers with a problem.
    pub fn or(mut self, status: u16, about: &str) -> Self {
        let answer = self.answer(status, about);
        answer.problem = true;
        if matches!(status, 429 | 503) {
            answer.headers.push((
                "Retry-After",
                "After how many seconds to ask again, where that helps.",
                Type::Integer,
            ));
        }
        self
    }

    /// Adds it to all others.
    pub fn add_to(self, paths: PathsBuilder, components: ComponentsBuilder) -> (PathsBuilder, ComponentsBuilder) {
        let answers = self.answers.into_iter().map(|(status, answer)| (status, answer.build()));
        let operation = answers.fold(self.about, |about, (status, answer)| about.response(status.to_string(), answer));
        (paths.path(self.path, PathItem::new(self.method, operation)), components.schemas_from_iter(self.schemas))
    }

    fn answer(&mut self, status: u16, about: &str) -> &mut Answer {
        let answer = self.answers.entry(status).or_default();
        if !answer.about.is_empty() && !about.is_empty() {
            answer.about.push(' ');
        }
        answer.about.push_str(about);
        answer
    }

    fn register<T: ToSchema>(&mut self) -> Ref {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        Ref::from_schema_name(T::name())
    }
}

impl Answer {
    fn build(self) -> ResponseBuilder {
        let mut response = ResponseBuilder::new().description(self.about);
        if let [one] = &*self.json {
            response = response.content("application/json", ContentBuilder::new().schema(Some(one.clone())).build());
        } else if !self.json.is_empty() {
            let any = self.json.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
            response = response
                .content("application/json", ContentBuilder::new().schema(Some(Schema::from(any.build()))).build());
        }
        if self.problem {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
            response = response.content("application/problem+json", content);
        }
        if let Some((kind, schema)) = self.other {
            response = response.content(kind, ContentBuilder::new().schema(Some(schema)).build());
        }
        for (operation, body) in self.links {
            response =
                response.link(operation, LinkBuilder::new().operation_id(operation).request_body(Some(body)).build());
        }
        self.headers.into_iter().fold(response, |response, (name, about, of)| {
            response.header(name, HeaderBuilder::new().schema(Some(plain(of))).description(Some(about)).build())
        })
    }
}

fn plain(of: Type) -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::Type(of)).build().into()
}
