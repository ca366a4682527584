// A server that has two thousand assets, made up from one: its answers alone, or its folder.
import {linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

export const MANY = 2000;
const RECORD = 'job.json';

/** A made-up asset; the names count down with the age. */
const madeUp = (base, i) => ({
  ...base, id: `made-up-${i}`, name: `${['chair', 'lamp', 'car', 'كرسي أحمر'][i % 4]} ${i}`, pinned: i % 100 === 0, state: i % 50 === 7 ? 'failed' : 'done',
  created: new Date(Date.parse('2026-11-01') - i * 60000).toISOString(), report: {...base.report, faces: 1000 + ((i * 7919) % 5000)},
});

/** The list of the server as if it had so many; `removed` collects what is deleted. */
export async function pretend(page, base, removed = new Set()) {
  await page.route(/\/v1\/jobs(\?|\/made-up|\/delete)/, async (route) => {
    const url = new URL(route.request().url());
    if (url.pathname.endsWith('/delete')) {
      const {ids} = route.request().postDataJSON();
      for (const id of ids) removed.add(id);
      return route.fulfill({json: {done: ids.length, results: ids.map((id) => ({id, result: 'removed', error: null}))}});
    }
    const [, id] = /\/(made-up-\d+)$/.exec(url.pathname) ?? [];
    if (id) {
      if (route.request().method() === 'DELETE') removed.add(id);
      return route.fulfill(route.request().method() === 'DELETE' ? {status: 204} : {json: madeUp(base, Number(id.slice(8)))});
    }
    if (url.searchParams.has('parent')) return route.fulfill({json: {jobs: [], next: null}});
    const from = Number(url.searchParams.get('before') ?? 0);
    const limit = Number(url.searchParams.get('limit'));
    const all = Array.from({length: MANY}, (_, i) => madeUp(base, i)).filter(({id: one}) => !removed.has(one));
    return route.fulfill({json: {jobs: all.slice(from, from + limit), next: from + limit < all.length ? String(from + limit) : null}});
  });
}

/** The server begins anew with so many assets in its folder; their files are those of `base`. */
export async function fill(server, base) {
  await server.end();
  const jobs = join(server.data, 'jobs');
  const record = JSON.parse(readFileSync(join(jobs, base.id, RECORD), 'utf8'));
  const files = readdirSync(join(jobs, base.id)).filter((name) => name !== RECORD);
  for (let i = 1; i < MANY; ++i) {
    const {name, pinned, created} = madeUp(base, i);
    const id = i.toString(16).padStart(24, '0');
    mkdirSync(join(jobs, id));
    for (const file of files) linkSync(join(jobs, base.id, file), join(jobs, id, file));
    writeFileSync(join(jobs, id, RECORD), JSON.stringify({...record, id, name, pinned, created, sequence: record.sequence + MANY - i}));
  }
  await server.run();
}
