"""Does a gated retraining loop beat "never retrain" and "always promote" on the flights example, and by how much?

    python bench/flights_policy/study.py             # the chosen settings, five seeds (about 3 minutes)
    python bench/flights_policy/study.py --sweep     # other settings, one seed (about 8 minutes)

At every scheduled time a candidate is trained on rows before the holdout and judged on the holdout, the last days
whose outcomes are known by then. The champion is judged on the same rows. What is judged is what is deployed.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flights"
sys.path.insert(0, str(EXAMPLE))
from features import features  # noqa: E402

DAY = 86_400
CATEGORIES = ["carrier", "origin", "dest"]
MONTHS = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def at(month: int, day: int, year: int = 2013) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


START, END = at(3, 1), at(1, 1, 2014)


@dataclass(frozen=True)
class Setting:
    window: int = 120  # days of training rows before the holdout; 0: everything since January
    holdout: int = 14  # days
    every: int = 14  # days between candidates
    trees: int = 100
    leaves: int = 31
    rate: float = 0.08
    min_leaf: int = 200
    encode: str = "ordinal"
    misjoined: int = -1  # an injected incident: this candidate's labels are joined about one day off


GATES = {  # name: (margin, "point" or "bound")
    "point 0": (0.0, "point"),
    "point -0.002": (-0.002, "point"),
    "point +0.002": (0.002, "point"),
    "point +0.005": (0.005, "point"),
    "bound -0.01": (-0.01, "bound"),
    "bound -0.005": (-0.005, "bound"),
    "bound 0": (0.0, "bound"),
}
CHOSEN = "bound -0.01"
INCIDENT = 10  # the candidate of 19 July
ROWS_OFF = 920  # about one day of flights


class Data:
    """All rows of the year as arrays."""

    def __init__(self) -> None:
        table = {
            name: pl.read_parquet(EXAMPLE / "data" / f"{name}.parquet")
            for name in ("flights", "outcomes", "departures", "weather")
        }
        begin = time.perf_counter()
        x = features(table["flights"], table["weather"], table["departures"])
        self.feature_seconds = time.perf_counter() - begin
        x = x.join(table["outcomes"], on="flight_id", how="left", maintain_order="left", validate="1:1")
        self.names = [c for c in x.columns[2:] if c not in table["outcomes"].columns]
        self.frame = x
        self.codes = {c: np.unique(x[c].to_numpy(), return_inverse=True)[1] for c in CATEGORIES}
        self.x = np.column_stack(
            [self.codes[c] if c in CATEGORIES else x[c].cast(pl.Float64).to_numpy() for c in self.names]
        ).astype(float)
        self.y = x["late"].to_numpy().astype(int)
        self.predict_at = x["predict_at"].dt.epoch("s").to_numpy()
        self.known_at = x["landed_at"].dt.epoch("s").to_numpy()
        self.month = x["predict_at"].dt.month().to_numpy()
        self.live = np.flatnonzero((self.predict_at >= START) & (self.predict_at < END))
        self.sample = self.live[x["flight_id"].hash(seed=0).to_numpy()[self.live] % 5 == 0]


class Version:
    """A model, the encoding of its categories and the holdout it is judged on."""

    def __init__(self, data: Data, s: Setting, seed: int, when: int, train: np.ndarray, held: np.ndarray) -> None:
        self.data, self.at, self.train, self.held = data, when, train, held
        y = np.roll(data.y[train], ROWS_OFF) if when == START + s.misjoined * s.every * DAY else data.y[train]
        self.codes = {c: codes(data, c, train, s.encode) for c in CATEGORIES}
        x = self.encoded(train)
        begin = time.perf_counter()
        self.model = lgb.LGBMClassifier(
            n_estimators=s.trees, learning_rate=s.rate, num_leaves=s.leaves, min_child_samples=s.min_leaf,
            colsample_bytree=0.5, subsample=0.7, subsample_freq=1, reg_lambda=5.0, max_bin=127,
            random_state=seed, deterministic=True, force_row_wise=True, n_jobs=1, verbose=-1,
        ).fit(x, y).booster_  # fmt: skip
        self.seconds = time.perf_counter() - begin

    def encoded(self, rows: np.ndarray) -> np.ndarray:
        x = self.data.x[rows]
        for name, code in self.codes.items():
            x[:, self.data.names.index(name)] = code[self.data.codes[name][rows]]
        return x

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(self.encoded(rows), num_threads=1)


def codes(data: Data, name: str, train: np.ndarray, how: str) -> np.ndarray:
    """Encode a category from the training rows alone; a value not seen there is -1 (target: the mean rate)."""
    code = data.codes[name]
    n = np.bincount(code[train], minlength=code.max() + 1)
    if how == "ordinal":
        return np.where(n > 0, np.cumsum(n > 0) - 1.0, -1.0)
    late = np.bincount(code[train], weights=data.y[train], minlength=len(n))
    return (late + 100 * data.y[train].mean()) / (n + 100)


class Year:
    """The first version, trained at START, and every candidate after it; all policies choose from these."""

    def __init__(self, data: Data, s: Setting, seed: int) -> None:
        self.data, self.versions, self.turns = data, [], []
        times = list(range(START, END, s.every * DAY))
        for when, until in zip(times, [*times[1:], END], strict=True):
            split = when - s.holdout * DAY
            since = split - s.window * DAY if s.window else 0
            train = np.flatnonzero((data.predict_at >= since) & (data.predict_at < split) & (data.known_at <= when))
            held = np.flatnonzero((data.predict_at >= split) & (data.known_at <= when))
            self.versions.append(Version(data, s, seed, when, train, held))
            self.turns.append(np.flatnonzero((data.predict_at >= when) & (data.predict_at < until)))
        # A stronger "never": every row of January and February known by START, no holdout kept back.
        everything = np.flatnonzero(data.known_at <= START)
        self.jan_feb = Version(data, s, seed, START, everything, everything[:0])
        self.live, self.judged = {}, {}

    def judge(self, new: int, old: int) -> tuple[float, float]:
        """Return the AUC gain of new over old on new's holdout, and its one-sided 95 % paired bootstrap bound."""
        if (new, old) not in self.judged:
            held = self.versions[new].held
            y, a, b = self.data.y[held], self.versions[new].predict(held), self.versions[old].predict(held)
            weights = np.random.default_rng(0).poisson(1.0, (200, len(y))).astype(np.float32)
            bound = np.quantile(auc_resampled(y, a, weights) - auc_resampled(y, b, weights), 0.05)
            self.judged[new, old] = (roc_auc_score(y, a) - roc_auc_score(y, b), float(bound))
        return self.judged[new, old]

    def gated(self, margin: float, by: str) -> list[int]:
        """Return the champion of each turn when a candidate needs a gain (or its bound) of at least the margin."""
        champions = [0]
        for i in range(1, len(self.versions)):
            gain, bound = self.judge(i, champions[-1])
            champions.append(i if (gain if by == "point" else bound) >= margin else champions[-1])
        return champions

    def served(self, champions: list[int]) -> np.ndarray:
        """Return the probability each row got from the champion of its time (nan before START)."""
        p = np.full(len(self.data.y), np.nan)
        for turn, champion in enumerate(champions):
            if (turn, champion) not in self.live:
                self.live[turn, champion] = self.versions[champion].predict(self.turns[turn])
            p[self.turns[turn]] = self.live[turn, champion]
        return p


def auc_resampled(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC under each row of weights (ties between probabilities are ignored: they are rare)."""
    order = np.argsort(p)
    w, yes = weights[:, order], y[order] == 1
    negatives = np.cumsum(np.where(yes, 0, w), axis=1)
    return (negatives * np.where(yes, w, 0)).sum(1) / (w[:, yes].sum(1) * w[:, ~yes].sum(1))


def quality(data: Data, p: np.ndarray) -> dict[str, float]:
    live = data.live
    by_month = {f"m{m}": roc_auc_score(data.y[r], p[r]) for m in range(3, 13) for r in [live[data.month[live] == m]]}
    return by_month | {
        "mean": float(np.mean(list(by_month.values()))),
        "all": roc_auc_score(data.y[live], p[live]),
        "sample": roc_auc_score(data.y[data.sample], p[data.sample]),
        "logloss": log_loss(data.y[live], p[live]),
        "brier": brier_score_loss(data.y[live], p[live]),
    }


def policies(year: Year, gates: list[str]) -> dict[str, dict[str, float]]:
    data, n = year.data, len(year.versions)
    stronger = np.full(len(data.y), np.nan)
    stronger[data.live] = year.jan_feb.predict(data.live)
    rows = {
        "never (first version)": quality(data, year.served([0] * n)),
        "never (all Jan+Feb)": quality(data, stronger),
        "always": quality(data, year.served(list(range(n)))) | {"promoted": n - 1},
    }
    for name in gates:
        champions = year.gated(*GATES[name])
        rows[f"gate {name}"] = quality(data, year.served(champions)) | {"promoted": len(set(champions)) - 1}
    return rows


def show(rows: dict[str, dict[str, float]]) -> None:
    keys = ["mean", "all", "sample", "logloss", "brier", "promoted"]
    print(f"{'policy':24}" + "".join(f"{k:>9}" for k in keys))
    for name, q in rows.items():
        print(f"{name:24}" + "".join(f"{q[k]:9.4f}" if k in q else f"{'':9}" for k in keys))


SWEEP = [
    Setting(**{"window": 60, "trees": 150, "rate": 0.05, k: v})
    for k, values in {"window": [60, 30, 90, 120, 0], "holdout": [7], "every": [7, 28], "encode": ["target"]}.items()
    for v in values
]


def psi(a: np.ndarray, b: np.ndarray, category: bool) -> float:
    """Population stability index of b against a: deciles of a (or the categories), and one more bin for missing."""
    if category:
        bins = [np.bincount(v.astype(int), minlength=int(max(a.max(), b.max())) + 1) for v in (a, b)]
    else:
        edges = np.unique(np.nanquantile(a, np.linspace(0, 1, 11)[1:-1]))
        bins = [np.append(np.bincount(np.searchsorted(edges, v[~np.isnan(v)], side="right"), minlength=len(edges) + 1),
                          np.isnan(v).sum()) for v in (a, b)]  # fmt: skip
    p, q = (np.maximum(v / v.sum(), 1e-4) for v in bins)
    return float(((q - p) * np.log(q / p)).sum())


def single_feature_auc(data: Data) -> dict[str, float]:
    """AUC of each feature alone (a category by its mean lateness), the better direction, rows with a value."""
    out = {}
    for j, name in enumerate(data.names):
        v = data.x[:, j]
        if name in CATEGORIES:
            v = (np.bincount(data.codes[name], weights=data.y) / np.bincount(data.codes[name]))[data.codes[name]]
        ok = ~np.isnan(v)
        a = roc_auc_score(data.y[ok], v[ok])
        out[name] = max(a, 1 - a)
    return dict(sorted(out.items(), key=lambda item: -item[1]))


def origin_aucs(data: Data, v: Version) -> list[float]:
    p, origin = v.predict(v.held), data.codes["origin"][v.held]
    return [roc_auc_score(data.y[v.held][origin == o], p[origin == o]) for o in range(3)]


def gain_by_days(data: Data, new: np.ndarray, old: np.ndarray, repeats: int = 100) -> tuple[float, float]:
    """90 % interval of the overall AUC gain when whole days are resampled: flights of one day share their fate."""
    rows = data.live
    day = (data.predict_at[rows] - START) // DAY
    rng, gains = np.random.default_rng(0), []
    for _ in range(repeats):
        w = rng.poisson(1.0, day.max() + 1)[day][None, :].astype(float)
        gains.append((auc_resampled(data.y[rows], new[rows], w) - auc_resampled(data.y[rows], old[rows], w))[0])
    return float(np.quantile(gains, 0.05)), float(np.quantile(gains, 0.95))


def date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b")


def one_seed(seed: int) -> dict:
    data = Data()
    year = Year(data, Setting(), seed)
    table = policies(year, ["point 0", "bound -0.005", CHOSEN])
    champions = year.gated(*GATES[CHOSEN])
    always = list(range(len(champions)))
    low, high = gain_by_days(data, year.served(champions), year.served(always))
    refused = [date(v.at) for v, c, i in zip(year.versions, champions, always, strict=True) if c != i]
    lines = []
    for i, v in enumerate(year.versions):
        by, y = origin_aucs(data, v), data.y[v.held]
        gain, bound = year.judge(i, champions[i - 1]) if i else (np.nan, np.nan)
        lines.append(
            f"{i:3} {date(v.at)} {len(v.train):9,} {data.y[v.train].mean():14.3f} {y.mean():16.3f} "
            f"{roc_auc_score(y, v.predict(v.held)):8.4f} {gain:+8.4f} {bound:+8.4f} {max(by) - min(by):14.3f} "
            f"{v.seconds:8.2f}  {'' if champions[i] == i else 'REFUSED'}"
        )
    text = f"seed {seed}: refused {', '.join(refused)}; gated - always, all rows: {low:+.4f} to {high:+.4f}"
    return {"table": table, "text": text, "candidates": lines}


def incident(seed: int) -> None:
    data = Data()
    year = Year(data, Setting(misjoined=INCIDENT), seed)
    v, champions = year.versions[INCIDENT], year.gated(*GATES[CHOSEN])
    gain, bound = year.judge(INCIDENT, champions[INCIDENT - 1])
    print(
        f"\nInjected incident, seed {seed}: the labels of the candidate of {date(v.at)} are joined "
        f"{ROWS_OFF} rows, about one day, off.\n"
        f"Holdout AUC {roc_auc_score(data.y[v.held], v.predict(v.held)):.4f}, gain {gain:+.4f}, bound {bound:+.4f}: "
        f"{'promoted' if champions[INCIDENT] == INCIDENT else 'REFUSED'}"
    )
    show(policies(year, [CHOSEN]))
    turn = year.turns[INCIDENT]
    for name, chosen in (("always", list(range(len(champions)))), ("gate", champions)):
        print(f"{name}: AUC of the two weeks after it {roc_auc_score(data.y[turn], year.served(chosen)[turn]):.4f}")


def report(seeds: range) -> None:
    # a forked child of a process that used polars hangs
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        results = list(pool.map(one_seed, seeds))
    tables = [r["table"] for r in results]
    print(asdict(Setting()))
    print(f"Mean of seeds {seeds[0]} to {seeds[-1]}")
    mean = {name: {k: float(np.mean([t[name][k] for t in tables])) for k in q} for name, q in tables[0].items()}
    show(mean)
    print("\nROC AUC by month, mean of the seeds")
    print(f"{'policy':24}" + "".join(f"{m:>8}" for m in MONTHS))
    for name, q in mean.items():
        print(f"{name:24}" + "".join(f"{q[f'm{m}']:8.4f}" for m in range(3, 13)))
    print("\nGain over 'always', by seed (mean of months / all rows)")
    for name in mean:
        gains = [[t[name][k] - t["always"][k] for k in ("mean", "all")] for t in tables]
        print(f"{name:24}" + "".join(f"  {a:+.4f}/{b:+.4f}" for a, b in gains))
    print("\nRefused, and the 90 % interval of the gain when whole days are resampled")
    print("\n".join(r["text"] for r in results))
    print(f"\nCandidates, seed {seeds[0]}, gate {CHOSEN}")
    print("  # at     train rows  late in train  late in holdout      AUC     gain    bound  gap by origin  seconds")
    print("\n".join(results[0]["candidates"]), flush=True)
    incident(seeds[0])


def describe() -> None:
    data, window = Data(), Setting().window
    print(f"{len(data.y):,} rows, {len(data.names)} features, made in {data.feature_seconds:.1f} s")
    print("\nAUC of single features: " + ", ".join(f"{k} {v:.3f}" for k, v in single_feature_auc(data).items()))
    print(f"\nPSI of each month against the {window} days before it (all rows)")
    print(f"{'feature':18}" + "".join(f"{m:>7}" for m in MONTHS))
    for j, name in enumerate(data.names):
        values = []
        for m in range(3, 13):
            before = (data.predict_at >= at(m, 1) - window * DAY) & (data.predict_at < at(m, 1))
            values.append(psi(data.x[before, j], data.x[data.month == m, j], name in CATEGORIES))
        print(f"{name:18}" + "".join(f"{v:7.2f}" for v in values))
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sweep", action="store_true")
    args = parser.parse_args()
    if args.sweep:
        data = Data()
        for s in SWEEP:
            year = Year(data, s, seed=1)
            print("\n" + ", ".join(f"{k}={v}" for k, v in asdict(s).items()))
            print(f"{len(year.versions)} versions, {np.median([v.seconds for v in year.versions]):.2f} s each (median)")
            show(policies(year, list(GATES)))
            sys.stdout.flush()
    else:
        describe()
        report(range(1, 6))


if __name__ == "__main__":
    main()
