import {isFinal, type Job} from '../api/types.js';
import {h} from '../core/dom.js';
import {later, words} from '../core/words.js';
import type {Notifier} from './notify.js';
import type {ProgressPanel} from './progress_panel.js';

/** The panel of progress, loaded with the first job that is seen under way. */
export class ProgressLater {
  readonly element = h('section', {class: 'progress-panel', 'aria-label': words.app.progress, hidden: true});
  private panel: ProgressPanel | null = null;
  private loading = false;
  private wanted: Job | null = null;

  constructor(private readonly notify: Notifier, private readonly oncancel: () => void, private readonly onleave: () => void) {}

  show(job: Job | null): void {
    this.wanted = job;
    if (this.panel) this.panel.show(job);
    else if (job && !isFinal(job.state) && !this.loading) void this.load();
  }

  /** After Cancel was pressed: the server stops at the next step. */
  cancelling(): void {
    this.panel?.cancelling();
  }

  cancelFailed(): void {
    this.panel?.cancelFailed();
  }

  private async load(): Promise<void> {
    this.loading = true;
    try {
      const {ProgressPanel} = await later(() => import('./progress_panel.js'));
      this.panel = new ProgressPanel(this.element, this.notify, this.oncancel, this.onleave);
      this.panel.show(this.wanted);
    } catch (error) {
      this.notify.error('', error);
    } finally {
      this.loading = false;
    }
  }
}
