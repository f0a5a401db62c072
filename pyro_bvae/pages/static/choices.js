'use strict';
// The classes that a picture is made under: a menu for each discrete latent, and each argument that has classes.

/** Menus of a run, whose choices are those of its start until one is changed. `change()` is called then. */
class Choices {
  constructor(view, source, change) {
    Object.assign(this, { view, source, menus: new Map() });
    this.elements = (view.choices ?? []).map(({ name, classes }) => {
      const menu = make('select', { 'data-choice': name, onchange: () => this.choose(change) },
        ...classes.map((text, number) => make('option', { value: number, text })));
      this.menus.set(name, menu);
      return make('label', { title: `Hold ${name} at a class` }, `${name} `, menu);
    });
  }

  /** Show the classes of a start. */
  restart({ given = null, choices = {} }) {
    for (const [name, menu] of this.menus) menu.value = choices[name] ?? 0;
    this.started = choices;
    this.source.held = { given, choices: {} };
  }

  choose(change) {
    this.source.held = { ...this.source.held, choices: this.changed() };
    change();
  }

  /** The classes that are other than those of the start. */
  changed() {
    const now = [...this.menus].map(([name, menu]) => [name, Number(menu.value)]);
    return Object.fromEntries(now.filter(([name, number]) => number !== (this.started ?? {})[name]));
  }
}

/** What a latent is called: by its number, after the site if that is not z. */
function unitOf({ site = 'z', K }, latent) {
  if (site === 'z') return `z${latent}`;
  return K === 1 ? site : `${site}[${latent}]`;
}
