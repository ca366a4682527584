import {copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {defineConfig} from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
const examples = join(here, '..', 'examples');

/** The images of examples/ with a list of them, as {file, name}. */
function listOfExamples() {
  const seen = JSON.parse(readFileSync(join(examples, 'examples.json'), 'utf8'));
  return seen.map(({file, family}) => ({file, name: family}));
}

/** What three.js holds of others, without the texts of their licences. */
function decoders(read) {
  const mit = read('three', 'LICENSE').replace(/^Copyright.*$/m, 'Copyright (c) 2016-2024 Arseny Kapoulkine');
  return [`meshoptimizer (decoder)\n\n${mit.trim()}\n`, `Draco (decoder), Copyright The Draco Authors\n\n${read('typescript', 'LICENSE.txt').trim()}\n`];
}

/** Licences of what the built page holds: their texts must travel with it. */
function licences() {
  const read = (name, file) => readFileSync(join(here, 'node_modules', name, file), 'utf8');
  return [...['three', '@sparkjsdev/spark', 'fflate'].map((name) => {
    const {version} = JSON.parse(read(name, 'package.json'));
    return `${name} ${version}\n\n${read(name, 'LICENSE').trim()}\n`;
  }), ...decoders(read)].join('\n----------------------------------------------------------------\n\n');
}

/** Puts examples/ and licences.txt beside the page. */
function companions() {
  let out = '';
  return {
    name: 'companions',
    configResolved(config) {
      out = resolve(config.root, config.build.outDir);
    },
    configureServer(server) {
      server.middlewares.use('/examples', (request, response, next) => {
        const name = request.url.split('?')[0].slice(1);
        if (name === 'index.json') return response.end(JSON.stringify(listOfExamples()));
        if (!/^[\w-]+\.png$/.test(name) || !existsSync(join(examples, name))) return next();
        response.setHeader('Content-Type', 'image/png');
        return response.end(readFileSync(join(examples, name)));
      });
    },
    writeBundle() {
      const list = listOfExamples();
      mkdirSync(join(out, 'examples'), {recursive: true});
      for (const {file} of list) copyFileSync(join(examples, file), join(out, 'examples', file));
      writeFileSync(join(out, 'examples', 'index.json'), JSON.stringify(list));
      writeFileSync(join(out, 'licences.txt'), licences());
    },
  };
}

// ESPALIER_SERVER: where `npm run dev` finds a running `espalier serve`.
const server = process.env.ESPALIER_SERVER ?? 'http://127.0.0.1:7860';
// It refuses pages of other servers, so the page from source speaks in its name.
const proxied = {target: server, changeOrigin: true, headers: {origin: new URL(server).origin}};

export default defineConfig({
  root: here,
  plugins: [companions()],
  server: {proxy: {'/v1': proxied, '/health': proxied, '/openapi.json': proxied}},
  build: {
    target: 'es2022',
    modulePreload: {polyfill: false},  // it would be an inline script
    chunkSizeWarningLimit: 3000,
    assetsInlineLimit: 0,  // no data: addresses, which the page's content security policy refuses
  },
});
