'use strict';
// One run on the page: its picture, what it started from, its sliders and its plane.

const FRAMES = 25; // of a sweep that is saved

/** A run, in `element`. `begin(choice)` is called when a start is chosen in the plane. */
class Panel {
  constructor(element, view, source, number, { embedded = false, isAlone = true, begin = null, began = null } = {}) {
    const z = Float32Array.from(view.prior_mean);
    this.state = { z, start: { kind: 'prior', z: Float32Array.from(z), scale: null, x: null }, view, source, range: view.range, draw: false, seed: 0, startFrom: begin };
    Object.assign(this, { view, source, number, began });
    this.scale = view.shape.length === 3 ? null : new FeatureScale(view);
    this.painting = new Latest(() => this.guarded(() => this.paint()));
    this.starting = new Latest((choice) => this.guarded(() => this.startFrom(choice)));
    this.build(element, embedded, isAlone);
  }

  build(element, embedded, isAlone) {
    const change = (latent = null) => this.changed(latent);
    const sliders = make('div', { class: 'sliders' });
    const plane = make('div', { class: 'plane-place' });
    this.alert = make('p', { class: 'alert', role: 'alert' });
    element.append(make('section', { class: 'run', 'data-run': this.number, 'aria-label': this.view.title },
      embedded && isAlone ? null : this.heading(), this.alert,
      make('div', { class: 'run-layout' }, this.looks(), sliders, plane), this.notes()));
    for (const [name, canvas] of Object.entries(this.canvases)) {
      this[name] = pictureFor(canvas, this.view, this.scale, name === 'picture' ? 'large' : 'small');
    }
    this.latents = new Latents(sliders, this.state, change, { scale: this.scale, mayName: !embedded, renamed: () => this.plane?.renamed() });
    if (typeof Plane !== 'undefined') this.plane = new Plane(plane, this.state, change);
  }

  heading() {
    const { view } = this;
    const active = view.active.filter(Boolean).length;
    const count = `${view.K} ${view.K === 1 ? 'latent' : 'latents'}`;
    const facts = [view.dataset, `β ${view.beta}`, view.likelihood, view.kl ? `${active} of ${count} active` : count];
    return make('header', {}, make('h2', { text: view.title }), make('p', { class: 'facts', text: facts.filter(Boolean).join(' · ') }));
  }

  /** The picture, and below it the original, its reconstruction and the error. */
  looks() {
    const { number, view } = this;
    const figure = (name, caption) => {
      this.canvases[name] = make('canvas', { 'data-testid': `${name}-${number}`, role: 'img', 'aria-label': caption });
      this.captions[name] = make('figcaption', { text: caption });
      return make('figure', { class: name }, this.canvases[name], this.captions[name]);
    };
    this.canvases = {};
    this.captions = {};
    this.comparison = make('div', { class: 'comparison', hidden: true },
      figure('original', 'Original'), figure('reconstruction', 'Reconstruction'), figure('error', 'Error'));
    const large = figure('picture', 'Mean of p(x | z)');
    this.canvases.error.title = 'Original less reconstruction: warm where the original is larger, cold where it is smaller';
    return make('div', { class: `looks ${view.shape.length === 3 ? 'of-images' : 'of-vectors'}` }, large, make('div', { class: 'beside' }, this.comparison, this.options()));
  }

  options() {
    const { source } = this;
    this.again = make('button', { type: 'button', text: 'Again', hidden: true, title: 'Another draw', onclick: () => this.drawAgain() });
    const draw = make('input', { type: 'checkbox', onchange: () => this.setDraw(draw.checked) });
    return make('div', { class: 'options' },
      source.canDraw ? make('label', { title: 'A draw from p(x | z) in place of its mean' }, draw, 'Draw') : null, this.again, ...this.saving());
  }

  saving() {
    const parts = [];
    if (typeof savePicture !== 'undefined') {
      parts.push(make('button', { type: 'button', text: 'Save PNG', onclick: () => savePicture(this.canvases.picture, fileName(this.view, 'picture', 'png')) }));
      parts.push(make('button', { type: 'button', text: 'Save GIF', title: 'The sweep of the latent that was moved last', onclick: () => this.guarded(() => this.saveSweep()) }));
    }
    if (typeof commandsOf !== 'undefined') {
      this.commands = make('div', { class: 'commands' });
      this.commandsFold = make('details', { class: 'as-command', ontoggle: () => this.showCommands() }, make('summary', { text: 'As a command' }), this.commands);
      parts.push(this.commandsFold);
    }
    return parts;
  }

  notes() {
    const said = [this.view.data_note, this.view.decoder_note].filter(Boolean);
    return make('div', { class: 'fine' }, ...said.map((text) => make('p', { text })));
  }

  /** The code has changed, in one latent or in several. */
  changed(latent = null) {
    this.painting.request();
    this.latents.update(latent);
    if (this.plane) this.plane.update();
    this.showCommands();
  }

  async paint() {
    const { z, draw, seed, start } = this.state;
    const x = await this.source.decode(Float32Array.from(z), { draw, seed });
    this.picture.paint(x, start.x);
  }

  /** Start anew; the sliders follow, and an original is compared with its reconstruction. */
  async startFrom(choice) {
    const { kind, file, seed } = choice;
    const start = kind === 'upload' ? await this.source.upload(file) : await this.source.start(choice);
    this.state.start = { ...start, kind, seed, file: file ? file.name : null };
    this.state.z.set(start.z);
    this.latents.restart();
    this.changed();
    this.comparison.hidden = !start.x;
    if (start.x) this.compare(start.x, await this.source.decode(Float32Array.from(start.z), { draw: false, seed: 0 }));
    if (this.began) this.began(this.state.start);
  }

  compare(original, reconstruction) {
    this.original.paint(original);
    this.reconstruction.paint(reconstruction);
    this.error.paintError(original, reconstruction);
    this.captions.error.textContent = `Error ${brief(rootMeanSquare(original, reconstruction))}`;
    this.captions.error.title = 'Root of the mean squared error';
  }

  setDraw(isDrawn) {
    this.state.draw = isDrawn;
    this.again.hidden = !isDrawn;
    this.captions.picture.textContent = isDrawn ? 'A draw from p(x | z)' : 'Mean of p(x | z)';
    this.changed();
  }

  drawAgain() {
    this.state.seed += 1;
    this.changed();
  }

  async saveSweep() {
    const latent = this.latents.last ?? this.latents.rows[0].latent;
    const data = await this.source.decodeMany(codesAlong(this.state.z, latent, this.state.range, FRAMES));
    const frames = data.map((x) => {
      const canvas = make('canvas');
      pictureFor(canvas, this.view, this.scale, 'large', this.canvases.picture).paint(x);
      return canvas;
    });
    saveSweep(frames, fileName(this.view, `z${latent}`, 'gif'));
  }

  showCommands() {
    if (!this.commandsFold || !this.commandsFold.open) return;
    const { shell, python, note } = commandsOf(this.view, this.state);
    const code = (title, text) => make('div', { class: 'code' }, make('span', { text: title }),
      make('button', { type: 'button', text: 'Copy', onclick: () => navigator.clipboard.writeText(text) }), make('pre', { text, tabindex: 0 }));
    this.commands.replaceChildren(shell ? code('Shell', shell) : make('p', { class: 'note', text: note }), code('Python', python));
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
