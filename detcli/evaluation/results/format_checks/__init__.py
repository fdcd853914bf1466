"""Checks whether results and ground truth mean the same boxes."""

from detcli.evaluation.results.format_checks.checks import check_formats, ground_truth_notes

__all__ = ["check_formats", "ground_truth_notes"]
