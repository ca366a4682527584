import type {Client} from '../api/client.js';
import type {Connection} from '../api/connection.js';
import type {Job, JobOptions, Model, Models} from '../api/types.js';
import {button, h} from '../core/dom.js';
import {keepDraft, keepSet, keepSettings, keptDraft, keptSettings} from '../core/drafts.js';
import {stem} from '../core/format.js';
import {anySeed, backgroundsOf, jobOptions, limits, promptOptions, settingsOf} from '../core/options.js';
import {later, words} from '../core/words.js';
import {ImagesPanel} from './images_panel.js';
import {ModelBar} from './model_bar.js';
import type {Notifier} from './notify.js';
import {PromptPanel} from './prompt_panel.js';
import {SettingsPanel} from './settings_panel.js';

const SEEDS = 4;

export interface MakeActions {
  /** A job was started. */
  started(job: Job): void;
  /** Shows a job that was started. */
  show(job: Job): void;
  failed(what: string, error: unknown): void;
}

/** What is chosen before generating: a model, images or words, settings; and the buttons that begin. */
export class MakePanel {
  readonly element: HTMLElement;
  readonly modelBar = new ModelBar((model) => this.setModel(model));
  private readonly images;
  private readonly prompt = new PromptPanel(() => this.refresh());
  private readonly settings = new SettingsPanel((error) => this.notify.error('', error));
  private readonly generate: HTMLButtonElement;
  private readonly four: HTMLButtonElement;
  private readonly obstacle = h('p', {class: 'hint', hidden: true});
  private ready = true;  // the server is
  private starting = false;
  private restored = false;
  private draftTimer = 0;

  constructor(private readonly client: Client, connection: Connection, private readonly notify: Notifier, private readonly actions: MakeActions) {
    this.images = new ImagesPanel(client, connection, notify, () => {
      this.refresh();
      this.keepImages();
    });
    this.four = button({label: words.app.fourSeeds, icon: 'dice', class: 'button large', onclick: () => void this.start(SEEDS)});
    this.four.title = words.app.fourSeedsTitle;
    this.generate = button({label: words.app.generate, class: 'button primary large', onclick: () => void this.start()});
    this.element = h('section', {class: 'panel make', 'aria-label': words.app.make},
      h('div', {class: 'make-scroll'}, this.images.element, this.prompt.element, this.settings.element), h('div', {class: 'make-foot'}, h('div', {class: 'make-start'}, this.generate, this.four), this.obstacle,
        h('div', {class: 'make-share'}, button({label: words.app.curl, class: 'button quiet', onclick: () => void this.share('curl')}),
          button({label: words.app.shareSettings, class: 'button quiet', onclick: () => void this.share('settings')}))));
    this.refresh();
    for (const event of ['input', 'change', 'click']) this.settings.element.addEventListener(event, () => this.restored && keepSettings(this.settings.get()));
  }

  /** What was chosen before the page was loaded again. */
  async restore(): Promise<void> {
    if (this.restored) return;
    const settings = keptSettings(this.settings.get());
    if (settings) this.settings.set(settings);
    const draft = await keptDraft();
    if (draft && this.images.files.length === 0) this.images.put(draft.files, draft.backgrounds, draft.several, true, draft.masks);
    await this.takeSettings();
    this.restored = true;
  }

  /** Settings that stand in the page's address are used once. */
  async takeSettings(): Promise<void> {
    if (!location.hash.startsWith('#settings=')) return;
    const settings = (await later(() => import('./share.js'))).settingsInAddress(this.settings.get());
    if (!settings) return;
    this.settings.set(settings);
    keepSettings(settings);
    this.notify.info(words.app.settingsTaken);
  }

  setServer({models, limits: most}: Models): void {
    this.modelBar.set(models);
    if (this.modelBar.chosen) this.setModel(this.modelBar.chosen);
    this.images.setLimits(most.max_images, most.max_upload_bytes);
  }

  async loadExamples(): Promise<void> {
    this.images.setExamples(await this.client.examples().catch(() => []));
  }

  setReady(ready: boolean): void {
    this.ready = ready;
    this.refresh();
  }

  /** Fills the panel with what `origin` was made from, with the options of `job` over its own. */
  async reuse(origin: Job, job: Job): Promise<void> {
    try {
      const inputs = origin.files.filter(({role}) => role === (origin.kind === 'latent' ? 'latent' : 'input'));
      const files = await Promise.all(inputs.map(async (file, i) => {
        const image = await this.client.file(file.url);
        const ending = /\.[a-z0-9]+$/i.exec(file.name)?.[0] ?? '';
        return new File([image], inputs.length > 1 ? `${origin.name}-${i + 1}${ending}` : origin.name + ending, {type: file.media_type});
      }));
      if (!(await this.images.replace(files, backgroundsOf(origin.options, files.length)))) return;
      this.modelBar.choose(origin.options.model);
      this.settings.set(settingsOf({...origin.options, ...job.options}, this.modelBar.chosen));
      this.prompt.replace(origin.options.prompt ?? '', origin.options.negative_prompt ?? '');
      this.refresh();
      (this.takesText ? this.prompt : this.images).element.scrollIntoView({block: 'start'});
    } catch (error) {
      this.actions.failed(words.app.notLoaded, error);
    }
  }

  private keepImages(): void {
    if (!this.restored) return;
    clearTimeout(this.draftTimer);
    this.draftTimer = window.setTimeout(() => void keepDraft(this.images.draft()), 200);
  }

  private setModel(model: Model): void {
    this.settings.setModel(model);
    this.prompt.element.hidden = !this.takesText;
    this.images.element.hidden = this.takesText;
    this.refresh();
  }

  private get takesText(): boolean {
    return this.modelBar.chosen?.takes === 'text';
  }

  private refresh(): void {
    const each = this.images.each && !this.takesText;
    this.settings.setImages(each ? 1 : this.images.files.length);
    const usable = this.takesText ? this.prompt.text !== '' : this.images.usable;
    this.generate.disabled = !this.ready || this.starting || !usable;
    const missing = this.takesText ? words.app.writeFirst : this.images.refused ? '' : words.app.chooseFirst;
    this.four.disabled = this.generate.disabled || each;
    this.generate.title = usable ? '' : missing;
    this.generate.querySelector('span')?.replaceChildren(each ? words.app.generateMany(this.images.files.length) : words.app.generate);
    this.obstacle.hidden = this.takesText || !this.images.refused;
    this.obstacle.textContent = words.app.wasRefused(this.images.refusal || words.app.removeIt);
  }

  /** `seeds`: so many jobs that differ in their seeds alone. */
  private async start(seeds = 1): Promise<void> {
    this.starting = true;
    this.refresh();
    try {
      const settings = this.settings.get();
      if (this.takesText) {
        await this.startSeeds(seeds, this.options(), (one) => this.client.start([], [], null, one));
      } else if (this.images.each) {
        await this.startEach(settings);
      } else {
        const {files, masks, latent} = this.images;
        await this.startSeeds(seeds, this.options(), (one) => this.client.start(files, masks, latent, one));
      }
    } catch (error) {
      this.actions.failed(words.app.notStarted, error);
    } finally {
      this.starting = false;
      this.refresh();
    }
  }

  private options(): JobOptions {
    const settings = this.settings.get();
    const model = this.modelBar.option();
    return this.takesText ? {...promptOptions(settings, this.prompt.name, this.prompt.text, this.prompt.away), ...model} :
      {...jobOptions(settings, this.images.name, this.images.backgrounds), ...model};
  }

  private async startSeeds(count: number, options: JobOptions, start: (options: JobOptions) => Promise<Job>): Promise<void> {
    if (count === 1) return this.actions.show(await start(options));
    const {seed} = options;
    const started: Job[] = [];
    try {
      for (let i = 0; i < count; ++i) started.push(await start({...options, seed: typeof seed === 'number' ? (seed + i) % (limits('seed').max + 1) : anySeed()}));
    } finally {
      for (const job of started) this.actions.started(job);
      keepSet(started.map(({id}) => id));
      if (started[0]) this.actions.show(started[0]);
    }
  }

  /** A job for every image; the first is shown, the others wait in the gallery. */
  private async startEach(settings: ReturnType<SettingsPanel['get']>): Promise<void> {
    const {backgrounds, masks} = this.images;
    let first: Job | null = null;
    for (const [i, file] of this.images.files.entries()) {
      const options = {...jobOptions(settings, stem(file.name), backgrounds.slice(i, i + 1)), ...this.modelBar.option()};
      const job = await this.client.start([file], masks.slice(i, i + 1), null, options);
      this.actions.started(job);
      first ??= job;
    }
    if (first) this.actions.show(first);
  }

  /** Into the clipboard: the present settings as a link, or the command that Generate stands for. */
  private async share(what: 'settings' | 'curl'): Promise<void> {
    const {copy, curl, settingsLink} = await later(() => import('./share.js'));
    const text = what === 'settings' ? settingsLink(this.settings.get()) : curl(this.client.hasKey, this.takesText ? null : this.images, this.options());
    await copy(text, what, this.notify);
  }
}
