import {button, type IconName} from '../core/dom.js';
import {keptLook} from '../core/drafts.js';
import {metres} from '../core/format.js';
import {later, more} from '../core/words.js';
import {FIRST_LOOK} from '../viewer/look.js';
import type {Viewer} from '../viewer/viewer.js';
import type {LookPanel} from './look_panel.js';
import type {Notifier} from './notify.js';
import {LIGHT, RULER} from '../core/icons_later.js';

const STILL = 4;  // pixels that a pointer may move between down and up of a click

/** Light and section, turntable and ruler: the tools that need an object. */
export class ViewerTools {
  readonly buttons: readonly HTMLButtonElement[];
  private readonly lookButton = tool(more.tools.look, LIGHT, () => void this.toggleLook());
  private readonly turnButton = tool(more.tools.turn, 'repeat', () => this.setTurning(!this.turning));
  private readonly rulerButton = tool(more.tools.ruler, RULER, () => this.setMeasuring(!this.measuring));
  private look: LookPanel | null = null;
  private turning = false;
  private measuring = false;

  /** `place`: holds the canvas; `room`: where a panel may lie over it. */
  constructor(private readonly viewer: Viewer, private readonly place: HTMLElement, private readonly room: HTMLElement, private readonly notify: Notifier) {
    this.buttons = [this.lookButton, this.turnButton, this.rulerButton];
    const kept = keptLook(FIRST_LOOK);
    if (kept) viewer.setLook(kept);
    this.listen();
  }

  /** For the next object. */
  reset(): void {
    this.setTurning(false);
    this.setMeasuring(false);
    this.look?.whole();
  }

  /** What keys do while the viewer has the focus. */
  get keys(): Record<string, () => void> {
    return {
      l: () => void this.toggleLook(),
      m: () => this.setMeasuring(!this.measuring),
      t: () => this.setTurning(!this.turning),
      ...(this.measuring ? {Enter: () => this.measureAt(0, 0), Escape: () => this.setMeasuring(false)} : {}),
    };
  }

  private setTurning(turning: boolean): void {
    this.turning = turning;
    this.turnButton.setAttribute('aria-pressed', String(turning));
    this.viewer.setTurning(turning);
  }

  private async toggleLook(): Promise<void> {
    const {LookPanel} = await later(() => import('./look_panel.js'));
    this.look ??= new LookPanel(this.viewer, () => this.lookButton);
    if (!this.look.element.isConnected) this.room.append(this.look.element);
    this.lookButton.setAttribute('aria-pressed', String(this.look.toggle()));
  }

  private setMeasuring(measuring: boolean): void {
    this.measuring = measuring;
    this.rulerButton.setAttribute('aria-pressed', String(measuring));
    this.place.classList.toggle('measuring', measuring);
    if (measuring) this.notify.say(more.tools.rulerHint);
    else this.viewer.stopMeasuring();
  }

  private measureAt(x: number, y: number): void {
    if (!this.viewer.measureAt(x, y)) return this.notify.say(more.tools.rulerMissed);
    const {measured} = this.viewer;
    this.notify.say(measured === null ? more.tools.rulerFirst : metres(measured));
  }

  private listen(): void {
    let down: {x: number; y: number} | null = null;
    this.place.addEventListener('pointerdown', (event) => {
      down = event.button === 0 ? {x: event.clientX, y: event.clientY} : null;
    }, {capture: true});
    this.place.addEventListener('pointerup', (event) => {
      const start = down;
      down = null;
      if (!this.measuring || !start || Math.hypot(event.clientX - start.x, event.clientY - start.y) > STILL || !(event.target instanceof HTMLCanvasElement)) return;
      const box = event.target.getBoundingClientRect();
      this.measureAt(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2);
    }, {capture: true});
  }
}

function tool(label: string, icon: IconName, onclick: () => void): HTMLButtonElement {
  const element = button({label, icon, iconOnly: true, class: 'button quiet', onclick});
  element.setAttribute('aria-pressed', 'false');
  return element;
}
