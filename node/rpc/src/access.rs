//! Access tokens: who may call what. Each is one line in a file of its own that only its owner may read.
//!
//! A token's text says what it may do (`lockstep_pay_1000_0x00.._<secret>`), and the text as a whole is the
//! secret: whoever changes the limit in it has no token any more. In memory there are only hashes.

mod file;
mod text;

use crate::backend::{Spender, SpendingLimit};
use crate::failure::{Failure, FailureKind};
use crate::method::Scope;
use crate::types::{AccessToken, CreateAccessToken, NewAccessToken, Text};
use alloy_primitives::{Address, B256};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::AccountRef;
use lockstep_core::money::Amount;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Tokens that one node has. Each is compared with at every call.
pub const MAX_TOKENS: usize = 64;
/// Name of the operator's token.
pub const ADMIN: &str = "admin";
/// Name of the token that may only look.
pub const READ: &str = "read";

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Look.
    Read,
    /// Pay up to a limit.
    Pay {
        /// The token of the chain that it may pay.
        asset: AccountRef,
        /// The most that it may pay in all.
        limit: Amount,
    },
    /// Everything.
    Admin,
}

impl Grant {
    /// Its scope.
    pub fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Pay { .. } => Scope::Pay,
            Self::Admin => Scope::Admin,
        }
    }
}

/// Names a token without giving it away: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenId(pub B256);

impl TokenId {
    /// Of a token's text.
    pub fn of(text: &str) -> Self {
        Self(B256::new(Sha256::digest(text.as_bytes()).into()))
    }

    /// Takes equally long wherever the two differ.
    fn equals(self, other: Self) -> bool {
        let differences = self.0.iter().zip(other.0.iter());
        std::hint::black_box(differences.fold(0, |all, (left, right)| all | (left ^ right))) == 0
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// By which token.
    pub id: TokenId,
    /// What it allows.
    pub grant: Grant,
}

impl Caller {
    /// Whose money the caller's payments count against.
    pub fn spender(&self) -> Spender {
        match self.grant {
            // A reader never comes to pay; a limit of zero keeps it so.
            Grant::Read => Spender::Token(SpendingLimit {
                token_id: self.id.0,
                asset: AccountRef::Evm(Address::ZERO),
                limit: Amount::ZERO,
            }),
            Grant::Pay { asset, limit } => {
                Spender::Token(SpendingLimit { token_id: self.id.0, asset, limit })
            }
            Grant::Admin => Spender::Operator,
        }
    }

    /// Whether the caller may use a method of this scope.
    ///
    /// # Errors
    /// [`FailureKind::Forbidden`].
    pub fn may(&self, scope: Scope) -> Result<(), Failure> {
        let own = self.grant.scope();
        if own >= scope {
            return Ok(());
        }
        let (own, needed) = (own.name(), scope.name());
        let message = format!("this token may {own} only, the method needs {needed}");
        Err(Failure::new(FailureKind::Forbidden, message)
            .safe("nothing was done")
            .advice(format!("use a token of scope {needed}")))
    }
}

/// Why tokens can't be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The disk says no.
    #[error("token file {path} can't be used: {kind}", path = .path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the disk says.
        kind: ErrorKind,
    },
    /// Others can read the file.
    #[error("token file {path} can be read by others (mode {mode:o}): make it 600", path = .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds no token.
    #[error("token file {path} holds no token", path = .path.display())]
    NoToken {
        /// Which.
        path: PathBuf,
    },
    /// No name for a token.
    #[error("a token's name is 1 to 32 lower-case letters, digits and hyphens")]
    Name,
    /// There is one of that name.
    #[error("there is a token of that name already")]
    Taken,
    /// There is none of that name.
    #[error("there is no token of that name")]
    Unknown,
    /// There are too many.
    #[error("there are {MAX_TOKENS} tokens already")]
    TooMany,
    /// The last one that may do everything.
    #[error("the operator's own token can't be revoked")]
    Operator,
    /// No randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl TokenError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File { .. }
            | Self::Exposed { .. }
            | Self::NoToken { .. }
            | Self::Name
            | Self::Taken
            | Self::Unknown
            | Self::TooMany
            | Self::Operator => ErrorClass::Refused,
            Self::Randomness => ErrorClass::Fatal,
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let kind = match &error {
            TokenError::TooMany => FailureKind::LimitReached,
            TokenError::Randomness => FailureKind::Internal,
            TokenError::File { .. } | TokenError::Exposed { .. } | TokenError::NoToken { .. } => {
                FailureKind::BadFile
            }
            TokenError::Name | TokenError::Taken | TokenError::Unknown | TokenError::Operator => {
                FailureKind::Refused
            }
        };
        Self::new(kind, error.to_string()).safe("no token was changed")
    }
}

/// A token in memory.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: TokenId,
    grant: Grant,
}

/// All tokens of a node, and the folder that holds them.
#[derive(Debug)]
pub struct Tokens {
    folder: PathBuf,
    by_name: RwLock<BTreeMap<String, Known>>,
}

impl Tokens {
    /// Makes the folder and, where they are missing, the operator's token and the one that may only look.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn init(folder: &Path) -> Result<Self, TokenError> {
        file::create_folder(folder)?;
        let tokens = Self::load(folder)?;
        for (name, grant) in [(ADMIN, Grant::Admin), (READ, Grant::Read)] {
            match tokens.create(name, grant) {
                Ok(_) | Err(TokenError::Taken) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tokens)
    }

    /// Reads all tokens of a folder.
    ///
    /// # Errors
    /// [`TokenError`] for the first file that is none, or that others can read.
    pub fn load(folder: &Path) -> Result<Self, TokenError> {
        let mut by_name = BTreeMap::new();
        for (name, path) in file::list(folder)? {
            if by_name.len() >= MAX_TOKENS {
                return Err(TokenError::TooMany);
            }
            let text = file::read(&path)?;
            let grant = text::grant_of(&text).ok_or(TokenError::NoToken { path })?;
            by_name.insert(name, Known { id: TokenId::of(&text), grant });
        }
        Ok(Self { folder: folder.to_owned(), by_name: RwLock::new(by_name) })
    }

    /// The text of a token of this folder, for a client on the same machine.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read_secret(folder: &Path, name: &str) -> Result<String, TokenError> {
        Self::read_secret_file(&file::path_of(folder, name))
    }

    /// The text of a token in any file that nobody else can read.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read_secret_file(path: &Path) -> Result<String, TokenError> {
        file::read(path)
    }

    /// Who a token's text belongs to. Looks at every token, so that the time says nothing.
    pub fn caller(&self, text: &str) -> Option<Caller> {
        let id = TokenId::of(text);
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for known in by_name.values() {
            if known.id.equals(id) {
                found = Some(Caller { id: known.id, grant: known.grant });
            }
        }
        found
    }

    /// Whether a caller's token is still valid.
    pub fn is_valid(&self, caller: &Caller) -> bool {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.values().any(|known| known.id.equals(caller.id))
    }

    /// Makes a token of this name.
    ///
    /// # Errors
    /// [`TokenError`]; then there is none.
    pub fn create(&self, name: &str, grant: Grant) -> Result<NewAccessToken, TokenError> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        check_new(name, by_name.keys())?;
        let secret = text::generate(grant)?;
        let path = file::path_of(&self.folder, name);
        file::write(&path, &secret)?;
        by_name.insert(name.to_owned(), Known { id: TokenId::of(&secret), grant });
        Ok(NewAccessToken {
            token: described(name, grant),
            secret,
            path: path.display().to_string(),
        })
    }

    /// All tokens, without their secrets.
    pub fn list(&self) -> Vec<AccessToken> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, known)| described(name, known.grant)).collect()
    }

    /// Ends a token, for calls that are under way on open connections, too.
    ///
    /// # Errors
    /// [`TokenError`]; then it still holds.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        check_end(name, by_name.keys())?;
        file::remove(&file::path_of(&self.folder, name))?;
        by_name.remove(name);
        Ok(())
    }
}

/// Whether a token of this name can be made beside those that there are.
///
/// # Errors
/// [`TokenError`] if not.
pub fn check_new<'a>(
    name: &str,
    mut known: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), TokenError> {
    let count = known.len();
    if !file::is_name(name) {
        return Err(TokenError::Name);
    }
    if known.any(|taken| taken == name) {
        return Err(TokenError::Taken);
    }
    if count >= MAX_TOKENS { Err(TokenError::TooMany) } else { Ok(()) }
}

/// Whether the token of this name can be ended.
///
/// # Errors
/// [`TokenError`] if not.
pub fn check_end<'a>(
    name: &str,
    mut known: impl Iterator<Item = &'a String>,
) -> Result<(), TokenError> {
    if !known.any(|there| there == name) {
        return Err(TokenError::Unknown);
    }
    if name == ADMIN { Err(TokenError::Operator) } else { Ok(()) }
}

/// What a request for a token asks for.
///
/// # Errors
/// [`Failure`] if limit and scope do not fit.
pub fn grant_of(call: &CreateAccessToken) -> Result<Grant, Failure> {
    let coin = Text(AccountRef::Evm(Address::ZERO));
    let bad = |message| Failure::new(FailureKind::BadAmount, message).safe("no token was made");
    match (call.scope, call.limit) {
        (Scope::Pay, Some(limit)) => {
            Ok(Grant::Pay { asset: call.asset.unwrap_or(coin).0, limit: limit.0 })
        }
        (Scope::Pay, None) => Err(bad("a token that may pay needs a limit")),
        (Scope::Read | Scope::Admin, Some(_)) => Err(bad("only a token of scope pay has a limit")),
        (Scope::Read, None) => Ok(Grant::Read),
        (Scope::Admin, None) => Ok(Grant::Admin),
    }
}

fn described(name: &str, grant: Grant) -> AccessToken {
    let (asset, limit) = match grant {
        Grant::Pay { asset, limit } => (Some(Text(asset)), Some(Text(limit))),
        Grant::Read | Grant::Admin => (None, None),
    };
    AccessToken { name: name.to_owned(), scope: grant.scope(), limit, asset }
}

#[cfg(test)]
mod tests;
