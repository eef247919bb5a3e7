"""A plugin of pytest: ``--every N`` runs the first of every N cases of each test function, for slow processors."""

import collections


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1, help="run one of so many cases of each test")


def pytest_collection_modifyitems(config, items):
    every, met = config.getoption("--every"), collections.Counter()
    kept = []
    for item in items:
        name = item.nodeid.split("[")[0]
        if met[name] % every == 0:
            kept.append(item)
        met[name] += 1
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept
