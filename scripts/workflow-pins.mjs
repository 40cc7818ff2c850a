// Whether the workflows run what somebody has looked at: a tag of an action can be moved to other code, a digest cannot.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @returns {string[]} the actions in a workflow's text that are not pinned by the digest of a commit, with the version behind it. */
export function unpinnedActions(text) {
  const uses = [...text.matchAll(/^\s*(?:- )?["']?uses["']?:[ \t]*(.+?)[ \t]*$/gm)].map(([, what]) => what);
  // An action of this repository is of the commit that is checked out.
  return uses.filter((what) => !/^["']?\.\//.test(what) && !/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(what));
}

/** @returns {string[]} what to do about the workflows in this folder. */
export function pinProblems(folder) {
  return readdirSync(folder)
    .filter((file) => /\.ya?ml$/.test(file))
    .flatMap((file) => unpinnedActions(readFileSync(join(folder, file), 'utf8')).map((what) => `${file}: ${what}`))
    .map((problem) => {
      const address = /: ["']?([\w-]+\/[\w-]+)/.exec(problem)?.[1] ?? 'OWNER/ACTION';
      return (
        `${problem} is not pinned. Write OWNER/ACTION@DIGEST # vX.Y.Z, with the digest that ` +
        `"git ls-remote https://github.com/${address} 'refs/tags/vX.Y.Z*'" has for vX.Y.Z^{}, or for vX.Y.Z where there is no ^{}`
      );
    });
}
