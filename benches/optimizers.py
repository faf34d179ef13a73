"""Runs Optuna's TPE with a median pruner on the experiments that `cargo bench --bench optimize -- FILE` wrote, with
the same number of evaluations. An evaluation is one setting on one case; repeating one costs nothing.
Optuna is run with several trial lengths, one column each; the race must match the best of them.

NUMBER limits the number of experiments of each kind.
Usage: pip install optuna && python benches/optimizers.py FILE [NUMBER]"""

import json
import sys
from collections import defaultdict

import optuna

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
LENGTHS = (5, 10, 20, 40)


def regret(experiment, length, seed):
    scores, places = experiment["scores"], {tuple(arm): place for place, arm in enumerate(experiment["arms"])}
    left, known = experiment["evaluations"], set()
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
    )
    best, best_mean = 0, -1.0
    # Repeating a known trial costs no budget, so the number of such trials is limited instead.
    for _ in range(4 * len(scores)):
        trial = study.ask()
        arm = places[tuple(trial.suggest_categorical(f"axis{i}", range(n)) for i, n in enumerate(experiment["axes"]))]
        total, pruned = 0.0, False
        for case in range(length):
            if (arm, case) not in known:
                if left == 0:
                    return max(experiment["effects"]) - experiment["effects"][best]
                left -= 1
                known.add((arm, case))
            total += scores[arm][case]
            trial.report(total / (case + 1), case)
            if trial.should_prune():
                pruned = True
                break
        if pruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        study.tell(trial, total / length)
        if total / length > best_mean:
            best, best_mean = arm, total / length
    return max(experiment["effects"]) - experiment["effects"][best]


def main():
    groups = defaultdict(list)
    for experiment in json.load(open(sys.argv[1])):
        groups[experiment["name"], experiment["evaluations"]].append(experiment)
    print("| settings, evaluations | Quire's race | " + " | ".join(f"Optuna, {n} cases a trial" for n in LENGTHS) + " |")
    print("|---|--:|" + "--:|" * len(LENGTHS))
    most = int(sys.argv[2]) if len(sys.argv) > 2 else None
    worse = False
    for (name, evaluations), group in groups.items():
        group = group[:most]
        race = sum(experiment["race"] for experiment in group) / len(group)
        others = [sum(regret(e, n, seed) for seed, e in enumerate(group)) / len(group) for n in LENGTHS]
        worse |= race > min(others)
        print(f"| {name}, {evaluations} | {race:.4f} | " + " | ".join(f"{other:.4f}" for other in others) + " |", flush=True)
    sys.exit(worse)


main()
