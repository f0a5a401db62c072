// p(x | z) and q(z | x) of packed networks: means, and draws. The families are those of pyro_bvae/likelihoods.

'use strict';

// The mean of p(x | z), in the data's units and the order (C, H, W).
function decoded(packed, z) {
  return meanOf(networkOf(packed).run(z), packed.likelihood);
}

// Mean and standard deviation of q(z | x) for a datum in its own units.
function encoded(packed, x) {
  const outputs = networkOf(packed).run(seenByEncoder(packed, x));
  const latents = outputs.length / 2;
  return {mean: outputs.slice(0, latents), scale: outputs.slice(latents).map((value) => Math.exp(value / 2))};
}

function meanOf(outputs, likelihood) {
  return eachValue(outputs, likelihood, FAMILIES[likelihood.name].mean);
}

// A draw from p(x | z); random() gives uniform numbers, such as randomOf(seed).
function drawOf(outputs, likelihood, random) {
  return eachValue(outputs, likelihood, (part) => FAMILIES[likelihood.name].draw(part, likelihood, random));
}

// The same uniform numbers in [0, 1) for the same seed (mulberry32).
function randomOf(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const UNPACKED = new WeakMap();

// The network of a packed one; its weights are read once.
function networkOf(packed) {
  return unpackedOnce(packed, () => new Network(packed));
}

function unitsOf(standardise) {
  return unpackedOnce(standardise, () => ({loc: numbersOf(standardise.loc), scale: numbersOf(standardise.scale)}));
}

function unpackedOnce(packed, unpack) {
  if (!UNPACKED.has(packed)) UNPACKED.set(packed, unpack());
  return UNPACKED.get(packed);
}

function seenByEncoder({standardise, binarised}, x) {
  const random = randomOf(0);
  if (binarised) return x.map((value) => Number(random() < value));
  if (!standardise) return x;
  const {loc, scale} = unitsOf(standardise);
  return x.map((value, i) => (value - loc[i]) / scale[i]);
}

// A number of each value, made of its outputs part(0), part(1), ..., in the data's units.
function eachValue(outputs, likelihood, number) {
  const values = new Float32Array(outputs.length / likelihood.outputs);
  let place = 0;
  const part = (index) => outputs[index * values.length + place];
  for (; place < values.length; place++) values[place] = number(part, likelihood);
  if (!likelihood.standardise) return values;
  const {loc, scale} = unitsOf(likelihood.standardise);
  return values.map((value, i) => loc[i] + scale[i] * value);
}

const STEP = 1 / 255; // from one grey level to the next
const STRETCH = 256 / 255; // of the beta density, from ½ level below 0 to ½ level above 1

const MASSES = new Float64Array(256);

const bernoulli = {
  mean: (part) => sigmoid(part(0)),
  draw: (part, likelihood, random) => Number(random() < sigmoid(part(0))),
};
const gaussian = {
  mean: linked,
  draw: (part, likelihood, random) => linked(part, likelihood) + likelihood.scale * normalDraw(random),
};
const laplace = {
  mean: linked,
  draw: (part, likelihood, random) => linked(part, likelihood) + likelihood.scale * laplaceDraw(random),
};

const FAMILIES = {
  'bernoulli': bernoulli,
  'binarized-bernoulli': bernoulli,
  'continuous-bernoulli': {
    mean: (part) => meanBelowOne(boundedLogit(part(0))),
    draw: (part, likelihood, random) => drawBelowOne(boundedLogit(part(0)), random),
  },
  'gaussian': gaussian,
  'gaussian-learned': gaussian,
  'gaussian-optimal': gaussian,
  'gaussian-heteroscedastic': {
    mean: linked,
    draw: (part, likelihood, random) => {
      const scale = STEP / 2 + Math.exp(Math.min(part(1), Math.log(100)));
      return linked(part, likelihood) + scale * normalDraw(random);
    },
  },
  'laplace': laplace,
  'laplace-learned': laplace,
  'beta': {
    mean: (part) => {
      const [a, b] = [concentration(part(0)), concentration(part(1))];
      return (STRETCH * a) / (a + b) - STEP / 2;
    },
    draw: (part, likelihood, random) => {
      const odds = logGammaDraw(concentration(part(0)), random) - logGammaDraw(concentration(part(1)), random);
      return STRETCH * sigmoid(odds) - STEP / 2;
    },
  },
  'discretized-logistic': {
    mean: (part) => meanLevel(0.5 + part(0), logisticScale(part(1))),
    draw: (part, likelihood, random) => {
      const uniform = Math.max(random(), 1e-7);
      const value = 0.5 + part(0) + logisticScale(part(1)) * Math.log(uniform / (1 - uniform));
      return STEP * Math.round(Math.min(Math.max(value, 0), 1) / STEP);
    },
  },
  'categorical': {
    mean: (part) => levelMasses(part).reduce((mean, mass, level) => mean + mass * level * STEP, 0),
    draw: (part, likelihood, random) => {
      let left = random();
      const level = levelMasses(part).findIndex((mass) => (left -= mass) < 0);
      return STEP * (level < 0 ? 255 : level);
    },
  },
};

function linked(part, likelihood) {
  return likelihood.mean_link === 'sigmoid' ? sigmoid(part(0)) : part(0);
}

function sigmoid(value) {
  return 1 / (1 + Math.exp(-value));
}

function softplus(value) {
  return Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
}

function normalDraw(random) { // Box and Muller
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function laplaceDraw(random) {
  const size = -Math.log(1 - random());
  return random() < 0.5 ? -size : size;
}

// The logarithm of a draw of a gamma density (Marsaglia and Tsang); of a small shape, the draw itself may underflow.
function logGammaDraw(shape, random) {
  if (shape < 1) return logGammaDraw(shape + 1, random) + Math.log(1 - random()) / shape;
  const d = shape - 1 / 3;
  for (;;) {
    const x = normalDraw(random);
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < x ** 2 / 2 + d * (1 - v + Math.log(v))) return Math.log(d * v);
  }
}

function concentration(output) {
  return 0.01 + Math.min(softplus(output), 1e4);
}

function boundedLogit(output) {
  return output / (1 + Math.abs(output) / 60);
}

// The mean of the density on [0, 1] that is proportional to exp(logit · x): a continuous Bernoulli.
function meanBelowOne(logit) {
  const size = Math.abs(logit);
  if (size < 1e-3) return 0.5 + logit / 12;
  return 0.5 + Math.sign(logit) * (-1 / Math.expm1(-size) - 1 / size - 0.5);
}

function drawBelowOne(logit, random) {
  const [size, uniform] = [Math.abs(logit), random()];
  if (size < 1e-6) return uniform;
  const falling = -Math.log1p(uniform * Math.expm1(-size)) / size;
  return logit < 0 ? falling : 1 - falling;
}

function logisticScale(output) {
  return STEP / 10 + Math.exp(Math.min(output - 2, 4));
}

// STEP · Σ_v P(V ≥ v) over the levels v = 1 ... 255, where P(V ≥ v) = σ((loc − (v − ½) STEP)/scale).
function meanLevel(loc, scale) {
  const atLeast = (x) => sigmoid((loc - x) / scale);
  if (scale > STEP) { // the sum is the midpoint rule of an integral over [0, 1], whose error is known
    const slope = (x) => (-atLeast(x) * atLeast(2 * loc - x)) / scale;
    const integral = scale * (softplus(loc / scale) - softplus((loc - 1) / scale));
    return integral - (STEP ** 2 / 24) * (slope(1) - slope(0));
  }
  const level = (x) => Math.min(Math.max(Math.round(x / STEP + 0.5), 1), 256);
  const [first, last] = [level(loc - 20 * scale), level(loc + 20 * scale)]; // below and above, P is 1 and 0
  let total = first - 1;
  for (let v = first; v < last; v++) total += atLeast((v - 0.5) * STEP);
  return STEP * total;
}

// The mass of each of 256 levels, in one array for all values.
function levelMasses(part) {
  let greatest = -Infinity;
  for (let level = 0; level < 256; level++) {
    MASSES[level] = part(level);
    greatest = Math.max(greatest, MASSES[level]);
  }
  let total = 0;
  for (let level = 0; level < 256; level++) total += MASSES[level] = Math.exp(MASSES[level] - greatest);
  for (let level = 0; level < 256; level++) MASSES[level] /= total;
  return MASSES;
}
