"""Which loggers are used, and what is wrong with them before the first step."""

import sys
from pathlib import Path

import pytest

from detcli.cli.framework.folder_rules import refusal
from detcli.errors import DamagedModelError, UsageError
from detcli.training.logs.clearml_logger import ClearMLLogger
from detcli.training.logs.experiment_logs import line_values
from detcli.training.logs.logger import LOGGERS, flat, logger_names
from detcli.training.logs.mlflow_logger import allowed_name
from detcli.training.logs.saved_experiments import SavedExperiments


def test_only_tensorboard_is_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOGGERS["tensorboard"], "problem", lambda: None)
    assert logger_names(None) == ("tensorboard",)
    monkeypatch.setattr(LOGGERS["tensorboard"], "problem", lambda: "it is not installed")
    assert logger_names(None) == ()
    assert logger_names(["none"]) == ()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tensorbord"], "unknown logger 'tensorbord' in `log_to`; known: tensorboard, wandb, mlflow, clearml, none"),
        (["none", "wandb"], "either none or names of loggers"),
        (["wandb"], "`log_to` wandb: wandb is not installed: pip install wandb"),
        (["mlflow"], "`log_to` mlflow: mlflow is not installed: pip install mlflow"),
        (["clearml"], "`log_to` clearml: clearml is not installed: pip install clearml"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(names: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.training.logs.logger.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        logger_names(names)


class Broken:
    """A logger whose package fails when it is asked."""

    title = "Broken"

    @staticmethod
    def problem() -> str | None:
        raise TypeError("Descriptors cannot be created directly.\nmore lines")


def test_a_package_that_is_broken_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("broken", "tensorboard"):
        monkeypatch.setitem(LOGGERS._loaded, name, Broken)
    monkeypatch.setitem(LOGGERS._entries, "broken", Broken)
    with pytest.raises(UsageError) as error:
        logger_names(["broken"])
    reason = "TypeError: Descriptors cannot be created directly"
    assert str(error.value) == f"`log_to` broken: Broken is installed, but cannot be used ({reason})"
    assert logger_names(None) == (), "the default is left out"


def test_clearml_needs_credentials_or_offline_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.training.logs.logger.find_spec", lambda name: sys.modules["sys"])
    for name in ("CLEARML_OFFLINE_MODE", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLEARML_CONFIG_FILE", str(tmp_path / "clearml.conf"))
    assert "run 'clearml-init', or set CLEARML_OFFLINE_MODE=1" in (ClearMLLogger.problem() or "")
    monkeypatch.setenv("CLEARML_OFFLINE_MODE", "1")
    assert ClearMLLogger.problem() is None


def test_a_settings_file_of_a_folder_cannot_send_data_away() -> None:
    assert refusal("log-to", "none") is None
    assert refusal("log-to", "tensorboard") is None
    assert refusal("log-to", "wandb")
    assert refusal("log-to", ["tensorboard", "mlflow"])


def test_tags_follow_the_lines_of_the_metrics() -> None:
    line = {"kind": "epoch", "step": 4, "lr": 0.1, "loss": 3.0, "losses": {"loss_vfl": 3.0}}
    more = {"val_loss": 2.0, "val_losses": {"loss_vfl": 2.0}, "metrics": {"AP": 0.5, "APsmall": None}}
    assert line_values(line) == {"epoch/loss": 3.0, "epoch/loss_vfl": 3.0, "epoch/lr": 0.1}
    assert line_values({**line, **more}) == {
        **line_values(line), "val/loss": 2.0, "val/loss_vfl": 2.0, "metrics/AP": 0.5,
    }  # fmt: skip
    assert line_values({**line, "kind": "steps"}).keys() == {"steps/loss", "steps/loss_vfl", "steps/lr"}
    assert flat({"lr": 0.1, "network": {"a": {"b": [1, 2]}}}) == {"lr": "0.1", "network.a.b": "[1, 2]"}


def test_classes_have_different_names_in_mlflow() -> None:
    assert allowed_name("class_ap/traffic light") == "class_ap/traffic light"
    names = [allowed_name(f"class_ap/{name}") for name in ("犬", "猫", "a:b", "a;b", "a_b")]
    assert len(set(names)) == 5
    assert all(name.isascii() and ":" not in name for name in names)


def test_what_was_logged_is_known_after_a_restart(tmp_path: Path) -> None:
    saved = SavedExperiments(tmp_path / "experiments.json")
    saved.set_id("one", "id-1")
    saved.add("one", "steps", 10)
    saved.add("two", "epoch", 10)
    again = SavedExperiments(tmp_path / "experiments.json")
    assert (again.id_of("one"), again.id_of("two")) == ("id-1", None)
    assert [again.has("one", "steps", step) for step in (9, 10, 11)] == [True, True, False]
    assert not again.has("one", "epoch", 1)
    again.forget_after("two", 4)
    assert [again.has("two", "epoch", step) for step in (4, 5)] == [True, False]
    again.set_id("one", "id-2")  # another experiment has nothing yet
    assert not again.has("one", "steps", 1)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": {"id": 1}}', '{"a": {"steps": "1"}}'])
def test_a_damaged_list_of_experiments_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "experiments.json").write_text(text)
    with pytest.raises(DamagedModelError, match="delete it to start new"):
        SavedExperiments(tmp_path / "experiments.json")
