'use strict';
// What one can take away from the page: the picture, the sweep of a latent, and the command that gives them.

const FRAMES = 25; // of a sweep that is saved, from one end to the other

/** Buttons that save what a run shows, and a fold with its command. `guarded` does what may fail. */
class Outputs {
  constructor(state, looks, guarded) {
    Object.assign(this, { state, looks, guarded, latent: orderOf(state.view)[0] });
    this.code = make('div', { class: 'commands' });
    this.fold = make('details', { class: 'as-command', ontoggle: () => this.update() },
      make('summary', { text: 'As a command' }), this.code);
    this.sweepButton = make('button', { type: 'button', onclick: () => guarded(() => this.saveSweep()) });
    this.pairButton = make('button', { type: 'button', text: 'Save with original', title: 'The original and the picture',
      onclick: () => this.savePair() });
    this.elements = [make('button', { type: 'button', text: 'Save PNG', onclick: () => this.save() }),
      this.pairButton, this.sweepButton, this.fold];
    this.update();
  }

  save() {
    savePicture(this.looks.canvases.picture, fileName(this.state.view, 'picture', 'png'), this.paper());
  }

  savePair() {
    const { original, picture } = this.looks.canvases;
    savePicture([original, picture], fileName(this.state.view, 'pair', 'png'), this.paper());
  }

  /** The colour behind what is not drawn on: bars and letters are as light as the page is dark. */
  paper() {
    return getComputedStyle(this.looks.element).getPropertyValue('--paper').trim();
  }

  /** Save the sweep of the latent that was moved last. */
  async saveSweep() {
    const { latent, looks } = this;
    const { z, range, view, source } = this.state;
    const data = await source.decodeMany(codesAlong(z, latent, range, FRAMES));
    const scale = new FeatureScale(view); // of all frames
    for (const x of data) scale.see(x);
    const frames = data.map((x) => {
      const canvas = make('canvas');
      pictureFor(canvas, view, scale, 'large', looks.canvases.picture).paint(x);
      return canvas;
    });
    saveSweep(frames, fileName(view, unitOf(view, latent), 'gif'), this.paper());
  }

  /** Show the commands of what is on the screen, where they are unfolded. */
  update(latent = null) {
    if (latent !== null) this.latent = latent;
    this.sweepButton.textContent = `Save GIF of ${unitOf(this.state.view, this.latent)}`;
    this.pairButton.hidden = !this.state.start.x;
    if (!this.fold.open) return;
    const { shell, python, note } = commandsOf(this.state.view, this.state);
    const parts = [shell && this.block('Shell', shell), this.block('Python', python),
      note && make('p', { class: 'note', text: note })];
    this.code.replaceChildren(...parts.filter(Boolean));
  }

  block(title, text) {
    const copy = make('button', { type: 'button', text: 'Copy', onclick: () => this.copy(copy, text) });
    return make('div', { class: 'code' }, make('span', { text: title }), copy, make('pre', { text, tabindex: 0 }));
  }

  copy(button, text) {
    this.guarded(async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    });
  }
}
