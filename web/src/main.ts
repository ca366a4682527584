import './style/tokens.css';
import './style/controls.css';
import './style/studio.css';
import {type Language, type More, preferredLanguage, speak, type Words} from './core/words.js';

const TABLES: Readonly<Record<Language, {words(): Promise<Words>; more(): Promise<More>}>> = {
  en: {words: async () => (await import('./words/en.js')).en, more: async () => (await import('./words/en_more.js')).enMore},
  de: {words: async () => (await import('./words/de.js')).de, more: async () => (await import('./words/de_more.js')).deMore},
};

async function start(root: HTMLElement): Promise<void> {
  const language = preferredLanguage();
  const table = TABLES[language];
  speak(language, await table.words(), table.more);
  document.documentElement.lang = language;
  const {Studio} = await import('./studio.js');  // whose words are those of the table
  await new Studio(root).boot();
}

const root = document.getElementById('studio');
if (root) void start(root);
