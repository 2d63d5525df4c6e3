use super::*;
use alloy_primitives::{B256, U256 as Word, b256, hex};
use k256::ecdsa::SigningKey;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

fn sign(key: &SigningKey, digest: Digest) -> StateSignature {
    let (signature, recovery) = key.sign_prehash_recoverable(digest.0.as_slice()).unwrap();
    StateSignature::from_parts(&signature, recovery).unwrap()
}

fn signer(key: &SigningKey) -> SignerKey {
    SignerKey::from_verifying_key(*key.verifying_key())
}

#[test]
fn a_signature_verifies_for_its_key_and_digest_only() {
    for byte in 1..20 {
        let digest = Digest(B256::repeat_byte(byte));
        let signature = sign(&key(byte), digest);
        assert_eq!(signer(&key(byte)).verify(digest, signature), Ok(()));
        assert!(signer(&key(byte + 1)).verify(digest, signature).is_err());
        let other = Digest(B256::repeat_byte(byte + 1));
        assert!(signer(&key(byte)).verify(other, signature).is_err());
    }
}

#[test]
fn p06_a_flipped_parity_bit_is_refused_as_ecrecover_would() {
    let digest = Digest(B256::repeat_byte(1));
    let mut signature = sign(&key(1), digest);
    signature.0[32] ^= 0x80;
    let expected = SignatureError::WrongSigner { digest, signer: signer(&key(1)).address() };
    assert_eq!(signer(&key(1)).verify(digest, signature), Err(expected));
}

#[test]
fn p06_every_flipped_bit_is_refused() {
    let digest = Digest(B256::repeat_byte(7));
    let good = sign(&key(7), digest);
    for bit in 0..512 {
        let mut bad = good;
        bad.0[bit / 8] ^= 1 << (bit % 8);
        assert!(signer(&key(7)).verify(digest, bad).is_err(), "bit {bit}");
    }
}

#[test]
#[allow(clippy::arithmetic_side_effects)]
fn p06_zero_and_high_s_signatures_are_refused() {
    let digest = Digest(B256::repeat_byte(1));
    let known = signer(&key(1));
    let zero = StateSignature([0; 64]);
    assert_eq!(known.verify(digest, zero), Err(SignatureError::OutOfRange));
    assert!(SignerKey::recover(digest, zero, Address::ZERO).is_err());
    let good = sign(&key(1), digest);
    let mut zero_s = good;
    zero_s.0[32..].fill(0);
    assert_eq!(known.verify(digest, zero_s), Err(SignatureError::OutOfRange));
    let order = b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let half: Word = Word::from_be_bytes(order.0) >> 1;
    let mut high = good;
    high.0[32..].copy_from_slice(&(half + Word::from(1)).to_be_bytes::<32>());
    assert_eq!(known.verify(digest, high), Err(SignatureError::HighS));
}

#[test]
fn a_key_is_learned_from_a_signature_and_checked_against_the_address() {
    let digest = Digest(B256::repeat_byte(3));
    let signature = sign(&key(3), digest);
    let expected = signer(&key(3));
    assert_eq!(SignerKey::recover(digest, signature, expected.address()), Ok(expected));
    assert!(SignerKey::recover(digest, signature, signer(&key(4)).address()).is_err());
    let bytes = expected.to_compressed();
    assert_eq!(SignerKey::new(&bytes, expected.address()), Ok(expected));
    assert!(matches!(SignerKey::new(&bytes, Address::ZERO), Err(SignatureError::WrongKey { .. })));
    assert_eq!(SignerKey::new(&[0; 33], Address::ZERO), Err(SignatureError::NotAKey));
}

#[test]
fn a_known_address_comes_out() {
    // The first account of every development chain.
    let secret = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    let key = SigningKey::from_slice(&secret).unwrap();
    let expected = alloy_primitives::address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    assert_eq!(signer(&key).address(), expected);
}

#[test]
fn p55_signing_is_deterministic_by_rfc_6979() {
    // Key 1, sha256("Satoshi Nakamoto"): a vector that many wallets publish.
    let mut secret = [0; 32];
    secret[31] = 1;
    let key = SigningKey::from_slice(&secret).unwrap();
    let digest = Digest(b256!("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e"));
    let signature = sign(&key, digest);
    assert_eq!(
        signature.0[..32],
        hex!("934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8")
    );
    let mut s = signature.0[32..].to_vec();
    s[0] &= 0x7f;
    assert_eq!(s, hex!("2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"));
    assert_eq!(sign(&key, digest), signature);
}

#[test]
fn p06_the_upper_half_of_s_begins_after_the_half_order_itself() {
    let digest = Digest(B256::repeat_byte(1));
    let mut bytes = sign(&key(1), digest).0;
    bytes[32..].copy_from_slice(HALF_ORDER.as_slice());
    assert!(StateSignature(bytes).recover_address(digest).is_ok());
    bytes[63] += 1;
    assert_eq!(StateSignature(bytes).recover_address(digest), Err(SignatureError::HighS));
}

#[test]
fn p06_a_signature_with_s_in_the_upper_half_is_never_packed() {
    let digest = Digest(B256::repeat_byte(1));
    let (low, recovery) = key(1).sign_prehash_recoverable(digest.0.as_slice()).unwrap();
    assert!(StateSignature::from_parts(&low, recovery).is_some());
    let (r, s) = low.split_scalars();
    let high = Signature::from_scalars(r, -s).unwrap();
    assert_eq!(StateSignature::from_parts(&high, recovery), None);
    let reduced = RecoveryId::new(false, true);
    assert_eq!(StateSignature::from_parts(&low, reduced), None);
}
