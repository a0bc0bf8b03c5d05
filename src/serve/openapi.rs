//! The description of all operations, for programs: OpenAPI.

use std::sync::Arc;

use axum::{Extension, Json};
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, RefOr,
    Required, Response, ResponseBuilder, Schema, ServerBuilder,
};

use super::dialect::Dialect;
use super::operation::{Field, Kind, Operation, get, needed};

/// Where the description is to be had.
pub fn operations() -> Vec<Operation> {
    vec![get("/spec", spec, "This description")]
}

/// `GET /spec`
async fn spec(Extension(description): Extension<Arc<OpenApi>>) -> Json<Value> {
    Json(serde_json::to_value(&*description).unwrap_or_default())
}

/// A description in the making.
#[derive(Default)]
pub struct Description {
    paths: PathsBuilder,
}

impl Description {
    /// Describes an operation, whose dialect says how it refuses.
    pub fn add(&mut self, tag: &str, dialect: Option<Dialect>, operation: &Operation) {
        let described = describe(tag, dialect, operation);
        let item = PathItem::new(operation.method.clone(), described);
        self.paths = std::mem::take(&mut self.paths).path(operation.path, item);
    }

    /// The whole, for a service under a prefix.
    pub fn finish(self, prefix: &str) -> OpenApi {
        let info = InfoBuilder::new()
            .title(env!("CARGO_PKG_NAME"))
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(env!("CARGO_PKG_DESCRIPTION")))
            .build();
        let url = if prefix.is_empty() { "/" } else { prefix };
        OpenApiBuilder::new()
            .info(info)
            .servers(Some([ServerBuilder::new().url(url).build()]))
            .paths(self.paths.build())
            .build()
    }
}

fn describe(tag: &str, dialect: Option<Dialect>, operation: &Operation) -> OperationBuilder {
    let mut described = OperationBuilder::new()
        .tag(tag)
        .summary(Some(operation.summary));
    for part in operation.path.split('/') {
        let name = (part.strip_prefix('{')).and_then(|part| part.strip_suffix('}'));
        if let Some(name) = name {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(Kind::Text.schema()));
            described = described.parameter(parameter);
        }
    }
    if operation.method == HttpMethod::Post {
        if !operation.takes.is_empty() {
            described = described.request_body(Some(body(operation)));
        }
    } else {
        for field in &operation.takes {
            let parameter = ParameterBuilder::new()
                .name(field.name)
                .parameter_in(ParameterIn::Query)
                .required(required(field.is_needed))
                .description(Some(field.words))
                .schema(Some(field.kind.schema()));
            described = described.parameter(parameter);
        }
    }
    described = described.response(operation.status, answer("The answer", &operation.gives));
    match dialect {
        Some(dialect) => {
            let refusal = needed(dialect.refusal_field(), Kind::Text, "In words");
            described.response("default", answer("What is wrong", &[refusal]))
        }
        None => described,
    }
}

/// What the fields may be packed in.
fn body(operation: &Operation) -> RequestBody {
    let fields = &operation.takes;
    let has_file = fields.iter().any(|field| field.kind == Kind::File);
    let kinds: &[&str] = match (has_file, operation.is_json) {
        (true, _) => &["multipart/form-data"],
        (false, true) => &["application/json"],
        (false, false) => &[
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ],
    };
    let is_needed = fields.iter().any(|field| field.is_needed);
    let body = RequestBodyBuilder::new().required(Some(required(is_needed)));
    let body = (kinds.iter()).fold(body, |body, kind| body.content(*kind, content(fields)));
    body.build()
}

fn answer(words: &str, fields: &[Field]) -> Response {
    let answer = ResponseBuilder::new().description(words);
    match fields.is_empty() {
        true => answer.build(),
        false => answer.content("application/json", content(fields)).build(),
    }
}

fn content(fields: &[Field]) -> Content {
    let mut object = ObjectBuilder::new();
    for field in fields {
        object = object.property(field.name, field.schema());
        if field.is_needed {
            object = object.required(field.name);
        }
    }
    let schema = RefOr::T(Schema::Object(object.build()));
    ContentBuilder::new().schema(Some(schema)).build()
}

fn required(is_needed: bool) -> Required {
    match is_needed {
        true => Required::True,
        false => Required::False,
    }
}

impl Field {
    fn schema(&self) -> RefOr<Schema> {
        let mut schema = self.kind.schema();
        if let RefOr::T(schema) = &mut schema {
            let description = match schema {
                Schema::Object(object) => &mut object.description,
                Schema::Array(array) => &mut array.description,
                Schema::OneOf(either) => &mut either.description,
                _ => return RefOr::T(schema.clone()),
            };
            *description = Some(self.words.to_owned());
        }
        schema
    }
}

impl Kind {
    fn schema(self) -> RefOr<Schema> {
        let plain = |kind: SchemaType| {
            let object = ObjectBuilder::new().schema_type(kind);
            RefOr::T(Schema::Object(object.build()))
        };
        let text = || plain(Type::String.into());
        let texts = || RefOr::T(Schema::Array(ArrayBuilder::new().items(text()).build()));
        match self {
            Kind::Text | Kind::File => text(),
            Kind::TextOrTexts => {
                let either = OneOfBuilder::new().item(text()).item(texts());
                RefOr::T(Schema::OneOf(either.build()))
            }
            Kind::Number => plain(Type::Integer.into()),
            Kind::Flag => plain(Type::Boolean.into()),
            Kind::Any => plain(SchemaType::AnyValue),
        }
    }
}
