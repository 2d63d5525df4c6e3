//! A caller of the interface, for the command line and for tests.

use crate::failure::{Failure, FailureData, FailureKind};
use crate::method::{Call, Method, Reply};
use jsonrpsee::core::client::{ClientT, Error};
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::types::ErrorObject;
use jsonrpsee_http_client::{HeaderMap, HeaderValue, HttpClient, transport};
use lockstep_core::error::ErrorClass;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// A little longer than the server lets any call take.
const ANSWER_WITHIN: Duration = Duration::from_secs(110);
/// As much as the server sends. Units: bytes.
const MAX_ANSWER_BYTES: u32 = 8 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node said no.
    #[error("{0}")]
    Refused(Failure),
    /// The node took the call for something else, with this code.
    #[error("the node does not understand the call ({code})")]
    Protocol {
        /// The JSON-RPC error code.
        code: i32,
        /// What was wrong with it, where the node says.
        #[source]
        source: ProtocolFault,
    },
    /// Nobody answers at this address.
    #[error("no node answers at {address}")]
    Unreachable {
        /// Where it should be.
        address: SocketAddr,
    },
    /// The node knows another token.
    #[error("the node at {address} does not take this token")]
    Unauthorized {
        /// Where it is.
        address: SocketAddr,
    },
    /// The node took too long; what was ordered may still happen.
    #[error("the node took too long to answer")]
    TimedOut,
    /// Something that is no answer came back.
    #[error("the answer can't be read")]
    Unreadable,
    /// The token can't stand in a header.
    #[error("the token holds characters that no token has")]
    BadToken,
}

/// What a node says about a call that it does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProtocolFault {
    message: String,
}

impl ClientError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused(failure) => failure.class(),
            Self::Protocol { .. } | Self::Unauthorized { .. } | Self::BadToken => {
                ErrorClass::Refused
            }
            Self::Unreachable { .. } | Self::TimedOut => ErrorClass::Transient,
            Self::Unreadable => ErrorClass::PeerFault,
        }
    }
}

/// A caller of one node.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    http: HttpClient,
}

impl Client {
    /// A caller of the node at this address, with a token.
    ///
    /// # Errors
    /// [`ClientError::BadToken`].
    pub fn new(address: SocketAddr, token: &str) -> Result<Self, ClientError> {
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::BadToken)?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", bearer);
        let http = HttpClient::builder()
            .request_timeout(ANSWER_WITHIN)
            .max_response_size(MAX_ANSWER_BYTES)
            .set_headers(headers)
            .build(format!("http://{address}"))
            .map_err(|_| ClientError::Unreachable { address })?;
        Ok(Self { address, http })
    }

    /// Calls a method and waits for its answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call<P: Call, R: Reply>(
        &self,
        method: &Method<P, R>,
        call: &P,
    ) -> Result<R, ClientError> {
        let params = self.params_of(call)?;
        self.http.request(method.name, params).await.map_err(|error| self.error_of(error))
    }

    fn params_of<P: Call>(&self, call: &P) -> Result<ObjectParams, ClientError> {
        let mut params = ObjectParams::new();
        let Ok(Value::Object(fields)) = serde_json::to_value(call) else {
            return Err(ClientError::Unreadable);
        };
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
            params.insert(&name, value).map_err(|_| ClientError::Unreadable)?;
        }
        Ok(params)
    }

    fn error_of(&self, error: Error) -> ClientError {
        let address = self.address;
        if let Error::Call(error) = &error {
            return refused(error);
        }
        if matches!(error, Error::RequestTimeout) {
            return ClientError::TimedOut;
        }
        let Error::Transport(error) = error else {
            return ClientError::Unreadable;
        };
        match error.downcast_ref() {
            Some(transport::Error::Rejected { status_code: 401 }) => {
                ClientError::Unauthorized { address }
            }
            Some(_) | None => ClientError::Unreachable { address },
        }
    }
}

fn refused(error: &ErrorObject<'_>) -> ClientError {
    let data = error.data().and_then(|data| serde_json::from_str::<FailureData>(data.get()).ok());
    match (data, FailureKind::of_code(error.code())) {
        (Some(data), _) => {
            let mut failure = Failure::new(data.kind, error.message());
            (failure.safe, failure.advice) = (data.safe, data.advice);
            ClientError::Refused(failure)
        }
        (None, Some(kind)) => ClientError::Refused(Failure::new(kind, error.message())),
        (None, None) => {
            let source = ProtocolFault { message: error.message().to_owned() };
            ClientError::Protocol { code: error.code(), source }
        }
    }
}
