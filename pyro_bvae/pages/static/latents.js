'use strict';
// The sliders: one a latent, those with the largest KL first, inactive ones folded away.

const STEPS = 60; // of an arrow key over the whole range; with Shift a tenth of one
const SWING = 5000; // milliseconds of one swing to and fro

/** All sliders of a run. `change(latent)` is called when one has moved, `change()` when several have. */
class Latents {
  constructor(element, state, change, { scale = null, mayName = true, renamed = null } = {}) {
    Object.assign(this, { state, change, mayName, renamed, playing: null });
    this.strips = new Strips(state);
    const { view } = state;
    this.mostKl = Math.max(...(view.kl || [0]), 1e-9);
    this.rows = orderOf(view).map((latent) => new LatentRow(this, latent));
    this.byLatent = new Map(this.rows.map((row) => [row.latent, row]));
    element.append(this.tools(), ...this.folds());
    for (const row of this.rows) this.strips.add(row, scale);
    this.showNames();
  }

  tools() {
    const { range } = this.state;
    const limits = { min: 0.5, max: 100, step: 0.5, value: range };
    this.range = make('input', { type: 'number', ...limits, onchange: () => this.setRange() });
    this.note = make('p', { class: 'note', role: 'status' });
    this.namesNote = make('p', { class: 'note', role: 'status' });
    return make('div', { class: 'tools' },
      make('h3', { text: this.state.view.kl ? 'Latents by KL' : 'Latents' }),
      make('label', { class: 'range' }, 'Range ±', this.range),
      make('button', { type: 'button', text: 'Reset all', onclick: () => this.reset() }),
      this.note, this.namesNote);
  }

  /** The active latents, and the others in a fold; where none is active, the fold is open. */
  folds() {
    const isActive = (row) => this.state.view.active[row.latent];
    const [active, inactive] = [this.rows.filter(isActive), this.rows.filter((row) => !isActive(row))];
    const list = make('div', { class: 'latents' }, ...active.map((row) => row.element));
    if (!inactive.length) return [list];
    const count = `${inactive.length} inactive ${inactive.length === 1 ? 'latent' : 'latents'}`;
    return [list, make('details', { class: 'inactive', open: !active.length },
      make('summary', { text: `${count} (KL at most 0.01 nats)` }),
      make('div', { class: 'latents' }, ...inactive.map((row) => row.element)))];
  }

  /** Show where the code is now. */
  update(moved = null) {
    for (const row of this.rows) row.update();
    this.strips.touch(moved);
  }

  /** Mark a new start, and say which latents lie beyond the range. */
  restart() {
    this.stop();
    for (const row of this.rows) row.mark();
    const beyond = this.rows.filter((row) => Math.abs(this.state.start.z[row.latent]) > this.state.range);
    const few = beyond.slice(0, 4).map((row) => row.unit);
    const names = [...few, ...(beyond.length > 4 ? ['…'] : [])].join(', ');
    const widest = Math.ceil(Math.max(...beyond.map((row) => Math.abs(this.state.start.z[row.latent]))));
    const said = `The start lies beyond the range in ${names}; ±${widest} shows all of it.`;
    this.note.textContent = beyond.length ? said : '';
  }

  set(latent, value) {
    this.state.z[latent] = value;
    this.change(latent);
  }

  /** Put one latent back to the start, or all. */
  reset(latent = null) {
    this.stop();
    if (latent === null) this.state.z.set(this.state.start.z);
    else this.state.z[latent] = this.state.start.z[latent];
    this.change(latent);
  }

  setRange() {
    const range = Number(this.range.value);
    if (!(range > 0)) { this.range.value = this.state.range; return; }
    this.state.range = range;
    for (const row of this.rows) row.setRange();
    this.restart();
    this.change();
  }

  /** Play a latent to and fro, or stop it. */
  play(latent) {
    const wasPlaying = this.playing;
    this.stop();
    if (wasPlaying === latent) return;
    this.playing = latent;
    this.byLatent.get(latent).showPlaying(true);
    const { range, z } = this.state;
    const phase = Math.asin(Math.max(-1, Math.min(1, z[latent] / range)));
    let began = null;
    const step = (now) => {
      if (this.playing !== latent || !this.note.isConnected) return;
      began ??= now;
      this.set(latent, this.state.range * Math.sin(phase + 2 * Math.PI * (now - began) / SWING));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  stop() {
    if (this.playing === null) return;
    this.byLatent.get(this.playing).showPlaying(false);
    this.playing = null;
  }

  /** Keep a name; what the run then knows is shown. */
  async rename(latent, name) {
    const { view, source } = this.state;
    try {
      const { names, note } = await source.rename(latent, name.trim());
      view.names = names;
      view.names_note = note;
    } catch (error) {
      view.names_note = error.message;
    }
    this.showNames();
    this.sayWhereNamesGo();
    if (this.renamed) this.renamed();
  }

  showNames() {
    for (const row of this.rows) row.showName();
  }

  /** Where names are not kept, say so once one is typed. */
  sayWhereNamesGo() {
    this.namesNote.textContent = this.state.view.names_note ?? '';
  }
}

/** Latents by KL, the largest first; as they are where it is not known. */
function orderOf(view) {
  const order = Array.from({ length: view.K }, (_, latent) => latent);
  return view.kl ? order.sort((a, b) => view.kl[b] - view.kl[a]) : order;
}
