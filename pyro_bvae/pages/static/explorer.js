'use strict';
// The explorer: one or two runs that start from the same datum, each with its own sliders.

const KEYS_IN_WORDS = 'Arrow keys move a slider, with Shift in small steps. Double-click, Backspace or 0 puts it back. '
  + 'P plays it to and fro.';

class Explorer {
  /**
   * @param {HTMLElement} element where it goes
   * @param {object[]} views what the page knows of each run
   * @param {object[]} sources where the pictures of each run come from
   * @param {{embedded?: boolean}} options embedded: a part of another page, which has the titles and keeps no names
   */
  constructor(element, views, sources, { embedded = false } = {}) {
    Object.assign(this, { element, views, sources });
    element.classList.add('explorer');
    const isAlone = views.length === 1;
    if (!embedded) element.append(isAlone ? headingOf(views[0], 'h1') : make('h1', { text: 'Two runs side by side' }));
    const begin = (choice) => this.start(choice);
    this.starts = new Starts(element, views, sources, begin, embedded ? views[0].codes?.index : null);
    const runs = make('div', { class: `runs of-${views.length}` });
    element.append(runs, make('p', { class: 'help', text: KEYS_IN_WORDS }));
    this.panels = views.map((view, number) => new Panel(runs, view, sources[number], number, {
      begin,
      began: (start, isAwaited) => this.began(number, start, isAwaited),
      hasHeading: !isAlone,
      mayName: !embedded,
    }));
    this.starts.watchDrops(embedded ? element : document);
    for (const { view, starting } of this.panels) {
      starting.request(view.held_out ? { kind: 'image', index: 0 } : { kind: 'prior' });
    }
  }

  /** Start all runs from the same; a run without data stays where it is when a held-out one is chosen. */
  start(choice) {
    for (const { view, source, starting } of this.panels) {
      if (choice.kind === 'image' && !view.held_out) continue;
      if (choice.kind === 'upload' && !source.canUpload) continue;
      starting.request(choice);
    }
  }

  /** Say what the first run starts from, or the other where the first cannot start from that. */
  began(number, start, isAwaited) {
    if (number === 0 || start.kind !== this.panels[0].state.start.kind) this.starts.show(start, isAwaited);
  }

  /** Resolves once every picture that was asked for is painted; strips are drawn later. */
  async settled() {
    await this.resting(({ starting, painting }) => [starting.running, painting.running]);
  }

  /** Resolves once the strips in view are drawn, too. */
  async stripsSettled() {
    await this.resting(({ starting, painting, latents }) => [
      starting.running, painting.running, latents.strips.running]);
  }

  async resting(works) {
    for (;;) {
      const running = this.panels.flatMap(works).filter(Boolean);
      if (!running.length) return;
      await Promise.all(running);
    }
  }
}
