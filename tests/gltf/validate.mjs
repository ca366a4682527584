// Khronos' validator over every glTF file of a folder: node validate.mjs FOLDER
// Exit status: 0 when no file has an error or a warning, 1 when one has, 77 (skipped) when the validator is not installed.
import {readdirSync, readFileSync} from 'node:fs';
import {basename, join} from 'node:path';

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node validate.mjs FOLDER');
  process.exit(2);
}

const validator = await import('gltf-validator').then((module) => module.default ?? module, () => {
  console.log('SKIPPED: the glTF validator is not installed; run "npm ci" in tests/gltf');
  process.exit(77);
});

const names = readdirSync(folder).filter((name) => /\.(glb|gltf)$/.test(name)).sort();
const seen = {};  // extension or kind -> files
let bad = 0;
for (const name of names) {
  const report = await validator.validateBytes(new Uint8Array(readFileSync(join(folder, name))), {
    uri: name,
    format: name.endsWith('.glb') ? 'glb' : 'gltf',
    maxIssues: 50,
    writeTimestamp: false,
    // Only plain neighbours: a file that names anything else does not validate.
    externalResourceFunction: (uri) => {
      const local = decodeURIComponent(uri);
      if (basename(local) !== local) return Promise.reject(new Error('not beside the file: ' + uri));
      return Promise.resolve(new Uint8Array(readFileSync(join(folder, local))));
    },
  });
  for (const key of report.info?.extensionsUsed ?? []) seen[key] = (seen[key] ?? 0) + 1;
  for (const resource of report.info?.resources ?? []) {
    if (resource.mimeType?.startsWith('image/')) seen[resource.mimeType] = (seen[resource.mimeType] ?? 0) + 1;
  }
  const {numErrors, numWarnings, messages} = report.issues;
  if (numErrors + numWarnings === 0) continue;
  ++bad;
  for (const m of messages.filter((message) => message.severity < 2)) {
    console.log(`${name}: ${m.severity === 0 ? 'error' : 'warning'} ${m.code} at ${m.pointer ?? m.offset ?? '-'}: ${m.message}`);
  }
}
console.log(`${names.length} files validated, ${bad} with errors or warnings; ` +
            Object.entries(seen).sort().map(([key, count]) => `${key}: ${count}`).join(', '));
if (names.length === 0) console.log('there is nothing to validate: run the tests that write the files first');
process.exit(bad > 0 || names.length === 0 ? 1 : 0);
