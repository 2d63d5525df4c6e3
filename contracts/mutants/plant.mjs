// Puts one bug of the table into a copy of the sources.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/// Copies `src` to `target` and applies the mutant's edits. A text that does not occur exactly once
/// means that the table is out of date, which must not pass for a bug that was found.
export function plant(mutant, src, target) {
  rmSync(target, { recursive: true, force: true });
  cpSync(src, target, { recursive: true });
  for (const [file, find, replace] of mutant.edits) {
    const path = join(target, file);
    const text = readFileSync(path, "utf8");
    const count = text.split(find).length - 1;
    if (count !== 1) {
      throw new Error(`${mutant.id}: the text to replace occurs ${count} times in src/${file}:\n${find}`);
    }
    writeFileSync(path, text.replace(find, () => replace));
  }
}
