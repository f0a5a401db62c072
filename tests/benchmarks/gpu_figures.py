"""The figures that `gpu.py` takes of one card: its own rates, steps, fits, encoding, memory, and NumPyro beside it."""

from __future__ import annotations

import cProfile
import platform
import pstats
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

import torch
from contestants import numpyro, plain_torch, svi
from gpu_bench import Bench, fitting, kernels, noise, seconds_of, squares, synchronize

from pyro_bvae import BetaVAE, codes, datasets, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.settings.training import TrainingSettings

__all__ = ["conv", "encode", "machine", "mnist", "other", "paper"]

PACKAGES = ("torch", "triton", "pyro-ppl", "numpy", "numpyro", "jax")
PAPER = {"hidden": (1200, 1200), "decoder_hidden": (1200, 1200, 1200), "decoder_activation": "tanh", "beta": 4.0}
PASSES = 8  # over all parameters in a step of Adagrad: read twice, gradient written and read, update reads and writes 2


def machine(bench: Bench) -> None:
    """What the card is, and the two rates that bound all else."""
    bench.take("versions", versions, bench)
    bench.take("rates", rates, bench)


def versions(bench: Bench) -> dict[str, Any]:
    """Of packages, driver and card."""
    there: dict[str, Any] = {"python": platform.python_version(), "card": platform.processor()}
    for package in PACKAGES:
        try:
            there[package] = version(package)
        except PackageNotFoundError:
            there[package] = None
    if bench.device.type == "cuda":
        there |= {"card": torch.cuda.get_device_name(bench.device), "cuda": torch.version.cuda}
        words = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.sm", "--format=csv,noheader"]
        there["nvidia-smi"] = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return there


def rates(bench: Bench) -> dict[str, Any]:
    """Bytes a second of a copy, read and written, and operations a second of a large product."""
    device, large = bench.device, 2**20 if bench.is_quick else 2**30
    source, side = torch.empty(large, dtype=torch.uint8, device=device), 256 if bench.is_quick else 8192
    target = torch.empty_like(source)
    result: dict[str, Any] = {"copy_tb_s": 2 * large / seconds_of(lambda: target.copy_(source), 5, device) / 1e12}
    for name, dtype, is_tf32 in (
        ("fp32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bf16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = is_tf32
        a = torch.randn(side, side, device=device, dtype=dtype)
        seconds = seconds_of(lambda a=a: a @ a, 3, device)
        result[f"product_{name}_tflop_s"] = 2 * side**3 / seconds / 1e12
    torch.backends.cuda.matmul.allow_tf32 = False
    return result


def mnist(bench: Bench) -> None:
    """The lab's 46,900 steps, and what a step of theirs consists of."""
    data = datasets.load("mnist", bench.data_root) if bench.data_root else noise(60_000, (1, 28, 28))
    model = {"shape": data.shape, "beta": 6.0}
    settings = {"batch_size": 128}
    for precision in ("fp32", "bf16"):
        bench.take(f"fit, {precision}", lab, bench, data, precision)
    bench.take("SVI.step", contestant, bench, data, svi)
    bench.take("PyTorch", contestant, bench, data, plain_torch)
    bench.take("fit, fp32, kernels cached", lab, bench, data, "fp32")
    for precision in ("fp32", "bf16"):
        bench.take(f"step, {precision}", step, bench, data, model, settings | {"precision": precision})


def lab(bench: Bench, data: Dataset, precision: str) -> dict[str, Any]:
    """The whole of `fit`: 100 epochs of 469 steps, with a held-out score after each."""
    torch.manual_seed(0)
    reset_peak(bench)
    start = perf_counter()
    length = {"steps": 20, "eval_every": 10} if bench.is_quick else {"epochs": 100}
    vae = BetaVAE(data.shape, beta=6.0)
    run = fit(vae, data, compile=True, precision=precision, device=str(bench.device), **length)
    synchronize(bench.device)
    line = run.history[-1]
    return {
        "wall_s": perf_counter() - start,
        "steps": run.step,
        "steps_s": line["seconds"],  # with recording, compiling and capture
        "last_epochs_images_s": line["images_per_second"],
        "held_out_elbo": line["held_out_elbo"],
        "peak_mib": peak(bench),
    }


def contestant(bench: Bench, data: Dataset, make: Any) -> dict[str, Any]:
    """Milliseconds of a step of another program, which reads the loss of each."""
    take = make(data, 128, 10, bench.device)
    take(2 if bench.is_quick else 50)
    steps = 3 if bench.is_quick else 100
    return {"step_ms": 1000 * seconds_of(lambda: take(steps), 1, bench.device, 3) / steps}


def conv(bench: Bench) -> None:
    """The convolutional step at 64×64, batch 64."""
    data, model = squares(640 if bench.is_quick else 32_000), {"shape": (1, 64, 64), "network": "conv", "beta": 4.0}
    settings: dict[str, Any] = {"batch_size": 64, "optimizer": "adam", "lr": 1e-4}
    bench.take("fp32", step, bench, data, model, settings)
    bench.take("bf16", step, bench, data, model, settings | {"precision": "bf16"})
    bench.take("tf32", step, bench, data, model, settings, True)
    bench.take("fp32, no TF32 in convolutions either", step, bench, data, model, settings, False)
    bench.take("eager", eager, bench, data, model, settings)


def paper(bench: Bench) -> None:
    """The step of `--recipe paper-dsprites`, whose floor is memory traffic."""
    data, model = squares(640 if bench.is_quick else 32_000), {"shape": (1, 64, 64), **PAPER}
    settings: dict[str, Any] = {"batch_size": 64, "optimizer": "adagrad", "lr": 1e-2}
    bench.take("floor", floor, bench, model)
    bench.take("fp32", step, bench, data, model, settings)
    bench.take("bf16", step, bench, data, model, settings | {"precision": "bf16"})
    bench.take("tf32", step, bench, data, model, settings, True)
    bench.take("eager", eager, bench, data, model, settings)


def floor(bench: Bench, model: Mapping[str, Any]) -> dict[str, Any]:
    """Milliseconds that the parameters' way through the memory takes, were nothing kept in the cache."""
    count = sum(parameter.numel() for parameter in BetaVAE(**model).parameters())
    terabytes_a_second = rates(bench)["copy_tb_s"]
    moved = PASSES * 4 * count
    return {"parameters": count, "moved_mb": moved / 1e6, "step_ms": moved / terabytes_a_second / 1e9}


def step(
    bench: Bench, data: Dataset, model: Mapping[str, Any], settings: Mapping[str, Any], is_tf32: bool | None = None
) -> dict[str, Any]:
    """A replayed step: milliseconds in the loop of `fit` and of the graph alone, its kernels, its peak memory.

    Args:
        bench: Where.
        data: What is fitted.
        model: Arguments of `BetaVAE`.
        settings: Of the fit.
        is_tf32: Whether products and convolutions use TF32; by default convolutions only, as torch has it.
    """
    torch.backends.cudnn.allow_tf32 = is_tf32 is not False
    torch.backends.cuda.matmul.allow_tf32 = bool(is_tf32)
    torch.manual_seed(0)
    reset_peak(bench)
    device, repeats = bench.device, 2 if bench.is_quick else 200
    vae, start = BetaVAE(**model).to(device), perf_counter()
    with fitting(vae, data, TrainingSettings(**settings, steps=10**6), "replayed") as training:
        training.advance()
        synchronize(device)
        result: dict[str, Any] = {"compiling_s": perf_counter() - start}
        for _ in range(repeats):  # the card's clock rises
            training.advance()
        result["step_ms"] = 1000 * seconds_of(training.advance, repeats, device)
        training.settle()
        result["loss"] = training.means()["loss"]
        result["peak_mib"] = peak(bench)
        replay, _ = next(iter(training.taker.replayed_step._replays.values()))
        result["graph_ms"] = 1000 * seconds_of(replay, repeats, device)
        result["kernels"] = kernels(replay, 10, device)
        result["host"] = host(training.advance, repeats)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False
    return result


def eager(bench: Bench, data: Dataset, model: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Milliseconds of an eager step."""
    vae = BetaVAE(**model).to(bench.device)
    with fitting(vae, data, TrainingSettings(**settings, steps=10**6), "eager") as training:
        for _ in range(2 if bench.is_quick else 12):
            training.advance()
        return {"step_ms": 1000 * seconds_of(training.advance, 1 if bench.is_quick else 30, bench.device, 3)}


def host(work: Any, repeats: int, most: int = 20) -> list[dict[str, Any]]:
    """The Python functions of one call that take longest by themselves, microseconds (under a profiler) a call."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(repeats):
        work()
    profile.disable()
    entries = [
        (own, calls, where)
        for where, (_, calls, own, _, _) in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    ]
    return [
        {"name": f"{where[0].rpartition('/')[2]}:{where[1]} {where[2]}"[:90], "us": round(1e6 * own / repeats, 2)}
        | {"calls": round(calls / repeats, 1)}
        for own, calls, where in sorted(entries, key=lambda entry: -entry[0])[:most]
    ]


def encode(bench: Bench) -> None:
    """The codes of all of dSprites, by either network."""
    start = perf_counter()
    data = squares(2000) if bench.is_quick else datasets.load("dsprites")
    bench.take("drawn", lambda: {"seconds": perf_counter() - start, "images": len(data.images)})
    for name, model in (("conv", {"network": "conv"}), ("mlp 1200-1200", PAPER)):
        torch.manual_seed(0)
        vae = BetaVAE((1, 64, 64), **model).to(bench.device)  # type: ignore[arg-type]
        bench.take(f"{name}, by default", encoded, bench, vae, data, {})
        bench.take(f"{name}, 4096 at once", encoded, bench, vae, data, {"batch_size": 4096})


def encoded(bench: Bench, vae: BetaVAE, data: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds of `codes.encode`, after a first call on a part of the data."""
    reset_peak(bench)
    codes.encode(vae, data.images[:10_000], **options)
    start = perf_counter()
    of_all = codes.encode(vae, data.images, **options)  # on the CPU in the end, which waits for the device
    return {"seconds": perf_counter() - start, "mean": of_all.loc.mean().item(), "peak_mib": peak(bench)}


def other(bench: Bench) -> None:
    """NumPyro's steps of the lab, inside `lax.scan`."""
    data = datasets.load("mnist", bench.data_root) if bench.data_root else noise(60_000, (1, 28, 28))
    bench.take("lax.scan", scanned, bench, data)


def scanned(bench: Bench, data: Dataset) -> dict[str, Any]:
    """Seconds of 46,900 steps, those that compile aside; where there is no NumPyro, that it does not take part."""
    try:
        take, steps = numpyro(data, 128, 10, bench.device), 4 if bench.is_quick else 4690
    except ImportError as error:
        return {"left_out": str(error)}
    start = perf_counter()
    take(steps)
    first = perf_counter() - start
    seconds = seconds_of(lambda: take(steps), 1, bench.device, 3)
    return {"step_ms": 1000 * seconds / steps, "of_46900_s": 46_900 * seconds / steps, "first_s": first}


def reset_peak(bench: Bench) -> None:
    """Begin to look for the peak anew."""
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(bench.device)


def peak(bench: Bench) -> float | None:
    """MiB of the GPU that tensors took up at most since `reset_peak`; those of the graph's own pool included."""
    return torch.cuda.max_memory_allocated(bench.device) / 2**20 if bench.device.type == "cuda" else None
