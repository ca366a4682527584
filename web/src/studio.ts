import {Client, type Health} from './api/client.js';
import {Connection} from './api/connection.js';
import {ApiError, explain, isAbort} from './api/errors.js';
import {follow} from './api/follow.js';
import {type FinishOptions, isFinal, type Job, type JobOptions, type Model} from './api/types.js';
import {badge, tell, tells} from './core/badge.js';
import {button, h, isTyping} from './core/dom.js';
import {isMine, keepDraft, keepSet, keepSettings, keptDraft, keptSettings, nowMine, setOf} from './core/drafts.js';
import {families, frontOf} from './core/families.js';
import {capitalised, stem} from './core/format.js';
import {anySeed, backgroundsOf, jobOptions, limits, promptOptions, settingsOf} from './core/options.js';
import {Backstage} from './ui/backstage.js';
import {DetailsLater} from './ui/details_later.js';
import {dialogs} from './ui/dialogs_later.js';
import {Gallery} from './ui/gallery.js';
import type {GalleryGrid} from './ui/gallery_grid.js';
import type {QueuePanel} from './ui/queue_panel.js';
import {ModelBar} from './ui/model_bar.js';
import {Notifier} from './ui/notify.js';
import {ImagesPanel} from './ui/images_panel.js';
import {PromptPanel} from './ui/prompt_panel.js';
import {ProgressLater} from './ui/progress_later.js';
import {SeedsLater} from './ui/seeds_later.js';
import {SettingsPanel} from './ui/settings_panel.js';
import {Turner} from './ui/turner.js';
import {shownOf} from './ui/shown_files.js';
import {ViewerPanel} from './ui/viewer_panel.js';
import {type Language, language, LANGUAGES, later, more, switchLanguage, words} from './core/words.js';

const PAGE = 40;
const SEEDS = 4;

function idInAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get('job');
}

/** What the page can speak; each language under its own name. */
function languages(): HTMLElement {
  const select = h('select', {class: 'languages', 'aria-label': words.app.language, onchange: () => switchLanguage(select.value as Language)});
  for (const [value, name] of Object.entries(LANGUAGES)) select.append(h('option', {value, lang: value, text: name, selected: value === language}));
  return select;
}

/** The page: what is chosen on the left, the asset in the middle, what is known of it on the right, the others below. */
export class Studio {
  private readonly notify;
  private readonly client;
  private readonly connection;
  private readonly backstage;
  private readonly images;
  private readonly prompt = new PromptPanel(() => this.refreshGenerate());
  private readonly settings = new SettingsPanel((error) => this.notify.error('', error));
  private readonly progress;
  private readonly viewer;
  private readonly details;
  private readonly gallery;
  private readonly turner;
  private grid: Promise<GalleryGrid> | null = null;
  private queue: Promise<QueuePanel> | null = null;
  private readonly generate: HTMLButtonElement;
  private readonly four: HTMLButtonElement;
  private readonly seeds;
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
    this.client = new Client(async (refused) => (await dialogs()).askForKey(refused));
    this.connection = new Connection(this.client, (health) => this.show(health));
    this.backstage = new Backstage(this.client, this.connection, () => void this.relatives());
    this.images = new ImagesPanel(this.client, this.connection, this.notify, () => {
      this.refreshGenerate();
      this.keepImages();
    });
    this.viewer = new ViewerPanel(this.client, this.notify);
    this.progress = new ProgressLater(this.notify, () => void this.cancel(), () => this.viewer.focus());
    this.seeds = new SeedsLater(this.client, this.notify, {open: (job) => this.open(job.id), keep: (job, others) => void this.keepOnly(job, others)});
    this.details = new DetailsLater(this.backstage, this.notify, {
      again: (job, options) => this.again(job, options),
      reuse: (job) => void this.reuse(job),
      remove: (job) => void this.remove(job),
      rename: (job) => void this.rename(job),
      share: (job) => void this.share('asset', job.id),
      pin: (job) => void this.change(job, {pinned: !job.pinned}),
      open: (job) => this.open(job.id),
      compare: (one, other) => this.compare(one, other),
    });
    this.turner = new Turner(this.client);
    this.gallery = new Gallery(this.client, this.turner, {
      open: (job) => this.open(job.id),
      remove: (job) => void this.remove(job),
      more: () => void this.older(),
      all: () => void this.showAll(),
      queue: () => void this.showQueue(),
    });
    this.four = button({label: words.app.fourSeeds, icon: 'dice', class: 'button large', onclick: () => void this.start(SEEDS)});
    this.four.title = words.app.fourSeedsTitle;
    this.generate = button({label: words.app.generate, class: 'button primary large', onclick: () => void this.start()});
    root.append(this.away, button({label: words.app.skip, class: 'button skip', onclick: () => this.viewer.focus()}),
      h('header', {class: 'bar'}, h('a', {class: 'brand', href: '#', 'aria-label': words.app.home, onclick: () => this.close()},
        h('img', {src: '/favicon.svg', alt: '', width: 26, height: 26}), h('h1', {}, 'Espalier ', h('span', {text: words.app.studio}))), this.modelBar.element),
      h('main', {class: 'studio'},
        h('section', {class: 'panel make', 'aria-label': words.app.make},
          h('div', {class: 'make-scroll'}, this.images.element, this.prompt.element, this.settings.element), h('div', {class: 'make-foot'}, h('div', {class: 'make-start'}, this.generate, this.four), this.obstacle,
            h('div', {class: 'make-share'}, button({label: words.app.curl, class: 'button quiet', onclick: () => void this.share('curl')}),
              button({label: words.app.shareSettings, class: 'button quiet', onclick: () => void this.share('settings')})))),
        h('section', {class: 'stage', 'aria-label': words.viewer.label}, this.progress.element, this.seeds.element, this.viewer.element),
        this.details.element, this.gallery.element),
      h('footer', {class: 'foot'}, h('a', {href: '/openapi.json', text: 'API'}), h('a', {href: '/licences.txt', text: words.app.licences}),
        h('button', {type: 'button', class: 'link', text: words.app.keys, title: words.app.keysTitle, onclick: () => void dialogs().then(({showKeys}) => showKeys())}), languages()));
    this.refreshGenerate();
    for (const event of ['input', 'change', 'click']) this.settings.element.addEventListener(event, () => this.restored && keepSettings(this.settings.get()));
    document.addEventListener('keydown', (event) => {
      if (event.key !== '?' || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      void dialogs().then(({showKeys}) => showKeys());
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
      this.images.setExamples(await this.client.examples().catch(() => []));
      await this.list();
    } catch (error) {
      this.modelBar.say(words.app.notConnected);
      const {message, hint} = explain(error);
      this.viewer.say('warning', message, hint, button({label: words.app.tryAgain, icon: 'repeat', class: 'button', onclick: () => void this.retry()}));
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
    if (draft && this.images.files.length === 0) this.images.put(draft.files, draft.backgrounds, draft.several, true, draft.masks);
    await this.takeSettings();
    this.restored = true;
  }

  private keepImages(): void {
    if (!this.restored) return;
    clearTimeout(this.draftTimer);
    this.draftTimer = window.setTimeout(() => void keepDraft(this.images.draft()), 200);
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
    this.images.setLimits(limits.max_images, limits.max_upload_bytes);
    this.details.setFormats(videos);
  }

  private setModel(model: Model): void {
    this.settings.setModel(model);
    this.prompt.element.hidden = !this.takesText;
    this.images.element.hidden = this.takesText;
    this.refreshGenerate();
  }

  private show(health: Health): void {
    if (health === this.health) return;
    const before = this.health;
    this.health = health;
    this.away.hidden = health === 'ready';
    this.away.classList.toggle('loading', health === 'loading');
    if (health === 'away') {
      this.away.replaceChildren(h('strong', {text: words.app.away}),
        h('span', {text: words.app.awayHint}));
    } else if (health === 'loading') {
      this.away.replaceChildren(h('strong', {text: words.app.loading}), h('span', {text: words.app.loadingHint}));
    } else if (this.models.length > 0) {
      if (before === 'away') this.notify.info(words.app.back);
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
    const each = this.images.each && !this.takesText;
    this.settings.setImages(each ? 1 : this.images.files.length);
    const usable = this.takesText ? this.prompt.text !== '' : this.images.usable;
    this.generate.disabled = this.health !== 'ready' || this.starting || !usable;
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
    this.refreshGenerate();
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
      this.failed(words.app.notStarted, error);
    } finally {
      this.starting = false;
      this.refreshGenerate();
    }
  }

  private options(): JobOptions {
    const settings = this.settings.get();
    const model = this.modelBar.option();
    return this.takesText ? {...promptOptions(settings, this.prompt.name, this.prompt.text, this.prompt.away), ...model} :
      {...jobOptions(settings, this.images.name, this.images.backgrounds), ...model};
  }

  private async startSeeds(count: number, options: JobOptions, start: (options: JobOptions) => Promise<Job>): Promise<void> {
    if (count === 1) return this.begin(await start(options));
    const {seed} = options;
    const started: Job[] = [];
    try {
      for (let i = 0; i < count; ++i) started.push(await start({...options, seed: typeof seed === 'number' ? (seed + i) % (limits('seed').max + 1) : anySeed()}));
    } finally {
      for (const job of started) {
        nowMine(job.id);
        this.jobs.set(job.id, job);
      }
      keepSet(started.map(({id}) => id));
      if (started[0]) this.begin(started[0]);
    }
  }

  /** Of jobs that were started together. */
  private async keepOnly(job: Job, others: readonly Job[]): Promise<void> {
    await this.removeMany(others);
    this.drawSeeds(job.id);
  }

  private drawSeeds(id: string | null): void {
    const set = id ? setOf(id).map((one) => this.jobs.get(one)).filter((job) => job !== undefined) : [];
    this.seeds.show(set, id);
  }

  /** A job for every image; the first is shown, the others wait in the gallery. */
  private async startEach(settings: ReturnType<SettingsPanel['get']>): Promise<void> {
    const backgrounds = this.images.backgrounds;
    let first: Job | null = null;
    const masks = this.images.masks;
    for (const [i, file] of this.images.files.entries()) {
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
      this.failed(words.app.notStarted, error);
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
      this.failed(words.app.notCancelled, error);
    }
  }

  private async rename(job: Job): Promise<void> {
    const name = await (await dialogs()).askText(more.dialogs.renameTitle, more.dialogs.assetName, job.name);
    if (name !== null && name !== job.name) await this.change(job, {name});
  }

  private async change(job: Job, change: {name?: string; pinned?: boolean}): Promise<void> {
    try {
      this.update(await this.client.change(job.id, change));
      this.drawGallery();
    } catch (error) {
      this.failed(words.app.notChanged(job.name), error);
    }
  }

  private async remove(job: Job): Promise<void> {
    const active = !isFinal(this.jobs.get(job.id)?.state ?? job.state);
    const yes = await (await dialogs()).confirmed(active ?
      {title: more.dialogs.cancelTitle(job.name), text: more.dialogs.cancelText, yes: more.dialogs.cancelYes, no: more.dialogs.cancelNo} :
      {title: more.dialogs.deleteTitle(job.name), text: more.dialogs.deleteText, yes: more.dialogs.deleteIt});
    if (!yes) return;
    await this.end(job);
    await this.list();
  }

  /** Asks once for all of them. */
  private async removeMany(jobs: readonly Job[]): Promise<boolean> {
    const yes = await (await dialogs()).confirmed({title: more.dialogs.deleteMany(jobs.length), text: more.dialogs.deleteText, yes: more.dialogs.deleteIt});
    if (!yes) return false;
    try {
      const {removeAll} = await import('./api/several.js');
      for (const {id, result, error} of await removeAll(this.client, jobs.map((job) => this.jobs.get(job.id) ?? job))) {
        if (result === 'removed' || error?.code === 'not_found') this.forget(id);
        else if (error) this.notify.warn(words.app.notDeleted(this.jobs.get(id)?.name ?? id), [error.message, error.hint].filter(Boolean).join(' · '));
      }
    } catch (error) {
      this.failed('', error);
    }
    await this.list();
    return true;
  }

  private forget(id: string): void {
    this.jobs.delete(id);
    if (this.current !== id) return;
    this.close();
    this.viewer.focus();
  }

  /** Cancels what runs; what has ended goes, with the files that were made of it. */
  private async end(job: Job): Promise<void> {
    try {
      if (!isFinal(this.jobs.get(job.id)?.state ?? job.state)) return await this.client.remove(job.id);
      for (const child of await this.client.madeFrom(job.id)) if (!child.asset && isFinal(child.state)) await this.gone(child.id);
      await this.gone(job.id);
      this.forget(job.id);
    } catch (error) {
      this.failed(words.app.notDeleted(job.name), error);
    }
  }

  private async showAll(): Promise<void> {
    try {
      await (await this.loadGrid()).open(this.assets, this.current);
    } catch (error) {
      this.grid = null;
      this.failed('', error);
    }
  }

  private loadGrid(): Promise<GalleryGrid> {
    return this.grid ??= later(() => import('./ui/gallery_grid.js')).then(({GalleryGrid: Grid}) => new Grid(this.client, this.notify, this.turner, {
      open: (job) => this.open(job.id),
      remove: (jobs) => this.removeMany(jobs),
      compare: (one, other) => this.compare(one, other),
    }));
  }

  private async showQueue(): Promise<void> {
    try {
      this.queue ??= later(() => import('./ui/queue_panel.js')).then(({QueuePanel: Panel}) => new Panel(this.client, this.notify, {
        open: (job) => this.open(job.asset ? job.id : job.parent ?? job.id),
        changed: () => void this.list(),
      }));
      await (await this.queue).open();
      await this.list();
    } catch (error) {
      this.queue = null;
      this.failed('', error);
    }
  }

  /** Into the clipboard: a link to an asset, the present settings as a link, or the command that Generate stands for. */
  private async share(what: 'asset' | 'settings' | 'curl', asset = ''): Promise<void> {
    const {copy, curl, settingsLink} = await later(() => import('./ui/share.js'));
    const text = what === 'asset' ? `${location.origin}/#job=${encodeURIComponent(asset)}` : what === 'settings' ? settingsLink(this.settings.get()) :
      curl(this.client.hasKey, this.takesText ? null : this.images, this.options());
    await copy(text, what, this.notify);
  }

  /** Settings that stand in the page's address are used once. */
  private async takeSettings(): Promise<void> {
    if (!location.hash.startsWith('#settings=')) return;
    const settings = (await later(() => import('./ui/share.js'))).settingsInAddress(this.settings.get());
    if (!settings) return;
    this.settings.set(settings);
    keepSettings(settings);
    this.notify.info(words.app.settingsTaken);
  }

  /** Both in one image, under one camera. */
  private compare(one: Job, other: Job): void {
    const mesh = shownOf(other, null).mesh;
    if (!mesh) return;
    this.jobs.set(other.id, other);
    this.jobs.set(one.id, one);
    this.open(one.id);
    void this.viewer.compareWith({file: mesh, name: other.name}, () => {
      this.leave();
      this.compare(other, one);
    });
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
    if (shown) this.showDetails(shown);
  }

  /** Fills the left side with what a job was made from. */
  private async reuse(job: Job): Promise<void> {
    const origin = job.kind === 'export' && this.parent ? this.parent : job;
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
      this.refreshGenerate();
      (this.takesText ? this.prompt : this.images).element.scrollIntoView({block: 'start'});
    } catch (error) {
      this.failed(words.app.notLoaded, error);
    }
  }

  private followAddress(): void {
    void this.takeSettings();
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
    document.title = words.app.title;
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
    this.drawSeeds(null);
  }

  private async keepUp(id: string, signal: AbortSignal): Promise<void> {
    try {
      const job = await this.connection.patiently(() => this.client.job(id), signal);
      if (job.parent) this.parent = await this.client.job(job.parent).catch(() => null);
      if (signal.aborted) return;
      void this.relatives();
      const done = await follow(this.client, this.connection, id, signal, (next) => this.update(next));
      if (!isFinal(job.state)) this.notify.say(done.state === 'done' ? words.app.finished(done.name) : `${done.name}: ${done.error?.message ?? words.app.states[done.state]}`);
      await this.list();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      const missing = error instanceof ApiError && error.status === 404;
      const {message, hint} = missing ? {message: words.app.gone, hint: words.app.goneHint} : explain(error);
      this.progress.show(null);
      this.viewer.say('warning', message, hint);
    }
  }

  /** The job in view has changed. */
  private update(job: Job): void {
    const before = this.jobs.get(job.id);
    this.tellOf(job);
    this.jobs.set(job.id, job);
    if (job.id !== this.current) return;
    if (!isFinal(job.state)) this.viewer.prepare();
    this.progress.show(job);
    this.showDetails(job);
    const percent = job.state === 'running' ? `${Math.floor((job.progress?.fraction ?? 0) * 100)} % · ` : '';
    document.title = `${percent}${job.name} · ${words.app.title}`;
    this.describe(job);
    void this.viewer.show(shownOf(job, this.parent), job.name);
    const shown = ({state, files, progress}: Job): string => [state, files.length, Math.floor((progress?.fraction ?? 0) * 100)].join();
    if (!before || shown(before) !== shown(job)) this.drawGallery();
  }

  /** A job of this browser has ended while nobody looked. */
  private tellOf(job: Job): void {
    const before = this.jobs.get(job.id);
    if (!before || isFinal(before.state) || !isFinal(job.state) || !isMine(job.id)) return;
    tell(job.state === 'done' ? words.app.finished(job.name) : `${job.name}: ${words.app.states[job.state]}`, () => this.open(job.id));
  }

  /** In place of an object that is not there yet, or will not be. */
  private describe(job: Job): void {
    if (this.viewer.faces > 0 && job.state === 'done') return;
    if (job.state === 'failed' || job.state === 'cancelled') {
      const failed = job.state === 'failed';
      const {message, hint = ''} = !failed ? {message: words.app.cancelled, hint: job.files.some(({role}) => role === 'asset') ?
        words.app.cancelledMesh : words.app.cancelledNothing} :
        job.error ?? {message: words.app.failed, hint: words.app.seeLog};
      this.viewer.say('warning', capitalised(message), capitalised(hint), button({label: words.app.reuse, icon: 'image', class: 'button', onclick: () => void this.reuse(job)}));
    } else if (!job.files.some(({role}) => role === 'structure' || role === 'splats' || role === 'mesh' || role === 'result') && !this.parent) {
      this.viewer.say('image', words.app.onItsWay, words.app.onItsWayHint);
    }
  }

  private async list(): Promise<void> {
    clearTimeout(this.listTimer);
    try {
      const {jobs, next} = await this.client.assets(null, PAGE);
      // What is older than this page stays; what is missing from it was removed.
      const oldest = jobs.at(-1)?.created ?? '';
      for (const [id, job] of this.jobs) if ((job.created >= oldest || next === null) && !jobs.some((one) => one.id === id)) this.jobs.delete(id);
      for (const job of jobs) {
        this.tellOf(job);
        if (job.id !== this.current || isFinal(job.state)) this.jobs.set(job.id, job);
      }
      if (this.jobs.size <= jobs.length) this.next = next;
      this.gallery.showSpace(await this.client.storage());
    } catch (error) {
      if (this.connection.isLoss(error)) void this.connection.back();
      else this.notify.error(words.app.galleryFailed, error);
      return;
    }
    this.drawGallery();
    void this.relatives();
    const waiting = [...this.jobs.values()].some(({id, state}) => !isFinal(state) && id !== this.current);
    if (waiting && (!document.hidden || tells())) this.listTimer = window.setTimeout(() => void this.list(), 3000);
  }

  private async older(): Promise<void> {
    if (!this.next) return;
    try {
      const {jobs, next} = await this.client.assets(this.next, PAGE);
      for (const job of jobs) this.jobs.set(job.id, job);
      this.next = next;
      this.drawGallery();
    } catch (error) {
      this.failed(words.app.olderFailed, error);
    }
  }

  private drawGallery(): void {
    const cards = families(this.assets, this.jobs).flatMap((family) => {
      const job = frontOf(family, this.current);
      return job ? [{job, versions: family.length}] : [];
    });
    this.gallery.show(cards, this.current, this.next !== null);
    // Who has more than the strip shows looks at all of them sooner or later, and shall not wait for a program then.
    if (this.next !== null && !this.grid) this.loadGrid().catch(() => (this.grid = null));
    this.drawSeeds(this.current);
    const inView = this.current === null ? undefined : this.jobs.get(this.current);
    if (inView) this.showDetails(inView);  // its versions
    const active = [...this.jobs.values()].filter(({state}) => !isFinal(state)).length;
    this.gallery.showActive(active);
    badge(active);
  }

  private get assets(): Job[] {
    return [...this.jobs.values()].filter(({asset}) => asset)
      .sort((a, b) => (a.created === b.created ? (a.id < b.id ? 1 : -1) : a.created < b.created ? 1 : -1));
  }

  private showDetails(job: Job): void {
    const versions = families(this.assets, this.jobs).find((family) => family.some(({id}) => id === job.id)) ?? [];
    this.details.show(job, this.made, versions);
  }
}
