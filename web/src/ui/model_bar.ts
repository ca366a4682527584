import type {JobOptions, Model} from '../api/types.js';
import {h, uniqueId} from '../core/dom.js';
import {bytes} from '../core/format.js';
import {words} from '../core/words.js';

/** Which model makes the assets, what it is worth, and the choice where there are several. */
export class ModelBar {
  readonly element = h('div', {class: 'model-bar'});
  private readonly text = h('p', {class: 'model', text: words.model.connecting});
  private readonly select = h('select', {'aria-label': words.model.label, hidden: true, onchange: () => this.choose(this.select.value)});
  private readonly badge = h('details', {class: 'demo', hidden: true});
  private models: readonly Model[] = [];
  private name = '';

  constructor(private readonly onchange: (model: Model) => void) {
    this.element.append(this.badge, this.select, this.text);
  }

  get chosen(): Model | null {
    return this.models.find(({name}) => name === this.name) ?? this.models[0] ?? null;
  }

  /** For a job: nothing where there is no choice. */
  option(): Pick<JobOptions, 'model'> {
    return this.models.length > 1 && this.chosen ? {model: this.chosen.name} : {};
  }

  /** Instead of a model. */
  say(text: string): void {
    this.text.textContent = text;
  }

  set(models: readonly Model[]): void {
    this.models = models;
    this.select.hidden = models.length < 2;
    this.select.replaceChildren(...models.map((model) => h('option', {value: model.name, text: words.model.needs(model.name, bytes(model.weight_bytes), bytes(model.memory_bytes))})));
    this.draw();
  }

  /** By its name; one that is not there changes nothing. */
  choose(name: string | undefined): void {
    if (!this.models.some((model) => model.name === name)) return;
    this.name = name ?? '';
    this.draw();
    if (this.chosen) this.onchange(this.chosen);
  }

  private draw(): void {
    const model = this.chosen;
    if (!model) return this.say(words.model.none);
    this.select.value = model.name;
    const parts = [...(this.models.length > 1 ? [] : [model.name]), ...(model.device ? [model.device] : [words.model.firstJob]), ...(model.precision ? [model.precision] : []),
      ...(model.untrained ? [words.model.untrained] : [])];
    this.say(parts.join(' · '));
    this.text.classList.toggle('untrained', model.untrained);
    this.badge.hidden = !model.description;
    const id = uniqueId('demo');
    const other = this.models.find(({description}) => !description);
    this.badge.replaceChildren(h('summary', {'aria-describedby': id}, words.model.demo),
      h('div', {class: 'demo-text', id}, h('p', {text: words.model.is(model.name, model.description ?? '')}),
        other ? h('p', {text: words.model.other(other.name)}) :
          model.full_model ? h('p', {}, words.model.fetch, h('code', {text: `espalier pull ${model.full_model}`})) : null));
  }
}
