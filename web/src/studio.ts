import {Client, type Health} from './api/client.js';
import {Connection} from './api/connection.js';
import {ApiError, explain, isAbort} from './api/errors.js';
import {follow} from './api/follow.js';
import {type FinishOptions, isFinal, type Job, type Model} from './api/types.js';
import {button, h} from './core/dom.js';
import {isMine, keepDraft, keepSettings, keptDraft, keptSettings, nowMine} from './core/drafts.js';
import {capitalised, stem} from './core/format.js';
import {isTyping} from './core/keys.js';
import {backgroundsOf, jobOptions, settingsOf} from './core/options.js';
import {Backstage} from './ui/backstage.js';
import {DetailsPanel} from './ui/details_panel.js';
import {askForKey, askText, confirmed, showKeys} from './ui/dialogs.js';
import {Gallery} from './ui/gallery.js';
import {ModelBar} from './ui/model_bar.js';
import {Notifier} from './ui/notify.js';
import {PicturesPanel} from './ui/pictures_panel.js';
import {PromptPanel} from './ui/prompt_panel.js';
import {ProgressPanel} from './ui/progress_panel.js';
import {SettingsPanel} from './ui/settings_panel.js';
import {shownOf, ViewerPanel} from './ui/viewer_panel.js';

const PAGE = 40;
const TITLE = 'Espalier studio';

function idInAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get('job');
}

/** The page: what is chosen on the left, the asset in the middle, what is known of it on the right, the others below. */
export class Studio {
  private readonly notify;
  private readonly client;
  private readonly connection;
  private readonly backstage;
  private readonly pictures;
  private readonly prompt = new PromptPanel(() => this.refreshGenerate());
  private readonly settings = new SettingsPanel();
  private readonly progress;
  private readonly viewer;
  private readonly details;
  private readonly gallery;
  private readonly generate: HTMLButtonElement;
  private readonly obstacle = h('p', {class: 'hint', hidden: true});
  private readonly modelBar = new ModelBar((model) => this.setModel(model));
  private readonly away = h('div', {class: 'away', role: 'alert', hidden: true});
  private readonly jobs = new Map<string, Job>();  // assets
  private made: Job[] = [];                        // what was made from the one in view
  private models: Model[] = [];
  private next: string | null = null;
  private current: string | null = null;
  private parent: Job | null = null;
  private following = new AbortController();
  private listTimer = 0;
  private starting = false;
  private restored = false;
  private draftTimer = 0;
  private health: Health = 'ready';

  constructor(root: HTMLElement) {
    this.notify = new Notifier(document.body);
    this.client = new Client(askForKey);
    this.connection = new Connection(this.client, (health) => this.show(health));
    this.backstage = new Backstage(this.client, this.connection, () => void this.relatives());
    this.pictures = new PicturesPanel(this.client, this.connection, this.notify, () => {
      this.refreshGenerate();
      this.keepPictures();
    });
    this.viewer = new ViewerPanel(this.client, this.notify);
    this.progress = new ProgressPanel(this.notify, () => void this.cancel(), () => this.viewer.focus());
    this.details = new DetailsPanel(this.backstage, this.notify, {
      again: (job, options) => this.again(job, options),
      reuse: (job) => void this.reuse(job),
      remove: (job) => void this.remove(job),
      rename: (job) => void this.rename(job),
      pin: (job) => void this.change(job, {pinned: !job.pinned}),
    });
    this.gallery = new Gallery(this.client, {
      open: (job) => this.open(job.id),
      remove: (job) => void this.remove(job),
      more: () => void this.older(),
    });
    this.generate = button({label: 'Generate', class: 'button primary large', onclick: () => void this.start()});
    root.append(this.away, button({label: 'Skip to the viewer', class: 'button skip', onclick: () => this.viewer.focus()}),
      h('header', {class: 'bar'}, h('a', {class: 'brand', href: '#', 'aria-label': 'Espalier studio: start anew', onclick: () => this.close()},
        h('img', {src: '/favicon.svg', alt: '', width: 26, height: 26}), h('h1', {}, 'Espalier ', h('span', {text: 'studio'}))), this.modelBar.element),
      h('main', {class: 'studio'},
        h('section', {class: 'panel make', 'aria-label': 'Make an asset'},
          h('div', {class: 'make-scroll'}, this.pictures.element, this.prompt.element, this.settings.element), h('div', {class: 'make-foot'}, this.generate, this.obstacle)),
        h('section', {class: 'stage', 'aria-label': 'Viewer'}, this.progress.element, this.viewer.element),
        this.details.element, this.gallery.element),
      h('footer', {class: 'foot'}, h('a', {href: '/openapi.json', text: 'API'}), h('a', {href: '/licences.txt', text: 'Licences'}),
        h('button', {type: 'button', class: 'link', text: 'Keys', title: 'What the keyboard does (?)', onclick: () => void showKeys()})));
    this.refreshGenerate();
    for (const event of ['input', 'change', 'click']) this.settings.element.addEventListener(event, () => this.restored && keepSettings(this.settings.get()));
    document.addEventListener('keydown', (event) => {
      if (event.key !== '?' || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      void showKeys();
    });
    addEventListener('hashchange', () => this.followAddress());
    document.addEventListener('visibilitychange', () => document.hidden || void this.list());
  }

  /** Asks the server what there is, and goes on where the page was left. */
  async boot(): Promise<void> {
    try {
      await this.connection.back();
      await this.learn();
      await this.restore();
      this.pictures.setExamples(await this.client.examples().catch(() => []));
      await this.list();
    } catch (error) {
      this.modelBar.say('Not connected');
      const {message, hint} = explain(error);
      this.viewer.say('warning', message, hint, button({label: 'Try again', icon: 'repeat', class: 'button', onclick: () => void this.retry()}));
      return;
    }
    const active = [...this.jobs.values()].find(({id, state}) => !isFinal(state) && isMine(id));
    if (idInAddress()) this.followAddress();
    else if (active) this.open(active.id);
  }

  /** What was on the page before it was loaded again. */
  private async restore(): Promise<void> {
    if (this.restored) return;
    const settings = keptSettings(this.settings.get());
    if (settings) this.settings.set(settings);
    const draft = await keptDraft();
    if (draft && this.pictures.files.length === 0) this.pictures.put(draft.files, draft.backgrounds, draft.several, true);
    this.restored = true;
  }

  private keepPictures(): void {
    if (!this.restored) return;
    clearTimeout(this.draftTimer);
    this.draftTimer = window.setTimeout(() => void keepDraft(this.pictures.draft()), 200);
  }

  private async retry(): Promise<void> {
    this.viewer.empty();
    await this.boot();
  }

  /** What the server can do. */
  private async learn(): Promise<void> {
    const {models, limits, video_formats: videos} = await this.connection.patiently(() => this.client.models());
    this.models = models;
    this.modelBar.set(models);
    if (this.modelBar.chosen) this.setModel(this.modelBar.chosen);
    this.pictures.setLimits(limits.max_images, limits.max_upload_bytes);
    this.details.turntable.setFormats(videos);
  }

  private setModel(model: Model): void {
    this.settings.setModel(model);
    this.prompt.element.hidden = !this.takesText;
    this.pictures.element.hidden = this.takesText;
    this.refreshGenerate();
  }

  private show(health: Health): void {
    if (health === this.health) return;
    const before = this.health;
    this.health = health;
    this.away.hidden = health === 'ready';
    this.away.classList.toggle('loading', health === 'loading');
    if (health === 'away') {
      this.away.replaceChildren(h('strong', {text: 'The server does not answer.'}),
        h('span', {text: ' Start it again with “espalier serve”. This page asks again by itself; what was made is kept.'}));
    } else if (health === 'loading') {
      this.away.replaceChildren(h('strong', {text: 'The server loads its checkpoint.'}), h('span', {text: ' This page goes on as soon as it is ready.'}));
    } else if (this.models.length > 0) {
      if (before === 'away') this.notify.info('The server is back.');
      this.learn().catch((error: unknown) => this.notify.error('', error));
      void this.list();
    }
    this.refreshGenerate();
  }

  /** Says that something was not done, and why; waits for the server where it was that. */
  private failed(what: string, error: unknown): void {
    if (this.connection.isLoss(error)) void this.connection.back();
    this.notify.error(what, error);
  }

  private get takesText(): boolean {
    return this.modelBar.chosen?.takes === 'text';
  }

  private refreshGenerate(): void {
    const each = this.pictures.each && !this.takesText;
    this.settings.setImages(each ? 1 : this.pictures.files.length);
    const usable = this.takesText ? this.prompt.text !== '' : this.pictures.usable;
    this.generate.disabled = this.health !== 'ready' || this.starting || !usable;
    const missing = this.takesText ? 'Write a prompt first' : this.pictures.refused ? '' : 'Choose a picture first';
    this.generate.title = usable ? '' : missing;
    this.generate.querySelector('span')?.replaceChildren(each ? `Generate ${this.pictures.files.length} assets` : 'Generate');
    this.obstacle.hidden = this.takesText || !this.pictures.refused;
    this.obstacle.textContent = `A picture was refused. ${this.pictures.refusal || 'Remove it.'}`;
  }

  private async start(): Promise<void> {
    this.starting = true;
    this.refreshGenerate();
    try {
      const settings = this.settings.get();
      const model = this.modelBar.option();
      if (this.takesText) {
        const options = {...jobOptions(settings, this.prompt.name, []), prompt: this.prompt.text, negative_prompt: this.prompt.away, ...model};
        this.begin(await this.client.start([], [], null, options));
      } else if (this.pictures.each) {
        await this.startEach(settings);
      } else {
        const options = {...jobOptions(settings, this.pictures.name, this.pictures.backgrounds), ...model};
        this.begin(await this.client.start(this.pictures.files, this.pictures.masks, this.pictures.latent, options));
      }
    } catch (error) {
      this.failed('The job was not started', error);
    } finally {
      this.starting = false;
      this.refreshGenerate();
    }
  }

  /** A job for every picture; the first is shown, the others wait in the gallery. */
  private async startEach(settings: ReturnType<SettingsPanel['get']>): Promise<void> {
    const backgrounds = this.pictures.backgrounds;
    let first: Job | null = null;
    const masks = this.pictures.masks;
    for (const [i, file] of this.pictures.files.entries()) {
      const options = {...jobOptions(settings, stem(file.name), backgrounds.slice(i, i + 1)), ...this.modelBar.option()};
      const job = await this.client.start([file], masks.slice(i, i + 1), null, options);
      nowMine(job.id);
      this.jobs.set(job.id, job);
      first ??= job;
    }
    if (first) this.begin(first);
  }

  /** Shows a new job; the list keeps an eye on those before it. */
  private begin(job: Job): void {
    nowMine(job.id);
    this.jobs.set(job.id, job);
    this.open(job.id);
    void this.list();
  }

  private async again(job: Job, options: FinishOptions): Promise<void> {
    try {
      this.begin(await this.client.exports(job.id, options));
    } catch (error) {
      this.failed('The job was not started', error);
    }
  }

  private async cancel(): Promise<void> {
    const id = this.current;
    if (!id) return;
    this.progress.cancelling();
    try {
      await this.client.remove(id);
    } catch (error) {
      this.progress.cancelFailed();
      this.failed('The job could not be cancelled', error);
    }
  }

  private async rename(job: Job): Promise<void> {
    const name = await askText('Rename the asset', 'Name', job.name);
    if (name !== null && name !== job.name) await this.change(job, {name});
  }

  private async change(job: Job, change: {name?: string; pinned?: boolean}): Promise<void> {
    try {
      this.update(await this.client.change(job.id, change));
      this.drawGallery();
    } catch (error) {
      this.failed(`${job.name} could not be changed`, error);
    }
  }

  private async remove(job: Job): Promise<void> {
    const active = !isFinal(this.jobs.get(job.id)?.state ?? job.state);
    const yes = await confirmed(active ?
      {title: `Cancel ${job.name}?`, text: 'The job stops and makes no asset.', yes: 'Cancel the job', no: 'Go on'} :
      {title: `Delete ${job.name}?`, text: 'The asset and all its files are removed from the server. This cannot be undone.', yes: 'Delete'});
    if (!yes) return;
    try {
      if (!active) for (const child of await this.client.madeFrom(job.id)) if (!child.asset && isFinal(child.state)) await this.gone(child.id);
      if (active) await this.client.remove(job.id);
      else await this.gone(job.id);
      if (!active && this.current === job.id) {
        this.close();
        this.viewer.focus();
      }
    } catch (error) {
      this.failed(`${job.name} could not be deleted`, error);
    }
    await this.list();
  }

  private async gone(id: string): Promise<void> {
    try {
      await this.client.remove(id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
    this.jobs.delete(id);
  }

  /** What was made from the asset in view, asked for again. */
  private async relatives(): Promise<void> {
    const id = this.current;
    if (!id) return;
    const made = await this.client.madeFrom(id).catch(() => null);
    if (!made || id !== this.current) return;
    this.made = made;
    const shown = this.jobs.get(id);
    if (shown) this.details.show(shown, this.made);
  }

  /** Fills the left side with what a job was made from. */
  private async reuse(job: Job): Promise<void> {
    const origin = job.kind === 'export' && this.parent ? this.parent : job;
    try {
      const inputs = origin.files.filter(({role}) => role === (origin.kind === 'latent' ? 'latent' : 'input'));
      const files = await Promise.all(inputs.map(async (file, i) => {
        const picture = await this.client.file(file.url);
        const ending = /\.[a-z0-9]+$/i.exec(file.name)?.[0] ?? '';
        return new File([picture], inputs.length > 1 ? `${origin.name}-${i + 1}${ending}` : origin.name + ending, {type: file.media_type});
      }));
      if (!(await this.pictures.replace(files, backgroundsOf(origin.options, files.length)))) return;
      this.modelBar.choose(origin.options.model);
      this.settings.set(settingsOf({...origin.options, ...job.options}, this.modelBar.chosen));
      this.prompt.replace(origin.options.prompt ?? '', origin.options.negative_prompt ?? '');
      this.refreshGenerate();
      (this.takesText ? this.prompt : this.pictures).element.scrollIntoView({block: 'start'});
    } catch (error) {
      this.failed('The pictures could not be loaded', error);
    }
  }

  private followAddress(): void {
    const id = idInAddress();
    if (id && id !== this.current) this.open(id);
    if (!id && this.current) this.close();
  }

  private open(id: string): void {
    if (id === this.current) return;
    this.leave();
    this.current = id;
    if (idInAddress() !== id) history.pushState(null, '', `#job=${encodeURIComponent(id)}`);
    const known = this.jobs.get(id);
    if (known) this.update(known);
    this.drawGallery();
    this.viewer.element.scrollIntoView({block: 'nearest'});  // on a phone it lies below
    void this.keepUp(id, this.following.signal);
  }

  /** The page as at the beginning. */
  private close(): void {
    this.leave();
    this.viewer.empty();
    document.title = TITLE;
    if (location.hash) history.pushState(null, '', location.pathname);
    this.drawGallery();
  }

  private leave(): void {
    this.following.abort();
    this.following = new AbortController();
    this.current = null;
    this.parent = null;
    this.made = [];
    this.viewer.reset();
    this.details.clear();
    this.progress.show(null);
  }

  private async keepUp(id: string, signal: AbortSignal): Promise<void> {
    try {
      const job = await this.connection.patiently(() => this.client.job(id), signal);
      if (job.parent) this.parent = await this.client.job(job.parent).catch(() => null);
      if (signal.aborted) return;
      void this.relatives();
      const done = await follow(this.client, this.connection, id, signal, (next) => this.update(next));
      if (!isFinal(job.state)) this.notify.say(done.state === 'done' ? `${done.name} is finished` : `${done.name}: ${done.error?.message ?? done.state}`);
      await this.list();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      const missing = error instanceof ApiError && error.status === 404;
      const {message, hint} = missing ? {message: 'This asset is not here', hint: 'It was deleted, or the server keeps its data in another folder now.'} : explain(error);
      this.progress.show(null);
      this.viewer.say('warning', message, hint);
    }
  }

  /** The job in view has changed. */
  private update(job: Job): void {
    const before = this.jobs.get(job.id);
    this.jobs.set(job.id, job);
    if (job.id !== this.current) return;
    if (!isFinal(job.state)) this.viewer.prepare();
    this.progress.show(job);
    this.details.show(job, this.made);
    const percent = job.state === 'running' ? `${Math.floor((job.progress?.fraction ?? 0) * 100)} % · ` : '';
    document.title = `${percent}${job.name} · ${TITLE}`;
    this.describe(job);
    void this.viewer.show(shownOf(job, this.parent), job.name);
    const shown = ({state, files, progress}: Job): string => [state, files.length, Math.floor((progress?.fraction ?? 0) * 100)].join();
    if (!before || shown(before) !== shown(job)) this.drawGallery();
  }

  /** In place of an object that is not there yet, or will not be. */
  private describe(job: Job): void {
    if (this.viewer.faces > 0 && job.state === 'done') return;
    if (job.state === 'failed' || job.state === 'cancelled') {
      const failed = job.state === 'failed';
      const {message, hint = ''} = !failed ? {message: 'Cancelled', hint: job.files.some(({role}) => role === 'asset') ?
        'The mesh was there already: it can be finished and downloaded.' : 'The job was stopped before there was a mesh.'} :
        job.error ?? {message: 'The job failed', hint: 'Look at the log of the server.'};
      this.viewer.say('warning', capitalised(message), capitalised(hint), button({label: 'Use picture and settings', icon: 'picture', class: 'button', onclick: () => void this.reuse(job)}));
    } else if (!job.files.some(({role}) => role === 'splats' || role === 'mesh' || role === 'result') && !this.parent) {
      this.viewer.say('picture', 'On its way', 'The splats appear here first, then the mesh.');
    }
  }

  private async list(): Promise<void> {
    clearTimeout(this.listTimer);
    try {
      const {jobs, next} = await this.client.assets(null, PAGE);
      // What is older than this page stays; what is missing from it was removed.
      const oldest = jobs.at(-1)?.created ?? '';
      for (const [id, job] of this.jobs) if ((job.created >= oldest || next === null) && !jobs.some((one) => one.id === id)) this.jobs.delete(id);
      for (const job of jobs) if (job.id !== this.current || isFinal(job.state)) this.jobs.set(job.id, job);
      if (this.jobs.size <= jobs.length) this.next = next;
      this.gallery.showSpace(await this.client.storage());
    } catch (error) {
      if (this.connection.isLoss(error)) void this.connection.back();
      else this.notify.error('The gallery could not be loaded', error);
      return;
    }
    this.drawGallery();
    void this.relatives();
    const waiting = [...this.jobs.values()].some(({id, state}) => !isFinal(state) && id !== this.current);
    if (waiting && !document.hidden) this.listTimer = window.setTimeout(() => void this.list(), 3000);
  }

  private async older(): Promise<void> {
    if (!this.next) return;
    try {
      const {jobs, next} = await this.client.assets(this.next, PAGE);
      for (const job of jobs) this.jobs.set(job.id, job);
      this.next = next;
      this.drawGallery();
    } catch (error) {
      this.failed('Older assets could not be loaded', error);
    }
  }

  private drawGallery(): void {
    const assets = [...this.jobs.values()].filter(({asset}) => asset)
      .sort((a, b) => (a.created === b.created ? (a.id < b.id ? 1 : -1) : a.created < b.created ? 1 : -1));
    this.gallery.show(assets, this.current, this.next !== null);
  }
}
