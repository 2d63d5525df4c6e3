// Makes the digest that `tests/it/handshake.rs` holds fixed, with viem's EIP-712 encoder.
// Run where viem is installed: `node handshake.mjs` in a folder below `contracts/`, or with NODE_PATH set.
import { hashTypedData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'

const compressed = (seed) => {
  const key = privateKeyToAccount('0x' + seed.repeat(32)).publicKey.slice(2)
  const x = key.slice(2, 66)
  const isOdd = parseInt(key.slice(-1), 16) % 2 === 1
  return '0x' + (isOdd ? '03' : '02') + x
}
const end = (seed, nonce) => ({
  nodeKey: compressed(seed),
  peerId: '0x002408011220' + '07'.repeat(32),
  nonce: '0x' + nonce.repeat(32),
  featuresRequired: 0n,
  featuresOptional: 3n,
})
console.log(
  hashTypedData({
    domain: { name: 'Lockstep', version: '1' },
    primaryType: 'Handshake',
    types: {
      HandshakeEnd: [
        { name: 'nodeKey', type: 'bytes' },
        { name: 'peerId', type: 'bytes' },
        { name: 'nonce', type: 'bytes32' },
        { name: 'featuresRequired', type: 'uint64' },
        { name: 'featuresOptional', type: 'uint64' },
      ],
      Handshake: [
        { name: 'protocolVersion', type: 'uint32' },
        { name: 'signer', type: 'HandshakeEnd' },
        { name: 'verifier', type: 'HandshakeEnd' },
      ],
    },
    message: { protocolVersion: 1, signer: end('01', 'a1'), verifier: end('02', 'b2') },
  }),
)
