//! The description of all dialects, for programs: OpenAPI.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, RefOr, Required,
    ResponseBuilder, Schema, ServerBuilder,
};

use super::service::Service;

/// `GET /spec`
pub async fn spec(State(service): State<Arc<Service>>) -> Json<Value> {
    let description = describe(&service.settings.url_prefix);
    Json(serde_json::to_value(description).unwrap_or_default())
}

/// A field: its name, what it is, whether it has to be there, and what it is for.
type Field = (&'static str, Kind, bool, &'static str);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    TextOrTexts,
    Number,
    Flag,
    File,
    Any,
}

struct Operation {
    path: &'static str,
    method: HttpMethod,
    tag: &'static str,
    summary: &'static str,
    fields: &'static [Field],
    answer: &'static [Field],
}

const Q: Field = ("q", Kind::TextOrTexts, true, "A text or several");
const KEY: Field = (
    "api_key",
    Kind::Text,
    false,
    "A key, where the service asks for one",
);
const SOURCE: Field = ("source", Kind::Text, true, "A language's code, or auto");
const TARGET: Field = ("target", Kind::Text, true, "A language's code");
const SOURCE_LANG: Field = ("source_lang", Kind::Text, false, "A language's code");
const TARGET_LANG: Field = ("target_lang", Kind::Text, true, "A language's code");
const DOCUMENT_KEY: Field = ("document_key", Kind::Text, true, "As the upload gave it");

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    Operation { path: "/translate", method: HttpMethod::Post, tag: "LibreTranslate", summary: "Translate texts",
        fields: &[Q, SOURCE, TARGET, ("format", Kind::Text, false, "text or html"),
            ("alternatives", Kind::Number, false, "How many other translations"), KEY],
        answer: &[("translatedText", Kind::TextOrTexts, true, "As q was"),
            ("detectedLanguage", Kind::Any, false, "With auto; a list where q is one"),
            ("alternatives", Kind::Any, false, "Where they were asked for; a list of lists where q is one")] },
    Operation { path: "/detect", method: HttpMethod::Post, tag: "LibreTranslate", summary: "Which language a text is in",
        fields: &[Q, KEY], answer: &[] },
    Operation { path: "/languages", method: HttpMethod::Get, tag: "LibreTranslate",
        summary: "Languages, and which each is translated into", fields: &[], answer: &[] },
    Operation { path: "/frontend/settings", method: HttpMethod::Get, tag: "LibreTranslate",
        summary: "What a page should know", fields: &[], answer: &[] },
    Operation { path: "/translate_file", method: HttpMethod::Post, tag: "LibreTranslate", summary: "Translate a file",
        fields: &[("file", Kind::File, true, "A .txt file in UTF-8"), SOURCE, TARGET, KEY],
        answer: &[("translatedFileUrl", Kind::Text, true, "Where it is")] },
    Operation { path: "/download_file/{name}", method: HttpMethod::Get, tag: "LibreTranslate",
        summary: "Fetch a translated file", fields: &[], answer: &[] },
    Operation { path: "/suggest", method: HttpMethod::Post, tag: "LibreTranslate",
        summary: "Refused: suggestions are not kept", fields: &[], answer: &[] },
    Operation { path: "/health", method: HttpMethod::Get, tag: "LibreTranslate", summary: "That the service answers",
        fields: &[], answer: &[("status", Kind::Text, true, "ok")] },
    Operation { path: "/v2/translate", method: HttpMethod::Post, tag: "DeepL", summary: "Translate texts",
        fields: &[("text", Kind::Texts, true, "Texts"), SOURCE_LANG, TARGET_LANG,
            ("split_sentences", Kind::Text, false, "0, 1 or nonewlines"),
            ("preserve_formatting", Kind::Flag, false, "White space always stays"),
            ("tag_handling", Kind::Text, false, "xml or html"),
            ("ignore_tags", Kind::Texts, false, "Elements whose content stays"),
            ("glossary_id", Kind::Text, false, "A glossary for these languages")],
        answer: &[("translations", Kind::Any, true,
            "An object a text: detected_source_language, text, billed_characters")] },
    Operation { path: "/v2/languages", method: HttpMethod::Get, tag: "DeepL", summary: "Languages",
        fields: &[("type", Kind::Text, false, "source or target")], answer: &[] },
    Operation { path: "/v2/usage", method: HttpMethod::Get, tag: "DeepL", summary: "Characters of this key so far",
        fields: &[], answer: &[("character_count", Kind::Number, true, "So far"),
            ("character_limit", Kind::Number, true, "At most")] },
    Operation { path: "/v2/document", method: HttpMethod::Post, tag: "DeepL", summary: "Upload a document",
        fields: &[("file", Kind::File, true, "A .txt file in UTF-8"), SOURCE_LANG, TARGET_LANG],
        answer: &[("document_id", Kind::Text, true, "What it is called"),
            ("document_key", Kind::Text, true, "What it is fetched with")] },
    Operation { path: "/v2/document/{id}", method: HttpMethod::Post, tag: "DeepL", summary: "How far it is",
        fields: &[DOCUMENT_KEY], answer: &[("status", Kind::Text, true, "translating, done or error")] },
    Operation { path: "/v2/document/{id}/result", method: HttpMethod::Post, tag: "DeepL",
        summary: "Fetch it, once", fields: &[DOCUMENT_KEY], answer: &[] },
    Operation { path: "/v2/glossaries", method: HttpMethod::Post, tag: "DeepL", summary: "Keep a glossary",
        fields: &[("name", Kind::Text, true, "What it is called"), SOURCE_LANG, TARGET_LANG,
            ("entries", Kind::Text, true, "A term and what it is, a line each"),
            ("entries_format", Kind::Text, true, "tsv or csv")], answer: &[] },
    Operation { path: "/v2/glossaries", method: HttpMethod::Get, tag: "DeepL", summary: "Glossaries of this key",
        fields: &[], answer: &[("glossaries", Kind::Any, true, "All of them")] },
    Operation { path: "/v2/glossaries/{id}", method: HttpMethod::Get, tag: "DeepL", summary: "A glossary",
        fields: &[], answer: &[] },
    Operation { path: "/v2/glossaries/{id}", method: HttpMethod::Delete, tag: "DeepL", summary: "Forget a glossary",
        fields: &[], answer: &[] },
    Operation { path: "/v2/glossaries/{id}/entries", method: HttpMethod::Get, tag: "DeepL",
        summary: "Its entries, a line each", fields: &[], answer: &[] },
    Operation { path: "/v2/glossary-language-pairs", method: HttpMethod::Get, tag: "DeepL",
        summary: "Languages that glossaries may be for", fields: &[], answer: &[] },
    Operation { path: "/imme", method: HttpMethod::Post, tag: "Immersive Translate", summary: "Translate texts",
        fields: &[("text_list", Kind::Texts, true, "Texts"), SOURCE_LANG, TARGET_LANG],
        answer: &[("translations", Kind::Any, true, "An object a text: detected_source_lang, text")] },
    Operation { path: "/v1/generate", method: HttpMethod::Post, tag: "t5-gpu",
        summary: "Text to text, with generation options by the names that transformers gives them",
        fields: &[("id", Kind::Any, false, "Comes back"), ("text", Kind::Text, false, "A text, or input_ids"),
            ("input_ids", Kind::Any, false, "Token ids"), ("from", Kind::Text, false, "With to: text is translated"),
            ("to", Kind::Text, false, "With from"),
            ("stream", Kind::Flag, false, "Server-sent events: one a token, then the whole"),
            ("num_beams", Kind::Number, false, "As any other generation option")],
        answer: &[("id", Kind::Any, true, "The request's"),
            ("outputs", Kind::Any, true, "Objects with text, token_ids and, of beams, score")] },
    Operation { path: "/v1/align", method: HttpMethod::Post, tag: "t5-gpu",
        summary: "Which word of a translation comes from which word of its text",
        fields: &[("from", Kind::Text, true, "A language's code"), ("to", Kind::Text, true, "A language's code"),
            ("text", Kind::Text, true, "A text"), ("translation", Kind::Text, true, "What it became")],
        answer: &[("alignment", Kind::Any, true, "Pairs: a word of the text, a word of the translation")] },
    Operation { path: "/live", method: HttpMethod::Get, tag: "operation", summary: "The process is well",
        fields: &[], answer: &[] },
    Operation { path: "/ready", method: HttpMethod::Get, tag: "operation", summary: "Requests are answered",
        fields: &[], answer: &[] },
    Operation { path: "/metrics", method: HttpMethod::Get, tag: "operation", summary: "For Prometheus",
        fields: &[], answer: &[] },
];

fn describe(prefix: &str) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for operation in OPERATIONS {
        let item = PathItem::new(operation.method.clone(), operation.describe());
        paths = paths.path(operation.path, item);
    }
    let info = InfoBuilder::new()
        .title("t5-gpu")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(env!("CARGO_PKG_DESCRIPTION")))
        .build();
    let url = if prefix.is_empty() { "/" } else { prefix };
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url(url).build()]))
        .paths(paths.build())
        .build()
}

impl Operation {
    fn describe(&self) -> OperationBuilder {
        let mut operation = OperationBuilder::new()
            .tag(self.tag)
            .summary(Some(self.summary));
        for part in self.path.split('/') {
            let name = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            if let Some(name) = name {
                operation = operation.parameter(
                    (ParameterBuilder::new()
                        .name(name)
                        .parameter_in(ParameterIn::Path))
                    .required(Required::True)
                    .schema(Some(Kind::Text.schema())),
                );
            }
        }
        if self.method == HttpMethod::Post && !self.fields.is_empty() {
            let kinds: &[&str] = match self
                .fields
                .iter()
                .any(|field| matches!(field.1, Kind::File))
            {
                true => &["multipart/form-data"],
                false if self.tag == "t5-gpu" => &["application/json"],
                false => &[
                    "application/json",
                    "application/x-www-form-urlencoded",
                    "multipart/form-data",
                ],
            };
            let mut body = RequestBodyBuilder::new().required(Some(Required::True));
            for kind in kinds {
                let content = ContentBuilder::new()
                    .schema(Some(object(self.fields)))
                    .build();
                body = body.content(*kind, content);
            }
            operation = operation.request_body(Some(body.build()));
        } else {
            for (name, kind, _, words) in self.fields {
                operation = operation.parameter(
                    (ParameterBuilder::new()
                        .name(*name)
                        .parameter_in(ParameterIn::Query))
                    .description(Some(*words))
                    .schema(Some(kind.schema())),
                );
            }
        }
        let mut answer = ResponseBuilder::new().description("The answer");
        if !self.answer.is_empty() {
            let content = ContentBuilder::new()
                .schema(Some(object(self.answer)))
                .build();
            answer = answer.content("application/json", content);
        }
        operation.response("200", answer.build())
    }
}

fn object(fields: &[Field]) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new();
    for (name, kind, is_needed, _) in fields {
        object = object.property(*name, kind.schema());
        if *is_needed {
            object = object.required(*name);
        }
    }
    RefOr::T(Schema::Object(object.build()))
}

impl Kind {
    fn schema(self) -> RefOr<Schema> {
        let plain = |kind| {
            RefOr::T(Schema::Object(
                ObjectBuilder::new().schema_type(kind).build(),
            ))
        };
        let texts = || ArrayBuilder::new().items(plain(Type::String)).build();
        match self {
            Kind::Text | Kind::File => plain(Type::String),
            Kind::Texts => RefOr::T(Schema::Array(texts())),
            Kind::TextOrTexts => {
                let either = OneOfBuilder::new().item(plain(Type::String));
                let either = either.item(RefOr::T(Schema::Array(texts())));
                RefOr::T(Schema::OneOf(either.build()))
            }
            Kind::Number => plain(Type::Integer),
            Kind::Flag => plain(Type::Boolean),
            Kind::Any => RefOr::T(Schema::Object(
                ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
                    .build(),
            )),
        }
    }
}
