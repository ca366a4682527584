import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import './english.js';
import {bytes, count, metres} from '../../src/core/format.js';
import {bestLanguage, speak} from '../../src/core/words.js';
import {de} from '../../src/words/de.js';
import {deMore} from '../../src/words/de_more.js';
import {en} from '../../src/words/en.js';
import {enMore} from '../../src/words/en_more.js';

interface Table {
  [key: string]: string | ((...values: never[]) => string) | Table;
}

/** All keys of a table with what stands there, below each other: "app.title". */
function flat(table: Table, path = ''): Map<string, string | ((...values: never[]) => string)> {
  const all = new Map<string, string | ((...values: never[]) => string)>();
  for (const [key, value] of Object.entries(table)) {
    if (typeof value === 'object') for (const [below, one] of flat(value, `${path}${key}.`)) all.set(below, one);
    else all.set(path + key, value);
  }
  return all;
}

const tables = {en: flat({en, enMore} as unknown as Table), de: flat({en: de, enMore: deMore} as unknown as Table)};

test('every key is in every language, of the same kind, and says something', () => {
  assert.deepEqual([...tables.de.keys()].sort(), [...tables.en.keys()].sort());
  assert.ok(tables.en.size > 250);
  for (const [key, value] of tables.en) {
    const other = tables.de.get(key);
    assert.equal(typeof other, typeof value, key);
    if (typeof value === 'string') assert.equal(value === '', other === '', key);
    else assert.ok(typeof other === 'function' && other.length <= value.length, key);
  }
});

test('what is given to a sentence is in it, in every language', () => {
  for (const [language, table] of Object.entries(tables)) {
    for (const [key, value] of table) {
      if (typeof value === 'string' || value.length === 0) continue;
      const [numbers, texts] = [[3, 4, 5], ['«a»', '«b»', '«c»']].map((given) => value(...(given as never[]).slice(0, value.length)));
      assert.ok(/[345]|«/.test(`${numbers} ${texts}`), `${language} ${key}: ${numbers}`);
      assert.doesNotMatch(`${numbers} ${texts}`, /undefined|NaN/, `${language} ${key}`);
    }
  }
});

test('stages of the server have names', () => {
  const source = readFileSync(join(process.env['ESPALIER_ROOT'] ?? '', 'src/session/stages.cpp'), 'utf8');
  const ids = [...source.matchAll(/\{Stage::\w+, "([\w-]+)"/g)].map(([, id]) => id);
  assert.ok(ids.length > 10);
  assert.deepEqual(Object.keys(enMore.stages).sort(), ids.sort());
});

test('the language is the first of the browser that there is', () => {
  assert.equal(bestLanguage(['de-AT', 'en']), 'de');
  assert.equal(bestLanguage(['fr-FR', 'DE', 'en']), 'de');
  assert.equal(bestLanguage(['en-US', 'de']), 'en');
  assert.equal(bestLanguage(['zh', 'toString']), 'en');
  assert.equal(bestLanguage([]), 'en');
});

test('numbers are written as the language does', () => {
  speak('de', de, async () => deMore);
  assert.equal(bytes(1207840), '1,2 MB');
  assert.equal(count(17950), '17.950');
  assert.equal(metres(1.2), '1,20 m');
  speak('en', en, async () => enMore);
  assert.equal(bytes(1207840), '1.2 MB');
});
