"""Records what scikit-learn computes, for sklearn_test.go.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.9.1 numpy==2.4.6
    venv/bin/python record.py > scikit-learn.json

Scores have two digits, so that some are equal.
"""

import json

import numpy as np
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn import metrics as m

rng = np.random.default_rng(17)
ROWS, CLASSES, LABELS = 60, 4, 3


def numbers(x):
    return np.asarray(x, dtype=float).ravel().tolist()


def whole(x):
    return np.asarray(x).astype(int).ravel().tolist()


def calibration_error(p, y, bins, w):
    """Guo et al. 2017: bins of the same width, (low, high], by the probability of what is predicted."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    bin = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    error = 0.0
    for b in range(bins):
        at = bin == b
        if w[at].sum() > 0:
            error += w[at].sum() * abs(np.average(right[at], weights=w[at]) - np.average(confidence[at], weights=w[at]))
    return error / w.sum()


def averages(y, predicted, w, **kw):
    out = {}
    for average in [None, "macro", "micro", "weighted"]:
        p, r, f, s = m.precision_recall_fscore_support(y, predicted, average=average, sample_weight=w, zero_division=0, **kw)
        out[average or "each"] = {"precision": numbers(p), "recall": numbers(r), "f1": numbers(f), "support": numbers(s) if average is None else []}
    return out


def of_classes(w):
    out = {
        "accuracy": m.accuracy_score(y, predicted, sample_weight=w),
        "balanced": m.balanced_accuracy_score(y, predicted, sample_weight=w),
        "top2": m.top_k_accuracy_score(y, distinct, k=2, sample_weight=w, labels=range(CLASSES)),
        "averages": averages(y, predicted, w, labels=range(CLASSES)),
        "log_loss": m.log_loss(y, p, sample_weight=w, labels=range(CLASSES)),
        "auroc": m.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=w),
        "aurocs": numbers([m.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(CLASSES)]),
        "precisions": numbers([m.average_precision_score(y == k, p[:, k], sample_weight=w) for k in range(CLASSES)]),
        "brier": m.brier_score_loss(y, p, sample_weight=w, labels=range(CLASSES)),
        "ece": calibration_error(p, y, 15, np.ones(ROWS) if w is None else w),
    }
    return out


def of_two(w):
    return {
        "auroc": m.roc_auc_score(two, chance, sample_weight=w),
        "precision": m.average_precision_score(two, chance, sample_weight=w),
        "log_loss": m.log_loss(two, chance, sample_weight=w),
        "brier": m.brier_score_loss(two, chance, sample_weight=w),
    }


def of_labels(w):
    return {
        "averages": averages(truth, said, w),
        "exact": m.accuracy_score(truth, said, sample_weight=w),
        "hamming": m.hamming_loss(truth, said, sample_weight=w),
        "auroc": m.roc_auc_score(truth, tags, average="macro", sample_weight=w),
        "aurocs": numbers(m.roc_auc_score(truth, tags, average=None, sample_weight=w)),
        "precisions": numbers(m.average_precision_score(truth, tags, average=None, sample_weight=w)),
        "log_losses": numbers([m.log_loss(truth[:, k], tags[:, k], sample_weight=w) for k in range(LABELS)]),
    }


def of_numbers(w):
    each = {"multioutput": "raw_values", "sample_weight": w}
    return {
        "mae": m.mean_absolute_error(target, guess, sample_weight=w),
        "rmse": m.root_mean_squared_error(target, guess, sample_weight=w),
        "r2": m.r2_score(target, guess, sample_weight=w),
        "maes": numbers(m.mean_absolute_error(target, guess, **each)),
        "rmses": numbers(m.root_mean_squared_error(target, guess, **each)),
        "r2s": numbers(m.r2_score(target, guess, **each)),
    }


weights = np.round(rng.gamma(2.0, 0.5, ROWS), 2)
weights[3] = 0
y = rng.choice(CLASSES, ROWS, p=[0.4, 0.3, 0.2, 0.1])
logits = np.round(rng.normal(0, 1, (ROWS, CLASSES)) + 1.5 * np.eye(CLASSES)[y], 1)
p = np.round(softmax(logits, axis=1), 2)
p[:, 0] = np.round(1 - p[:, 1:].sum(axis=1), 2)
predicted = p.argmax(axis=1)
# top_k_accuracy_score takes the last of equal scores first, Lamina the first.
distinct = p - 1e-6 * np.arange(CLASSES)
p[5] = [0, 1, 0, 0]
y[5] = 2  # a probability of 0
predicted[5], distinct[5] = 1, p[5] - 1e-6 * np.arange(CLASSES)

two = rng.integers(0, 2, ROWS)
chance = np.clip(np.round(0.3 * two + 0.7 * rng.random(ROWS), 1), 0, 1)

truth = (rng.random((ROWS, LABELS)) < [0.5, 0.3, 0.15]).astype(int)
tags = np.clip(np.round(0.4 * truth + 0.6 * rng.random((ROWS, LABELS)), 2), 0, 1)
said = (tags >= 0.5).astype(int)

target = np.round(rng.normal(3, 2, (ROWS, 2)), 2)
guess = np.round(target + rng.normal(0.2, [1, 3], (ROWS, 2)), 2)

best = minimize_scalar(lambda b: -log_softmax(logits * b, axis=1)[np.arange(ROWS), y].mean(), bounds=(1e-3, 1e3), method="bounded", options={"xatol": 1e-12})

print(json.dumps({
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "weights": numbers(weights),
    "classes": {"classes": CLASSES, "y": whole(y), "logits": numbers(logits), "p": numbers(p), "distinct": numbers(distinct), "predicted": whole(predicted),
                "plain": of_classes(None), "weighted": of_classes(weights), "temperature": 1 / best.x},
    "two": {"y": whole(two), "p": numbers(chance), "plain": of_two(None), "weighted": of_two(weights)},
    "labels": {"labels": LABELS, "truth": whole(truth), "p": numbers(tags), "predicted": whole(said), "plain": of_labels(None), "weighted": of_labels(weights)},
    "numbers": {"outputs": 2, "target": numbers(target), "predicted": numbers(guess), "plain": of_numbers(None), "weighted": of_numbers(weights)},
}, indent=1))
