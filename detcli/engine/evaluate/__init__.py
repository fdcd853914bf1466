"""Evaluates stored results or a model: from a request to metrics, report, plots and annotated images."""

from detcli.engine.evaluate.run_evaluation import evaluate
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest, EvaluationResult

__all__ = ["EvaluationObserver", "EvaluationRequest", "EvaluationResult", "evaluate"]
