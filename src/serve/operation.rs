//! What clients may ask for: where, who answers, and what programs are told of it. The routes and their description are made
//! of the same operations.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use utoipa::openapi::path::HttpMethod;

use super::service::Service;

/// A path and a method.
pub struct Operation {
    pub path: &'static str,
    pub method: HttpMethod,
    pub handler: MethodRouter<Arc<Service>>,
    /// What it is for.
    pub summary: &'static str,
    pub takes: Vec<Field>,
    /// Whether fields come as JSON alone.
    pub is_json: bool,
    /// The status of an answer that is no refusal.
    pub status: &'static str,
    /// The fields of an answer that is an object with such.
    pub gives: Vec<Field>,
}

/// A field of a request or an answer.
#[derive(Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub is_needed: bool,
    pub words: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    TextOrTexts,
    Number,
    Flag,
    File,
    Any,
}

/// A field that is always there.
pub const fn needed(name: &'static str, kind: Kind, words: &'static str) -> Field {
    Field {
        name,
        kind,
        is_needed: true,
        words,
    }
}

/// A field that may be missing.
pub const fn optional(name: &'static str, kind: Kind, words: &'static str) -> Field {
    Field {
        is_needed: false,
        ..needed(name, kind, words)
    }
}

pub fn get<H, T>(path: &'static str, handler: H, summary: &'static str) -> Operation
where
    H: Handler<T, Arc<Service>>,
    T: 'static,
{
    Operation::new(path, HttpMethod::Get, routing::get(handler), summary)
}

pub fn post<H, T>(path: &'static str, handler: H, summary: &'static str) -> Operation
where
    H: Handler<T, Arc<Service>>,
    T: 'static,
{
    Operation::new(path, HttpMethod::Post, routing::post(handler), summary)
}

pub fn delete<H, T>(path: &'static str, handler: H, summary: &'static str) -> Operation
where
    H: Handler<T, Arc<Service>>,
    T: 'static,
{
    Operation::new(path, HttpMethod::Delete, routing::delete(handler), summary)
}

impl Operation {
    fn new(
        path: &'static str,
        method: HttpMethod,
        handler: MethodRouter<Arc<Service>>,
        summary: &'static str,
    ) -> Operation {
        Operation {
            path,
            method,
            handler,
            summary,
            takes: Vec::new(),
            is_json: false,
            status: "200",
            gives: Vec::new(),
        }
    }

    /// What it reads.
    pub fn takes(mut self, fields: impl Into<Vec<Field>>) -> Operation {
        self.takes = fields.into();
        self
    }

    /// What it reads, out of JSON alone.
    pub fn takes_json(mut self, fields: impl Into<Vec<Field>>) -> Operation {
        self.is_json = true;
        self.takes(fields)
    }

    /// What it answers.
    pub fn gives(mut self, fields: impl Into<Vec<Field>>) -> Operation {
        self.gives = fields.into();
        self
    }

    /// With which status it answers.
    pub fn with_status(mut self, status: &'static str) -> Operation {
        self.status = status;
        self
    }
}
