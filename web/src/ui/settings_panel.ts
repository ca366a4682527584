import type {Model, MultiImage, Preset} from '../api/types.js';
import {button, h, segmented} from '../core/dom.js';
import {anySeed, initialSettings, limits, samplersOf, type Settings} from '../core/options.js';
import {checkField, numberField, selectField} from './fields.js';
import {FinishLater} from './finish_later.js';
import {words} from '../core/words.js';

/** Everything there is to choose before generating, but the images. */
export class SettingsPanel {
  readonly element: HTMLElement;
  private readonly finish = new FinishLater();
  private readonly seed;
  private readonly randomise;
  private readonly presets;
  private readonly structureSteps;
  private readonly structureGuidance;
  private readonly latentSteps;
  private readonly latentGuidance;
  private readonly multiImage;
  private preset: Preset = initialSettings(null).preset;
  private model: Model | null = null;

  /** `failed`: fields that are loaded when they are asked for could not be. */
  constructor(failed: (error: unknown) => void) {
    const start = initialSettings(null);
    this.presets = segmented<Preset>(words.settings.preset, [
      {value: 'checkpoint', label: words.settings.checkpoint, title: words.settings.checkpointTitle},
      {value: 'app', label: words.settings.app, title: words.settings.appTitle},
      {value: 'fast', label: words.settings.fast, title: words.settings.fastTitle},
    ], start.preset, (value) => {
      this.preset = value;
      this.fillSamplers();
    });
    this.randomise = checkField(words.settings.randomise, start.randomise, '', () => this.seed.enable(!this.randomise.get()));
    this.seed = numberField({label: words.settings.seed, ...limits('seed'), step: 1, whole: true}, start.seed);
    const dice = button({label: words.settings.anotherSeed, icon: 'dice', iconOnly: true, class: 'button quiet small', onclick: () => {
      this.randomise.set(false);
      this.seed.enable(true);
      this.seed.set(anySeed());
    }});
    const steps = {label: words.settings.steps, step: 1, whole: true, slider: 50};
    const guidance = {label: words.settings.guidance, step: 0.1, slider: 10};
    this.structureSteps = numberField({...steps, ...limits('structure.steps')}, start.structure.steps);
    this.structureGuidance = numberField({...guidance, ...limits('structure.guidance')}, start.structure.guidance);
    this.latentSteps = numberField({...steps, ...limits('latent.steps')}, start.latent.steps);
    this.latentGuidance = numberField({...guidance, ...limits('latent.guidance')}, start.latent.guidance);
    this.multiImage = selectField<MultiImage>(words.settings.several, [
      {value: 'stochastic', label: 'Stochastic'}, {value: 'multidiffusion', label: 'Multidiffusion'}], start.multiImage);
    this.multiImage.element.hidden = true;
    this.seed.enable(!start.randomise);
    const finish = group(words.settings.finish, this.finish.element);
    const open = (): void => void this.finish.open().catch(failed);
    finish.addEventListener('toggle', open);
    finish.addEventListener('pointerenter', open, {once: true});  // a moment before it is opened
    this.element = h('div', {class: 'stack settings'},
      h('h2', {text: words.settings.title}),
      this.presets.element,
      h('div', {class: 'seed'}, this.seed.element, dice, this.randomise.element),
      this.multiImage.element,
      group(words.settings.stage1, this.structureSteps.element, this.structureGuidance.element),
      group(words.settings.stage2, this.latentSteps.element, this.latentGuidance.element),
      finish);
  }

  setModel(model: Model): void {
    const other = this.model?.name !== model.name;
    this.model = model;
    if (other) this.fillSamplers();
  }

  setImages(count: number): void {
    this.multiImage.element.hidden = count < 2;
  }

  get(): Settings {
    return {
      preset: this.preset,
      randomise: this.randomise.get(),
      seed: this.seed.get(),
      structure: {steps: this.structureSteps.get(), guidance: this.structureGuidance.get()},
      latent: {steps: this.latentSteps.get(), guidance: this.latentGuidance.get()},
      multiImage: this.multiImage.get(),
      ...this.finish.get(),
    };
  }

  set(settings: Settings): void {
    this.preset = settings.preset;
    this.presets.set(settings.preset);
    this.randomise.set(settings.randomise);
    this.seed.set(settings.seed);
    this.seed.enable(!settings.randomise);
    this.setSamplers(settings);
    this.multiImage.set(settings.multiImage);
    this.finish.set(settings);
  }

  private fillSamplers(): void {
    this.setSamplers(samplersOf(this.preset, this.model));
  }

  private setSamplers({structure, latent}: Pick<Settings, 'structure' | 'latent'>): void {
    this.structureSteps.set(structure.steps);
    this.structureGuidance.set(structure.guidance);
    this.latentSteps.set(latent.steps);
    this.latentGuidance.set(latent.guidance);
  }
}

function group(title: string, ...fields: HTMLElement[]): HTMLElement {
  return h('details', {class: 'group'}, h('summary', {text: title}), h('div', {class: 'stack inside'}, ...fields));
}
