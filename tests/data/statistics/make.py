"""Writes expected.json: the results of scipy and statsmodels for fixed input. Run it again to check that they have not
changed: pip install scipy statsmodels scikit-learn && python make.py"""

import json
import pathlib

import numpy as np
import scipy
import sklearn
import statsmodels
from scipy import optimize, stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(20261123)
out = {"made_with": {m.__name__: m.__version__ for m in (np, scipy, statsmodels, sklearn)}}

out["normal"] = [[x, stats.norm.cdf(x)] for x in (-6.0, -2.5, -1.0, 0.0, 0.3, 1.96, 4.0)]
out["normal_quantile"] = [[p, stats.norm.ppf(p)] for p in (1e-6, 0.025, 0.2, 0.5, 0.8, 0.975, 0.9999)]
out["student"] = [[t, f, 2 * stats.t.sf(abs(t), f)] for t in (0.1, 1.0, 2.2, 5.0) for f in (1, 4, 30, 200)]
out["student_quantile"] = [[p, f, stats.t.isf(p / 2, f)] for p in (0.01, 0.05, 0.1) for f in (1, 4, 30, 200)]
out["wilson"] = [
    [k, n, c, *map(float, proportion_confint(k, n, 1 - c, method="wilson"))]
    for k, n in ((0, 10), (1, 10), (5, 10), (10, 10), (37, 120), (999, 1000)) for c in (0.9, 0.95)
]
out["mcnemar"] = [
    [b, c, float(mcnemar([[7, b], [c, 3]], exact=True).pvalue)] for b, c in ((0, 5), (1, 9), (4, 4), (12, 30), (3, 2), (0, 1))
]
paired = []
for n in (2, 5, 12, 40):
    d = np.round(rng.normal(0.05, 0.2, n), 6)
    test = stats.ttest_1samp(d, 0.0)
    interval = test.confidence_interval(0.95)
    paired.append({"differences": d.tolist(), "p": test.pvalue, "from": interval.low, "to": interval.high,
                   "deviation": d.std(ddof=1)})
out["paired"] = paired
out["holm"] = []
for p in ([0.01, 0.04, 0.03, 0.005], [0.2, 0.2, 0.9], [0.5], [0.001, 0.002, 0.003, 0.9, 0.04]):
    out["holm"].append([p, multipletests(p, method="holm")[1].tolist()])
out["kappa"] = []
for kinds, n in ((2, 30), (3, 40), (5, 60)):
    a = rng.integers(0, kinds, n)
    b = np.where(rng.random(n) < 0.6, a, rng.integers(0, kinds, n))
    out["kappa"].append({"kinds": kinds, "pairs": np.stack([a, b], 1).tolist(), "same": cohen_kappa_score(a, b),
                         "linear": cohen_kappa_score(a, b, weights="linear"),
                         "quadratic": cohen_kappa_score(a, b, weights="quadratic")})


def empirical_bernstein(x, alpha, c=0.5):
    """Waudby-Smith and Ramdas 2024, theorem 2, vectorized as in the paper's appendix."""
    t = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    before = np.append(0.5, mean[:-1])
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    lam = np.minimum(np.sqrt(2 * np.log(2 / alpha) / (np.append(0.25, variance[:-1]) * t * np.log(1 + t))), c)
    psi = (-np.log(1 - lam) - lam) / 4
    half = (np.log(2 / alpha) + np.cumsum(4 * (x - before) ** 2 * psi)) / np.cumsum(lam)
    middle = np.cumsum(lam * x) / np.cumsum(lam)
    return np.maximum.accumulate(np.maximum(middle - half, 0)), np.minimum.accumulate(np.minimum(middle + half, 1))


out["sequence"] = []
for n, alpha in ((5, 0.05), (60, 0.05), (400, 0.01)):
    x = np.round(rng.beta(4, 2, n), 6)
    low, high = empirical_bernstein(x, alpha)
    out["sequence"].append({"values": x.tolist(), "wrong": alpha, "from": low[-1], "to": high[-1]})


def davidson(n, games):
    """Maximum likelihood estimate of Davidson's model (1970), from wins of i over j and ties."""
    def loss(theta):
        s, nu = np.append(0.0, theta[:-1]), np.exp(theta[-1])
        total = 0.0
        for i, j, win, tie, lose in games:
            a, b = np.exp(s[i]), np.exp(s[j])
            both = nu * np.sqrt(a * b)
            d = a + b + both
            total -= win * np.log(a / d) + lose * np.log(b / d) + tie * np.log(both / d)
        return total
    best = optimize.minimize(loss, np.zeros(n), method="BFGS", options={"gtol": 1e-9}).x
    s = np.append(0.0, best[:-1])
    return (s - s.mean()).tolist(), float(np.exp(best[-1]))


out["davidson"] = []
for games in ([[0, 1, 6, 2, 3]], [[0, 1, 7, 2, 3], [1, 2, 5, 4, 4], [0, 2, 9, 1, 2]],
              [[0, 1, 4, 3, 5], [1, 2, 6, 1, 3], [2, 3, 2, 2, 7], [3, 0, 6, 5, 4], [0, 2, 3, 3, 3]]):
    strengths, ties = davidson(1 + max(max(g[:2]) for g in games), games)
    out["davidson"].append({"games": games, "strengths": strengths, "ties": ties})

pathlib.Path(__file__).with_name("expected.json").write_text(json.dumps(out, indent=1) + "\n")
