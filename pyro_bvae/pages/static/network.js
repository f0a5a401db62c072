// Networks as packing.py packs them, run on one datum at a time.
//
// Inside, a map is kept as [y][x][channel], and weights so that the outputs of one input are neighbours. So the
// innermost loop adds a multiple of a row of weights to a row of outputs, and an input that is 0 costs nothing.

'use strict';

class Network {
  constructor(packed, takesMap = false) { // whether a map comes and leaves as [y][x][channel]
    this.steps = [];
    let shape = packed.input;
    let isMap = takesMap;
    const order = (wantsMap) => { // (C, H, W), as data and linear layers have it, or [y][x][channel]
      if (wantsMap !== isMap && shape.length === 3) {
        const [channels, area] = [shape[0], shape[1] * shape[2]];
        this.steps.push(wantsMap ? transposed(channels, area) : transposed(area, channels));
      }
      isMap = wantsMap;
    };
    for (const layer of packed.layers) {
      const {takesMap: wantsMap, outputShape, step} = LAYERS[layer.kind];
      if (wantsMap !== undefined) order(wantsMap);
      if (step) this.steps.push(step(layer, shape, (text) => numbersOf(text, packed.dtype), packed.dtype));
      if (outputShape) shape = outputShape(layer, shape);
    }
    order(takesMap);
  }

  // The outputs of one datum, valid until the next run.
  run(values) {
    return this.steps.reduce((current, step) => step(current), values);
  }
}

const LAYERS = {
  linear: {takesMap: false, step: linear, outputShape: (layer) => [layer.out]},
  relu: {step: () => elementwise((value) => (value > 0 ? value : 0))},
  tanh: {step: () => elementwise(Math.tanh)},
  flatten: {takesMap: false, outputShape: (layer, shape) => [product(shape)]},
  unflatten: {takesMap: false, outputShape: (layer) => layer.shape},
  broadcast: {takesMap: false, step: broadcast, outputShape: ({sides}, [count]) => [count + 2, ...sides]},
  group_norm: {takesMap: true, step: groupNormalisation},
  residual: {takesMap: true, step: residual},
  conv: {takesMap: true, step: convolution, outputShape: convolvedShape},
  conv_transpose: {takesMap: true, step: transposedConvolution, outputShape: enlargedShape},
};

function linear(layer, shape, read) {
  const [weight, bias] = [read(layer.weight), read(layer.bias)];
  const output = new Float32Array(layer.out);
  return (input) => {
    output.set(bias);
    for (let i = 0; i < input.length; i++) {
      if (input[i] !== 0) addScaled(output, 0, input[i], weight, i * layer.out, layer.out);
    }
    return output;
  };
}

function elementwise(activation) {
  return (values) => { // in place: they are the outputs of the layer before
    for (let i = 0; i < values.length; i++) values[i] = activation(values[i]);
    return values;
  };
}

function transposed(rows, columns) {
  if (rows === 1 || columns === 1) return (values) => values;
  const output = new Float32Array(rows * columns);
  return (values) => {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) output[column * rows + row] = values[row * columns + column];
    }
    return output;
  };
}

// A vector at each pixel, and its two coordinates from −1 to 1, as (C, H, W).
function broadcast({sides: [height, width]}, [count]) {
  const area = height * width;
  const output = new Float32Array((count + 2) * area);
  for (let pixel = 0; pixel < area; pixel++) {
    const [y, x] = [Math.floor(pixel / width), pixel % width];
    output[count * area + pixel] = height > 1 ? 2 * y / (height - 1) - 1 : -1;
    output[(count + 1) * area + pixel] = width > 1 ? 2 * x / (width - 1) - 1 : -1;
  }
  return (values) => {
    values.forEach((value, place) => output.fill(value, place * area, (place + 1) * area));
    return output;
  };
}

// Channels in groups, each less its mean over all pixels and divided by its deviation.
function groupNormalisation(layer, [channels, height, width], read) {
  const [weight, bias, size] = [read(layer.weight), read(layer.bias), channels / layer.groups];
  const output = new Float32Array(channels * height * width);
  const sums = [new Float64Array(layer.groups), new Float64Array(layer.groups)];
  const count = size * height * width;
  return (values) => {
    for (const sum of sums) sum.fill(0);
    const total = (sum, term) => {
      for (let i = 0; i < values.length; i++) {
        const group = Math.floor((i % channels) / size);
        sum[group] += term(values[i], group);
      }
    };
    total(sums[0], (value) => value / count);
    total(sums[1], (value, group) => (value - sums[0][group]) ** 2 / count);
    for (let i = 0; i < values.length; i++) {
      const channel = i % channels;
      const group = Math.floor(channel / size);
      const normalised = (values[i] - sums[0][group]) / Math.sqrt(sums[1][group] + layer.eps);
      output[i] = normalised * weight[channel] + bias[channel];
    }
    return output;
  };
}

function residual(layer, shape, read, dtype) {
  const inner = new Network({layers: layer.layers, input: shape, dtype}, true);
  const kept = new Float32Array(product(shape));
  return (values) => {
    kept.set(values); // the first of the inner layers may work in place
    const output = inner.run(values);
    for (let i = 0; i < kept.length; i++) output[i] += kept[i];
    return output;
  };
}

// Each output pixel gathers: in a row of the window the inputs are neighbours, as [x][channel].
function convolution(layer, shape, read) {
  const [channels, height, width] = shape;
  const [, outputHeight, outputWidth] = convolvedShape(layer, shape);
  const {out, kernel, stride, padding} = layer;
  const [weight, start] = [read(layer.weight), repeated(read(layer.bias), outputHeight * outputWidth)];
  const output = new Float32Array(start.length);
  return (input) => {
    output.set(start);
    for (let y = 0; y < outputHeight; y++) {
      for (let x = 0; x < outputWidth; x++) {
        const left = x * stride[1] - padding[1];
        const [first, last] = [Math.max(0, -left), Math.min(kernel[1], width - left)];
        for (let tap = 0; tap < kernel[0]; tap++) {
          const row = y * stride[0] - padding[0] + tap;
          if (row < 0 || row >= height) continue;
          const from = (row * width + left + first) * channels;
          const rows = (tap * kernel[1] + first) * channels;
          for (let i = 0; i < (last - first) * channels; i++) {
            if (input[from + i] === 0) continue;
            addScaled(output, (y * outputWidth + x) * out, input[from + i], weight, (rows + i) * out, out);
          }
        }
      }
    }
    return output;
  };
}

// Each input pixel spreads: in a row of the window the outputs are neighbours, as [x][channel].
function transposedConvolution(layer, shape, read) {
  const [channels, height, width] = shape;
  const [, outputHeight, outputWidth] = enlargedShape(layer, shape);
  const {out, kernel, stride, padding} = layer;
  const [weight, start] = [read(layer.weight), repeated(read(layer.bias), outputHeight * outputWidth)];
  const output = new Float32Array(start.length);
  return (input) => {
    output.set(start);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const left = x * stride[1] - padding[1];
        const [first, last] = [Math.max(0, -left), Math.min(kernel[1], outputWidth - left)];
        for (let tap = 0; tap < kernel[0]; tap++) {
          const row = y * stride[0] - padding[0] + tap;
          if (row < 0 || row >= outputHeight) continue;
          const to = (row * outputWidth + left + first) * out;
          for (let channel = 0; channel < channels; channel++) {
            const value = input[(y * width + x) * channels + channel];
            if (value === 0) continue;
            const rows = (tap * channels + channel) * kernel[1] + first;
            addScaled(output, to, value, weight, rows * out, (last - first) * out);
          }
        }
      }
    }
    return output;
  };
}

function addScaled(output, to, factor, weight, from, count) {
  for (let i = 0; i < count; i++) output[to + i] += factor * weight[from + i];
}

function convolvedShape({out, kernel, stride, padding}, [, ...sides]) {
  return [out, ...sides.map((side, i) => Math.floor((side + 2 * padding[i] - kernel[i]) / stride[i]) + 1)];
}

function enlargedShape({out, kernel, stride, padding, output_padding: extra}, [, ...sides]) {
  return [out, ...sides.map((side, i) => (side - 1) * stride[i] - 2 * padding[i] + kernel[i] + extra[i])];
}

function product(sizes) {
  return sizes.reduce((total, size) => total * size, 1);
}

function repeated(values, times) {
  const all = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
}

// The numbers of a base64 text: dtype is 'float32', 'float16' or 'uint8'.
function numbersOf(base64, dtype = 'float32') {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  if (dtype === 'uint8') return bytes;
  if (dtype === 'float32') return new Float32Array(bytes.buffer);
  const halves = new Uint16Array(bytes.buffer);
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) numbers[i] = HALVES[halves[i]];
  return numbers;
}

const HALVES = new Float32Array(1 << 16).map((_, bits) => { // the number that each half of 16 bits stands for
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
});
