//! The one thing a user writes down: 24 English words (BIP-39), and the seed that they stretch to.

use std::fmt;

use bip39::{Language, Mnemonic};
use lockstep_core::error::ErrorClass;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::{EntropyError, PinError, PinPolicy, Secret, random_bytes};

/// Shape: 24 words carry 256 bits and an 8-bit checksum.
pub const PHRASE_WORDS: usize = 24;
/// Units: bytes of entropy behind the phrase.
pub const ENTROPY_BYTES: usize = 32;
/// Units: bytes of a BIP-39 seed.
pub const SEED_BYTES: usize = 64;

/// Why a phrase was not accepted. Neither the phrase nor a word of it is in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Not the length we issue: a shorter phrase has less entropy than a channel key.
    #[error("a recovery phrase has {PHRASE_WORDS} words, this one has {words}")]
    WordCount {
        /// How many words were given.
        words: usize,
    },
    /// A word that the English list does not have.
    #[error("word {position} is not in the BIP-39 English list")]
    UnknownWord {
        /// Counted from 1, as a person does.
        position: usize,
    },
    /// All words are known, but not together: one is wrong or two are swapped.
    #[error("the words don't fit together: one is wrong or two are swapped")]
    Checksum,
    /// The word list can't express the entropy; only a fault in the library does this.
    #[error("the entropy has no phrase")]
    Entropy,
}

impl PhraseError {
    /// The user types it again.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// Why no phrase could be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] EntropyError),
    /// The word list refused the bytes.
    #[error(transparent)]
    Phrase(#[from] PhraseError),
}

impl GenerateError {
    /// Without randomness or a word list there is no safe key at all.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Randomness(_) | Self::Phrase(_) => ErrorClass::Fatal,
        }
    }
}

/// A valid 24-word recovery phrase.
///
/// # Invariants
/// 24 English words with a right checksum; wiped on drop (the `zeroize` feature of `bip39`); never printed but by
/// [`Phrase::expose_words`].
pub struct Phrase(Mnemonic);

impl Phrase {
    /// A new phrase from the operating system's generator.
    ///
    /// # Errors
    /// [`GenerateError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, GenerateError> {
        let entropy = random_bytes::<ENTROPY_BYTES>()?;
        Ok(Self::from_entropy(&entropy)?)
    }

    /// Reads words separated by any white space, in any case.
    ///
    /// # Errors
    /// [`PhraseError`], which names the position of a wrong word but never the word.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let mut normal = Zeroizing::new(String::with_capacity(text.len()));
        let mut words: usize = 0;
        for word in text.split_whitespace() {
            if words > 0 {
                normal.push(' ');
            }
            normal.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
            words = words.saturating_add(1);
        }
        if words != PHRASE_WORDS {
            return Err(PhraseError::WordCount { words });
        }
        match Mnemonic::parse_in_normalized(Language::English, &normal) {
            Ok(mnemonic) => Ok(Self(mnemonic)),
            Err(bip39::Error::UnknownWord(index)) => {
                Err(PhraseError::UnknownWord { position: index.saturating_add(1) })
            }
            // The word count is checked above and the language is given, so only the checksum is left.
            Err(_) => Err(PhraseError::Checksum),
        }
    }

    /// The phrase that stands for `entropy`.
    ///
    /// # Errors
    /// [`PhraseError::Entropy`], which 32 bytes never cause.
    pub fn from_entropy(entropy: &Zeroizing<[u8; ENTROPY_BYTES]>) -> Result<Self, PhraseError> {
        Mnemonic::from_entropy_in(Language::English, entropy.as_ref())
            .map(Self)
            .map_err(|_| PhraseError::Entropy)
    }

    /// What the phrase encodes; this, not the seed, goes into the keystore, so the words can be shown again.
    #[must_use]
    pub fn entropy(&self) -> Zeroizing<[u8; ENTROPY_BYTES]> {
        let (mut all, _) = self.0.to_entropy_array();
        let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
        for (to, from) in entropy.iter_mut().zip(all) {
            *to = from;
        }
        all.zeroize();
        entropy
    }

    /// The words, to be shown to the user once and written on paper.
    #[must_use]
    pub fn expose_words(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(256));
        for (position, word) in self.0.words().enumerate() {
            if position > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// Stretches the phrase to the seed that all keys come from. No BIP-39 passphrase is used: a second
    /// secret that can't be checked loses more funds than it guards.
    ///
    /// # Errors
    /// [`PinError`] as [`Secret::new`] says.
    pub fn seed(&self, policy: PinPolicy) -> Result<Secret<SEED_BYTES>, PinError> {
        let seed = Zeroizing::new(self.0.to_seed_normalized(""));
        Secret::new(&seed, policy)
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the published BIP-39 test vectors, 256-bit entropy, here without their passphrase.
    const ZERO_PHRASE: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon art";

    #[test]
    fn the_published_vector_gives_its_entropy_and_words_back() {
        let phrase = Phrase::parse(ZERO_PHRASE).unwrap();
        assert_eq!(*phrase.entropy(), [0; ENTROPY_BYTES]);
        let again = Phrase::from_entropy(&phrase.entropy()).unwrap();
        let single_spaced: Vec<_> = ZERO_PHRASE.split_whitespace().collect();
        assert_eq!(*again.expose_words(), single_spaced.join(" "));
    }

    #[test]
    fn a_generated_phrase_survives_being_written_down() {
        let phrase = Phrase::generate().unwrap();
        let as_typed = format!("  {}\n", phrase.expose_words().to_uppercase().replace(' ', "  "));
        assert_eq!(*Phrase::parse(&as_typed).unwrap().entropy(), *phrase.entropy());
        assert_ne!(*Phrase::generate().unwrap().entropy(), *phrase.entropy());
    }

    #[test]
    fn a_wrong_phrase_is_refused_with_what_to_look_at() {
        let cases = [
            ("abandon", PhraseError::WordCount { words: 1 }),
            ("", PhraseError::WordCount { words: 0 }),
            (&format!("{ZERO_PHRASE} art"), PhraseError::WordCount { words: 25 }),
            (
                &ZERO_PHRASE.replacen("abandon", "abandoned", 1),
                PhraseError::UnknownWord { position: 1 },
            ),
            (&ZERO_PHRASE.replace(" art", " \u{e4}rt"), PhraseError::UnknownWord { position: 24 }),
            (&ZERO_PHRASE.replace(" art", " zoo"), PhraseError::Checksum),
        ];
        for (text, want) in cases {
            assert_eq!(Phrase::parse(text).unwrap_err(), want);
        }
    }

    #[test]
    fn p54_a_phrase_is_in_no_debug_output_and_no_error() {
        let phrase = Phrase::parse(ZERO_PHRASE).unwrap();
        assert_eq!(format!("{phrase:?}"), "Phrase(redacted)");
        let error = Phrase::parse(&ZERO_PHRASE.replacen("abandon", "hunter", 1)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter"));
    }
}
