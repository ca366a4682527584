import '../style/progress.css';
import type {Job} from '../api/types.js';
import {button, h, icon} from '../core/dom.js';
import {bytes, duration} from '../core/format.js';
import {type Phase, PHASES, phaseOf, stageTitle, titleOf} from '../core/stages.js';
import type {Notifier} from './notify.js';
import {more} from '../core/words.js';

/** How far a job is, and the way to stop it. */
export class ProgressPanel {
  private readonly title = h('strong', {class: 'progress-stage'});
  private readonly facts = h('span', {class: 'progress-facts'});
  private readonly bar = h('progress', {max: 1, value: 0, 'aria-label': more.progress.bar});
  private readonly percent = h('span', {class: 'percent'});
  private readonly phases = new Map<Phase, HTMLElement>();
  private readonly list = h('ol', {class: 'phases', 'aria-hidden': 'true'});
  private readonly cancel: HTMLButtonElement;
  private phase: Phase = 'input';
  private job: string | null = null;
  private said = '';

  /** `onleave`: the panel goes while it has the keyboard's focus. */
  constructor(private readonly element: HTMLElement, private readonly notify: Notifier, oncancel: () => void, private readonly onleave: () => void) {
    for (const phase of PHASES) {
      const item = h('li', {}, h('span', {class: 'phase-mark'}, icon('tick')), h('span', {text: titleOf(phase)}));
      this.phases.set(phase, item);
      this.list.append(item);
    }
    this.cancel = button({label: more.progress.cancel, icon: 'close', class: 'button small', onclick: oncancel});
    element.append(h('div', {class: 'progress-head'}, this.title, this.percent, this.cancel), this.bar, h('div', {class: 'progress-foot'}, this.list, this.facts));
  }

  show(job: Job | null): void {
    const active = job !== null && (job.state === 'queued' || job.state === 'running');
    const focused = this.element.contains(document.activeElement);
    this.element.hidden = !active;
    if (!active) {
      if (focused) this.onleave();
      this.job = null;
      return;
    }
    if (job.id !== this.job) {
      this.job = job.id;
      this.phase = 'input';
      this.cancel.disabled = false;
    }
    this.list.hidden = job.kind !== 'image' && job.kind !== 'text';
    if (job.state === 'queued') this.showQueued(job);
    else this.showRunning(job);
  }

  /** After Cancel was pressed: the server stops at the next step. */
  cancelling(): void {
    this.cancel.disabled = true;
    this.title.textContent = more.progress.cancelling;
  }

  cancelFailed(): void {
    this.cancel.disabled = false;
  }

  private showQueued(job: Job): void {
    const before = job.position ?? 0;
    this.title.textContent = before > 0 ? more.progress.waiting(before) : more.progress.waitingToStart;
    this.percent.textContent = '';
    this.facts.textContent = '';
    this.bar.removeAttribute('value');
    this.mark(null);
    this.say(this.title.textContent);
  }

  private showRunning(job: Job): void {
    const progress = job.progress;
    const fraction = Math.min(Math.max(progress?.fraction ?? 0, 0), 1);
    if (!this.cancel.disabled) this.title.textContent = progress ? stageTitle(progress) : more.progress.starting;
    this.percent.textContent = `${Math.floor(fraction * 100)} %`;
    this.bar.value = fraction;
    const facts: string[] = [];
    if (progress && progress.steps > 1) facts.push(more.progress.step(progress.step, progress.steps));
    if (progress?.seconds_left !== null && progress?.seconds_left !== undefined) facts.push(more.progress.left(duration(progress.seconds_left)));
    if (progress && progress.memory_bytes > 0) facts.push(more.progress.memory(bytes(progress.memory_bytes)));
    this.facts.textContent = facts.join(' · ');
    if (progress) this.phase = phaseOf(progress.phase) ?? this.phase;
    this.mark(this.phase);
    this.say(more.progress.said(this.title.textContent ?? '', Math.floor(fraction * 4) * 25));
  }

  private mark(current: Phase | null): void {
    const at = current ? PHASES.indexOf(current) : -1;
    PHASES.forEach((phase, i) => {
      const item = this.phases.get(phase);
      item?.classList.toggle('done', i < at);
      item?.classList.toggle('current', i === at);
    });
  }

  /** Read aloud when the stage or the quarter changes, not with every step. */
  private say(text: string): void {
    if (text === this.said) return;
    this.said = text;
    this.notify.say(text);
  }
}
