'use strict';
// "As a command": what gives the picture on the screen without this page.

/**
 * The command `traverse` and the lines of Python that give what is on the screen.
 * @param {object} view of the run
 * @param {{z: Float32Array, start: object, source: object, range: number, draw: boolean, seed: number}} state
 * @returns {{shell: string|null, python: string, note: string}} shell is null where no option of traverse gives this
 *     code, and the note says why; it also says where what is given is not quite the same
 */
function commandsOf(view, state) {
  const moved = Array.from(state.z.keys()).filter((latent) => state.z[latent] !== state.start.z[latent]);
  const why = whyNoCommand(view, state, moved);
  const shell = why ? null : traverseCommand(view, state, moved);
  return { shell, python: pythonOf(view, state), note: [why, whatDiffers(state)].filter(Boolean).join(' ') };
}

function whyNoCommand(view, state, moved) {
  const start = state.start;
  if (view.path === null) return 'The model is in memory, where commands do not reach it.';
  if (moved.length > 1) return `No option of traverse gives a code in which ${moved.length} latents have been moved.`;
  if (!['prior', 'image', 'random-z', 'upload'].includes(start.kind)) return 'No option of traverse gives this start.';
  if (start.kind === 'random-z' && state.source?.drawsHere) return 'traverse would draw another z than this page.';
  if (start.kind === 'random-z' && state.draw && start.seed !== seedOf(state)) {
    return 'traverse takes one seed, and z and x have been drawn with two.';
  }
  return '';
}

function whatDiffers({ source, start, draw }) {
  if (!source?.drawsHere) return '';
  if (draw) return 'x is drawn anew, by another generator than that of this page.';
  return start.kind === 'upload' ? 'traverse scales your picture itself, a little differently from the browser.' : '';
}

function seedOf(state) {
  return state.seed ?? 0;
}

/** All sweeps from the start where nothing has been moved, and else the one picture of the latent that has been. */
function traverseCommand(view, state, moved) {
  const words = ['pyro-bvae', 'traverse', shellWord(view.path.replace(/^-/, './-')), ...startOptions(state.start)];
  if (moved.length) {
    const value = shortNumber(state.z[moved[0]]);
    words.push('--latents', moved[0], '--range', value, value, '--columns', 1);
  } else {
    words.push('--range', -state.range, state.range);
  }
  if ((view.site ?? 'z') !== 'z') words.push('--site', shellWord(view.site));
  for (const [name, number] of chosen(state)) words.push('--set', shellWord(`${name}=${number}`));
  if (view.at) words.push('--at', view.at);
  if (state.draw) words.push('--sample');
  if (state.draw || state.start.kind === 'random-z') {
    words.push('--seed', state.draw ? seedOf(state) : state.start.seed);
  }
  return words.join(' ');
}

function startOptions(start) {
  if (start.kind === 'upload') return ['--image', shellWord(start.file.replace(/^-/, './-'))];
  return start.kind === 'image' ? ['--image', start.index] : ['--base', start.kind];
}

/** The classes that the user has chosen, other than those of the start. */
function chosen({ choices }) {
  return Object.entries(choices?.changed() ?? {});
}

/** Three lines after the imports; a model in memory is called vae. */
function pythonOf(view, state) {
  const codes = Array.from(state.z, shortNumber).join(', ');
  const where = JSON.stringify(view.path) + (view.at ? `, at=${view.at}` : '');
  const draw = state.draw ? `, draw=True, seed=${seedOf(state)}` : '';
  const given = Object.entries({ ...state.start.choices, ...state.choices?.changed() });
  const held = given.map(([name, number]) => `${JSON.stringify(name)}: ${number}`).join(', ');
  const others = (view.site ?? 'z') === 'z' ? '' : `, site=${JSON.stringify(view.site)}`;
  return [
    'import torch',
    `from pyro_bvae import ${view.path === null ? 'traverse  # vae is the model' : 'load_run, traverse'}`,
    '',
    ...(view.path === null ? [] : [`vae = load_run(${where}).model`]),
    `z = torch.tensor([[${codes}]])`,
    `sweep = traverse(vae, z, low=${-state.range}, high=${state.range}${others}${held && `, given={${held}}`}${draw})`
      + '  # .reconstructions[0] is the picture, .images are the strips',
  ].join('\n');
}

/** A word that a shell takes as it is: in quotes where it has signs that mean something there. */
function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}

/** The fewest digits that are read as the same number of 32 bits. */
function shortNumber(value) {
  for (let digits = 1; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === Math.fround(value)) return text;
  }
  return String(Number(value.toPrecision(9)));
}
