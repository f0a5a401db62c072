'use strict';
// One run on the page: its pictures, its sliders and its plane, and the code that all of them show.

/** A run, in `element`. `begin(choice)` starts all runs anew; `began(start, isAwaited)` is called when this one has
 * started; isAwaited: whether it starts from something else next. */
class Panel {
  constructor(element, view, source, number, { begin, began, hasHeading, mayName }) {
    const z = Float32Array.from(view.prior_mean);
    const start = { kind: 'prior', z: z.slice(), scale: null, x: null };
    const state = { z, start, view, source, range: view.range, draw: false, seed: 0, startFrom: begin };
    this.state = state;
    Object.assign(this, { view, source, number, began });
    this.painting = new Latest(() => this.guarded(() => this.paint()));
    this.starting = new Latest((choice) => this.guarded(() => this.startFrom(choice)));
    this.choices = new Choices(view, source, () => this.changed());
    state.choices = this.choices;
    this.build(element, hasHeading, mayName);
  }

  build(element, hasHeading, mayName) {
    const { view, number, state } = this;
    const scale = view.shape.length === 3 ? null : new FeatureScale(view);
    const [sliders, plane] = [make('div', { class: 'sliders' }), make('div', { class: 'plane-place' })];
    plane.append(make('h3', { text: 'Two latents at once' }));
    const change = (latent = null) => this.changed(latent);
    this.alert = make('p', { class: 'alert', role: 'alert' });
    this.looks = new Looks(view, number, scale);
    this.outputs = new Outputs(state, this.looks, (work) => this.guarded(work));
    element.append(make('section', { class: 'run', 'data-run': number, 'aria-label': view.title },
      hasHeading ? headingOf(view, 'h2') : null, this.alert,
      make('div', { class: 'run-layout' },
        make('div', { class: 'side' }, this.looks.element, this.options()), sliders, plane), this.notes()));
    this.latents = new Latents(sliders, state, change, { scale, mayName, renamed: () => this.plane.renamed() });
    this.plane = new Plane(plane, state, () => {
      this.latents.stop();
      change();
    });
  }

  options() {
    this.again = make('button', { type: 'button', text: 'Draw again', hidden: true, onclick: () => this.drawAgain() });
    const box = make('input', { type: 'checkbox', onchange: () => this.setDraw(box.checked) });
    const label = make('label', { title: `${DRAW_IN_WORDS} in place of its mean` }, box, 'Draw');
    return make('div', { class: 'options' }, ...this.choices.elements,
      this.source.canDraw ? label : null, this.again, ...this.outputs.elements);
  }

  notes() {
    const said = [this.view.data_note, this.view.decoder_note].filter(Boolean);
    return make('div', { class: 'fine' }, ...said.map((text) => make('p', { text: sentence(text) })));
  }

  /** The code has changed, in one latent or in several. */
  changed(latent = null) {
    this.painting.request();
    this.latents.update(latent);
    this.plane.update();
    this.outputs.update(latent);
  }

  async paint() {
    const { z, draw, seed, start } = this.state;
    this.looks.paint(await this.source.decode(z.slice(), { draw, seed }), start.x);
    this.latents.strips.show(this.looks.canvases.picture);
  }

  /** Start anew: the sliders follow, and an original is compared with its reconstruction. */
  async startFrom(choice) {
    const { kind, file, seed } = choice;
    const start = kind === 'upload' ? await this.source.upload(file) : await this.source.start(choice);
    this.state.start = { ...start, kind, seed, file: file ? file.name : null };
    this.choices.restart(start);
    this.looks.scale?.forget();
    this.state.z.set(start.z);
    this.latents.restart();
    this.changed();
    const isEncoded = Boolean(start.x);
    const mean = { draw: false, seed: 0 };
    this.looks.compare(start.x, isEncoded ? await this.source.decode(Float32Array.from(start.z), mean) : null);
    this.began(this.state.start, this.starting.isAwaited);
  }

  setDraw(isDrawn) {
    this.state.draw = isDrawn;
    this.again.hidden = !isDrawn;
    this.looks.isDrawn = isDrawn;
    this.looks.describe();
    this.changed();
  }

  drawAgain() {
    this.state.seed += 1;
    this.changed();
  }

  /** Do what may fail; a failure is a line above the run, until something works again. */
  async guarded(work) {
    try {
      await work();
      this.alert.textContent = '';
    } catch (error) {
      this.alert.textContent = error.message;
    }
  }
}

/** What a run is, in a title and a line. */
function headingOf(view, level) {
  const count = `${view.K} ${view.K === 1 ? 'latent' : 'latents'}`;
  const known = view.kl ? `${view.active.filter(Boolean).length} of ${count} active` : count;
  const likelihood = view.likelihood.split('.').at(-1);
  const facts = [view.dataset, view.program, `β ${view.beta}`, likelihood, known].filter(Boolean).join(' · ');
  return make('header', {}, make(level, { text: view.title }), make('p', { class: 'facts', text: facts }));
}
