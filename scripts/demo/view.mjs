// Progress on a terminal.
import { isJson, tell } from "./kit.mjs";

/// How far the stream has come: one line that moves on a terminal, and a few lines elsewhere.
export class View {
  constructor(total) {
    Object.assign(this, { total, paid: 0, shown: 0 });
  }

  add(count) {
    this.paid += count;
    const part = Math.floor((20 * this.paid) / this.total);
    if (isJson || part === this.shown) return;
    this.shown = part;
    const bar = `   [${"#".repeat(part).padEnd(20)}] ${this.paid} of ${this.total}`;
    if (process.stdout.isTTY) process.stdout.write(`\r${bar}`);
    else if (part % 5 === 0) console.log(bar);
  }

  note(text) {
    if (!isJson && process.stdout.isTTY) process.stdout.write("\r\x1b[K");
    tell(`   ${text}`);
  }
}
