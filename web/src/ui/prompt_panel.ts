import {h} from '../core/dom.js';

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
    this.prompt = field('prompt', 3, 'a red armchair with wooden legs');
    this.negative = field('negative-prompt', 1, 'what it should not look like');
    this.element = h('div', {class: 'stack', hidden: true}, h('h2', {text: 'Prompt'}),
      h('label', {class: 'label', for: this.prompt.id, text: 'What to make'}), this.prompt,
      h('label', {class: 'label', for: this.negative.id, text: 'Away from (optional)'}), this.negative);
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
