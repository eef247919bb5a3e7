"""A fit that is stopped and resumed gives the bits of one that never stopped."""

import numpy as np
import pytest
import resuming
from resuming import OPTIONS, PLAIN, Every, cases, make, outcome, resumed, written

import nablas as nb
from nablas import io, kernels, schedules

CASES = list(cases())
EPOCHS = 4


@pytest.fixture
def threads():
    before = nb.num_threads()
    yield
    nb.set_num_threads(before)


# ---- the same bits -------------------------------------------------------------------------------


def test_the_cases_have_every_value_and_every_pair():
    met = {frozenset([(a, c[a]), (b, c[b])]) for c in CASES for a in c for b in c if a != b}
    assert len(met) == sum(
        len(OPTIONS[a]) * len(OPTIONS[b]) for a in OPTIONS for b in OPTIONS if a < b
    )
    assert set(nb.optimizers.names()) <= {name.split()[0] for name in OPTIONS["optimizer"]}
    kinds = {name for name in schedules.__all__ if isinstance(getattr(schedules, name), type)}
    assert kinds - {"Plan", "Schedule"} == set(OPTIONS["schedule"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_resumed_after_every_batch(case, tmp_path, threads):
    """Wherever it stopped, on one thread and on several."""
    net, settings = make(case, epochs=EPOCHS)
    net.fit(**settings)
    want = outcome(net)
    got, files = written(case, tmp_path)
    assert got == want  # writing changes nothing
    assert len(files) >= len(net.history)
    for i, path in enumerate(files):
        nb.set_num_threads(1 + i % 3)
        assert resumed(case, path) == want, path.name


def test_stops_within_epochs_are_among_them(tmp_path):
    for loss in (0, 2):  # of the core, in Python
        folder = tmp_path / str(loss)
        folder.mkdir()
        _, files = written({**PLAIN, "loss": loss}, folder)
        rows = [io.read(path)[2]["rows"] for path in files]
        assert set(rows) == {0, 50, 100, 150, 200}


def test_batches_of_many_blocks(tmp_path):
    """An epoch that is looked at within a batch stops at the batch's end; sums of more than 4096 batches."""
    x, y = resuming.data(9000)
    for size in (4500, 1):
        (folder := tmp_path / str(size)).mkdir()
        settings = {"X": x[:, :3], "y": y, "batch_size": size, "epochs": 1, "l2": 0.01}
        net = nb.MLP([3, 5], output="softmax", seed=0)
        net.fit(**settings, callbacks=[Every(folder)])
        want, files = outcome(net), sorted(folder.iterdir())
        assert len(files) > 1
        for path in files[:: max(1, len(files) // 20)]:
            net = nb.MLP([3, 5], output="softmax", seed=0)
            net.fit(**settings, resume=path)
            assert outcome(net) == want


def test_a_resumed_fit_is_stopped_and_resumed_again(tmp_path):
    """With another file for each epoch, of which each names its callbacks' states."""
    for case in CASES[::4]:
        net, settings = make(case, epochs=EPOCHS)
        spans = settings["optimizer"].schedule.spans_fit()
        net.fit(**settings)
        want, path = outcome(net), None
        for epochs in range(1, EPOCHS + 1):
            if spans:  # its total cannot change: stopped in another way
                break
            net, settings = make(case, epochs=epochs)
            settings["callbacks"].append(nb.Checkpoint(tmp_path / f"{epochs}"))
            net.fit(**settings, resume=path)
            path = tmp_path / f"{epochs}"
        else:
            assert outcome(net) == want


def test_interrupted_by_an_error_in_the_same_process(tmp_path):
    """The same network, optimizer and callbacks go on."""
    path = tmp_path / "c"
    for case in CASES[::5]:
        net, settings = make(case, epochs=EPOCHS)
        net.fit(**settings)
        want = outcome(net)
        if len(want[2]["loss"]) < EPOCHS:
            continue
        net, settings = make(case, epochs=EPOCHS)
        armed = [True]

        def fail(state, armed=armed):
            if state.epoch == 3 and armed[0]:
                raise ZeroDivisionError

        settings["callbacks"] += [nb.Checkpoint(path), fail]
        with pytest.raises(ZeroDivisionError):
            net.fit(**settings)
        armed[0] = False
        rate = OPTIONS["schedule"][resuming.chosen(case)["schedule"]]()
        settings["optimizer"].learning_rate = rate  # which a callback may have changed
        history = net.fit(**settings, resume=path)
        assert outcome(net) == want
        assert len(history) == EPOCHS


def test_an_ended_fit_returns_at_once(tmp_path):
    for case in CASES[::4]:
        want, files = written(case, tmp_path)
        net, settings = make(case, epochs=EPOCHS)
        net.fit(**settings, resume=files[-1])
        assert outcome(net) == want
        for path in files:
            path.unlink()
    x, y = resuming.data()
    path = tmp_path / "c"
    stopping = {
        "callbacks": [nb.EarlyStopping(1, monitor="loss", min_delta=9), nb.Checkpoint(path)]
    }
    first = nb.MLP([30, 5], output="softmax", seed=0)
    first.fit(x, y, epochs=9, **stopping)
    net = nb.MLP([30, 5], output="softmax", seed=0)
    net.fit(x, y, epochs=90, **stopping, progress=False, resume=path)  # stopped is stopped
    assert outcome(net) == outcome(first)


def test_more_epochs_than_first_asked_for(tmp_path):
    for case in CASES[::3]:
        net, settings = make(case, epochs=7)
        spans = settings["optimizer"].schedule.spans_fit()
        net.fit(**settings)
        want = outcome(net)
        _, files = written(case, tmp_path, epochs=3)
        if spans:
            with pytest.raises(ValueError, match="epochs: expected 3, got 7"):
                resumed(case, files[-1], 7)
        else:
            assert resumed(case, files[-1], 7) == want
        if not spans:
            with pytest.raises(ValueError, match="epochs: expected at least"):
                resumed(case, files[-1], 1)
        for path in files:
            path.unlink()


def test_a_network_that_was_trained_before(tmp_path):
    """Counters of shuffling and dropout, the optimizer's steps and the schedule go on from earlier fits."""
    x, y = resuming.data()
    path = tmp_path / "c"

    def begun():
        net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
        optimizer = nb.NAdam(schedules.StepDecay(0.01, every=2))
        net.fit(x, y, epochs=3, optimizer=optimizer, dropout=0.2, batch_size=50)
        return net, {"optimizer": optimizer, "dropout": 0.2, "batch_size": 50}

    net, settings = begun()
    net.fit(x, y, epochs=4, **settings)
    want = outcome(net)
    net, settings = begun()
    net.fit(x, y, epochs=2, **settings, callbacks=[nb.Checkpoint(path)])
    fresh = nb.MLP(resuming.SIZES, output="softmax", seed=7)
    settings["optimizer"] = nb.NAdam(schedules.StepDecay(0.01, every=2))
    fresh.fit(x, y, epochs=4, **settings, resume=path)
    assert outcome(fresh) == want
    assert fresh.seed == 0
    again = nb.MLP.load(path)
    again.fit(
        x,
        y,
        epochs=4,
        **{**settings, "optimizer": nb.NAdam(settings["optimizer"].schedule)},
        resume=path,
    )
    assert outcome(again) == want


class Drawn(schedules.Schedule):
    """A user's schedule: settings of any kind, and a state that `rates` changes."""

    def __init__(self):
        super().__init__(0.1)
        self.between, self.table = (0.5, 1), np.array([1.0, 0.7])
        self.begin()

    def begin(self):
        self._drawn, self._kept = 0, np.zeros(2)

    def rates(self, steps, plan):
        self._drawn += 1
        self._kept += self.table
        low, high = self.between
        share = kernels.random_uniform(len(steps), seed=self._drawn) * (high - low) + low
        return self.initial * share / self._kept.sum()


def test_a_schedule_with_a_state_of_its_own(tmp_path):
    net, settings = make(PLAIN, epochs=EPOCHS, optimizer=nb.SGD(Drawn()))
    net.fit(**settings)
    want = outcome(net)
    got, files = written(PLAIN, tmp_path, optimizer=nb.SGD(Drawn()))
    assert got == want
    for path in files:
        assert resumed(PLAIN, path, optimizer=nb.SGD(Drawn())) == want, path
    other = nb.SGD(Drawn())
    other.schedule.between = (0.5, 0.9)
    with pytest.raises(ValueError, match=r"learning_rate.between: expected \[0.5, 1\], got"):
        resumed(PLAIN, files[0], optimizer=other)


def test_a_callback_that_holds_the_schedule(tmp_path):
    def fit(**more):
        schedule = Drawn()

        def skip(state):
            schedule._drawn += 1

        net, settings = make(PLAIN, epochs=EPOCHS, optimizer=nb.SGD(schedule), callbacks=[skip])
        settings["callbacks"] += more.pop("also", [])
        net.fit(**settings, **more)
        return outcome(net)

    want = fit(also=[Every(tmp_path)])
    for path in sorted(tmp_path.iterdir()):
        assert fit(resume=path) == want


def test_layouts_and_sparse_matrices(tmp_path):
    """Equal values in another layout are the same data; sparse X is resumed, too."""
    from scipy import sparse

    x, y = resuming.data(1500)
    x[x < 1] = 0
    kinds = {
        "c": x,
        "f": np.asfortranarray(x),
        "s": x.astype(">f4"),
        "csr": sparse.csr_array(x),
        "csc": sparse.csc_array(x),
    }
    outcomes = []
    for name, first in kinds.items():
        net = nb.MLP([30, 5], output="softmax", seed=0)
        net.fit(first, y, epochs=2, callbacks=[nb.Checkpoint(tmp_path / name)])
        for other, given in kinds.items():
            net = nb.MLP([30, 5], output="softmax", seed=0)
            if (name in ("csr", "csc")) == (other in ("csr", "csc")):
                net.fit(given, y, epochs=3, resume=tmp_path / name)
                outcomes.append(outcome(net))
            else:
                with pytest.raises(ValueError, match="X.dtype: expected"):
                    net.fit(given, y, epochs=3, resume=tmp_path / name)
    assert all(one == outcomes[0] for one in outcomes)
