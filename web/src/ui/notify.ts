import {explain} from '../api/errors.js';
import {button, h, icon} from '../core/dom.js';
import {words} from '../core/words.js';

/** Messages that come and go, and sentences for those who hear the page instead of seeing it. */
export class Notifier {
  private readonly list = h('div', {class: 'toasts', role: 'region', 'aria-label': words.app.messages});
  private readonly live = h('div', {class: 'hidden', 'aria-live': 'polite', role: 'status'});

  constructor(parent: HTMLElement) {
    parent.append(this.list, this.live);
  }

  /** Read aloud, not shown. */
  say(text: string): void {
    if (this.live.textContent !== text) this.live.textContent = text;
  }

  info(message: string): void {
    this.add('info', message, '', 6000);
  }

  /** What happened and what to do; stays until it is closed. */
  error(what: string, error: unknown): void {
    const {message, hint} = explain(error);
    this.add('error', what || message, what ? [message, hint].filter(Boolean).join(' · ') : hint, 0);
  }

  warn(message: string, hint: string): void {
    this.add('error', message, hint, 0);
  }

  private add(kind: 'info' | 'error', message: string, hint: string, milliseconds: number): void {
    const same = [...this.list.children].find((toast) => toast.querySelector('strong')?.textContent === message);
    same?.remove();
    const toast = h('div', {class: `toast ${kind}`, role: kind === 'error' ? 'alert' : 'status'},
      icon(kind === 'error' ? 'warning' : 'tick'),
      h('div', {}, h('strong', {text: message}), hint ? h('p', {text: hint}) : null),
      button({label: words.app.close, icon: 'close', iconOnly: true, class: 'button quiet small', onclick: () => toast.remove()}));
    this.list.append(toast);
    if (milliseconds > 0) setTimeout(() => toast.remove(), milliseconds);
  }
}
