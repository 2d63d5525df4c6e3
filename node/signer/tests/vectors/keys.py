#!/usr/bin/env python3
"""Derives every key of a Lockstep node from its 24 words, with nothing but Python's standard library.

It is written from the specification, not from the Rust code, and makes keys.json beside it, which the Rust tests
read: two programs that agree. It is also the way out for someone who has the words and no node:

    python3 keys.py > keys.json                     the vectors
    python3 keys.py --show "word1 word2 ... word24" the accounts and the node id of a phrase
"""
import hashlib
import hmac
import json
import sys

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return (x, (slope * (a[0] - x) - a[1]) % P)


def public(secret):
    point, power = None, G
    while secret:
        if secret & 1:
            point = add(point, power)
        power, secret = add(power, power), secret >> 1
    return point


def compressed(point):
    return bytes([2 + (point[1] & 1)]) + point[0].to_bytes(32, "big")


def keccak256(data):
    rotations = [[0, 36, 3, 41, 18], [1, 44, 10, 45, 2], [62, 6, 43, 15, 61], [28, 55, 25, 21, 56], [27, 20, 39, 8, 14]]
    mask, rate = 2**64 - 1, 136
    rotate = lambda value, n: ((value << n) | (value >> (64 - n))) & mask if n else value
    padded = bytearray(data) + b"\x01" + b"\0" * (-(len(data) + 1) % rate)
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        register = 1
        for _ in range(24):
            parity = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
            for x in range(5):
                mix = parity[(x - 1) % 5] ^ rotate(parity[(x + 1) % 5], 1)
                for y in range(5):
                    lanes[x][y] ^= mix
            moved = [[0] * 5 for _ in range(5)]
            for x in range(5):
                for y in range(5):
                    moved[y][(2 * x + 3 * y) % 5] = rotate(lanes[x][y], rotations[x][y])
            for x in range(5):
                for y in range(5):
                    lanes[x][y] = moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y] & mask)
            for j in range(7):
                if register & 1:
                    lanes[0][0] ^= 1 << ((1 << j) - 1)
                register = (register << 1) ^ (0x171 if register & 0x80 else 0)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def address(secret):
    x, y = public(secret)
    return "0x" + keccak256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:].hex()


def seed_of(words):
    return hashlib.pbkdf2_hmac("sha512", " ".join(words.split()).encode(), b"mnemonic", 2048)


def account(seed, index):
    """BIP-32, m/44'/60'/0'/0/index."""
    digest = hmac.new(b"Bitcoin seed", seed, hashlib.sha512).digest()
    for step in (44 | 1 << 31, 60 | 1 << 31, 1 << 31, 0, index):
        key, chain = int.from_bytes(digest[:32], "big"), digest[32:]
        data = b"\0" + digest[:32] if step >> 31 else compressed(public(key))
        digest = hmac.new(chain, data + step.to_bytes(4, "big"), hashlib.sha512).digest()
        digest = ((int.from_bytes(digest[:32], "big") + key) % N).to_bytes(32, "big") + digest[32:]
    return int.from_bytes(digest[:32], "big")


def hkdf(seed, role, context):
    """HKDF-SHA256(ikm = seed, salt = "lockstep/<role>/v1", info = context and one counter byte), 32 bytes."""
    extracted = hmac.new(f"lockstep/{role}/v1".encode(), seed, hashlib.sha256).digest()
    return hmac.new(extracted, context + b"\0" + b"\1", hashlib.sha256).digest()


def channel_context(kind, chain, contract, peer, salt):
    number = lambda value: int(value, 16 if str(value).startswith("0x") else 10).to_bytes(32, "big")
    return bytes([kind]) + number(chain) + number(contract) + bytes.fromhex(peer[2:]) + bytes.fromhex(salt[2:])


def vector(words):
    seed = seed_of(words)
    peer = "0x" + compressed(public(7)).hex()
    channels = []
    for kind, chain, contract in (
        (1, "31337", "0x5fbdb2315678afecb367f032d93f642f64180aa3"),
        (1, "10", "0x5fbdb2315678afecb367f032d93f642f64180aa3"),
        (2, "31337", "0x0000000000000000000000005fbdb2315678afecb367f032d93f642f64180aa3"),
    ):
        salt = "0x" + bytes(range(32)).hex()
        secret = int.from_bytes(hkdf(seed, "channel", channel_context(kind, chain, contract, peer, salt)), "big")
        channels.append(
            dict(kind=kind, chain=chain, contract=contract, peer=peer, salt=salt,
                 public="0x" + compressed(public(secret)).hex(), signer=address(secret))
        )
    node = int.from_bytes(hkdf(seed, "node", b""), "big")
    return dict(
        words=words,
        accounts=[address(account(seed, index)) for index in (0, 1, 2, 2**31 - 1)],
        account_indexes=[0, 1, 2, 2**31 - 1],
        node_id="0x" + compressed(public(node)).hex(),
        transport_secret="0x" + hkdf(seed, "libp2p", b"").hex(),
        tower=peer,
        tower_secret="0x" + hkdf(seed, "tower", bytes.fromhex(peer[2:])).hex(),
        channels=channels,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--show"]:
        seed = seed_of(sys.argv[2].lower())
        for index in range(5):
            print(f"account {index}: {address(account(seed, index))}")
        print("node id: 0x" + compressed(public(int.from_bytes(hkdf(seed, 'node', b''), 'big'))).hex())
    else:
        phrases = ["abandon " * 23 + "art", "zoo " * 23 + "vote", "letter advice cage absurd amount doctor acoustic "
                   "avoid letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount "
                   "doctor acoustic bless"]
        print(json.dumps([vector(words) for words in phrases], indent=2))
