import {h} from '../core/dom.js';
import {words} from '../core/words.js';

/** What an asset is made from with a text model. */
export class PromptPanel {
  readonly element: HTMLElement;
  private readonly prompt: HTMLTextAreaElement;
  private readonly negative: HTMLTextAreaElement;

  constructor(onchange: () => void) {
    const field = (id: string, rows: number, placeholder: string): HTMLTextAreaElement => {
      const area = h('textarea', {id, rows, placeholder, class: 'prompt', maxLength: 4000});
      area.addEventListener('input', onchange);
      return area;
    };
    this.prompt = field('prompt', 3, words.prompt.whatHint);
    this.negative = field('negative-prompt', 1, words.prompt.awayHint);
    this.element = h('div', {class: 'stack', hidden: true}, h('h2', {text: words.prompt.title}),
      h('label', {class: 'label', for: this.prompt.id, text: words.prompt.what}), this.prompt,
      h('label', {class: 'label', for: this.negative.id, text: words.prompt.away}), this.negative);
  }

  get text(): string {
    return this.prompt.value.trim();
  }

  get away(): string {
    return this.negative.value.trim();
  }

  get name(): string {
    return [...this.text].slice(0, 60).join('');
  }

  replace(prompt: string, negative: string): void {
    this.prompt.value = prompt;
    this.negative.value = negative;
  }
}
