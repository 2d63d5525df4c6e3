// The closing table: who owned what before, and owns what now, on both chains, to the wei.
import { expectEqual, tell, title } from "./kit.mjs";

export class Accounts {
  rows = [];

  /// From now on what this account pays and gets must explain its balance.
  async add(name, chain, address) {
    const before = await chain.balance(address);
    const from = await chain.client.getBlockNumber({ cacheTime: 0 });
    this.rows.push({ name, chain, address, before, from, paidOut: 0n });
  }

  row(name) {
    return this.rows.find((row) => row.name === name);
  }

  /// How many transactions it has sent.
  count(name) {
    const { chain, address } = this.row(name);
    return chain.client.getTransactionCount({ address });
  }

  /// What somebody got beside what its own transactions say.
  paid(name, sum) {
    this.row(name).paidOut += sum;
  }

  async close() {
    title("10. Who owned what, to the wei");
    const lines = [];
    for (const { name, chain, address, before, from, paidOut } of this.rows) {
      const { paidIn, fees } = await chain.spentSince(from, address);
      const after = await chain.balance(address);
      expectEqual(`the account of ${name}`, after, before - paidIn + paidOut - fees);
      lines.push([name, before, paidIn, paidOut, fees, after]);
    }
    const head = ["", "before", "paid in", "paid out", "fees", "after"];
    const cells = [head, ...lines.map((line) => line.map(String))];
    const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    for (const row of cells) tell(`   ${row.map((cell, column) => cell.padStart(widths[column])).join("  ")}`);
  }
}
