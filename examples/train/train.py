"""A small network learns two spirals apart, in numpy. Killed at any moment, it goes on from its last checkpoint.

Each epoch draws from random numbers of its own, so that a run that was broken off ends with the same bits as one that was not.
"""

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np

EPOCHS = int(os.environ.get("EPOCHS", "20"))
OUT = Path("/out")
CHECKPOINT = OUT / "checkpoint.npz"
# One of an earlier job, as an input.
EARLIER = Path("/in/checkpoint.npz")
SIZES = [2, 128, 128, 1]
POINTS, BATCH, RATE, MOMENTUM = 40_000, 50, 0.02, 0.9


def spirals(rng, count):
    """Points on two spirals with some noise, and on which one each is."""
    which = rng.integers(0, 2, count)
    along = 3 * np.pi * np.sqrt(rng.random(count))
    angle = along + np.pi * which
    points = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1) / (3 * np.pi)
    return points + rng.normal(0, 0.02, points.shape), which.astype(float)[:, None]


def forward(weights, points):
    """The values of each layer."""
    layers = [points]
    for at, (matrix, bias) in enumerate(zip(weights[::2], weights[1::2])):
        value = layers[-1] @ matrix + bias
        last = at == len(SIZES) - 2
        layers.append(1 / (1 + np.exp(-value)) if last else np.tanh(value))
    return layers


def gradients(weights, points, wanted):
    """Of the cross entropy."""
    layers = forward(weights, points)
    found = []
    slope = (layers[-1] - wanted) / len(points)
    for at in reversed(range(len(SIZES) - 1)):
        found[:0] = [layers[at].T @ slope, slope.sum(axis=0)]
        slope = (slope @ weights[2 * at].T) * (1 - layers[at] ** 2)
    return found


def start():
    """The weights, their momentum, and how many epochs they have seen."""
    for path in (CHECKPOINT, EARLIER):
        if path.is_file():
            with np.load(path) as kept:
                count = 2 * (len(SIZES) - 1)
                epoch = int(kept["epoch"])
                print(f"goes on from {path}, after epoch {epoch}")
                return [kept[f"weights{n}"] for n in range(count)], [kept[f"speed{n}"] for n in range(count)], epoch
    rng = np.random.default_rng(0)
    weights = []
    for into, out in zip(SIZES, SIZES[1:]):
        weights += [rng.normal(0, into**-0.5 * 2, (into, out)), np.zeros(out)]
    print("begins anew")
    return weights, [np.zeros_like(part) for part in weights], 0


def keep(weights, speeds, epoch):
    """Writes a checkpoint, whole or not at all."""
    parts = {f"weights{n}": part for n, part in enumerate(weights)} | {f"speed{n}": part for n, part in enumerate(speeds)}
    beside = OUT / "checkpoint.tmp"
    with open(beside, "wb") as file:
        np.savez(file, epoch=epoch, **parts)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, CHECKPOINT)


def main():
    """Trains to the last epoch, and says what came of it."""
    points, wanted = spirals(np.random.default_rng(1), POINTS)
    weights, speeds, done = start()
    for epoch in range(done + 1, EPOCHS + 1):
        begun = time.monotonic()
        order = np.random.default_rng([2, epoch]).permutation(POINTS)
        for first in range(0, POINTS, BATCH):
            batch = order[first : first + BATCH]
            for weight, speed, slope in zip(weights, speeds, gradients(weights, points[batch], wanted[batch])):
                speed *= MOMENTUM
                speed -= RATE * slope
                weight += speed
        keep(weights, speeds, epoch)
        right = float(np.mean((forward(weights, points)[-1] > 0.5) == (wanted > 0.5)))
        print(f"epoch {epoch} of {EPOCHS} · {right:.2%} right · {time.monotonic() - begun:.1f} s")
    points, wanted = spirals(np.random.default_rng(3), POINTS)
    right = float(np.mean((forward(weights, points)[-1] > 0.5) == (wanted > 0.5)))
    digest = hashlib.sha256(b"".join(part.tobytes() for part in weights)).hexdigest()
    (OUT / "result.json").write_text(json.dumps({"epochs": EPOCHS, "right": right, "weights": digest}) + "\n")
    print(f"done: {right:.2%} of unseen points right, weights {digest}")


main()
