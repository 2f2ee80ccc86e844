"""Writes logmel.json: log mel spectrograms by numpy's FFT, which LogMel is held against.

    python3 logmel.py > logmel.json
"""
import json
import numpy as np


def mel(f):
    return 2595 * np.log10(1 + f / 700)


def log_mel(x, rate, window, hop, bands):
    """x [channels samples] -> [channels frames bands]"""
    frames = 1 + (x.shape[-1] - window) // hop
    hann = np.hanning(window + 1)[:-1]
    points = 700 * (10 ** (np.linspace(mel(0), mel(rate / 2), bands + 2) / 2595) - 1)
    f = np.fft.rfftfreq(window, 1 / rate)
    weights = np.array([np.interp(f, points[m:m + 3], [0, 1, 0], left=0, right=0) for m in range(bands)])
    out = np.empty((x.shape[0], frames, bands))
    for t in range(frames):
        power = np.abs(np.fft.rfft(x[:, t * hop:t * hop + window] * hann)) ** 2
        out[:, t] = np.log(power @ weights.T + 1e-6)
    return out


def case(channels, samples, rate, window, hop, bands):
    t = np.arange(samples) / rate
    x = np.stack([np.sin(2 * np.pi * rate * (0.05 + 0.11 * c) * t) + 0.25 * np.cos(2 * np.pi * rate * 0.31 * t + c) + 0.1 * c for c in range(channels)])
    x = x.astype(np.float32).astype(np.float64)
    y = log_mel(x, rate, window, hop, bands)
    return {"rate": rate, "window": window, "hop": hop, "bands": bands, "x": x.tolist(), "y": y.tolist()}


print(json.dumps([case(1, 150, 50.0, 64, 16, 6), case(3, 100, 8000.0, 40, 13, 5), case(2, 37, 16000.0, 37, 5, 3)]))
