from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from detent.bundle.predictors.sandbox import SandboxPredictor
from detent.bundle.protocol import PredictionError
from detent.bundle.trust import folder_digest
from detent.errors import DataError, RefusedError
from detent.records.project import Trust
from detent.records.signature import Field, Signature

SIGNATURE = Signature(
    inputs=(Field(name="a", kind="number", nullable=True), Field(name="b", kind="integer", nullable=False)),
    output="probability",
)
ROWS = {"a": [0.5, -1.0, 2.0], "b": [1, 2, 3]}


class Program:
    """A model that is whatever code it is given: unpickling it evaluates the text."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self):
        return (eval, (self.code,))


def model_that(code: str) -> bytes:
    """A pickle whose `predict(frame)` runs code; `x` is the first value of `a`, and the code's value the answer."""
    answers = f"(lambda x: [float(0 if v is None else v) for v in [({code})] * len(frame)])(frame['a'].iloc[0])"
    members = f"{{'feature_names_in_': ['a', 'b'], 'predict': staticmethod(lambda frame: {answers})}}"
    return pickle.dumps(Program(f"type('M', (), {members})"))


def opened(folder: Path, model: bytes, *, deadline: float = 20.0, memory: int = 4 << 30) -> SandboxPredictor:
    (folder / "model").mkdir()
    path = folder / "model" / "model.pkl"
    path.write_bytes(model)
    trust = Trust(pickles=(folder_digest(path),), deadline=deadline, memory=memory)
    return SandboxPredictor(folder / "model", SIGNATURE, trust=trust)


def refused(folder: Path, code: str) -> str:
    """What the model's process says when its code tries something."""
    predictor = opened(folder, model_that(code))
    try:
        with pytest.raises(PredictionError) as caught:
            predictor.predict(ROWS)
        assert predictor.limits == ()
        return caught.value.why
    finally:
        predictor.close()


def test_a_pickled_estimator_answers_as_it_does_here(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    estimator = LogisticRegression().fit(x, x[:, 0] > 0)
    predictor = opened(tmp_path, pickle.dumps(estimator))
    assert predictor._sandbox._children == []  # it is started by the first call
    expected = estimator.predict_proba(np.column_stack(list(ROWS.values())))[:, 1]
    np.testing.assert_array_equal(predictor.predict(ROWS), expected)
    with pytest.raises(PredictionError, match="the model raised") as caught:
        predictor.predict({"a": [None], "b": [1]})
    assert "NaN" in caught.value.why
    np.testing.assert_array_equal(predictor.predict(ROWS), expected)  # the same process goes on
    with pytest.raises(DataError, match="`b`"):
        predictor.predict({"a": [1.0]})
    process = predictor._sandbox._children[0].process
    predictor.close()
    assert process.poll() is not None


def test_a_model_whose_digest_is_not_allowed_never_starts(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    mark = tmp_path / "it ran"
    (tmp_path / "model" / "model.pkl").write_bytes(pickle.dumps(Program(f"open({str(mark)!r}, 'w')")))
    for trust in (Trust(), Trust(pickles=("0" * 64,))):
        with pytest.raises(RefusedError, match="does not allow it to run") as caught:
            SandboxPredictor(tmp_path / "model", SIGNATURE, trust=trust)
        assert "trust: {pickles: [" in caught.value.fix
    assert not mark.exists()


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/hostname').read() and 0",
        "open('/etc/passwd').read() and 0",
        "__import__('os').listdir('/root') and 0",
        "open('/tmp/written', 'w') and 0",
        "__import__('os').mkdir('/dev/shm/made')",
        "__import__('os').chmod('/tmp', 0o700)",
        "open(f'/proc/{__import__(\"os\").getppid()}/environ').read() and 0",
    ],
)
def test_it_can_neither_read_nor_write_files(tmp_path: Path, code: str) -> None:
    said = refused(tmp_path, code)
    assert "Permission denied" in said or "not permitted" in said


@pytest.mark.parametrize(
    "code",
    [
        "__import__('socket').socket() and 0",
        "__import__('socket').socket(__import__('socket').AF_UNIX) and 0",
        "__import__('os').fork()",
        "__import__('os').execv('/bin/true', ['true'])",
        "__import__('subprocess').run(['/bin/true']) and 0",
        "__import__('os').kill(__import__('os').getppid(), 0)",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_CPU, (9, 9))",
        "__import__('fcntl').fcntl(2, __import__('fcntl').F_SETOWN, __import__('os').getppid())",
    ],
)
def test_it_can_neither_connect_nor_start_or_signal_processes(tmp_path: Path, code: str) -> None:
    said = refused(tmp_path, code)
    assert "not permitted" in said or "not allowed" in said


def test_it_has_no_variables_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETENT_SECRET", "hidden")
    predictor = opened(tmp_path, model_that("'DETENT_SECRET' in __import__('os').environ"))
    assert predictor.predict(ROWS).tolist() == [0.0] * 3
    predictor.close()


def test_a_crash_is_a_failed_prediction_and_the_next_call_is_answered(tmp_path: Path) -> None:
    crash = "__import__('ctypes').string_at(0) and 0 if x == 666.0 else 0.25"
    predictor = opened(tmp_path, model_that(crash))
    assert predictor.predict(ROWS).tolist() == [0.25] * 3
    with pytest.raises(PredictionError) as caught:
        predictor.predict({"a": [666.0], "b": [1]})
    assert f"died of signal {signal.SIGSEGV.value}" in caught.value.why
    assert predictor.predict(ROWS).tolist() == [0.25] * 3
    with pytest.raises(PredictionError, match="the model raised"):
        predictor.predict({"a": [666.0], "b": [1]})
    predictor.close()


def test_a_call_that_never_returns_is_ended_at_the_deadline(tmp_path: Path) -> None:
    hang = "__import__('time').sleep(3600) or 0 if x == 666.0 else 0.5"
    predictor = opened(tmp_path, model_that(hang), deadline=1.0)
    assert predictor.predict(ROWS).tolist() == [0.5] * 3
    hung = predictor._sandbox._children[0].process
    began = monotonic()
    with pytest.raises(PredictionError) as caught:
        predictor.predict({"a": [666.0], "b": [1]})
    assert monotonic() - began < 5
    assert "no answer within 1 s" in caught.value.why
    assert hung.poll() == -signal.SIGKILL
    assert predictor.predict(ROWS).tolist() == [0.5] * 3
    predictor.close()


def test_a_model_that_eats_memory_fails_alone(tmp_path: Path) -> None:
    predictor = opened(tmp_path, model_that("len(bytearray(3 << 30)) and 0"), memory=2 << 30)
    with pytest.raises(PredictionError) as caught:
        predictor.predict(ROWS)
    assert "MemoryError" in caught.value.why
    predictor.close()


def test_a_process_without_memory_is_ended_and_a_new_one_answers(tmp_path: Path) -> None:
    predictor = opened(tmp_path, model_that("len(bytearray(3 << 30)) and 0 if x == 666.0 else 0.5"), memory=2 << 30)
    assert predictor.predict(ROWS).tolist() == [0.5] * 3
    full = predictor._sandbox._children[0].process
    with pytest.raises(PredictionError) as caught:
        predictor.predict({"a": [666.0], "b": [1]})
    assert "needs more than the 2,048 MB of `trust.memory_mb` (MemoryError" in caught.value.why
    assert full.poll() is not None
    assert predictor.predict(ROWS).tolist() == [0.5] * 3
    assert predictor._sandbox._children[0].process.pid != full.pid
    predictor.close()


def test_a_pickle_that_is_none_is_a_failed_prediction(tmp_path: Path) -> None:
    predictor = opened(tmp_path, b"\x80\x04not a pickle")
    with pytest.raises(PredictionError) as caught:
        predictor.predict(ROWS)
    assert "it can't be read" in caught.value.why
    predictor.close()


@pytest.mark.parametrize("code", ["[0.1, 0.2]", "'text'", "float('nan')"])
def test_answers_that_are_no_scores_are_failures_or_nan(tmp_path: Path, code: str) -> None:
    predictor = opened(tmp_path, model_that(code))
    if "nan" in code:
        assert np.isnan(predictor.predict(ROWS)).all()
    else:
        with pytest.raises(PredictionError, match="the model raised"):
            predictor.predict(ROWS)
    predictor.close()


def test_bytes_that_the_model_writes_into_the_pipe_hurt_nobody(tmp_path: Path) -> None:
    forge = "[__import__('os').write(fd, b'\\xff' * 64) for fd in __import__('json').loads(" \
        "__import__('json').dumps([int(n) for n in __import__('os').listdir('/proc/self/fd')])) if fd > 2 " \
        "and __import__('stat').S_ISSOCK(__import__('os').fstat(fd).st_mode)] and 0"  # fmt: skip
    predictor = opened(tmp_path, model_that(forge))
    with pytest.raises(PredictionError, match="the model raised"):
        predictor.predict(ROWS)
    predictor.close()


def test_several_threads_get_their_own_answers(tmp_path: Path) -> None:
    predictor = opened(tmp_path, model_that("x"))
    wrong: list[float] = []

    def ask(value: float) -> None:
        for _ in range(30):
            if predictor.predict({"a": [value], "b": [1]}).tolist() != [value]:
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(float(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    predictor.close()


def test_the_process_dies_with_its_caller_even_inside_a_call(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "model.pkl"
    path.write_bytes(model_that("__import__('time').sleep(3600) or 0"))
    ours, theirs = socket.socketpair()
    caller = os.fork()
    if caller == 0:
        trust = Trust(pickles=(folder_digest(path),))
        predictor = SandboxPredictor(path.parent, SIGNATURE, trust=trust)
        child = predictor._sandbox._ready_child()
        theirs.send(str(child.process.pid).encode())
        predictor.predict(ROWS)  # never returns
        os._exit(0)
    theirs.close()
    ours.settimeout(60)
    pid = int(ours.recv(20))
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    until = monotonic() + 10
    while monotonic() < until and alive(pid):
        os.sched_yield()
    assert not alive(pid)
    ours.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.slow
def test_a_pyfunc_folder_of_mlflow_runs_confined(tmp_path: Path) -> None:
    import mlflow.pyfunc

    class Half(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["a"].to_numpy() * 0 + 0.5

    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Half())
    trust = Trust(pickles=(folder_digest(tmp_path / "model"),))
    predictor = SandboxPredictor(tmp_path / "model", SIGNATURE, trust=trust)
    assert predictor.predict(ROWS).tolist() == [0.5] * 3
    predictor.close()
