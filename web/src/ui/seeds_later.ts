import type {Client} from '../api/client.js';
import type {Job} from '../api/types.js';
import {h} from '../core/dom.js';
import {later, words} from '../core/words.js';
import type {Notifier} from './notify.js';
import type {SeedActions, SeedsPanel} from './seeds_panel.js';

/** The panel of several seeds, loaded with the first set of them. */
export class SeedsLater {
  readonly element = h('section', {class: 'panel seeds-panel', 'aria-label': words.app.fourSeeds, hidden: true});
  private panel: SeedsPanel | null = null;
  private loading = false;
  private wanted: {jobs: readonly Job[]; current: string | null} = {jobs: [], current: null};

  constructor(private readonly client: Client, private readonly notify: Notifier, private readonly actions: SeedActions) {}

  show(jobs: readonly Job[], current: string | null): void {
    this.wanted = {jobs, current};
    if (this.panel) this.panel.show(jobs, current);
    else if (jobs.length > 1 && !this.loading) void this.load();
  }

  private async load(): Promise<void> {
    this.loading = true;
    try {
      const {SeedsPanel} = await later(() => import('./seeds_panel.js'));
      this.panel = new SeedsPanel(this.element, this.client, this.actions);
      this.panel.show(this.wanted.jobs, this.wanted.current);
    } catch (error) {
      this.notify.error('', error);
    } finally {
      this.loading = false;
    }
  }
}
