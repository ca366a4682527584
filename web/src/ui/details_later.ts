import type {Job, VideoFormat} from '../api/types.js';
import {h} from '../core/dom.js';
import {later, words} from '../core/words.js';
import type {Backstage} from './backstage.js';
import type {DetailActions, DetailsPanel} from './details_panel.js';
import type {Notifier} from './notify.js';

/** The panel of details, loaded with the first asset that is opened. */
export class DetailsLater {
  readonly element = h('section', {class: 'panel details', 'aria-label': words.app.asset, hidden: true});
  private panel: DetailsPanel | null = null;
  private loading: Promise<void> | null = null;
  private wanted: {job: Job; family: readonly Job[]; versions: readonly Job[]} | null = null;
  private formats: readonly VideoFormat[] = [];

  constructor(private readonly backstage: Backstage, private readonly notify: Notifier, private readonly actions: DetailActions) {}

  setFormats(formats: readonly VideoFormat[]): void {
    this.formats = formats;
    this.panel?.turntable.setFormats(formats);
  }

  clear(): void {
    this.wanted = null;
    this.panel?.clear();
  }

  show(job: Job, family: readonly Job[], versions: readonly Job[]): void {
    this.wanted = {job, family, versions};
    if (this.panel) this.panel.show(job, family, versions);
    else this.loading ??= this.load();
  }

  private async load(): Promise<void> {
    try {
      const {DetailsPanel} = await later(() => import('./details_panel.js'));
      this.panel = new DetailsPanel(this.element, this.backstage, this.notify, this.actions);
      if (this.formats.length > 0) this.panel.turntable.setFormats(this.formats);
      if (this.wanted) this.panel.show(this.wanted.job, this.wanted.family, this.wanted.versions);
    } catch (error) {
      this.loading = null;  // tried again with the next change
      this.notify.error('', error);
    }
  }
}
