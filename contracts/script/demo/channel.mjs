// What two parties of a channel compute and sign, without a chain.
import {
  concat, encodeAbiParameters, hashTypedData, keccak256, numberToHex, parseSignature, signatureToCompactSignature, stringToHex,
} from "viem";

const STATE = [
  ["channelId", "bytes32"], ["version", "uint64"], ["kind", "uint8"], ["net", "int256"],
  ["locked1", "uint256"], ["locked2", "uint256"], ["locksRoot", "bytes32"],
].map(([name, type]) => ({ name, type }));
const OPEN = [["channelId", "bytes32"], ["minDeposit1", "uint256"], ["deadline", "uint64"]].map(([name, type]) => ({ name, type }));
const TERMS = [
  ["participant1", "address"], ["participant2", "address"], ["signer1", "address"], ["signer2", "address"],
  ["token", "address"], ["challengePeriod", "uint32"], ["salt", "bytes32"],
].map(([name, type]) => ({ name, type }));

export const ORDINARY = 0;
export const FINAL = 1;
const NO_LOCKS = { locked1: 0n, locked2: 0n, locksRoot: `0x${"00".repeat(32)}` };
export const NO_SIGNATURE = { r: NO_LOCKS.locksRoot, vs: NO_LOCKS.locksRoot };
export const NO_INTENT = { side: 0, minVersion: 0n, deadline: 0n, signature: NO_SIGNATURE };

export class Channel {
  constructor({ contract, chainId, left, right, challengePeriod, name }) {
    this.domain = { name: "Lockstep", version: "1", chainId, verifyingContract: contract };
    this.left = left;
    this.right = right;
    this.terms = {
      participant1: left.account.address,
      participant2: right.account.address,
      signer1: left.signer.address,
      signer2: right.signer.address,
      token: `0x${"00".repeat(20)}`,
      challengePeriod,
      salt: keccak256(stringToHex(name)),
    };
    this.id = keccak256(encodeAbiParameters(
      [{ type: "uint256" }, { type: "address" }, { type: "tuple", components: TERMS }],
      [BigInt(chainId), contract, this.terms],
    ));
    this.version = 0n;
    this.net = 0n;
  }

  /// Both sign the next state; nothing touches the chain.
  async pay(amount) {
    this.net += amount;
    this.version += 1n;
    return this.#signed({ version: this.version, kind: ORDINARY, net: this.net, ...NO_LOCKS });
  }

  /// Both sign that this is the end.
  async finish() {
    this.version += 1n;
    return this.#signed({ version: this.version, kind: FINAL, net: this.net, ...NO_LOCKS });
  }

  /// Side 2's consent, with which the open is complete in one transaction.
  async consent(minDeposit1, deadline) {
    const message = { channelId: this.id, minDeposit1, deadline };
    const { r, vs } = await this.#sign(this.right.signer, { primaryType: "Open", types: { Open: OPEN }, message });
    return concat([numberToHex(minDeposit1, { size: 32 }), numberToHex(deadline, { size: 8 }), r, vs]);
  }

  async #signed(state) {
    const typed = { primaryType: "State", types: { State: STATE }, message: { channelId: this.id, ...state } };
    return {
      state,
      digest: hashTypedData({ domain: this.domain, ...typed }),
      signature1: await this.#sign(this.left.signer, typed),
      signature2: await this.#sign(this.right.signer, typed),
    };
  }

  async #sign(signer, typed) {
    const signature = await signer.signTypedData({ domain: this.domain, ...typed });
    const { r, yParityAndS } = signatureToCompactSignature(parseSignature(signature));
    return { r, vs: yParityAndS };
  }
}
