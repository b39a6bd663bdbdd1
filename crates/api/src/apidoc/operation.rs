//! What the document says of one route. Made with one chain of calls per route, in `table`; what all routes of a kind have in
//! common (parameters of the path, faults of JSON bodies, who is not let in) is added here.

use super::schemas::{SchemaOf, Schemas};
use crate::access::rules::{Lets, Rule, find};
use crate::problem::Code;
use common::access::Role;
use common::campaign::RefusalCode;
use schemars::JsonSchema;
use std::collections::BTreeSet;

/// One route.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) query: Option<SchemaOf>,
    pub(super) headers: Vec<Header>,
    pub(super) body: Body,
    pub(super) answers: Vec<Answer>,
    codes: Vec<Code>,
    free: bool,
}

/// A header of a request.
pub(super) struct Header {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) pattern: &'static str,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Body {
    Nothing,
    Json(SchemaOf),
    /// A list, as one of these media types.
    List(&'static [&'static str]),
    /// A few lines of JSON.
    Lines,
}

/// A good answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    /// Media type and schema; none has no body.
    pub(super) content: Vec<(&'static str, Option<SchemaOf>)>,
    pub(super) headers: &'static [(&'static str, &'static str)],
}

pub(super) const JSON: &str = "application/json";

/// A route, and what it is for. `id` is the operation's name for programs; it stays.
pub(super) fn on(
    id: &'static str,
    method: &'static str,
    path: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        id,
        method,
        path,
        tag: "",
        summary,
        about: "",
        query: None,
        headers: Vec::new(),
        body: Body::Nothing,
        answers: Vec::new(),
        codes: Vec::new(),
        free: false,
    }
}

impl Operation {
    /// More than the summary says.
    pub(super) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// It is answered from memory, outside of all lanes.
    pub(super) fn free(mut self) -> Self {
        self.free = true;
        self
    }

    /// Parameters: the fields of a struct.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(Schemas::parameters::<T>);
        self
    }

    pub(super) fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// A JSON body.
    pub(super) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Body::Json(Schemas::input::<T>);
        self
    }

    pub(super) fn list(mut self, kinds: &'static [&'static str]) -> Self {
        self.body = Body::List(kinds);
        self
    }

    /// A few lines of JSON.
    pub(super) fn lines(mut self) -> Self {
        self.body = Body::Lines;
        self
    }

    fn answer(mut self, status: u16, about: &'static str, schema: SchemaOf) -> Self {
        let content = vec![(JSON, Some(schema))];
        self.answers.push(Answer { status, about, content, headers: &[] });
        self
    }

    /// 200 with JSON.
    pub(super) fn ok<T: JsonSchema>(self, about: &'static str) -> Self {
        self.answer(200, about, Schemas::output::<T>)
    }

    /// 201 with JSON.
    pub(super) fn created<T: JsonSchema>(self, about: &'static str) -> Self {
        self.answer(201, about, Schemas::output::<T>)
    }

    /// 202 with JSON.
    pub(super) fn accepted<T: JsonSchema>(self, about: &'static str) -> Self {
        self.answer(202, about, Schemas::output::<T>)
    }

    /// An answer without a body.
    pub(super) fn bare(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, content: Vec::new(), headers: &[] });
        self
    }

    /// 200 with something else than JSON; once more after [`Operation::ok`], the other thing it may be.
    pub(super) fn media(mut self, kind: &'static str, about: &'static str) -> Self {
        match self.answers.iter_mut().find(|a| a.status == 200) {
            Some(ok) => ok.content.push((kind, None)),
            None => {
                let content = vec![(kind, None)];
                self.answers.push(Answer { status: 200, about, content, headers: &[] });
            }
        }
        self
    }

    /// Headers of the newest answer.
    pub(super) fn with(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers = headers;
        }
        self
    }

    /// Faults that are its own.
    pub(super) fn fails(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// What the domain may refuse.
    pub(super) fn refuses(mut self, codes: &[RefusalCode]) -> Self {
        self.codes.extend(codes.iter().copied().map(Code::from));
        self
    }

    /// Who is let in.
    pub(super) fn rule(&self) -> Option<&'static Rule> {
        find(self.method, self.path)
    }

    /// The parameters in the path.
    pub(super) fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Every fault that it can have.
    pub(super) fn codes(&self) -> BTreeSet<Code> {
        let mut all: BTreeSet<_> = self.codes.iter().copied().collect();
        all.extend([Code::BadHeader, Code::OriginNotAllowed, Code::HostNotAllowed, Code::Internal]);
        all.extend(self.admission());
        all.extend(self.input());
        if !self.free {
            all.extend([Code::TimedOut, Code::Unavailable, Code::Corrupt, Code::Invalid]);
            let pressed = self.path.ends_with("/press") || self.path.ends_with("/abort");
            all.extend((!pressed).then_some(Code::Overloaded));
        }
        all
    }

    /// Who is not let in.
    fn admission(&self) -> Vec<Code> {
        let Some(rule) = self.rule() else { return Vec::new() };
        let mut all = match rule.lets {
            Lets::Open => return Vec::new(),
            Lets::Local | Lets::Roles(_) => vec![
                Code::NoToken,
                Code::BadToken,
                RefusalCode::TokenExpired.into(),
                RefusalCode::TokenRevoked.into(),
                Code::TooManyAttempts,
                Code::Unavailable,
                Code::Corrupt,
            ],
        };
        let everybody = Role::ALL.into_iter().all(|role| rule.lets.role(role));
        all.extend((!everybody || rule.silent).then_some(Code::Refused(RefusalCode::NotPermitted)));
        all
    }

    /// What can be wrong with path, parameters and body.
    fn input(&self) -> Vec<Code> {
        let mut all = Vec::new();
        for segment in self.segments().filter(|_| self.path.starts_with("/v1/")) {
            all.push(Code::NotFound);
            all.push(Code::BadPath);
            all.extend(matches!(segment, "user" | "name").then_some(Code::BadField));
        }
        all.extend(self.query.map(|_| Code::BadQuery));
        let arriving = [Code::BodyTooLarge, Code::BodyTooSlow, Code::CutOff];
        match self.body {
            Body::Nothing => {}
            Body::Json(_) => {
                all.extend(arriving);
                all.extend([Code::NotJson, Code::BadJson, Code::BadField]);
            }
            Body::Lines => {
                all.extend(arriving);
                all.push(Code::BadField);
            }
            Body::List(_) => {
                all.extend(arriving);
                all.extend(LIST);
            }
        }
        all
    }
}

/// What can be wrong with a list.
const LIST: [Code; 11] = [
    Code::ListDamaged,
    Code::ListEmpty,
    Code::ListHeader,
    Code::ListLineTooLong,
    Code::ListMostlyBad,
    Code::ListNotText,
    Code::ListOpenQuote,
    Code::ListTruncated,
    Code::ListTooLarge,
    Code::UnsupportedEncoding,
    Code::UnsupportedType,
];
