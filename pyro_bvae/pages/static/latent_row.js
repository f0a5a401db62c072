'use strict';
// One latent: its name and KL, a slider with the posterior's mark, its value, and the strip below.

const KL_IN_WORDS = 'KL in nats, mean over held-out data';

/** A row of the sliders. */
class LatentRow {
  constructor(latents, latent) {
    Object.assign(this, { latents, latent, state: latents.state, shown: NaN });
    this.unit = unitOf(this.state.view, latent);
    this.build();
    this.setRange();
  }

  build() {
    const { latent } = this;
    this.slider = make('input', {
      type: 'range', step: 'any', 'data-latent': latent, 'aria-label': this.unit,
      oninput: () => this.move(Number(this.slider.value)),
      ondblclick: () => this.latents.reset(latent),
      onkeydown: (event) => this.press(event),
    });
    this.element = make('div', { class: 'latent' }, this.about(), this.track(), this.controls());
  }

  about() {
    const number = make('span', { class: 'latent-number', text: this.unit });
    return make('div', { class: 'about' }, number, this.kl(), ...this.naming());
  }

  /** A field for the name, or the name alone where none can be kept; and the factor that the latent follows. */
  naming() {
    const follows = (this.state.view.follows ?? [])[this.latent];
    this.name = this.latents.mayName ? this.field() : make('span', { class: 'name' });
    return [this.name, follows ? make('span', { class: 'follows', text: `follows ${follows}` }) : null];
  }

  field() {
    return make('input', {
      type: 'text', class: 'name', maxlength: 60, spellcheck: 'false', autocomplete: 'off', placeholder: 'Name it',
      'aria-label': `Name of ${this.unit}`,
      onfocus: () => this.latents.sayWhereNamesGo(),
      onchange: () => this.latents.rename(this.latent, this.name.value),
      onkeydown: (event) => { if (event.key === 'Enter') this.name.blur(); },
    });
  }

  kl() {
    const { kl } = this.state.view;
    if (!kl) return null;
    const style = `--share: ${Math.max(0, kl[this.latent]) / this.latents.mostKl}`;
    return make('span', { class: 'kl', style, title: KL_IN_WORDS, text: `KL ${written(kl[this.latent])}` });
  }

  /** The slider over the strip: both have the same values at the same places. */
  track() {
    [this.spread, this.moved, this.mean] = ['spread', 'moved', 'mean'].map((name) => make('span', { class: name }));
    this.cursor = make('canvas', { class: 'cursor', 'aria-hidden': 'true' });
    const drag = (event) => this.drag(event);
    const reset = () => this.latents.reset(this.latent);
    const listeners = { onpointerdown: drag, onpointermove: drag, ondblclick: reset };
    this.strip = make('canvas', { class: 'strip', 'aria-hidden': 'true', ...listeners });
    return make('div', { class: 'track' },
      make('div', { class: 'rail' }, this.spread, this.moved, this.mean, this.slider),
      make('div', { class: 'sweep' }, this.strip, this.cursor));
  }

  controls() {
    const { latent, latents } = this;
    this.value = make('input', {
      type: 'number', step: 0.1, class: 'value', 'aria-label': `Value of ${this.unit}`,
      oninput: () => this.type(), onblur: () => this.update(true),
    });
    this.playButton = this.button(`Play ${this.unit}`, 'play', () => latents.play(latent));
    const back = this.button(`Put ${this.unit} back`, 'back', () => latents.reset(latent));
    return make('div', { class: 'controls' }, this.value, this.playButton, back);
  }

  button(label, drawing, press) {
    const properties = { type: 'button', class: 'icon', 'aria-label': label, title: label, onclick: press };
    return make('button', properties, icon(drawing));
  }

  showName() {
    const name = this.state.view.names[this.latent] || '';
    this.slider.setAttribute('aria-label', name ? `${this.unit}, ${name}` : this.unit);
    if (this.latents.mayName) {
      if (document.activeElement !== this.name) this.name.value = name;
    } else {
      this.name.textContent = name;
    }
  }

  setRange() {
    const { range } = this.state;
    this.slider.min = -range;
    this.slider.max = range;
    this.shown = NaN;
  }

  move(value) {
    this.latents.stop();
    this.latents.set(this.latent, value);
  }

  /** Take a typed value; it may lie beyond the range. */
  type() {
    const value = Number(this.value.value);
    if (this.value.value !== '' && Number.isFinite(Math.fround(value))) this.move(value);
  }

  press(event) {
    const { range, z } = this.state;
    const limit = Math.max(range, Math.abs(z[this.latent]));
    const step = (2 * range / STEPS) * (event.shiftKey ? 0.1 : 1);
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (steps) this.move(Math.max(-limit, Math.min(limit, z[this.latent] + steps * step)));
    else if (event.key === 'Home' || event.key === 'End') this.move(event.key === 'Home' ? -range : range);
    else if (['Backspace', 'Delete', '0'].includes(event.key)) this.latents.reset(this.latent);
    else if (event.key.toLowerCase() === 'p') this.latents.play(this.latent);
    else if (event.key === 'Escape') this.latents.stop();
    else return;
    event.preventDefault();
  }

  /** Go to the value under the pointer on the strip. */
  drag(event) {
    if (!(event.buttons & 1)) return;
    if (event.type === 'pointerdown') {
      this.strip.setPointerCapture(event.pointerId);
      this.slider.focus({ preventScroll: true });
      event.preventDefault();
    }
    const { range } = this.state;
    const box = this.strip.getBoundingClientRect();
    const cell = (event.clientX - box.left) / box.width * CELLS - 0.5;
    this.move(Math.max(-range, Math.min(range, range * (2 * cell / (CELLS - 1) - 1))));
  }

  showPlaying(isPlaying) {
    const label = `${isPlaying ? 'Stop' : 'Play'} ${this.unit}`;
    this.playButton.replaceChildren(icon(isPlaying ? 'pause' : 'play'));
    this.playButton.setAttribute('aria-label', label);
    this.playButton.title = label;
  }

  /** The place of a value on the slider, 0 to 1. */
  place(value) {
    const { range } = this.state;
    return Math.max(0, Math.min(1, (value + range) / (2 * range)));
  }

  /** Mark the start, and one standard deviation of the posterior on both sides of it. */
  mark() {
    const { z, scale } = this.state.start;
    const [mean, deviation] = [z[this.latent], scale ? scale[this.latent] : 0];
    this.mean.style.setProperty('--from', this.place(mean));
    this.mean.classList.toggle('beyond', Math.abs(mean) > this.state.range);
    this.spread.style.setProperty('--from', this.place(mean - deviation));
    this.spread.style.setProperty('--to', this.place(mean + deviation));
    const said = `Start ${written(mean)}${scale ? ` ± ${written(deviation)}` : ''}`;
    this.slider.title = `${said}. Double-click puts it back.`;
    this.shown = NaN;
  }

  update(isDone = false) {
    const value = this.state.z[this.latent];
    if (value === this.shown && !isDone) return;
    this.shown = value;
    const [place, start] = [this.place(value), this.place(this.state.start.z[this.latent])];
    this.slider.value = value;
    this.slider.setAttribute('aria-valuetext', written(value));
    if (document.activeElement !== this.value || isDone) this.value.value = value.toFixed(2);
    this.cursor.style.setProperty('--from', place);
    this.moved.style.setProperty('--from', Math.min(place, start));
    this.moved.style.setProperty('--to', Math.max(place, start));
    this.element.classList.toggle('is-moved', value !== this.state.start.z[this.latent]);
  }
}
