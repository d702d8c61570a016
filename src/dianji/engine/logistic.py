"""Multinomial logistic regression, fitted to its optimum, with the strength of its penalty chosen on held-out rows.

Minimised is the mean cross-entropy plus ``|W|² / (2 C n)`` for n rows; the bias is not penalised. That is what
scikit-learn's ``LogisticRegression(C)`` does. L-BFGS (Liu & Nocedal, 1989) runs in coordinates in which Böhning's bound
of the curvature (1992, "Multinomial logistic regression algorithm") is the identity, which saves iterations.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize, minimize_scalar
from threadpoolctl import ThreadpoolController

#: Inverse strengths in steps of half a decade, from a penalty that leaves the classes' means to almost none.
PATH = tuple(round(10 ** (exponent / 2), 6) for exponent in range(-6, 5))
MIDDLE = 3  # of those, where it begins; it goes on to weaker penalties, or if those are worse to stronger ones
ROWS = 8192  # multiplied at a time
FOLDS = 5
#: With more rows than these, one of the folds is enough to choose by.
MANY = 2000
MOST_ITERATIONS = 2000
#: The least share of a class: numbers below 1e-38 take a processor thirty times as long to multiply.
LEAST_SHARE = 1e-30
RARE = 1e-20
VECTOR = 16
TIMED = 5
#: Multiplications per pass up to which the last fit is computed in fp64. Beyond, fp32 is exact enough: its errors
#: average out over the rows.
MOST_EXACT = 50_000_000
#: When the path goes on to the next strength, and when the fit has arrived: of the loss, relative; of the gradient in
#: preconditioned coordinates.
ROUGH = {"ftol": 1e-4, "gtol": 1e-6}
CONVERGED = {
    torch.float64: {"ftol": 1e-14, "gtol": 1e-6},
    torch.float32: {"ftol": 1e-13, "gtol": 2e-5},
}


@dataclass(frozen=True)
class FeatureRows:
    """Features (rows, width), which may be mapped from a disk, and class numbers (rows,)."""

    features: np.ndarray
    targets: np.ndarray

    def take(self, chosen: np.ndarray) -> FeatureRows:
        """Some of the rows."""
        return FeatureRows(self.features[chosen], self.targets[chosen])


@dataclass(frozen=True)
class Basis:
    """Coordinates of features, in which all have one penalty: ``(features - mean) @ matrix``.

    The best coordinates depend on the number of rows, so two bases are tried. On
    BANKING77 with all-MiniLM-L6-v2, test accuracy in plain and in whitened ones: 0.769 and 0.766 of 5 rows per label,
    0.928 and 0.933 of 9,503 rows. Dividing each feature by its own deviation changed nothing.
    """

    name: str
    mean: np.ndarray  # (width,)
    matrix: np.ndarray  # (width, width)

    def apply(self, features: np.ndarray) -> np.ndarray:
        """(rows, width) fp32."""
        found = np.empty(features.shape, dtype=np.float32)
        mean, matrix = (torch.from_numpy(part.astype(np.float32)) for part in (self.mean, self.matrix))
        for part in _parts(len(features)):
            rows = torch.from_numpy(features[part].astype(np.float32))
            torch.mm(rows - mean, matrix, out=torch.from_numpy(found[part]))
        return found

    def undo(self, weights: np.ndarray) -> np.ndarray:
        """Weights (width + 1, classes) for features in their original coordinates."""
        plain = self.matrix @ weights[:-1]
        return np.vstack([plain, weights[-1] - self.mean @ plain])


def bases(rows: FeatureRows) -> list[Basis]:
    """Plain: centred and divided by one number, so that strengths are comparable between bases. And whitened.

    Whitening uses the covariance within classes, shrunk halfway to a multiple of the identity: differences between rows
    of one class are noise to a classifier.
    """
    count, width = rows.features.shape
    classes = int(rows.targets.max(initial=0)) + 1
    sums, gram = np.zeros((classes, width)), np.zeros((width, width))
    for part in _parts(count):
        features = rows.features[part].astype(np.float64)
        np.add.at(sums, rows.targets[part], features)
        gram += features.T @ features
    sizes = np.bincount(rows.targets, minlength=classes)
    mean = sums.sum(axis=0) / count
    variance = max(0.0, float(np.trace(gram) / count - mean @ mean)) / width
    plain = Basis("plain", mean, np.eye(width) / (math.sqrt(variance) or 1.0))
    seen = sums[sizes > 0] / np.sqrt(sizes[sizes > 0])[:, None]
    within = (gram - seen.T @ seen) / max(1, count - len(seen))
    level = float(np.trace(within)) / width
    if level <= 1e-6 * variance:  # no two rows of a class differ
        return [plain]
    values, vectors = np.linalg.eigh((within + level * np.eye(width)) / 2)
    return [plain, Basis("whitened", mean, (vectors / np.sqrt(values)) @ vectors.T)]


@dataclass(frozen=True)
class Tried:
    """The result of one inverse strength on held-out rows."""

    basis: str
    inverse_strength: float
    iterations: int
    accuracy: float
    log_loss: float
    temperature: float  # by which logits are divided to lower the log-loss the most
    log_loss_at_temperature: float


@dataclass(frozen=True)
class Fitted:
    """``weights`` (width + 1, classes) float64, the bias last. ``passes`` counts how often all rows were read."""

    weights: np.ndarray
    chosen: Tried
    iterations: int
    passes: int
    loss: float  # mean cross-entropy of the training rows with the penalty, before the temperature
    gradient: float  # its largest component where the fit ended


def fit_path(train: FeatureRows, held_out: FeatureRows | None, classes: int) -> Iterator[Tried | Fitted]:
    """Fit some of ``PATH`` in each basis, until it gets worse; yields each strength tried, and the best fit last.

    The best is that of the lowest log-loss on held-out rows at the best temperature: accuracy of few rows is coarse,
    and plain log-loss prefers weak penalties because strong ones make a model doubt. The weights that come out are
    divided by that temperature, which changes no prediction and makes its probabilities honest. Over ten draws of 5
    and 10 rows per label of BANKING77 this chose heads of 0.785 and 0.846 test accuracy; the log-loss alone 0.781 and
    0.844, accuracy 0.783 and 0.845, no choice at all (C = 1, features as they are) 0.784 and 0.846.

    Args:
        train: at least one row.
        held_out: rows to choose on; None: a fifth of the training rows of each class, each in turn if they are few.
        classes: number of classes, seen or not.
    """
    # Threads of numpy's library would take turns with torch's, which look for work all the time.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        yield from _fit_path(train, held_out, classes)


def _fit_path(train: FeatureRows, held_out: FeatureRows | None, classes: int) -> Iterator[Tried | Fitted]:
    parts = [(part, rest, bases(part)) for part, rest in _folds(train, held_out)]
    of_all = parts[0][2] if parts[0][0] is train else bases(train)
    reached: list[tuple[_Reached, Basis]] = []
    for number, basis in enumerate(of_all):
        folds = [
            _problem_and_rest(part, rest, found[min(number, len(found) - 1)], classes) for part, rest, found in parts
        ]
        for one in _climb(folds, basis.name):
            reached.append((one, basis))
            yield one.tried
    best, basis = min(reached, key=lambda one: one[0].tried.log_loss_at_temperature)
    chosen = best.tried
    problem = Problem(FeatureRows(basis.apply(train.features), train.targets), classes)
    products = len(train.targets) * train.features.shape[1] * classes
    exact = torch.float64 if products <= MOST_EXACT else torch.float32
    last = problem.minimise(chosen.inverse_strength, best.runs[0].weights, CONVERGED[exact], exact)
    iterations = sum(one.tried.iterations for one, _ in reached) + last.iterations
    passes = sum(run.passes for one, _ in reached for run in one.runs) + last.passes
    found = basis.undo(last.weights / chosen.temperature)
    yield Fitted(found, chosen, iterations, passes, last.loss, last.gradient)


@dataclass(frozen=True)
class _Reached:
    """The result of one strength, and the end of the fit of each part of the rows."""

    tried: Tried
    runs: list[Minimum]

    def is_worse(self, than: _Reached) -> bool:
        return self.tried.log_loss_at_temperature > than.tried.log_loss_at_temperature


def _climb(folds: Sequence[tuple[Problem, FeatureRows]], basis: str) -> Iterator[_Reached]:
    """From one of ``PATH`` to the next, each fit from the end of the last, until it gets worse."""

    def reach(inverse: float, starts: Sequence[Minimum | None]) -> _Reached:
        runs = [
            part.minimise(inverse, None if start is None else start.weights, ROUGH)
            for (part, _), start in zip(folds, starts, strict=True)
        ]
        logits = [_logits(rest.features, run.weights) for (_, rest), run in zip(folds, runs, strict=True)]
        iterations = sum(run.iterations for run in runs)
        tried = Tried(basis, inverse, iterations, 0.0, 0.0, 1.0, 0.0)
        return _Reached(_scored(np.concatenate(logits), targets, tried), runs)

    targets = np.concatenate([rest.targets for _, rest in folds])
    first = best = reach(PATH[MIDDLE], [None] * len(folds))
    yield first
    for way in (PATH[MIDDLE + 1 :], PATH[:MIDDLE][::-1]):
        for inverse in way:
            found = reach(inverse, best.runs)
            yield found
            if found.is_worse(best):
                break
            best = found
        if best is not first:
            return


@dataclass(frozen=True)
class Minimum:
    """The end of an L-BFGS run."""

    weights: np.ndarray
    iterations: int
    passes: int
    loss: float
    gradient: float


class Problem:
    """The regression of some rows, for any strength."""

    def __init__(self, rows: FeatureRows, classes: int) -> None:
        self.rows = rows
        self.classes = classes
        self.features = torch.from_numpy(np.ascontiguousarray(rows.features))
        self.targets = torch.from_numpy(rows.targets.astype(np.int64))
        self.gram = self._gram()

    def zeros(self) -> np.ndarray:
        """Initial weights."""
        return np.zeros((self.features.shape[1] + 1, self.classes))

    def minimise(
        self,
        inverse_strength: float,
        start: np.ndarray | None,
        until: Mapping[str, float],
        dtype: torch.dtype = torch.float32,
    ) -> Minimum:
        """From ``start`` to the optimum.

        Args:
            inverse_strength: C.
            start: weights nearby; None: zeros.
            until: ``ROUGH`` or one of ``CONVERGED``.
            dtype: of the products.
        """
        penalty = 1.0 / (inverse_strength * len(self.targets))
        curvature = self.gram / self.classes
        width = len(curvature) - 1
        curvature[np.arange(width), np.arange(width)] += penalty
        curvature[width, width] += 1e-9
        root = cholesky(curvature, lower=True)
        # weights = back @ point; of the points, the curvature's bound is the identity
        # Of a triangle; torch's products share its threads, which numpy's may not (see ``fit_path``).
        back = torch.from_numpy(np.ascontiguousarray(solve_triangular(root, np.eye(width + 1), lower=True).T))
        begin = root.T @ (self.zeros() if start is None else start)
        passes, last = 0, (0.0, self.zeros())

        def value(point: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal passes, last
            passes += 1
            weights = (back @ torch.from_numpy(point.reshape(width + 1, self.classes))).numpy()
            loss, gradient = self.loss(weights, dtype)
            loss += 0.5 * penalty * float((weights[:-1] ** 2).sum())
            gradient[:-1] += penalty * weights[:-1]
            last = (loss, gradient)
            return loss, (back.T @ torch.from_numpy(gradient)).numpy().ravel()

        options = {"maxiter": MOST_ITERATIONS, "maxfun": 2 * MOST_ITERATIONS, "maxcor": 10, **until}
        found = minimize(value, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
        value(found.x)
        weights = (back @ torch.from_numpy(found.x.reshape(width + 1, self.classes))).numpy()
        return Minimum(weights, int(found.nit), passes, last[0], float(np.abs(last[1]).max()))

    def loss(self, weights: np.ndarray, dtype: torch.dtype) -> tuple[float, np.ndarray]:
        """Mean cross-entropy and its gradient, without the penalty; rows are multiplied in parts."""
        classes = self.classes
        room = -(-classes // VECTOR) * VECTOR  # products of whole vectors are half again as fast
        matrix = torch.zeros((len(weights), room), dtype=dtype)
        matrix[:, :classes] = torch.from_numpy(weights)
        matrix[-1, classes:] = -torch.inf
        total, gradient = 0.0, torch.zeros((room, len(weights)), dtype=torch.float64)
        for part in _parts(len(self.targets)):
            features, targets = self.features[part].to(dtype), self.targets[part]
            logits = torch.addmm(matrix[-1], features, matrix[:-1])
            shares = torch.softmax(logits, dim=1).clamp_(min=LEAST_SHARE)
            mine = shares.gather(1, targets[:, None])[:, 0].double()
            rare = mine <= RARE  # whose logarithm a share no longer tells
            total -= mine.log()[~rare].sum().item()
            if rare.any():
                total -= torch.log_softmax(logits[rare], dim=1).gather(1, targets[rare, None]).double().sum().item()
            shares[torch.arange(len(targets)), targets] -= 1
            gradient[:, :-1] += shares.T @ features
            gradient[:, -1] += shares.sum(dim=0)
        rows = len(self.targets)
        return total / rows, (gradient[:classes].T / rows).numpy()

    def _gram(self) -> np.ndarray:
        """Mean outer product of the rows with a one behind their features."""
        width = self.features.shape[1]
        gram = np.zeros((width + 1, width + 1))
        for part in _parts(len(self.targets)):
            features = self.features[part]
            gram[:-1, :-1] += (features.T @ features).double().numpy()
            gram[-1, :-1] += features.sum(dim=0).double().numpy()
        gram[:-1, -1] = gram[-1, :-1]
        gram[-1, -1] = len(self.targets)
        return gram / len(self.targets)


def seconds_per_pass(rows: FeatureRows, count: int, classes: int) -> float:
    """Seconds to read ``count`` rows like these once; a fit reads them at least once per iteration."""
    most = min(count, ROWS)
    problem = Problem(rows.take(np.arange(most) % len(rows.targets)), classes)
    taken = []
    for _ in range(TIMED):
        began = time.perf_counter()
        problem.loss(problem.zeros(), torch.float32)
        taken.append(time.perf_counter() - began)
    return min(taken) * count / max(1, most)


def _folds(train: FeatureRows, held_out: FeatureRows | None) -> list[tuple[FeatureRows, FeatureRows]]:
    """Pairs of rows to fit and rows to judge on. A class with few rows is held out in few turns."""
    if held_out is not None:
        return [(train, held_out)]
    turn = np.empty(len(train.targets), dtype=np.int64)
    for number in np.unique(train.targets):
        places = np.flatnonzero(train.targets == number)
        turn[places] = np.arange(len(places)) % FOLDS
    held = [turn == fold for fold in range(1 if len(turn) > MANY else FOLDS)]
    found = [(train.take(~fold), train.take(fold)) for fold in held if fold.any() and not fold.all()]
    return found or [(train, train)]


def _problem_and_rest(part: FeatureRows, rest: FeatureRows, basis: Basis, classes: int) -> tuple[Problem, FeatureRows]:
    """A problem in a basis of the fitted rows, which must not depend on those of the judgement."""
    problem = Problem(FeatureRows(basis.apply(part.features), part.targets), classes)
    return problem, FeatureRows(basis.apply(rest.features), rest.targets)


def _scored(logits: np.ndarray, targets: np.ndarray, tried: Tried) -> Tried:
    scores = torch.from_numpy(logits)
    target = torch.from_numpy(targets.astype(np.int64))

    def log_loss(temperature: float) -> float:
        return torch.nn.functional.cross_entropy(scores / temperature, target).item()

    cooled = minimize_scalar(lambda power: log_loss(math.exp(power)), bounds=(-5.0, 3.0), method="bounded")
    temperature = math.exp(float(cooled.x))
    return dataclasses.replace(
        tried,
        accuracy=float((logits.argmax(axis=1) == targets).mean()),
        log_loss=log_loss(1.0),
        temperature=temperature,
        log_loss_at_temperature=log_loss(temperature),
    )


def _logits(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    found: np.ndarray = features.astype(np.float64) @ weights[:-1] + weights[-1]
    return found


def _parts(rows: int) -> Sequence[slice]:
    return [slice(start, start + ROWS) for start in range(0, rows, ROWS)]
