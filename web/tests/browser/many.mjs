// A server whose list has two thousand assets, made up from one.

export const MANY = 2000;

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
