"""Evaluation: one set of samples and features, all metrics, one record."""

from genkit.evaluation.calibration import calibrate
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.measuring import Measuring
from genkit.evaluation.subjects import Evaluation, evaluate, evaluate_images

__all__ = ["Evaluation", "Evaluator", "Measuring", "calibrate", "evaluate", "evaluate_images"]
