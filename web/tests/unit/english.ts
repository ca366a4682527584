// Sets the words of the page; imported before what needs them.
import {later, speak} from '../../src/core/words.js';
import {en} from '../../src/words/en.js';
import {enMore} from '../../src/words/en_more.js';

speak('en', en, async () => enMore);
await later(async () => undefined);
