import {Client, type Health} from './api/client.js';
import {Connection} from './api/connection.js';
import {explain} from './api/errors.js';
import {isFinal, type Job} from './api/types.js';
import {AssetInView, idInAddress} from './asset_in_view.js';
import {AssetList} from './asset_list.js';
import {badge} from './core/badge.js';
import {button, h, isTyping} from './core/dom.js';
import {isMine, nowMine} from './core/drafts.js';
import {families, frontOf} from './core/families.js';
import {Backstage} from './ui/backstage.js';
import {dialogs} from './ui/dialogs_later.js';
import {Gallery} from './ui/gallery.js';
import type {GalleryGrid} from './ui/gallery_grid.js';
import {MakePanel} from './ui/make_panel.js';
import type {QueuePanel} from './ui/queue_panel.js';
import {Notifier} from './ui/notify.js';
import {Turner} from './ui/turner.js';
import {type Language, language, LANGUAGES, later, switchLanguage, words} from './core/words.js';

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
  private readonly make;
  private readonly list;
  private readonly view;
  private readonly gallery;
  private readonly turner;
  private grid: Promise<GalleryGrid> | null = null;
  private queue: Promise<QueuePanel> | null = null;
  private readonly away = h('div', {class: 'away', role: 'alert', hidden: true});
  private known = false;  // it is, what the server can do
  private health: Health = 'ready';

  constructor(root: HTMLElement) {
    this.notify = new Notifier(document.body);
    this.client = new Client(async (refused) => (await dialogs()).askForKey(refused));
    this.connection = new Connection(this.client, (health) => this.show(health));
    this.backstage = new Backstage(this.client, this.connection, () => void this.view.relatives());
    this.make = new MakePanel(this.client, this.connection, this.notify, {
      started: (job) => this.started(job),
      show: (job) => this.begin(job),
      failed: (what, error) => this.failed(what, error),
    });
    this.list = new AssetList(this.client, this.connection, this.notify, {
      changed: (asked) => {
        this.drawGallery();
        if (asked) void this.view.relatives();
      },
      space: (storage) => this.gallery.showSpace(storage),
      open: (job) => this.view.open(job.id),
      update: (job) => this.view.update(job),
      forgotten: (id) => {
        if (this.list.current !== id) return;
        this.view.close();
        this.view.viewer.focus();
      },
      failed: (what, error) => this.failed(what, error),
    });
    this.view = new AssetInView(this.client, this.connection, this.notify, this.list, this.backstage, {
      changed: () => this.drawGallery(),
      begin: (job) => this.begin(job),
      reuse: (origin, job) => void this.make.reuse(origin, job),
      share: (job) => void this.share(job),
      failed: (what, error) => this.failed(what, error),
    });
    this.turner = new Turner(this.client);
    this.gallery = new Gallery(this.client, this.turner, {
      open: (job) => this.view.open(job.id),
      remove: (job) => void this.list.remove(job),
      more: () => void this.list.older(),
      all: () => void this.showAll(),
      queue: () => void this.showQueue(),
    });
    root.append(this.away, button({label: words.app.skip, class: 'button skip', onclick: () => this.view.viewer.focus()}),
      h('header', {class: 'bar'}, h('a', {class: 'brand', href: '#', 'aria-label': words.app.home, onclick: () => this.view.close()},
        h('img', {src: '/favicon.svg', alt: '', width: 26, height: 26}), h('h1', {}, 'Espalier ', h('span', {text: words.app.studio}))), this.make.modelBar.element),
      h('main', {class: 'studio'},
        this.make.element,
        this.view.stage, this.view.details.element, this.gallery.element),
      h('footer', {class: 'foot'}, h('a', {href: '/openapi.json', text: 'API'}), h('a', {href: '/licences.txt', text: words.app.licences}),
        h('button', {type: 'button', class: 'link', text: words.app.keys, title: words.app.keysTitle, onclick: () => void dialogs().then(({showKeys}) => showKeys())}), languages()));
    document.addEventListener('keydown', (event) => {
      if (event.key !== '?' || isTyping(event.target) || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      void dialogs().then(({showKeys}) => showKeys());
    });
    addEventListener('hashchange', () => this.followAddress());
    document.addEventListener('visibilitychange', () => document.hidden || void this.list.list());
  }

  /** Asks the server what there is, and goes on where the page was left. */
  async boot(): Promise<void> {
    try {
      await this.connection.back();
      await this.learn();
      await this.make.restore();
      await this.make.loadExamples();
      await this.list.list();
    } catch (error) {
      this.make.modelBar.say(words.app.notConnected);
      const {message, hint} = explain(error);
      this.view.viewer.say('warning', message, hint, button({label: words.app.tryAgain, icon: 'repeat', class: 'button', onclick: () => void this.retry()}));
      return;
    }
    const active = [...this.list.jobs.values()].find(({id, state}) => !isFinal(state) && isMine(id));
    if (idInAddress()) this.followAddress();
    else if (active) this.view.open(active.id);
  }

  private async retry(): Promise<void> {
    this.view.viewer.empty();
    await this.boot();
  }

  /** What the server can do. */
  private async learn(): Promise<void> {
    const server = await this.connection.patiently(() => this.client.models());
    this.known = server.models.length > 0;
    this.make.setServer(server);
    this.view.details.setFormats(server.video_formats);
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
    } else if (this.known) {
      if (before === 'away') this.notify.info(words.app.back);
      this.learn().catch((error: unknown) => this.notify.error('', error));
      void this.list.list();
    }
    this.make.setReady(health === 'ready');
  }

  /** Says that something was not done, and why; waits for the server where it was that. */
  private failed(what: string, error: unknown): void {
    if (this.connection.isLoss(error)) void this.connection.back();
    this.notify.error(what, error);
  }

  private started(job: Job): void {
    nowMine(job.id);
    this.list.jobs.set(job.id, job);
  }

  /** Shows a new job; the list keeps an eye on those before it. */
  private begin(job: Job): void {
    this.started(job);
    this.view.open(job.id);
    void this.list.list();
  }

  private async showAll(): Promise<void> {
    try {
      await (await this.loadGrid()).open(this.list.assets, this.list.current);
    } catch (error) {
      this.grid = null;
      this.failed('', error);
    }
  }

  private loadGrid(): Promise<GalleryGrid> {
    return this.grid ??= later(() => import('./ui/gallery_grid.js')).then(({GalleryGrid: Grid}) => new Grid(this.client, this.notify, this.turner, {
      open: (job) => this.view.open(job.id),
      remove: (jobs) => this.list.removeMany(jobs),
      compare: (one, other) => this.view.compare(one, other),
    }));
  }

  private async showQueue(): Promise<void> {
    try {
      this.queue ??= later(() => import('./ui/queue_panel.js')).then(({QueuePanel: Panel}) => new Panel(this.client, this.notify, {
        open: (job) => this.view.open(job.asset ? job.id : job.parent ?? job.id),
        changed: () => void this.list.list(),
      }));
      await (await this.queue).open();
      await this.list.list();
    } catch (error) {
      this.queue = null;
      this.failed('', error);
    }
  }

  /** A link to an asset, into the clipboard. */
  private async share(job: Job): Promise<void> {
    const {copy} = await later(() => import('./ui/share.js'));
    await copy(`${location.origin}/#job=${encodeURIComponent(job.id)}`, 'asset', this.notify);
  }

  private followAddress(): void {
    void this.make.takeSettings();
    const id = idInAddress();
    if (id && id !== this.list.current) this.view.open(id);
    if (!id && this.list.current) this.view.close();
  }

  private drawGallery(): void {
    const cards = families(this.list.assets, this.list.jobs).flatMap((family) => {
      const job = frontOf(family, this.list.current);
      return job ? [{job, versions: family.length}] : [];
    });
    this.gallery.show(cards, this.list.current, this.list.hasMore);
    // Who has more than the strip shows looks at all of them sooner or later, and shall not wait for a program then.
    if (this.list.hasMore && !this.grid) this.loadGrid().catch(() => (this.grid = null));
    this.view.refresh();
    const {active} = this.list;
    this.gallery.showActive(active);
    badge(active);
  }
}
