// Words for people; silent when a machine reads.
import { formatEther } from "viem";

export function narrator(isSilent) {
  const print = (line = "") => {
    if (!isSilent) console.log(line);
  };
  return {
    title(text) {
      print(`\n${text}\n${"=".repeat(text.length)}`);
    },
    /// A paragraph.
    say(text) {
      print(`\n${wrap(text.trim())}`);
    },
    step(text, gas) {
      print(`  * ${text}${gas === undefined ? "" : `  [${gas} gas]`}`);
    },
    table(head, rows) {
      const all = [head, ...rows].map((row) => row.map(String));
      const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
      const line = (row) => `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")}`;
      print(`\n${line(all[0])}`);
      print(`  ${widths.map((width) => "-".repeat(width)).join("  ")}`);
      for (const row of all.slice(1)) print(line(row));
    },
  };
}

export function ether(wei) {
  return `${formatEther(wei)} ETH`;
}

function wrap(text, width = 96) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}
