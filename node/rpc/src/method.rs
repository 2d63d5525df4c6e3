//! What a method is: a name, who may call it, what goes in and what comes out.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// What an access token may do. Each may also do what comes before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Look at everything that is no secret.
    Read,
    /// Pay, up to a limit, and ask to be paid.
    Pay,
    /// Everything.
    Admin,
}

impl Scope {
    /// Its name in tokens and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Pay => "pay",
            Self::Admin => "admin",
        }
    }
}

/// A method that takes a `P` and answers with an `R`. Server, client and documents share it.
#[derive(Debug)]
pub struct Method<P, R> {
    /// Its name on the wire.
    pub name: &'static str,
    /// The least that a token must allow.
    pub scope: Scope,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Names of the fields of `P` in the order that positional parameters have.
    pub params: &'static [&'static str],
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Method<P, R> {
    /// A method.
    pub const fn new(
        name: &'static str,
        scope: Scope,
        params: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self { name, scope, summary, params, types: PhantomData }
    }
}

/// What parameters of a method can be.
pub trait Call: DeserializeOwned + Serialize + JsonSchema + Send + 'static {}
impl<T: DeserializeOwned + Serialize + JsonSchema + Send + 'static> Call for T {}

/// What answers of a method can be.
pub trait Reply: DeserializeOwned + Serialize + JsonSchema + Clone + Send + 'static {}
impl<T: DeserializeOwned + Serialize + JsonSchema + Clone + Send + 'static> Reply for T {}

/// No parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}
