import {h} from '../core/dom.js';
import {type FinishSettings, initialFinish, tidied} from '../core/options.js';
import {later} from '../core/words.js';
import type {FinishFields} from './finish_fields.js';

/** The settings of finishing, whose fields are loaded when their group is opened. */
export class FinishLater {
  readonly element = h('div');
  private settings: FinishSettings = initialFinish();
  private fields: FinishFields | null = null;
  private loading: Promise<void> | null = null;

  /** Loads the fields; after a failure, the next time again. */
  open(): Promise<void> {
    this.loading ??= this.load().catch((error: unknown) => {
      this.loading = null;
      throw error;
    });
    return this.loading;
  }

  get(): FinishSettings {
    return this.fields?.get() ?? this.settings;
  }

  set(settings: FinishSettings): void {
    this.settings = tidied(settings);
    this.fields?.set(this.settings);
  }

  private async load(): Promise<void> {
    const {FinishFields} = await later(() => import('./finish_fields.js'));
    this.fields = new FinishFields();
    this.fields.set(this.settings);
    this.element.append(this.fields.element);
  }
}
